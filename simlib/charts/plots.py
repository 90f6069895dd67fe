"""Charts of runs: each function draws one figure, whose title says what was found.

Each takes one trace or several. Runs that differ by their seed alone are drawn as one, by their
median and a band from lowest to highest; live runs are drawn on top. Each draws on the axes it is
given, or on a new figure, and returns the axes. Of more than three policies, a new figure of
attempts, recovery or latency has a panel each; the axes of the first panel are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from simlib.charts.admissions import admissions
from simlib.charts.agreement import agreement
from simlib.charts.attempts import draw_attempts, find_attempts
from simlib.charts.backoff_bands import backoff
from simlib.charts.client_findings import find_recovery
from simlib.charts.ecdf import draw_fractions
from simlib.charts.heatmap import heat
from simlib.charts.labels import Curve, name_curves
from simlib.charts.message_findings import find_latency
from simlib.charts.multiples import draw_multiples
from simlib.charts.observed import draw_observed
from simlib.charts.outbox import draw_outbox, find_backlog
from simlib.charts.priorities import latency_by_priority
from simlib.charts.sequence import sequence
from simlib.charts.server import PANELS, draw_server
from simlib.charts.state_diagram import state_diagram
from simlib.charts.style import MOST_ON_ONE, Group, drawing, empty, group_traces, new_axes, style
from simlib.charts.swimlanes import swimlanes
from simlib.charts.timeline import draw_states, find_states
from simlib.charts.waterfall import waterfall
from simlib.logs.attempts import ObservedAttempts
from simlib.metrics.array_types import Floats
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.messages import messages
from simlib.support.arguments import check_arguments
from simlib.trace.trace import Trace

__all__ = [
    "admissions",
    "agreement",
    "attempts",
    "backoff",
    "heat",
    "latency",
    "latency_by_priority",
    "outbox",
    "recovery",
    "sequence",
    "server",
    "state_diagram",
    "states",
    "swimlanes",
    "waterfall",
]
Traces = Trace | Sequence[Trace]


@check_arguments
def attempts(
    traces: Traces,
    axes: Axes | None = None,
    *,
    observed: str | Path | ObservedAttempts | None = None,
    observed_start: str | float | datetime | None = None,
) -> Axes:
    """Draw attempts per second, with the faults and the server's rate: is there a storm?

    From a little before the first fault that interrupts to a little after the last attempt, or all
    of the run with attempts that were observed; where your own axes have limits, these stay.

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
    what = "Attempts per second"
    if axes is None and observed is None and len(group_traces(traces)) > MOST_ON_ONE:
        return draw_multiples(what, traces, draw_attempts, find_attempts)[0]
    with drawing(what, traces, axes, find_attempts) as (canvas, groups):
        over = [] if observed is None else draw_observed(canvas, groups, observed, observed_start)
        name_curves(canvas, draw_attempts(canvas, groups, over))
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
    with drawing("State of each client", traces, axes, find_states) as (canvas, groups):
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
    what = "Messages in all outboxes, by priority"
    with drawing(what, traces, axes, find_backlog) as (canvas, groups):
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
    what = "Time to recover"
    if axes is None and len(group_traces(traces)) > MOST_ON_ONE:
        return draw_multiples(what, traces, _draw_recovery, _find_recovery)[0]
    with drawing(what, traces, axes, _find_recovery) as (canvas, groups):
        name_curves(canvas, _draw_recovery(canvas, groups))
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
    what = "Message latency"
    if axes is None and len(group_traces(traces)) > MOST_ON_ONE:
        return draw_multiples(what, traces, _draw_latency, _find_latency)[0]
    with drawing(what, traces, axes, _find_latency) as (canvas, groups):
        name_curves(canvas, _draw_latency(canvas, groups))
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
    ['attempts/s', 'workers', 'waiting', 'per s']
    """
    with style():
        panels = new_axes(panels=len(PANELS)) if axes is None else axes
    draw_server(panels, traces)
    if axes is None:
        for panel in panels[:-1]:  # all have the time of the lowest
            panel.xaxis.set_major_locator(NullLocator())
    return panels


def _draw_recovery(axes: Axes, groups: Sequence[Group]) -> list[Curve]:
    axes.set(xlabel="time since the fault's end, s", ylabel="fraction of the affected clients")
    curves = draw_fractions(axes, groups, recovery_times_s, never="never recovered")
    if not curves:
        empty(axes, "no fault that ended in the run interrupted a client")
    return curves


def _find_recovery(groups: Sequence[Group]) -> str:
    runs = max((len(group.runs) for group in groups), default=1)
    return find_recovery(_pool(groups, recovery_times_s), runs)


def _draw_latency(axes: Axes, groups: Sequence[Group]) -> list[Curve]:
    axes.set_xlabel("time from send to acknowledgement, s")
    axes.set_ylabel("fraction of the acknowledged messages")
    curves = draw_fractions(axes, groups, _latencies_s, log=True)
    if not curves:
        empty(axes, "no message was acknowledged")
    return curves


def _find_latency(groups: Sequence[Group]) -> str:
    return find_latency(_pool(groups, _latencies_s))


def _pool(groups: Sequence[Group], values_of: Callable[[Trace], Floats]) -> dict[str, Floats]:
    """Return the values of all runs of each group together, by its name."""
    return {group.name: np.concatenate([values_of(run) for run in group.runs]) for group in groups}


def _latencies_s(run: Trace) -> Floats:
    table = messages(run)
    return table.loc[table["acknowledged_s"] < inf, "latency_s"].to_numpy()
