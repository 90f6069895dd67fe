"""A tuning as a chart: trials and candidates by their objectives."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, save_figure
from simlib.charts.style import new_axes, style
from simlib.charts.titles import write_titles
from simlib.core.card import count_in_words
from simlib.metrics.words import metric_in_words
from simlib.studies.tune.narrative import change
from simlib.studies.tune.ranking import Difference
from simlib.studies.tune.result import Tuning
from simlib.support.arguments import check_arguments

_TRIAL, _BEST, _GREY, _RIVAL = OTHER_COLOURS[0], "#D55E00", "#888888", "#333333"
_BOUND = "#AA3377"
_PANEL_IN = 4.6
#: Left, bottom, right and top, as shares of the axes.
Box = tuple[float, float, float, float]
#: How close together, as a share of the axes, the places are that a line takes.
_STEP = 0.008
#: Named on the chart beside the recommended one: so many presets, those that keep the bounds first.
_NAMED = 5
#: A name stands at most so many lines away from its point.
_FAR = 7.0
#: A name is about so high, and a letter so wide, bold or not, as a share of the axes.
_LINE, _LETTER, _BOLD = 0.045, 0.0097, 0.0118
#: Names keep so far away from lines, as a share of the axes.
_BESIDE = 0.004
#: What marks mean stands in the lower left corner; so much room is left for it below the points.
_KEY, _ROOM = (0.0, 0.0, 0.72, 0.04), 0.1
#: Axes are by factors if the largest is so many times the least.
_WIDE = 5.0


@check_arguments
def tuning_chart(tuning: Tuning, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw trials by their objectives, the Pareto front, and how others stand.

    Parameters
    ----------
    tuning : Tuning
        What `tune` returned.
    axes : sequence of Axes, optional
        Where to draw, one panel for each objective after the first; a new figure by default.

    Returns
    -------
    list of Axes
        The first objective across, another one up; with one objective, trials across. Dots are
        trials on tuning seeds, hollow if a bound is broken, small if discarded. What has a name is
        drawn as fresh seeds have it, with 95 % intervals. At the right edge is what never ends.

    Examples
    --------
    >>> sl.tuning_chart(sl.tune(scenario))  # doctest: +SKIP
    """
    with style():
        count = max(1, len(tuning.objectives) - 1)
        panels = new_axes(max(HEIGHT_IN, _PANEL_IN * count), count) if axes is None else list(axes)
        first, *others = [objective.metric for objective in tuning.objectives]
        if not others:
            _draw_history(tuning, panels[0])
        for metric, panel in zip(others, panels, strict=False):
            _Panel(tuning, first, metric, panel).draw()
    return panels


def save_tuning_chart(tuning: Tuning, folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    path = Path(folder) / "tuning.png"
    with style():
        count = max(1, len(tuning.objectives) - 1)
        figure = Figure(figsize=(WIDTH_IN, max(HEIGHT_IN, _PANEL_IN * count)))
        tuning_chart(tuning, list(figure.subplots(count, squeeze=False).flat))
        return save_figure(figure, path)


class _Panel:
    """Two objectives against each other."""

    def __init__(self, tuning: Tuning, across: str, up: str, axes: Axes) -> None:
        self._tuning, self._across, self._up, self._axes = tuning, across, up, axes
        self._named = _labelled_candidates(tuning)
        everything = pd.concat([tuning.trials[[across, up]], self._named[[across, up]]])
        self._bounds = {name: _bounds_of(tuning, name) for name in (across, up)}
        self._ends = {}
        for name in (across, up):
            values = everything[name].to_numpy(float)
            values = np.append(values, [value for _, value in self._bounds[name]])
            values = values[np.isfinite(values)]
            self._ends[name] = self._end(name, values)

    def _end(self, name: str, values: Any) -> float:
        """Set a scale, and return where values stand that have no end."""
        low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
        is_x = name == self._across
        below = 0.06 if is_x else _ROOM
        if low > 0.0 and high > _WIDE * low:
            (self._axes.set_xscale if is_x else self._axes.set_yscale)("log")
            axis = self._axes.xaxis if is_x else self._axes.yaxis
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_minor_formatter(NullFormatter())
            end = high * (high / low) ** 0.12
            limits = (low / (high / low) ** below, end * (high / low) ** 0.05)
        else:
            span = high - low or abs(high) or 1.0
            axis = self._axes.xaxis if is_x else self._axes.yaxis
            end = high + 0.12 * span
            limits = (low - below * span, end + 0.05 * span)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        (self._axes.set_xlim if is_x else self._axes.set_ylim)(*limits)
        return float(end)

    def _points(self, table: pd.DataFrame) -> tuple[Any, Any]:
        """Return where rows are drawn; infinite values are drawn at the edge."""

        def places(name: str) -> Any:
            return np.where(np.isfinite(table[name]), table[name], self._ends[name])

        return places(self._across), places(self._up)

    def draw(self) -> None:
        axes, trials = self._axes, self._tuning.trials
        axes.grid(visible=True, axis="both")
        works = trials[(trials["why"] == "") & (trials["outcome"] != "refused")]
        # Who broke a bound at once was not played in all scenarios, and has no means.
        cut_short = works[works[self._up].isna()]
        discarded = works[works["outcome"] == "discarded"].drop(index=cut_short.index)
        full = works[works["outcome"] == "full"]
        kept, broken = full[full["excess"] <= 0.0], full[full["excess"] > 0.0]
        look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgewidth": 0.8}
        axes.plot(*self._points(discarded), color=_GREY, markersize=2.5, alpha=0.5, **look)
        axes.plot(*self._points(broken), color=_TRIAL, markersize=4.5, fillstyle="none", **look)
        axes.plot(*self._points(kept), color=_TRIAL, markersize=4.5, alpha=0.8, **look)
        x, y = self._points(self._tuning.front)
        order = np.argsort(x, kind="stable")
        front = np.repeat(x[order], 2)[1:], np.repeat(y[order], 2)[:-1]
        axes.plot(*front, color=_TRIAL, linewidth=1.0, alpha=0.6)
        taken = [*self._mark_ends(), *self._draw_bounds(), *self._along(*front)]
        self._draw_nowhere(trials[(trials["why"] != "") & (trials["outcome"] != "refused")])
        self._draw_named(kept, taken)
        axes.set_xlabel(metric_in_words(self._across))
        axes.set_ylabel(metric_in_words(self._up))
        _write_titles(axes, self._tuning, [self._across, self._up])
        key = "filled: keeps the bounds     hollow: does not     small: discarded early"
        key += f"     {count_in_words(len(trials), 'trial')}"
        key += f", {len(self._tuning.front)} on the front"
        if len(cut_short):
            key += f", {len(cut_short):,} not drawn: a bound broken at once"
        axes.text(0.01, 0.015, key, transform=axes.transAxes, color=_GREY, fontsize=7.5)

    def _draw_bounds(self) -> list[Box]:
        """Draw the bounds of what is drawn as lines with their texts; return where both are."""
        axes, taken = self._axes, []
        line: dict[str, Any] = {"color": _BOUND, "linewidth": 1.0, "linestyle": (0, (4, 2))}
        text: dict[str, Any] = {"color": _BOUND, "fontsize": 8}
        for said, value in self._bounds[self._up]:
            axes.axhline(value, **line)
            y = self._shares([[axes.get_xlim()[0], value]])[0][1]
            place = axes.get_yaxis_transform()
            axes.text(0.99, value, said, ha="right", va="bottom", transform=place, **text)
            taken += [self._level(value), (0.99 - _LETTER * len(said), y, 0.99, y + _LINE)]
        for said, value in self._bounds[self._across]:
            axes.axvline(value, **line)
            x = self._shares([[value, axes.get_ylim()[0]]])[0][0]
            place = axes.get_xaxis_transform()
            text |= {"rotation": 90}
            axes.text(value, 0.98, f"{said} ", ha="right", va="top", transform=place, **text)
            taken += [self._upright(value), (x - 0.03, 0.4, x, 1.0)]
        return taken

    def _level(self, value: float) -> Box:
        """Return where a line across the axes is, with a little room beside it."""
        y = self._shares([[self._axes.get_xlim()[0], value]])[0][1]
        return (0.0, y - _BESIDE, 1.0, y + _BESIDE)

    def _upright(self, value: float) -> Box:
        """Return where a line up the axes is, with a little room beside it."""
        x = self._shares([[value, self._axes.get_ylim()[0]]])[0][0]
        return (x - _BESIDE, 0.0, x + _BESIDE, 1.0)

    def _draw_nowhere(self, trials: pd.DataFrame) -> None:
        """Draw trials that do not work in the worst corner: they have no numbers to be drawn by."""
        if not len(trials):
            return
        corner = [self._ends[self._across]], [self._ends[self._up]]
        self._axes.plot(*corner, marker="x", color=_GREY, markersize=7.0, linestyle="none")
        said = f"{len(trials):,} of the trials: nobody connects "
        self._axes.annotate(
            said, (corner[0][0], corner[1][0]), (-14, 0), textcoords="offset points",
            ha="right", va="center", color=_GREY, fontsize=8,
        )  # fmt: skip

    def _shares(self, points: Any) -> Any:
        """Return where points are, as shares of the axes."""
        axes = self._axes
        return (axes.transData + axes.transAxes.inverted()).transform(np.asarray(points, float))

    def _along(self, x: Any, y: Any) -> list[Box]:
        """Return boxes along a line, so that no name is written over it."""
        boxes = []
        shares = self._shares(np.column_stack([x, y])) if len(x) else []
        for start, stop in pairwise(shares):
            steps = max(2, int(np.abs(stop - start).max() / _STEP))
            for across, up in np.linspace(start, stop, steps):
                boxes.append((across - _STEP, up - _STEP, across + _STEP, up + _STEP))
        return boxes

    def _mark_ends(self) -> list[Box]:
        """Label the edges where infinite values are drawn; return the places of their lines."""
        return [box for name in (self._across, self._up) if (box := self._mark_end(name))]

    def _mark_end(self, name: str) -> Box | None:
        shown = pd.concat([self._tuning.trials[name], self._named[name]])
        if not np.isinf(shown).any():
            return None
        place: dict[str, Any] = {"color": _GREY, "fontsize": 8, "va": "bottom"}
        line: dict[str, Any] = {"color": _GREY, "linewidth": 0.8, "linestyle": ":", "zorder": 0}
        if name == self._across:
            self._axes.axvline(self._ends[name], **line)
            across = self._axes.get_xaxis_transform()
            place |= {"va": "top", "rotation": 90}
            self._axes.text(self._ends[name], 0.99, "never ", ha="right", transform=across, **place)
            return self._upright(self._ends[name])
        self._axes.axhline(self._ends[name], **line)
        along = self._axes.get_yaxis_transform()
        self._axes.text(0.01, self._ends[name], "never", transform=along, **place)
        return self._level(self._ends[name])

    def _draw_named(self, kept: pd.DataFrame, taken: list[Box]) -> None:
        """Draw candidates, their names clear of each other, of lines and of trials that matter."""
        axes = self._axes
        points = np.column_stack(self._points(self._named))
        shares = self._shares(points)
        taken += [
            (x - 0.01, y - 0.015, x + 0.01, y + 0.015)
            for x, y in [*shares, *self._shares(np.column_stack(self._points(kept)))]
        ]
        taken.append(_KEY)
        for i, (row, point, share) in enumerate(
            zip(self._named.to_dict(orient="records"), points, shares, strict=True)
        ):
            is_best, is_given = i == 0, row["kind"] == "given"
            colour = _BEST if is_best else _RIVAL
            marker = "*" if is_best else {"tuned": "*", "preset": "D"}.get(row["kind"], "s")
            size = 13.0 if is_best else 7.0 if is_given else 5.0
            name = str(row["name"])
            if is_best and row["kind"] != "tuned":
                name = f"keep: {name}" if is_given else f"recommended: {name}"
            face = colour if row["keeps"] else "white"
            axes.plot(
                *point, marker=marker, markersize=size, color=colour, markerfacecolor=face, zorder=6
            )
            self._draw_intervals(row, point, colour)
            width = (_BOLD if is_best or is_given else _LETTER) * len(name)
            x, y, align = _free(share, width, taken)
            if abs(y - share[1]) > _LINE:  # it stands too far away to be taken for its name
                across, up = [share[0], x], [share[1], y]
                axes.plot(across, up, transform=axes.transAxes, color=_GREY, linewidth=0.6)
            look: dict[str, Any] = {"transform": axes.transAxes, "color": colour, "zorder": 7}
            look |= {"fontweight": "bold" if is_best or is_given else "normal", "fontsize": 8.5}
            halo = [withStroke(linewidth=2.5, foreground="white")]
            axes.text(x, y, name, ha=align, va="center", path_effects=halo, **look)

    def _draw_intervals(self, row: Mapping[Any, Any], point: Any, colour: str) -> None:
        """Draw the 95 % interval of each mean of a candidate, where it has an end."""
        for place, name in enumerate((self._across, self._up)):
            ends = [row.get(f"{name} {end}", inf) for end in ("low", "high")]
            if all(map(isfinite, ends)):
                both = [ends, [point[1]] * 2] if place == 0 else [[point[0]] * 2, ends]
                self._axes.plot(*both, color=colour, linewidth=1.0, alpha=0.7, zorder=5)


def _free(at: Any, width: float, taken: list[Box]) -> tuple[float, float, str]:
    """Return where a name stands beside its point, clear of what is there, and take the place."""
    best: tuple[float, float, str] | None = None
    for down in sorted(np.arange(-_FAR, _FAR + 0.5, 0.5), key=abs):
        for align, left in (("left", at[0] + 0.018), ("right", at[0] - 0.018 - width)):
            y = at[1] - down * _LINE
            box = (left, y - _LINE / 2.0, left + width, y + _LINE / 2.0)
            inside = box[0] > 0.0 and box[2] < 1.02 and box[1] > 0.0 and box[3] < 1.0
            place = (left if align == "left" else left + width, y, align)
            if inside and not any(_overlap(box, taken_box) for taken_box in taken):
                taken.append(box)
                return place
            best = best or (place if inside else None)
    return best or (float(at[0]), float(at[1]), "left")


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _labelled_candidates(tuning: Tuning) -> pd.DataFrame:
    """Return the candidates that are named: the recommended one, what was given, some rivals."""
    table = tuning.verdict.table
    # Who broke a bound at once was not played in all scenarios, and has no means.
    drawn = table.iloc[1:].dropna(subset=[objective.metric for objective in tuning.objectives])
    presets = drawn[drawn["kind"] == "preset"]
    presets = presets[presets["keeps"]] if presets["keeps"].any() else presets
    given = table.iloc[1:].query("kind == 'given'")
    report = drawn[drawn["kind"] == "report"]
    return pd.concat([table.head(1), given, report, presets.head(_NAMED)])


def _bounds_of(tuning: Tuning, metric: str) -> list[tuple[str, float]]:
    """Return the bounds of a metric that are the same in all scenarios, with their texts."""
    known = []
    for bound in tuning.bounds:
        values = {bound.bound(scenario) for scenario in tuning.scenarios}
        if bound.metric == metric and len(values) == 1:
            (value,) = values
            side = "at most" if bound.at_most else "at least"
            side = {"at most": "below", "at least": "above"}[side] if bound.strict else side
            known.append((f"bound: {side} {value:,.10g}", value))
    return known


def _finding(tuning: Tuning, metrics: Sequence[str]) -> str:
    """Return what was found in a few words: a chart's title."""
    table, verdict = tuning.verdict.table, tuning.verdict
    if verdict.sentence.startswith("No policy that was tried works"):
        return "No policy that was tried works"
    if not verdict.keeps:
        return "No policy that was tried keeps all bounds"
    if verdict.keeps_given:
        return "Keep what you have: nothing that was tried is better"
    best, given = table.iloc[0], table[table["kind"] == "given"].iloc[0]
    said = [
        change(Difference(metric, float(best[metric]), float(given[metric]))) for metric in metrics
    ]
    return "Recommended: " + ", ".join(said)


def _draw_history(tuning: Tuning, axes: Axes) -> None:
    """Draw one objective from trial to trial, and the best one so far."""
    (objective,) = tuning.objectives
    trials = tuning.trials.replace([np.inf, -np.inf], np.nan)
    values = trials[objective.metric]
    fit = (trials["outcome"] == "full") & (trials["excess"] <= 0.0)
    axes.plot(values[~fit], marker="o", linestyle="none", color=_GREY, markersize=3.0, alpha=0.6)
    axes.plot(values[fit], marker="o", linestyle="none", color=_TRIAL, markersize=4.5)
    best = values.where(fit)
    best = best.cummax() if objective.larger else best.cummin()
    axes.step(best.index, best.ffill(), where="post", color=_BEST, linewidth=1.2)
    axes.set_xlabel("trial")
    axes.set_ylabel(metric_in_words(objective.metric))
    look: dict[str, Any] = {"transform": axes.transAxes, "color": _GREY, "fontsize": 7.5}
    played = count_in_words(len(trials), "trial")
    axes.text(0.01, 0.015, f"{played}; line: the best so far", **look)
    _write_titles(axes, tuning, [objective.metric])


def _write_titles(axes: Axes, tuning: Tuning, metrics: Sequence[str]) -> None:
    first = tuning.scenarios[0]
    more = f" and {len(tuning.scenarios) - 1} more" if len(tuning.scenarios) > 1 else ""
    finding = _finding(tuning, metrics)
    write_titles(axes, finding, f"{first.name}{more}, {count_in_words(first.clients, 'client')}")


# --- on a terminal -----------------------------------------------------------------------
