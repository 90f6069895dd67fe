"""Figures for notebooks and files, with a description for readers who cannot see them."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable
from io import BytesIO, StringIO
from pathlib import Path
from struct import unpack
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from simlib.charts.canvas import ChartCanvas
from simlib.charts.layout import FIRST_GUESS, ChartLayout, MeasuredAxes, lay_out_once
from simlib.support.files import replacing

#: A chart is 1280 by 720 pixels at `FILE_DPI`, as a slide or a screen is.
WIDTH_IN, HEIGHT_IN, FILE_DPI = 9.6, 5.4, 400 / 3
#: A notebook shows this many pixels per inch, which fills its column; drawn at more than that, so
#: that it stays sharp.
_SHOWN_DPI, _DRAWN_DPI = 114, 200
#: An SVG counts in points, whatever it is asked for.
_SVG_DPI = 72.0
#: What stands on an axis of names, such as a row of dots, is marked by this: its label says all.
LABELLED = "labelled"
#: A description names no more of a chart's texts: a map has one in each cell.
_MOST_TEXTS = 12
#: What each kind of file would hold that differs from day to day, or from machine to machine.
_NO_METADATA = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


class Chart(Figure):
    """A figure that a notebook shows as a picture with a description.

    The methods that IPython looks for are the figure's own, so a picture needs neither pyplot nor
    its inline backend.
    """

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=_DRAWN_DPI, bbox_inches="tight")
        return picture.getvalue()

    def _repr_html_(self) -> str:
        return self._page(self._repr_png_())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return both at once, which IPython asks first: the picture is drawn once."""
        picture = self._repr_png_()
        return {"image/png": picture, "text/html": self._page(picture)}

    def _page(self, picture: bytes) -> str:
        if "inline" in plt.get_backend():
            plt.close(self)  # or the inline backend would show it a second time
        width = round(_pixels_across(picture) * _SHOWN_DPI / _DRAWN_DPI)
        source = f"data:image/png;base64,{b64encode(picture).decode()}"
        alt = html.escape(describe(self), quote=True)
        look = "max-width: 100%; height: auto"
        return f'<img src="{source}" alt="{alt}" width="{width}" style="{look}">'

    def __repr__(self) -> str:
        return f"<Chart: {describe(self)}>"


class ChartAxes(MeasuredAxes):
    """Axes of a chart: as the last value of a notebook's cell they show their figure."""

    def _repr_png_(self) -> bytes | None:
        return _show(self)._repr_png_()

    def _repr_html_(self) -> str | None:
        return _show(self)._repr_html_()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return _show(self)._repr_mimebundle_()


class Panels(list[Axes]):
    """The axes of a chart of several panels: in a notebook they show their figure."""

    def _repr_png_(self) -> bytes | None:
        return _show(self[0])._repr_png_() if self else None

    def _repr_html_(self) -> str | None:
        return _show(self[0])._repr_html_() if self else None

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return _show(self[0])._repr_mimebundle_() if self else {}


def _show(axes: Axes) -> Chart:
    chart = axes.get_figure(root=True)
    assert isinstance(chart, Chart)
    return chart


def new_panels(
    width_in: float, height_in: float, rows: int = 1, columns: int = 1, **shared: Any
) -> Panels:
    """Return the axes of a new chart, row by row.

    Where figures have windows, or a notebook shows them after the cell, pyplot keeps the figure.
    """
    look: dict[str, Any] = {"figsize": (width_in, height_in), "layout": ChartLayout()}
    silent = backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)
    # Nobody would ever be shown it; pyplot would only keep it alive.
    quiet = plt.get_backend().lower() in silent
    figure = Chart(**look) if quiet else plt.figure(FigureClass=Chart, **look)
    if quiet:
        ChartCanvas(figure)
    shared |= {"subplot_kw": {"axes_class": ChartAxes}, "gridspec_kw": FIRST_GUESS}
    return Panels(figure.subplots(rows, columns, squeeze=False, **shared).flat)


def figure_of(axes: Axes) -> Figure:
    """Return the whole figure that axes stand in."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def svg_text(figure: Figure) -> str:
    """Return a figure as SVG with a clear ground, its letters as letters: small, and to copy."""
    file = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}), lay_out_once(figure, _SVG_DPI):
        figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA["svg"])
    text = file.getvalue()
    return text[text.index("<svg") :]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG or SVG, by the path's suffix; return the path.

    The same figure gives the same bytes on every day and machine.
    """
    kind = path.suffix.removeprefix(".")
    dpi = _SVG_DPI if kind == "svg" else FILE_DPI
    with replacing(path) as temporary, lay_out_once(figure, dpi):
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=_NO_METADATA[kind])
    return path


def describe(figure: Figure) -> str:
    """Return what a figure shows in words: each panel's title, axes, curves and other texts.

    Examples
    --------
    >>> panel = new_panels(8.0, 4.0)[0]
    >>> _ = panel.set(title="Attempts per second", xlabel="time, s", ylabel="attempts")
    >>> _ = panel.plot([0, 1, 2], [0, 20, 5], label="full jitter")
    >>> describe(panel.figure)
    'Attempts per second. Across: time, s; up: attempts. full jitter: highest 20 at 1.'
    """
    seen = [
        panel for panel in figure.axes if panel.axison or panel.texts or panel.get_title(loc="left")
    ]
    title = _join([figure.get_suptitle()], "")
    parts = [f"{title}."] * bool(title) + [part for axes in seen for part in _sentences(axes)]
    return " ".join(parts)


def _sentences(axes: Axes) -> list[str]:
    titles = _join((axes.get_title(loc=where) for where in ("left", "center", "right")), ", ")
    across, up = (axes.get_xlabel(), axes.get_ylabel()) if axes.axison else ("", "")
    names = _join([f"Across: {across}" * bool(across), f"up: {up}" * bool(up)], "; ")
    peaks = _join((_say_line(line) for line in axes.get_lines()), "; ")
    words = _join(_words(axes, said=peaks), "; ")
    return [f"{part}." for part in (titles, names, peaks, words) if part]


def _join(words: Iterable[str], by: str) -> str:
    return by.join(" ".join(line.split()) for line in words if line.strip())


def _say_line(line: Line2D) -> str:
    label = str(line.get_label())
    name = "" if label.startswith("_") else label
    if line.get_gid() == LABELLED:
        return name
    # Rules across the axes have two points and no name.
    return _peak(line) if name or np.size(line.get_xdata()) > 2 else ""


def _peak(line: Line2D) -> str:
    """Return a curve's name, and where it is highest."""
    label = str(line.get_label())
    name = "" if label.startswith("_") else f"{label}: "
    x, y = (np.asarray(values, float) for values in line.get_data())
    finite = np.isfinite(y)
    if not finite.any():
        return ""
    top = int(np.argmax(np.where(finite, y, -np.inf)))
    return f"{name}highest {y[top]:,.4g} at {x[top]:,.4g}"


def _words(axes: Axes, said: str) -> list[str]:
    """Return the texts drawn on the axes, each once, without marks and what has been said."""
    texts = dict.fromkeys(" ".join(text.get_text().split()) for text in axes.texts)
    words = [text for text in texts if len(text) > 1 and text not in said]
    return [*words[:_MOST_TEXTS], *["..."] * (len(words) > _MOST_TEXTS)]


def _pixels_across(png: bytes) -> int:
    """Return a PNG's width: it stands after the signature and the name of the first chunk."""
    (width,) = unpack(">I", png[16:20])
    return int(width)
