"""Known distributions are found again in samples of them."""

import tomllib

import numpy as np
import pytest

import simlib as sl
from simlib.core.draws import uniform
from simlib.core.path import Latency, latency_s
from simlib.show.calibration import calibration_in_words, quantile_chart
from simlib.study.calibrate import calibrate

KNOWN = {
    "exponential": Latency(distribution="exponential", mean_s=0.05, floor_s=0.02),
    "uniform": Latency(distribution="uniform", mean_s=0.05, floor_s=0.02),
    "lognormal": Latency(distribution="lognormal", mean_s=0.05, floor_s=0.02, shape=0.6),
    "gamma": Latency(distribution="gamma", mean_s=0.05, floor_s=0.02, shape=4),
    "pareto": Latency(distribution="pareto", mean_s=0.05, shape=3),
}


def pings(tmp_path, latency: Latency, count: int = 2000):
    file = tmp_path / "pings.csv"
    values = (2.0 * latency_s(latency, uniform(3, 0, 1, i)) for i in range(count))
    file.write_text("\n".join(f"{value:.9f}" for value in values))
    return file


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_distribution_is_found_with_its_parameters(tmp_path, name):
    known, found = KNOWN[name], calibrate(pings(tmp_path, KNOWN[name]))
    # An exponential is a gamma of shape 1, and the data cannot tell which was meant.
    assert found.best.name in ({name, "gamma"} if name == "exponential" else {name})
    assert known.mean_s == pytest.approx(found.best.latency.mean_s, rel=0.06)
    assert found.best.distance < 0.04
    assert not found.is_poor
    if name in {"lognormal", "pareto"}:
        assert known.shape == pytest.approx(found.best.latency.shape, rel=0.15)


def test_two_humps_are_no_named_distribution_and_become_a_table(tmp_path):
    file = tmp_path / "pings.csv"
    file.write_text("\n".join(["0.04", "0.041", "0.042"] * 20 + ["0.3", "0.31"] * 20))
    found = calibrate(file)
    assert found.is_poor
    assert "TABLE" == found.recommended.distribution.name
    assert 0.02 == found.recommended.table_s[0]


def test_a_network_without_any_spread_is_constant(tmp_path):
    file = tmp_path / "pings.csv"
    file.write_text("0.05\n" * 30)
    found = calibrate(file)
    assert (["constant"], 0.025) == ([fit.name for fit in found.fits], found.best.latency.mean_s)
    assert None is found.to_json()["fits"][0]["aic"]


@pytest.mark.parametrize("name", ["gamma", "exponential"])
def test_the_profile_is_a_network_that_a_scenario_takes(tmp_path, name):
    found = calibrate(pings(tmp_path, KNOWN[name]))
    profile = tmp_path / "office.toml"
    profile.write_text(found.profile_toml("office"))
    assert {"office"} == set(tomllib.loads(profile.read_text()))
    scenario = tmp_path / "mine.toml"
    scenario.write_text(f'network = "{profile}"\n')
    assert found.recommended == sl.load(scenario).path.latency


def test_the_chart_and_the_words_show_the_best(tmp_path):
    found = calibrate(pings(tmp_path, KNOWN["gamma"], 200))
    axes = quantile_chart(found)
    assert found.best.name in [text.get_text() for text in axes.texts]
    low, high = axes.lines[0].get_xdata()
    np.testing.assert_allclose((low, high), (found.one_way_s[0], found.one_way_s[-1]))
    assert calibration_in_words(found).renderables
