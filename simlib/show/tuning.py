"""A tuning as a chart, trials and candidates by their objectives, and as words for a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from simlib.files import replacing
from simlib.show.colours import OTHER_COLOURS
from simlib.show.marks import new_axes, style
from simlib.show.terminal import in_words, plus_minus
from simlib.study.review import listed
from simlib.study.tuning import Tuning

_TRIAL, _BEST, _GREY, _RIVAL = OTHER_COLOURS[0], "#D55E00", "#888888", "#333333"
_WIDTH_IN, _PANEL_IN = 8.0, 4.4
#: Named on the chart beside the recommended one: so many presets, those that keep the bounds first.
_NAMED = 5
#: A name is about so high, and a letter so wide, as a share of the axes.
_LINE, _LETTER = 0.045, 0.0115
#: What marks mean stands in the lower left corner; so much room is left for it below the points.
_KEY, _ROOM = (0.0, 0.0, 0.5, 0.04), 0.1
#: Axes are by factors if the largest is so many times the least.
_WIDE = 5.0


def tuning_chart(found: Tuning, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw trials by their objectives, the Pareto front, and how others stand.

    Parameters
    ----------
    found : Tuning
        What `tune` returned.
    axes : sequence of Axes, optional
        Where to draw, one panel for each objective after the first; a new figure by default.

    Returns
    -------
    list of Axes
        The first objective across, another one up; with one objective, trials across. Dots are
        trials on tuning seeds, hollow if a bound is broken, small if discarded. What has a name is
        drawn as fresh seeds have it. At the right edge is what never ends.

    Examples
    --------
    >>> sl.tuning_chart(sl.tune(scenario))  # doctest: +SKIP
    """
    with style():
        count = max(1, len(found.objectives) - 1)
        panels = new_axes(_PANEL_IN * count, count) if axes is None else list(axes)
        first, *others = [each.metric for each in found.objectives]
        if not others:
            _draw_history(found, panels[0])
        for metric, panel in zip(others, panels, strict=False):
            _Panel(found, first, metric, panel).draw()
    return panels


def save_tuning_chart(found: Tuning, folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    path = Path(folder) / "tuning.png"
    with style():
        count = max(1, len(found.objectives) - 1)
        figure = Figure(figsize=(_WIDTH_IN, _PANEL_IN * count))
        tuning_chart(found, list(figure.subplots(count, squeeze=False).flat))
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
    return path


class _Panel:
    """Two objectives against each other."""

    def __init__(self, found: Tuning, across: str, up: str, axes: Axes) -> None:
        self._found, self._across, self._up, self._axes = found, across, up, axes
        self._named = _named(found)
        everything = pd.concat([found.trials[[across, up]], self._named[[across, up]]])
        self._ends = {}
        for name in (across, up):
            values = everything[name].to_numpy(float)
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
        """Return where rows are drawn: what has no end stands at the edge."""

        def places(name: str) -> Any:
            return np.where(np.isfinite(table[name]), table[name], self._ends[name])

        return places(self._across), places(self._up)

    def draw(self) -> None:
        axes, trials = self._axes, self._found.trials
        axes.grid(visible=True, axis="both")
        discarded = trials[trials["outcome"] == "discarded"]
        full = trials[trials["outcome"] == "full"]
        kept, broken = full[full["excess"] <= 0.0], full[full["excess"] > 0.0]
        look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgewidth": 0.8}
        axes.plot(*self._points(discarded), color=_GREY, markersize=2.5, alpha=0.5, **look)
        axes.plot(*self._points(broken), color=_TRIAL, markersize=4.5, fillstyle="none", **look)
        axes.plot(*self._points(kept), color=_TRIAL, markersize=4.5, alpha=0.8, **look)
        x, y = self._points(self._found.front)
        order = np.argsort(x, kind="stable")
        axes.plot(
            x[order], y[order], color=_TRIAL, linewidth=1.0, alpha=0.6, drawstyle="steps-post"
        )
        for name in (self._across, self._up):
            self._mark_end(name)
        self._draw_named(kept)
        axes.set_xlabel(in_words(self._across))
        axes.set_ylabel(in_words(self._up))
        axes.set_title(f"{len(trials):,} trials, {len(self._found.front)} on the front", loc="left")
        _subtitle(axes, self._found)
        key = "filled: keeps the bounds     hollow: does not     small: discarded early"
        axes.text(0.01, 0.015, key, transform=axes.transAxes, color=_GREY, fontsize=7.5)

    def _mark_end(self, name: str) -> None:
        """Say what stands at an edge, if anything does."""
        shown = pd.concat([self._found.trials[name], self._named[name]])
        if not np.isinf(shown).any():
            return
        place: dict[str, Any] = {"color": _GREY, "fontsize": 8, "va": "bottom"}
        line: dict[str, Any] = {"color": _GREY, "linewidth": 0.8, "linestyle": ":", "zorder": 0}
        if name == self._across:
            self._axes.axvline(self._ends[name], **line)
            across = self._axes.get_xaxis_transform()
            place |= {"va": "top", "rotation": 90}
            self._axes.text(self._ends[name], 0.99, "never ", ha="right", transform=across, **place)
        else:
            self._axes.axhline(self._ends[name], **line)
            along = self._axes.get_yaxis_transform()
            self._axes.text(0.01, self._ends[name], "never", transform=along, **place)

    def _draw_named(self, kept: pd.DataFrame) -> None:
        """Draw candidates, their names clear of each other and of the trials that matter."""
        axes = self._axes
        points = np.column_stack(self._points(self._named))
        to_share = axes.transData + axes.transAxes.inverted()
        shares = to_share.transform(points)
        taken: list[tuple[float, float, float, float]] = [
            (x - 0.01, y - 0.015, x + 0.01, y + 0.015)
            for x, y in [*shares, *to_share.transform(np.column_stack(self._points(kept)))]
        ]
        taken.append(_KEY)
        for (_, row), point, share in zip(self._named.iterrows(), points, shares, strict=True):
            is_best = row["name"] == "recommended"
            colour = _BEST if is_best else _RIVAL
            marker = {"tuned": "*", "preset": "D"}.get(row["kind"], "s")
            size = 13.0 if is_best else 5.0
            face = colour if row["keeps"] else "white"
            axes.plot(
                *point, marker=marker, markersize=size, color=colour, markerfacecolor=face, zorder=6
            )
            x, y, align = _free(share, str(row["name"]), taken)
            if abs(y - share[1]) > _LINE:  # it stands too far away to be taken for its name
                across, up = [share[0], x], [share[1], y]
                axes.plot(across, up, transform=axes.transAxes, color=_GREY, linewidth=0.6)
            axes.text(
                x,
                y,
                str(row["name"]),
                transform=axes.transAxes,
                ha=align,
                va="center",
                color=colour,
                fontsize=8.5,
                fontweight="bold" if is_best else "normal",
                zorder=7,
            )


def _free(
    at: Any, text: str, taken: list[tuple[float, float, float, float]]
) -> tuple[float, float, str]:
    """Return where a name stands beside its point, clear of what is there, and take the place."""
    width = _LETTER * len(text)
    best: tuple[float, float, str] | None = None
    for down in (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0):
        for align, left in (("left", at[0] + 0.018), ("right", at[0] - 0.018 - width)):
            y = at[1] - down * _LINE
            box = (left, y - _LINE / 2.0, left + width, y + _LINE / 2.0)
            inside = box[0] > 0.0 and box[2] < 1.02 and box[1] > 0.0 and box[3] < 1.0
            place = (left if align == "left" else left + width, y, align)
            if inside and not any(_overlap(box, each) for each in taken):
                taken.append(box)
                return place
            best = best or (place if inside else None)
    return best or (float(at[0]), float(at[1]), "left")


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _named(found: Tuning) -> pd.DataFrame:
    """Return the candidates that are named: the recommended one, what was given, some rivals."""
    table = found.verdict.table
    presets = table[table["kind"] == "preset"]
    presets = presets[presets["keeps"]] if presets["keeps"].any() else presets
    others = table[table["kind"].isin(["given", "report"])]
    return pd.concat([table.head(1), others, presets.head(_NAMED)])


def _draw_history(found: Tuning, axes: Axes) -> None:
    """Draw one objective from trial to trial, and the best one so far."""
    (objective,) = found.objectives
    trials = found.trials.replace([np.inf, -np.inf], np.nan)
    values = trials[objective.metric]
    fit = (trials["outcome"] == "full") & (trials["excess"] <= 0.0)
    axes.plot(values[~fit], marker="o", linestyle="none", color=_GREY, markersize=3.0, alpha=0.6)
    axes.plot(values[fit], marker="o", linestyle="none", color=_TRIAL, markersize=4.5)
    best = values.where(fit)
    best = best.cummax() if objective.larger else best.cummin()
    axes.step(best.index, best.ffill(), where="post", color=_BEST, linewidth=1.2)
    axes.set_xlabel("trial")
    axes.set_ylabel(in_words(objective.metric))
    axes.set_title(f"{len(trials):,} trials, the best so far", loc="left")
    _subtitle(axes, found)


def _subtitle(axes: Axes, found: Tuning) -> None:
    first = found.scenarios[0]
    more = f" and {len(found.scenarios) - 1} more" if len(found.scenarios) > 1 else ""
    look: dict[str, Any] = {"fontsize": 9, "fontweight": "normal", "color": _GREY}
    axes.set_title(f"{first.name}{more}, {first.clients:,} clients", loc="right", **look)


# --- on a terminal -----------------------------------------------------------------------


def tuning_in_words(found: Tuning) -> Group:
    """Return what was found for a terminal: the sentences, the candidates, the limits."""
    counts = found.trials["outcome"].value_counts()
    told = {"full": "under all seeds", "discarded": "discarded early", "refused": "could not be"}
    played = listed([f"{counts[name]} {words}" for name, words in told.items() if name in counts])
    first, *others = (each.name for each in found.scenarios)
    scenarios = ", ".join([first, *(each.removeprefix(f"{first}, ") for each in others)])
    head = Text.assemble(
        (found.scenarios[0].name, "bold"), f" on {found.on}: {len(found.trials)} trials, {played}"
    )
    parts: list[Any] = [head, f"Scenarios: {scenarios}", "", Text(found.sentence), ""]
    parts += [_candidates(found), "", _legend(found)]
    unplayed = found.verdict.unplayed
    if unplayed:
        parts.append(f"Not played: {', '.join(unplayed)}.")
    return Group(*parts)


def _candidates(found: Tuning) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", expand=True)
    table.add_column("policy", ratio=1)
    for objective in found.objectives:
        table.add_column(in_words(objective.metric), justify="right", max_width=18)
    if found.bounds:
        table.add_column("bounds", no_wrap=True)
    shown = pd.concat([found.verdict.table.query("kind == 'tuned'"), _named(found).iloc[1:]])
    for _, row in shown.iterrows():
        cells: list[Any] = [
            Group(Text(str(row["name"])), Padding(Text(row["waits"], "dim"), (0, 0, 0, 2)))
        ]
        cells += [plus_minus(row, each.metric) for each in found.objectives]
        if found.bounds:
            cells.append(Text("kept", "green") if row["keeps"] else Text("broken", "red"))
        table.add_row(*cells)
    return table


def _legend(found: Tuning) -> str:
    bounds = f" Bounds: {'; '.join(each.text for each in found.bounds)}." if found.bounds else ""
    seeds = int(found.verdict.table["replications"].iloc[0])
    return (
        f"Means over {len(found.scenarios)} scenarios and {seeds} fresh seeds, with half of the "
        f"95 % interval; who was surely worse was played under fewer.{bounds}"
    )
