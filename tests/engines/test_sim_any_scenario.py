"""Any scenario plays out: no step breaks an invariant, no message vanishes, replay agrees."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simlib as sl
from simlib.core.client import Client
from simlib.core.faults import FAULT_FIELDS, Direction, FaultKind, Route
from simlib.core.server import Server
from simlib.core.server_settings import Remember
from tests.batteries import examples

COUNT = st.sampled_from([1, 2, inf])
CLIENTS = st.builds(
    sl.Settings,
    backoff=st.builds(
        sl.Backoff,
        jitter=st.sampled_from(["none", "full", "decorrelated", "additive"]),
        base_s=st.sampled_from([0.05, 1.0]),
        cap_s=st.just(4),
        first_s=st.sampled_from([inf, 0.0]),
        growth=st.sampled_from(["exponential", "linear"]),
        jitter_place=st.sampled_from(["inside", "before_cap", "after_cap"]),
        drawn_once=st.booleans(),
        compounding=st.booleans(),
        first_jitter=st.sampled_from(["none", "full"]),
        after_loss_s=st.sampled_from([inf, 0.0]),
        after_loss_jitter=st.sampled_from(["none", "additive"]),
        give_up_after_s=st.sampled_from([inf, inf, 3.0]),
        hint_cap_s=st.sampled_from([inf, 1.0]),
        heeds_hint=st.booleans(),
        max_attempts=st.sampled_from([inf, 3, 0]),
        stable_after_s=st.sampled_from([0.0, 2.0]),
    ),
    breaker=st.builds(
        sl.Breaker,
        trip_after=COUNT,
        failure_fraction=st.sampled_from([inf, 0.5]),
        open_s=st.just(2),
        factor=st.sampled_from([1.0, 2.0]),
        open_spread_fraction=st.sampled_from([0.0, 0.5]),
    ),
    attempt_budget=st.sampled_from(
        [
            sl.AttemptBudget(),
            sl.AttemptBudget(per_s=1, burst=2, success_fraction=0.5),
            sl.AttemptBudget(per_s=0, burst=3, success_fraction=0.5),
        ]
    ),
    connect_budget=st.sampled_from([sl.Rate(), sl.Rate(per_s=0.5, burst=3)]),
    outbox=st.builds(
        lambda acks, **limits: sl.OutboxLimits(**acks, **limits),
        acks=st.sampled_from(
            [{"max_resends": 0}, {"max_resends": 2}, {"max_resends": 0, "awaits_ack": False}]
        ),
        capacity=st.sampled_from([3, 100]),
        max_in_flight=st.sampled_from([1, 16]),
        ack_timeout_s=st.sampled_from([0.3, 5.0]),
        when_full=st.sampled_from(["reject_new", "drop_oldest", "drop_lowest"]),
        coalesce=st.booleans(),
        age_after_s=st.sampled_from([inf, 0.5]),
        persist=st.sampled_from(["none", "urgent", "all"]),
        quota_bytes=st.sampled_from([inf, 900]),
    ),
    draft=st.builds(sl.DraftRules, debounce_s=st.sampled_from([0.0, 0.3])),
    session=st.sampled_from(
        [
            sl.SessionRules(),
            sl.SessionRules(sign_in_after_s=0.5, spread_s=1, again_after_s=0.7),
            sl.SessionRules(sign_in_after_s=0, renew_before_s=1),
        ]
    ),
    quality=st.builds(sl.QualityRules, better_after_s=st.sampled_from([0.0, 2.0])),
    rate=st.sampled_from([sl.Rate(), sl.Rate(per_s=2, burst=2)]),
    heartbeat=st.builds(
        sl.HeartbeatRules,
        interval_s=st.sampled_from([inf, 1.0]),
        timeout_s=st.just(0.5),
        any_traffic=st.booleans(),
    ),
    fallback=st.builds(
        sl.Fallback,
        after_attempts=COUNT,
        poll_interval_s=st.sampled_from([0.1, 2.0]),
        return_after_s=st.sampled_from([0.0, 1.0]),
        when_quality=st.sampled_from(["offline", "poor", "good"]),
        quality_for_s=st.sampled_from([0.0, 1.0]),
        dwell_s=st.sampled_from([0.0, 2.0]),
    ),
    connect_timeout_s=st.sampled_from([0.1, 0.5, 3.0]),
)
SERVERS = st.builds(
    lambda hint, ids, **settings: sl.ServerSettings(**hint, **ids, **settings),
    hint=st.sampled_from([{}, {"retry_after_s": 2}, {"advises_window_s": 1.5}]),
    ids=st.sampled_from([{}, {"remember": "disk"}, {"deduplicates": False}]),
    accept_per_s=st.sampled_from([inf, 2.0]),
    handshake_service_s=st.sampled_from([0.0, 0.3]),
    backlog=st.sampled_from([inf, 0.0, 1.0]),
    max_connections=st.sampled_from([inf, 2.0]),
    message_service_s=st.sampled_from([0.0, 0.1]),
    rate=st.sampled_from([sl.Rate(), sl.Rate(per_s=1, burst=1)]),
    handshake_service=st.sampled_from(["constant", "exponential"]),
    history=st.sampled_from([0, 2, inf]),
    session_lifetime_s=st.sampled_from([3.0, 100.0]),
    sign_in_service_s=st.sampled_from([0.0, 0.2]),
    silence_timeout_s=st.sampled_from([inf, 2.0]),
    resync_service_s=st.sampled_from([0.0, 0.2]),
    scaling=st.sampled_from([sl.Scaling(), sl.Scaling(at_backlog=1, delay_s=0.5, most_steps=2)]),
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
    loss_fraction=st.sampled_from([0.0, 0.0, 0.2]),
    idle_timeout_s=st.sampled_from([inf, 1.0]),
    blackout_every_s=st.sampled_from([inf, 5.0]),
    blackout_s=st.just(0.5),
)


@st.composite
def faults(draw):
    kind, start_s = draw(st.sampled_from(FaultKind)), draw(st.integers(0, 9))
    values = {
        "stop_s": draw(st.just(inf) | st.integers(start_s + 1, 14)),
        "amount_s": draw(st.sampled_from([0.2, 2.0])),
        "timers_every_s": draw(st.sampled_from([0.7, 5.0])),
        "status": draw(st.sampled_from([401, 503])),
        "announced": draw(st.booleans()),
        "period_s": draw(st.sampled_from([0.1, 1.5])),
        "down_fraction": 0.5,
        "direction": draw(st.sampled_from(Direction)),
        "loss_fraction": 0.3,
        "bandwidth_bytes_per_s": 500.0,
        "factor": 5.0,
        "code": draw(st.sampled_from([1000, 1013, 4401])),
        "retry_after_s": draw(st.integers(0, 2)),
        "clients_fraction": draw(st.sampled_from([0.5, 1.0])),
        "route": draw(st.sampled_from(Route)),
        "gateway": draw(st.sampled_from([-1, 0])),
    }
    values["rolling"] = values["gateway"] < 0 and draw(st.booleans())
    if kind in {FaultKind.FLAP, FaultKind.DEPLOY}:
        values["stop_s"] = start_s + 3.0
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
        sl.Workload,
        arrivals=st.sampled_from(["poisson", "bursts", "typing"]),
        rate_per_s=st.just(3),
        expires_after_s=st.sampled_from([inf, 1.5]),
        burst=st.just(4),
        keys=st.sampled_from([0, 2]),
    ),
    faults=st.lists(faults(), max_size=4),
    hints=st.lists(
        st.builds(
            sl.Hint,
            start_s=st.integers(0, 9),
            rtt_s=st.sampled_from([0.0, 2.0]),
            save_data=st.booleans(),
            online=st.booleans(),
        ),
        max_size=2,
    ),
    gateways=st.sampled_from([1, 1, 3]),
    stay_s=st.sampled_from([inf, 8.0]),
    cohorts=st.lists(
        st.builds(sl.Cohort, clients_fraction=st.just(0.5), client=CLIENTS), max_size=1
    ),
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


@settings(max_examples=examples(30))
@given(SCENARIOS)
@pytest.mark.long
def test_any_scenario_plays_out(scenario):
    assert_it_plays_out(scenario)


@settings(max_examples=examples(100))
@given(SCENARIOS)
@pytest.mark.long
@pytest.mark.slow
def test_any_of_many_scenarios_plays_out(scenario):
    assert_it_plays_out(scenario)


def assert_it_plays_out(scenario):
    worlds = []

    def look(world):
        worlds.append(world)
        yield world.clock.timeout(0)

    trace = sl.run(scenario, processes=[look])
    frame = trace.frame()
    for driver in worlds[0].drivers:
        number, own = driver.client.number, frame[frame["client"] == driver.client.number]
        counted = own[own["reason"].isin(["accepted", "duplicate"])]
        sent = set(own.loc[own["name"].isin(["send", "edit"]), "message"])
        dropped = set(own.loc[own["name"] == "drop", "message"])
        processed = own[(own["name"] == "process") & (own["reason"] == "accepted")]
        told = set(counted.loc[counted["name"].isin(["received", "posted"]), "message"])
        # Every message is held, was dropped, or its delivery was told; what is told is true.
        assert sent - dropped - told - _forgotten(driver, own) <= _held(driver, scenario)
        assert told <= set(processed["message"]) <= sent
        assert trace.recorded_decisions(number) == [each for _, each in trace.replay(number)]
        assert _versions_ascend(own)
        crashes = any(fault.kind == FaultKind.SERVER_CRASH for fault in scenario.faults)
        remembers = not crashes or scenario.server.remember == Remember.DISK
        if scenario.server.deduplicates and remembers:
            assert processed["message"].is_unique
            assert _keys_in_order(scenario, processed, dropped)


def _forgotten(driver, own) -> set[int]:
    """What has left a client that awaits no acknowledgement."""
    if driver.client.settings.outbox.awaits_ack:
        return set()
    return set(own.loc[own["name"].isin(["transmit", "post"]), "message"])


def _held(driver, scenario) -> set[int]:
    """What a client has, or, while it is gone or asleep, what it will have."""
    waiting = [
        each.message.id
        for each in driver._inbox or ()
        if hasattr(each, "message") and not isinstance(each.message, int)
    ]
    kept = [message.id for message in driver.store.restore(driver.client.number)]
    held = (*driver.client.outbox.messages(), *driver.client.delivery.drafts.messages())
    return {*waiting, *kept, *(message.id for message in held)}


def _versions_ascend(own) -> bool:
    """Of each life and channel, what is delivered to the application never goes back."""
    life = (own["name"] == "reloaded").cumsum()
    delivered = own[own["name"] == "deliver"]
    groups = delivered.groupby([life[delivered.index], "key"])["version"]
    return all(values.is_monotonic_increasing and values.is_unique for _, values in groups)


def _keys_in_order(scenario, processed, dropped) -> bool:
    """A client's messages have one key, if any: those not given up count in the order sent."""
    if scenario.workload.keys == 0:
        return True
    return processed.loc[~processed["message"].isin(dropped), "message"].is_monotonic_increasing
