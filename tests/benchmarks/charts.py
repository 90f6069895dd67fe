"""Figures of the charts: how long each takes to be drawn, beside an empty figure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from figure import Figure
from timed import timed

import simlib as sl
from simlib.charts.figures import FILE_DPI, figure_of, new_panels
from simlib.charts.style import style
from simlib.gallery.chart import play

POLICIES = {jitter: sl.Backoff(jitter=jitter) for jitter in ("full", "none")}
#: As a chart is drawn: to be called, and the run or runs it takes.
CHARTS: dict[str, Callable[[], Any]] = {
    "attempts": lambda: sl.plots.attempts(_storms()),
    "admissions": lambda: sl.plots.admissions(_storms()[0]),
    "recovery": lambda: sl.plots.recovery(_storms()),
    "server": lambda: sl.plots.server(play("slow_server"))[0],
    "states": lambda: sl.plots.states(play("slow_server")),
    "swimlanes": lambda: sl.plots.swimlanes(play("poor_network_fallback"), [0, 1]),
    "sequence": lambda: sl.plots.sequence(play("first_outage"), 3),
    "outbox": lambda: sl.plots.outbox(play("flush_storm")),
    "waterfall": lambda: sl.plots.waterfall(play("flush_storm")),
    "latency": lambda: sl.plots.latency(_storms()),
    "latency by priority": lambda: sl.plots.latency_by_priority(play("rate_limited")),
    "agreement": lambda: sl.plots.agreement(_storms())[0],
    "backoff": lambda: sl.plots.backoff(POLICIES)[0],
    "state diagram": sl.plots.state_diagram,
}  # fmt: skip
#: A reader waits for no chart: processor time.
GOAL_S = 0.15


def _storms() -> list[Any]:
    jitters = ("none", "full")
    return [play("reconnect_storm", jitter, client__backoff__jitter=jitter) for jitter in jitters]


def _empty() -> Any:
    with style():
        return new_panels(9.6, 5.4)[0]


def _draw(make: Callable[[], Any]) -> None:
    """Make a figure and draw its pixels, as for a file."""
    figure = figure_of(make())
    figure.set_dpi(FILE_DPI)
    figure.canvas.draw()


def charts(times: int = 5) -> list[Figure]:
    """Draw each chart, and an empty figure beside it, of 1280 by 720 pixels."""
    figures = []
    for name, make in CHARTS.items():
        _draw(make)  # the run is played, and fonts are loaded
        spent, empty = [], []
        for _ in range(times):  # interleaved: the machine is as busy for both
            empty.append(timed(partial(_draw, _empty))[0])
            spent.append(timed(partial(_draw, make))[0])
        figures.append(Figure(f"chart: {name}", "s", tuple(spent), at_most=GOAL_S))
        over = f"chart: {name}, over an empty figure"
        figures.append(Figure(over, "times", (median(spent) / median(empty),)))
    return figures
