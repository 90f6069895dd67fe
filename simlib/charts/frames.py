"""Tables for a notebook, with numbers rounded for readers."""

from __future__ import annotations

from math import isfinite, isnan
from numbers import Integral, Real
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler


def readable(table: pd.DataFrame) -> Styler:
    """Return a table for reading: thousands apart, two decimals at most, words on the left.

    Examples
    --------
    >>> table = pd.DataFrame({"attempts": [9010708.0], "back_s": [2.683], "note": ["in time"]})
    >>> [part in readable(table).to_html() for part in ("9,010,708<", "2.68", "text-align: left")]
    [True, True, True]
    """
    shown = table.style.format(_cell)
    heads: Any = [{"selector": "th.row_heading", "props": "text-align: left"}]
    shown.set_table_styles(heads)
    for name in table.columns:
        side = "right" if pd.api.types.is_numeric_dtype(table[name]) else "left"
        column: Any = {name: [{"selector": "th, td", "props": f"text-align: {side}"}]}
        shown.set_table_styles(column, overwrite=False)
    return shown


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    number = float(value)
    if isinstance(value, Integral) or (isfinite(number) and number == int(number)):
        return f"{int(number):,}"
    if isnan(number):
        return "-"
    return f"{number:,.2f}" if abs(number) >= 0.1 or not number else f"{number:.2g}"
