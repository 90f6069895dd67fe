"""The charts that a run's folder gets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from simlib.charts import plots
from simlib.charts.figures import figure_of, save_figure
from simlib.logs.attempts import ObservedAttempts
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.server_counts import count_servers
from simlib.trace.trace import Trace


def save_run_charts(
    trace: Trace,
    folder: Path,
    observed: ObservedAttempts | None = None,
    observed_start: str | None = None,
) -> list[Path]:
    """Write a run's charts as PNG and as SVG; return their paths.

    Attempts over time, with those over them that were observed, if any; how soon clients were back
    if a fault had hit any; and what the server saw if it has limits.
    """
    over: dict[str, Any] = {"observed": observed, "observed_start": observed_start}
    charts: dict[str, Callable[[Trace], Any]] = {"attempts": partial(plots.attempts, **over)}
    if recovery_times_s(trace).size:
        charts["recovery"] = plots.recovery
    if count_servers(trace):
        charts["server"] = lambda trace: plots.server(trace)[0]
    paths = []
    for name, draw in charts.items():
        figure = figure_of(draw(trace))
        paths += [save_figure(figure, folder / f"{name}.{kind}") for kind in ("png", "svg")]
    return paths
