"""Waits between attempts, and how clients come back: backoff, and giving up."""

from __future__ import annotations

from functools import partial
from math import inf

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter, JitterPlace
from simlib.core.faults import Fault, FaultKind
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.link_table import State
from simlib.core.path import Latency, Path
from simlib.core.settings import Settings
from simlib.metrics.array_types import Floats
from simlib.metrics.fault_times import recovery_times_s
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.case import Known, KnownCase, Topic, simulate
from simlib.trace.columns import Name
from simlib.trace.trace import Trace

_CLIENTS = 1000
#: When every connection is lost; attempts take no time.
FAULT_START_S = 1.0
_EXACT = "sums of uniform waits, exactly (Feller, Probability Theory II, I.9)"
#: Decorrelated jitter and the breaker have no closed form: 20,000,000 and 200,000 draws.
DRAWN = "drawn from the policy's definition"


def outage(backoff: Backoff, length_s: float, stop_s: float, **client: object) -> Scenario:
    """Return clients that all lose their connections at once, and cannot come back for a while."""
    settings = {"backoff": backoff, "heartbeat": HeartbeatRules(interval_s=inf), **client}
    return Scenario(
        clients=_CLIENTS,
        ramp_s=0.0,
        duration_s=stop_s,
        path=Path(latency=Latency(mean_s=0.0)),
        client=Settings(**settings),  # type: ignore[arg-type]
        workload=Workload(rate_per_s=0.0),
        faults=(Fault(FaultKind.OUTAGE, FAULT_START_S, FAULT_START_S + length_s),),
    )


def times_after_loss_s(trace: Trace) -> tuple[Floats, Floats]:
    """Return when each client made its attempts after the loss, and whose each is; by client."""
    columns = trace.columns()
    opens = (columns["name"] == Name.OPEN) & (columns["time_s"] >= FAULT_START_S)
    clients, times_s = columns["client"][opens], columns["time_s"][opens]
    order = np.lexsort((times_s, clients))
    return times_s[order] - FAULT_START_S, clients[order]


def _nth_times_s(trace: Trace, n: int) -> Floats:
    """Return when each client made its n-th attempt."""
    times_s, clients = times_after_loss_s(trace)
    first = np.searchsorted(clients, np.arange(trace.scenario.clients))
    return np.asarray(times_s[first + n - 1])


def measure_time_of(n: int, trace: Trace) -> Floats:
    """Return when each client made its n-th attempt."""
    return _nth_times_s(trace, n)


def measure_square_of(n: int, mean_s: float, trace: Trace) -> Floats:
    """Return how far from a mean each client made its n-th attempt, squared."""
    return np.asarray((_nth_times_s(trace, n) - mean_s) ** 2)


def measure_at_cap(n: int, cap_s: float, trace: Trace) -> Floats:
    """Return whether each client's n-th wait was as long as the cap."""
    waits_s = _nth_times_s(trace, n) - _nth_times_s(trace, n - 1)
    return (waits_s > cap_s - 1e-9).astype(float)


def _waits(name: str, jitter: Jitter, mean_s: float, sd_s: float, source: str) -> KnownCase:
    """Return the sum of eight waits: base 0.5 s, factor 2, cap 8 s."""
    attempts, cap_s = 8, 8.0
    # A spread around the ceiling may pass the cap, in the closed form as here.
    place = JitterPlace.AFTER_CAP if jitter == Jitter.PROPORTIONAL else JitterPlace.INSIDE
    backoff = Backoff(
        jitter=jitter, base_s=0.5, cap_s=cap_s, spread_fraction=0.25, jitter_place=place,
        max_attempts=attempts,
    )  # fmt: skip
    checks = [Known(f"{name}: eight waits", mean_s, source, partial(measure_time_of, 8), "s")]
    if sd_s:
        square = partial(measure_square_of, attempts, mean_s)
        checks.append(Known(f"{name}: their variance", sd_s**2, source, square, "s2"))
    if jitter == Jitter.DECORRELATED:
        at_cap = partial(measure_at_cap, attempts, cap_s)
        share = Known(f"{name}: eighth at the cap", 0.3979481, source, at_cap, is_share=True)
        checks.append(share)
    play = simulate(outage(backoff, 1000.0, 100.0))
    return KnownCase(Topic.WAITS, play, tuple(checks), 2, 1.5)


def _words(jitter: Jitter) -> str:
    return "no jitter" if jitter == Jitter.NONE else f"{jitter.name.lower()} jitter"


# --- time to recover ---------------------------------------------------------------------


def measure_recovery(trace: Trace) -> Floats:
    """Return how long after the outage each client was back."""
    return np.asarray(recovery_times_s(trace))


def measure_late(longer_than_s: float, trace: Trace) -> Floats:
    """Return whether each client was back later than that."""
    return (measure_recovery(trace) > longer_than_s).astype(float)


def measure_attempts(trace: Trace) -> Floats:
    """Return how many attempts each client needed."""
    _, clients = times_after_loss_s(trace)
    return np.bincount(clients.astype(int), minlength=trace.scenario.clients).astype(float)


def measure_all_attempts(trace: Trace) -> Floats:
    """Return how many attempts each client made in the whole run."""
    columns = trace.columns()
    attempts = columns["client"][columns["name"] == Name.OPEN]
    return np.bincount(attempts.astype(int), minlength=trace.scenario.clients).astype(float)


def measure_gave_up(trace: Trace) -> Floats:
    """Return whether each client gave up."""
    columns = trace.columns()
    stopped = columns["client"][columns["state"] == State.STOPPED]
    return np.isin(np.arange(trace.scenario.clients), stopped).astype(float)


def measure_attempt_rate(trace: Trace) -> Floats:
    """Return each client's attempts per second in a long outage, after a minute."""
    times_s, clients = times_after_loss_s(trace)
    settled = clients[(times_s >= 60.0) & (times_s < 260.0)]
    return np.bincount(settled.astype(int), minlength=trace.scenario.clients) / 200.0


def _recovery(
    jitter: Jitter, length_s: float, back_s: float, attempts: float, late_share: float = 0.0
) -> KnownCase:
    """Return clients with base 1 s, factor 2 and cap 10 s after an outage."""
    name = f"{_words(jitter)}, {length_s:g} s out"
    checks = [
        Known(f"{name}: back", back_s, _EXACT, measure_recovery, "s"),
        Known(f"{name}: attempts", attempts, _EXACT, measure_attempts),
    ]
    if late_share:
        late = partial(measure_late, 1.0)
        checks.append(Known(f"{name}: over 1 s", late_share, _EXACT, late, is_share=True))
    backoff = Backoff(jitter=jitter, base_s=1.0, cap_s=10.0)
    play = simulate(outage(backoff, length_s, FAULT_START_S + length_s + 12.0))
    return KnownCase(Topic.RECOVERY, play, tuple(checks), 2, 1.0 + length_s / 30.0)


def _giving_up(length_s: float, share: float) -> KnownCase:
    backoff = Backoff(jitter=Jitter.FULL, base_s=1.0, cap_s=10.0, max_attempts=10)
    name = f"10 attempts, {length_s:g} s outage"
    check = Known(f"{name}: gave up", share, _EXACT, measure_gave_up, is_share=True)
    play = simulate(outage(backoff, length_s, FAULT_START_S + length_s + 12.0))
    return KnownCase(Topic.RECOVERY, play, (check,), 2, 1.5)


def _long_outage(jitter: Jitter, per_s: float) -> KnownCase:
    backoff = Backoff(jitter=jitter, base_s=1.0, cap_s=10.0)
    name = f"{_words(jitter)}, long: attempts/s"
    check = Known(name, per_s, theory.RENEWAL, measure_attempt_rate)
    scenario = outage(backoff, 1000.0, 270.0).replace(clients=200)
    return KnownCase(Topic.RECOVERY, simulate(scenario), (check,), 1, 1.5)


def recovery_cases() -> list[KnownCase]:
    """Return all of them."""
    aws = "AWS's definition of the policy"
    return [
        _waits("no jitter", Jitter.NONE, 39.5, 0.0, aws),
        _waits("full jitter", Jitter.FULL, 19.75, 4.806679380473246, aws),
        _waits("equal jitter", Jitter.EQUAL, 29.625, 2.403339690236623, aws),
        _waits("+-25 %", Jitter.PROPORTIONAL, 39.5, 2.403339690236623, aws),
        _waits("decorrelated", Jitter.DECORRELATED, 29.16618975281513, 0.0, DRAWN),
        _recovery(Jitter.NONE, 10.0, 5.0, 4.0),
        _recovery(Jitter.FULL, 5.0, 3.0387543495132294, 4.078584203235979, 0.7454042398592212),
        _recovery(Jitter.FULL, 20.0, 3.346452342188242, 7.169290468437649),
        _recovery(Jitter.FULL, 60.0, 3.333330466375669, 15.166666093275134, 0.8096394818866456),
        _recovery(Jitter.EQUAL, 30.0, 3.9901728001185828, 7.032023040015811),
        _giving_up(30.0, 0.16394155052399811),
        _giving_up(40.0, 0.6271132192307891),
        _long_outage(Jitter.FULL, 0.2),
        _long_outage(Jitter.EQUAL, 2.0 / 15.0),
    ]
