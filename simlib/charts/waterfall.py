"""The waterfall of messages: when each was sent, when it left its outbox, when it was answered."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from simlib.charts.labels import AREA, Sample, write_key
from simlib.charts.message_findings import find_slowest
from simlib.charts.outbox import PRIORITY_COLOURS
from simlib.charts.stretches import draw_stretches
from simlib.charts.style import Group, drawing, empty
from simlib.charts.times import time_axis
from simlib.metrics.messages import messages
from simlib.support.arguments import check_arguments
from simlib.trace.trace import Trace

_FLIGHT, _DROPPED, _GREY = "#0072B2", "#000000", "#555555"


@check_arguments
def waterfall(trace: Trace, most: int = 40, axes: Axes | None = None) -> Axes:
    """Draw the slowest messages of a run, a row each: how long did they wait, and where?

    Parameters
    ----------
    trace : Trace
        The run.
    most : int
        No more messages are drawn: those that took longest, in the order of their sending.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        A row for each message, over time in s: the outbox's part in the colour of its priority,
        then the way to the server and back; a cross where it was dropped.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.waterfall(sl.run(sl.Scenario(clients=3, duration_s=5)))
    >>> axes.get_xlabel()
    'time, s'
    """
    table = messages(trace)
    what = f"The {min(most, len(table)):,} slowest of {len(table):,} messages"
    with drawing(what, trace, axes, lambda _: _find(table)) as (canvas, groups):
        _draw(canvas, groups, table, most)
    return canvas


def _find(table: pd.DataFrame) -> str:
    answered = table[table["acknowledged_s"] < inf]
    if not len(answered):
        return find_slowest(inf, 0.0, len(table), len(table))
    slowest = answered.iloc[int(answered["latency_s"].argmax())]
    in_outbox_s = min(slowest["left_s"], slowest["acknowledged_s"]) - slowest["send_s"]
    undelivered = int((~table["delivered"]).sum())
    return find_slowest(float(slowest["latency_s"]), in_outbox_s, len(table), undelivered)


def _draw(axes: Axes, groups: Sequence[Group], table: pd.DataFrame, most: int) -> None:
    if not len(table):
        empty(axes, "no message was sent")
        return
    end_s = groups[0].runs[0].end_s
    gone_s = table[["acknowledged_s", "dropped_s"]].min(axis=1).clip(upper=end_s)
    table = table.assign(gone_s=gone_s, lasted_s=gone_s - table["send_s"])
    shown = table.nlargest(most, "lasted_s").sort_values("send_s", kind="stable")
    y = np.arange(len(shown))
    left_s = np.minimum(shown["left_s"].to_numpy(), shown["gone_s"].to_numpy())
    for priority, colour in PRIORITY_COLOURS.items():
        own = (shown["priority"] == priority).to_numpy()
        sent_s = shown["send_s"].to_numpy()[own]
        draw_stretches(axes, sent_s, left_s[own], y[own], 0.4, color=colour, lw=0)
    draw_stretches(axes, left_s, shown["gone_s"].to_numpy(), y, 0.175, color=_FLIGHT, lw=0)
    dropped = (shown["dropped_s"] < inf).to_numpy()
    axes.plot(shown["dropped_s"].to_numpy()[dropped], y[dropped], "x", color=_DROPPED, markersize=5)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_ylabel("message, in the order of sending")
    axes.set_yticks([])
    axes.grid(visible=True, axis="x")
    if axes.get_autoscalex_on():
        first_s, last_s = float(shown["send_s"].min()), float(shown["gone_s"].max())
        axes.set_xlim(max(0.0, first_s - 1.0), min(end_s, last_s + 1.0))
    time_axis(axes, groups[0].runs)
    priorities = set(shown["priority"].astype(str))
    samples = [
        Sample(colour, f"{name}, in the outbox", AREA)
        for name, colour in PRIORITY_COLOURS.items()
        if name in priorities
    ]
    samples.append(Sample(_FLIGHT, "sent, until its answer", AREA))
    samples += [Sample(_DROPPED, "dropped", "x")] * bool(dropped.any())
    write_key(axes, samples)
