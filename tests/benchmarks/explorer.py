"""Figures of the explorer: what the kernel does for one step of a slider."""

from __future__ import annotations

from statistics import median

from figure import Figure
from timed import timed

import simlib as sl
from simlib.charts.moving import MovingCharts
from simlib.experiments.connections import play_connections
from simlib.metrics.metrics import row

STORM = sl.Scenario(clients=200, faults=[sl.Fault("outage", start_s=10, stop_s=20)])
#: Of a slider on a logarithmic scale, as the explorer's.
_STEP = 10**0.02


def steps(count: int = 30) -> list[Figure]:
    """A drag of the cap's slider: play what is shown, draw it, and work out the numbers."""
    charts = MovingCharts()
    cap_s, spent_s = 5.0, []

    def step() -> None:
        trace = play_connections(STORM.replace("client.backoff.cap_s", cap_s))
        charts.png(trace)
        row(trace)

    sl.run(STORM, on="fleet")  # compiles
    step()  # makes the axes
    for _ in range(count):
        spent_s.append(timed(step)[0])
        cap_s *= _STEP
    whole_s, _ = timed(lambda: sl.run(STORM))
    figures = [Figure("explorer: a step, 200 clients", "s", tuple(spent_s), at_most=0.06)]
    name = "explorer: sim with messages, over a step"
    return [*figures, Figure(name, "times", (whole_s / median(spent_s),))]
