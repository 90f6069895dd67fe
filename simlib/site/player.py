"""What the page asks of its Python, in JSON: the controls, and what a scenario shows."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isinf, isnan
from typing import Any

from simlib.api import run
from simlib.core.backoff import Backoff, delay
from simlib.core.backoff_kinds import Jitter
from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.faults import Fault, FaultKind
from simlib.core.server_settings import ServerSettings
from simlib.core.settings import Settings
from simlib.scenario.presets import presets
from simlib.scenario.program import write_program
from simlib.scenario.scenario import Scenario, dump, loads, setting
from simlib.scenario.workload import Workload
from simlib.site.counting import Connections, count_connections, find_quantile
from simlib.trace.disruptions import interrupting

#: What a browser plays in a moment; more is for simlib itself.
MOST_BROWSER_CLIENTS, MOST_CLIENT_SECONDS = 1_000, 300_000
_MORE = 'simlib on your machine plays more (in its folder: pip install -e ".[all]")'
#: An address is a version and a scenario; longer ones are no page's.
_VERSION, _MOST_LETTERS, _MOST_BYTES = "1", 20_000, 100_000
#: How many clients' waits are drawn, and of how many attempts.
_SAMPLES, _ATTEMPTS = 40, 12
#: Points of the curve of those who are back.
_MOST_POINTS = 200

START = Scenario(
    name="storm",
    clients=200,
    duration_s=60.0,
    ramp_s=5.0,
    client=Settings(backoff=Backoff(base_s=0.5, cap_s=8.0, jitter=Jitter.NONE)),
    server=ServerSettings(accept_per_s=20.0),
    workload=Workload(rate_per_s=0.0),
    faults=(Fault(FaultKind.OUTAGE, start_s=10.0, stop_s=25.0),),
)


@dataclass(frozen=True)
class Control:
    """A setting that the page can change, and the values between which its slider moves."""

    key: str
    label: str
    unit: str
    help: str
    values: tuple[Any, ...]


_LENGTH = "length_s"
CONTROLS = (
    Control(
        "clients", "clients", "", "How many there are.",
        (1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 750, 1000),
    ),
    Control(
        _LENGTH, "outage", "s", "How long the server is away.",
        (0.5, 1, 2, 3, 5, 8, 10, 15, 20, 25, 30, 40),
    ),
    Control(
        "server.accept_per_s", "server accepts", "per s", "Handshakes in a second; refused beyond.",
        (1, 2, 5, 10, 20, 30, 50, 100, 200, 500, 1000, inf),
    ),
    Control(
        "client.backoff.jitter", "jitter", "", "How a wait is drawn below its ceiling.",
        tuple(jitter.name.lower() for jitter in Jitter),
    ),
    Control(
        "client.backoff.base_s", "first wait", "s", "The ceiling of the first wait.",
        (0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20),
    ),
    Control(
        "client.backoff.factor", "factor", "", "By which the ceiling grows with each failure.",
        (1, 1.3, 1.5, 1.7, 2, 2.5, 3, 4),
    ),
    Control(
        "client.backoff.cap_s", "cap", "s", "What no ceiling exceeds.",
        (0.5, 1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 60, 120),
    ),
    Control(
        "client.breaker.trip_after", "breaker trips after", "failures",
        "Then no attempt is made for a while.",
        (1, 2, 3, 4, 5, 8, 10, 15, 20, inf),
    ),
    Control("seed", "seed", "", "Another seed is another draw of the dice.", tuple(range(1, 21))),
)  # fmt: skip


def answer_request(request: str) -> str:
    """Return the page's next state for a request, both in JSON.

    A request has ``address`` or ``toml``, from which to begin (else the page's own storm), and
    ``changes`` by control. The answer has an ``error`` in words, or all that the page shows.

    Examples
    --------
    >>> json.loads(answer_request('{"changes": {"clients": 0}}'))["error"]
    'clients = 0: must be a whole number, from 1 to 100,000,000'
    """
    asked = json.loads(request)
    try:
        return json.dumps(show(_change(_begin(asked), asked.get("changes", {}))))
    except SettingsError as error:
        return json.dumps({"error": str(error)})


def _begin(asked: Mapping[str, Any]) -> Scenario:
    if asked.get("address"):
        return loads(read_address(str(asked["address"])))
    return loads(str(asked["toml"])) if asked.get("toml") else START


def _change(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    settings = {key: _plain(value) for key, value in changes.items()}
    preset, length_s = settings.pop("preset", None), settings.pop(_LENGTH, None)
    if preset:
        settings["client"] = f"preset:{preset}"
    if length_s is not None:
        settings["faults.0.stop_s"] = _fault(scenario).start_s + length_s
    scenario = scenario.replace(settings) if settings else scenario
    if scenario.clients > MOST_BROWSER_CLIENTS:
        rule = f"must be at most {MOST_BROWSER_CLIENTS:,} in a browser: {_MORE}"
        raise SettingsError("clients", scenario.clients, rule)
    if scenario.clients * scenario.duration_s > MOST_CLIENT_SECONDS:
        rule = f"must be at most {MOST_CLIENT_SECONDS / scenario.clients:g} with so many clients"
        raise SettingsError("duration_s", scenario.duration_s, f"{rule} in a browser: {_MORE}")
    return scenario


def _plain(value: Any) -> Any:
    return inf if value == "inf" else value


def _fault(scenario: Scenario) -> Fault:
    if not scenario.faults or isinf(scenario.faults[0].stop_s):
        rule = "must begin with a fault that ends, which the page can make longer or shorter"
        raise SettingsError("faults", [], rule)
    return scenario.faults[0]


def write_address(scenario: Scenario) -> str:
    """Return a scenario as the end of a page's address."""
    toml = dump(scenario).encode()
    packed = base64.urlsafe_b64encode(zlib.compress(toml, 9)).decode().rstrip("=")
    if len(toml) > _MOST_BYTES or len(packed) > _MOST_LETTERS:
        rule = f"is too long for the address of a page, which holds {_MOST_LETTERS:,} letters and "
        rule += f"{_MOST_BYTES:,} bytes of TOML: {_MORE}"
        raise SettingsError("scenario", scenario.name, rule)
    return f"s={_VERSION}.{packed}"


def read_address(text: str) -> str:
    """Return the TOML in the end of a page's address.

    Raises
    ------
    SettingsError
        If it is of another version, or no scenario.
    """
    version, _, packed = text.removeprefix("#").removeprefix("s=").partition(".")
    if version != _VERSION:
        raise SettingsError(
            "#s", text[:20], f"must begin with {_VERSION}., the version of this page"
        )
    try:
        data = base64.b64decode(packed[:_MOST_LETTERS] + "===", altchars=b"-_")
        unpack = zlib.decompressobj()
        toml = unpack.decompress(data, _MOST_BYTES).decode()
        if not unpack.eof or len(packed) > _MOST_LETTERS:
            raise ValueError("cut short, or too long")
    except (ValueError, zlib.error) as error:
        rule = "holds no scenario: the address was cut or changed on its way, or is too long"
        raise SettingsError("#s", text[:20], rule) from error
    return toml


def show(scenario: Scenario) -> dict[str, Any]:
    """Play a scenario, and return all that the page shows of it."""
    began_s = time.perf_counter()
    # The page shows connections: messages would take most of the time and change nothing in it.
    silent = scenario.replace({"workload": Workload(rate_per_s=0.0)})
    counted = count_connections(run(silent))
    times_s = counted.recovery_times_s()
    return {
        "toml": dump(scenario),
        "python": write_program(scenario),
        "address": write_address(scenario),
        "controls": [_control(scenario, control) for control in CONTROLS],
        "sentence": describe_return(scenario, times_s),
        "policy": scenario.client.backoff.in_words,
        "load": counted.attempts_per_s(),
        "opened": counted.opened_per_s(),
        "limit": _number(scenario.server.accept_per_s),
        "faults": [[f.start_s, min(f.end_s, scenario.duration_s)] for f in interrupting(scenario)],
        "back_s": [_number(time_s) for time_s in _thin(times_s)],
        "hit": len(times_s),
        "numbers": _numbers(counted, times_s),
        "waits": draw_waits(scenario),
        "played_ms": 1000.0 * (time.perf_counter() - began_s),
    }


def _control(scenario: Scenario, control: Control) -> dict[str, Any]:
    if control.key == _LENGTH:
        fault = _fault(scenario)
        value: Any = fault.stop_s - fault.start_s
        longest_s = scenario.duration_s - fault.start_s
        values = tuple(each for each in control.values if each <= longest_s)
    else:
        value, _ = setting(scenario, control.key)
        values = control.values
    if isinstance(value, Jitter):
        value = value.name.lower()
    elif value not in values:
        # A slider holds the given value exactly.
        values = tuple(sorted((*values, value)))
    return {
        "key": control.key,
        "label": control.label,
        "unit": control.unit,
        "help": control.help,
        "values": [_number(each) for each in values],
        "place": values.index(value),
    }


def _number(value: Any) -> Any:
    """Return a value as JSON has it: endless as a word."""
    return "inf" if isinstance(value, float) and isinf(value) else value


def _thin(times_s: list[float]) -> list[float]:
    """Return so few of ascending times that a curve through them looks the same."""
    step = max(1, len(times_s) // _MOST_POINTS)
    return times_s[step - 1 :: step] if step > 1 else times_s


def _numbers(counted: Connections, times_s: list[float]) -> list[list[Any]]:
    quantiles = [[f"{p} of 100 back after, s", find_quantile(times_s, p / 100)] for p in (50, 95)]
    rows: list[list[Any]] = [
        ["attempts", len(counted.attempts_s)],
        ["attempts in the worst second", counted.peak_attempts_per_s()],
        ["the same after the fault", counted.peak_after_fault_per_s()],
        *quantiles,
        ["never back in the run", times_s.count(inf)],
        ["gave up", len(counted.gave_up)],
    ]
    return [[name, None if isnan(value) else _number(value)] for name, value in rows]


def describe_return(scenario: Scenario, times_s: list[float]) -> str:
    """Return what a run shows in a sentence.

    Examples
    --------
    >>> describe_return(START, [0.5, 2.0, float("inf")])
    'The fault cut off 3 of 200 clients: 2 came back within 2 s of its end, 1 did not in the run.'
    """
    if not times_s:
        return "No fault that ended in the run cut off a client."
    back_s = [time_s for time_s in times_s if time_s < inf]
    said = f"The fault cut off {len(times_s):,} of {scenario.clients:,} clients: "
    if not back_s:
        return said + "none of them came back in the run."
    never = len(times_s) - len(back_s)
    all_back = "all" if not never else f"{len(back_s):,}"
    said += f"{all_back} came back within {back_s[-1]:.3g} s of its end"
    return said + (f", {never:,} did not in the run." if never else ".")


def draw_waits(scenario: Scenario) -> list[list[float]]:
    """Return the waits before each attempt, of some clients, as their backoff draws them."""
    backoff, waits_s = scenario.client.backoff, []
    for client in range(_SAMPLES):
        wait_s, row = 0.0, []
        for attempt in range(1, _ATTEMPTS + 1):
            u = uniform(scenario.seed, client, Stream.WAIT, attempt - 1)
            wait_s = delay(backoff, attempt, wait_s, u)
            row.append(round(wait_s, 4))
        waits_s.append(row)
    return [list(each) for each in zip(*waits_s, strict=True)]


def list_presets() -> str:
    """Return the names of the presets in JSON, for the page's list."""
    return json.dumps(list(presets))
