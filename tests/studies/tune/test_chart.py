"""The chart of a tuning says what it draws, and its words fit a terminal."""

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from rich.console import Console

import simlib as sl
from simlib.experiments.objectives import constraint
from simlib.studies.tune.chart import save_tuning_chart
from simlib.studies.tune.text import tuning_in_words
from tests.studies.small import STORM

pytest.importorskip("numba")
pytest.importorskip("optuna")


def tuned(*objectives, **changes):
    settings = {"trials": 16, "replications": 3, "workers": 1} | changes
    return sl.tune([STORM], objectives=objectives, **settings)


@pytest.fixture(scope="module")
def found():
    return tuned("time_to_recover_s_p99", "peak_attempts_per_s")


def names_of(axes):
    words = ("never", "filled")
    return [each for each in axes.texts if not each.get_text().strip().startswith(words)]


def key_of(axes):
    return next(each.get_text() for each in axes.texts if each.get_text().startswith("filled"))


def test_trials_front_and_candidates_are_drawn_with_their_names(found):
    [axes] = sl.tuning_chart(found)
    assert "time to recover, 99 %, s" == axes.get_xlabel()
    assert "peak attempts, 1/s" == axes.get_ylabel()
    assert axes.get_title(loc="left").startswith("Recommended: time to recover (99 %) ")
    assert f"16 trials, {len(found.front)} on the front" in key_of(axes)
    assert "storm, 60 clients" == axes.get_title(loc="right")
    words = [each.get_text() for each in names_of(axes)]
    assert {"recommended", "as given", "report's defaults, no polling"} <= set(words)
    drawn = sum(line.get_xdata().size for line in axes.lines[:3])
    assert drawn == (found.trials["outcome"] != "refused").sum()


def test_no_name_lies_over_another(found):
    [axes] = sl.tuning_chart(found)
    figure = axes.figure
    figure.canvas.draw()
    key = [each for each in axes.texts if each.get_text().startswith("filled")]
    boxes = [each.get_window_extent() for each in [*key, *names_of(axes)]]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:i])
        assert figure.bbox.contains(one.x0, one.y0)
        assert figure.bbox.contains(one.x1, one.y1)


@pytest.mark.slow
def test_what_never_ends_stands_at_an_edge_that_says_so():
    found = tuned("time_to_recover_s_p99", "peak_attempts_per_s", constraints=())
    [axes] = sl.tuning_chart(found)
    shown = found.trials["time_to_recover_s_p99"]
    assert np.isinf(shown).any() or np.isinf(found.verdict.table["time_to_recover_s_p99"]).any()
    assert "never" in [each.get_text().strip() for each in axes.texts]


def test_with_one_objective_trials_are_drawn_one_after_the_other():
    found = tuned("amplification")
    [axes] = sl.tuning_chart(found)
    assert ("trial", "amplification") == (axes.get_xlabel(), axes.get_ylabel())
    best = axes.lines[-1].get_ydata()
    assert (np.diff(best[~np.isnan(best)]) <= 0.0).all()


@pytest.mark.slow
def test_with_three_objectives_there_are_two_panels(tmp_path):
    found = tuned("time_to_recover_s_p99", "peak_attempts_per_s", "amplification")
    panels = sl.tuning_chart(found)
    assert ["peak attempts, 1/s", "amplification"] == [each.get_ylabel() for each in panels]
    assert save_tuning_chart(found, tmp_path).stat().st_size > 10_000


def test_the_words_fit_eighty_columns_and_name_what_was_played(found):
    said = io.StringIO()
    Console(file=said, width=80).print(tuning_in_words(found))
    lines = said.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "storm on fleet: 16 trials" in lines[0]
    assert any(line.startswith("recommended") for line in lines)
    assert "3 fresh seeds" in said.getvalue()


@pytest.mark.slow
def test_a_bound_is_a_line_with_its_value():
    bounds = ["peak_attempts_per_s <= 2 * server.accept_per_s", "time_to_recover_s_p99 < 25"]
    found = tuned("time_to_recover_s_p99", "peak_attempts_per_s", constraints=bounds)
    [axes] = sl.tuning_chart(found)
    words = [each.get_text().strip() for each in axes.texts]
    assert {"bound: at most 40", "bound: below 25"} <= set(words)
    assert any([40, 40] == list(line.get_ydata()) for line in axes.lines)
    assert any([25, 25] == list(line.get_xdata()) for line in axes.lines)


def lines_of(axes, front):
    """Return points along the front, the bounds and the edges where what never ends stands."""
    corners = [
        axes.transData.transform(np.column_stack(line.get_data()))
        for line in axes.lines
        if len(line.get_xdata()) == 2 * len(front) - 1 > 1
    ]
    corners += [
        line.get_transform().transform(np.column_stack(line.get_data()))
        for line in axes.lines
        if line.get_linestyle() in ("--", ":") and len(line.get_xdata()) == 2
    ]
    pairs = [pair for each in corners for pair in pairwise(each)]
    return np.concatenate([np.linspace(*pair, 500) for pair in pairs])


@pytest.mark.few(2)
@pytest.mark.parametrize("bound", [30, 40, 60, None])
def test_no_name_is_struck_through_by_the_front_a_bound_or_an_edge(found, bound):
    if bound is not None:
        limits = (f"peak_attempts_per_s <= {bound}", "time_to_recover_s_p99 <= 8")
        bounds = [constraint(each, [STORM]) for each in limits]
        found = replace(found, bounds=(*found.bounds, *bounds))
    [axes] = sl.tuning_chart(found)
    axes.figure.canvas.draw()
    points = lines_of(axes, found.front)
    for name in names_of(axes):
        if not name.get_text().strip().startswith("bound"):
            box = name.get_window_extent()
            assert not any(box.contains(x, y) for x, y in points), name


def test_to_keep_what_one_has_is_the_title_and_the_given_policy_has_the_star():
    best = sl.Backoff(jitter="full", base_s=3.0, factor=1.5, cap_s=5.0)
    worse = {"client.backoff.jitter": ["none"], "client.backoff.base_s": (0.1, 0.2)}
    found = sl.tune(
        [STORM.replace("client.backoff", best)],
        worse,
        constraints=["peak_attempts_per_s <= 60"],
        trials=8,
        replications=4,
        workers=1,
    )
    [axes] = sl.tuning_chart(found)
    assert "Keep what you have: nothing that was tried is better" == axes.get_title(loc="left")
    assert "keep: as given" in [each.get_text() for each in axes.texts]
    said = io.StringIO()
    Console(file=said, width=80).print(tuning_in_words(found))
    assert "\nKeep what you have: the policy as given.\n" in said.getvalue()
    assert "\nas given " in said.getvalue()


@pytest.mark.slow
def test_trials_with_which_nobody_connects_stand_in_the_worst_corner():
    space = {"client.connect_timeout_s": (0.01, 1.0)}
    found = tuned("time_to_recover_s_p99", "peak_attempts_per_s", space=space, trials=8)
    dead = int((found.trials["why"] != "").sum())
    assert 0 < dead < 8
    [axes] = sl.tuning_chart(found)
    words = [each.get_text().strip() for each in axes.texts]
    assert f"{dead} of the trials: nobody connects" in words
    crosses = next(line for line in axes.lines if line.get_marker() == "x")
    (x,), (y,) = crosses.get_data()
    everything = [line.get_data() for line in axes.lines if line.get_marker() == "o"]
    assert all((np.asarray(xs) <= x).all() and (np.asarray(ys) <= y).all() for xs, ys in everything)


def test_candidates_have_their_intervals(found):
    [axes] = sl.tuning_chart(found)
    best = found.verdict.table.iloc[0]
    metric = found.objectives[0].metric
    ends = [best[f"{metric} low"], best[f"{metric} high"]]
    assert ends in [np.asarray(line.get_xdata()).tolist() for line in axes.lines]
