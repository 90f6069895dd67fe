"""A sweep as a chart: every mean is written, and what never ends is said."""

import io

import numpy as np
import pytest
from rich.console import Console

import simlib as sl
from simlib.charts.heatmap import save_heat
from simlib.charts.text import sweep_in_words

BASE = sl.Scenario(
    name="base", clients=4, duration_s=12, faults=[sl.Fault("outage", start_s=3, stop_s=5)]
)
TWO = {"client.backoff.jitter": ["none", "full"], "client.backoff.base_s": [0.5, 1.0, 12.0]}


@pytest.fixture(scope="module")
def found():
    return sl.sweep(BASE, TWO, 2, workers=1)


def test_two_settings_make_a_map_with_every_mean_in_its_place(found):
    axes = sl.plots.heat(found, "time_to_recover_s_p95")
    assert ("client.backoff.base_s", "client.backoff.jitter") == (
        axes.get_xlabel(),
        axes.get_ylabel(),
    )
    assert ["0.5", "1", "12"] == [each.get_text() for each in axes.get_xticklabels()]
    assert ["none", "full"] == [each.get_text() for each in axes.get_yticklabels()]
    written = {each.get_position(): each.get_text() for each in axes.texts}
    means = found.means("time_to_recover_s_p95").set_index(list(TWO))["time_to_recover_s_p95"]
    assert f"{means['none', 1.0]:.3g}" == written[1, 0]
    assert "never" == written[2, 0]
    assert "base, 2 runs each" in axes.get_title(loc="right")


def test_one_setting_makes_a_line_with_intervals(found):
    one = sl.sweep(BASE, {"client.backoff.base_s": [0.5, 1.0]}, 3, workers=1)
    axes = sl.plots.heat(one, "attempts")
    assert [0.5, 1.0] == axes.lines[0].get_xdata().tolist()
    assert one.means("attempts")["attempts"].tolist() == axes.lines[0].get_ydata().tolist()


def test_what_never_ends_stands_at_the_top_of_a_line():
    jitterless = BASE.replace("client.backoff.jitter", "none")
    one = sl.sweep(jitterless, {"client.backoff.base_s": [0.5, 12.0]}, 2, workers=1)
    axes = sl.plots.heat(one, "time_to_recover_s_p95")
    [never] = axes.texts
    assert ("never", 12.0) == (never.get_text(), never.get_position()[0])
    x, y = (np.asarray(each, float) for each in axes.lines[0].get_data())
    assert [0.5] == x[np.isfinite(y)].tolist()


def test_words_stand_at_their_places_on_a_line():
    one = sl.sweep(BASE, {"client.backoff.jitter": ["none", "full"]}, 2, workers=1)
    axes = sl.plots.heat(one, "attempts")
    assert ["none", "full"] == [each.get_text() for each in axes.get_xticklabels()]


def test_three_settings_are_refused(found):
    three = sl.sweep(BASE, {"clients": [1], "seed": [1], "ramp_s": [1]}, 1, workers=1)
    with pytest.raises(sl.SettingsError, match="has more than two settings"):
        sl.plots.heat(three, "attempts")
    with pytest.raises(sl.SettingsError, match="is no metric"):
        sl.plots.heat(found, "speed")


def test_the_chart_is_written_whole(found, tmp_path):
    assert "attempts.png" == save_heat(found, "attempts", tmp_path).name
    assert ["attempts.png"] == [each.name for each in tmp_path.iterdir()]


# --- settings with which nobody connects --------------------------------------------------

TIMEOUTS_S = [0.01, 5.0]


def test_settings_with_which_nobody_connects_are_said_and_not_coloured_whatever_their_numbers():
    grid = {"client.connect_timeout_s": TIMEOUTS_S, "client.backoff.base_s": [0.5, 1.0]}
    swept = sl.sweep(BASE, grid, 2, workers=1)
    assert [True, True, False, False] == swept.nobody_connects()
    for metric in ("time_to_recover_s_p95", "peak_attempts_per_s", "amplification"):
        axes = sl.plots.heat(swept, metric)
        words = {each.get_position(): each.get_text() for each in axes.texts}
        assert ["nobody\nconnects"] * 2 == [words[0, 0], words[1, 0]]
        assert "nobody" not in words[0, 1] + words[1, 1]
        drawn = axes.images[0].get_array()
        assert drawn.mask[0].all()
        assert not drawn.mask[1].any()


def test_settings_with_which_nobody_connects_stand_at_the_top_of_a_line():
    swept = sl.sweep(BASE, {"client.connect_timeout_s": TIMEOUTS_S}, 2, workers=1)
    for metric in ("time_to_recover_s_p95", "peak_attempts_per_s"):
        axes = sl.plots.heat(swept, metric)
        [nobody] = axes.texts
        assert ("nobody\nconnects", 0.01) == (nobody.get_text(), nobody.get_position()[0])
        x, y = (np.asarray(each, float) for each in axes.lines[0].get_data())
        assert [5.0] == x[np.isfinite(y)].tolist()


def test_the_words_of_a_sweep_say_with_which_settings_nobody_connects():
    metrics = ("time_to_recover_s_p95", "peak_attempts_per_s")
    swept = sl.sweep(BASE, {"client.connect_timeout_s": TIMEOUTS_S}, 2, workers=1)
    said = io.StringIO()
    Console(file=said, width=80).print(sweep_in_words(swept, swept.means(*metrics)))
    dead, alive = (
        next(line for line in said.getvalue().splitlines() if line.startswith(start))
        for start in ("0.01 ", "5 ")
    )
    assert 2 == dead.count("nobody")
    assert "nobody" not in alive
    assert "in some run no client ever connects" in " ".join(said.getvalue().split())
