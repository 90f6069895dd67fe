"""Policies as small multiples of their waits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from simlib.charts.backoff_bands import backoff, label_outer
from simlib.charts.client_findings import find_recovery
from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import figure_of, save_figure
from simlib.charts.multiples import multiples_grid
from simlib.charts.style import style
from simlib.charts.titles import write_figure_titles
from simlib.core.backoff import Backoff
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.words import format_number
from simlib.studies.policy.benchmark import tabulate_storms
from simlib.trace.trace import Trace

_COLOUR, _GREY, _END = OTHER_COLOURS[0], "#555555", "#D55E00"


def policies_chart(known: Mapping[str, Backoff], axes: list[Axes] | None = None) -> list[Axes]:
    """Draw where the waits of policies lie, a panel each, all to the same scale.

    Parameters
    ----------
    known : mapping
        The policies by name.
    axes : list of Axes, optional
        Where to draw, one for each; a new figure by default.

    Returns
    -------
    list of Axes
        Attempts in a row across, waits in s up, on a log axis: the line is the median, the dark
        band holds half of the waits, the light one all. Where a client gives up, a cross ends it.

    Examples
    --------
    >>> panels = policies_chart({"mine": Backoff()})
    >>> panels[0].get_title(loc="left")
    'mine'
    """
    panels = backoff(known, 0, axes)
    return panels if isinstance(panels, list) else list(panels)


def save_policies_chart(known: Mapping[str, Backoff], folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    with style():
        return save_figure(figure_of(policies_chart(known)[0]), Path(folder) / "waits.png")


def storms_chart(traces: Mapping[str, Trace], axes: list[Axes] | None = None) -> list[Axes]:
    """Draw the storms of policies, a panel each, all to the same scale.

    Parameters
    ----------
    traces : mapping
        The runs of `play_storms`, by the clients' names.
    axes : list of Axes, optional
        Where to draw, one for each; a new figure by default.

    Returns
    -------
    list of Axes
        Attempts per second against time since the outage began, on a log axis; the outage is
        shaded, and a line shows how many the server opens.

    Examples
    --------
    >>> from simlib.core.settings import Settings
    >>> from simlib.studies.policy.benchmark import play_storms
    >>> panels = storms_chart(play_storms({"mine": Settings()}, 20, 5.0, on="sim"))
    >>> panels[0].get_title(loc="left")
    'mine'
    """
    with style():
        panels = list(multiples_grid(len(traces))) if axes is None else axes
        last_s = max(map(_shown_s, traces.values()))
        top = max(float(attempts_per_s(trace).max()) for trace in traces.values())
        for (name, trace), panel in zip(traces.items(), panels, strict=True):
            _draw_storm(panel, name, trace, last_s)
            panel.set(yscale="log", ylim=(0.7, 2.0 * top))
            panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
            panel.yaxis.set_minor_formatter(NullFormatter())
        label_outer(panels, "since the outage, s", "attempts/s")
        if axes is None:
            write_figure_titles(figure_of(panels[0]), _finding(traces), _subtitle(traces))
    return panels


def _finding(traces: Mapping[str, Trace]) -> str:
    """Return who brings everybody back soonest, and who last."""
    return find_recovery({name: recovery_times_s(trace) for name, trace in traces.items()})


def _subtitle(traces: Mapping[str, Trace]) -> str:
    scenario = next(iter(traces.values())).scenario
    rate = f"dashed: the server opens {scenario.server.accept_per_s:,g}/s"
    return f"Attempts per second of {scenario.clients:,} clients; shaded: the outage; {rate}"


def _shown_s(trace: Trace) -> float:
    """Return until when a storm is drawn: a little longer than it lasts, from the outage on."""
    (outage,) = trace.scenario.faults
    attempts = attempts_per_s(trace)
    return min(trace.end_s, 1.1 * (float(np.flatnonzero(attempts)[-1]) + 1.0)) - outage.start_s


def _draw_storm(axes: Axes, name: str, trace: Trace, last_s: float) -> None:
    (outage,) = trace.scenario.faults
    attempts = attempts_per_s(trace)
    seconds = np.arange(attempts.size) - outage.start_s
    axes.step(seconds, attempts, where="post", color=_COLOUR, linewidth=1.2)
    axes.axvspan(0.0, outage.end_s - outage.start_s, color="#000000", alpha=0.07, lw=0)
    axes.axhline(trace.scenario.server.accept_per_s, color=_END, linewidth=1.0, linestyle="--")
    axes.set_xlim(-5.0, last_s)
    axes.set_title(name, loc="left", fontsize=9)
    axes.annotate(_fate(trace), (1.0, 1.0), (0, 3), xycoords="axes fraction", color=_GREY,
                  textcoords="offset points", fontsize=6.5, va="bottom", ha="right")  # fmt: skip


def _fate(trace: Trace) -> str:
    """Return in a few words when most clients were back."""
    table = tabulate_storms({"": trace}).iloc[0]
    if table["never_back"]:
        return f"{table['never_back']:,.0f} never back"
    return f"95 % back after {format_number(float(table['back_s_p95']))} s"


def save_storms_chart(traces: Mapping[str, Trace], folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    with style():
        return save_figure(figure_of(storms_chart(traces)[0]), Path(folder) / "storms.png")
