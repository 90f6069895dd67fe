"""Tables for a notebook, with numbers rounded for readers."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from simlib.metrics.words import format_cell


def readable(table: pd.DataFrame) -> Styler:
    """Return a table for reading: thousands apart, two decimals at most, words on the left.

    Examples
    --------
    >>> table = pd.DataFrame({"attempts": [9010708.0], "back_s": [2.683], "note": ["in time"]})
    >>> [part in readable(table).to_html() for part in ("9,010,708<", "2.68", "text-align: left")]
    [True, True, True]
    """
    shown = table.style.format(format_cell)
    heads: Any = [{"selector": "th.row_heading", "props": "text-align: left"}]
    shown.set_table_styles(heads)
    for name in table.columns:
        side = "right" if pd.api.types.is_numeric_dtype(table[name]) else "left"
        column: Any = {name: [{"selector": "th, td", "props": f"text-align: {side}"}]}
        shown.set_table_styles(column, overwrite=False)
    return shown
