from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simlib as sl
from simlib.core.cohorts import Cohort, cohort_at, ends
from simlib.core.draws import Stream, uniform

SHARES = st.lists(st.floats(0.0, 0.3), max_size=3)
IMPATIENT = sl.Settings(connect_timeout_s=1)


@given(SHARES, st.floats(0.0, 1.0, exclude_max=True))
def test_a_draw_falls_into_the_cohort_whose_share_it_lies_in(shares, u):
    edges = [0.0, *ends([Cohort(clients_fraction=share) for share in shares]), inf]
    cohort = cohort_at(edges[1:-1], u)
    assert edges[cohort] <= u < edges[cohort + 1]


def test_the_draw_of_a_client_says_its_cohort_and_its_settings():
    cohorts = [
        Cohort(name="a", clients_fraction=0.25, client=IMPATIENT),
        Cohort(clients_fraction=0.5),
    ]
    scenario = sl.Scenario(clients=1000, seed=3, cohorts=cohorts).replace(
        "client.connect_timeout_s", 7
    )
    draws = [uniform(3, client, Stream.COHORT, 0) for client in range(1000)]
    expected = [0 if u < 0.25 else 1 if u < 0.75 else 2 for u in draws]
    assert expected == [scenario.cohort_of(client) for client in range(1000)]
    assert {0, 1, 2} == set(expected)
    timeouts_s = [scenario.client_of(client).connect_timeout_s for client in range(1000)]
    assert [(1.0, 10.0, 7.0)[cohort] for cohort in expected] == timeouts_s


def test_without_cohorts_all_have_the_settings_of_the_client():
    scenario = sl.Scenario(client=IMPATIENT)
    assert (0, IMPATIENT, (IMPATIENT,)) == (
        scenario.cohort_of(5), scenario.client_of(5), scenario.policies,
    )  # fmt: skip


def test_settings_that_no_client_has_are_not_among_the_policies():
    whole = sl.Scenario(cohorts=[Cohort(client=IMPATIENT)])
    assert (IMPATIENT,) == whole.policies
    half = whole.replace("cohorts.0.clients_fraction", 0.5)
    assert (IMPATIENT, sl.Settings()) == half.policies


@pytest.mark.parametrize("name", ["", 3])
def test_a_cohort_without_a_name_is_refused(name):
    with pytest.raises(sl.SettingsError, match="must be a text"):
        Cohort(name=name)
