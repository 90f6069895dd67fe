"""Candidates under the same seeds: what is sure, what is hopeless, who is on the front."""

from dataclasses import replace
from functools import partial
from math import inf, nan

import numpy as np
import pytest

import simlib as sl
from simlib.experiments.objectives import constraint, objectives
from simlib.experiments.pool import open_pool
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.pareto import by_distance, front, middle
from simlib.studies.tune.score import Score

STORM = sl.Scenario(
    name="storm",
    clients=20,
    duration_s=20,
    server=sl.ServerSettings(accept_per_s=10),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=5, stop_s=9)],
)
TIME, PEAK = objectives(["time_to_recover_s_p99", "peak_attempts_per_s"])


def score(time_s, peak, scenarios=(STORM,)):
    """A score by hand: a row per scenario, a column per seed."""
    values = {"time_to_recover_s_p99": time_s, "peak_attempts_per_s": peak}
    return Score(
        {name: np.atleast_2d(each).astype(float) for name, each in values.items()}, scenarios
    )


def evaluator(outcomes=None, **changes):
    settings = {"objectives": (TIME, PEAK), "bounds": (), "on": "sim", "replications": 10}
    return Evaluator((STORM,), outcomes=outcomes, **settings | changes)


def test_what_never_ends_is_twice_the_run_where_numbers_must_be_finite():
    found = score([1.0, inf, 3.0], [5, 5, 5])
    assert (inf, (1 + 40 + 3) / 3) == (found.mean(TIME.metric).value, found.loss(TIME))


def test_the_mean_is_over_scenarios_and_its_interval_over_seeds():
    found = score([[1.0, 2.0], [3.0, 6.0]], [[1, 1], [1, 1]], (STORM, STORM))
    assert [2.0, 4.0] == found.by_seed(TIME.metric).tolist()
    assert 3.0 == found.mean(TIME.metric).value


def test_a_bound_must_hold_in_every_scenario():
    bound = constraint("peak_attempts_per_s <= 2 * server.accept_per_s", [STORM])
    found = score([[1] * 3, [1] * 3], [[10, 10, 10], [30, 30, 30]], (STORM, STORM))
    assert 0.5 == found.excess(bound)
    assert not found.keeps([bound])
    assert score([1] * 3, [20] * 3).keeps([bound])


def test_differences_are_of_the_same_seeds():
    spread = np.array([1.0, 5.0, 9.0, 13.0])
    one, other = score(spread, [5] * 4), score(spread + 0.1, [5] * 4)
    found = other.worse_than(one, TIME)
    assert pytest.approx((0.1, 0.1, 0.1)) == (found.low, found.value, found.high)


@pytest.mark.parametrize(
    ("time_s", "peak", "is_hopeless"),
    [
        ([5, 5.1, 5.2, 5.1], [90, 91, 92, 93], True),  # surely worse in both
        ([5, 5.1, 5.2, 5.1], [40, 41, 42, 43], False),  # worse in one
        ([3, 9, 3, 2], [90, 91, 92, 93], False),  # not surely worse in the other
        ([1, 1, 1, 1], [310, 320, 330, 310], True),  # breaks the bound for sure
        ([1, 1, 1, 1], [200, 420, 250, 410], False),  # perhaps
    ],
)
def test_only_what_is_surely_worse_or_broken_is_hopeless(time_s, peak, is_hopeless):
    known = score([4.0, 4.1, 4.2, 4.1], [50, 51, 52, 53])
    bound = constraint("peak_attempts_per_s <= 300", [STORM])
    assert is_hopeless == evaluator(bounds=(bound,)).is_hopeless(score(time_s, peak), [known])


def test_candidates_are_played_under_the_same_seeds_and_hopeless_ones_under_few():
    slow = {"client.backoff.base_s": 8.0, "client.backoff.jitter": "none"}
    with open_pool(1) as outcomes:
        good, bad, wrong = evaluator(outcomes).scores(
            [{"client.backoff.cap_s": 1.0, "client.backoff.base_s": 0.5}, slow, {"clients": 0}],
            known=[score([0.1] * 10, [1] * 10)],
        )
        given = evaluator(outcomes, bounds=()).play([{}], 3)[0]
    assert (4, 4) == (bad.replications, good.replications)  # the known one beats both
    assert "clients = 0: must be" in wrong
    alone = sl.summary(sl.run(STORM.replace(seed=3))).iloc[0]
    assert alone["peak_attempts_per_s"] == given.values["peak_attempts_per_s"][0, 2]


@pytest.mark.parametrize(
    ("time_s", "peak", "is_known"),
    [
        ([4.0, 4.01, 3.99], [90, 90, 91], True),
        ([4.0, 4.4, 3.6], [90, 90, 91], False),  # within 25 %
        ([4.0, 4.01, 3.99], [400, 401, 402], True),  # surely breaks the bound
        ([4.0, 4.01, 3.99], [299, 301, 300], False),  # perhaps
        ([40, 40, inf], [90, 90, 91], True),  # what never ends counts as 40 s
        ([4.0, 4.01, nan], [90, 90, 91], False),
    ],
)
def test_numbers_are_known_once_bounds_are_decided_and_means_within_what_is_worth_a_word(
    time_s, peak, is_known
):
    bound = constraint("peak_attempts_per_s <= 300", [STORM])
    assert is_known == score(time_s, peak).is_known([TIME, PEAK], [bound])


def test_a_candidate_is_looked_at_twice_and_where_runs_are_long_each_time_its_seeds_have_doubled():
    few, many = evaluator(replications=20), evaluator(replications=20, is_brief=True)
    assert [[4, 20], [2, 4, 20]] == [few._looks(4), few._looks(2)]
    assert [[4, 8, 16, 20], [2, 4, 8, 16, 20]] == [many._looks(4), many._looks(2)]
    assert [2] == evaluator(replications=2)._looks(4)


def test_of_many_clients_a_few_seeds_tell_enough():
    pytest.importorskip("numba")
    few, many = (
        STORM.replace({"clients": clients, "server.accept_per_s": clients / 10, "warm_up_s": 5})
        for clients in (100, 100_000)
    )
    played = []
    with open_pool(1) as outcomes:
        for each in (few, many):
            found = Evaluator((each,), (TIME, PEAK), (), "fleet", outcomes, replications=10)
            [given] = found.play([{}], 2)
            # As if there were more of them.
            found = replace(found.fit_to_work(given), is_brief=True)
            played.append(found.scores([{}])[0].replications)
    assert [10, 4] == played


def test_only_runs_that_are_much_work_are_played_as_few_times_as_will_do():
    values = {"attempts": np.array([[400_000.0, 600_000.0]])}
    for clients, is_brief in ((400_000, False), (500_000, False), (500_001, True)):
        scenarios = (STORM.replace(clients=clients),)
        found = replace(evaluator(on="fleet"), scenarios=scenarios)
        assert is_brief == found.fit_to_work(Score(values, scenarios)).is_brief


BOUND = constraint("peak_attempts_per_s <= 15", [STORM])
LATE = STORM.replace(warm_up_s=4)
CALM = LATE.replace(name="calm", faults=[sl.Fault("outage", 5, 6, clients_fraction=0.1)])


def test_who_breaks_a_bound_in_one_scenario_is_not_played_in_the_others():
    everyone = [{"client.backoff.jitter": "none"}, {"client.backoff.base_s": 9.0}, {"clients": 0}]
    with open_pool(1) as outcomes:
        found = replace(evaluator(outcomes, bounds=(BOUND,)), scenarios=(CALM, LATE))
        out = partial(found.breaks, surely=True)
        bad, good, wrong = found.play_in_turn(everyone, 2, order=[1, 0], is_out=out)
        whole = found.play(everyone[:2], 2)
    assert "clients = 0: must be" in wrong
    assert ((LATE,), False) == (bad.scenarios, bad.is_whole)
    assert ((CALM, LATE), True) == (good.scenarios, good.is_whole)
    for name, values in whole[1].values.items():
        np.testing.assert_array_equal(values, good.values[name])
        np.testing.assert_array_equal(whole[0].values[name][1:], bad.values[name])
    # Its numbers are not those of the others, so none of them counts.
    assert np.isnan(bad.mean(PEAK.metric).value)
    assert (inf, inf) == (bad.loss(PEAK), bad.worse_than(good, PEAK).low)
    assert (False, 1 / 3) == (bad.keeps([BOUND]), bad.excess(BOUND))


def test_scenarios_in_which_a_policy_breaks_a_bound_come_first_and_of_these_the_short_ones():
    numbers = {PEAK.metric: [10, 40, 40, 12], "attempts": [9, 500, 90, 8]}
    values = {
        name: np.repeat(np.array(each, float)[:, None], 3, 1) for name, each in numbers.items()
    }
    found = replace(evaluator(bounds=(BOUND,)), scenarios=(STORM,) * 4)
    assert [2, 1, 3, 0] == found.order(Score(values, found.scenarios))


def test_fresh_seeds_follow_those_of_the_trials():
    with open_pool(1) as outcomes:
        before = evaluator(outcomes).play([{}], 6)[0]
        after = evaluator(outcomes, first=4).play([{}], 2)[0]
    assert before.values["mean_wait_s"][0, 4:].tolist() == after.values["mean_wait_s"][0].tolist()


def test_too_little_data_for_what_is_sought_is_said():
    [sent] = objectives(["delivered_fraction"])
    with open_pool(1) as outcomes:
        found = evaluator(outcomes, objectives=(sent,))
        [given] = found.play([{}], 2)
        with pytest.raises(
            sl.SettingsError, match='"delivered_fraction": has too little data in s'
        ):
            found.check_data(given)


def test_the_front_is_what_nothing_beats_in_everything():
    assert [0, 1, 3] == front([[1, 5], [2, 2], [3, 3], [5, 1]])
    assert [0, 1] == front([[1, 1], [1, 1], [1, 2]])
    assert [2] == front([[3.0], [2.0], [1.0]])


def test_the_middle_is_nearest_to_the_best_of_everything():
    assert 1 == middle([[1, 100], [2, 10], [100, 9]])
    assert 0 == middle([[1.0, 7.0]])
    assert 1 == middle([[0.0, 10.0], [1.0, 1.0], [10.0, 0.0]])
    assert [1, 0, 2] == by_distance([[1, 100], [2, 10], [100, 9]])


def of_runs(availability, time_s, peak=(1.0, 1.0), scenario=STORM):
    numbers = {"availability_fraction": availability, TIME.metric: time_s, PEAK.metric: peak}
    values = {name: np.atleast_2d(each).astype(float) for name, each in numbers.items()}
    return Score(values, (scenario,), (TIME.metric, PEAK.metric))


NOWHERE = of_runs([0.0, 0.0], [nan, nan])
HALF = of_runs([0.0, 0.6], [nan, 2.0])


@pytest.mark.parametrize("broken", [NOWHERE, HALF, of_runs([0.5, 0.5], [nan, 3.0])])
def test_with_whom_nobody_connects_or_who_has_no_number_is_worse_than_any_that_works(broken):
    bound = constraint("peak_attempts_per_s <= 100", [STORM])
    works = of_runs([0.5, 0.5], [inf, inf], (90.0, 90.0))
    assert [inf, inf] == [broken.loss(TIME), broken.loss(PEAK)]
    assert (inf, False) == (broken.worst_excess([bound]), broken.keeps([bound]))
    assert not broken.keeps([])
    assert all(broken.worse_than(works, each).low > 0.0 for each in (TIME, PEAK))
    assert all(works.worse_than(broken, each).high < 0.0 for each in (TIME, PEAK))
    assert 0.0 == broken.worse_than(NOWHERE, TIME).value
    assert evaluator().is_hopeless(broken, [])
    assert [1] == front([[each.loss(o) for o in (TIME, PEAK)] for each in (broken, works)])


def test_why_a_candidate_does_not_work_is_said():
    assert "no client connects in 1 of 2 runs" == HALF.failure
    assert "time_to_recover_s_p99 has no value in 1 of 2 runs" == of_runs([1, 1], [nan, 1]).failure


def test_where_a_fault_takes_all_the_time_that_counts_nobody_can_connect():
    endless = STORM.replace(warm_up_s=5, faults=[sl.Fault("outage", start_s=5)])
    assert of_runs([0.0, 0.0], [1.0, 1.0], scenario=endless).works
    part = endless.replace("faults.0.clients_fraction", 0.5)
    assert not of_runs([0.0, 0.0], [1.0, 1.0], scenario=part).works


def test_more_seeds_are_played_rather_than_the_first_ones_again():
    with open_pool(1) as outcomes:
        found = evaluator(outcomes, bounds=())
        [staged] = found.scores([{}], least=2)
        [whole] = found.play([{}], 10)
    assert all(
        np.array_equal(each, staged.values[name], equal_nan=True)
        for name, each in whole.values.items()
    )


def test_attempts_that_were_all_in_vain_count_as_for_one_connection():
    [goal] = objectives(["amplification"])
    numbers = {"amplification": [inf, 3.0], "attempts": [50.0, 9.0]}
    found = Score({name: np.atleast_2d(each) for name, each in numbers.items()}, (STORM,))
    assert [50.0, 3.0] == found.by_seed("amplification").tolist()
    assert 26.5 == found.loss(goal)
