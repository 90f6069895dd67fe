"""The timeline of a fault proxy: the faults of a scenario that a proxy can cause, by the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simlib.core.draws import SEED_LIMIT
from simlib.core.errors import SettingsError
from simlib.core.faults import Direction, Fault, FaultKind, Route, Timeline
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect
from simlib.lab.fault_proxy.relay import Relay
from simlib.lab.script_file import parse_script, read_script
from simlib.scenario.build import build_inside

#: What a proxy can do: it passes bytes on, and cannot read what TLS hides.
PLAYED = {
    *(FaultKind.OUTAGE, FaultKind.FLAP, FaultKind.RESET, FaultKind.BLACK_HOLE),
    *(FaultKind.LATENCY, FaultKind.BANDWIDTH, FaultKind.HALF_OPEN, FaultKind.HANDOVER),
}
_KEYS = ["name", "seed", "faults"]


@dataclass(frozen=True)
class FaultScript:
    """Faults by time, and the seed of all draws."""

    faults: Sequence[Fault] = ()
    seed: int = 0

    def edges(self) -> list[tuple[float, int, bool]]:
        """Return (time, index of the part, whether it starts), in order."""
        return self.timeline.edges()

    @property
    def timeline(self) -> Timeline:
        """The faults, a flap as the outages that it is."""
        return Timeline(self.faults, self.seed)


def fault_script(path: str | Path) -> FaultScript:
    """Read the faults of a proxy from a TOML file.

    Raises
    ------
    SettingsError
        Naming the file, the key, the value and the rule that it breaks.
    """
    return read_script(path, parse_faults)


def parse_faults(text: str) -> FaultScript:
    """Read the faults of a proxy from TOML.

    Examples
    --------
    >>> script = parse_faults('''
    ... seed = 7
    ... [[faults]]
    ... kind = "outage"
    ... start_s = 10
    ... stop_s = 20
    ... ''')
    >>> script.edges()
    [(10.0, 0, True), (20.0, 0, False)]
    """
    data = parse_script(text, _KEYS, 'kind = "reset"')
    seed = check_seed("seed", data.get("seed", 0))
    return FaultScript([_fault(i, fault) for i, fault in enumerate(data["faults"])], seed)


def check_seed(key: str, seed: object) -> int:
    """Return a seed, or refuse what is none."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEED_LIMIT:
        raise SettingsError(key, seed, f"must be a whole number from 0 to {SEED_LIMIT - 1:,}")
    return seed


def _fault(i: int, data: object) -> Fault:
    where = f"faults[{i}]"
    fault: Fault = build_inside(where, Fault, data)
    kind = fault.kind.name.lower()
    if fault.kind not in PLAYED:
        known = ", ".join(sorted(each.name.lower() for each in PLAYED))
        rule = f"is no fault that a proxy can cause; it can: {known}; for others: simlib serve"
        raise SettingsError(f"{where}.kind", kind, rule)
    if fault.route is not Route.ALL:
        rule = "must be left out: a proxy carries one route"
        raise SettingsError(f"{where}.route", fault.route.name.lower(), rule)
    if fault.announced:
        rule = "must be left out: a proxy cannot tell a client's platform"
        raise SettingsError(f"{where}.announced", True, rule)
    return fault


def start_fault(relay: Relay, script: FaultScript, index: int) -> None:
    """Have a proxy cause a part of the script from now on."""
    timeline = script.timeline
    fault, origin = timeline.faults[index], timeline.origins[index]
    if fault.kind is FaultKind.RESET:
        relay.cut(fault.clients_fraction, origin)
    elif fault.kind is FaultKind.HANDOVER:
        relay.abandon(fault.clients_fraction, origin)
    else:
        relay.begin(_name(index), _effect(fault), origin)


def stop_fault(relay: Relay, index: int) -> None:
    """End a part of the script, unless somebody has ended it by hand."""
    if _name(index) in relay.effects:
        relay.end(_name(index))


def describe_fault_edge(script: FaultScript, index: int, *, starts: bool) -> str:
    """Return what happens in words, such as "outage begins"."""
    fault = script.timeline.faults[index]
    word = fault.kind.name.lower().replace("_", " ")
    if fault.kind in {FaultKind.RESET, FaultKind.HANDOVER}:
        return word
    return f"{word} {'begins' if starts else 'ends'}"


def _name(index: int) -> str:
    return f"faults[{index}]"


def _effect(fault: Fault) -> ProxyEffect:
    share = fault.clients_fraction
    if fault.kind is FaultKind.BLACK_HOLE:
        return ProxyEffect(kind=EffectKind.HOLD, fraction=share)
    if fault.kind is FaultKind.LATENCY:
        return ProxyEffect(kind=EffectKind.LATENCY, fraction=share, latency_s=fault.amount_s)
    if fault.kind is FaultKind.BANDWIDTH:
        rate = fault.bandwidth_bytes_per_s
        return ProxyEffect(kind=EffectKind.BANDWIDTH, fraction=share, bandwidth_bytes_per_s=rate)
    if fault.kind is FaultKind.HALF_OPEN:
        is_up = fault.direction is Direction.UP
        return ProxyEffect(kind=EffectKind.HALF_OPEN, fraction=share, up=is_up, down=not is_up)
    return ProxyEffect(kind=EffectKind.REFUSE, fraction=share)
