"""What a design review reads, by hand-made scores: what is bought, what it costs, where it ends."""

from math import inf

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.study.ensemble import Candidate
from simlib.study.goals import constraint, objectives
from simlib.study.judge import Judge, Score
from simlib.study.review import BESIDES, review
from simlib.study.standing import Standing

STORM = sl.Scenario(name="storm", faults=[sl.Fault("outage", start_s=5, stop_s=9)])
SOUGHT = objectives(["time_to_recover_s_p99", "peak_attempts_per_s"])
LIMITS = pd.DataFrame(columns=["axis", "factor", "is_best", "keeps", "why"])
SEEDS = np.array([-0.1, 0.0, 0.1])


def did(time_s, peak, outside=0, **others):
    values = dict.fromkeys(BESIDES, 1.0) | {"never_recovered": float(outside)}
    values |= {"time_to_recover_s_p99": time_s, "peak_attempts_per_s": peak, **others}
    return Score({name: np.atleast_2d(each + SEEDS) for name, each in values.items()}, (STORM,))


def standing(best, *others, bounds=("peak_attempts_per_s <= 100",)):
    judge = Judge((STORM,), SOUGHT, tuple(constraint(b, [STORM]) for b in bounds), "fleet", None)
    mine = Candidate("recommended", "tuned", {"client.backoff.cap_s": 5.0})
    return Standing(judge, {mine: best, **dict(others)})


def preset(name, *numbers, **more):
    return Candidate(name, "preset"), did(*numbers, **more)


GIVEN = (Candidate("as given", "given"), did(inf, 150, amplification=0.5))
REPORT = (Candidate("report's defaults", "report"), did(4.005, 90))


def test_what_it_buys_and_what_it_costs_is_what_is_sure_and_worth_a_word():
    said = review(standing(did(4, 50), GIVEN, REPORT), LIMITS)
    assert said == (
        "Recommended: client.backoff.cap_s = 5. "
        "Against the policy as given it buys time_to_recover_s_p99 4 rather than never and "
        "peak_attempts_per_s 50 rather than 150; it costs amplification 1 rather than 0.5. "
        "Against the report's defaults it buys peak_attempts_per_s 50 rather than 90; "
        "it costs nothing."
    )


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (
            [preset("a", 3, 60), preset("b", 5, 40)],
            "2 of 2 presets keep the bounds; it is surely better than each of them on at least one",
        ),
        (
            [preset("a", 3, 40), preset("b", 5, 40)],
            "2 of 2 presets keep the bounds; a beats it; it is surely better than the others on",
        ),
        (
            [preset("a", 4, 50)],
            "1 of 1 presets keeps the bounds; it is not surely better than a on any objective.",
        ),
        ([preset("a", 1, 400)], "None of 1 presets keeps the bounds."),
        (
            [preset("a", 3, 40, 9)],
            "1 of 1 presets keeps the bounds; it is not surely better than a on any objective.",
        ),
    ],
    ids=["better on one", "beaten", "the same", "none keeps", "who leaves more outside"],
)
def test_presets_are_counted_and_those_that_it_does_not_beat_are_named(others, said):
    assert said in review(standing(did(4, 50), *others), LIMITS)


def test_without_bounds_every_preset_counts():
    said = review(standing(did(4, 50), preset("a", 3, 400), bounds=()), LIMITS)
    assert "It is surely better than each of 1 presets on at least one objective." in said


def test_a_broken_bound_is_said_with_how_far_it_is_missed():
    said = review(standing(did(4, 120)), LIMITS)
    assert said.startswith("No policy that was tried keeps all bounds. The nearest: ")
    assert "peak_attempts_per_s <= 100 is missed by 20." in said


def test_who_keeps_the_bounds_takes_the_place_of_who_does_not_unless_it_gives_up():
    broken = standing(did(4, 120), preset("slow", 9, 50), preset("gone", 9, 50, 5))
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
    said = review(standing(did(4, 50)), limits)
    assert said.endswith(
        "It stops being best with 2 times the clients, where a beats it; "
        "with faults 0.5 times as long, where d beats it."
    )
    calm = review(standing(did(4, 50)), limits[limits["axis"] == "clients"].head(2))
    assert calm.endswith("It stays best with 0.25 to 0.5 times the clients.")


def test_best_where_all_break_the_bounds_is_not_the_whole_truth_and_said():
    nobody = {**step("clients", 4.0), "keeps": False, "why": "nobody keeps the bounds"}
    said = review(standing(did(4, 50)), pd.DataFrame([step("clients", 2.0), nobody]))
    assert said.endswith(
        "It stays best with 2 to 4 times the clients. "
        "Bounds are broken by all with 4 times the clients."
    )
