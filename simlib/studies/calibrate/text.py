"""A calibration as text for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.metrics.words import format_number
from simlib.studies.calibrate.calibrate import Calibration


def calibration_in_words(calibration: Calibration) -> Group:
    """Return the fits, the best first, and the recommendation."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("distribution", no_wrap=True)
    for name in ("mean_s", "floor_s", "shape", "AIC", "KS distance"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in calibration.to_json()["fits"]:
        shape = "-" if row["shape"] is None else format_number(row["shape"])
        aic = f"{row['aic']:,.1f}" if isinstance(row["aic"], float) else "-"
        numbers = (format_number(row["mean_s"]), format_number(row["floor_s"]), shape, aic)
        table.add_row(row["distribution"], *numbers, f"{row['distance']:.3f}")
    parts: list[RenderableType] = [
        Text.assemble(
            (calibration.source, "bold"), f": {len(calibration.one_way_s):,} round trips, halved"
        ),
        *([_loss_in_words(calibration)] if calibration.lost else []),
        *calibration.notes,
        "",
        table,
        "",
    ]
    if calibration.is_poor:
        parts.append(
            Text(
                f"Even {calibration.best.name} is far off: the profile holds the quantiles.",
                "yellow",
            )
        )
    else:
        parts.append(f"{calibration.best.name} fits best, and well enough to be used.")
    return Group(*parts)


def _loss_in_words(calibration: Calibration) -> str:
    sent = calibration.lost + len(calibration.one_way_s)
    share = f"{100.0 * calibration.lost / sent:.2f} %"
    return (
        f"{calibration.lost:,} of {sent:,} pings were lost ({share}): loss_fraction "
        f"{calibration.loss_fraction:.3g}, since a ping is lost if either of its two packets is."
    )
