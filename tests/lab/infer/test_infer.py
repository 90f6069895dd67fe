"""From waits to a policy, from an observation to a policy file, and what is never made up."""

import dataclasses
import json
import tomllib
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console
from scipy.stats import kstest

import simlib as sl
from simlib import cli
from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.lab.infer.bands import bands
from simlib.lab.infer.findings import connect_timeout
from simlib.lab.infer.fit import fit
from simlib.lab.infer.goodness import measure_goodness
from simlib.lab.infer.likelihood import sample
from simlib.lab.infer.nearest import nearest_policies, policy_distance
from simlib.lab.infer.policy_findings import find_hint_use
from simlib.lab.infer.reset_rule import guess_reset_rules
from simlib.lab.infer.sequences import LONGEST_ROW, check_attempts
from simlib.lab.infer.text import inference_in_words
from simlib.lab.infer.waits import Waits
from simlib.lab.observe.attempt_pairs import LOST, ResetRule, number_waits, pair_attempts
from simlib.lab.observe.observation import Attempt, Observation
from simlib.scenario.build import build
from tests.batteries import with_slow
from tests.lab.playing import FOREIGN, LOST_AND_REFUSED, STANDARD, Phase, Played, drawn, foreign

# --- the law of a wait --------------------------------------------------------------------


def waits(*rows):
    return Waits.of(pd.DataFrame(rows, columns=["attempt", "wait_s", "client"]))


def test_a_band_is_between_the_delays_of_the_least_and_the_largest_draw():
    seen = waits((1, 0.7, 0), (2, 1.5, 0), (9, 12.0, 1))
    found = bands(Backoff(jitter="equal", base_s=1, cap_s=10), seen)
    assert [0.5, 1.0, 5.0] == found.low_s.tolist()
    assert [1.0, 2.0, 10.0] == found.high_s.tolist()
    assert [0.0, 0.0, 0.0] == found.at_high.tolist()


def test_a_cap_that_cuts_a_band_has_the_share_that_it_cuts_off():
    seen = waits((1, 0.7, 0), (3, 4.0, 0))
    found = bands(Backoff(jitter="proportional", spread_fraction=0.5, base_s=1, cap_s=5), seen)
    assert [1.5, 5.0] == found.high_s.tolist()
    assert found.at_high.tolist() == pytest.approx([0.0, 0.25], abs=1e-6)


def test_the_band_of_a_decorrelated_wait_follows_the_wait_before():
    seen = waits((1, 2.0, 0), (2, 4.0, 0), (2, 1.0, 1))
    found = bands(Backoff(jitter="decorrelated", base_s=1, cap_s=20), seen)
    assert [3.0, 6.0] == found.high_s[:2].tolist()
    assert np.isnan(found.high_s[2]), "its first wait was not seen"


# --- the family and its numbers -----------------------------------------------------------

POLICIES = {
    "constant": Backoff(jitter="none", base_s=5, factor=1, cap_s=5),
    "table of steps": Backoff(jitter="none", steps_s=[0, 2, 10, 30]),
    "exponential, no jitter": Backoff(jitter="none", base_s=3, factor=1.3, cap_s=10),
    "exponential, no jitter, first wait fixed": Backoff(jitter="none", first_s=0),
    "exponential, full jitter": Backoff(jitter="full", base_s=0.5, cap_s=20),
    "exponential, equal jitter": Backoff(jitter="equal", base_s=1, factor=1.5, cap_s=9),
    "decorrelated jitter": Backoff(jitter="decorrelated", base_s=1, cap_s=20),
    "linear, no jitter": Backoff(jitter="none", growth="linear", base_s=1, rise_s=0.5, cap_s=4),
    "constant, additive jitter": Backoff(
        jitter="additive", base_s=2, factor=1, add_least_s=0, add_most_s=0.5
    ),
    "exponential, proportional jitter before the cap": Backoff(
        jitter="proportional", jitter_place="before_cap", base_s=1, cap_s=5
    ),
    "exponential, full jitter before the cap, drawn once": Backoff(
        jitter="full", jitter_place="before_cap", base_s=4, factor=1.3, cap_s=10, drawn_once=True
    ),
    "power, no jitter": Backoff(jitter="none", growth="power", exponent=1.5, base_s=0.2, cap_s=5),
    "power, full jitter": Backoff(jitter="full", growth="power", base_s=0.5, cap_s=20),
    "exponential, full jitter, drawn above a floor": Backoff(
        jitter="full", base_s=1, cap_s=16, floor_s=0.7, drawn_above_floor=True
    ),
    "exponential, full jitter, raised to a floor": Backoff(
        jitter="full", base_s=2, cap_s=16, floor_s=1
    ),
    "constant, additive jitter, first wait spread": Backoff(
        jitter="additive",
        base_s=5,
        factor=1,
        cap_s=5,
        add_least_s=0,
        add_most_s=5,
        jitter_place="after_cap",
        first_s=2,
        first_jitter="additive",
    ),
    "exponential, no jitter, first wait spread": Backoff(
        jitter="none", base_s=1.92, factor=1.618, cap_s=90, first_s=5, first_jitter="full"
    ),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", POLICIES)
def test_200_waits_tell_the_family_and_its_numbers(name):
    rules = POLICIES[name]
    found = fit(drawn(rules, 200))
    assert (name, False) == (found.best.name, found.is_none)
    for each in found.parameters:
        key, _, place = each.name.partition("[")
        true = getattr(rules, key)
        true = true[int(place.rstrip("]"))] if place else true
        assert each.low <= true <= each.high, each
        assert each.value == pytest.approx(true, rel=0.12, abs=0.002), each


@pytest.mark.slow
@pytest.mark.parametrize("jitter", with_slow(["full"], ["none", "equal"]))
def test_the_numbers_of_fibonacci_are_told_as_such_a_table(jitter):
    numbers = (1, 1, 2, 3, 5, 8)
    rules = Backoff(jitter=jitter, steps_s=[0.5 * each for each in numbers], cap_s=4)
    found = fit(drawn(rules, 200))
    assert found.best.name == f"Fibonacci table, {jitter} jitter".replace("none", "no")
    told = {each.name: each.value for each in found.parameters}
    assert {"base_s": 0.5, "cap_s": 4.0} == pytest.approx(told, rel=0.05)


@pytest.mark.slow
def test_waits_counted_from_the_start_of_attempts_are_told_by_attempts_that_last():
    rules = Backoff(jitter="none", base_s=3, factor=1, cap_s=3, counted_from="start")
    client = Played(rules, connect_timeout_s=1.5)
    found = sl.infer(client.play((Phase("status", "503", 12), Phase("silent", "", 12))))
    assert "constant, from the start of attempts" == found.fit.best.name
    assert ("start", 3.0) == (
        found.policy["backoff"]["counted_from"],
        pytest.approx(found.policy["backoff"]["base_s"], abs=0.01),
    )


def test_a_cap_that_was_never_reached_is_not_told():
    [*_, cap] = fit(drawn(Backoff(jitter="none", cap_s=1e4), 40, rows=5)).parameters
    assert ("cap_s", inf, "not reached in 5 attempts in a row") == (cap.name, cap.value, cap.note)
    assert cap.low >= 16.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", with_slow([2], [3]))
def test_waits_that_crowd_in_the_middle_are_not_taken_for_even_ones(seed):
    found = fit(foreign("normal around a ceiling", seed=seed), intervals=False)
    assert found.is_none, found.best


def test_as_many_even_waits_are_taken_for_such():
    rules = Backoff(jitter="additive", factor=1, base_s=2, cap_s=2, add_least_s=0, add_most_s=4)
    seen = [
        measure_goodness(rules, Waits.of(drawn(rules, 200, seed))).is_good for seed in range(100)
    ]
    assert all(seen)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", FOREIGN)
def test_waits_of_no_family_are_of_none_of_these(name):
    found = fit(foreign(name), intervals=False)
    assert found.is_none, found.best


@pytest.mark.slow
def test_waits_that_grow_by_the_square_of_the_attempt_are_told_as_a_power():
    # Real waits of 0.1 n^2 s, half of each random, up to 4 s.
    table = Path(__file__).parent / "observations" / "waits_squared.parquet"
    found = sl.infer(pd.read_parquet(table))
    assert "power, equal jitter" == found.fit.best.name
    backoff = found.policy["backoff"]
    assert (0.1, 2.0, 4.0) == pytest.approx(
        (backoff["base_s"], backoff["exponent"], backoff["cap_s"]), rel=0.05
    )


def test_a_misfit_at_one_attempt_is_not_made_up_for_by_the_opposite_at_another():
    rules = Backoff(jitter="full", factor=1, base_s=2, cap_s=2)
    seen = drawn(rules, 400, rows=4)
    low, high = seen["attempt"] == 1, seen["attempt"] == 2
    seen.loc[low, "wait_s"] *= 0.5
    seen.loc[high, "wait_s"] = 2.0 - 0.5 * seen.loc[high, "wait_s"]
    found = measure_goodness(rules, Waits.of(seen))
    assert kstest(seen["wait_s"] / 2.0, "uniform").pvalue > 0.05, "together they are even"
    assert not found.is_good
    assert found.attempt in (1, 2)
    assert measure_goodness(rules, Waits.of(drawn(rules, 400, rows=4))).is_good


@pytest.mark.parametrize("measured_s", [0.0, 0.1])
def test_lateness_excuses_only_what_was_measured_of_it(measured_s):
    rules = Backoff(jitter="none", base_s=1, cap_s=8)
    seen = drawn(rules, 60, rows=6).assign(late_s=0.0)
    late = seen.index % 8 == 0
    seen.loc[late, "wait_s"] += 0.08
    seen.loc[late, "late_s"] = measured_s
    found = measure_goodness(rules, Waits.of(seen))
    assert bool(measured_s) == found.is_good
    shares = (found.outside_fraction, found.late_fraction)
    assert (late.mean(), 0.0) == (shares if not measured_s else shares[::-1])


@pytest.mark.slow
def test_waits_that_no_family_says_better_than_a_simpler_one_have_a_nearest_one():
    waits_s = {"a": 0.0, "b": 0.01, "c": 5.0}
    seen = pd.DataFrame({"wait_s": [waits_s[each] for each in "aacaabcbcabbbbbaabbcacaaabacccb"]})
    seen = seen.assign(attempt=seen.index % 4 + 1, client=seen.index // 4)
    found = fit(seen, intervals=False)
    assert not found.best.goodness.is_good


def test_an_end_that_was_not_seen_says_nothing_of_a_timeout():
    rows = pd.DataFrame({"accept_s": [0.0] * 5, "ended_s": [5.0, 5.01, np.nan, 4.99, 5.0]})
    rows = rows.assign(kind="silent", opened=False, ended_by="client")
    found = connect_timeout(rows, 0.002)
    assert (4, 5.0) == (found.attempts, round(found.value, 3))


def test_few_waits_are_refused_with_their_number():
    with pytest.raises(sl.SettingsError, match="not enough waits: 5 of at least 8"):
        fit(drawn(Backoff(), 5))


# --- how it counts ----------------------------------------------------------------------

_ROWS = (Phase("reset", "", 2), Phase("status", "503", 6)) * 4


@pytest.mark.parametrize("stable_after_s", [0.0, 5.0])
def test_what_resets_the_count_is_told_from_the_waits(stable_after_s):
    rules = Backoff(jitter="none", base_s=1, cap_s=64, stable_after_s=stable_after_s)
    opens_s = (0.1, 3.0, 8.0, 0.1, 3.0, 8.0)
    rows = (*_ROWS[1:2], Phase("open_then_cut", "", 6, opens_s), *_ROWS[1:2])
    followed = pair_attempts(check_attempts(Played(rules).play(rows)))
    limit_s = guess_reset_rules(followed)[0].stable_after_s
    assert limit_s == 0.0 if not stable_after_s else 3.0 < limit_s < 8.0


@pytest.mark.slow
@pytest.mark.parametrize("jitter", with_slow(["full"], ["equal"]))
def test_jitter_in_short_rows_does_not_hide_what_resets_the_count(jitter):
    rules = Backoff(jitter=jitter, base_s=0.5, cap_s=5)
    seen = [
        Played(rules, client=client, seed=1).play(LOST_AND_REFUSED).iloc[:-1] for client in range(4)
    ]
    found = sl.infer(pd.concat(seen), known={})
    assert found.verdict.startswith(f"exponential, {jitter} jitter, from "), found.verdict


def test_a_wait_after_a_loss_that_is_no_attempt_stands_apart():
    frame = pd.concat([Played(Backoff(jitter="none"), client=i).play(_ROWS) for i in range(2)])
    lost = frame["kind"] == "reset"
    frame.loc[lost, "opened"] = True
    followed = pair_attempts(check_attempts(frame))
    numbers = number_waits(followed, ResetRule(0.0, counts_loss=False))
    assert {LOST} == set(numbers.loc[numbers["opened"], "attempt"])
    counted = number_waits(followed, ResetRule())
    assert 1 == counted.loc[counted["opened"], "attempt"].max()


# --- how far apart policies are ----------------------------------------------------------


def test_the_distance_is_the_share_by_which_waits_differ():
    one, longer = (Backoff(jitter="none", base_s=base, cap_s=9 * base) for base in (1.0, 3.0))
    assert 0.0 == policy_distance(one, one)
    assert 1.0 == pytest.approx(policy_distance(one, longer)), "|1 - 3| over a middle of 2"
    # U(0, c) against c itself: c / 2 apart, around a middle of 3/4 c.
    full = Backoff(jitter="full", base_s=1, cap_s=9)
    assert 2.0 / 3.0 == pytest.approx(policy_distance(one, full), rel=0.05)


def test_the_nearest_policy_comes_first():
    known = {"far": Backoff(base_s=9), "near": Backoff(base_s=1.05), "between": Backoff(base_s=3)}
    assert ["near", "between", "far"] == [near.name for near in nearest_policies(Backoff(), known)]


def test_samples_are_those_of_the_core():
    steps = sample(Backoff(jitter="decorrelated", base_s=1, cap_s=20), 4, 100)
    assert (steps[1:] <= np.minimum(20.0, 3.0 * np.maximum(1.0, steps[:-1])) + 1e-12).all()


# --- what the phases say ------------------------------------------------------------------


@pytest.fixture(scope="module")
def told():
    rules = Backoff(jitter="none", base_s=3, factor=1.3, cap_s=10, stable_after_s=5)
    client = Played(rules, heeds=True, ping_s=20, pong_s=2, stops_on=("401",), at_once=("1000",))
    return sl.infer(client.play(), known={"itself": rules, "other": Backoff()})


@pytest.mark.slow
def test_times_are_measured_with_intervals_and_the_attempts_they_rest_on(told):
    for about, true_s, attempts in (
        ("connect_timeout_s", 4.0, 5),
        ("heartbeat.interval_s", 20.0, 3),
        ("heartbeat.timeout_s", 2.0, 3),
    ):
        found = told.finding(about)
        assert (true_s, attempts) == (pytest.approx(found.value, abs=0.003), found.attempts)
        assert found.low <= true_s + 0.001 <= found.high


def test_the_count_resets_between_the_open_times_that_were_seen(told):
    found = told.finding("stable_after_s")
    assert found.low == pytest.approx(3.0, abs=0.01)
    assert found.high == pytest.approx(8.0, abs=0.01)


def test_what_stops_it_and_what_does_not(told):
    assert "stops" == told.finding("after status 401").value
    assert "comes back" == told.finding("after close 1012").value
    assert "yes" == told.finding("heeds Retry-After").value
    assert told.finding("wait after close 1000").value < 0.01
    assert {"wait after close 1000"} == separate_waits(told)


def separate_waits(found):
    return {each.about for each in found.findings if each.about.startswith("wait after")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codes", "at_once"),
    [(("4000", "1001"), ("4000",)), (("1000", "1012"), ("1012",))],
    ids=["the first close", "the second"],
)
def test_only_waits_with_a_rule_of_their_own_are_told_as_separate(codes, at_once):
    # After a close that it comes back after at once it counts anew: what follows is no exception.
    closes = iter(codes)
    phases = [
        dataclasses.replace(each, detail=next(closes)) if each.kind == "close" else each
        for each in STANDARD
    ]
    rules = Backoff(jitter="none", base_s=3, factor=1.3, cap_s=10, stable_after_s=5)
    found = sl.infer(Played(rules, heeds=True, stops_on=("401",), at_once=at_once).play(phases))
    assert {f"wait after close {code}" for code in at_once} == separate_waits(found)


@pytest.mark.slow
def test_what_follows_an_odd_answer_before_the_count_begins_anew_is_told_by_its_jitter_too():
    rules = Backoff(jitter="full", base_s=1, factor=2, cap_s=30, stable_after_s=5)
    played = (Phase("status", "503", 60), Phase("close", "1000", 6), Phase("close", "1012", 3))
    clients = [
        Played(rules, at_once=("1000",), client=i).play((*played, Phase("status", "503", 20)))
        for i in range(3)
    ]
    found = sl.infer(pd.concat(clients))
    assert separate_waits(found) <= {"wait after close 1000"}


def test_a_client_may_heed_seconds_and_no_dates():
    details = ["429 retry_after=7", "429 retry_after=7 as a date"]
    waits = pd.DataFrame(
        {"detail": details, "wait_s": [7.1, 1.0], "retry_after_s": [7.0, 7.4], "attempt": [1, 2]}
    )
    in_seconds, as_date = find_hint_use(waits, None, 0.01)
    assert ("heeds Retry-After", None) == (in_seconds.about, in_seconds.value)
    assert ("heeds Retry-After as a date", "no") == (as_date.about, as_date.value)
    assert ["heeds Retry-After"] == [each.about for each in find_hint_use(waits[:1], None, 0.01)]


def test_the_policy_is_stopped_by_what_stopped_the_client_and_by_nothing_it_came_back_after(told):
    stops = told.client.stops
    assert not told.codes[401]
    assert told.codes[1012]
    # A session's code that it did not come back after stays one; of others, the file says so.
    assert ((), (401, 403, 4401, 4403)) == (stops.ends_on, stops.suspends_on)
    assert "# after 403, 4401, 4403: not seen, so as by default: it rests" in told.policy_toml()
    assert stops == build(sl.Scenario, tomllib.loads(told.policy_toml())).client.stops


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("stops_on", "ends_on", "suspends_on"),
    with_slow(
        [(("503", "1000", "1012"), (503, 1000, 1012), (4403,))],
        [((), (), ("4403",)), (("4401",), (), (4401, 4403))],
    ),
)
def test_what_a_client_does_not_come_back_after_is_in_its_policy(stops_on, ends_on, suspends_on):
    statuses = [Phase("status", "500", 20), Phase("status", "403", 2), Phase("status", "401", 2)]
    statuses += [Phase("close", code, 2) for code in ("4401", "1006")]
    played = [
        Played(Backoff(base_s=0.2, cap_s=1), client=i, stops_on=stops_on).play(
            [*statuses, Phase(kind, code, 2), Phase("status", "500", 2)]
        )
        for i, (kind, code) in enumerate(
            [("status", "503"), ("close", "1000"), ("close", "1012"), ("close", "1001")]
        )
    ]
    found = sl.infer(pd.concat(played))
    assert ends_on == found.client.stops.ends_on
    assert tuple(map(int, suspends_on)) == found.client.stops.suspends_on


@pytest.mark.slow
def test_a_client_that_came_back_after_each_401_does_so_in_its_policy_too():
    rows = (Phase("status", "503", 30), Phase("status", "401", 5))
    told = sl.infer(Played(Backoff(jitter="none", base_s=0.1, cap_s=3)).play(rows))
    assert "comes back: 4 of 4" in told.finding("after status 401").words
    unauthorized = sl.Scenario(
        clients=10,
        duration_s=60,
        client=told.client,
        faults=[sl.Fault("reject", 10, 40, status=401), sl.Fault("reset", 10)],
        workload=sl.Workload(rate_per_s=0),
    )
    trace = sl.run(unauthorized)
    assert [2] * 10 == [sum("opened" in line for line in trace.story(i)) for i in range(10)]
    assert 10 * 10 < trace.counts()["open"] < 10 * 20


def test_the_nearest_known_policy_is_its_own(told):
    assert "itself" == told.near[0].name
    assert told.near[0].distance < 0.01 < told.near[1].distance


def test_the_policy_file_is_a_scenario_of_that_client(told):
    scenario = build(sl.Scenario, tomllib.loads(told.policy_toml()))
    backoff = scenario.client.backoff
    assert (3.0, 1.3, 10.0) == pytest.approx((backoff.base_s, backoff.factor, backoff.cap_s), 0.002)
    assert 3.0 < backoff.stable_after_s < 8.0
    assert 4.0 == pytest.approx(scenario.client.connect_timeout_s, abs=0.01)
    assert 20.0 == pytest.approx(scenario.client.heartbeat.interval_s, abs=0.01)


@pytest.mark.slow
def test_a_client_that_gives_up_is_told_by_its_last_run_of_failures():
    rules = Backoff(jitter="none", base_s=1, cap_s=10, max_attempts=10)
    found = sl.infer(Played(rules).play(STANDARD[:1]))
    assert 10.0 == found.finding("max_attempts").value
    assert 10 == found.policy["backoff"]["max_attempts"]


def most_in_a_row(codes, stable_after_s, at_once=()):
    """Clients that are closed after three failures each, again and again."""
    phases = [
        phase for code in codes for phase in (Phase("status", "503", 3), Phase("close", code, 1))
    ]
    rules = Backoff(jitter="none", base_s=1, cap_s=8, stable_after_s=stable_after_s)
    played = [
        Played(rules, client=i, at_once=at_once).play([*phases, Phase("status", "503", 2)])
        for i in range(2)
    ]
    return sl.infer(pd.concat(played)).finding("max_attempts").low


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("expected", "stable_after_s", "at_once"),
    [(3, 0.0, ()), (3, 5.0, ("1000",)), (8 * 4 + 1, 5.0, ())],
    ids=["open", "an answer with a rule of its own", "nothing"],
)
def test_failures_are_counted_from_what_reset_the_count(expected, stable_after_s, at_once):
    assert expected == most_in_a_row(["1000"] * 8, stable_after_s, at_once)


def test_failures_among_which_some_were_not_seen_do_not_say_when_a_client_gives_up():
    rules = Backoff(jitter="none", base_s=1, cap_s=4, max_attempts=14)
    phases = (Phase("status", "503", 4), Phase("refuse", "", 4), Phase("status", "503", 20))
    frame = Played(rules).play(phases)
    found = sl.infer(frame[frame["kind"] != "refuse"])
    assert not found.finding("max_attempts").is_told


@pytest.mark.slow
def test_a_client_that_went_on_after_more_failures_did_not_give_up_after_fewer():
    phases = (Phase("status", "503", 12), Phase("close", "1000", 1), Phase("status", "503", 4))
    frame = Played(Backoff(jitter="none", base_s=1, cap_s=4)).play(phases)
    frame.loc[frame.index[-1:], ["accept_s", "answered_s", "ended_s"]] += 300.0
    found = sl.infer(frame).finding("max_attempts")
    assert (None, 12.0) == (found.value, found.low)


@pytest.mark.slow
def test_jitter_that_each_client_draws_once_is_told_from_jitter_of_each_wait():
    rows = (Phase("status", "503", 12),)
    bases_s = (1.31, 2.6, 4.4)
    once = [
        Played(Backoff(jitter="none", base_s=base_s, factor=1.3, cap_s=10), client=i).play(rows)
        for i, base_s in enumerate(bases_s)
    ]
    told = sl.infer(pd.concat(once)).finding("jitter drawn once")
    assert ("yes", 3) == (told.value, len(once))
    alike = [Played(Backoff(jitter="none"), client=i).play(rows) for i in range(2)]
    assert "no" == sl.infer(pd.concat(alike)).finding("jitter drawn once").value


@pytest.mark.slow
def test_what_was_not_played_is_said_with_the_phase_that_would_tell():
    found = sl.infer(Played(Backoff(base_s=0.2, cap_s=2)).play((Phase("status", "503", 30),)))
    assert found.fit is not None
    for about in ("connect_timeout_s", "heartbeat.interval_s", "stable_after_s"):
        finding = found.finding(about)
        assert (None, False) == (finding.value, finding.is_told)
        assert finding.words.startswith("not enough attempts in phase")
    assert {"backoff"} == found.policy.keys()


def test_too_few_waits_give_no_policy_at_all():
    found = sl.infer(Played(Backoff()).play((Phase("status", "503", 4),)))
    assert (None, None) == (found.fit, found.policy)
    assert "not enough attempts in a row: 3 of at least 8 waits" in found.verdict
    with pytest.raises(sl.SettingsError, match="cannot be written: not enough attempts"):
        found.policy_toml()


# --- a busy machine -----------------------------------------------------------------------


def late(frame, mean_s, seed=2):
    """The same waits on a machine that was late by so much on average, and knew it."""
    late_s = np.random.default_rng(seed).exponential(mean_s, len(frame))
    return frame.assign(wait_s=frame["wait_s"] + late_s * 0.9, late_s=late_s)


def late_observation(rules, mean_s, clients=4):
    """Clients of which every wait was late, and that was measured."""
    rng, frames = np.random.default_rng(3), []
    for client in range(clients):
        frame = Played(rules, client=client).play((Phase("status", "503", 15),))
        frame = frame.assign(late_s=rng.exponential(mean_s, len(frame)), end_late_s=0.0)
        frame["accept_s"] += 0.9 * frame["late_s"].cumsum()
        frame["ended_s"] += 0.9 * frame["late_s"].cumsum()
        frames.append(frame)
    return pd.concat(frames)


@pytest.mark.parametrize("mean_s", with_slow([0.02], [0.005]))
@pytest.mark.parametrize("name", with_slow(["exponential, no jitter"], ["linear, no jitter"]))
def test_a_client_without_jitter_is_not_told_as_jittered_where_the_machine_was_late(name, mean_s):
    found = fit(late(drawn(POLICIES[name], 200), mean_s), intervals=False)
    assert name == found.best.name


@pytest.mark.parametrize("mean_s", with_slow([0.02], [0.003, 0.1, 1.0]))
def test_the_busier_the_machine_the_less_is_said_and_nothing_that_is_wrong(mean_s):
    found = sl.infer(late_observation(Backoff(jitter="none", base_s=0.5, cap_s=4), mean_s))
    is_told = found.policy is not None
    assert is_told or found.verdict.startswith("could not be judged: ")
    assert not is_told or found.fit.best.rules.jitter == Jitter.NONE
    assert is_told or mean_s > 0.02, "some lateness is no excuse"
    assert not is_told or mean_s < 0.5
    left_out = [each for each in found.findings if each.about == "waits left out"]
    assert (mean_s > 0.003) == bool(left_out)
    assert all("the machine was busy: these were not timed" in each.words for each in left_out)


#: Phoenix's own: the first step is too short to be timed on a busy machine.
STEPS_S = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)


def late_after_losses(rules, late_s, known_s):
    """Clients that were late after each loss, by up to so much, of which so much was measured."""
    rng, frames = np.random.default_rng(3), []
    for client in range(4):
        losses = (Phase("close", "1012", 5), Phase("status", "503", 12), Phase("close", "1012", 5))
        frame = Played(rules, client=client).play(losses)
        is_after_loss = frame["opened"].shift(1, fill_value=False)
        frame = frame.assign(late_s=np.where(is_after_loss, known_s, 0.0), end_late_s=0.0)
        off_s = np.where(is_after_loss, late_s * rng.random(len(frame)), 0.0).cumsum()
        for name in ("accept_s", "answered_s", "ended_s"):
            frame[name] += off_s
        frames.append(frame)
    return pd.concat(frames)


@pytest.mark.parametrize("steps_s", [STEPS_S, (0.02, 0.3, 0.4, 1.2)])
def test_a_step_that_was_never_timed_well_keeps_its_place_and_is_said_to_be_unknown(steps_s):
    found = sl.infer(late_after_losses(Backoff(jitter="none", steps_s=steps_s), 0.04, 0.05))
    assert "table of steps" == found.fit.best.name
    first, *others = found.fit.parameters
    assert first.note.startswith("not known well: none of 3")
    assert 0.0 <= first.low <= steps_s[0] <= first.high
    told_s = [each.value for each in others]
    assert list(steps_s[1:]) == pytest.approx(told_s, abs=0.005)
    assert [""] * len(others) == [each.note for each in others]
    assert first.note in found.policy_toml()


@pytest.mark.slow
def test_first_waits_that_no_policy_says_do_not_make_the_second_the_first():
    found = sl.infer(late_after_losses(Backoff(jitter="none", steps_s=STEPS_S), 0.08, 0.015))
    assert found.policy is None
    assert found.verdict.startswith("could not be judged: waits after a loss differ")


@pytest.mark.slow
def test_first_waits_that_one_law_says_if_they_were_late_are_told_by_it():
    found = sl.infer(late_after_losses(Backoff(jitter="none", base_s=0.2, cap_s=3), 0.08, 0.015))
    assert found.verdict.startswith("exponential, no jitter, from ")
    backoff = found.policy["backoff"]
    assert (0.2, 2.0, 3.0) == pytest.approx(
        (backoff["base_s"], backoff["factor"], backoff["cap_s"]), rel=0.02
    )


def test_a_policy_that_contradicts_the_waits_that_were_never_timed_well_does_not_agree():
    seen = drawn(Backoff(jitter="none", base_s=1, cap_s=99), 60, rows=6)
    seen, first = seen.assign(previous_s=0.0), seen["attempt"] == 1
    for wait_s, agrees in ((1.05, True), (0.1, False)):
        uncertain = seen[first].assign(wait_s=wait_s, late_s=0.1, early_s=0.0)
        found = fit(seen[~first], intervals=False, uncertain=uncertain)
        said = {each.name: each.goodness.is_good for each in found.candidates}
        assert agrees == said["exponential, no jitter"]


def test_a_late_client_that_was_open_for_a_moment_may_not_know_it():
    frame = Played(Backoff(jitter="none")).play(
        (*_ROWS[1:2], Phase("close", "1012", 1), *_ROWS[1:2])
    )
    late_by = {"client_late_s": np.where(frame["opened"], 0.009, 0.0)}
    for measured, expected in (({}, [1, 2]), (late_by, [0, 0])):
        followed = pair_attempts(check_attempts(frame.assign(**measured)))
        numbers = number_waits(followed, ResetRule())["attempt"].tolist()
        assert expected == numbers[6:8]


# --- the command --------------------------------------------------------------------------


def simlib(*arguments):
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    played = Played(Backoff(jitter="none", base_s=1, cap_s=8), stops_on=("401",))
    played.play(STANDARD).to_parquet("seen.parquet")
    return "seen.parquet"


def test_infer_prints_and_keeps_what_it_told_and_run_takes_the_policy(file):
    result = simlib("infer", file, "--out", "mine")
    assert 0 == result.exit_code
    assert "Policy: exponential, no jitter, from" in result.stdout
    kept = sorted(each.name for each in Path("mine").iterdir())
    assert ["inference.json", "policy.toml", "waits.png"] == kept
    again = simlib("infer", file, "--json")
    printed, saved = json.loads(again.stdout), json.loads(Path("mine/inference.json").read_text())
    assert "--json" in printed["made_by"].pop("command")
    assert "--out mine" in saved["made_by"].pop("command")
    assert printed == saved
    short = ("--clients", "2", "--set", "duration_s=2")
    assert 0 == simlib("run", "mine/policy.toml", *short).exit_code
    # Nobody named a folder the second time.
    assert kept == sorted(each.name for each in Path("out/seen").iterdir())
    first, *lines = Path("mine/policy.toml").read_text().splitlines()
    assert first.endswith("--out mine")
    assert lines == Path("out/seen/policy.toml").read_text().splitlines()[1:]
    assert "simlib run out/seen/policy.toml" in again.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pd.DataFrame({"phase": [1]}), 'observation = "kind": is not among the columns (phase)'),
        (Played(Backoff()).play().iloc[:0], "has no attempt: the client never connected"),
    ],
)
def test_a_table_that_is_no_observation_is_refused(content, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content.to_parquet(tmp_path / "bad.parquet")
    result = simlib("infer", str(tmp_path / "bad.parquet"))
    assert (2, "") == (result.exit_code, result.stdout)
    assert said in result.stderr
    assert not Path("out").exists()


def test_the_words_fit_the_width_and_name_what_was_not_told(told):
    console = Console(width=100)
    with console.capture() as said:
        console.print(inference_in_words(told))
    text = said.get()
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "Nearest presets" in text
    assert "not known" in text
    assert "max_attempts" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", with_slow(["y_websocket"], ["reconnecting_websocket"]))
def test_what_a_machine_too_busy_left_of_waits_without_jitter_is_not_told_as_jittered(name):
    """Recorded beside ten busy processes: half of the waits, and later than was measured of it."""
    file = Path(__file__).parent / "observations" / f"{name}_on_a_busy_machine.parquet"
    found = sl.infer(sl.Observation.load(file))
    assert found.policy is None
    assert found.verdict.startswith("could not be judged"), found.verdict
    assert found.verdict.endswith("are a selection")


@pytest.mark.slow
def test_what_waits_after_a_loss_too_late_to_be_timed_would_decide_is_not_judged():
    """Recorded on a busy machine: it comes back at once after a loss, which was hardly timed."""
    name = "websockets_python_on_a_busy_machine.parquet"
    found = sl.infer(sl.Observation.load(Path(__file__).parent / "observations" / name))
    assert found.policy is None
    assert found.verdict.startswith(
        "could not be judged: all waits but those after a loss agree with exponential, no jitter"
    )


@pytest.mark.parametrize(("failures", "left_out"), [(LONGEST_ROW, 0), (LONGEST_ROW + 2, 2)])
def test_waits_after_many_failures_in_a_row_are_left_out_and_counted(failures, left_out):
    rows = [Attempt(0, "status", "503", 0, "", float(i), ended_s=float(i)) for i in range(failures)]
    found = sl.infer(Observation([*rows, Attempt(0, "open", "", 0, "", float(failures))]))
    assert LONGEST_ROW == found.fit.waits.attempts[-1]
    assert LONGEST_ROW == len(found.fit.waits)
    told = [each.value for each in found.findings if each.about == "waits of long rows"]
    assert [left_out] * bool(left_out) == told
