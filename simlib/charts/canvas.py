"""The canvas of a chart: each text is measured and drawn from one picture of its letters."""

from __future__ import annotations

from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg, get_hinting_flag


class _Word(NamedTuple):
    """A text as pixels, and how large it is."""

    width: float
    height: float
    descent: float
    #: How dark each pixel is, from the top row down; it begins so many pixels beside the text.
    picture: npt.NDArray[np.uint8]
    beside: int


#: Charts that are drawn one after the other have most of their words in common: the numbers and
#: names of axes. So many are remembered, of some 2 kB each.
_MOST_REMEMBERED = 1024
_remembered: dict[tuple[Any, ...], _Word] = {}


class _ChartRenderer(RendererAgg):
    """Matplotlib's renderer, with texts that are laid out once.

    From version 3.11 on, Matplotlib lays a text out to measure it and again to draw it, then
    draws it letter by letter: most of the time that a chart takes.
    """

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self._words: dict[tuple[str, int], _Word] = {}

    def get_text_width_height_descent(
        self, s: str, prop: Any, ismath: Any
    ) -> tuple[float, float, float]:
        """Return how large a text is, in pixels."""
        if ismath or not s:
            return super().get_text_width_height_descent(s, prop, ismath)
        return self._draw_letters(s, prop)[:3]

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """Draw a text that lies or stands upright, and all others as Matplotlib does."""
        if ismath or angle not in (0.0, 90.0) or not gc.get_antialiased():
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        word = self._draw_letters(s, prop)
        # The picture's lower left corner, where y is downwards.
        if angle:
            picture = np.ascontiguousarray(np.rot90(word.picture))
            left, low = round(x + word.descent) + 1 - picture.shape[1], round(y) - word.beside
        else:
            picture, left, low = word.picture, round(x) + word.beside, round(y + word.descent) + 1
        self._renderer.draw_text_image(picture, left, low, 0, gc)

    def _draw_letters(self, text: str, font_properties: Any) -> _Word:
        key = text, hash(font_properties)
        if key not in self._words:
            self._words[key] = self._recall(text, font_properties)
        return self._words[key]

    def _recall(self, text: str, font_properties: Any) -> _Word:
        """Return a text as another chart has drawn it, with the same fonts at the same size."""
        fonts = *mpl.rcParams["font.family"], *mpl.rcParams["font.sans-serif"]
        key = text, hash(font_properties), self.dpi, get_hinting_flag(), fonts
        if key not in _remembered:
            if len(_remembered) >= _MOST_REMEMBERED:
                _remembered.clear()
            _remembered[key] = self._draw_anew(text, font_properties)
        return _remembered[key]

    def _draw_anew(self, text: str, font_properties: Any) -> _Word:
        font = self._prepare_font(font_properties)
        font.set_text(text, 0.0, flags=get_hinting_flag())
        # In 64ths of a pixel.
        width, height = font.get_width_height()
        font.draw_glyphs_to_bitmap(antialiased=True)
        picture = np.array(font.get_image(), np.uint8)
        beside = round(font.get_bitmap_offset()[0] / 64)
        return _Word(width / 64, height / 64, font.get_descent() / 64, picture, beside)


class ChartCanvas(FigureCanvasAgg):
    """The canvas that charts are drawn on, and written to PNG files from."""

    _drawn_by: _ChartRenderer | None = None

    def get_renderer(self) -> RendererAgg:
        """Return what draws the figure in its present size."""
        width, height = self.figure.bbox.size
        drawn_by, dpi = self._drawn_by, self.figure.dpi
        if drawn_by is None or (drawn_by.width, drawn_by.height, drawn_by.dpi) != (
            width,
            height,
            dpi,
        ):
            drawn_by = self._drawn_by = _ChartRenderer(width, height, dpi)
        return drawn_by
