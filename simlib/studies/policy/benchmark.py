"""Compare policies: quantiles of their waits, and one storm played with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, inf
from typing import TYPE_CHECKING

import numpy as np

from simlib.api import run
from simlib.core.errors import SettingsError
from simlib.core.faults import Fault, FaultKind
from simlib.core.path import Latency, Path
from simlib.core.server_settings import ServerSettings
from simlib.core.settings import Settings
from simlib.metrics.attempts import attempts_per_s, peak_attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.intervals import observed_quantiles
from simlib.metrics.metrics import row
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

#: Columns of `storms`, and what each is.
STORM_COLUMNS = {
    "peak_attempts_per_s": "most attempts in one second, which may begin at any tenth of a second "
    "from the outage's start on",
    "peak_after_per_s": "the same from the outage's end on",
    "attempts_per_client": "attempts from the outage's start on, for each client",
    "amplification": "attempts per connection that was of use, of the whole run",
    "back_s_p50": "half of the clients were open again so soon after the outage's end",
    "back_s_p95": "the same of 95 in 100",
    "never_back": "clients that were not open again in the run, or never open at all",
}
_START_S, _AFTER_S = 15, 180


def storm(
    client: Settings,
    clients: int = 10_000,
    outage_s: float = 30.0,
    accept_per_s: float | None = None,
) -> Scenario:
    """Return the storm that all are compared by: an outage, and then a narrow door.

    The server opens ``accept_per_s`` connections a second and refuses the others; by default a
    tenth of the clients, so ten seconds are the least that any policy can do. A round trip takes
    0.1 s. Three minutes are played after the outage, or ten times as long as the server needs for
    all of them.

    Examples
    --------
    >>> storm(Settings(), clients=50).server.accept_per_s
    5.0
    """
    if clients < 1:
        raise SettingsError("clients", clients, "must be 1 or more")
    rate_per_s = max(1.0, clients / 10) if accept_per_s is None else accept_per_s
    if not rate_per_s > 0.0:
        raise SettingsError("accept_per_s", rate_per_s, "must be above 0")
    # Before the outage all are let in, whatever the rate.
    start_s = max(_START_S, ceil(1.5 * clients / rate_per_s))
    stop_s = start_s + outage_s
    return Scenario(
        name="storm",
        clients=clients,
        duration_s=stop_s + max(_AFTER_S, 10.0 * clients / rate_per_s),
        ramp_s=start_s - 2,
        client=client,
        server=ServerSettings(accept_per_s=rate_per_s),
        path=Path(latency=Latency(mean_s=0.05)),
        workload=Workload(rate_per_s=0),
        faults=(Fault(FaultKind.OUTAGE, start_s=start_s, stop_s=stop_s),),
    )


def storms(
    known: Mapping[str, Settings],
    clients: int = 10_000,
    outage_s: float = 30.0,
    accept_per_s: float | None = None,
    *,
    on: str = "fleet",
    progress: Callable[[float, str], None] | None = None,
) -> pd.DataFrame:
    """Play the same storm with each of some clients.

    Parameters
    ----------
    known : mapping
        The clients' settings by name.
    clients : int
        How many of them there are in each storm.
    outage_s : float
        Length of the outage, in s.
    accept_per_s : float, optional
        How many connections the server opens a second; by default a tenth of the clients.
    on : {"fleet", "sim"}
        The engine that plays.
    progress : callable, optional
        Called with the fraction done and what is being played.

    Returns
    -------
    DataFrame
        A row per name, with the `STORM_COLUMNS`.

    Raises
    ------
    SettingsError
        If a number is out of range.

    Examples
    --------
    >>> table = storms({"mine": Settings()}, clients=20, outage_s=5, on="sim")
    >>> int(table.loc["mine", "never_back"])
    0
    """
    return tabulate_storms(
        play_storms(known, clients, outage_s, accept_per_s, on=on, progress=progress)
    )


def play_storms(
    known: Mapping[str, Settings],
    clients: int = 10_000,
    outage_s: float = 30.0,
    accept_per_s: float | None = None,
    *,
    on: str = "fleet",
    progress: Callable[[float, str], None] | None = None,
) -> dict[str, Trace]:
    """Return the runs of `storms`, by the clients' names."""
    traces = {}
    for i, (name, client) in enumerate(known.items()):
        if progress is not None:
            progress(i / len(known), name)
        traces[name] = run(storm(client, clients, outage_s, accept_per_s), on, label=name)
    return traces


def tabulate_storms(traces: Mapping[str, Trace]) -> pd.DataFrame:
    """Return the table of `storms` from its runs."""
    import pandas as pd

    rows = [_of(trace) for trace in traces.values()]
    return pd.DataFrame(
        rows, index=pd.Index(list(traces), name="client"), columns=list(STORM_COLUMNS)
    )


def _of(trace: Trace) -> dict[str, float]:
    (outage,) = trace.scenario.faults
    after = attempts_per_s(trace)[int(outage.start_s) :]
    known_s = recovery_times_s(trace)
    # Who was never let in before the outage did not come back after it either.
    missing_s = np.full(max(0, trace.scenario.clients - known_s.size), inf)
    back_s = np.concatenate([known_s, missing_s])
    median_s, p95_s = observed_quantiles(back_s, [0.5, 0.95])
    return {
        "peak_attempts_per_s": peak_attempts_per_s(trace, outage.start_s),
        "peak_after_per_s": peak_attempts_per_s(trace, outage.end_s),
        "attempts_per_client": float(after.sum()) / trace.scenario.clients,
        "amplification": float(row(trace)["amplification"]),
        "back_s_p50": median_s,
        "back_s_p95": p95_s,
        "never_back": float(np.isinf(back_s).sum()),
    }
