"""The layout of a chart is found once, and a file is drawn once."""

import io

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure

import simlib as sl
from simlib.charts.figures import FILE_DPI, figure_of, new_panels, save_figure, svg_text
from simlib.charts.style import style


def busy_panels():
    with style():
        panels = new_panels(9.6, 5.4, 2, 1)
        for place, axes in enumerate(panels):
            axes.plot([0, 10], [0, 10.0 ** (4 * place)])
            axes.set(title=f"Panel {place}", xlabel="time, s", ylabel="per second")
            axes.text(5, 0.5, "inside")
    return panels


def test_what_stands_around_axes_is_measured_once_in_a_layout(monkeypatch):
    measured = []
    measure = Axis.get_tightbbox
    monkeypatch.setattr(
        Axis, "get_tightbbox", lambda self, *a, **k: measured.append(self) or measure(self, *a, **k)
    )
    panels = busy_panels()
    figure_of(panels[0]).draw_without_rendering()
    assert [axis for axes in panels for axis in (axes.xaxis, axes.yaxis)] == measured


def test_the_layout_is_that_of_matplotlib():
    panels = busy_panels()
    figure = figure_of(panels[0])
    figure.draw_without_rendering()
    got = [axes.get_position().bounds for axes in panels]
    figure.set_layout_engine("constrained")
    for axes in panels:
        axes.set_in_layout_now(now=False)
    figure.draw_without_rendering()
    expected = [axes.get_position().bounds for axes in panels]
    np.testing.assert_allclose(got, expected, atol=0.005)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_file_is_drawn_once_and_is_what_matplotlib_would_write(kind, tmp_path, monkeypatch):
    whole, drawn = io.BytesIO(), []
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    figure_of(busy_panels()[0]).savefig(whole, format=kind, dpi=FILE_DPI, metadata=metadata)
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, r: drawn.append(1) or draw(self, r))
    path = save_figure(figure_of(busy_panels()[0]), tmp_path / f"chart.{kind}")
    assert drawn == [1]
    if kind == "png":
        assert whole.getvalue() == path.read_bytes()


def test_a_figure_that_was_written_keeps_its_layout_and_its_size(tmp_path):
    figure = figure_of(busy_panels()[0])
    before = figure.dpi, figure.get_layout_engine()
    save_figure(figure, tmp_path / "chart.png")
    svg_text(figure)
    assert before == (figure.dpi, figure.get_layout_engine())


def test_a_chart_on_axes_of_ones_own_needs_no_layout_of_ours():
    figure = Figure()
    sl.plots.attempts(sl.run(sl.Scenario(clients=3, duration_s=5)), axes=figure.subplots())
    assert figure.get_layout_engine() is None
    assert svg_text(figure).startswith("<svg")


def test_room_is_left_for_what_is_written_beside_the_axes():
    with style():
        (axes,) = new_panels(9.6, 5.4)
        axes.plot([0, 1], [0, 1])
        axes.margins(x=0.0)
        beside = axes.annotate("100 % with others", (1.0, 0.5), (6, 0), textcoords="offset points")
        below = axes.text(1.0, -0.3, "far below", transform=axes.transAxes, ha="right")
        inside = axes.text(5.0, 0.5, "out of sight", clip_on=True)
    figure = figure_of(axes)
    figure.draw_without_rendering()
    for text in (beside, below):
        box = text.get_window_extent()
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= figure.bbox.y0
    assert inside.get_window_extent().x1 > figure.bbox.x1


def test_numbers_of_an_axis_are_measured_once_in_a_layout_and_once_to_be_drawn(monkeypatch):
    measured = []
    measure = Axis._get_ticklabel_bboxes
    monkeypatch.setattr(
        Axis,
        "_get_ticklabel_bboxes",
        lambda self, *a: measured.append(self) or measure(self, *a),
    )
    panels = busy_panels()
    figure_of(panels[0]).canvas.draw()
    axes = [axis for each in panels for axis in (each.xaxis, each.yaxis)]
    assert [2] * 4 == [measured.count(axis) for axis in axes]


def test_ticks_follow_the_limits_from_one_drawing_to_the_next():
    axes = busy_panels()[0]
    figure_of(axes).canvas.draw()
    axes.set_xlim(100.0, 200.0)
    figure_of(axes).canvas.draw()
    assert "150" in [label.get_text() for label in axes.get_xticklabels()]


def test_minor_ticks_can_be_asked_for():
    axes = busy_panels()[0]
    axes.minorticks_on()
    axes.grid(visible=True, which="minor")
    figure_of(axes).canvas.draw()
    assert len(axes.xaxis.get_minor_ticks()) > 3


def test_two_faults_that_begin_together_have_one_edge_there():
    faults = [sl.Fault("reset", 4), sl.Fault("outage", 4, 7)]
    run = sl.run(sl.Scenario(clients=3, duration_s=10, faults=faults))
    axes = sl.plots.attempts(run)
    edges = [line.get_xdata()[0] for line in axes.lines if line.get_alpha() == 0.5]
    assert [4.0, 7.0] == edges
