"""The metrics of runs whose numbers follow by hand.

The first story: one way takes 0.1 s, so an attempt takes 0.4 s to open and 0.2 s to be refused.
Open at 0.4, lost at 10; attempts at 11, 13.2 and 17.4 are refused; that at 21.6 opens at 22.
"""

from math import inf, isnan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simlib as sl
from simlib.core import events as ev
from simlib.core.events import Priority
from simlib.metrics import metrics
from simlib.metrics.attempts import attempt_times_s, attempts_per_s, peak_of_tenths
from simlib.metrics.fault_times import detection_times_s, recovery_times_s
from simlib.metrics.meaning import MEANING
from simlib.metrics.messages import messages, outbox_depth, staleness_s
from simlib.trace.disruptions import noticed_by_s
from simlib.trace.trace import Trace
from tests.batteries import examples

OUTAGE = sl.Fault("outage", start_s=10, stop_s=20)


def scenario(*faults, **changes):
    client = {"backoff": sl.Backoff(jitter="none", base_s=1, factor=2, cap_s=4)}
    return sl.Scenario(
        duration_s=30,
        ramp_s=changes.pop("ramp_s", 0),
        clients=changes.pop("clients", 1),
        client=sl.Settings(**client | changes),
        path=sl.Path(latency=sl.Latency(mean_s=0.1)),
        workload=sl.Workload(rate_per_s=0),
        faults=faults,
    )


def sender(*times_s, priority=Priority.NORMAL):
    def send(world):
        for time_s in times_s:
            yield world.clock.timeout(time_s - world.clock.now)
            world.send(0, priority)

    return send


def row(trace):
    return metrics.summary(trace).iloc[0].to_dict()


def with_rows(trace, order, engine="live", scenario=None):
    """Return the trace with its rows in another order."""
    other = Trace(engine, scenario or trace.scenario, trace.label, end_s=trace.end_s)
    rows = list(zip(*trace.columns().values(), strict=True))
    for i in order:
        other.append(rows[i])
    return other


def test_attempts_are_counted_in_whole_seconds():
    trace = sl.run(scenario(OUTAGE))
    assert [0.0, 11.0, 13.2, 17.4, 21.6] == pytest.approx(attempt_times_s(trace))
    per_s = attempts_per_s(trace)
    assert len(per_s) == 30
    assert np.flatnonzero(per_s).tolist() == [0, 11, 13, 17, 21]


def test_an_outage_in_numbers():
    numbers = row(sl.run(scenario(OUTAGE)))
    expected = {
        "availability_fraction": (9.6 + 8.0) / 30,
        "time_to_detect_s_p50": 0.0,
        "time_to_recover_s_p50": 2.0,
        "time_to_recover_s_p99": 2.0,
        "never_recovered": 0,
        "attempts": 5,
        "peak_attempts_per_s": 1,
        "amplification": 2.5,
        "mean_wait_s": (1 + 2 + 4 + 4) / 4,
        "gave_up": 0,
        "polling_fraction": 0.0,
        "breaker_open_fraction": 0.0,
        "sent": 0,
    }
    assert expected == pytest.approx({name: numbers[name] for name in expected})
    assert numbers["engine"] == "sim"


def test_messages_wait_for_the_connection_and_a_full_outbox_refuses_them():
    settings = {"outbox": sl.OutboxLimits(capacity=1)}
    trace = sl.run(scenario(OUTAGE, **settings), processes=[sender(5, 12, 13, 14, 29.95)])
    table = messages(trace)
    assert [5, 12, 13, 14, 29.95] == pytest.approx(table["send_s"].tolist())
    assert [5, 22, inf, inf, 29.95] == pytest.approx(table["left_s"].tolist())
    assert [5.2, 22.2, inf, inf, inf] == pytest.approx(table["acknowledged_s"].tolist())
    assert ["none", "none", "full", "full", "none"] == table["reason"].tolist()
    assert [True, True, False, False, False] == table["delivered"].tolist()
    # Two that were refused, and one that was still on its way: no number stands for another.
    expected = {
        "sent": 5,
        "delivered_fraction": 0.4,
        "lost": 2,
        "undelivered": 1,
        "duplicate_fraction": 0.0,
        "goodput_per_s": 2 / 30,
        "head_of_line_s": 10 / 3,
        "latency_s_p50": 0.2,
        "latency_s_p95": 10.2,
        "latency_s_p50_normal": 0.2,
    }
    numbers = row(trace)
    assert expected == pytest.approx({name: numbers[name] for name in expected})
    assert isnan(numbers["latency_s_p50_critical"])


def test_the_outbox_depth_steps_at_every_change():
    settings = {"outbox": sl.OutboxLimits(capacity=1, when_full="drop_oldest")}
    processes = [sender(12), sender(14, priority=Priority.CRITICAL)]
    depth = outbox_depth(sl.run(scenario(OUTAGE, **settings), processes=processes))
    assert ["critical", "high", "normal", "low"] == list(depth.columns)
    assert [0, 12, 14, 14, 22.2] == pytest.approx(depth.index.tolist())
    assert [0, 0, 1, 1, 0] == depth["critical"].tolist()
    assert [0, 1, 1, 0, 0] == depth["normal"].tolist()


@pytest.mark.parametrize(
    "fault",
    [sl.Fault("reset", start_s=5.15), sl.Fault("server_crash", start_s=5.15, stop_s=5.5)],
    ids=["the server knows the second copy", "the server forgot the first"],
)
def test_a_copy_is_a_duplicate_whether_or_not_the_server_knows_it(fault):
    numbers = row(sl.run(scenario(fault), processes=[sender(5)]))
    assert numbers["duplicate_fraction"] == 0.5
    assert numbers["delivered_fraction"] == 1.0


def test_a_round_trip_is_known_of_what_was_sent_once_alone():
    # The reset at 5.15 takes the answer with it: that message is sent again, and the other is not.
    fault = sl.Fault("reset", start_s=5.15)
    trace = sl.run(scenario(fault), processes=[sender(2, 5)])
    table = messages(trace)
    assert [0.2, inf] == pytest.approx(table["round_trip_s"].tolist())
    assert 0.2 == pytest.approx(row(trace)["round_trip_s_p50"])


def test_an_edit_is_stale_until_it_or_a_newer_one_of_the_same_draft_is_acknowledged():
    # Two clients and two drafts: what is known of one says nothing of another.
    table = pd.DataFrame(
        {
            "client": [0, 0, 0, 1, 1],
            "key": [4, 4, 5, 4, 4],
            "message": [0, 1, 2, 0, 1],
            "send_s": [1.0, 2.0, 3.0, 4.0, 5.0],
            "acknowledged_s": [inf, 9.0, 3.5, 30.0, 20.0],
            "edit": True,
        }
    )
    assert [0.5, 7.0, 8.0, 15.0, 16.0] == staleness_s(table).tolist()
    alone = table.iloc[[2, 3]]
    assert [0.5, 26.0] == staleness_s(alone).tolist()
    # Two clients' drafts of one key: what one has acknowledged is not in the other's text.
    assert [7.0, 26.0] == staleness_s(table.iloc[[1, 3]]).tolist()
    assert 0 == staleness_s(table.assign(edit=False)).size


@pytest.mark.parametrize(
    ("tenths", "peak"),
    [([4], 4), ([1] * 10, 10), ([5] + [0] * 9 + [6], 6), ([2] * 5 + [3] * 9, 29)],
)
def test_the_worst_second_is_any_ten_tenths_that_follow_each_other(tenths, peak):
    assert peak == peak_of_tenths(np.array(tenths))


def test_a_message_dropped_after_all_but_delivered_is_not_lost():
    # Processed at 5.1; the acknowledgement is held, the patience ends at 6, and there is no resend.
    hole = sl.Fault("black_hole", start_s=5.05, stop_s=20)
    limits = sl.OutboxLimits(ack_timeout_s=1, max_resends=0)
    trace = sl.run(scenario(hole, outbox=limits), processes=[sender(5)])
    assert messages(trace)["reason"].tolist() == ["dead_letter"]
    assert (row(trace)["delivered_fraction"], row(trace)["lost"]) == (1.0, 0)


def test_polling_carries_messages_while_websocket_is_out():
    fault = sl.Fault("outage", start_s=10, stop_s=20, route="websocket")
    fallback = sl.Fallback(after_attempts=1, poll_interval_s=1, return_after_s=2)
    numbers = row(sl.run(scenario(fault, fallback=fallback)))
    # From the first failed attempt at 11.2 until 2 s after the opening at 22; first answer at 11.6.
    assert numbers["polling_fraction"] == pytest.approx(12.8 / 30)
    assert numbers["availability_fraction"] == pytest.approx((9.6 + 18.4) / 30)


def test_an_open_breaker_is_timed():
    numbers = row(sl.run(scenario(OUTAGE, breaker=sl.Breaker(trip_after=1, open_s=30))))
    assert numbers["breaker_open_fraction"] == pytest.approx(18.8 / 30)


def test_a_client_that_gives_up_never_recovers():
    policy = sl.Backoff(jitter="none", base_s=1, max_attempts=1)
    numbers = row(sl.run(scenario(OUTAGE, clients=2, backoff=policy)))
    assert (numbers["gave_up"], numbers["never_recovered"]) == (2, 2)
    assert numbers["time_to_recover_s_p50"] == inf


def test_quantiles_are_observed_values():
    faults = [sl.Fault("reset", start_s=10), sl.Fault("outage", start_s=15, stop_s=16.5)]
    numbers = row(sl.run(scenario(*faults)))
    # After the reset OPEN again at 11.4; after the outage, refused once at 16.2, at 18.6.
    assert numbers["time_to_recover_s_p50"] == pytest.approx(1.4)
    assert numbers["time_to_recover_s_p95"] == pytest.approx(2.1)


def test_a_reset_counts_although_real_sockets_tell_of_it_late():
    late = sl.run(scenario(sl.Fault("reset", start_s=5.003), clients=2))
    planned = scenario(sl.Fault("reset", start_s=5), clients=2)
    trace = with_rows(late, range(len(late)), scenario=planned)
    assert [0.003, 0.003] == pytest.approx(detection_times_s(trace))
    assert [1.403, 1.403] == pytest.approx(recovery_times_s(trace))


def test_a_black_hole_is_detected_by_the_heartbeat():
    hole = sl.Fault("black_hole", start_s=10, stop_s=20)
    heartbeat = sl.HeartbeatRules(interval_s=3, timeout_s=1)
    trace = sl.run(scenario(hole, heartbeat=heartbeat))
    [detected_s] = detection_times_s(trace)
    lost_s = metrics.spans(trace, ["state"]).query("state == 'open'")["stop_s"].iloc[0]
    assert detected_s == pytest.approx(lost_s - 10)
    assert 1.0 <= detected_s <= 4.2


def test_a_black_hole_that_nobody_notices_is_not_detected():
    blind = sl.HeartbeatRules(interval_s=inf)
    trace = sl.run(scenario(sl.Fault("black_hole", start_s=10), heartbeat=blind))
    assert detection_times_s(trace).size == 0


@pytest.mark.parametrize(
    "fault",
    [
        sl.Fault("latency", start_s=9, stop_s=15, amount_s=0.1),
        sl.Fault("outage", start_s=9, stop_s=15, route="http"),
    ],
)
def test_a_fault_that_interrupts_nobody_has_no_times(fault):
    # The client is lost at 10 and not OPEN at 15, but that is the outage's work.
    trace = sl.run(scenario(OUTAGE, fault))
    assert detection_times_s(trace).size == 1
    assert recovery_times_s(trace).size == 1


def test_an_outage_to_the_end_is_detected_but_not_recovered_from():
    trace = sl.run(scenario(sl.Fault("outage", start_s=10)))
    assert detection_times_s(trace).tolist() == [0.0]
    assert recovery_times_s(trace).size == 0
    assert row(trace)["never_recovered"] == 0


def test_a_clients_time_counts_from_its_start():
    trace = sl.run(scenario(clients=2, ramp_s=20))
    assert row(trace)["availability_fraction"] == pytest.approx((29.6 + 19.6) / (30 + 20))
    second = metrics.spans(trace, ["state"]).query("client == 1")
    assert ["idle", "connecting", "open"] == second["state"].tolist()
    assert [0, 10, 10.4] == pytest.approx(second["start_s"].tolist())
    assert [10, 10.4, 30] == pytest.approx(second["stop_s"].tolist())


def test_a_span_carries_the_wait_that_it_began_with():
    spans = metrics.spans(sl.run(scenario(OUTAGE)), ["state"])
    assert [1, 2, 4, 4] == pytest.approx(spans.query("state == 'waiting'")["wait_s"].tolist())


def test_an_empty_trace_has_counts_of_zero_and_nothing_else():
    numbers = row(Trace("sim", scenario(OUTAGE)))
    counts = [name for name in numbers if numbers[name] == 0]
    assert counts[:4] == ["never_recovered", "attempts", "peak_attempts_per_s", "gave_up"]
    assert counts[4:] == [
        "sent", "superseded", "contested", "lost", "undelivered", "doubled",
        "messages_served", "messages_limited", "sign_ins",
    ]  # fmt: skip
    assert all(isnan(numbers[name]) for name in numbers.keys() - {"engine", *counts})


def test_a_run_that_was_cut_short_counts_to_where_it_was_cut():
    trace = sl.run(scenario(OUTAGE))
    columns = trace.columns()
    cut = with_rows(trace, [i for i, time_s in enumerate(columns["time_s"]) if time_s <= 15])
    cut.end_s, cut.partial = 15.0, True
    assert recovery_times_s(cut).size == 0
    assert row(cut)["availability_fraction"] == pytest.approx(9.6 / 15)


def test_a_row_per_run_by_its_label():
    trace = sl.run(scenario(), label="quiet")
    table = metrics.summary([trace, with_rows(trace, range(len(trace)))])
    assert table.index.tolist() == ["quiet", "quiet"]
    assert table["engine"].tolist() == ["sim", "live"]
    assert list(metrics.summary([]).columns) == list(MEANING)


def test_every_number_has_a_meaning():
    # A server without limits has no numbers of its own.
    limited = scenario(OUTAGE).replace("server.accept_per_s", 100.0)
    assert metrics.row(sl.run(limited)).keys() == metrics.MEANING.keys()


busy = st.builds(
    lambda seed, clients, capacity, jitter, faults: sl.Scenario(
        clients=clients,
        duration_s=12,
        seed=seed,
        client=sl.Settings(
            backoff=sl.Backoff(jitter=jitter, base_s=0.3, cap_s=2, max_attempts=6),
            outbox=sl.OutboxLimits(capacity=capacity, ack_timeout_s=1, max_resends=1),
            fallback=sl.Fallback(after_attempts=2, poll_interval_s=0.5, return_after_s=1),
            connect_timeout_s=1,
        ),
        workload=sl.Workload(rate_per_s=3, expires_after_s=2),
        faults=faults,
    ),
    st.integers(0, 1000),
    st.integers(1, 4),
    st.integers(1, 20),
    st.sampled_from(["none", "full", "equal"]),
    st.lists(
        st.sampled_from(
            [
                sl.Fault("outage", start_s=2, stop_s=5, route="websocket"),
                sl.Fault("outage", start_s=4, stop_s=7, clients_fraction=0.5),
                sl.Fault("black_hole", start_s=3, stop_s=6),
                sl.Fault("server_crash", start_s=6, stop_s=8),
                sl.Fault("reset", start_s=9),
            ]
        ),
        unique=True,
    ),
)


@settings(max_examples=examples(25), deadline=None)
@given(busy)
def test_what_holds_for_every_run(scenario):
    trace = sl.run(scenario)
    numbers = row(trace)
    delivered = numbers["delivered_fraction"] * numbers["sent"]
    if numbers["sent"]:
        assert numbers["sent"] == pytest.approx(
            delivered + numbers["lost"] + numbers["undelivered"]
        )
    for name in (name for name in numbers if name.endswith("_fraction")):
        assert isnan(numbers[name]) or 0.0 <= numbers[name] <= 1.0
    assert numbers["attempts"] == attempts_per_s(trace).sum()
    assert numbers["peak_attempts_per_s"] <= numbers["attempts"]
    depth = outbox_depth(trace)
    assert depth.to_numpy().min() >= 0
    held = depth.groupby(level=0).last().sum(axis=1)
    assert held.max() <= scenario.clients * scenario.client.outbox.capacity
    for times_s in (detection_times_s(trace), recovery_times_s(trace)):
        assert (times_s >= 0.0).all()


@settings(max_examples=examples(15), deadline=None)
@given(busy)
def test_spans_tile_the_run_and_say_what_the_rows_say(scenario):
    trace = sl.run(scenario)
    spans = metrics.spans(trace)
    for _, own in spans.groupby("client"):
        assert own["start_s"].iloc[0] == 0.0
        assert own["stop_s"].iloc[-1] == 12.0
        assert own["stop_s"].tolist()[:-1] == own["start_s"].tolist()[1:]
    events = trace.frame().query("kind == 'event'")
    for event in events.sample(min(len(events), 20), random_state=1).itertuples():
        same = events[(events["client"] == event.client) & (events["time_s"] == event.time_s)]
        here = spans[(spans["client"] == event.client) & (spans["start_s"] <= event.time_s)].iloc[
            -1
        ]
        last = same.iloc[-1]
        assert [last[name] for name in metrics.LOOKS] == [here[name] for name in metrics.LOOKS]


@settings(max_examples=examples(15), deadline=None)
@given(busy)
def test_the_order_of_server_rows_does_not_matter(scenario):
    trace = sl.run(scenario)
    kinds = trace.frame()["kind"]
    # As a live run has them: what the server logged is read at the end.
    order = [*np.flatnonzero(kinds != "server"), *np.flatnonzero(kinds == "server")]
    live = with_rows(trace, order, engine="sim")
    pd.testing.assert_frame_equal(metrics.summary(trace), metrics.summary(live))


# --- messages whose answer nobody awaits -------------------------------------------------

#: Of two clients one awaits its answers, and the other forgets what it has sent.
AT_MOST_ONCE = sl.Settings(
    backoff=sl.Backoff(jitter="none", base_s=1, factor=2, cap_s=4),
    outbox=sl.OutboxLimits(awaits_ack=False, max_resends=0),
)


def two_kinds(*faults):
    forgetful = sl.Cohort(name="forgetful", clients_fraction=0.5, client=AT_MOST_ONCE)
    found = scenario(*faults, clients=2).replace(cohorts=[forgetful])
    # Which client is drawn into the cohort is the seed's doing.
    seeds = (found.replace(seed=seed) for seed in range(1, 100))
    return next(each for each in seeds if [1, 0] == [each.cohort_of(0), each.cohort_of(1)])


def both_send(*times_s):
    def send(world):
        for time_s in times_s:
            yield world.clock.timeout(time_s - world.clock.now)
            for client in (0, 1):
                world.send(client)

    return send


def test_what_is_lost_on_its_way_and_kept_by_nobody_is_lost():
    # One is on its way when the connections are reset, and one at the end of the run.
    cut = sl.Fault("reset", start_s=5.05)
    numbers = row(sl.run(two_kinds(cut), processes=[both_send(2, 3, 5, 29.95)]))
    # The first client sends again what was cut; neither is done with the last one.
    expected = {"sent": 8, "lost": 1, "undelivered": 2, "delivered_fraction": 5 / 8}
    assert expected == pytest.approx({name: numbers[name] for name in expected})
    # All that they sent is lost in the cut, and not what still was in the outbox.
    numbers = row(sl.run(two_kinds(cut), processes=[both_send(5, 5.06, 5.5)]))
    expected = {"sent": 6, "lost": 1, "undelivered": 0, "delivered_fraction": 5 / 6}
    assert expected == pytest.approx({name: numbers[name] for name in expected})


def test_of_a_connection_that_was_never_there_nothing_is_lost():
    outage = sl.Fault("outage", start_s=0, stop_s=40)
    numbers = row(sl.run(two_kinds(outage), processes=[both_send(5, 6)]))
    assert (4, 0, 4) == (numbers["sent"], numbers["lost"], numbers["undelivered"])


def test_what_nobody_acknowledges_leaves_the_outbox_as_it_is_sent():
    trace = sl.run(two_kinds(OUTAGE), processes=[both_send(5, 12)])
    table = messages(trace).sort_values(["client", "send_s"])
    assert [5, 22, 5, 22] == pytest.approx(table["left_s"].tolist())
    depth = outbox_depth(trace)
    # The first client holds each until its answer, 0.2 s later.
    assert [0, 5, 5, 5, 5.2, 12, 12, 22, 22.2] == pytest.approx(depth.index.tolist())
    held = depth["normal"].groupby(level=0).last()
    assert [0, 1, 0, 2, 1, 0] == held.tolist()


# --- a warm-up ---------------------------------------------------------------------------


def after(warm_up_s, trace):
    """Return the metrics of a run, as they are with a warm-up."""
    return row(
        with_rows(trace, range(len(trace)), "sim", trace.scenario.replace(warm_up_s=warm_up_s))
    )


def test_a_warm_up_changes_nothing_that_happens():
    faulty = scenario(OUTAGE).replace("workload.rate_per_s", 1)
    plain, warm = sl.run(faulty), sl.run(faulty.replace(warm_up_s=12.5))
    assert plain.digest() == warm.digest()
    assert plain.story(0) == warm.story(0)
    assert np.array_equal(attempts_per_s(plain), attempts_per_s(warm))
    assert messages(plain).equals(messages(warm))
    assert metrics.summary(warm).iloc[0].to_dict() == pytest.approx(after(12.5, plain), nan_ok=True)


def test_attempts_waits_and_time_count_from_the_end_of_the_warm_up():
    # Of the first story: an attempt at 11 and the wait from 11.2 on are over, that at 13.2 is not.
    numbers = after(12, sl.run(scenario(OUTAGE)))
    expected = {
        "availability_fraction": 8.0 / 18,
        "attempts": 3,
        "peak_attempts_per_s": 1,
        "amplification": 3.0,
        "mean_wait_s": (4 + 4) / 2,
        "mean_wait_fraction": 1.0,
        "never_recovered": 0,
    }
    assert expected == pytest.approx({name: numbers[name] for name in expected})


def test_who_is_open_already_counts_from_the_end_of_the_warm_up():
    assert after(0, sl.run(scenario()))["availability_fraction"] == pytest.approx(29.6 / 30)
    assert after(0.2, sl.run(scenario()))["availability_fraction"] == pytest.approx(29.6 / 29.8)
    numbers = after(5, sl.run(scenario()))
    assert (1.0, 0, 0) == tuple(
        numbers[name] for name in ("availability_fraction", "attempts", "peak_attempts_per_s")
    )
    assert isnan(numbers["amplification"])


def test_a_peak_is_without_what_came_before_the_end_of_the_warm_up():
    # Attempts at 0, 0.1, ... 0.9 s; then the storm, in which five come again.
    trace = sl.run(
        scenario(sl.Fault("reset", start_s=5, clients_fraction=0.5), clients=10, ramp_s=1)
    )
    storm = int(attempts_per_s(trace)[1:].sum())
    assert 0 < storm < 8
    peaks = [after(warm_up_s, trace)["peak_attempts_per_s"] for warm_up_s in (0, 0.2, 0.3, 1)]
    assert [10, 8, max(7, storm), storm] == peaks
    assert 10 == attempts_per_s(trace)[0]


@pytest.mark.parametrize(("warm_up_s", "counts"), [(0, True), (10, True), (10.01, False)])
def test_a_fault_counts_if_it_starts_at_the_end_of_the_warm_up_or_later(warm_up_s, counts):
    numbers = after(warm_up_s, sl.run(scenario(OUTAGE)))
    found = [numbers["time_to_detect_s_p50"], numbers["time_to_recover_s_p50"]]
    assert [0.0, 2.0] == pytest.approx(found) if counts else all(map(isnan, found))


def test_giving_up_polling_and_the_breaker_are_cut_too():
    policy = sl.Backoff(jitter="none", base_s=1, max_attempts=1)
    gone = sl.run(scenario(OUTAGE, clients=2, backoff=policy))
    assert [2, 2, 0] == [after(warm_up_s, gone)["gave_up"] for warm_up_s in (0, 11, 12)]
    fault = sl.Fault("outage", start_s=10, stop_s=20, route="websocket")
    fallback = sl.Fallback(after_attempts=1, poll_interval_s=1, return_after_s=2)
    polling = after(15, sl.run(scenario(fault, fallback=fallback)))["polling_fraction"]
    assert polling == pytest.approx(9.0 / 15)
    tripped = sl.run(scenario(OUTAGE, breaker=sl.Breaker(trip_after=1, open_s=30)))
    assert after(6, tripped)["breaker_open_fraction"] == pytest.approx(18.8 / 24)
    assert after(15, tripped)["breaker_open_fraction"] == 1.0


def test_messages_count_that_are_sent_from_the_end_of_the_warm_up_on():
    settings = {"outbox": sl.OutboxLimits(capacity=1)}
    trace = sl.run(scenario(OUTAGE, **settings), processes=[sender(5, 12, 13, 14, 29.95)])
    expected = {
        "sent": 4,
        "delivered_fraction": 1 / 4,
        "lost": 2,
        "undelivered": 1,
        "duplicate_fraction": 0.0,
        "goodput_per_s": 1 / 18,
        "head_of_line_s": (10 + 0) / 2,
        "latency_s_p50": 10.2,
        "latency_s_p50_normal": 10.2,
    }
    numbers = after(12, trace)
    assert expected == pytest.approx({name: numbers[name] for name in expected})


def at_and_just_after(trace, moment_s, *names):
    """Metrics with a warm-up to a moment at which something happens, and to just after it."""
    both = [after(at_s, trace) for at_s in (moment_s, np.nextafter(moment_s, inf))]
    return [tuple(numbers[name] for name in names) for numbers in both]


def test_what_happens_as_the_warm_up_ends_counts():
    trace = sl.run(scenario(OUTAGE), processes=[sender(5, 12)])
    frame = trace.frame()
    attempts_s = attempt_times_s(trace).tolist()
    assert [(4,), (3,)] == at_and_just_after(trace, attempts_s[1], "attempts")
    # Four waits of 1, 2, 4 and 4 s: the first is set as the connection is lost.
    assert [(11 / 4,), (10 / 3,)] == at_and_just_after(trace, 10.0, "mean_wait_s")
    assert [(2,), (1,)] == at_and_just_after(trace, 5.0, "sent")
    [processed_s, _] = frame.loc[frame["name"] == "process", "time_s"]
    assert [(2,), (1,)] == at_and_just_after(trace, processed_s, "messages_served")
    [lost], [not_lost] = at_and_just_after(trace, 10.0, "downtime_s_p50")
    assert 12.0 == pytest.approx(lost)
    assert isnan(not_lost)
    # Opened since, by an attempt from before: none per connection.
    [_, opened_s] = frame.loc[frame["name"] == "opened", "time_s"]
    [opened], [not_opened] = at_and_just_after(trace, opened_s, "amplification")
    assert 0.0 == opened
    assert isnan(not_opened)


def test_giving_up_as_the_warm_up_ends_counts():
    policy = sl.Backoff(jitter="none", base_s=1, max_attempts=1)
    trace = sl.run(scenario(OUTAGE, backoff=policy))
    frame = trace.frame()
    [gave_up_s] = frame.loc[frame["reason"] == "gave_up", "time_s"]
    assert [(1,), (0,)] == at_and_just_after(trace, gave_up_s, "gave_up")


def test_a_message_that_counts_twice_is_doubled():
    # The reset takes the answer with it, and the server does not know the copy.
    cut = scenario(sl.Fault("reset", start_s=5.15)).replace("server.deduplicates", False)
    numbers = row(sl.run(cut, processes=[sender(2, 3, 5)]))
    assert (1, 1.0) == (numbers["doubled"], numbers["delivered_fraction"])
    known = row(sl.run(scenario(sl.Fault("reset", start_s=5.15)), processes=[sender(2, 3, 5)]))
    assert 0 == known["doubled"]


def test_a_copy_of_a_message_from_before_is_no_duplicate_of_those_after():
    trace = sl.run(scenario(sl.Fault("reset", start_s=5.15)), processes=[sender(5, 20)])
    # The copy comes at 6.7 s, of a message sent at 5.
    found = [after(warm_up_s, trace)["duplicate_fraction"] for warm_up_s in (0, 5.1, 21)]
    assert [1 / 3, 0.0] == pytest.approx(found[:2])
    assert isnan(found[2])


def test_edits_from_before_are_not_stale():
    typing = (
        scenario(OUTAGE).replace("workload.rate_per_s", 1).replace("workload.arrivals", "typing")
    )
    trace = sl.run(typing)
    table = messages(trace)
    late_s = staleness_s(table[table["send_s"] >= 20])
    assert 0 < late_s.size < staleness_s(table).size
    assert after(20, trace)["staleness_s_p95"] == np.quantile(late_s, 0.95, method="inverted_cdf")


def test_a_run_that_was_cut_short_in_its_warm_up_counts_nothing():
    trace = sl.run(scenario(OUTAGE))
    early = np.flatnonzero(trace.columns()["time_s"] <= 15)
    cut = with_rows(trace, early, "sim", trace.scenario.replace(warm_up_s=20))
    cut.end_s = 15.0
    numbers = row(cut)
    assert 0 == numbers["attempts"] == numbers["sent"] == numbers["never_recovered"]
    assert isnan(numbers["availability_fraction"])
    assert isnan(numbers["goodput_per_s"])


# --- clients that leave ------------------------------------------------------------------


def leaving(*moments_s):
    """Each client but the last leaves at its moment."""

    def leave(world):
        for client, moment_s in enumerate(moments_s):
            yield world.clock.timeout(moment_s - world.clock.now)
            world.tell(client, ev.Stop())

    return leave


def test_whoever_has_left_is_neither_unavailable_nor_waited_for():
    # Five clients of the first story. They leave before the outage, in it, after it but before
    # they are back at 22 s, after that, and never.
    trace = sl.run(scenario(OUTAGE, clients=5), processes=[leaving(5, 15, 21, 25)])
    numbers = row(trace)
    there_s = 5 + 15 + 21 + 25 + 30
    open_s = 4.6 + 9.6 + 9.6 + (9.6 + 3) + (9.6 + 8)
    assert numbers["availability_fraction"] == pytest.approx(open_s / there_s)
    assert detection_times_s(trace).tolist() == [0.0] * 4
    assert recovery_times_s(trace) == pytest.approx([2.0, 2.0])
    assert (numbers["never_recovered"], numbers["gave_up"]) == (0, 0)


def test_to_leave_while_a_fault_acts_is_not_to_have_found_it():
    hole = sl.Fault("black_hole", start_s=10, stop_s=20)
    trace = sl.run(scenario(hole, clients=2), processes=[leaving(12)])
    assert detection_times_s(trace).size == recovery_times_s(trace).size == 0


def test_whoever_comes_again_is_there_again():
    def back(world):
        yield from leaving(5)(world)
        yield world.clock.timeout(10)
        world.tell(0, ev.Start())

    trace = sl.run(scenario(), processes=[back])
    # There from 0 to 5 and from 15 to 30 s, and each time 0.4 s until it was open.
    assert row(trace)["availability_fraction"] == pytest.approx((4.6 + 14.6) / 20)
    looks = metrics.spans(trace, ["left", "state"])
    assert [("idle", False), ("connecting", False), ("open", False), ("stopped", True)] == list(
        zip(looks["state"], looks["left"], strict=True)
    )[:4]
    assert not looks["left"].iloc[-1]


def test_who_leaves_while_its_page_is_closed_has_left_from_then_on():
    away = sl.Fault("client_reload", start_s=10, stop_s=20)
    story = scenario(away, clients=20).replace("stay_s", 15)
    leaves_s = [each for each in map(story.leaves_s, range(20)) if 10 < each < 20]
    assert leaves_s
    looks = metrics.spans(sl.run(story), ["left"])
    left_s = looks["start_s"][looks["left"] & looks["start_s"].between(10, 20)]
    assert sorted(leaves_s) == sorted(left_s)


def test_who_has_not_come_yet_has_not_left_though_another_has():
    trace = sl.run(scenario(clients=2, ramp_s=8), processes=[leaving(3)])
    first, second = (own for _, own in metrics.spans(trace, ["left"]).groupby("client"))
    assert [False, True] == first["left"].tolist()
    assert [False] == second["left"].tolist()


def test_silence_is_noticed_as_late_as_the_most_patient_cohort_notices_it():
    cohorts = [
        sl.Cohort(
            name=name,
            clients_fraction=0.25,
            client=sl.Settings(heartbeat=sl.HeartbeatRules(interval_s=interval_s, timeout_s=2)),
        )
        for name, interval_s in (("quick", 3), ("slow", 9))
    ]
    fault = sl.Fault("handover", start_s=10)
    watched = sl.HeartbeatRules(interval_s=4, timeout_s=2)
    with_cohorts = scenario(fault, heartbeat=watched).replace(cohorts=cohorts)
    assert 10 + 1 + 9 + 2 == noticed_by_s(with_cohorts, fault)
    assert 10 + 1 + 4 + 2 == noticed_by_s(with_cohorts.replace(cohorts=[]), fault)
