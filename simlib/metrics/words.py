"""Metric names and numbers as text for readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from simlib.core.card import Card
from simlib.core.validation import name_function

if TYPE_CHECKING:
    import pandas as pd

    from simlib.metrics.intervals import Estimate


#: Handshakes that the server refused, by what stood against them.
REFUSALS = {
    "refused_backlog": "refused: backlog full",
    "refused_rate": "refused: accept rate passed",
    "refused_connections": "refused: all connections taken",
    "refused_session": "refused: no session",
    "refused_address": "refused: limit of an address",
}
#: Metrics whose names say too little.
_WORDS = {**REFUSALS, "mean_wait_fraction": "mean wait over its ceiling"}


def words_and_unit(metric: str) -> tuple[str, str]:
    """Return a metric's name as it is read, its quantile apart, and its unit.

    Examples
    --------
    >>> words_and_unit("time_to_recover_s_p99"), words_and_unit("peak_attempts_per_s")
    (('time to recover, 99 %', 's'), ('peak attempts', '1/s'))
    """
    if metric in _WORDS:
        return _WORDS[metric], ""
    name, is_quantile, quantile = metric.partition("_s_p")
    if is_quantile:
        share, _, of = quantile.partition("_")
        return f"{name.replace('_', ' ')}{f' of {of}' if of else ''}, {share} %", "s"
    for suffix, unit in (("_per_s", "1/s"), ("_s", "s"), ("_fraction", "")):
        if metric.endswith(suffix):
            return metric.removesuffix(suffix).replace("_", " "), unit
    return metric.replace("_", " "), ""


def format_number(value: float) -> str:
    """Return a number for reading: three digits, at most four decimals; ``-`` for NaN.

    Examples
    --------
    >>> [format_number(value) for value in (0.012345, -0.00042, 1234.5, math.inf, math.nan)]
    ['0.0123', '-0.0004', '1,234', 'inf', '-']
    """
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if 100.0 <= abs(value) < math.inf else f"{round(value, 4):.3g}"


def format_count(value: float) -> str:
    """Return a count, or a mean of counts, for reading.

    Examples
    --------
    >>> format_count(12_345.6), format_count(2.5)
    ('12,346', '2.5')
    """
    return f"{value:,.10g}" if value < 10 else f"{value:,.0f}"


def say_count(value: float, word: str) -> str:
    """Return a count, or a mean of counts, with what is counted, in the plural unless it is one.

    Examples
    --------
    >>> say_count(1.0, "attempt"), say_count(2.5, "attempt"), say_count(1200.0, "attempt")
    ('1 attempt', '2.5 attempts', '1,200 attempts')
    """
    return f"{format_count(value)} {word}{'' if value == 1 else 's'}"


def format_seconds(value_s: float) -> str:
    """Return a time for reading.

    Examples
    --------
    >>> format_seconds(16.04)
    '16 s'
    """
    return f"{format_number(value_s)} s"


def format_share(value: float) -> str:
    """Return a share as a percentage; one that is not whole is never rounded up to 100 %.

    Examples
    --------
    >>> format_share(0.0612), format_share(0.9999)
    ('6.12 %', 'more than 99.9 %')
    """
    shown = f"{100.0 * value:.3g}"
    return "more than 99.9 %" if shown == "100" and value < 1.0 else f"{shown} %"


def metric_in_words(metric: str) -> str:
    """Return a metric's name with its quantile and its unit apart, as tables and axes have it.

    Examples
    --------
    >>> metric_in_words("time_to_recover_s_p99"), metric_in_words("peak_attempts_per_s")
    ('time to recover, 99 %, s', 'peak attempts, 1/s')
    """
    words, unit = words_and_unit(metric)
    return f"{words}, {unit}" if unit else words


def say_mean(mean: Estimate, unit: str = "") -> str:
    """Return a mean with its interval, for a sentence or a table.

    Examples
    --------
    >>> from simlib.metrics.intervals import Estimate
    >>> say_mean(Estimate(24.93, 24.1, 25.64, 20), " s")
    '24.9 s (24.1 to 25.6)'
    """
    if math.isnan(mean.value):
        return "-"
    if mean.value == math.inf:
        return "never"
    value, low, high = (format_number(number) for number in (mean.value, mean.low, mean.high))
    if not (math.isfinite(mean.low) and math.isfinite(mean.high)) or low == high:
        return f"{value}{unit}"
    return f"{value}{unit} ({low} to {high})"


def plus_minus(row: pd.Series, metric: str) -> str:
    """Return a mean with half of its interval, of a row that has both ends beside it.

    Examples
    --------
    >>> import pandas as pd
    >>> row = pd.Series({"peak": 14_585.0, "peak low": 14_411.0, "peak high": 14_759.0})
    >>> plus_minus(row, "peak")
    '14,585 ±170'
    """
    value, low, high = (float(row[f"{metric}{end}"]) for end in ("", " low", " high"))
    if value == math.inf:
        return "never"
    if not math.isfinite(low) or not math.isfinite(high):
        return format_number(value)
    half = (high - low) / 2.0
    # What all runs agree on differs by rounding alone.
    half = 0.0 if half < 1e-9 * abs(value) else half
    return f"{format_number(value)} \N{PLUS-MINUS SIGN}{format_number(float(f'{half:.2g}'))}"


def table_card(title: str, table: pd.DataFrame, notes: Sequence[str] = ()) -> Card:
    """Return a card with a table on it: numbers as `format_number`, nothing where there is None.

    Examples
    --------
    >>> import pandas as pd
    >>> print(table_card("Two", pd.DataFrame({"name": ["a"], "value": [0.12345]})).text())
    Two
      name  value
      a     0.123
    """
    cells = table.itertuples(index=False, name=None)
    rows = tuple(tuple(_cell(value) for value in row) for row in cells)
    return Card(title, rows, tuple(map(str, table)) if rows else (), tuple(notes))


def _cell(value: Any) -> str:
    import numpy as np

    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return format_number(float(value))
    return str(value)


def say_setting(value: Any) -> str:
    """Return a setting's value in short: of a function, what it is called.

    Examples
    --------
    >>> say_setting(5.0), say_setting("full"), say_setting(max)
    ('5', 'full', 'max')
    """
    if callable(value):
        return name_function(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_cell(value: Any) -> str:
    """Return a table's cell for reading: thousands apart, two decimals at most; ``-`` for NaN.

    Examples
    --------
    >>> [format_cell(value) for value in (9010708.0, 2.683, "in time")]
    ['9,010,708', '2.68', 'in time']
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    number = float(value)
    if isinstance(value, Integral) or (math.isfinite(number) and number == int(number)):
        return f"{int(number):,}"
    if math.isnan(number):
        return "-"
    return f"{number:,.2f}" if abs(number) >= 0.1 or not number else f"{number:.2g}"


def join_words(words: Sequence[str]) -> str:
    """Return words as a list that is read.

    Examples
    --------
    >>> join_words(["a", "b", "c"])
    'a, b and c'
    """
    if not words:
        return "nothing"
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1]
