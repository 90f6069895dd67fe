"""Stretches of time as bars, all of one colour as one shape: thousands are drawn as quickly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path

from simlib.metrics.array_types import Floats


def draw_stretches(
    axes: Axes,
    start_s: Floats,
    stop_s: Floats,
    y: npt.ArrayLike,
    half_height: float,
    **look: Any,
) -> None:
    """Draw a bar for each stretch of time, around its height; ``look`` is that of a collection.

    Examples
    --------
    >>> from simlib.charts.figures import new_panels
    >>> axes = new_panels(8.0, 4.0)[0]
    >>> draw_stretches(axes, np.array([1.0, 3.0]), np.array([2.0, 5.0]), 0.0, 0.4, color="black")
    >>> len(axes.collections[0].get_paths()[0].to_polygons())
    2
    """
    low = np.broadcast_to(np.asarray(y, float) - half_height, start_s.shape)
    high = low + 2.0 * half_height
    across = np.stack([start_s, stop_s, stop_s, start_s, start_s], axis=1)
    up = np.stack([low, low, high, high, low], axis=1)
    # To draw a shape takes as long as its edges are, and far longer to begin one.
    codes = np.tile([Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY], start_s.size)
    bars = Path(np.stack([across, up], axis=2).reshape(-1, 2), codes)
    # Snapped, as a single bar is: its ends are where pixels end.
    axes.add_collection(PathCollection([bars], snap=True, **look), autolim=False)
