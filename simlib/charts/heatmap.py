"""A sweep as a line chart of one setting, or a heat map of two."""

from __future__ import annotations

import os
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, save_figure
from simlib.charts.style import dress, new_axes, style
from simlib.charts.titles import write_titles
from simlib.core.errors import SettingsError
from simlib.experiments.sweep import Sweep
from simlib.metrics.words import (
    format_number,
    metric_in_words,
    plus_minus,
    say_setting,
    words_and_unit,
)

_GREY, _NEVER = "#555555", "#DDDDDD"
#: What is said of settings with which no client connects in some run.
_DEAD = "nobody connects"
#: Colours are by factors if the largest mean is so many times the least.
_WIDE = 10.0
#: Means within this factor hardly differ.
_ALIKE = 1.1
#: Readable by the colour-blind, and in print.
_COLOURS = "cividis"


def heat(sweep_result: Sweep, metric: str, axes: Axes | None = None) -> Axes:
    """Draw the mean of a metric over the settings of a sweep.

    Parameters
    ----------
    sweep_result : Sweep
        A sweep of one or two settings.
    metric : str
        A column of `summary`.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Of two settings a map: the first one up, the second across, each mean written in its cell;
        grey where it is infinite, dark grey where nobody connects. Of one a line with the means'
        95 % intervals, and a cross at the top where it is infinite or nobody connects.

    Raises
    ------
    SettingsError
        If the sweep has more than two settings, or there is no such metric.

    Examples
    --------
    >>> from simlib.scenario.scenario import Scenario
    >>> from simlib.experiments.sweep import sweep
    >>> table = sweep(Scenario(duration_s=2), {"clients": [1, 3]}, 2, workers=1)
    >>> heat(table, "attempts").get_xlabel()
    'clients'
    """
    if len(sweep_result.grid) > 2:
        rule = "has more than two settings: a map shows two, so fix the others"
        raise SettingsError("grid", list(sweep_result.grid), rule)
    means = sweep_result.means(metric)
    with style():
        if axes is None:
            axes = new_axes()[0]
        else:
            dress(axes)
        is_map = len(sweep_result.grid) == 2
        (_map if is_map else _line)(axes, sweep_result, means, metric)
        dead = np.array(sweep_result.nobody_connects())
        found = find_extremes(means[~dead], list(sweep_result.grid), metric)
        words = [metric_in_words(metric)] * bool(found)
        words += [sweep_result.scenario.name, f"{int(means['runs'].max())} runs each"]
        words += ["dark is low; with half of the 95 % interval"] * is_map
        write_titles(axes, found or metric_in_words(metric), ", ".join(words))
    return axes


def find_extremes(means: pd.DataFrame, keys: list[str], metric: str) -> str:
    """Return where a metric is lowest and where it is highest; "" if it is the same everywhere.

    Examples
    --------
    >>> means = pd.DataFrame({"client.backoff.cap_s": [5, 30], "attempts": [900.0, 400.0]})
    >>> find_extremes(means, ["client.backoff.cap_s"], "attempts")
    'Attempts: 400 with cap_s 30, 900 with cap_s 5'
    """
    known = means[means[metric].notna()]
    if len(known) < 2 or known[metric].min() == known[metric].max():
        return ""
    words, unit = words_and_unit(metric)
    ends = []
    for place in (known[metric].argmin(), known[metric].argmax()):
        row = known.iloc[int(place)]
        value = float(row[metric])
        shown = "never" if value == np.inf else f"{format_number(value)} {unit}".rstrip()
        settings = [f"{key.rpartition('.')[2]} {say_setting(row[key])}" for key in keys]
        ends.append(f"{shown} with {', '.join(settings)}")
    return f"{words.capitalize()}: {', '.join(ends)}"


def save_heat(sweep_result: Sweep, metric: str, folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    path = Path(folder) / f"{metric}.png"
    with style():
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN))
        heat(sweep_result, metric, figure.subplots())
        return save_figure(figure, path)


def _map(axes: Axes, sweep_result: Sweep, means: pd.DataFrame, metric: str) -> None:
    (up, ups), (across, acrosses) = sweep_result.grid.items()
    table = np.full((len(ups), len(acrosses)), np.nan)
    shown_as = np.full(table.shape, "", object)
    dead = np.zeros(table.shape, bool)
    for (_, row), is_dead in zip(means.iterrows(), sweep_result.nobody_connects(), strict=True):
        place = _place(ups, row[up]), _place(acrosses, row[across])
        # Whatever its numbers: to trouble nobody is no merit of it.
        table[place], dead[place] = nan if is_dead else row[metric], is_dead
        shown_as[place] = plus_minus(row, metric).removesuffix(" \N{PLUS-MINUS SIGN}0")
    finite = table[np.isfinite(table)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if high <= _ALIKE * low:
        # Values that hardly differ have hardly different colours, and none glares.
        low, high = low / _ALIKE**2, high * _ALIKE**2
    by_factors = low > 0.0 and high > _WIDE * low
    norm: Normalize = LogNorm(low, high) if by_factors else Normalize(low, high)
    colours = colormaps[_COLOURS].with_extremes(bad=_NEVER)
    axes.grid(visible=False)
    shown = np.ma.masked_where(~np.isfinite(table), table)
    axes.imshow(shown, cmap=colours, norm=norm, aspect="auto", origin="lower")
    for (i, j), value in np.ndenumerate(table):
        is_dark = isfinite(value) and norm(value) < 0.5
        text = (
            "never"
            if value == np.inf
            else "no data"
            if isnan(value)
            else str(shown_as[i, j]).replace(" ", "\n", 1)
        )
        if dead[i, j]:
            text, is_dark = _DEAD.replace(" ", "\n"), True
            axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1.0, 1.0, color=_GREY, linewidth=0))
        axes.text(j, i, text, ha="center", va="center", color="white" if is_dark else "black")
    axes.set_xticks(range(len(acrosses)), [say_setting(across) for across in acrosses])
    axes.set_yticks(range(len(ups)), [say_setting(up) for up in ups])
    axes.tick_params(length=0)
    axes.set(xlabel=across, ylabel=up)


def _line(axes: Axes, sweep_result: Sweep, means: pd.DataFrame, metric: str) -> None:
    ((key, values),) = sweep_result.grid.items()
    dead = np.array(sweep_result.nobody_connects())
    never = np.isinf(means[metric].to_numpy(float)) & ~dead
    means = means.assign(**{metric: means[metric].mask(dead)}).replace([np.inf, -np.inf], np.nan)
    places = np.array([_place(values, mean) for mean in means[key]], float)
    numbers = all(isinstance(value, int | float) for value in values)
    x = means[key].to_numpy(float) if numbers else places
    low, high = (means[f"{metric}{end}"].fillna(means[metric]) for end in (" low", " high"))
    errors = np.vstack([means[metric] - low, high - means[metric]])
    axes.errorbar(x, means[metric], errors, marker="o", color=OTHER_COLOURS[0], capsize=3.0)
    if not numbers:
        axes.set_xticks(range(len(values)), [say_setting(value) for value in values])
    axes.set(xlabel=key, ylabel=metric_in_words(metric))
    axes.set_ylim(bottom=0.0)
    for places_x, said in ((x[never], "never"), (x[dead], _DEAD)):
        # At the top edge: they have no height.
        for place in places_x:
            top: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": _GREY}
            axes.plot(place, 0.97, marker="x", **top)
            axes.text(place, 0.93, said.replace(" ", "\n"), ha="center", va="top", **top)


def _place(values: list[Any], value: Any) -> int:
    return next(i for i, listed in enumerate(values) if listed == value)
