"""A calibration as a table for a terminal and as a quantile plot."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.files import replacing
from simlib.show.colours import OTHER_COLOURS
from simlib.show.figures import new_panels
from simlib.show.marks import style
from simlib.show.terminal import written
from simlib.study.calibrate import Calibration, quantile_pairs


def calibration_in_words(found: Calibration) -> Group:
    """Return the fits, the best first, and the recommendation."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("distribution", no_wrap=True)
    for name in ("mean_s", "floor_s", "shape", "AIC", "KS distance"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.to_json()["fits"]:
        shape = "-" if row["shape"] is None else written(row["shape"])
        aic = "-" if row["aic"] is None else f"{row['aic']:,.1f}"
        numbers = (written(row["mean_s"]), written(row["floor_s"]), shape, aic)
        table.add_row(row["distribution"], *numbers, f"{row['distance']:.3f}")
    parts: list[RenderableType] = [
        Text.assemble((found.source, "bold"), f": {len(found.one_way_s):,} round trips, halved"),
        *([_loss_in_words(found)] if found.lost else []),
        *found.notes,
        "",
        table,
        "",
    ]
    if found.is_poor:
        parts.append(
            Text(f"Even {found.best.name} is far off: the profile holds the quantiles.", "yellow")
        )
    else:
        parts.append(f"{found.best.name} fits best, and well enough to be used.")
    return Group(*parts)


def _loss_in_words(found: Calibration) -> str:
    sent = found.lost + len(found.one_way_s)
    return (
        f"{found.lost:,} of {sent:,} pings were lost ({found.lost / sent:.2%}): loss_fraction "
        f"{found.loss_fraction:.3g}, since a ping is lost if either of its two packets is."
    )


def quantile_chart(found: Calibration, axes: Axes | None = None) -> Axes:
    """Draw fitted against measured quantiles: a good fit lies on the diagonal.

    Parameters
    ----------
    found : Calibration
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
        above_s = found.one_way_s[found.one_way_s > 0.0]
        low, high = (float(above_s[0]), float(above_s[-1])) if len(above_s) else (1e-5, 1e-5)
        canvas.plot([low, high], [low, high], color="#555555", linewidth=1.0, linestyle="--")
        for fit, colour in zip(found.fits[:3], OTHER_COLOURS, strict=False):
            measured, fitted = quantile_pairs(found, fit)
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
        canvas.set_title(f"Quantiles of {found.source}", loc="left")
    return canvas


def save_quantile_chart(found: Calibration, folder: str | os.PathLike[str]) -> Path:
    """Write the quantile chart as PNG; return the file."""
    path = Path(folder) / "quantiles.png"
    with style():
        figure = Figure(figsize=(6.0, 6.0))
        quantile_chart(found, figure.subplots())
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
    return path
