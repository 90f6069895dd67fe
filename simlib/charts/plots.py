"""Charts of runs: each function draws one figure.

Each takes one trace or several. Runs that differ by their seed alone are drawn as one, by their
median and a band from lowest to highest; live runs are drawn on top. Each draws on the axes it is
given, or on a new figure, and returns the axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import inf
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.ecdf import draw_fractions
from simlib.charts.heatmap import heat  # noqa: F401 - one of the plots
from simlib.charts.observed import draw_observed
from simlib.charts.outbox import draw_outbox
from simlib.charts.server import PANELS, draw_server
from simlib.charts.style import (
    Group,
    SideLabel,
    count_axis,
    draw_steps,
    drawing,
    empty,
    new_axes,
    style,
    time_axis,
    write_names,
)
from simlib.charts.timeline import draw_states, states_height_in
from simlib.logs.attempts import ObservedAttempts
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.messages import messages
from simlib.support.arguments import check_arguments
from simlib.trace.trace import Trace

Traces = Trace | Sequence[Trace]


@check_arguments
def attempts(
    traces: Traces,
    axes: Axes | None = None,
    *,
    observed: str | Path | ObservedAttempts | None = None,
    observed_start: str | float | datetime | None = None,
) -> Axes:
    """Draw attempts per second, with the faults shaded: is there a storm?

    Parameters
    ----------
    traces : Trace or sequence of Trace
        What to draw.
    axes : Axes, optional
        Where to draw; a new figure by default.
    observed : path or ObservedAttempts, optional
        Attempts that were really made, to be drawn over the run: an access log, a browser's HAR or
        a table, or what `read_attempts` gave.
    observed_start : str, float or datetime, optional
        The moment in their clock at which the run begins; by default their first attempt is put at
        the run's first.

    Returns
    -------
    Axes
        Attempts of all clients in each second, over time in s.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.attempts(sl.run(sl.Scenario(clients=3, duration_s=5)))
    >>> axes.get_ylabel()
    'attempts per second'
    """
    with drawing("Attempts per second", traces, axes) as (canvas, groups):
        over = [] if observed is None else draw_observed(canvas, groups, observed, observed_start)
        _draw_attempts(canvas, groups, over)
    return canvas


@check_arguments
def states(traces: Traces, axes: Axes | None = None) -> Axes:
    """Draw the state of each client over time: who was OPEN, who waited, who polled?

    Of several runs that differ by their seed alone, the first is drawn; of more than 60 clients,
    the first 60.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        What to draw; several scenarios or engines are drawn one below the other.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        A row per client, coloured by state, over time in s.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.states(sl.run(sl.Scenario(clients=3, duration_s=5)))
    >>> axes.get_ylabel()
    'client'
    """
    height_in = states_height_in(traces)
    with drawing("State of each client", traces, axes, height_in) as (canvas, groups):
        draw_states(canvas, groups)
    return canvas


@check_arguments
def outbox(traces: Traces, axes: Axes | None = None) -> Axes:
    """Draw how many messages wait in all outboxes, by priority: does the backlog drain?

    Drawn as stacked areas; of several scenarios or engines the last one (live, if there is a
    live one), and over it the others as lines: a single other one as a stack too, more by their
    totals. Of several runs the median is drawn, and dotted the range of the total.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        What to draw.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Messages accepted and not yet acknowledged, over time in s.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.outbox(sl.run(sl.Scenario(clients=3, duration_s=5)))
    >>> axes.get_ylabel()
    'messages in all outboxes'
    """
    with drawing("Messages in all outboxes, by priority", traces, axes) as (canvas, groups):
        draw_outbox(canvas, groups)
    return canvas


@check_arguments
def recovery(traces: Traces, axes: Axes | None = None) -> Axes:
    """Draw which fraction of the interrupted clients was OPEN again how soon after a fault.

    The curve of clients that never recovered stops below 1.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        What to draw.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Fraction of the affected clients, over time since the fault's end in s.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = sl.run(sl.Scenario(clients=3, duration_s=20, faults=[sl.Fault("reset", start_s=5)]))
    >>> sl.plots.recovery(trace).get_xlabel()
    "time since the fault's end, s"
    """
    with drawing("Time to recover", traces, axes) as (canvas, groups):
        canvas.set(
            xlabel="time since the fault's end, s", ylabel="fraction of the affected clients"
        )
        if not draw_fractions(canvas, groups, recovery_times_s):
            empty(canvas, "no fault that ended in the run interrupted a client")
    return canvas


@check_arguments
def latency(traces: Traces, axes: Axes | None = None) -> Axes:
    """Draw which fraction of the acknowledged messages was acknowledged how soon after its send.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        What to draw.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Fraction of the acknowledged messages, over their latency in s, on a log axis.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.latency(sl.run(sl.Scenario(clients=3, duration_s=5)))
    >>> axes.get_xscale()
    'log'
    """
    with drawing("Message latency", traces, axes) as (canvas, groups):
        canvas.set_xlabel("time from send to acknowledgement, s")
        canvas.set_ylabel("fraction of the acknowledged messages")
        if not draw_fractions(canvas, groups, _latencies_s, log=True):
            empty(canvas, "no message was acknowledged")
    return canvas


@check_arguments
def server(traces: Traces, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """Draw what the server saw: who was busy, waited, was refused or served in vain, and when?

    Below the attempts: how many workers were busy, of how many (dashed); how many handshakes
    waited; and how many were refused, or served though their clients had gone by then (dashed).
    Grey dashed lines are the accept rate and the limit of the backlog. Of several gateways all
    servers are drawn together.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        What to draw.
    axes : sequence of Axes, optional
        The four axes to draw on; a new figure by default.

    Returns
    -------
    sequence of Axes
        The four panels, from the top: attempts per second, busy workers, handshakes that wait,
        and handshakes per second that were refused or in vain; all over time in s.

    Examples
    --------
    >>> import simlib as sl
    >>> server = sl.ServerSettings(handshake_service_s=0.1)
    >>> panels = sl.plots.server(sl.run(sl.Scenario(clients=9, duration_s=5, server=server)))
    >>> [panel.get_ylabel() for panel in panels]
    ['attempts per second', 'busy workers', 'waiting', 'per second']
    """
    with style():
        panels = new_axes(2.1 * len(PANELS), len(PANELS)) if axes is None else axes
    draw_server(panels, traces)
    return panels


def _draw_attempts(
    axes: Axes, groups: Sequence[Group], over: Sequence[tuple[float, str, str]]
) -> None:
    axes.set_ylabel("attempts per second")
    counts = [[attempts_per_s(run) for run in group.runs] for group in groups]
    if not over and not any(count.any() for runs in counts for count in runs):
        empty(axes, "no attempt was made")
        return
    ends = []
    for group, runs in zip(groups, counts, strict=True):
        seconds = min(count.size for count in runs)
        # Steps are drawn to the right of each point: the last one needs a point more.
        heights = np.array([np.append(count[:seconds], count[seconds - 1]) for count in runs])
        median = draw_steps(axes, group, np.arange(seconds + 1.0), heights)
        ends.append((median[-1], group))
    count_axis(axes)
    top = axes.get_ylim()[1]
    time_axis(axes, groups)
    names = [SideLabel(y / top, group.colour, group.describe_drawing()) for y, group in ends]
    if over:
        # A single run has no name, and needs one beside what is drawn over it.
        names = [name._replace(text=name.text or "simulated") for name in names]
    write_names(axes, [*names, *(SideLabel(y / top, colour, text) for y, colour, text in over)])


def _latencies_s(run: Trace) -> Floats:
    table = messages(run)
    return table.loc[table["acknowledged_s"] < inf, "latency_s"].to_numpy()
