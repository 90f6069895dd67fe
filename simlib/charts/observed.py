"""Attempts that were really made, drawn over those of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.labels import Curve
from simlib.charts.style import Group
from simlib.core.errors import SettingsError
from simlib.logs.attempts import ObservedAttempts, Placed, read_attempts
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s

#: Neither a colour of a run nor one of a live run.
COLOUR = "#222222"
_DASHES, _DOTS = (0, (4, 2)), (0, (1, 2))


def draw_observed(
    axes: Axes,
    groups: Sequence[Group],
    observed: str | Path | ObservedAttempts,
    start: str | float | datetime | None,
) -> list[Curve]:
    """Draw observed attempts per second; return the curves, to be named."""
    if not groups:
        raise SettingsError("traces", [], "must have a run, to draw observed attempts over it")
    seen = observed if isinstance(observed, ObservedAttempts) else read_attempts(observed)
    placed = seen.place(_first_attempt_s(groups), start)
    end_s = max(group.end_s for group in groups)
    curves = [
        _draw(axes, placed.times_s, end_s, "observed (dashed)", _DASHES),
        _draw(axes, placed.ended_s, end_s, "observed ends of connections (dotted)", _DOTS),
    ]
    _note(axes, seen, placed, end_s)
    return [curve for curve in curves if curve is not None]


def _first_attempt_s(groups: Sequence[Group]) -> float:
    """Return the second of the first attempt of any run; 0 if there is none."""
    firsts = [np.flatnonzero(attempts_per_s(run)) for group in groups for run in group.runs]
    return float(min((first[0] for first in firsts if first.size), default=0.0))


def _draw(axes: Axes, times_s: Floats, end_s: float, name: str, dashes: Any) -> Curve | None:
    if not times_s.size:
        return None
    seconds = max(1, int(np.ceil(end_s)))
    counts, edges_s = np.histogram(times_s, np.arange(seconds + 1.0))
    heights = np.append(counts, counts[-1])
    axes.step(edges_s, heights, where="post", color=COLOUR, lw=1.1, ls=dashes, label=name, zorder=4)
    return Curve(edges_s, heights.astype(float), COLOUR, name)


def _note(axes: Axes, seen: ObservedAttempts, placed: Placed, end_s: float) -> None:
    """Say under the axes where the observed attempts come from, and how they were put there."""
    times_s = np.concatenate([placed.times_s, placed.ended_s])
    outside = int(((times_s < 0.0) | (times_s >= np.ceil(end_s))).sum())
    text = f"observed: {Path(seen.source).name}, {placed.how}"
    text += f"; {outside:,} of {times_s.size:,} lie outside of the run" if outside else ""
    look: dict[str, Any] = {"color": "#555555", "ha": "left", "va": "top", "fontsize": 8}
    axes.annotate(text, (0.0, 0.0), (0, -36), "axes fraction", "offset points", **look)
