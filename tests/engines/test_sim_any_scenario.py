"""Any scenario plays out: no step breaks an invariant, no message vanishes, replay agrees."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simlib as sl
from simlib.core.client import Client
from simlib.core.faults import FAULT_FIELDS, FaultKind, Route
from simlib.core.server import Server

COUNT = st.sampled_from([1, 2, inf])
CLIENTS = st.builds(
    sl.Settings,
    backoff=st.builds(
        sl.Backoff,
        jitter=st.sampled_from(["none", "full", "decorrelated"]),
        base_s=st.sampled_from([0.05, 1.0]),
        cap_s=st.just(4),
        first_s=st.sampled_from([inf, 0.0]),
        max_attempts=st.sampled_from([inf, 3]),
        stable_after_s=st.sampled_from([0.0, 2.0]),
    ),
    breaker=st.builds(sl.Breaker, trip_after=COUNT, open_s=st.just(2)),
    outbox=st.builds(
        sl.OutboxLimits,
        capacity=st.sampled_from([3, 100]),
        max_in_flight=st.sampled_from([1, 16]),
        ack_timeout_s=st.sampled_from([0.3, 5.0]),
        max_resends=st.sampled_from([0, 2]),
        when_full=st.sampled_from(["reject_new", "drop_oldest", "drop_lowest"]),
    ),
    rate=st.sampled_from([sl.Rate(), sl.Rate(per_s=2, burst=2)]),
    heartbeat=st.builds(
        sl.HeartbeatRules, interval_s=st.sampled_from([inf, 1.0]), timeout_s=st.just(0.5)
    ),
    fallback=st.builds(
        sl.Fallback,
        after_attempts=COUNT,
        poll_interval_s=st.sampled_from([0.1, 2.0]),
        return_after_s=st.sampled_from([0.0, 1.0]),
    ),
    connect_timeout_s=st.sampled_from([0.1, 0.5, 3.0]),
)
SERVERS = st.builds(
    sl.ServerSettings,
    accept_per_s=st.sampled_from([inf, 2.0]),
    handshake_service_s=st.sampled_from([0.0, 0.3]),
    backlog=st.sampled_from([inf, 0.0, 1.0]),
    max_connections=st.sampled_from([inf, 2.0]),
    message_service_s=st.sampled_from([0.0, 0.1]),
    rate=st.sampled_from([sl.Rate(), sl.Rate(per_s=1, burst=1)]),
    retry_after_s=st.sampled_from([0, 2]),
)
PATHS = st.builds(
    sl.Path,
    latency=st.sampled_from(
        [
            sl.Latency(mean_s=0.0),
            sl.Latency(mean_s=0.25),
            sl.Latency(distribution="pareto", mean_s=0.1, shape=1.5),
        ]
    ),
    bandwidth_bytes_per_s=st.sampled_from([inf, 2000.0]),
)


@st.composite
def faults(draw):
    kind, start_s = draw(st.sampled_from(FaultKind)), draw(st.integers(0, 9))
    values = {
        "stop_s": draw(st.just(inf) | st.integers(start_s + 1, 14)),
        "amount_s": draw(st.sampled_from([0.2, 2.0])),
        "status": 503,
        "retry_after_s": draw(st.integers(0, 2)),
        "clients_fraction": draw(st.sampled_from([0.5, 1.0])),
        "route": draw(st.sampled_from(Route)),
    }
    return sl.Fault(kind, start_s, **{name: values[name] for name in FAULT_FIELDS[kind]})


SCENARIOS = st.builds(
    sl.Scenario,
    clients=st.just(4),
    duration_s=st.just(12),
    seed=st.integers(0, 999),
    client=CLIENTS,
    server=SERVERS,
    path=PATHS,
    workload=st.builds(
        sl.Workload, rate_per_s=st.just(3), expires_after_s=st.sampled_from([inf, 1.5])
    ),
    faults=st.lists(faults(), max_size=4),
)


@pytest.fixture(scope="module", autouse=True)
def _checked():
    """Check every client and server after every step."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (Client, Server):

            def handle(self, event, now, _plain=kind.handle):
                commands = _plain(self, event, now)
                self.check()
                return commands

            patch.setattr(kind, "handle", handle)
        yield


@settings(max_examples=100)
@given(SCENARIOS)
def test_any_scenario_plays_out(scenario):
    worlds = []

    def look(world):
        worlds.append(world)
        yield world.clock.timeout(0)

    trace = sl.run(scenario, processes=[look])
    frame = trace.frame()
    for driver in worlds[0].drivers:
        number, own = driver.client.number, frame[frame["client"] == driver.client.number]
        counted = own[own["reason"].isin(["accepted", "duplicate"])]
        sent = set(own.loc[own["name"] == "send", "message"])
        dropped = set(own.loc[own["name"] == "drop", "message"])
        processed = set(counted.loc[counted["name"] == "process", "message"])
        told = set(counted.loc[counted["name"].isin(["received", "posted"]), "message"])
        # Every message is in the outbox, was dropped, or its delivery was told; told is true.
        assert sent - dropped - told <= _held(driver.client) <= sent - dropped
        assert told <= processed <= sent
        assert trace.recorded_decisions(number) == [each for _, each in trace.replay(number)]


def _held(client: Client) -> set[int]:
    return set(client.outbox._entries)
