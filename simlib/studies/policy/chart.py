"""Policies as small multiples of their waits."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import Panels, new_panels, save_figure
from simlib.charts.style import style
from simlib.core.backoff import Backoff
from simlib.studies.policy.benchmark import waits_s

_COLOUR, _GREY, _END = OTHER_COLOURS[0], "#555555", "#D55E00"
_WIDTH_IN, _PANEL_IN = 10.0, 1.9
_ATTEMPTS = 12
#: Shorter waits are drawn here: a log axis has no 0.
_LEAST_S = 0.002


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
    with style():
        panels = _grid(len(known)) if axes is None else axes
        waits = [waits_s(rules, _ATTEMPTS) for rules in known.values()]
        longest_s = max(float(np.nan_to_num(each, nan=1.0).max()) for each in waits)
        for (name, rules), each, panel in zip(known.items(), waits, panels, strict=True):
            _draw(panel, name, rules, each, longest_s)
    return panels


def _grid(count: int) -> Panels:
    columns = min(count, 4)
    rows = ceil(count / columns)
    size_in = (max(4.5, _WIDTH_IN * columns / 4), 0.6 + _PANEL_IN * rows)
    panels = new_panels(*size_in, rows, columns, sharex=True, sharey=True)
    for empty in panels[count:]:
        empty.set_axis_off()
    for i, panel in enumerate(panels[:count]):
        if i >= count - columns:
            panel.set_xlabel("attempts in a row")
            panel.tick_params(labelbottom=True)
        if i % columns == 0:
            panel.set_ylabel("wait, s")
    return Panels(panels[:count])


def _draw(axes: Axes, name: str, rules: Backoff, waits: Any, longest_s: float) -> None:
    count = waits.shape[1]
    # Each wait is as wide as an attempt.
    x = np.repeat(np.arange(count + 1) + 0.5, 2)[1:-1]
    least, low, median, high, most = np.maximum(np.repeat(waits, 2, axis=1), _LEAST_S)
    axes.set_yscale("log")
    axes.set(xlim=(0.5, count + 0.5), ylim=(_LEAST_S / 1.6, longest_s * 2.0))
    axes.yaxis.set_major_locator(FixedLocator([_LEAST_S, *(10.0**k for k in range(-2, 7))]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda s, _: "0" if s <= _LEAST_S else f"{s:,.10g}")
    )
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=0)
    axes.xaxis.set_major_locator(FixedLocator([1, 4, 8, 12]))
    axes.fill_between(x, least, most, color=_COLOUR, alpha=0.2, lw=0)
    axes.fill_between(x, low, high, color=_COLOUR, alpha=0.35, lw=0)
    axes.plot(x, median, color=_COLOUR, linewidth=1.5)
    if rules.max_attempts < count:
        last = int(rules.max_attempts)
        height = median[2 * last - 1] if last else 1.0
        axes.plot(last + 0.5, height, marker="x", color=_END, clip_on=False)
        look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 7.5}
        axes.annotate("gives up", (last + 0.5, height), (6, 0), color=_END, **look)
    words = textwrap.fill(rules.in_words, 46)
    axes.set_title(name, loc="left", fontsize=9, pad=4.0 + 9.0 * (words.count("\n") + 1))
    axes.annotate(words, (0.0, 1.0), (0, 3), xycoords="axes fraction", color=_GREY,
                  textcoords="offset points", fontsize=6.5, va="bottom")  # fmt: skip


def save_policies_chart(known: Mapping[str, Backoff], folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    path = Path(folder) / "waits.png"
    with style():
        figure = policies_chart(known)[0].get_figure()
        assert isinstance(figure, Figure)
        return save_figure(figure, path)


# --- on a terminal -----------------------------------------------------------------------
