"""The live counters say at the end of a run what its trace says."""

import dataclasses
from collections import Counter as Tally
from math import inf, isnan
from types import SimpleNamespace

import pytest
from hypothesis import given, settings

import simlib as sl
from simlib.core import events as ev
from simlib.core.client import Client
from simlib.core.events import Message, Priority, Reason
from simlib.core.faults import FaultKind
from simlib.core.quality import Quality
from simlib.metrics.live_counters import LATENCIES_KEPT, Counters, Counts
from simlib.metrics.messages import messages, outbox_depth
from simlib.metrics.metrics import spans, summary
from simlib.trace.trace import Trace
from tests.batteries import examples
from tests.engines.test_sim_any_scenario import SCENARIOS


def counted(scenario: sl.Scenario, on: str = "sim") -> tuple[Trace, Counts]:
    counters = Counters(scenario.clients)

    def attach(world):
        world.observers.append(counters)
        yield from ()

    trace = sl.run(scenario, on, processes=[attach])
    return trace, counters.snapshot()


def last_looks(trace: Trace, by: str) -> dict[str, int]:
    """How many clients look how at the end, by word; what nobody looks like is left out."""
    return dict(Tally(spans(trace, [by]).groupby("client")[by].last()))


def above_zero(counts: dict[str, int]) -> dict[str, int]:
    return {word: number for word, number in counts.items() if number}


def notified(counts: Counts) -> dict[Reason, int]:
    return {notice.reason: notice.clients for notice in counts.notices}


def check(trace: Trace, counts: Counts) -> None:
    """Compare everything that the counters say with what the trace says, exactly."""
    row, table, frame = summary(trace).iloc[0], messages(trace), trace.frame()
    assert row["attempts"] == counts.attempts
    assert row["sent"] == counts.sent
    assert row["gave_up"] == counts.gave_up
    assert row["goodput_per_s"] == counts.acknowledged / trace.end_s
    assert (spans(trace, ["state"])["state"] == "open").sum() == counts.opens
    for priority, took in counts.latencies.items():
        for name, value in (("p50", took.p50_s), ("p95", took.p95_s)):
            expected = row[f"latency_s_{name}_{priority}"]
            assert expected == value or (isnan(expected) and isnan(value))

    for by, looks in (
        ("state", counts.states),
        ("transport", counts.transports),
        ("breaker", counts.breakers),
    ):
        assert last_looks(trace, by) == above_zero(looks)
        assert trace.scenario.clients == sum(looks.values())
    assert outbox_depth(trace).iloc[-1].to_dict() == counts.outbox

    drops = Tally(table["reason"][table["dropped_s"] < inf].astype(str))
    assert dict(drops) == counts.dropped
    ended = Tally(frame["reason"][frame["name"].isin(["failed", "lost"])].astype(str))
    decided = {"timeout", "silent"}
    assert dict(ended) == {w: n for w, n in counts.failures.items() if w not in decided}
    looks = spans(trace, ["state"])
    looks = looks[looks["state"].isin(["connecting", "open"])]
    goes_on = counts.states["connecting"] + counts.states["open"]
    assert len(looks) - goes_on - counts.opens == sum(counts.failures.values())

    # A notice stands as long as its cause does.
    notices = notified(counts)
    assert counts.states["stopped"] == notices.get(Reason.GAVE_UP, 0)
    assert counts.transports["poll"] == notices.get(Reason.FELL_BACK, 0)


SHIPPED = ("first_outage", "poor_network_fallback", "rate_limited")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_counters_equal_the_summary_of_the_trace(name):
    scenario = sl.load(f"data/scenarios/{name}.toml")
    trace, counts = counted(scenario)
    check(trace, counts)
    assert sl.run(scenario).digest() == trace.digest()
    assert counts.sent > 200


def of_pages_that_stay(scenario: sl.Scenario) -> sl.Scenario:
    """The scenario without closed pages, drafts and suspensions, which a trace tells otherwise."""
    other = {FaultKind.CLIENT_RELOAD, FaultKind.CLIENT_SLEEP, FaultKind.SESSION_EXPIRY}
    faults = [fault for fault in scenario.faults if fault.kind not in other]
    faults = [dataclasses.replace(fault, announced=False, status=503) for fault in faults]
    plain = scenario.replace("workload.arrivals", "poisson", faults=faults, hints=[])
    plain = plain.replace("client.session", sl.SessionRules())
    return plain.replace("server.session_lifetime_s", inf, stay_s=inf, cohorts=())


@settings(max_examples=examples(30))
@given(SCENARIOS.map(of_pages_that_stay))
def test_they_do_in_any_scenario(scenario):
    check(*counted(scenario))


@pytest.mark.live
def test_they_do_in_a_live_run():
    scenario = sl.load("data/scenarios/first_outage.toml").replace(
        clients=4, duration_s=2.5, ramp_s=0.1, faults=[sl.Fault("outage", 0.5, 1.2)]
    )
    trace, counts = counted(scenario, "live")
    check(trace, counts)
    assert counts.opens >= 4


def test_they_tell_why_attempts_and_connections_ended():
    scenario = sl.Scenario(
        clients=1,
        duration_s=12,
        ramp_s=0,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=1, cap_s=1, jitter="none"),
            heartbeat=sl.HeartbeatRules(interval_s=1, timeout_s=0.5),
            connect_timeout_s=1,
        ),
        workload=sl.Workload(rate_per_s=0),
        faults=[sl.Fault("black_hole", 2, 6), sl.Fault("reset", 8), sl.Fault("reject", 8, 10)],
    )
    trace, counts = counted(scenario)
    check(trace, counts)
    assert {"reset": 1, "timeout": 1, "rejected": 1, "silent": 1}.keys() == counts.failures.keys()
    assert (1, 1) == (counts.failures["reset"], counts.failures["silent"])


def test_they_can_be_read_at_any_moment():
    scenario = sl.load("data/scenarios/first_outage.toml")
    counters, seen = Counters(scenario.clients), []

    def reading(world):
        world.observers.append(counters)
        for moment_s in (2.5, 5.0, 14.0):
            yield world.clock.timeout(moment_s - world.clock.now)
            seen.append(counters.snapshot())

    sl.run(scenario, processes=[reading])
    before, during, after = seen
    assert [20, 0, 20] == [counts.states["open"] for counts in seen]
    assert [{}, {Reason.FELL_BACK: 20}, {}] == [notified(counts) for counts in seen]
    assert before.attempts == 20 < during.attempts < after.attempts
    assert sum(before.outbox.values()) < 10 < sum(during.outbox.values())
    assert before.failures == {}
    assert during.failures["reset"] == after.failures["reset"] == 20


def test_before_the_run_every_client_is_idle_and_nothing_is_known():
    counts = Counters(7).snapshot()
    assert {"idle": 7} == above_zero(counts.states)
    assert {"websocket": 7, "poll": 0} == counts.transports
    assert {"closed": 7, "open": 0, "half_open": 0} == counts.breakers
    assert {"offline": 7} == above_zero(counts.qualities)
    assert all(isnan(took.p50_s) for took in counts.latencies.values())


# --- what no scenario shows --------------------------------------------------------------


def step(counters: Counters, event: ev.Event, now: float, *commands: ev.Command, client=None):
    counters(SimpleNamespace(client=client or Client(sl.Settings())), event, list(commands), now)


def message(number: int, priority: Priority = Priority.HIGH) -> Message:
    return Message(number, priority)


def test_the_quality_of_a_client_that_has_a_monitor_is_counted():
    class Monitored(Client):
        quality = Quality.POOR

    counters = Counters(3)
    for number in (0, 1):
        step(counters, ev.Start(), 0.0, client=Monitored(sl.Settings(), number=number))
    counted = {"offline": 1, "poor": 2, "fair": 0, "good": 0, "excellent": 0}
    assert counted == counters.snapshot().qualities


def test_an_answer_counts_once_even_to_a_message_that_was_given_up():
    counters = Counters(1)
    step(counters, ev.Send(message(0)), 1.0)
    step(counters, ev.Wake(), 3.0, ev.Drop(message(0), Reason.DEAD_LETTER))
    step(counters, ev.Received(1, 0, Reason.LIMITED), 3.5)
    step(counters, ev.Received(1, 0, Reason.ACCEPTED), 4.0)
    step(counters, ev.Posted(2, 0, Reason.DUPLICATE), 5.0)
    counts = counters.snapshot()
    assert (1, 1, {"dead_letter": 1}) == (counts.sent, counts.acknowledged, counts.dropped)
    assert 3.0 == counts.latencies["high"].p50_s


def test_the_quantiles_are_those_of_the_last_latencies():
    counters = Counters(1)
    for number in range(2 * LATENCIES_KEPT):
        sent_s = float(number)
        took_s = 9.0 if number < LATENCIES_KEPT else 1.0
        step(counters, ev.Send(message(number)), sent_s)
        step(counters, ev.Received(1, number, Reason.ACCEPTED), sent_s + took_s)
    assert 1.0 == counters.snapshot().latencies["high"].p95_s
    # Of a thousand that are kept, fifty are longer than the quantile.
    assert 1000 == LATENCIES_KEPT
    for number in range(50):
        step(counters, ev.Send(message(number)), 0.0)
        step(counters, ev.Received(1, number, Reason.ACCEPTED), 5.0)
    assert 1.0 == counters.snapshot().latencies["high"].p95_s
    step(counters, ev.Send(message(50)), 0.0)
    step(counters, ev.Received(1, 50, Reason.ACCEPTED), 5.0)
    assert 5.0 == counters.snapshot().latencies["high"].p95_s


def test_what_a_client_ends_itself_at_its_stop_is_no_failure():
    counters, client = Counters(1), Client(sl.Settings())
    story = (0.0, ev.Start()), (1.0, ev.Opened(1)), (1.5, ev.Offline()), (2.0, ev.Stop())
    for now, event in story:
        step(counters, event, now, *client.handle(event, now), client=client)
    counts = counters.snapshot()
    assert ({}, 1, 1) == (counts.failures, counts.opens, counts.states["stopped"])
    # Nor does it read any more that it is offline.
    assert () == counts.notices
