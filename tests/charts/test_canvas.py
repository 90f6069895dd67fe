"""Texts are laid out once, and stand where Matplotlib would draw them."""

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from PIL import Image

from simlib.charts.figures import figure_of, new_panels
from simlib.charts.style import style


def drawn_texts(canvas_class=None, **look):
    """Return one text drawn upright and one lying, as darkness of pixels."""
    axes = new_panels(4.0, 3.0)[0]
    axes.set_axis_off()
    figure = figure_of(axes)
    figure.set_layout_engine("none")
    if canvas_class is not None:
        canvas_class(figure)
    figure.text(0.3, 0.5, "attempts (per second)", **look)
    figure.canvas.draw()
    return 255.0 - np.asarray(figure.canvas.buffer_rgba())[..., 0]


def ends(pixels):
    rows, columns = np.nonzero(pixels > 64)
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize("look", [
    {}, {"rotation": 90}, {"ha": "right", "va": "top"}, {"rotation": 90, "va": "center"},
    {"fontsize": 17}, {"fontweight": "bold"},
])  # fmt: skip
def test_a_text_stands_where_matplotlib_draws_it_and_is_as_dark(look):
    expected, got = drawn_texts(FigureCanvasAgg, **look), drawn_texts(**look)
    np.testing.assert_allclose(ends(expected), ends(got), atol=1)
    assert expected.sum() == pytest.approx(got.sum(), rel=0.05)


@pytest.mark.parametrize("look", [{"rotation": 30}, {"antialiased": False}])
def test_a_slanted_text_and_one_without_grey_are_drawn_by_matplotlib(look):
    np.testing.assert_array_equal(drawn_texts(FigureCanvasAgg, **look), drawn_texts(**look))


def test_a_text_is_cut_off_where_its_axes_end():
    axes = new_panels(4.0, 3.0)[0]
    figure = figure_of(axes)
    axes.set_axis_off()
    axes.text(0.9, 0.5, "far beyond the right end of the axes", clip_on=True)
    figure.canvas.draw()
    pixels = 255.0 - np.asarray(figure.canvas.buffer_rgba())[..., 0]
    assert ends(pixels)[3] <= axes.bbox.x1


def test_each_text_is_laid_out_once(monkeypatch):
    # What the charts of other tests of this process have drawn is forgotten.
    monkeypatch.setattr("simlib.charts.canvas._remembered", {})
    prepared = []
    prepare = RendererAgg._prepare_font
    monkeypatch.setattr(
        RendererAgg,
        "_prepare_font",
        lambda self, font: prepared.append(font) or prepare(self, font),
    )
    with style():
        axes = new_panels(4.0, 3.0)[0]
        axes.set(title="a title", xlabel="time, s", ylabel="per second", xticks=[0, 1], yticks=[2])
    figure_of(axes).canvas.draw()
    # The numbers of the ticks, three names, and nothing else; one more measures a line's height.
    assert len(prepared) in (6, 7)


def test_a_picture_for_a_notebook_is_drawn_by_the_same_canvas(monkeypatch):
    axes = new_panels(4.0, 3.0)[0]
    axes.set_title("everybody is back")
    drawn = []
    canvas = figure_of(axes).canvas
    draw = type(canvas).get_renderer
    monkeypatch.setattr(type(canvas), "get_renderer", lambda self: drawn.append(self) or draw(self))
    picture = Image.open(io.BytesIO(figure_of(axes)._repr_png_()))
    assert picture.width > 700
    assert canvas in drawn
