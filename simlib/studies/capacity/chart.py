"""A capacity study as a chart, a panel for each setting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import inf, log
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, save_figure
from simlib.charts.style import apportion, logarithmic, new_axes, style
from simlib.charts.titles import write_titles
from simlib.core.card import count_in_words
from simlib.studies.capacity.capacity import Capacity
from simlib.studies.capacity.search import Knob
from simlib.support.arguments import check_arguments

_COLOUR, _GREY, _EDGE = OTHER_COLOURS[0], "#555555", "#D55E00"
_PANEL_IN, _LOW_IN = 2.7, 1.8


@check_arguments
def capacity_chart(capacity: Capacity, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw how soon the clients are back against the value of each knob, and where that is enough.

    Parameters
    ----------
    capacity : Capacity
        What `capacity` returned.
    axes : sequence of Axes, optional
        Where to draw, one for each knob; a new figure by default.

    Returns
    -------
    list of Axes
        A panel per knob: every value played, on a log axis, and the time to recover in s. Dots
        are filled where it is short enough; crosses at the top are runs that ended before.

    Examples
    --------
    >>> sl.capacity_chart(sl.capacity(scenario, 60))  # doctest: +SKIP
    """
    with style():
        heights_in = _heights_in(capacity)
        panels = new_axes(sum(heights_in), len(heights_in)) if axes is None else list(axes)
        if axes is None:
            apportion(panels, heights_in)
        for knob, panel in zip(capacity.knobs, panels, strict=True):
            _draw(capacity, knob, panel)
    return panels


def _heights_in(capacity_result: Capacity) -> list[float]:
    """Return the height of each setting's panel: a low one where it makes no difference."""
    knobs = capacity_result.knobs
    heights = [_LOW_IN if knob.outcome == "no difference" else _PANEL_IN for knob in knobs]
    return [each * max(1.0, HEIGHT_IN / sum(heights)) for each in heights]


def _draw(capacity_result: Capacity, knob: Knob, axes: Axes) -> None:
    points = knob.points[(knob.points["value"] > 0.0) & (knob.points["value"] < inf)]
    back = points[points["time_to_recover_s"] < inf]
    never = points[~(points["time_to_recover_s"] < inf)]
    top = 1.3 * max([capacity_result.recover_within_s, *back["time_to_recover_s"]])
    logarithmic(axes)
    axes.set_xlim(points["value"].min() / 1.3, points["value"].max() * 1.3)
    axes.set_ylim(0.0, top)
    axes.plot(back["value"], back["time_to_recover_s"], color=_COLOUR, linewidth=1.0, alpha=0.5)
    for suffices, inside in ((True, _COLOUR), (False, "white")):
        dots = back[back["suffices"] == suffices]
        axes.plot(
            dots["value"],
            dots["time_to_recover_s"],
            marker="o",
            linestyle="none",
            color=_COLOUR,
            markerfacecolor=inside,
        )
    if len(never):
        height_s = [0.95 * top] * len(never)
        axes.plot(never["value"], height_s, color=_EDGE, marker="x", linestyle="none")
        _in_margin(axes, 0.95 * top, "not back\nin the run", _EDGE)
    axes.axhline(capacity_result.recover_within_s, color=_GREY, linewidth=1.0, linestyle="--")
    _in_margin(
        axes,
        capacity_result.recover_within_s,
        f"within {capacity_result.recover_within_s:g} s",
        _GREY,
    )
    _mark(axes, knob)
    axes.set_xlabel(f"{knob.key}, {knob.unit}" if knob.unit else knob.key)
    axes.set_ylabel(f"{capacity_result.who} back after, s")
    scenario = capacity_result.scenario
    of = f"{scenario.name}, {count_in_words(scenario.clients, 'client')}; filled: soon enough"
    write_titles(axes, f"{knob.key}: {knob.answer}", of)


def _mark(axes: Axes, knob: Knob) -> None:
    """Mark the value as given, and the one that is needed; their names never meet."""
    if 0.0 < knob.given < inf:
        axes.plot(knob.given, 0.0, marker="^", markersize=9, color=_GREY, clip_on=False, zorder=5)
        _beside(axes, knob.given, 5, f"as given: {knob.in_words(knob.given)}", _GREY)
    if knob.needed is not None and 0.0 < knob.needed < inf and knob.outcome == "edge":
        axes.axvline(knob.needed, color=_EDGE, linewidth=1.5)
        _beside(axes, knob.needed, 19, knob.in_words(knob.needed), _EDGE)


def _in_margin(axes: Axes, y: float, text: str, colour: str) -> None:
    place: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "va": "center"}
    axes.annotate(text, (1.0, y), (4, 0), textcoords="offset points", color=colour, **place)


def _beside(axes: Axes, x: float, up: int, text: str, colour: str) -> None:
    """Write above the x axis, right of a value unless the axes end there."""
    low, high = axes.get_xlim()
    is_left = log(x / low) > 0.6 * log(high / low)
    axes.annotate(
        text,
        (x, 0.0),
        (-7 if is_left else 7, up),
        textcoords="offset points",
        ha="right" if is_left else "left",
        color=colour,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
    )


def save_capacity_chart(capacity_result: Capacity, folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    path = Path(folder) / "capacity.png"
    with style():
        heights_in = _heights_in(capacity_result)
        figure = Figure(figsize=(WIDTH_IN, sum(heights_in)))
        panels = list(figure.subplots(len(heights_in), squeeze=False).flat)
        apportion(panels, heights_in)
        capacity_chart(capacity_result, panels)
        return save_figure(figure, path)
