"""The claims of the report: how each is tested, measured and estimated, and its bound.

A claim names the function that changes a scenario so that it tests the claim, the function that
gives one value per client, and the estimate of these values. Where a closed form says where the
claim should stop to hold, it stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from simlib.core.backoff import ceiling
from simlib.core.faults import Fault, FaultKind, Route
from simlib.metrics.array_types import Floats
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.intervals import Estimate, mean, median, share
from simlib.metrics.messages import messages
from simlib.metrics.metrics import spans
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Arrivals, Workload
from simlib.trace.trace import Trace

#: When the outage starts: every client is open by then.
START_S = 5.0
#: A breaker that opens just before the outage ends keeps a client away this long, and more.
AFTER_S = 45.0
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Claim:
    """One claim, and how it is put to the test."""

    name: str
    sentence: str
    #: How the report's client is tested.
    test: str
    #: Changes the scenario so that it tests the claim at a point of the axis.
    vary: Callable[[Scenario, float], Scenario]
    #: One value per client (NaN: the client says nothing of it).
    measure: Callable[[Trace], Floats]
    #: From the clients' values to the estimate.
    estimate: Callable[[Floats], Estimate]
    unit: str
    required: float
    #: Whether the estimate must be at least, or at most, what is required.
    at_least: bool
    #: What is varied to find the edge, from where to where, and where the claim is judged.
    axis: str
    low: float
    high: float
    at: float
    #: What a closed form says of the edge, in words; empty if there is none.
    theory: str = ""


def _outage(scenario: Scenario, length_s: float) -> Scenario:
    """Return it with an outage of everything, of this length, and five messages a second."""
    return _faulty(scenario, Fault(FaultKind.OUTAGE, START_S, START_S + length_s), length_s, 5.0)


def _silent_outage(scenario: Scenario, length_s: float) -> Scenario:
    """Return the same without messages: cheap, where only connections matter."""
    return _faulty(scenario, Fault(FaultKind.OUTAGE, START_S, START_S + length_s), length_s, 0.0)


def _block_websocket(scenario: Scenario, length_s: float) -> Scenario:
    """Return it with WebSocket alone blocked; HTTP works."""
    fault = Fault(FaultKind.OUTAGE, START_S, START_S + length_s, route=Route.WEBSOCKET)
    return _faulty(scenario, fault, length_s, 0.2)


def _expire_sessions(scenario: Scenario, lifetime_s: float) -> Scenario:
    """Return the scenario with all sessions revoked, and the next sign-in this much later."""
    fault = Fault(FaultKind.SESSION_EXPIRY, START_S)
    with_session = scenario.replace("server.session_lifetime_s", 10_000.0)
    with_session = with_session.replace("client.session.sign_in_after_s", lifetime_s)
    return _faulty(with_session, fault, lifetime_s, 0.2)


def _without_jitter(scenario: Scenario, length_s: float) -> Scenario:
    """Return it with the waits as they are written: no jitter, and no breaker over them."""
    plain = scenario.replace("client.backoff.jitter", "none")
    return _silent_outage(plain.replace("client.breaker.trip_after", inf), length_s)


def _faulty(scenario: Scenario, fault: Fault, length_s: float, rate_per_s: float) -> Scenario:
    """Return it with this fault alone, and with messages at this rate in the place of its own."""
    given = scenario.workload
    silent = given.arrivals != Arrivals.RECORDED and given.rate_per_s == 0.0
    return scenario.replace(
        duration_s=START_S + length_s + AFTER_S,
        ramp_s=1.0,
        warm_up_s=0.0,
        faults=[fault],
        hints=[],
        workload=Workload(
            rate_per_s=0.0 if silent else rate_per_s, stop_s=START_S + length_s + 1.0
        ),
    )


def _per_client(trace: Trace, groups: Any, missing: float) -> Floats:
    values: Floats = groups.reindex(range(trace.scenario.clients), fill_value=missing).to_numpy(
        dtype=float
    )
    return values


def _lost(trace: Trace) -> Floats:
    table = messages(trace)
    gone = table[~table["delivered"] & (table["dropped_s"] < inf)]
    return _per_client(trace, gone.groupby("client").size(), 0.0)


def _nothing_lost(trace: Trace) -> Floats:
    return (_lost(trace) == 0.0).astype(float)


def _share_of_an_hour_delivered(trace: Trace) -> Floats:
    """Return the share of an hour's messages that one such outage in it leaves delivered."""
    return 1.0 - _lost(trace) / (trace.scenario.workload.rate_per_s * _HOUR_S)


def _back_after_s(trace: Trace) -> Floats:
    return recovery_times_s(trace)


def _stays(trace: Trace) -> Floats:
    frame = trace.frame()
    gave_up = frame.loc[(frame["reason"] == "gave_up").to_numpy(), "client"].unique()
    stayed: Floats = (~np.isin(np.arange(trace.scenario.clients), gave_up)).astype(np.float64)
    return stayed


def _critical_first(trace: Trace) -> Floats:
    """1 if of what waited at the return, everything critical left before anything else."""
    table = messages(trace)
    stop_s = trace.scenario.faults[0].stop_s
    waited = table[(table["send_s"] < stop_s) & (table["left_s"] >= stop_s)]
    waited = waited[np.isfinite(waited["left_s"])]
    critical = waited["priority"] == "critical"
    last_s = waited[critical].groupby("client")["left_s"].max()
    first_s = waited[~critical].groupby("client")["left_s"].min()
    both = last_s.index.intersection(first_s.index)
    first: Floats = (last_s[both] <= first_s[both]).to_numpy(dtype=float)
    return first


def _polls_and_returns(trace: Trace) -> Floats:
    """1 if a client fell back during the fault and was on WebSocket at the end."""
    looks = spans(trace, ["transport"])
    polled = looks.loc[looks["transport"] == "poll", "client"].unique()
    last = looks.groupby("client")["transport"].last()
    back = _per_client(trace, (last == "websocket").astype(float), 0.0)
    return back * np.isin(np.arange(trace.scenario.clients), polled)


def _attempts_under_open_breaker(trace: Trace) -> Floats:
    frame = trace.frame()
    asked = frame[((frame["name"] == "open") & (frame["breaker"] == "open")).to_numpy()]
    return _per_client(trace, asked.groupby("client").size(), 0.0)


def _attempts_without_session(trace: Trace) -> Floats:
    """Count attempts between the word that the session is over and the next sign-in."""
    frame = trace.frame()
    over = frame[(frame["reason"] == "sign_in").to_numpy()].groupby("client")["time_s"].first()
    back = frame[(frame["name"] == "signed_in").to_numpy()].groupby("client")["time_s"].last()
    asked = frame[(frame["name"] == "open").to_numpy()]
    since = asked["time_s"] > asked["client"].map(over).fillna(inf)
    until = asked["time_s"] < asked["client"].map(back).fillna(inf)
    return _per_client(trace, asked[since & until].groupby("client").size(), 0.0)


def _deepest(trace: Trace) -> Floats:
    """Return the most messages that each client's outbox held."""
    table = messages(trace)
    table = table[~table["reason"].isin(["full", "quota"])]
    gone_s = table[["acknowledged_s", "dropped_s"]].min(axis=1)
    changes = pd.concat(
        [
            pd.DataFrame({"client": table["client"], "at": table["send_s"], "by": 1}),
            pd.DataFrame({"client": table["client"], "at": gone_s, "by": -1}),
        ]
    )
    # At the same moment what leaves makes room first.
    changes = changes[np.isfinite(changes["at"])].sort_values(["at", "by"], kind="stable")
    depth = changes.groupby("client")["by"].cumsum()
    return _per_client(trace, depth.groupby(changes["client"]).max(), 0.0)


def _waits_as_written(trace: Trace) -> Floats:
    """1 if all waits of a client after failures are the ceilings 1, 2, 4, 8, 10, 10 ... s."""
    frame = trace.frame()
    ended = (frame["name"].isin(["failed", "lost"]) & (frame["state"] == "waiting")).to_numpy()
    waits = frame[ended]
    backoff = trace.scenario.client.backoff
    written = waits["attempt"].map({k: ceiling(backoff, k) for k in waits["attempt"].unique()})
    same = np.isclose(waits["wait_s"], written.astype(float))
    return _per_client(trace, pd.Series(same).groupby(waits["client"].to_numpy()).min(), 1.0)


def _busy(scenario: Scenario, rate_per_s: float) -> Scenario:
    """Return the scenario with a full outage of 20 s and ``rate_per_s`` messages a second."""
    return _outage(scenario, 20.0).replace("workload.rate_per_s", rate_per_s)


def _crowd(scenario: Scenario, clients: float) -> Scenario:
    """Return the scenario with a full outage of 3 s, more clients, and 200 handshakes a second."""
    crowd = _silent_outage(scenario, 3.0).replace(clients=round(clients))
    return crowd.replace("server.handshake_service_s", 0.005)


_AXIS = "outage, s"

CLAIMS = (
    Claim(
        name="99.9 % delivered",
        sentence="At least 99.9 % of messages are delivered.",
        test="5 messages/s, one full outage in an hour",
        vary=_outage,
        measure=_share_of_an_hour_delivered,
        estimate=mean,
        unit="share of an hour's messages",
        required=0.999,
        at_least=True,
        axis=_AXIS,
        low=5.0,
        high=40.0,
        at=20.0,
        theory="100 slots overflow after 101 / 5 = 20.2 s offline on average",
    ),
    Claim(
        name="reconnects under 5 s",
        sentence="Reconnection typically takes less than 5 s (median, from the outage's end).",
        test="no messages, one full outage",
        vary=_silent_outage,
        measure=_back_after_s,
        estimate=median,
        unit="time to recover, s",
        required=5.0,
        at_least=False,
        axis=_AXIS,
        low=1.0,
        high=40.0,
        at=20.0,
        theory="with the breaker the mean wait beyond a 20 s outage is 21.8 s, without it 3.3 s",
    ),
    Claim(
        name="99.9 % at any rate",
        sentence="At least 99.9 % of messages are delivered, however many there are.",
        test="one full outage of 20 s in an hour",
        vary=_busy,
        measure=_share_of_an_hour_delivered,
        estimate=mean,
        unit="share of an hour's messages",
        required=0.999,
        at_least=True,
        axis="messages/s",
        low=1.0,
        high=10.0,
        at=5.0,
        theory="100 slots hold 20 s of at most 5 messages/s",
    ),
    Claim(
        name="under 5 s in a crowd",
        sentence="Reconnection typically takes less than 5 s, however many come back.",
        test="full outage of 3 s, 200 handshakes/s",
        vary=_crowd,
        measure=_back_after_s,
        estimate=median,
        unit="time to recover, s",
        required=5.0,
        at_least=False,
        axis="clients",
        low=100.0,
        high=3000.0,
        at=1000.0,
        theory="half of N clients need N / 400 s at 200 handshakes/s: 2,000 in 5 s, at the least",
    ),
    Claim(
        name="keeps attempting",
        sentence="A client comes back by itself after an outage (it does not give up).",
        test="no messages, one full outage, ten attempts",
        vary=_silent_outage,
        measure=_stays,
        estimate=share,
        unit="share of clients",
        required=1.0,
        at_least=True,
        axis=_AXIS,
        low=10.0,
        high=240.0,
        at=20.0,
        theory="ten waits without jitter and breaker add up to 75 s; with the breaker, to 180 s",
    ),
    Claim(
        name="nothing lost",
        sentence="No message is lost.",
        test="5 messages/s, one full outage",
        vary=_outage,
        measure=_nothing_lost,
        estimate=share,
        unit="share of clients that lost nothing",
        required=1.0,
        at_least=True,
        axis=_AXIS,
        low=5.0,
        high=40.0,
        at=20.0,
        theory="5 messages/s overflow 100 slots with probability 0.002 in 15 s, 0.47 in 20 s",
    ),
    Claim(
        name="critical first",
        sentence="Critical messages leave before others.",
        test="5 messages/s, what waited at the return",
        vary=_outage,
        measure=_critical_first,
        estimate=share,
        unit="share of clients",
        required=1.0,
        at_least=True,
        axis=_AXIS,
        low=5.0,
        high=40.0,
        at=20.0,
    ),
    Claim(
        name="polls and comes back",
        sentence="It degrades to polling, and comes back.",
        test="WebSocket alone is blocked",
        vary=_block_websocket,
        measure=_polls_and_returns,
        estimate=share,
        unit="share of clients",
        required=1.0,
        at_least=True,
        axis=_AXIS,
        low=12.0,
        high=60.0,
        at=20.0,
        theory="three failures take at most 7 s of waits: shorter outages need no polling",
    ),
    Claim(
        name="no attempts while open",
        sentence="There is no reconnect spam while the breaker is open.",
        test="no messages, one full outage",
        vary=_silent_outage,
        measure=_attempts_under_open_breaker,
        estimate=mean,
        unit="attempts under an open breaker",
        required=0.0,
        at_least=False,
        axis=_AXIS,
        low=10.0,
        high=240.0,
        at=60.0,
    ),
    Claim(
        name="no loop without session",
        sentence="There is no retry loop on an expired session.",
        test="all sessions revoked; sign-in after a while",
        vary=_expire_sessions,
        measure=_attempts_without_session,
        estimate=mean,
        unit="attempts between expiry and sign-in",
        required=0.0,
        at_least=False,
        axis="until sign-in, s",
        low=1.0,
        high=60.0,
        at=20.0,
    ),
    Claim(
        name="queue bound",
        sentence="The queue never holds more than 100 messages.",
        test="5 messages/s, one full outage",
        vary=_outage,
        measure=_deepest,
        estimate=mean,
        unit="messages, the deepest of each client",
        required=100.0,
        at_least=False,
        axis=_AXIS,
        low=5.0,
        high=40.0,
        at=40.0,
    ),
    Claim(
        name="waits 1, 2, 4 ... 10",
        sentence="The waits are 1, 2, 4, 8, 10, 10 ... s.",
        test="as written: without jitter, without the breaker",
        vary=_without_jitter,
        measure=_waits_as_written,
        estimate=share,
        unit="share of clients with exactly these",
        required=1.0,
        at_least=True,
        axis=_AXIS,
        low=10.0,
        high=70.0,
        at=60.0,
        theory="ceilings 1, 2, 4, 8, 10, 10 ...; with full jitter a wait is half of it on average",
    ),
)
