"""What is recommended follows the rules, whatever the numbers."""

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.experiments.replicate import Replications
from simlib.metrics.meaning import MEANING
from simlib.review.question import Policy, frame_question
from simlib.review.recommendation import BREAKS, KEEPS, UNCERTAIN, Recommendation
from simlib.review.results import PlayedPolicy, Results
from simlib.trace.trace import Trace

NOISE = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])


def results_of(bounds=(), **policies):
    """Return results as if they had been played: of each policy its time back and its peak."""
    scenario = sl.Scenario(server=sl.ServerSettings(accept_per_s=100))
    names = [name for name in policies if name != "given"]
    question = frame_question([scenario], dict.fromkeys(names, sl.Settings()), bounds, 5, "sim")
    row = []
    for policy in question.policies:
        numbers = policies["given" if policy.client is None else policy.name]
        table = {name: np.zeros(5) for name in MEANING if name != "engine"}
        table["time_to_recover_s_p99"] = np.asarray(numbers[0]) + NOISE
        table["peak_after_fault_per_s"] = np.asarray(numbers[1]) + 10 * NOISE
        table["never_recovered"] = np.full(5, numbers[2] if len(numbers) > 2 else 0.0)
        frame = pd.DataFrame(table, index=pd.Index(range(5), name="seed"))
        trace = Trace("sim", scenario, policy.name)
        row.append(PlayedPolicy(policy, scenario, Replications(scenario, "sim", frame), trace))
    return Recommendation(Results(question, (tuple(row),)))


def name_of(found):
    return None if found.recommended is None else found.recommended.name


def test_the_soonest_of_those_that_are_surely_better_is_recommended():
    found = results_of(given=(30, 500), slower=(25, 400), faster=(12, 450))
    assert "faster" == name_of(found)
    assert found.sentences[0].startswith("Change to faster: 99 % of the clients hit ")
    assert "instead of 30 s (29.8 to 30.2)." in found.sentences[0]
    assert "it can take 100" in found.sentences[1]


def test_what_is_not_surely_better_leaves_things_as_they_are():
    found = results_of(given=(30, 500), same=(30, 500))
    assert "as given" == name_of(found)
    assert "the other policy is not surely better" in found.sentences[0]


def test_more_load_is_no_price_that_nobody_was_asked_about():
    policies = {"given": (30, 500), "greedy": (10, 5000)}
    found = results_of(**policies)
    assert "as given" == name_of(found)
    assert "greedy has clients back sooner, but surely loads the server more" in found.sentences[0]
    bounded = results_of(["peak_after_fault_per_s <= 6000"], **policies)
    assert "greedy" == name_of(bounded)
    assert "as given" == name_of(results_of(["peak_after_fault_per_s <= 600"], **policies))


BOUNDED = ["peak_after_fault_per_s <= 6000"]


@pytest.mark.parametrize("bounds", [[], BOUNDED], ids=["no bound", "a bound on the load"])
def test_a_policy_that_is_only_gentler_is_recommended_and_said_to_be(bounds):
    found = results_of(bounds, given=(30, 500), gentle=(30, 200))
    assert "gentle" == name_of(found)
    assert found.sentences[0].startswith(
        "Change to gentle: it is gentler on the server, and as soon: 99 % of the clients hit "
    )
    assert "meets 200 (" in found.sentences[1]
    assert "instead of 500 (" in found.sentences[1]


@pytest.mark.parametrize("bounds", [[], BOUNDED], ids=["no bound", "a bound on the load"])
def test_a_gentler_policy_that_is_surely_later_is_not_recommended(bounds):
    assert "as given" == name_of(results_of(bounds, given=(30, 500), late=(31, 200)))


@pytest.mark.parametrize("bounds", [[], BOUNDED], ids=["no bound", "a bound on the load"])
def test_of_two_that_are_as_soon_the_gentler_is_recommended(bounds):
    policies = {"given": (30, 500), "soon": (20, 400), "gentle": (20, 100)}
    assert "gentle" == name_of(results_of(bounds, **policies))


def test_no_policy_is_surely_better_in_both_than_the_recommended_one():
    numbers = [(30, 500), (20, 400), (20.01, 100), (25, 90), (10, 5000), (19.9, 395)]
    for bounds in ([], BOUNDED):
        given, *others = numbers
        found = results_of(bounds, given=given, **{f"p{i}": n for i, n in enumerate(others)})
        chosen = dict(zip(["as given", *(f"p{i}" for i in range(5))], numbers, strict=True))[
            name_of(found)
        ]
        assert not any(n[0] < chosen[0] - 0.5 and n[1] < chosen[1] - 20 for n in numbers)


def test_a_policy_as_given_that_breaks_a_bound_is_replaced():
    found = results_of(["time_to_recover_s_p99 <= 20"], given=(30, 500), other=(15, 900))
    assert "other" == name_of(found)
    assert found.sentences[0].endswith(
        " The policy as given does not keep the bound that the time to recover (99 %) "
        "stays at or below 20 s."
    )


def test_nothing_is_recommended_where_no_policy_keeps_every_bound():
    found = results_of(["time_to_recover_s_p99 <= 5"], given=(30, 500), near=(6, 900))
    assert None is name_of(found)
    assert "nothing is recommended: the nearest is near" in found.sentences[0]


@pytest.mark.parametrize("never", [1.0, np.inf, np.nan])
def test_a_policy_with_which_clients_never_come_back_is_never_recommended(never):
    found = results_of(given=(30, 500, never), lost=(1, 10, never))
    assert None is name_of(found)
    assert found.sentences


@pytest.mark.parametrize(
    ("bound", "word"), [(31, KEEPS), (29, BREAKS), (30, UNCERTAIN), (30.1, UNCERTAIN)]
)
def test_a_bound_is_kept_or_broken_by_the_whole_interval(bound, word):
    found = results_of([f"time_to_recover_s_p99 <= {bound}"], given=(30, 500))
    (verdict,) = (each for each in found.bounds if each.bound.metric != "never_recovered")
    assert word == verdict.word


def test_every_combination_of_numbers_gives_sentences():
    values = [0.0, 5.0, np.inf]
    for time in values:
        for other in values:
            found = results_of(["peak_after_fault_per_s <= 600"], given=(time, 10), b=(other, 700))
            assert 2 == len(found.sentences)
            assert "nan" not in " ".join(found.sentences)


def test_a_question_refuses_what_cannot_be_asked():
    scenario = sl.Scenario()
    for key, ask in {
        "scenarios": lambda: frame_question([], {}),
        "against": lambda: frame_question([scenario], {"as given": "preset:phoenix"}),
        "replications": lambda: frame_question([scenario], {}, replications=1),
        "constraint": lambda: frame_question([scenario], {}, ["speed <= 3"]),
    }.items():
        with pytest.raises(SettingsError, match=key):
            ask()
    with pytest.raises(SettingsError, match="have names that differ"):
        frame_question([scenario, scenario], {})
    with pytest.raises(SettingsError, match="more than a review can show"):
        frame_question([scenario], {str(i): sl.Settings() for i in range(8)})


def test_the_policies_of_cohorts_go_where_another_policy_comes():
    cohort = sl.Cohort(name="a", clients_fraction=0.5, client=sl.Settings())
    scenario = sl.Scenario(cohorts=[cohort])
    assert () == Policy("b", sl.Settings()).in_scenario(scenario).cohorts
    assert scenario == Policy("as given").in_scenario(scenario)
