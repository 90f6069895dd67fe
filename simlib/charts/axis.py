"""The axis of a chart: its ticks are placed and measured once each time it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, YAxis


class MeasuredAxis(Axis):
    """An axis whose ticks are placed, and its numbers measured, once while nothing moves.

    Matplotlib does both again for the axis's name, and again for each spine, which is most of what
    it takes to draw a small chart. What is overridden here for that is private to Matplotlib: a
    version that calls it something else is slower, and draws the same.
    """

    _stays = False
    _placed: Any = None
    _measured: Any = None

    @contextmanager
    def ticks_stay(self) -> Iterator[None]:
        """Place and measure the ticks at most once inside."""
        if self._stays:  # the outer one ends it
            yield
            return
        self._stays = True
        try:
            yield
        finally:
            self._stays, self._placed, self._measured = False, None, None

    def draw(self, renderer: Any) -> None:
        """Draw the axis."""
        with self.ticks_stay():
            super().draw(renderer)

    def get_tightbbox(self, renderer: Any = None, **options: Any) -> Any:
        """Return the box around the numbers and the name of the axis."""
        with self.ticks_stay():
            return super().get_tightbbox(renderer, **options)

    def reset_ticks(self) -> None:
        """Forget the ticks; there are no minor ones, unless somebody asks for them.

        Matplotlib would make one for each axis, to remember how they look.
        """
        super().reset_ticks()
        self.minorTicks: list[Any] = []

    def _update_ticks(self) -> Any:
        if not self._stays:
            return super()._update_ticks()  # type: ignore[misc]
        if self._placed is None:
            self._placed = super()._update_ticks()  # type: ignore[misc]
        return self._placed

    def _get_ticklabel_bboxes(self, ticks: Any, *others: Any) -> Any:
        if not self._stays or ticks is not self._placed:
            return super()._get_ticklabel_bboxes(ticks, *others)  # type: ignore[misc]
        if self._measured is None:
            self._measured = super()._get_ticklabel_bboxes(ticks, *others)  # type: ignore[misc]
        return self._measured


class _MeasuredXAxis(MeasuredAxis, XAxis):
    pass


class _MeasuredYAxis(MeasuredAxis, YAxis):
    pass


class AxesOfMeasured(Axes):
    """Axes that have a `MeasuredAxis` each way."""

    @contextmanager
    def ticks_stay(self) -> Iterator[None]:
        """Place and measure the ticks of both at most once inside."""
        with ExitStack() as stack:
            for axis in (self.xaxis, self.yaxis):
                if isinstance(axis, MeasuredAxis):
                    stack.enter_context(axis.ticks_stay())
            yield

    def _init_axis(self) -> None:
        # As that of Matplotlib, with other classes.
        self.xaxis = _MeasuredXAxis(self, clear=False)
        self.yaxis = _MeasuredYAxis(self, clear=False)
        for spine, axis in zip(
            ("bottom", "top", "left", "right"), [self.xaxis] * 2 + [self.yaxis] * 2, strict=True
        ):
            self.spines[spine].register_axis(axis)
