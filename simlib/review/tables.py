"""Tables of metrics by policy, for the sections of a review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, isnan

from simlib.metrics.intervals import Estimate
from simlib.metrics.words import REFUSALS, format_number, say_mean
from simlib.review.document import DataTable
from simlib.review.results import PlayedPolicy

#: These say something only where they are not 0.
_NOTHING_AT_0 = frozenset(
    {
        *("handshakes_abandoned", *REFUSALS),
        *("backlog_worst", "backlog_wait_s_p95", "undelivered", "duplicate_fraction", "doubled"),
        *("gave_up", "polling_fraction", "time_to_detect_s_p50", "time_to_detect_s_p95"),
    }
)


def metrics_table(
    name: str, caption: str, row: Sequence[PlayedPolicy], metrics: Mapping[str, str]
) -> DataTable:
    """Return a table of means with their intervals: a line per metric that says something."""
    rows = []
    for metric, words in metrics.items():
        means = [each.mean(metric) for each in row]
        if all(isnan(mean.value) for mean in means):
            continue
        if metric in _NOTHING_AT_0 and not any(mean.value for mean in means):
            continue
        if metric.endswith("_fraction"):
            rows.append([words, *(say_share(mean.value) for mean in means)])
        else:
            rows.append([words, *(say_mean(_from_zero(mean)) for mean in means)])
    return DataTable.of(name, caption, ["", *(each.name for each in row)], rows)


def _from_zero(mean: Estimate) -> Estimate:
    """Return a mean whose interval does not begin below 0: no metric is negative."""
    return replace(mean, low=max(0.0, mean.low)) if mean.low < 0.0 else mean


def say_share(value: float) -> str:
    """Return a share as a percentage; what is not all is not told as all.

    Examples
    --------
    >>> say_share(0.5), say_share(0.99999), say_share(1.0)
    ('50 %', '> 99.9 %', '100 %')
    """
    if isnan(value):
        return "-"
    shown = f"{100.0 * value:.3g}"
    return "> 99.9 %" if shown == "100" and value < 1.0 else f"{shown} %"


def say_number(value: float) -> str:
    """Return a number for a table, and what never comes as that."""
    return "never" if value == inf else format_number(value)
