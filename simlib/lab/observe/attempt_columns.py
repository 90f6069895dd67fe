"""The columns of attempts in a file: brought to their types, and refused if no attempt has such."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any

from simlib.support.parquet import MOST_S, is_number, is_numbers, is_text, is_texts

if TYPE_CHECKING:
    import pyarrow as pa

#: Counts are below this, and so exact as floats. The bytes of a connection of days pass 32 bits.
_COUNT_LIMIT = 2**53
#: What an observation says beside its attempts.
NOTE_RULES: dict[str, Callable[[Any], bool]] = {
    "script": is_text,
    "command": is_texts,
    "greeting": is_text,
    "observed_s": is_number,
    "phases": lambda value: isinstance(value, list) and all(isinstance(x, dict) for x in value),
    "notes": is_texts,
    "not_kept": is_number,
    "partial": lambda value: isinstance(value, bool),
    "timers_late": lambda value: isinstance(value, dict) and is_numbers(list(value.values())),
}


def arrow_types(row: type) -> dict[str, pa.DataType]:
    """Return the type of each column of a table of rows, which are a dataclass, by its name."""
    import pyarrow as pa

    kinds = {"int": pa.int64(), "str": pa.string(), "float": pa.float64(), "bool": pa.bool_()}
    return {item.name: kinds[str(item.type)] for item in fields(row)}


def read_attempt_columns(table: pa.Table, row: type) -> pa.Table:
    """Return a table whose columns of attempts have their types; other columns stay as they are.

    ``row`` is `Attempt`; an empty cell is what it has where nothing is said.

    Raises
    ------
    ValueError
        Naming the column that has something else.
    """
    import pyarrow as pa

    types = arrow_types(row)
    for item in fields(row):
        if item.name not in table.column_names:
            continue
        try:
            column = table[item.name].cast(types[item.name])
        except (pa.ArrowException, KeyError) as error:
            raise ValueError(f"column {item.name} is none of attempts") from error
        column = _fill(column, item)
        if not _is_good(column):
            raise ValueError(f"column {item.name} has a value that no attempt has")
        table = table.set_column(table.column_names.index(item.name), item.name, column)
    return table


def _fill(column: pa.ChunkedArray, item: Field[Any]) -> pa.ChunkedArray:
    if not column.null_count:
        return column
    if item.default is MISSING:
        raise ValueError(f"column {item.name} has empty cells")
    return column.fill_null(item.default)


def _is_good(column: pa.ChunkedArray) -> bool:
    """Whether all numbers are such as can be counted and measured; a time may be unknown."""
    import numpy as np
    import pyarrow as pa

    values = column.to_numpy()
    if pa.types.is_integer(column.type):
        return bool(((values > -_COUNT_LIMIT) & (values < _COUNT_LIMIT)).all())
    if pa.types.is_floating(column.type):
        return bool((np.isnan(values) | (np.abs(values) <= MOST_S)).all())
    return True
