"""Small multiples: a panel for each group of runs, all to the same scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, sqrt

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, Panels, figure_of, new_panels
from simlib.charts.labels import Curve, height_above_points, name_curves
from simlib.charts.style import FindingOfGroups, Group, describe_groups, group_traces, style
from simlib.charts.titles import write_figure_titles
from simlib.trace.trace import Trace

_PANEL_IN = 1.7


def columns_of(count: int, most: int = 4) -> int:
    """Return in how many columns so many panels leave the fewest places empty.

    Examples
    --------
    >>> [columns_of(count) for count in (1, 3, 4, 5, 6, 8, 9)]
    [1, 3, 2, 3, 3, 4, 3]
    """
    if count <= 3:
        return count
    return min(
        range(2, most + 1),
        key=lambda columns: (-count % columns, abs(columns - 1.33 * sqrt(count))),
    )


def multiples_grid(count: int, **shared: bool) -> Panels:
    """Return the axes of so many panels that share their scales; empty places show nothing."""
    columns = columns_of(count)
    rows = ceil(count / columns)
    height_in = max(HEIGHT_IN, 0.6 + _PANEL_IN * rows)
    panels = new_panels(WIDTH_IN, height_in, rows, columns, sharex=True, sharey=True, **shared)
    for left_over in panels[count:]:
        left_over.set_axis_off()
    for place, panel in enumerate(panels[:count]):
        # A panel above an empty place has the numbers of its axis, too.
        panel.tick_params(labelbottom=place >= count - columns)
    return Panels(panels[:count])


def draw_multiples(
    what: str,
    traces: Trace | Sequence[Trace],
    draw: Callable[[Axes, Sequence[Group]], Sequence[Curve]],
    finding: FindingOfGroups,
) -> Panels:
    """Draw each group of runs on a panel of its own, named above it; the finding above all."""
    groups = group_traces(traces)
    with style():
        panels = multiples_grid(len(groups))
        columns = columns_of(len(groups))
        alone = [Group("", group.colour, group.runs) for group in groups]
        limits = []
        for panel, group in zip(panels, alone, strict=True):
            panel.set_autoscalex_on(True)
            panel.set_autoscaley_on(True)
            draw(panel, [group])
            limits.append((*panel.get_xlim(), *panel.get_ylim()))
        # Once more in the limits of all: a curve goes to the end of its axes, a fault is named in
        # the part that is seen.
        left, right, bottom, top = np.array(limits).T
        panels[0].set(xlim=(left.min(), right.max()), ylim=(bottom.min(), top.max()))
        curves = []
        for panel, group in zip(panels, alone, strict=True):
            for artist in (*panel.lines, *panel.patches, *panel.collections, *panel.texts):
                artist.remove()
            curves.append(draw(panel, [group]))
            panel.set(xlim=(left.min(), right.max()), ylim=(bottom.min(), top.max()))
        limits_said = {curve.text for drawn in curves for curve in drawn if _is_limit(curve)}
        for panel, group, drawn in zip(panels, groups, curves, strict=True):
            # There is no room for it in each: the same for all, it stands in the subtitle.
            several = len(limits_said) > 1
            name_curves(
                panel, [c if several or not _is_limit(c) else c._replace(text="") for c in drawn]
            )
            panel.set_title(
                group.name, loc="left", fontsize=9, pad=height_above_points(panel) + 3.0
            )
        figure = figure_of(panels[0])
        # Once for all: of a low panel the words would run into the next one's.
        figure.supylabel(panels[0].get_ylabel(), fontsize=9, color="#333333")
        for place, panel in enumerate(panels):
            panel.set_ylabel("")
            if place < len(groups) - columns:
                panel.set_xlabel("")
        found = finding(groups)
        words = [describe_groups(groups, what if found else "")]
        words += [f"dashed: {limit}" for limit in limits_said if len(limits_said) == 1]
        write_figure_titles(figure, found or what, ", ".join(words))
    return panels


def _is_limit(curve: Curve) -> bool:
    """Whether a curve is a line across all of the axes."""
    return curve.x.size > 0 and bool(np.isinf(curve.x[0]))
