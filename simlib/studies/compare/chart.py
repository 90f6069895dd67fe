"""The charts of a comparison, as files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure

from simlib.charts import plots
from simlib.charts.colours import forgotten
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, save_figure
from simlib.charts.style import style
from simlib.trace.trace import Trace

#: The charts of a comparison, by file name.
CHARTS = {
    "attempts": plots.attempts,
    "states": plots.states,
    "outbox": plots.outbox,
    "recovery": plots.recovery,
    "latency": plots.latency,
}


class Compared(Protocol):
    """The part of a comparison that is drawn."""

    @property
    def simulated(self) -> Sequence[Trace]:
        """The simulated runs."""

    @property
    def live(self) -> Trace:
        """The live run."""


def save_charts(comparison: Compared, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the charts of a comparison, simulated under live, as PNG and SVG.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returned, or anything with its ``simulated`` and ``live`` traces.
    folder : str or path
        Where to; made if it is not there. Each file lands whole or not at all, and the same
        comparison gives the same bytes.

    Returns
    -------
    list of Path
        The files, two of each chart.

    Examples
    --------
    >>> save_charts(sl.compare(scenario), "out")  # doctest: +SKIP
    """
    written: list[Path] = []
    for name, draw in CHARTS.items():
        with style(), forgotten():
            figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN))
            draw([*comparison.simulated, comparison.live], axes=figure.subplots())
            paths = [Path(folder) / f"{name}.{suffix}" for suffix in ("png", "svg")]
            written += [save_figure(figure, path) for path in paths]
    return written
