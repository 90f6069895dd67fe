"""The layout of a chart: what stands around each axes is measured once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from simlib.charts.axis import AxesOfMeasured

#: Where axes stand until the layout has been found, as shares of the figure: about as it will be.
FIRST_GUESS = {"left": 0.07, "right": 0.985, "bottom": 0.1, "top": 0.86}


class MeasuredAxes(AxesOfMeasured):
    """Axes whose surroundings (numbers, names, titles) are measured once in each layout.

    Matplotlib measures them twice, since the numbers of an axis may become shorter as it becomes
    longer. From the first guess on, axes change by so little that they do not.
    """

    _in_layout = False
    _around: tuple[float, float, float, float] | None = None

    def set_in_layout_now(self, *, now: bool) -> None:
        """Begin, or end, a layout: what has been measured holds for one."""
        self._in_layout, self._around = now, None

    def get_default_bbox_extra_artists(self) -> list[Artist]:
        """Return what may stick out of the axes: texts that are not cut off."""
        return [each for each in super().get_default_bbox_extra_artists() if _sticks_out(each)]

    def get_tightbbox(self, renderer: Any = None, **options: Any) -> Any:
        """Return the box around all that belongs to the axes."""
        inside = self.get_window_extent(renderer)
        if self._in_layout and self._around is not None:
            left, bottom, right, top = self._around
            return Bbox.from_extents(
                inside.x0 - left, inside.y0 - bottom, inside.x1 + right, inside.y1 + top
            )
        with self.ticks_stay():
            box = super().get_tightbbox(renderer, **options)
        if self._in_layout and box is not None:
            self._around = (
                inside.x0 - box.x0, inside.y0 - box.y0, box.x1 - inside.x1, box.y1 - inside.y1
            )  # fmt: skip
        return box


class ChartLayout(ConstrainedLayoutEngine):
    """Matplotlib's constrained layout, with `MeasuredAxes` measured once."""

    def execute(self, fig: Figure) -> None:
        """Place the axes of a figure so that nothing is written over another thing."""
        measured: Sequence[MeasuredAxes] = [
            axes for axes in fig.axes if isinstance(axes, MeasuredAxes)
        ]
        for axes in measured:
            axes.set_in_layout_now(now=True)
        try:
            super().execute(fig)
        finally:
            for axes in measured:
                axes.set_in_layout_now(now=False)


@contextmanager
def lay_out_once(figure: Figure, dpi: float) -> Iterator[None]:
    """Place a figure's axes now, to be written inside.

    With a layout of its own, Matplotlib draws a figure twice to write it: the first time for that.
    """
    engine, dpi_before = figure.get_layout_engine(), figure.dpi
    figure.set_dpi(dpi)
    if engine is not None:
        engine.execute(figure)
    # Asked for "none" it would get one that does nothing, and be drawn twice all the same.
    with mpl.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)
        figure.set_dpi(dpi_before)


def _sticks_out(artist: Artist) -> bool:
    # An annotation says that it is clipped, but has nothing that clips it.
    is_cut = artist.get_clip_on() and (artist.get_clip_box() or artist.get_clip_path()) is not None
    return isinstance(artist, Text | Legend) and not is_cut
