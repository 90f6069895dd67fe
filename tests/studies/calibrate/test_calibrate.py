"""Known distributions are found again in samples of them."""

import json
import tomllib

import numpy as np
import pytest

import simlib as sl
from simlib.core.draws import uniform
from simlib.core.path import Latency, latency_s
from simlib.studies.calibrate import calibrate as calibration_module
from simlib.studies.calibrate.calibrate import calibrate
from simlib.studies.calibrate.chart import quantile_chart
from simlib.studies.calibrate.text import calibration_in_words

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


@pytest.mark.few(3)
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
    assert "-inf" == found.to_json()["fits"][0]["aic"]


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


# --- what others measure -----------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("zeros", [1, 5, 39])
def test_round_trips_of_zero_are_fitted_with_a_floor_that_is_said(tmp_path, zeros):
    file = tmp_path / "pings.csv"
    rows = ["0"] * zeros + [str(0.011 + 0.001 * i) for i in range(40)]
    file.write_text("\n".join(rows))
    found = calibrate(file)
    assert f"{zeros} round trips of 0 are below the step of the clock" in found.notes[-1]
    assert "0.0055 s for each, half of the smallest other one" in found.notes[-1]
    for fit in found.fits:
        numbers = (fit.latency.mean_s, fit.latency.floor_s, fit.latency.shape, fit.aic)
        assert all(np.isfinite(numbers)), fit
    assert {"lognormal", "gamma", "exponential", "uniform"} <= {fit.name for fit in found.fits}
    assert 0.0 == found.one_way_s[0]
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.filterwarnings("error")
def test_nothing_but_zeros_is_a_constant_of_zero(tmp_path):
    file = tmp_path / "pings.csv"
    file.write_text("0\n" * 30)
    assert ["constant"] == [fit.name for fit in calibrate(file).fits]
    assert 0.0 == calibrate(file).recommended.mean_s


def test_lost_pings_are_told_and_become_the_loss_each_way(tmp_path):
    file = tmp_path / "pings.csv"
    file.write_text("timeout\n" * 19 + "\n".join(str(0.05 + 0.001 * (i % 9)) for i in range(81)))
    found = calibrate(file)
    assert (19, 0.1) == (found.lost, pytest.approx(found.loss_fraction))
    (profile,) = tomllib.loads(found.profile_toml("office")).values()
    assert 0.1 == pytest.approx(profile["loss_fraction"])
    assert (19, 81) == (found.to_json()["lost"], found.to_json()["round_trips"])
    said = [str(each) for each in calibration_in_words(found).renderables]
    assert any("19 of 100 pings were lost (19.00 %): loss_fraction 0.1" in each for each in said)


def test_a_day_of_pings_is_fitted_to_a_bounded_number_of_quantiles(tmp_path, monkeypatch):
    fitted = []

    def counted(values, *more):
        fitted.append(len(values))
        return real(values, *more)

    real = calibration_module._fit
    monkeypatch.setattr(calibration_module, "_fit", counted)
    file = pings(tmp_path, KNOWN["lognormal"], 2000)
    file.write_text((file.read_text() + "\n") * 43)  # 86,000 rows
    moved = []
    found = calibrate(file, progress=lambda fraction, word="": moved.append(fraction))
    assert {2000} == set(fitted)
    assert 86_000 == len(found.one_way_s)
    assert "lognormal" == found.best.name
    assert 0.05 == pytest.approx(found.best.latency.mean_s, rel=0.06)
    assert (0.0, 1.0) == (moved[0], moved[-1])
    assert moved == sorted(moved)
    assert len(moved) > 10


def test_criteria_are_those_of_all_values(tmp_path):
    once = calibrate(pings(tmp_path, KNOWN["gamma"], 2000))
    file = tmp_path / "pings.csv"
    file.write_text((file.read_text() + "\n") * 5)
    # Five times as much was measured, so likelihoods are five times as far apart.
    spread = {fit.name: fit.aic for fit in once.fits}
    more = {fit.name: fit.aic for fit in calibrate(file).fits}
    apart = spread["uniform"] - spread["gamma"]
    assert 5.0 == pytest.approx((more["uniform"] - more["gamma"]) / apart, rel=0.05)
