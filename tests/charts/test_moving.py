"""The explorer's charts: what is moved looks as if it had been drawn from nothing."""

from io import BytesIO

import numpy as np
from PIL import Image

import simlib as sl
from simlib.charts import moving
from simlib.charts.moving import MovingCharts
from simlib.metrics.attempts import attempts_per_s

STORM = sl.Scenario(
    clients=30, duration_s=30, workload=sl.Workload(rate_per_s=0), faults=[sl.Fault("outage", 5, 9)]
)
#: One after the other: another curve, other limits, more digits, another title, other faults, who
#: never recovers, nobody hit, and back.
STEPS = (
    {"client.backoff.cap_s": 20},
    {"client.backoff.base_s": 0.05},
    {"clients": 31},
    {"clients": 2},
    {"faults": [sl.Fault("outage", 5, 29)]},
    {"faults": [sl.Fault("outage", 5, 9), sl.Fault("reset", 6), sl.Fault("reset", 7)]},
    {"faults": [sl.Fault("outage", 5, 40)]},
    {},
)


def pixels(png):
    return np.asarray(Image.open(BytesIO(png))).astype(int)


def test_a_moved_chart_is_the_chart_drawn_from_nothing_in_layers_or_in_one_go():
    charts = MovingCharts()
    charts.png(sl.run(STORM))
    for step in STEPS:
        trace, anew = sl.run(STORM.replace(step)), MovingCharts()
        seen = pixels(charts.png(trace))
        assert (pixels(anew.png(trace)) == seen).all(), step
        with moving.style():
            anew._canvas.draw()
        whole = np.asarray(anew._canvas.buffer_rgba())[:, :, :3].astype(int)
        # The shade of a fault lies over the grid, not under it.
        assert np.abs(whole - seen).max() < 16, step


def test_the_curve_is_that_of_the_trace_and_inside_the_limits():
    charts, trace = MovingCharts(), sl.run(STORM)
    charts.png(trace)
    left, _ = charts._axes
    heights = attempts_per_s(trace)
    assert heights.tolist() == left.lines[0].get_ydata().tolist()[:-1]
    assert heights.max() < left.get_ylim()[1] <= 2 * heights.max()


def test_a_step_that_leaves_the_limits_draws_no_axis_again(monkeypatch):
    charts, trace = MovingCharts(), sl.run(STORM)
    charts.png(trace)
    drawn = []
    draw = MovingCharts._draw_artists
    monkeypatch.setattr(
        MovingCharts, "_draw_artists", lambda *given: drawn.append(given[1]) or draw(*given)
    )
    charts.png(trace)
    assert [moving._Layer.RUN] == drawn
