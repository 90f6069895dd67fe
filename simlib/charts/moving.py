"""The explorer's charts: their axes are drawn once, and then only what a run changes on them.

A figure from nothing takes a third of a second, nearly all of which goes into texts. So the axes
with their titles and numbers lie in a background, which a frame begins with (as in Matplotlib's
blitting); what a run shows is drawn on it, by the plots that everybody calls. Limits are round
numbers, so that most steps of a slider leave them, and a curve that moves is seen to move.
"""

from __future__ import annotations

from enum import Enum
from io import BytesIO
from math import floor, inf, log10
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from PIL import Image

from simlib.charts import plots
from simlib.charts.style import style
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.trace.trace import Trace

_SIZE_IN, _DOTS_PER_INCH = (11.0, 4.0), 90
#: So many lines are kept for a finding: a longer one would move the axes.
_TITLE_LINES = 3
#: Beside the right axes there is room for the name of a curve, whether it has one or not.
_WIDTH_FRACTION = 0.87
#: Leading digits of a limit.
_ROUND = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
#: A curve stays this much below the limit.
_ROOM = 1.02


#: Limits whose axes are kept as they were drawn.
_MOST_GROUNDS = 16


class _Layer(Enum):
    """What is drawn when: at first, when a limit moves, for each run."""

    STEADY = 0
    LIMITS = 1
    RUN = 2


class MovingCharts:
    """Attempts and times to recover of one run after the other, on the same axes."""

    def __init__(self) -> None:
        with style():
            self._figure = Figure(figsize=_SIZE_IN, dpi=_DOTS_PER_INCH)
            self._canvas = FigureCanvasAgg(self._figure)
            self._axes = self._figure.subplots(1, 2)
        #: Of each axes, the axis that the runs of one scenario leave as it is.
        self._steady = (self._axes[0].xaxis, self._axes[1].yaxis)
        #: Whatever depends on no limit that a run moves; and with the axes of recent limits on it.
        self._ground: Any = None
        self._grounds: dict[tuple[Any, ...], Any] = {}
        self._seen: tuple[Any, ...] = ()

    def png(self, trace: Trace) -> bytes:
        """Return the charts of a run as a PNG."""
        with style():
            self._plot(trace)
            if self._seen != (seen := self._look()):
                self._place()
                self._plot(trace)  # names and titles stand where there is room for them now
                self._ground, self._grounds, self._seen = self._draw_ground(), {}, seen
            self._draw()
        size, pixels = self._canvas.get_width_height(), self._canvas.buffer_rgba()
        picture = Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1).convert("RGB")
        file = BytesIO()
        # To compress it well would take longer than to send it.
        picture.save(file, "png", compress_level=1)
        return file.getvalue()

    def _plot(self, trace: Trace) -> None:
        """Have the plots drawn on the axes, whose limits are round numbers."""
        left, right = self._axes
        for axes in self._axes:
            _wipe(axes)
        left.set_xlim(0.0, trace.end_s)
        left.set_ylim(0.0, _limit(attempts_per_s(trace)))
        right.set_xlim(0.0, _limit(recovery_times_s(trace)))
        plots.attempts(trace, left)
        plots.recovery(trace, right)
        for axes in self._axes:
            _keep_lines(axes)

    def _look(self) -> tuple[Any, ...]:
        """Return what the places of the axes depend on, and what lies in the background."""
        left, right = self._axes
        return (*map(_room_of, self._axes), left.get_xlim(), right.get_ylim())

    def _draw(self) -> None:
        left, right = self._axes
        limits = left.get_ylim(), right.get_xlim()
        if limits not in self._grounds:
            self._canvas.restore_region(self._ground)
            self._draw_artists(_Layer.LIMITS)
            self._grounds = dict(list(self._grounds.items())[1 - _MOST_GROUNDS :])
            self._grounds[limits] = self._canvas.copy_from_bbox(self._figure.bbox)
        self._canvas.restore_region(self._grounds[limits])
        self._draw_artists(_Layer.RUN)

    def _place(self) -> None:
        """Work out where the axes lie in the figure."""
        for axes in self._axes:
            for text in axes.texts:
                text.set_in_layout(False)
        self._figure.set_layout_engine("constrained", rect=(0.0, 0.0, _WIDTH_FRACTION, 1.0))
        self._figure.draw_without_rendering()
        self._figure.set_layout_engine("none")

    def _draw_ground(self) -> Any:
        renderer = self._canvas.get_renderer()
        renderer.clear()
        self._figure.patch.draw(renderer)
        self._draw_artists(_Layer.STEADY)
        return self._canvas.copy_from_bbox(self._figure.bbox)

    def _draw_artists(self, layer: _Layer) -> None:
        renderer = self._canvas.get_renderer()
        for axes, steady in zip(self._axes, self._steady, strict=True):
            for artist in _artists(axes, steady)[layer]:
                artist.draw(renderer)


def _artists(axes: Axes, steady: Artist) -> dict[_Layer, list[Artist]]:
    """Return what is drawn in each layer, from the lowest up."""
    artists = sorted(axes.get_children(), key=lambda artist: artist.get_zorder())
    artists.remove(axes.patch)
    of_run = {*axes.lines, *axes.patches, *axes.texts, *axes.spines.values(), *_titles_of(axes)}
    return {
        _Layer.STEADY: [axes.patch, steady],
        _Layer.LIMITS: [
            artist for artist in artists if artist not in of_run and artist is not steady
        ],
        _Layer.RUN: [artist for artist in artists if artist in of_run],
    }


def _wipe(axes: Axes) -> None:
    """Take off what a plot has drawn."""
    if _is_empty(axes):
        axes.clear()
    for artist in (*axes.lines, *axes.patches, *axes.texts):
        artist.remove()


def _is_empty(axes: Axes) -> bool:
    """Whether a plot has found nothing to draw, and taken off the ticks."""
    return isinstance(axes.xaxis.get_major_locator(), FixedLocator)


def _limit(values: Floats) -> float:
    """Return the end of an axis for values from 0 on: a round number above them.

    Examples
    --------
    >>> import numpy as np
    >>> _limit(np.array([3.0, 252.0, np.inf])), _limit(np.array([]))
    (300.0, 1.0)
    """
    reached = values[values < inf]
    top = _ROOM * float(reached.max()) if reached.size else 0.0
    if top == 0.0:
        return 1.0
    power = 10.0 ** floor(log10(top))
    return float(next(digits * power for digits in _ROUND if digits * power >= top))


def _room_of(axes: Axes) -> tuple[Any, ...]:
    """Return what the places of the axes depend on: how much room the texts around them take."""
    top, title = (t.transform((0.0, 1.0))[1] for t in (axes.transAxes, axes.title.get_transform()))
    digits = len(f"{axes.get_ylim()[1]:,.0f}")
    return axes.get_xlabel(), axes.get_ylabel(), round(title - top), digits, _is_empty(axes)


def _titles_of(axes: Axes) -> list[Text]:
    """Return the titles: they say what a run shows, so they change with each."""
    return [
        child
        for child in axes.get_children()
        if isinstance(child, Text) and child not in axes.texts
    ]


def _keep_lines(axes: Axes) -> None:
    """Give the title as many lines as it may ever have, so that no run moves the axes."""
    for title in _titles_of(axes):
        if title.get_text() == axes.get_title(loc="left") != "":
            title.set_text(
                "\n" * (_TITLE_LINES - 1 - title.get_text().count("\n")) + title.get_text()
            )
