"""Sobol indices as a chart, a panel for each metric."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import save_figure
from simlib.charts.style import apportion, empty, new_axes, style
from simlib.charts.titles import write_titles
from simlib.core.card import count_in_words
from simlib.metrics.words import metric_in_words
from simlib.studies.sensitivity.result import Sensitivity, as_share
from simlib.support.arguments import check_arguments

_TOTAL, _FIRST = OTHER_COLOURS[0], "#D55E00"
_WIDTH_IN, _ROW_IN, _FRAME_IN = 9.6, 0.5, 1.05
#: The total's bar, and the dot below it, so far from the middle of their row.
_ABOVE, _BELOW = -0.1, 0.26
_WORDS = 36
#: The order of an index, and what a reader calls it.
_CALLED = {"first": "alone", "total": "with others"}


@check_arguments
def sensitivity_chart(result: Sensitivity, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw which share of each metric's variance every setting explains, with its interval.

    Parameters
    ----------
    result : Sensitivity
        What `sensitivity` returned.
    axes : sequence of Axes, optional
        Where to draw, one for each metric; a new figure by default.

    Returns
    -------
    list of Axes
        A panel per metric, the setting that matters most on top: a bar for what it explains with
        others, or alone (its total order index), a dot for what it explains alone (first order),
        both from 0 to 1 with 95 % intervals. Below its name are the values it had.

    Examples
    --------
    >>> sl.sensitivity_chart(sl.sensitivity(scenario))  # doctest: +SKIP
    """
    with style():
        heights_in = _heights_in(result)
        panels = new_axes(sum(heights_in), len(heights_in)) if axes is None else list(axes)
        if axes is None:
            apportion(panels, heights_in)
        for metric, panel in zip(result.metrics, panels, strict=True):
            _draw(result, metric, panel)
    return panels


def _heights_in(analysis: Sensitivity) -> list[float]:
    """Return the height of each metric's panel: a row per setting, or one for a sentence."""
    return [
        _FRAME_IN + _ROW_IN * (len(analysis.axes) if _varies(analysis, metric) else 1)
        for metric in analysis.metrics
    ]


def _varies(analysis: Sensitivity, metric: str) -> bool:
    return bool(analysis.of(metric)["total"].notna().all())


def _draw(analysis: Sensitivity, metric: str, axes: Axes) -> None:
    rows = analysis.of(metric).to_dict(orient="records")
    write_titles(axes, find_decider(rows))
    if not _varies(analysis, metric):
        empty(axes, "Nothing: the same all over the space.")
        return
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    played = f"{analysis.scenario.name} ({count_in_words(analysis.scenario.clients, 'client')})"
    axes.set_xlabel(f"share of its variance in {played}, with 95 % intervals")
    axes.tick_params(axis="y", length=0)
    values = {axis.key: axis.in_words for axis in analysis.axes}
    names = [_axis_label(row["key"], values[row["key"]]) for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8, linespacing=1.3)
    for place, row in enumerate(rows):
        _bar(axes, place + _ABOVE, row)
        _dot(axes, place + _BELOW, row)
        for order, shift, colour in (("total", _ABOVE, _TOTAL), ("first", _BELOW, _FIRST)):
            _label(axes, place + shift, row, order, colour, is_top=place == 0)


def find_decider(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Return which setting decides a metric, and which comes next: a chart's title.

    Examples
    --------
    >>> rows = [{"metric": "attempts", "key": "client.backoff.jitter", "total": 0.83},
    ...         {"metric": "attempts", "key": "client.backoff.base_s", "total": 0.3}]
    >>> find_decider(rows)
    'Attempts: jitter has a part in 83 % of the variance, base_s in 30 %'
    """
    words = metric_in_words(str(rows[0]["metric"]))
    name = words[:1].upper() + words[1:]
    shares = [(str(row["key"]).rpartition(".")[2], row["total"]) for row in rows[:2]]
    if any(isnan(total) for _, total in shares):
        return f"{name}: nothing decides, it is the same all over the space"
    (first, most), *others = shares
    said = f"{name}: {first} has a part in {as_share(most)} % of the variance"
    return ", ".join([said, *(f"{key} in {as_share(total)} %" for key, total in others)])


def _bar(axes: Axes, y: float, row: Mapping[Any, Any]) -> None:
    axes.barh(y, _inside(row["total"]), height=0.36, color=_TOTAL, alpha=0.3, lw=0)
    axes.plot(_interval(row, "total"), [y, y], color=_TOTAL, linewidth=1.6)


def _dot(axes: Axes, y: float, row: Mapping[Any, Any]) -> None:
    axes.plot(_interval(row, "first"), [y, y], color=_FIRST, linewidth=1.2)
    look: dict[str, Any] = {"marker": "o", "markersize": 4.5, "clip_on": False, "zorder": 4}
    axes.plot(_inside(row["first"]), y, color=_FIRST, **look)


def _label(
    axes: Axes, y: float, row: Mapping[Any, Any], order: str, colour: str, *, is_top: bool
) -> None:
    """Write an index right of its interval; what it is stands once, in the row on top."""
    text = f"{as_share(row[order])} %"
    if is_top:
        text += f" {_CALLED[order]}"
    end = max(_interval(row, order)[1], _inside(row[order]))
    axes.annotate(
        text,
        (end, y),
        (6, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
    )


def _interval(row: Mapping[Any, Any], order: str) -> list[float]:
    return [_inside(row[f"{order}_low"]), _inside(row[f"{order}_high"])]


def _inside(share: float) -> float:
    """Return a share of the axis: an estimate may be beyond it."""
    return min(1.0, max(0.0, share))


def _axis_label(key: str, values: str) -> str:
    lines = textwrap.wrap(values, _WORDS, max_lines=2, placeholder=" ...")
    return "\n".join([key, *lines])


def save_sensitivity_chart(analysis: Sensitivity, folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    path = Path(folder) / "sensitivity.png"
    with style():
        heights_in = _heights_in(analysis)
        figure = Figure(figsize=(_WIDTH_IN, sum(heights_in)))
        panels = list(figure.subplots(len(heights_in), squeeze=False).flat)
        apportion(panels, heights_in)
        sensitivity_chart(analysis, panels)
        return save_figure(figure, path)
