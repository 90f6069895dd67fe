"""Names on charts: a key above the axes, and curves that are named where they differ."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation

from simlib.metrics.array_types import Floats

#: Samples in a key.
AREA, HATCHED, LINE = "\u25a0", "\u25a7", "\u2501"
#: What stands above the axes, below the titles, is marked by this.
ABOVE = "above"
_NAME = "name"
_FONT_POINTS, _LINE_POINTS, _KEY_ROW_POINTS = 9.0, 11.5, 13.0
#: The mean width of a letter, as a share of the font's size: DejaVu Sans, and the same in bold.
_LETTER, _BOLD_LETTER = 0.57, 0.65
_NAME_CHARACTERS = 30
#: A curve's name may begin at so many places across the axes; each is looked at so often.
_COLUMNS, _SAMPLES = 48, 12
#: A name stands this far from its curve, as a share of the height of the axes.
_GAP = 0.012
#: Curves that are farther apart than this, as a share of the height, are told apart at once.
_FAR = 0.3
#: Left, bottom, right and top, as shares of the axes.
LabelBox = tuple[float, float, float, float]


class Sample(NamedTuple):
    """One entry of a key: a sample in a colour, and what it stands for."""

    colour: str
    text: str
    #: Drawn in the colour; the text is then grey. Without one, the text has the colour.
    sample: str = ""


class Curve(NamedTuple):
    """A line of steps that is drawn, and what it is called; without a name it is kept clear of."""

    x: Floats
    y: Floats
    colour: str
    text: str = ""


def text_width_points(text: str, font_points: float = _FONT_POINTS, *, bold: bool = False) -> float:
    """Return about how wide a line of text is; to measure it exactly would draw it."""
    return len(text) * font_points * (_BOLD_LETTER if bold else _LETTER)


def room_points(axes: Axes) -> float:
    """Return how wide a text above the axes may be without meeting that of a neighbour."""
    width_points = 72.0 * axes.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    place, spec = axes.get_position(), axes.get_subplotspec()
    if spec is None or spec.is_last_col():
        # Where axes will stand that are laid out later: only a first column is known to be wide.
        left = min(place.x0, 0.08) if spec is None or spec.is_first_col() else place.x0
        return float((0.99 - left) * width_points)
    return float(place.width * width_points)


def height_above_points(axes: Axes) -> float:
    """Return how much of the room above the axes is taken by names of faults and keys."""
    heights = [
        float(note.xyann[1]) + 0.8 * float(note.get_fontsize()) + 2.0
        for note in axes.texts
        if isinstance(note, Annotation) and note.get_gid() == ABOVE
    ]
    return max(heights, default=0.0)


def write_key(axes: Axes, samples: Sequence[Sample]) -> None:
    """Write a key above the axes, from left to right, in as many rows as it takes."""
    room, low = room_points(axes), height_above_points(axes) + 4.0
    rows: list[list[tuple[float, Sample]]] = [[]]
    across = 0.0
    for each in samples:
        width = 12.0 * bool(each.sample) + text_width_points(each.text) + 12.0
        if rows[-1] and across + width > room:
            rows.append([])
            across = 0.0
        rows[-1].append((across, each))
        across += width
    for row, entries in enumerate(reversed(rows)):
        for across, each in entries:
            _write_sample(axes, across, low + _KEY_ROW_POINTS * row, each)


def _write_sample(axes: Axes, across: float, up: float, entry: Sample) -> None:
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    place |= {"gid": ABOVE, "annotation_clip": False}
    colour = entry.colour
    if entry.sample:
        axes.annotate(entry.sample, (0.0, 1.0), (across, up), color=colour, fontsize=11, **place)
        colour, across = "#333333", across + 12.0
    axes.annotate(entry.text, (0.0, 1.0), (across, up), color=colour, **place)


def name_curves(axes: Axes, curves: Sequence[Curve], taken: Iterable[LabelBox] = ()) -> None:
    """Write each curve's name beside it, where it is far from the others, over no line.

    The limits of the axes must stand. Names stay inside the axes, so that a neighbour in a figure
    of the caller's is not written over.
    """
    spans = [_spans(axes, curve) for curve in curves]
    boxes = list(taken)
    for i, curve in enumerate(curves):
        if not curve.text:
            continue
        text = textwrap.fill(curve.text, _NAME_CHARACTERS)
        box = _find_place(axes, i, spans, text, boxes)
        if box is None:
            continue
        boxes.append(box)
        look: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom", "zorder": 6}
        halo = [withStroke(linewidth=2.5, foreground="white")]
        axes.text(
            box[0], box[1], text, color=curve.colour, path_effects=halo, gid=_NAME, **look
        )  # fmt: skip


def _spans(axes: Axes, curve: Curve) -> Floats:
    """Return how low and how high a curve is in each column of the axes, as shares of the height.

    NaN where the curve is not.
    """
    shares = (np.arange(_COLUMNS * _SAMPLES) + 0.5) / (_COLUMNS * _SAMPLES)
    to_axes = axes.transData + axes.transAxes.inverted()
    x = to_axes.inverted().transform(np.column_stack([shares, np.zeros_like(shares)]))[:, 0]
    places = np.searchsorted(curve.x, x, side="right") - 1
    known = (places >= 0) & (x <= curve.x[-1])
    low = axes.get_ylim()[0]  # a logarithmic axis has no 0
    heights = np.maximum(curve.y[np.maximum(places, 0)], low)
    up = to_axes.transform(np.column_stack([x, heights]))[:, 1]
    up = np.where(known, up, np.nan).reshape(_COLUMNS, _SAMPLES)
    empty = np.isnan(up).all(axis=1)
    up[empty] = 0.0
    spans = np.column_stack([np.nanmin(up, axis=1), np.nanmax(up, axis=1)])
    spans[empty] = np.nan
    return spans


def _find_place(
    axes: Axes, own: int, spans: Sequence[Floats], text: str, taken: Sequence[LabelBox]
) -> LabelBox | None:
    """Return the best place for a curve's name; None if the curve is nowhere inside the axes."""
    lines = text.splitlines()
    points = axes.bbox.width * 72.0 / axes.figure.dpi, axes.bbox.height * 72.0 / axes.figure.dpi
    width = max(map(text_width_points, lines)) / points[0]
    height = _LINE_POINTS * len(lines) / points[1]
    apart = _distances(own, spans)
    covered = _Cover(spans)
    best, least = None, np.inf
    for column in np.flatnonzero(~np.isnan(spans[own][:, 0])).tolist():
        low, high = spans[own][column].tolist()
        x = (column + 0.5) / _COLUMNS
        # Beside a peak, above the curve, to its left, below it.
        for beside, (left, bottom) in enumerate(
            (
                (x + 0.6 / _COLUMNS + 0.004, high - height),
                (x, high + _GAP),
                (x - width - 0.6 / _COLUMNS, high - height),
                (x - width / 2.0, low - _GAP - height),
            )
        ):
            box = (left, bottom, left + width, bottom + height)
            if left < 0.005 or box[2] > 0.995 or bottom < 0.005 or box[3] > 0.995:
                continue
            cost = 3.0 * (_FAR - apart[column]) - 0.4 * high + 0.02 * beside
            if cost >= least:  # what it covers can only make it worse
                continue
            cost += 20.0 * any(_overlap(box, each) for each in taken)
            cost += 8.0 * covered.measure(box) if cost < least else 0.0
            if cost < least:
                best, least = box, cost
    return best


def _distances(own: int, spans: Sequence[Floats]) -> Floats:
    """Return how far a curve is from the nearest other one in each column, at most `_FAR`."""
    distance = np.full(_COLUMNS, _FAR)
    for i, other in enumerate(spans):
        if i != own:
            apart = np.abs(spans[own][:, 1] - other[:, 1])
            distance = np.fmin(distance, np.where(np.isnan(apart), _FAR, apart))
    return distance


class _Cover:
    """How much of a box lies over curves."""

    def __init__(self, spans: Sequence[Floats]) -> None:
        # Where a curve is not, it covers nothing.
        self._low, self._high = np.nan_to_num(np.stack(spans), nan=np.inf).transpose(2, 0, 1)

    def measure(self, box: LabelBox) -> float:
        """Return the share of a box's columns in which it lies over a curve."""
        columns = slice(int(box[0] * _COLUMNS), int(np.ceil(box[2] * _COLUMNS)))
        over = (self._low[:, columns] < box[3]) & (self._high[:, columns] > box[1])
        return int(np.count_nonzero(over.any(axis=0))) / over.shape[1]


def _overlap(one: LabelBox, other: LabelBox) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
