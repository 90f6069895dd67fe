"""A calibration as a quantile-quantile plot."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import new_panels, save_figure
from simlib.charts.style import style
from simlib.studies.calibrate.calibrate import Calibration, quantile_pairs


def quantile_chart(calibration: Calibration, axes: Axes | None = None) -> Axes:
    """Draw fitted against measured quantiles: a good fit lies on the diagonal.

    Parameters
    ----------
    calibration : Calibration
        What `calibrate` returned; its three best fits are drawn.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        One-way delays in s, on logarithmic axes.
    """
    with style():
        canvas = new_panels(6.0, 6.0)[0] if axes is None else axes
        # A logarithmic axis has no place for zero.
        above_s = calibration.one_way_s[calibration.one_way_s > 0.0]
        low, high = (float(above_s[0]), float(above_s[-1])) if len(above_s) else (1e-5, 1e-5)
        canvas.plot([low, high], [low, high], color="#555555", linewidth=1.0, linestyle="--")
        for fit, colour in zip(calibration.fits[:3], OTHER_COLOURS, strict=False):
            measured, fitted = quantile_pairs(calibration, fit)
            canvas.plot(measured, fitted, color=colour, marker=".", linestyle="none")
            canvas.annotate(
                fit.name,
                (measured[-1], fitted[-1]),
                xytext=(-6, 0),
                textcoords="offset points",
                ha="right",
                color=colour,
            )
        canvas.set_xscale("log")
        canvas.set_yscale("log")
        canvas.set_xlabel("measured one-way delay, s")
        canvas.set_ylabel("fitted one-way delay, s")
        canvas.set_title(f"Quantiles of {calibration.source}", loc="left")
    return canvas


def save_quantile_chart(calibration: Calibration, folder: str | os.PathLike[str]) -> Path:
    """Write the quantile chart as PNG; return the file."""
    path = Path(folder) / "quantiles.png"
    with style():
        figure = Figure(figsize=(6.0, 6.0))
        quantile_chart(calibration, figure.subplots())
        return save_figure(figure, path)
