"""What a design review reads, by hand-made scores: what is bought, what it costs, where it ends."""

from math import inf, nan

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.experiments.objectives import constraint, objectives
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.narrative import BESIDES, narrate
from simlib.studies.tune.ranking import Ranking, recommend, settle
from simlib.studies.tune.score import Score
from simlib.studies.tune.variants import Candidate

STORM = sl.Scenario(name="storm", faults=[sl.Fault("outage", start_s=5, stop_s=9)])
SOUGHT = objectives(["time_to_recover_s_p99", "peak_attempts_per_s"])
LIMITS = pd.DataFrame(columns=["axis", "factor", "is_best", "keeps", "why"])
SEEDS = np.array([-0.1, 0.0, 0.1])


def did(time_s, peak, outside=0, **others):
    values = dict.fromkeys(BESIDES, 1.0) | {"never_recovered": float(outside)}
    values |= {"time_to_recover_s_p99": time_s, "peak_attempts_per_s": peak, **others}
    seeds = {n: each if np.ndim(each) else each + SEEDS for n, each in values.items()}
    return Score({name: np.atleast_2d(each) for name, each in seeds.items()}, (STORM,))


def said_of(ranking, limits):
    return " ".join(narrate(ranking, limits))


def ranking(best, *others, bounds=("peak_attempts_per_s <= 100",)):
    evaluator = Evaluator(
        (STORM,), SOUGHT, tuple(constraint(b, [STORM]) for b in bounds), "fleet", None
    )
    mine = Candidate("recommended", "tuned", {"client.backoff.cap_s": 5.0})
    return Ranking(evaluator, {mine: best, **dict(others)})


def preset(name, *numbers, **more):
    return Candidate(name, "preset"), did(*numbers, **more)


GIVEN = (Candidate("as given", "given"), did(inf, 150, amplification=0.5))
REPORT = (Candidate("report's defaults", "report"), did(4.005, 90))


def test_what_it_buys_and_what_it_costs_is_what_is_sure_and_worth_a_word():
    said = said_of(ranking(did(4, 50), GIVEN, REPORT), LIMITS)
    assert said == (
        "Recommended: client.backoff.cap_s = 5. "
        "Against the policy as given it buys time to recover (99 %) 4 s rather than never, "
        "peak attempts 50/s rather than 150/s and that the worst second stays at or below 100/s; "
        "it costs amplification 1 rather than 0.5. "
        "It keeps the bound: the worst second stays at or below 100/s."
    )


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (
            [preset("a", 3, 60), preset("b", 5, 40)],
            "2 of 2 presets keep the bounds: none beats it.",
        ),
        (
            [preset("a", 3, 40), preset("b", 5, 40)],
            "2 of 2 presets keep the bounds: a beats it.",
        ),
        (
            [preset("a", 4, 50)],
            "1 of 1 presets keeps the bounds: none beats it, a may be as good.",
        ),
        ([preset("a", 1, 400)], "None of 1 presets keeps the bounds."),
        (
            [preset("a", 3, 40, 9)],
            "1 of 1 presets keeps the bounds: none beats it, a may be as good.",
        ),
    ],
    ids=["better on one", "beaten", "the same", "none keeps", "who leaves more outside"],
)
def test_presets_are_counted_and_those_that_beat_it_are_named(others, said):
    assert said in said_of(ranking(did(4, 50), *others), LIMITS)


def test_without_bounds_every_preset_counts():
    said = said_of(ranking(did(4, 50), preset("a", 3, 400), bounds=()), LIMITS)
    assert "Of 1 presets none beats it." in said


def test_a_broken_bound_is_said_with_how_far_it_is_missed():
    said = said_of(ranking(did(4, 120)), LIMITS)
    assert said.startswith("No policy that was tried keeps all bounds. The nearest: ")
    assert "that the worst second stays at or below 100/s is missed by 20." in said


def test_who_keeps_the_bounds_takes_the_place_of_who_does_not_unless_it_gives_up():
    broken = ranking(did(4, 120), preset("slow", 9, 50), preset("gone", 9, 50, 5))
    assert [True, False] == [broken.beats(each) for each in broken.of_kind("preset")]


def step(axis, factor, why=""):
    return {"axis": axis, "factor": factor, "is_best": not why, "keeps": True, "why": why}


def test_where_it_stops_being_best_is_the_nearest_step_on_each_side():
    limits = pd.DataFrame(
        [
            *(step("clients", factor) for factor in (0.25, 0.5)),
            step("clients", 2.0, "a beats it"),
            step("clients", 4.0, "b beats it"),
            step("length of faults", 0.25, "c beats it"),
            step("length of faults", 0.5, "d beats it"),
            *(step("length of faults", factor) for factor in (2.0, 4.0)),
        ]
    )
    said = said_of(ranking(did(4, 50)), limits)
    assert said.endswith(
        "It stops being best with 200 clients, where a beats it; "
        "with faults 0.5 times as long, where d beats it."
    )
    calm = said_of(ranking(did(4, 50)), limits[limits["axis"] == "clients"].head(2))
    assert calm.endswith("It stays best with 25 to 50 clients.")


def test_best_where_all_break_the_bounds_is_not_the_whole_truth_and_said():
    nobody = {**step("clients", 4.0), "keeps": False, "why": "nobody keeps the bounds"}
    said = said_of(ranking(did(4, 50)), pd.DataFrame([step("clients", 2.0), nobody]))
    assert said.endswith(
        "It stays best with 200 to 400 clients. Bounds are broken by all with 400 clients."
    )


def test_many_that_beat_it_are_counted_rather_than_named():
    better = [preset(name, 3, 40) for name in ("a", "b", "c", "d", "e")]
    said = said_of(ranking(did(4, 50), *better), LIMITS)
    assert "5 of 5 presets keep the bounds: a, b, c and 2 others beat it." in said


# --- which one is recommended ------------------------------------------------------------

NOWHERE = did(nan, 1, availability_fraction=np.zeros(3))
AS_GIVEN = Candidate("as given", "given")


def chosen(given, *tuned, bounds=("peak_attempts_per_s <= 100",), **how):
    evaluator = ranking(given, bounds=bounds).evaluator
    mine = {Candidate(f"tuned {i}", "tuned"): each for i, each in enumerate(tuned, 1)}
    return recommend(evaluator, mine, (AS_GIVEN, given), **{"by_first": True} | how).name


def test_of_those_that_keep_the_bounds_the_best_on_the_first_objective_is_recommended():
    assert "tuned 2" == chosen(did(34, 150), did(57, 20), did(25, 90), did(24, 110))


def test_without_a_bound_the_one_that_the_trials_speak_for_is_recommended():
    assert "tuned 1" == chosen(did(34, 150), did(30, 20), did(25, 90), bounds=(), by_first=False)


@pytest.mark.parametrize(
    "tuned",
    [
        did(34, 50),  # no difference
        did(34, 80),  # costs something
        did(40, 20),  # worse on the first objective
        did(30, 120),  # breaks the bound
        NOWHERE,
    ],
    ids=["the same", "worse", "worse on the first", "broken", "nobody connects"],
)
def test_what_buys_nothing_is_no_reason_to_change(tuned):
    assert "as given" == chosen(did(34, 50), tuned)


@pytest.mark.parametrize("tuned", [did(30, 60), did(34, 20)], ids=["first", "second"])
def test_a_sure_gain_within_the_bounds_is_a_reason_to_change(tuned):
    assert "tuned 1" == chosen(did(34, 50), tuned)


def test_a_gain_that_few_seeds_do_not_prove_is_recommended_only_if_nothing_speaks_against_it():
    noisy = np.array([-4.0, 0.0, 4.0])
    better = did(30, 50, time_to_recover_s_p99=30 + noisy)
    assert "tuned 1" == chosen(did(34, 50), better)
    assert "as given" == chosen(did(34, 50), did(30, 60, time_to_recover_s_p99=30 + noisy))
    said = said_of(ranking(better, (AS_GIVEN, did(34, 50))), LIMITS)
    assert (
        "it may buy time to recover (99 %) 30 s rather than 34 s, which 3 seeds do not prove; "
        "it costs nothing."
    ) in said


def test_if_none_keeps_the_bounds_the_nearest_is_recommended_and_given_if_none_is_nearer():
    assert "tuned 2" == chosen(did(4, 300), did(4, 200), did(4, 150))
    assert "as given" == chosen(did(4, 150), did(4, 200), did(4, 150))
    said = said_of(ranking(did(4, 120), bounds=("peak_attempts_per_s <= 100",)), LIMITS)
    assert "It stops" not in said


def test_who_does_not_connect_is_worse_than_who_keeps_no_bound():
    assert "tuned 1" == chosen(NOWHERE, did(99, 900), NOWHERE)
    assert "as given" == chosen(did(99, 900), NOWHERE)


def tuned_as(name, *numbers, **more):
    return Candidate(name, "tuned"), did(*numbers, **more)


@pytest.mark.parametrize("bounds", [(), ("peak_attempts_per_s <= 100",)], ids=["none", "a bound"])
@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([tuned_as("a", 3, 40), tuned_as("b", 2, 30)], "b"),
        ([tuned_as("a", 3, 60)], "recommended"),  # a trade
        ([tuned_as("a", 3, 40, 9)], "recommended"),  # leaves more outside
        ([(AS_GIVEN, did(3, 40))], "as given"),
        ([tuned_as("a", 3, 40), tuned_as("b", 2, 45)], "b"),
    ],
)
def test_what_is_recommended_is_behind_no_tuned_nor_given_policy_in_all(others, expected, bounds):
    settled = settle(ranking(did(4, 50), *others, bounds=bounds))
    assert expected == settled.recommended.name
    assert not any(map(settled.is_ahead, settled.scores))


@pytest.mark.parametrize("bounds", [(), ("peak_attempts_per_s <= 100",)], ids=["none", "a bound"])
def test_a_preset_that_is_ahead_on_every_objective_is_what_is_recommended(bounds):
    ahead = [preset("slow", 3, 45), preset("far", 9, 20), preset("best", 2, 40)]
    settled = settle(ranking(did(4, 50), *ahead, bounds=bounds))
    said = said_of(settled, LIMITS)
    assert said.startswith(
        "Recommended: preset:best. It is surely better on every objective than the best that was "
        "tuned (client.backoff.cap_s = 5). "
    )
    assert "3 presets" in said
    assert "none beats it" in said
    assert "may be as good" not in said


def test_a_preset_that_is_ahead_on_one_objective_alone_beats_what_is_recommended():
    settled = settle(ranking(did(4, 50), preset("equal", 4, 40)))
    said = said_of(settled, LIMITS)
    assert said.startswith("Recommended: client.backoff.cap_s = 5.")
    assert "equal beats it." in said


def test_a_preset_that_alone_keeps_the_bounds_is_recommended():
    settled = settle(ranking(did(4, 300), GIVEN, preset("far", 9, 20), preset("near", 8, 20)))
    said = said_of(settled, LIMITS)
    assert settled.keeps(settled.recommended)
    assert said.startswith("Recommended: preset:near. No policy that was tuned keeps all bounds.")


def test_the_report_s_defaults_are_recommended_by_their_name():
    report = Candidate("report's defaults", "report", {"client": {"backoff": {"cap_s": 5.0}}})
    said = said_of(settle(ranking(did(4, 50), (report, did(3, 40)))), LIMITS)
    assert said.startswith("Recommended: report's defaults. It is surely better")


def test_keep_what_you_have_is_said_with_what_tuning_would_change():
    tuned = Candidate("tuned 1", "tuned", {"client.backoff.cap_s": 5.0})
    evaluator = ranking(did(4, 50)).evaluator
    said = said_of(Ranking(evaluator, {AS_GIVEN: did(4, 50), tuned: did(5, 60)}), LIMITS)
    assert said == (
        "Keep what you have: the policy as given. "
        "It keeps the bound: the worst second stays at or below 100/s. "
        "What was tuned (client.backoff.cap_s = 5) would buy nothing and cost "
        "time to recover (99 %) 5 s rather than 4 s and peak attempts 60/s rather than 50/s."
    )


def test_that_nobody_connects_is_said_of_the_given_policy_and_of_all():
    mine = Candidate("recommended", "tuned", {"client.backoff.cap_s": 5.0})
    evaluator = ranking(did(4, 50)).evaluator
    said = said_of(Ranking(evaluator, {mine: did(4, 50), AS_GIVEN: NOWHERE}), LIMITS)
    assert "The policy as given does not work: no client connects in 3 of 3 runs." in said
    said = said_of(Ranking(evaluator, {AS_GIVEN: NOWHERE, mine: NOWHERE}), LIMITS)
    assert said == (
        "No policy that was tried works, nor does the one given: no client connects in 3 of 3 runs."
    )
