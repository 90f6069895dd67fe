"""A calibration as a quantile-quantile plot."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import new_panels, save_figure
from simlib.charts.labels import Sample, write_key
from simlib.charts.style import dress, style
from simlib.charts.titles import write_titles
from simlib.metrics.words import format_share
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
        dress(canvas)
        # A logarithmic axis has no place for zero.
        above_s = calibration.one_way_s[calibration.one_way_s > 0.0]
        low, high = (float(above_s[0]), float(above_s[-1])) if len(above_s) else (1e-5, 1e-5)
        canvas.plot([low, high], [low, high], color="#555555", linewidth=1.0, linestyle="--")
        samples = []
        fits = zip(calibration.fits[:3], OTHER_COLOURS, "o^x", strict=False)
        for fit, colour, marker in fits:
            measured, fitted = quantile_pairs(calibration, fit)
            canvas.plot(
                measured, fitted, color=colour, marker=marker, markersize=4, linestyle="none"
            )
            samples.append(
                Sample(colour, fit.name, {"o": "\u25cf", "^": "\u25b2"}.get(marker, "x"))
            )
        canvas.set_xscale("log")
        canvas.set_yscale("log")
        canvas.set_xlabel("measured one-way delay, s")
        canvas.set_ylabel("fitted one-way delay, s")
        write_key(canvas, samples)
        what = f"Quantiles of {calibration.source}, fitted over measured"
        write_titles(canvas, find_fit(calibration) or what, what)
    return canvas


def find_fit(calibration: Calibration) -> str:
    """Return how near the best fit comes to what was measured: a chart's title."""
    if not calibration.fits:
        return ""
    best = calibration.fits[0]
    measured, fitted = (np.asarray(each) for each in quantile_pairs(calibration, best))
    # Beyond these a few pings decide.
    middle = slice(len(measured) // 20, len(measured) - len(measured) // 20)
    known = measured[middle] > 0.0
    if not known.any():
        return ""
    apart = np.abs(fitted[middle][known] / measured[middle][known] - 1.0).max()
    return f"{best.name.capitalize()} fits best: within {format_share(apart)} of what was measured"


def save_quantile_chart(calibration: Calibration, folder: str | os.PathLike[str]) -> Path:
    """Write the quantile chart as PNG; return the file."""
    path = Path(folder) / "quantiles.png"
    with style():
        figure = Figure(figsize=(6.0, 6.0))
        quantile_chart(calibration, figure.subplots())
        return save_figure(figure, path)
