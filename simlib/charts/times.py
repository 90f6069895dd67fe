"""The time axis of runs: the window that matters, and the faults, shaded and named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from simlib.charts.labels import ABOVE, height_above_points
from simlib.core.faults import Fault, Route
from simlib.metrics.attempts import attempts_per_s
from simlib.trace.disruptions import interrupting
from simlib.trace.trace import Trace

_GREY = "#555555"
#: A window that is longer than this share of the run is the whole run.
_NEARLY_ALL = 0.75


def time_window_s(runs: Sequence[Trace], until_s: float = 0.0) -> tuple[float, float]:
    """Return from when until when there is something to see.

    From a little before the first fault that interrupts until a little after the last attempt, or
    until a later moment that is given. The whole run, if no fault interrupts or if that is most of
    it anyway.

    Examples
    --------
    >>> from simlib.core.faults import Fault
    >>> from simlib.scenario.scenario import Scenario
    >>> outage = Fault("outage", start_s=40, stop_s=50)
    >>> time_window_s([Trace("sim", Scenario(duration_s=100, faults=[outage]), end_s=100.0)])
    (38, 52)
    """
    end_s = max((run.end_s for run in runs), default=0.0)
    faults = [
        fault for run in runs for fault in interrupting(run.scenario) if fault.start_s < run.end_s
    ]
    if not faults:
        return 0.0, end_s
    start_s = min(fault.start_s for fault in faults)
    stop_s = max(min(fault.end_s, end_s) for fault in faults)
    first_s = max(0.0, floor(start_s - max(2.0, 0.15 * (stop_s - start_s))))
    busy_s = max(stop_s, until_s, *map(_last_attempt_s, runs))
    last_s = min(end_s, ceil(busy_s + max(2.0, 0.08 * (busy_s - start_s))))
    return (0.0, end_s) if last_s - first_s > _NEARLY_ALL * end_s else (first_s, last_s)


def _last_attempt_s(run: Trace) -> float:
    """Return when the last second ends in which there was an attempt."""
    busy = np.flatnonzero(attempts_per_s(run))
    return float(busy[-1]) + 1.0 if busy.size else 0.0


def time_axis(
    axes: Axes, runs: Sequence[Trace], *, names: bool = True, until_s: float = 0.0
) -> None:
    """Set the time axis of runs, and shade their faults, with their names above.

    Limits that the caller has set stay.
    """
    if axes.get_autoscalex_on():
        axes.set_xlim(*time_window_s(runs, until_s))
    axes.set_xlabel("time, s")
    first_s, last_s = axes.get_xlim()
    faults = {fault: None for run in runs for fault in run.scenario.faults}
    shown = [fault for fault in faults if fault.start_s < last_s and fault.end_s >= first_s]
    shown.sort(key=lambda fault: fault.start_s)
    end_s = max((run.end_s for run in runs), default=0.0)
    _shade(axes, {(fault.start_s, min(fault.end_s, end_s)) for fault in shown})
    if names:
        _name_faults(axes, shown)


def _shade(axes: Axes, spans_s: Iterable[tuple[float, float]]) -> None:
    """Shade spans of time from the bottom to the top, and draw each end of one once.

    As `axvspan` and `axvline`, which find the limits of the axes anew for each: these stand.
    """
    place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": "#000000"}
    place["label"] = "_fault"
    spans_s = sorted(spans_s)
    for start_s, stop_s in spans_s:
        axes.add_artist(
            Rectangle((start_s, 0.0), stop_s - start_s, 1.0, alpha=0.07, lw=0, zorder=0, **place)
        )
    for edge_s in sorted({edge_s for span_s in spans_s for edge_s in span_s}):
        axes.add_artist(Line2D([edge_s] * 2, [0.0, 1.0], alpha=0.5, lw=0.8, zorder=3, **place))


def _name_faults(axes: Axes, faults: Sequence[Fault]) -> None:
    """Write the names above the axes, each on the lowest row that is free."""
    first_s, last_s = axes.get_xlim()
    low = height_above_points(axes) + 3.0
    rows = [first_s]
    letter_s = 4.6 * (last_s - first_s) / (axes.bbox.width * 72.0 / axes.figure.dpi)
    for fault in faults:
        text, at_s = name_fault(fault), max(first_s, fault.start_s)
        row = next((i for i, until in enumerate(rows) if until <= at_s), len(rows))
        rows[row : row + 1] = [at_s + letter_s * (len(text) + 1)]
        axes.annotate(
            text,
            (at_s, 1.0),
            (0, low + 10 * row),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            color=_GREY,
            fontsize=8,
            gid=ABOVE,
        )


def name_fault(fault: Fault) -> str:
    """Return what a fault is, and whom it hits.

    Examples
    --------
    >>> name_fault(Fault("outage", 1, 2, route="websocket"))
    'outage, WebSocket only'
    """
    words = [fault.kind.name.lower().replace("_", " ")]
    if fault.route != Route.ALL:
        words.append("WebSocket only" if fault.route == Route.WEBSOCKET else "HTTP only")
    if fault.clients_fraction < 1.0:
        words.append(f"for {fault.clients_fraction:g} of the clients")
    return ", ".join(words)
