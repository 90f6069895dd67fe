"""Titles of charts: the finding on top, and below it, in grey, what is drawn."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, Transform

from simlib.charts.labels import height_above_points, room_points, text_width_points

_TITLE_POINTS, _SUBTITLE_POINTS = 11.0, 9.0
_SUBTITLE_LINE_POINTS = 11.5
#: Between the finding and the subtitle.
_GAP_POINTS = 2.5
_GREY = "#555555"


def write_titles(axes: Axes, finding: str, subtitle: str = "") -> None:
    """Write what was found above the axes, and what is drawn below that.

    Both stand above the names of faults and the key, so these are written before.

    Examples
    --------
    >>> from simlib.charts.figures import new_panels
    >>> axes = new_panels(8.0, 4.5)[0]
    >>> write_titles(axes, "Everybody is back in 16 s", "time to recover")
    >>> axes.get_title(loc="left"), axes.get_title(loc="right")
    ('Everybody is back in 16 s', 'time to recover')
    """
    room = room_points(axes)
    letters = room / text_width_points("x", _TITLE_POINTS, bold=True)
    small_letters = room / text_width_points("x", _SUBTITLE_POINTS)
    title, below = _wrap(finding, letters), _wrap(subtitle, small_letters)
    lines = below.count("\n") + 1 if below else 0
    low = height_above_points(axes) + 6.0
    pad = low + _SUBTITLE_LINE_POINTS * lines + _GAP_POINTS * bool(lines)
    axes.set_title(title, loc="left", pad=pad, va="bottom")
    # Matplotlib has three titles over the axes; the right one is taken for the subtitle.
    look: dict[str, Any] = {"fontsize": _SUBTITLE_POINTS, "fontweight": "normal", "color": _GREY}
    subtitle_text = axes.set_title(below, loc="right", pad=pad, x=0.0, ha="left", va="top", **look)
    subtitle_text.set_transform(_raise_by(axes.transAxes, axes, pad - _GAP_POINTS))


def write_figure_titles(figure: Figure, finding: str, subtitle: str = "") -> None:
    """Write the finding and what is drawn above all panels of a figure."""
    width_points = 72.0 * figure.get_figwidth() * 0.97
    title = _wrap(finding, width_points / text_width_points("x", _TITLE_POINTS, bold=True))
    below = _wrap(subtitle, width_points / text_width_points("x", _SUBTITLE_POINTS))
    # Lines that are empty keep the room in which the subtitle is written.
    room = "\n" * (below.count("\n") + 1) if below else ""
    look: dict[str, Any] = {"x": 0.012, "ha": "left"}
    figure.suptitle(title + room, fontsize=_TITLE_POINTS, fontweight="bold", **look)
    down = -6.0 - 14.0 * (title.count("\n") + 1)
    place = figure.transFigure + ScaledTranslation(0.0, down / 72.0, figure.dpi_scale_trans)
    look |= {"y": 1.0, "va": "top", "fontsize": _SUBTITLE_POINTS, "color": _GREY}
    figure.text(s=below, transform=place, in_layout=False, **look)


def _raise_by(transform: Transform, axes: Axes, points: float) -> Transform:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return transform + ScaledTranslation(0.0, points / 72.0, figure.dpi_scale_trans)


def _wrap(text: str, letters: float) -> str:
    """Return a text in as few lines as it needs, all about as long: no word is left alone."""
    # A number and its unit stay together: only a space of ASCII is where a line may end.
    text = re.sub(r"(?<=\d) (?=(s|%)(\W|$))", "\N{NO-BREAK SPACE}", text)
    most = max(12, int(letters))
    lines = len(textwrap.wrap(text, most))
    least = max(12, len(text) // max(lines, 1))
    width = next((w for w in range(least, most) if len(textwrap.wrap(text, w)) <= lines), most)
    return textwrap.fill(text, width).replace("\N{NO-BREAK SPACE}", " ")
