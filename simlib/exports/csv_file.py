"""A trace as a CSV file, for any program that reads tables, and beside it what its columns mean.

Where a row has nothing to say in a column, its cell is empty. The form is written by the table of
columns (`simlib.trace.columns`), as its documentation is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlib.support.files import replacing
from simlib.support.made_by import KEY
from simlib.trace.columns import COLUMNS, HAPPENINGS, Column, Kind, Name, says

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from simlib.trace.trace import Trace

#: Rows that are converted at a time: memory does not grow with the trace.
_ROWS = 50_000
_DATATYPES = {"d": "double", "i": "integer", "h": "integer", "b": "integer"}
#: Of which kinds rows say the client's state.
_STEPS = (Kind.EVENT, Kind.COMMAND)


def write_csv(trace: Trace, path: str | PathLike[str], origin: Mapping[str, Any]) -> None:
    """Write a trace as CSV, whole or not at all, and its metadata beside it."""
    from pyarrow import csv

    # No word of a trace needs quotes.
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(",".join(column.name for column in COLUMNS).encode() + b"\n")
        for columns in trace.parts(_ROWS):
            csv.write_csv(_table(columns), file, options)
    _write_metadata(Path(path), origin)


def _table(columns: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    import pyarrow as pa

    return pa.table({column.name: _cells(column, columns) for column in COLUMNS})


def _cells(column: Column, columns: Mapping[str, npt.NDArray[Any]]) -> pa.Array:
    """Return the cells of a column: words, numbers, or nothing."""
    import pyarrow as pa

    values = columns[column.name]
    is_empty = ~_find_columns_by_row()[column.name][columns["kind"], columns["name"]]
    if column.absent is not None:
        is_empty |= values == column.absent
    if column.words is None:
        return pa.array(values, mask=is_empty)
    words = {member.value: member.name.lower() for member in column.words}
    # By number, so that a word costs nothing per row but a look into a table.
    places = {number: place for place, number in enumerate(words)}
    indices = [places.get(number, 0) for number in range(max(words) + 1)]
    found = pa.array(_take(indices, values, is_empty), mask=is_empty)
    return pa.DictionaryArray.from_arrays(found, list(words.values())).cast(pa.string())


def _take(table: list[int], values: npt.NDArray[Any], is_empty: npt.NDArray[Any]) -> Any:
    import numpy as np

    return np.array(table, np.int32)[np.where(is_empty, 0, values)]


@cache
def _find_columns_by_row() -> dict[str, npt.NDArray[Any]]:
    """Return for each column whether it says something in rows of each kind and name."""
    import numpy as np

    shape = (max(Kind) + 1, max(Name) + 1)
    said = {column.name: np.zeros(shape, bool) for column in COLUMNS}
    for kind, name, columns in _rows_that_say():
        for column in columns:
            said[column][kind, name] = True
    return said


def _rows_that_say() -> Iterator[tuple[Kind, Name, tuple[str, ...]]]:
    for name, happening in HAPPENINGS.items():
        for kind in happening.kinds:
            yield kind, name, says(name, kind)


def _write_metadata(path: Path, origin: Mapping[str, Any]) -> None:
    """Write what the columns mean beside the file, as "CSV on the Web" has it.

    A comment in the file itself would be a row to most programs. The name and the form of the file
    are those of the W3C's Metadata Vocabulary for Tabular Data.
    """
    columns = [
        {
            "name": column.name,
            "titles": column.name,
            "datatype": "string" if column.words else _DATATYPES[column.code],
            "dc:description": column.meaning + (f"; in {column.unit}" if column.unit else ""),
        }
        for column in COLUMNS
    ]
    document = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": path.name,
        "tableSchema": {"columns": columns},
        KEY: dict(origin),
    }
    with replacing(path.with_name(f"{path.name}-metadata.json")) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
