"""Metastable failures: a spike is over, and the load that its retries make goes on.

The example of Bronson et al.: a server that can do 300 requests a second, clients that wait for a
second and try once more. The network is dark for a while, and then brings all at once what was sent
meanwhile. A request that nobody waits for any more is still work. Nothing here says "collapse": it
comes of time-outs, retries and a server with a queue.

By fluid limits, for load r, capacity c, patience T = 1 s and two tries: when the network is back,
those still wait who came within the last T: r T first tries, and r T second ones if it was dark for
L > 2 T, or r (L - T) if for L in between. If these are more than c T, that is for L > T c / r, all
that come later wait in vain, and 2 r > c goes on for ever; for r < c / 2 that never happens. Second
tries that are spread over 8 s are too few after 3 s, but as many after 10 s: backoff moves the
edge, and does not take it away.
"""

from __future__ import annotations

from functools import partial
from math import inf

import numpy as np

from simlib.core.arrivals import StartTimes
from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.faults import Fault, FaultKind
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.path import Latency, Path
from simlib.core.server_settings import ServerSettings
from simlib.core.settings import Settings
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.validate.case import Known, KnownCase, Topic, play_quickly
from simlib.trace.trace import Trace

_CAPACITY_PER_S, _PATIENCE_S, _MOST_ATTEMPTS = 300.0, 1.0, 2
#: When the network is dark, and how long after it the last seconds are looked at.
_START_S, _AFTER_S, _LAST_S = 10.0, 70.0, 10
_AT_ONCE = Backoff(jitter=Jitter.NONE, base_s=1e-6, cap_s=1e-6, max_attempts=_MOST_ATTEMPTS)
_SPREAD = Backoff(jitter=Jitter.FULL, base_s=8.0, cap_s=8.0, max_attempts=_MOST_ATTEMPTS)
_SOURCE = "Bronson et al., HotOS 2021"
_FLUID = "fluid limit of the same"


def spike(load_per_s: float, dark_s: float, backoff: Backoff) -> Scenario:
    """Return requests, a client each, whose network is dark for a while."""
    end_s = _START_S + dark_s + _AFTER_S
    return Scenario(
        clients=round(load_per_s * end_s),
        arrivals=StartTimes.POISSON,
        ramp_s=end_s,
        duration_s=1.0001 * end_s,
        client=Settings(
            connect_timeout_s=_PATIENCE_S,
            backoff=backoff,
            heartbeat=HeartbeatRules(interval_s=inf),
        ),
        server=ServerSettings(handshake_service_s=1.0 / _CAPACITY_PER_S),
        path=Path(latency=Latency(mean_s=0.001)),
        workload=Workload(rate_per_s=0.0),
        faults=(Fault(FaultKind.BLACK_HOLE, _START_S, _START_S + dark_s),),
    )


def measure_load_after(trace: Trace) -> Floats:
    """Return the attempts per second long after the spike."""
    # Of the last second but some: a client that starts there may still have its retry before it.
    return np.array([float(attempts_per_s(trace)[-_LAST_S - 2 : -2].mean())])


def measure_collapse(load_per_s: float, trace: Trace) -> Floats:
    """Return whether there are still half as many retries as first tries."""
    return np.array([float(measure_load_after(trace)[0] > 1.5 * load_per_s)])


def collapse_cases() -> list[KnownCase]:
    """Return loads after a dark time of ten seconds, and the chance of collapse by its length."""
    return [
        _load(280.0, 560.0),
        _load(200.0, 400.0),
        # Below 300 / 2 it recovers.
        _load(120.0, 120.0),
        # The edge is at 1.5 s; just beside it chance decides.
        _chance(1.0, "at once", 0.0),
        _chance(1.3, "at once", 0.0),
        _chance(1.8, "at once", 1.0),
        _chance(3.0, "at once", 1.0),
        _chance(10.0, "at once", 1.0),
        _chance(1.8, "spread", 0.0),
        _chance(3.0, "spread", 0.0),
        _chance(10.0, "spread", 1.0),
    ]


def _load(load_per_s: float, expected_per_s: float) -> KnownCase:
    check = Known(
        f"{load_per_s:g}/s of 300, dark 10 s: then", expected_per_s, _SOURCE, measure_load_after,
        "/s",
    )  # fmt: skip
    play = play_quickly(spike(load_per_s, 10.0, _AT_ONCE))
    return KnownCase(Topic.METASTABLE, play, (check,), 12, 0.3)


def _chance(dark_s: float, how: str, share: float) -> KnownCase:
    load_per_s = 200.0
    check = Known(
        f"dark {dark_s:g} s, {how}: collapse", share, _FLUID,
        partial(measure_collapse, load_per_s), is_share=True,
    )  # fmt: skip
    backoff = _AT_ONCE if how == "at once" else _SPREAD
    play = play_quickly(spike(load_per_s, dark_s, backoff))
    return KnownCase(Topic.METASTABLE, play, (check,), 12, 0.3)
