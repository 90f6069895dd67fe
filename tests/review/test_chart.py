"""The charts of a review: names stand clear of each other, wherever the policies lie."""

from itertools import combinations
from math import inf
from types import SimpleNamespace

import pytest
from matplotlib.text import Text

import simlib as sl
from simlib.charts.figures import describe
from simlib.metrics.intervals import Estimate
from simlib.review import chart
from simlib.review.chart import quantiles_chart, tradeoff_chart
from simlib.review.sections.recovery import tradeoff_title

ACROSS, UP = "time_to_recover_s_p99", "peak_after_fault_per_s"


def policy(name, recover_s, peak):
    means = {ACROSS: recover_s, UP: peak}
    numbers = {metric: Estimate(value, value - 1, value + 1, 5) for metric, value in means.items()}
    return SimpleNamespace(name=name, mean=numbers.__getitem__)


def test_names_of_policies_that_do_nearly_the_same_do_not_overlap():
    row = [policy("as given", 15, 200), policy("phoenix", 15.1, 200), policy("aws-full", 14, 51)]
    figure = tradeoff_chart(row, ACROSS, UP, {UP: 120.0})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    names = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert {"as given", "phoenix", "aws-full", "bound"} == set(names)
    assert not any(one.overlaps(other) for one, other in combinations(names.values(), 2))
    assert all(box.x1 <= figure.bbox.x1 for box in names.values())


def test_a_policy_that_never_has_all_back_is_left_out():
    figure = tradeoff_chart([policy("a", 15, 200), policy("b", inf, 10)], ACROSS, UP, {})
    figure.draw_without_rendering()
    assert ["a"] == [text.get_text() for text in figure.axes[0].texts]


def test_the_subtitle_of_a_resized_chart_stands_above_the_names_of_faults():
    outage = sl.Fault("outage", start_s=3, stop_s=7)
    run = sl.run(sl.Scenario(clients=5, duration_s=15, faults=[outage]))
    axes = sl.plots.attempts(run)
    assert axes.get_title(loc="left")
    figure = chart._resize(axes)
    figure.draw_without_rendering()
    assert not axes.get_title(loc="left")
    (subtitle,) = (each for each in axes.get_children() if is_text(each, axes.get_title("right")))
    (name,) = (each for each in axes.texts if each.get_text() == "outage")
    assert subtitle.get_window_extent().y0 >= name.get_window_extent().y1


def is_text(artist, words):
    return isinstance(artist, Text) and artist.get_text() == words


@pytest.mark.parametrize(
    ("row", "title"),
    [
        (
            [policy("slow", 15, 20), policy("phoenix", 1.36, 300)],
            "Sooner costs load: 1.36 s and 300 attempts with phoenix, 15 s and 20 with slow",
        ),
        (
            [policy("as given", 5, 20), policy("phoenix", 9, 300)],
            "Soonest, with the least load: 5 s and 20 attempts with the policy as given",
        ),
        (
            [policy("a", 15, 200), policy("b", inf, 10)],
            "Time to come back, and load on the server",
        ),
    ],
)
def test_the_chart_of_time_and_load_says_what_sooner_costs(row, title):
    assert title == tradeoff_title(row, ACROSS, UP)


def test_the_chart_of_time_and_load_is_described_with_its_numbers():
    figure = tradeoff_chart([policy("a", 15, 200), policy("b", 1.5, 300)], ACROSS, UP, {})
    assert "a: 15 s, 200; b: 1.5 s, 300." in describe(figure)


def test_quantiles_are_described_with_the_name_of_their_policy():
    times = {"downtime_s_p50": 10.0, "downtime_s_p95": 20.0, "downtime_s_p99": inf}
    mean = {name: Estimate(value, value, value, 5) for name, value in times.items()}
    row = [SimpleNamespace(name="phoenix", mean=mean.__getitem__)]
    said = describe(quantiles_chart(row, "downtime_s", "time offline, s"))
    assert "phoenix, 50 %: 10 s, 99 %: not in the run." in said
    assert "highest" not in said
