"""Names on charts stand where lines differ, over no line, and inside the axes."""

from itertools import combinations

import numpy as np
import pytest

from simlib.charts.figures import new_panels
from simlib.charts.labels import AREA, Curve, Sample, name_curves, write_key
from simlib.charts.style import style
from simlib.charts.titles import write_titles

X = np.arange(101.0)


def axes_of(*curves, size=(9.6, 5.4), **limits):
    with style():
        axes = new_panels(*size)[0]
        for curve in curves:
            axes.step(curve.x, curve.y, where="post", color=curve.colour)
        axes.set(xlim=(0, 100), ylim=(0, 110), **limits)
        name_curves(axes, curves)
        axes.figure.draw_without_rendering()
    return axes


def boxes(axes):
    """The place of each name, by its text, in shares of the axes."""
    inverse = axes.transAxes.inverted()
    return {
        text.get_text().replace("\n", " "): text.get_window_extent().transformed(inverse)
        for text in axes.texts
    }


def peak(at, height, width=4.0):
    return height * np.exp(-(((X - at) / width) ** 2))


def test_a_name_stands_at_the_peak_of_its_line_and_not_at_its_end_where_all_are_zero():
    one, other = Curve(X, peak(30, 100), "k", "early"), Curve(X, peak(60, 90), "k", "late")
    places = boxes(axes_of(one, other))
    assert 0.15 < places["early"].x0 < 0.45 < places["late"].x0 < 0.75
    assert all(place.y1 > 0.4 for place in places.values())


@pytest.mark.parametrize("size", [(9.6, 5.4), (4.0, 3.0)])
def test_names_stay_inside_the_axes_and_clear_of_each_other(size):
    curves = [Curve(X, peak(20 * i + 5, 60 + 10 * i), "k", f"policy number {i}") for i in range(5)]
    places = list(boxes(axes_of(*curves, size=size)).values())
    assert 5 == len(places)
    for place in places:
        assert -0.01 < place.x0 < place.x1 < 1.02
        assert -0.01 < place.y0 < place.y1 < 1.02
    for one, other in combinations(places, 2):
        assert not one.overlaps(other)


def test_a_name_lies_over_no_line():
    flat, low = Curve(X, np.full(101, 50.0), "k", "limit"), Curve(X, np.full(101, 20.0), "k", "")
    (place,) = boxes(axes_of(flat, low)).values()
    for height in (50 / 110, 20 / 110):
        assert not place.y0 < height < place.y1


def test_a_line_across_the_axes_is_named_though_its_ends_are_outside():
    rate = Curve(np.array([-np.inf, np.inf]), np.array([70.0, 70.0]), "k", "200/s")
    assert ["200/s"] == list(boxes(axes_of(rate)))


def test_a_key_goes_on_in_the_next_row_and_the_titles_stand_above_it():
    with style():
        axes = new_panels(5.0, 4.0)[0]
        write_key(axes, [Sample("k", f"state number {i}", AREA) for i in range(8)])
        write_titles(
            axes, "A finding that is so long that it needs more than a line of this figure"
        )
        axes.figure.draw_without_rendering()
    texts = [each for each in axes.texts if each.get_text() != AREA]
    heights = [each.get_window_extent().y0 for each in texts]
    assert 1 < len(set(np.round(heights, 1)))
    right = axes.figure.bbox.x1
    assert all(each.get_window_extent().x1 <= right for each in texts)
    (title,) = [
        each
        for each in axes.get_children()
        if getattr(each, "get_text", str)().startswith("A find")
    ]
    assert max(each.get_window_extent().y1 for each in texts) <= title.get_window_extent().y0 + 1
    assert title.get_window_extent().x1 <= right
