"""What a chart of an explorer shows, as data: the page draws it, and words say it.

The kernel makes no picture: it sends curves, and the browser moves the lines that it has, in the
colours of the page's theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import floor, inf, isfinite, log10
from typing import Any

import numpy as np

from simlib.metrics.array_types import Floats
from simlib.metrics.words import format_number

#: No line has many more points.
_MOST_POINTS = 500
#: Leading digits of a limit.
_ROUND = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
#: Pinned curves begin with this colour of the palette: the first ones are taken.
_PINNED_COLOUR = 3
#: A curve stays this much below the limit.
_ROOM = 1.05


@dataclass(frozen=True)
class Series:
    """One curve: steps (each value holds up to the next x), a line, dots, or a band."""

    name: str
    x: Floats
    y: Floats
    form: str = "steps"
    #: Of a band, its lower edge.
    low: Floats | None = None
    #: Its colour, by the place of it in the palette; pinned curves keep theirs, and are dashed.
    colour: int = 0
    is_pinned: bool = False
    #: Whether it is left behind when the others are pinned: too many curves hide each other.
    is_minor: bool = False
    #: Whether its last value holds on to the end of the axis: a share that is reached stays so.
    lasts: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it with few enough points, each peak kept."""
        x, y, low = self.x, self.y, self.low
        if self.form == "steps" and y.size > _MOST_POINTS:
            x, y, low = _thin_steps(x, y, low)
        return {
            "name": self.name,
            "form": self.form,
            "x": _numbers(x),
            "y": _numbers(y),
            "low": None if low is None else _numbers(low),
            "colour": self.colour,
            "dashed": self.is_pinned,
        }


@dataclass(frozen=True)
class ChartPanel:
    """One chart: what was found, what is drawn, the axes, and the curves."""

    #: The sentence on top, without a full stop; "" if there is nothing to say.
    finding: str
    #: What is drawn.
    what: str
    x_label: str
    series: tuple[Series, ...]
    x_range: tuple[float, float]
    top: float
    is_log: bool = False
    #: Faults: from, to and name.
    shades: tuple[tuple[float, float, str], ...] = ()
    #: Limits across the chart, with their names.
    levels: tuple[tuple[float, str], ...] = ()

    @property
    def alt(self) -> str:
        """What the chart shows, in words, with its numbers."""
        peaks = "; ".join(filter(None, map(_describe_peak, self.series)))
        said = [self.finding, f"{self.what}, over {self.x_label}", peaks]
        said += [name for _, name in self.levels]
        return ". ".join(filter(None, said)) + "."

    def as_json(self) -> dict[str, Any]:
        """Return what the page draws."""
        return {
            "finding": self.finding,
            "what": self.what,
            "alt": self.alt,
            "x_label": self.x_label,
            "x_range": list(self.x_range),
            "top": self.top,
            "is_log": self.is_log,
            "series": [each.as_json() for each in self.series],
            "shades": [list(each) for each in self.shades],
            "levels": [list(each) for each in self.levels],
        }


@dataclass(frozen=True)
class ShownPicture:
    """All that an explorer draws of one run."""

    panels: tuple[ChartPanel, ...]
    #: What happened, in a few sentences.
    sentence: str
    #: What is known in numbers, by run and by metric.
    numbers: dict[str, dict[str, float]] = field(default_factory=dict)

    def beside(self, pinned: Sequence[tuple[str, ShownPicture]]) -> tuple[ChartPanel, ...]:
        """Return the panels with the curves that were pinned, each with its name."""
        return tuple(
            _with_pinned(panel, [(name, other.panels[i]) for name, other in pinned])
            for i, panel in enumerate(self.panels)
        )


def _with_pinned(panel: ChartPanel, pinned: Sequence[tuple[str, ChartPanel]]) -> ChartPanel:
    if not pinned:
        return panel
    curves = [
        replace(
            each,
            name=_join(name, each.name),
            is_pinned=True,
            colour=_PINNED_COLOUR + i + each.colour,
        )
        for i, (name, other) in enumerate(pinned)
        for each in other.series
        # Dots and bands of several policies would hide each other, too.
        if each.form in ("steps", "line") and not each.is_minor
    ]
    # A curve that stands alone has no name, and needs one beside another.
    own = [replace(each, name=each.name or "now") for each in panel.series]
    others = [other for _, other in pinned]
    first = min(each.x_range[0] for each in (panel, *others))
    last = max(each.x_range[1] for each in (panel, *others))
    return replace(
        panel,
        series=tuple(_extend(each, last) if each.lasts else each for each in (*curves, *own)),
        x_range=(first, last),
        top=max([panel.top, *(other.top for other in others)]),
    )


def _extend(series: Series, last: float) -> Series:
    return replace(series, x=np.append(series.x, last))


def _join(pinned: str, curve: str) -> str:
    return f"{curve}, {pinned}" if curve else pinned


def _describe_peak(series: Series) -> str:
    known = np.isfinite(series.y)
    # A band has no name, and its line says where its middle is.
    if series.form in ("dots", "band") or not known.any():
        return ""
    top = int(np.argmax(np.where(known, series.y, -np.inf)))
    at = f"highest {format_number(float(series.y[top]))} at {format_number(float(series.x[top]))}"
    return f"{series.name}: {at}" if series.name else at


def round_limit(values: Floats, least: float = 1.0) -> float:
    """Return the end of an axis for values from 0 on: a round number above them.

    So most steps of a slider leave the axes as they are, and a curve that moves is seen to move.

    Examples
    --------
    >>> round_limit(np.array([3.0, 252.0, np.inf])), round_limit(np.array([]))
    (300.0, 1.0)
    """
    reached = values[values < inf]
    top = _ROOM * float(reached.max()) if reached.size else 0.0
    if top < least:
        return least
    power = 10.0 ** floor(log10(top))
    return float(next(digits * power for digits in _ROUND if digits * power >= top))


def _thin_steps(x: Floats, y: Floats, low: Floats | None) -> tuple[Floats, Floats, Floats | None]:
    """Return fewer steps: of some that follow each other the highest, so that no peak is lost."""
    width = -(-y.size // _MOST_POINTS)
    begins = np.arange(0, y.size, width)
    ends = x[[*begins.tolist(), x.size - 1]] if x.size > y.size else x[begins]
    lows = None if low is None else np.minimum.reduceat(low, begins)
    return ends, np.maximum.reduceat(y, begins), lows


def _numbers(values: Floats) -> list[float | None]:
    """Return numbers for JSON, which has no infinity; six digits are more than a screen shows."""
    return [float(f"{each:.6g}") if isfinite(each) else None for each in values.tolist()]
