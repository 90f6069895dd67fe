"""What clients can do to come back apart, to give up, to stay alive: whole stories in simulation.

50 ms one way and no jitter but that which is asked for, so every moment can be worked out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import Any

import pytest

import simlib as sl
from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.trace.columns import Name
from simlib.trace.trace import Trace
from tests.engines.test_sim import moments, played, quiet, story

SEED = sl.Scenario().seed


def backoff(**settings: Any) -> sl.Backoff:
    """Waits of 1, 2, 4 ... 10 s, and these settings changed."""
    return sl.Backoff(**({"base_s": 1, "cap_s": 10, "jitter": "none"} | settings))


def draw(index: int, client: int = 0) -> float:
    """The draw of a client's wait."""
    return uniform(SEED, client, Stream.WAIT, index)


def of_each(trace: Trace, name: str) -> list[list[float]]:
    """When something happened to each client, to the millisecond."""
    rows = trace.frame().query("name == @name")
    return [
        rows[rows["client"] == client]["time_s"].round(3).tolist()
        for client in range(trace.scenario.clients)
    ]


# --- a hidden page -----------------------------------------------------------------------


def hidden(*sends_s: float, every_s: float = 6.0, **client: Any) -> Trace:
    """One client whose timers are slowed down from 2 s to 30 s, and that sends at these moments."""
    fault = sl.Fault("client_throttle", 2, 30, timers_every_s=every_s)
    return played(quiet(40, fault, sl.Fault("reset", 11), **client), *sends_s)


def ticks_s(every_s: float = 6.0, until_s: float = 30.0) -> list[float]:
    """When the timers of the first client fire while they are slowed down."""
    first_s = every_s * uniform(SEED, 0, Stream.TIMERS, 0)
    times_s = [first_s + i * every_s for i in range(100)]
    return [round(time_s, 3) for time_s in times_s if 2.0 <= time_s < until_s]


def test_timers_of_a_hidden_page_fire_at_its_own_moments_only_and_its_network_goes_on():
    beat = sl.HeartbeatRules(interval_s=2, timeout_s=1)
    trace = hidden(4, 4.5, heartbeat=beat)
    pings_s = moments(trace, Name.PING)
    # Before the lost connection and while the page is hidden, a ping at each moment and no other.
    assert [tick_s for tick_s in ticks_s() if tick_s < 11] == [p for p in pings_s if 2 < p < 11]
    # What is sent leaves, and what comes is handled, at once.
    assert [4.0, 4.5] == moments(trace, Name.TRANSMIT)
    assert [4.1, 4.6] == moments(trace, Name.RECEIVED)
    # The wait after the loss is a timer as well, so it is longer than the second that it should be.
    [back_s] = [each for each in moments(trace, Name.OPEN) if each > 11]
    assert back_s == next(tick_s for tick_s in ticks_s() if tick_s >= 12)
    # Shown again it pings as before, each two seconds after the last.
    late_s = [p for p in pings_s if p > 31]
    assert len(late_s) >= 4
    assert {2.0} == {round(b - a, 3) for a, b in pairwise(late_s)}


def test_pages_that_are_hidden_together_have_moments_of_their_own():
    fault = sl.Fault("client_throttle", 1, timers_every_s=10)
    trace = sl.run(quiet(60, fault, sl.Fault("reset", 5), clients=20))
    back_s = [times_s[1] for times_s in of_each(trace, "open")]
    assert 20 == len(set(back_s))
    assert all(6.0 <= time_s < 16.0 for time_s in back_s)


def test_of_two_faults_that_slow_timers_down_the_slower_counts_until_its_end():
    faults = [
        sl.Fault("client_throttle", 1, 50, timers_every_s=2),
        sl.Fault("client_throttle", 10, 30, timers_every_s=9),
    ]
    beat = sl.HeartbeatRules(interval_s=0.5, timeout_s=0.4)
    pings_s = moments(sl.run(quiet(60, *faults, heartbeat=beat)), Name.PING)

    def gaps(low_s: float, high_s: float) -> set[float]:
        inside = [each for each in pings_s if low_s < each < high_s]
        return {round(b - a, 3) for a, b in pairwise(inside)}

    assert ({2.0}, {9.0}, {2.0}, {0.5}) == (gaps(1, 10), gaps(10, 30), gaps(30, 50), gaps(50, 60))


def test_a_page_that_sleeps_while_its_timers_are_slow_wakes_at_one_of_its_moments():
    fault = sl.Fault("client_throttle", 2, 30, timers_every_s=6)
    faults = [fault, sl.Fault("client_sleep", 3, 20), sl.Fault("reset", 4)]
    [_, back_s] = moments(sl.run(quiet(40, *faults)), Name.OPEN)
    assert back_s == next(tick_s for tick_s in ticks_s() if tick_s >= 21)


def test_the_fleet_refuses_timers_that_are_slow():
    scenario = quiet(10, sl.Fault("client_throttle", 2))
    rule = r'faults\.0\.kind = "client_throttle": is not played by the fleet'
    with pytest.raises(SettingsError, match=rule):
        sl.run(scenario, on="fleet")


# --- at most once, at least once, once ---------------------------------------------------


def fates(awaits_ack: bool, deduplicates: bool, cut_s: float) -> tuple[list[str], dict[str, float]]:
    """The story of a message of 2 s whose connection is cut at a moment, and what is counted."""
    outbox = sl.OutboxLimits(awaits_ack=awaits_ack, max_resends=0, ack_timeout_s=inf)
    scenario = quiet(
        8,
        sl.Fault("reset", cut_s),
        outbox=outbox,
        server=sl.ServerSettings(deduplicates=deduplicates),
    )
    trace = played(scenario, 2)
    row = sl.summary(trace).iloc[0]
    counts = {name: row[name] for name in ("delivered_fraction", "lost", "doubled", "undelivered")}
    return trace.story(0)[2:], counts


def test_at_most_once_what_is_on_its_way_is_lost_and_nothing_counts_twice():
    lines, counts = fates(awaits_ack=False, deduplicates=False, cut_s=2.03)
    assert [
        "   2.000 s  send 0 (normal); transmit 0",
        "   2.030 s  -- reset --",
        "   2.030 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   3.030 s  wake -> connecting; open #2",
        "   3.230 s  opened -> open",
    ] == lines
    assert {"delivered_fraction": 0, "lost": 1, "doubled": 0, "undelivered": 0} == counts


def test_at_least_once_what_had_arrived_counts_twice():
    lines, counts = fates(awaits_ack=True, deduplicates=False, cut_s=2.07)
    assert [
        "   2.000 s  send 0 (normal); transmit 0",
        "   2.070 s  -- reset --",
        "   2.070 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   3.070 s  wake -> connecting; open #2",
        "   3.270 s  opened -> open; transmit 0",
        "   3.370 s  received 0: accepted",
    ] == lines
    assert {"delivered_fraction": 1, "lost": 0, "doubled": 1, "undelivered": 0} == counts


def test_once_with_acknowledgements_and_ids():
    lines, counts = fates(awaits_ack=True, deduplicates=True, cut_s=2.07)
    assert "   3.370 s  received 0: duplicate" == lines[-1]
    assert {"delivered_fraction": 1, "lost": 0, "doubled": 0, "undelivered": 0} == counts


def test_at_most_once_what_had_arrived_is_delivered_though_its_answer_is_lost():
    _, counts = fates(awaits_ack=False, deduplicates=True, cut_s=2.07)
    assert {"delivered_fraction": 1, "lost": 0, "doubled": 0, "undelivered": 0} == counts


def test_what_is_saved_is_forgotten_as_it_leaves():
    outbox = sl.OutboxLimits(awaits_ack=False, max_resends=0, persist="all")
    lines = story(quiet(4, outbox=outbox), 2)
    assert "   2.000 s  send 0 (normal); save 0; forget 0; transmit 0" == lines[2]


def test_resends_of_what_is_forgotten_are_refused():
    with pytest.raises(
        SettingsError, match=r"max_resends = 5.*: must be 0 where awaits_ack is false"
    ):
        sl.OutboxLimits(awaits_ack=False)


def lost_and_doubled(scenario: sl.Scenario, changes: Sequence[tuple[str, bool]]) -> tuple[int, int]:
    for key, value in changes:
        scenario = scenario.replace(key, value)
    row = sl.summary(sl.run(scenario)).iloc[0]
    return int(row["lost"]), int(row["doubled"])


def test_the_shipped_scenario_shows_all_three():
    scenario = sl.load("data/scenarios/at_most_once.toml")
    acks, ids = ("client.outbox.awaits_ack", True), ("server.deduplicates", True)
    most, least, once = (
        lost_and_doubled(scenario, changes) for changes in ([], [acks], [acks, ids])
    )
    assert (most[0] > 10, most[1]) == (True, 0)
    assert (least[0], least[1] > 10) == (0, True)
    assert (0, 0) == once


# --- a window that the server advises ----------------------------------------------------


def advising(*faults: sl.Fault, window_s: float = 20.0, clients: int = 1, **client: Any) -> Trace:
    """Clients of a server that advises a window."""
    server = sl.ServerSettings(advises_window_s=window_s)
    return sl.run(quiet(60, *faults, server=server, clients=clients, **client))


def test_whom_the_server_closes_draws_its_moment_in_the_window():
    trace = advising(sl.Fault("close", 5, code=1012), clients=40)
    # The close frame comes 50 ms later; the draw is that of the first wait.
    expected = [[round(5.05 + max(1.0, 20.0 * draw(0, client)), 3)] for client in range(40)]
    assert expected == [times_s[1:] for times_s in of_each(trace, "open")]
    later_s = sorted(time_s for [time_s] in expected)
    assert later_s[-1] - later_s[0] > 15
    lost = f"lost: restarting 1012, retry within 20 s -> waiting {20 * draw(0):.3f} s (attempt 1)"
    assert f"   5.050 s  {lost}" == trace.story(0)[3]


def test_whom_the_server_refuses_draws_its_moment_in_the_window():
    full = quiet(30, clients=2, server=sl.ServerSettings(max_connections=1, advises_window_s=10))
    [_, refused] = of_each(sl.run(full), "open")
    assert round(0.2 + max(1.0, 10.0 * draw(0, 1)), 3) == refused[1]


def test_a_deploy_advises_the_window_unless_it_has_a_retry_after_of_its_own():
    drawn = advising(sl.Fault("deploy", 5, 6), clients=4)
    told = advising(sl.Fault("deploy", 5, 6, retry_after_s=3), clients=4)

    def hints(trace: Trace) -> set[float]:
        return set(trace.frame().query("name == 'lost'")["hint_s"])

    assert ({-20.0}, {3.0}) == (hints(drawn), hints(told))


def test_a_window_only_postpones():
    waiting = advising(sl.Fault("close", 5), window_s=0.5, backoff=backoff(base_s=3))
    assert [0.0, 8.05] == moments(waiting, Name.OPEN)


@pytest.mark.parametrize(
    ("settings", "most_s"), [({"heeds_hint": False}, 1.0), ({"hint_cap_s": 4}, 4.0)]
)
def test_a_client_that_does_not_heed_it_or_bounds_it_comes_sooner(settings, most_s):
    trace = advising(sl.Fault("close", 5), clients=30, backoff=backoff(**settings))
    waits_s = [times_s[1] - 5.05 for times_s in of_each(trace, "open")]
    assert max(waits_s) <= most_s + 0.001
    assert min(waits_s) >= 1.0 - 0.001


def test_a_window_beside_a_retry_after_is_refused():
    with pytest.raises(
        SettingsError, match=r"retry_after_s = 5.*: must be 0 with advises_window_s"
    ):
        sl.ServerSettings(advises_window_s=10, retry_after_s=5)


def test_capacity_finds_the_longest_window_that_still_brings_all_back_in_time():
    scenario = sl.Scenario(
        clients=40,
        duration_s=90,
        ramp_s=5,
        client=sl.Settings(backoff=backoff()),
        server=sl.ServerSettings(advises_window_s=60),
        workload=sl.Workload(rate_per_s=0),
        faults=[sl.Fault("close", start_s=10, code=1012)],
    )
    [knob] = sl.capacity(scenario, 20, keys=["server.advises_window_s"], on="sim").knobs
    longest_s = max(draw(0, client) for client in range(40))
    assert knob.needed == pytest.approx(20 / longest_s, rel=0.02)


# --- breakers that trip together ---------------------------------------------------------


def probes_s(spread: float, clients: int = 30) -> list[float]:
    """When each client probes whose breaker trips at the first failure of an outage."""
    breaker = sl.Breaker(trip_after=1, open_s=10, open_spread_fraction=spread)
    outage = sl.Fault("outage", 5, 9)
    trace = sl.run(quiet(40, outage, clients=clients, breaker=breaker))
    # The first attempt, the one that is refused at 6.1 s, and the probe.
    assert {3} == {len(times_s) for times_s in of_each(trace, "open")}
    return [times_s[2] for times_s in of_each(trace, "open")]


def test_breakers_that_tripped_together_probe_together_unless_a_draw_spreads_them():
    assert [16.1] * 30 == probes_s(0.0)
    # The wait after the refusal is each client's second, so its draw has the index 1.
    drawn_s = [6.1 + 10 * (1 + 0.5 * (2 * draw(1, client) - 1)) for client in range(30)]
    assert [round(time_s, 3) for time_s in drawn_s] == probes_s(0.5)
    assert (11.1 <= min(drawn_s) < 12, 20 < max(drawn_s) <= 21.1) == (True, True)


# --- the wait after a loss ---------------------------------------------------------------


def test_a_wait_after_a_loss_may_be_spread_and_is_exact_by_default():
    def back_s(**settings: Any) -> list[float]:
        rules = backoff(after_loss_s=4, **settings)
        trace = sl.run(quiet(20, sl.Fault("reset", 5), clients=20, backoff=rules))
        return [round(times_s[1] - 5, 3) for times_s in of_each(trace, "open")]

    assert [4.0] * 20 == back_s()
    draws = [draw(0, client) for client in range(20)]
    assert [round(4 * u, 3) for u in draws] == back_s(after_loss_jitter="full")
    assert [round(4 * (0.8 + 0.4 * u), 3) for u in draws] == back_s(
        after_loss_jitter="proportional", spread_fraction=0.2
    )
    # Who returns at once has nothing to take a share of; what is added spreads it.
    added = {"after_loss_s": 0, "after_loss_jitter": "additive", "add_most_s": 3}
    trace = sl.run(quiet(20, sl.Fault("reset", 5), clients=20, backoff=backoff(**added)))
    assert [round(5 + 3 * u, 3) for u in draws] == [t[1] for t in of_each(trace, "open")]


def test_the_cap_bounds_no_wait_after_a_loss():
    rules = backoff(after_loss_s=30, after_loss_jitter="additive", add_least_s=1, add_most_s=1)
    assert [0.0, 36.0] == moments(sl.run(quiet(50, sl.Fault("reset", 5), backoff=rules)), Name.OPEN)


# --- a bound on hints --------------------------------------------------------------------


def test_a_hint_counts_up_to_the_client_s_own_bound():
    rejecting = sl.Fault("reject", 2, 4, retry_after_s=600)
    faults = (sl.Fault("reset", 1.5), rejecting)
    lines = story(quiet(30, *faults, backoff=backoff(hint_cap_s=5)))
    assert (
        "   2.700 s  failed: rejected 503, retry after 600 s -> waiting 5.000 s (attempt 2)"
        in lines
    )
    assert "   7.900 s  opened -> open" == lines[-1]
    # Its jitter comes on top, so that those who are bounded do not return together.
    spread = backoff(hint_cap_s=5, jitter="full", spread_fraction=1.0, base_s=0.001, cap_s=0.001)
    trace = sl.run(quiet(30, *faults[1:], clients=9, backoff=spread).replace("ramp_s", 0.0))
    assert 1 == len({times_s[0] for times_s in of_each(trace, "open")})


# --- giving up by time -------------------------------------------------------------------


def lives(**settings: Any) -> list[str]:
    """A client that is lost for good at 5 s, with waits of 1, 2, 4 ... s."""
    return story(quiet(60, sl.Fault("outage", 5), backoff=backoff(**settings)))[3:]


def test_who_gives_up_by_time_makes_no_attempt_that_would_come_later():
    # Attempts at 6, 8.1, 12.2 and 20.3 s; the next would be at 30.4 s, 25.4 s after the loss.
    assert (
        "  20.400 s  failed: refused -> stopped; notify (gave up)" == lives(give_up_after_s=25)[-1]
    )
    assert (
        "  30.500 s  failed: refused -> stopped; notify (gave up)" == lives(give_up_after_s=26)[-1]
    )
    assert "   5.000 s  lost: reset -> stopped; notify (gave up)" == lives(give_up_after_s=0.5)[-1]


def test_time_counts_from_the_loss_of_what_was_stable_and_from_the_start_before():
    never = quiet(60, sl.Fault("outage", 0), backoff=backoff(give_up_after_s=6))
    # Attempts at 0, 1.1 and 3.2 s; the next would be at 7.3 s.
    assert "   3.300 s  failed: refused -> stopped; notify (gave up)" == story(never)[-1]
    # Each connection is closed as it opens, so none is stable and time goes on.
    shut = sl.Fault("close", 5, 60)
    closed = quiet(60, shut, backoff=backoff(give_up_after_s=20, stable_after_s=3))
    assert "lost: closed 1001 -> stopped; notify (gave up)" in story(closed)[-1]
    assert 15 < moments(sl.run(closed), Name.OPEN)[-1] <= 25.05
    resets = [sl.Fault("reset", float(moment_s)) for moment_s in range(5, 50, 5)]
    fine = quiet(60, *resets, backoff=backoff(give_up_after_s=3, stable_after_s=3))
    assert 10 == len(moments(sl.run(fine), Name.OPENED))


def test_time_begins_anew_when_the_network_is_back():
    away = sl.Fault("outage", 5, 50, announced=True)
    back = quiet(70, away, backoff=backoff(give_up_after_s=10))
    assert "opened -> open" in story(back)[-1]


def test_an_announced_handover_tells_that_the_network_is_back_at_once():
    # Before it has opened: told only that it is offline, it would wait for ever.
    trace = sl.run(quiet(20, sl.Fault("handover", 0.1, announced=True)))
    assert [0.1] == moments(trace, Name.OFFLINE) == moments(trace, Name.ONLINE)
    assert "opened -> open" in trace.story(0)[-1]


def test_the_network_is_back_when_the_last_announced_fault_that_keeps_it_away_is_over():
    faults = [
        sl.Fault("outage", 5, 12, announced=True),
        sl.Fault("outage", 6, 8, announced=True),
        sl.Fault("handover", 9, announced=True),
    ]
    assert [12.0] == moments(sl.run(quiet(30, *faults)), Name.ONLINE)


# --- budgets that successes fill ---------------------------------------------------------


def budgeted(*faults: sl.Fault, duration_s: float = 100, **budget: Any) -> Trace:
    rules = backoff(base_s=1, factor=1, cap_s=1)
    attempts = sl.AttemptBudget(**budget)
    return sl.run(quiet(duration_s, *faults, backoff=rules, attempt_budget=attempts))


def test_a_budget_that_nothing_fills_ends_the_client_when_it_is_spent():
    # As gRPC with maxTokens 10: the tokens are 9, 8, 7, 6 after four failures, and 5 is too few.
    trace = budgeted(sl.Fault("outage", 5), per_s=0, burst=4)
    assert [0.0, 6.0, 7.1, 8.2, 9.3] == moments(trace, Name.OPEN)
    assert "   9.400 s  failed: refused -> stopped; notify (gave up)" == trace.story(0)[-1]


def test_successes_fill_it_and_what_overflows_is_lost():
    resets = [sl.Fault("reset", 5.0 + 3 * i) for i in range(12)]
    half = budgeted(*resets, per_s=0, burst=4, success_fraction=0.5)
    # Each loss costs a token and each return brings half of one: 4, 3.5, 3 ... 1, and 0.5 is none.
    assert 1 + 7 == len(moments(half, Name.OPENED))
    assert "lost: reset -> stopped; notify (gave up)" in "\n".join(half.story(0))
    whole = budgeted(*resets, per_s=0, burst=1, success_fraction=1)
    assert 1 + 12 == len(moments(whole, Name.OPENED))
    # However many successes came before, a full bucket holds no more than its burst.
    rich = budgeted(*resets, sl.Fault("outage", 50), per_s=0, burst=2, success_fraction=1)
    assert 2 == len([time_s for time_s in moments(rich, Name.OPEN) if time_s > 50])


def test_a_success_brings_the_next_token_sooner_where_time_fills_it_too():
    faults = [sl.Fault("reset", 5), sl.Fault("reset", 8)]
    slow = budgeted(*faults, per_s=0.1, burst=1)
    quick = budgeted(*faults, per_s=0.1, burst=1, success_fraction=0.6)
    # A token at 6 s, so the next by time at 16 s; 0.6 of a token is 6 s of time.
    assert [0.0, 6.0, 16.0] == moments(slow, Name.OPEN)
    assert [0.0, 6.0, 10.0] == moments(quick, Name.OPEN)


def test_what_time_alone_fills_may_be_written_as_a_rate():
    assert sl.Settings(attempt_budget=sl.Rate(per_s=2, burst=3)) == sl.Settings(
        attempt_budget=sl.AttemptBudget(per_s=2, burst=3)
    )


def test_who_is_resumed_with_a_budget_that_is_spent_for_good_gives_up():
    # Its only token is spent on the attempt of 6 s, which ends as its network does.
    faults = sl.Fault("reset", 5), sl.Fault("outage", 6.02, 20, announced=True)
    trace = budgeted(*faults, per_s=0, burst=1)
    assert "  20.000 s  online -> stopped; notify (online); notify (gave up)" == trace.story(0)[-1]


# --- what counts as life -----------------------------------------------------------------


def beating(
    any_traffic: bool, *faults_and_sends_s: sl.Fault | float, timeout_s: float = 1.0
) -> Trace:
    """A client that pings after 4 s, under these faults, and that sends at these moments."""
    beat = sl.HeartbeatRules(interval_s=4, timeout_s=timeout_s, any_traffic=any_traffic)
    faults = [each for each in faults_and_sends_s if isinstance(each, sl.Fault)]
    sends_s = [each for each in faults_and_sends_s if not isinstance(each, sl.Fault)]
    return played(quiet(20, *faults, heartbeat=beat), *sends_s)


def test_a_connection_in_use_is_not_pinged_where_any_traffic_counts():
    often = [2.0, 5.0, 8.0, 11.0]
    assert [4.2, 8.2, 12.2, 16.2] == moments(beating(False, *often), Name.PING)
    # The last answer is there at 11.1 s; then silence is broken by pings, each 4 s after an answer.
    assert [15.1, 19.2] == moments(beating(True, *often), Name.PING)


def test_traffic_answers_a_ping_whose_own_answer_is_late():
    late = sl.Fault("latency", 4, 9, amount_s=1.5)
    # The ping of 4.2 s is answered at 7.3 s, 1.1 s too late; the message of 3.96 s at 5.56 s.
    assert "silent" in "\n".join(beating(True, late, timeout_s=2).story(0))
    assert "silent" in "\n".join(beating(False, late, 3.96, timeout_s=2).story(0))
    alive = beating(True, late, 3.96, timeout_s=2)
    assert "silent" not in "\n".join(alive.story(0))
    # The next ping is due 4 s after the late answer, which is a sign of life, too.
    assert [4.2, 11.3, 15.4, 19.5] == moments(alive, Name.PING)


def test_an_update_of_a_channel_counts_as_life():
    beat = sl.HeartbeatRules(interval_s=4, timeout_s=1, any_traffic=True)
    scenario = quiet(20, clients=2, heartbeat=beat).replace("workload.keys", 1)

    def publishing(world):
        for moment_s in (2, 5, 8, 11):
            yield world.clock.timeout(moment_s - world.clock.now)
            world.send(0, key=0)

    # The second client sends nothing: it hears what the first publishes.
    pings_s = of_each(sl.run(scenario, processes=[publishing]), "ping")[1]
    assert [15.1, 19.2] == pings_s


def test_the_fleet_refuses_traffic_as_life_where_there_is_traffic_that_it_does_not_play():
    scenario = sl.Scenario(
        client=sl.Settings(heartbeat=sl.HeartbeatRules(interval_s=4, any_traffic=True)),
        server=sl.ServerSettings(max_connections=5),
    )
    with pytest.raises(
        SettingsError, match=r"client\.heartbeat\.any_traffic = True: is not played"
    ):
        sl.run(scenario, on="fleet")
