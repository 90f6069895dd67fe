"""When clients start: evenly, at random or as recorded."""

from itertools import pairwise
from math import log

import pytest
from scipy.stats import kstest

import simlib as sl
from simlib.core.errors import SettingsError


def starts_s(**settings) -> list[float]:
    scenario = sl.Scenario(**({"clients": 2000, "ramp_s": 50, "duration_s": 60} | settings))
    return [scenario.starts_s(client) for client in range(scenario.clients)]


@pytest.mark.parametrize("arrivals", ["even", "poisson", "uniform"])
def test_client_i_is_the_i_th_to_start(arrivals):
    moments_s = starts_s(arrivals=arrivals)
    assert sorted(moments_s) == moments_s
    assert 0.0 <= moments_s[0]
    assert moments_s == starts_s(arrivals=arrivals)


def test_random_starts_depend_on_the_seed_and_even_ones_do_not():
    for arrivals, same in (("even", True), ("poisson", False), ("uniform", False)):
        assert same == (starts_s(arrivals=arrivals) == starts_s(arrivals=arrivals, seed=2))


@pytest.mark.slow
def test_uniform_starts_are_uniform_over_the_ramp():
    drawn = [starts_s(arrivals="uniform", seed=seed, clients=500) for seed in range(1, 51)]
    assert max(moments_s[-1] for moments_s in drawn) <= 50.0
    found = [kstest(moments_s, "uniform", (0, 50)).pvalue for moments_s in drawn]
    assert kstest(found, "uniform").pvalue > 0.01


def test_the_gaps_of_a_poisson_process_are_exponential_with_the_mean_of_even_ones():
    moments_s = starts_s(arrivals="poisson")
    gaps_s = [later - sooner for sooner, later in pairwise([0.0, *moments_s])]
    assert kstest(gaps_s, "expon", (0, 50 / 2000)).pvalue > 0.01
    # Independent of each other: a pair of them is long by chance alone.
    long = [gap_s > log(2) * 50 / 2000 for gap_s in gaps_s]
    pairs = sum(a and b for a, b in pairwise(long))
    assert 2000 / 4 == pytest.approx(pairs, abs=4 * (2000 * 0.25 * 0.75) ** 0.5)


def test_the_last_of_a_poisson_process_may_come_after_the_ramp():
    last_s = [starts_s(arrivals="poisson", seed=seed, clients=50)[-1] for seed in range(40)]
    assert 10 < sum(time_s > 50.0 for time_s in last_s) < 30


def test_who_would_start_after_the_end_does_not():
    late = sl.Scenario(clients=2, arrivals="recorded", arrivals_s=[1, 30], duration_s=20)
    frame = sl.run(late).frame()
    assert {0} == set(frame[frame["name"] == "open"]["client"])
    numbers = sl.summary(sl.run(late)).iloc[0]
    assert numbers["availability_fraction"] > 0.99


def test_recorded_starts_are_those_of_the_list_in_order():
    assert [0.5, 1.0, 3.0] == starts_s(arrivals="recorded", arrivals_s=[3, 0.5, 1], clients=3)


def test_times_since_1970_are_counted_from_the_first():
    epoch = {"arrivals": "recorded", "arrivals_s": [1_700_000_002.5, 1_700_000_000.0], "clients": 2}
    with pytest.raises(SettingsError, match=r'arrivals_origin = "first" has that one start'):
        starts_s(**epoch)
    assert [0.0, 2.5] == starts_s(**epoch, arrivals_origin="first")


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"arrivals": "recorded"}, 'arrivals_s = []: goes with arrivals = "recorded"'),
        ({"arrivals_s": [1.0]}, 'goes with arrivals = "recorded", and that with it'),
        (
            {"arrivals": "recorded", "arrivals_s": [1.0, 2.0]},
            "clients = 2000: must be 2, a client for each of the recorded starts",
        ),
        ({"arrivals": "recorded", "arrivals_s": [-1.0]}, "arrivals_s[0] = -1.0: must be"),
        ({"arrivals": "random"}, "must be one of even, poisson, uniform, recorded"),
    ],
)
def test_starts_that_make_no_sense_are_refused(settings, rule):
    with pytest.raises(SettingsError) as error:
        starts_s(**settings)
    assert rule in str(error.value)


def file_with(tmp_path, text, more=""):
    (tmp_path / "starts.csv").write_text(text, encoding="utf-8")
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(f'clients = 3\narrivals_csv = "starts.csv"\n{more}', encoding="utf-8")
    return scenario


@pytest.mark.parametrize(
    "text",
    ["0.25\n2\n1\n", "time_ms\n250\n2000\n1000\n", "user,start_s\na,0.25\nb,2\n\nc,1\n"],
)
def test_a_file_holds_recorded_starts(tmp_path, text):
    scenario = sl.load(file_with(tmp_path, text))
    assert [0.25, 1.0, 2.0] == [scenario.starts_s(client) for client in range(3)]
    csv = str(tmp_path / "starts.csv")
    assert (
        scenario.arrivals_s
        == sl.Scenario(clients=9).replace(arrivals_csv=csv, clients=3).arrivals_s
    )


@pytest.mark.parametrize(
    ("text", "more", "rule"),
    [
        ("time_s\n1\nsoon\n3\n", "", 'row 3 = "soon": must be a time, 0 or more'),
        ("time_s\n", "", "has a heading and no rows: must have the clients' starts"),
        ("a,b\n1,2\n", "", "must have one column, of the clients' starts"),
        ("1\n2\n3\n", 'arrivals = "even"\n', "holds recorded starts: no arrivals_s"),
    ],
)
def test_a_file_that_is_none_of_starts_is_refused(tmp_path, text, more, rule):
    with pytest.raises(SettingsError) as error:
        sl.load(file_with(tmp_path, text, more))
    assert rule in str(error.value)
