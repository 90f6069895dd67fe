"""A calibration as text for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.metrics.words import format_number
from simlib.studies.calibrate.calibrate import Calibration


def calibration_in_words(found: Calibration) -> Group:
    """Return the fits, the best first, and the recommendation."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("distribution", no_wrap=True)
    for name in ("mean_s", "floor_s", "shape", "AIC", "KS distance"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.to_json()["fits"]:
        shape = "-" if row["shape"] is None else format_number(row["shape"])
        aic = f"{row['aic']:,.1f}" if isinstance(row["aic"], float) else "-"
        numbers = (format_number(row["mean_s"]), format_number(row["floor_s"]), shape, aic)
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
