"""Tables in Parquet files, which carry in their metadata what they are and what made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simlib.core.errors import SimlibError, on_one_line, shorten
from simlib.support.files import replacing
from simlib.support.made_by import PARQUET_KEY

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq


def save_table(
    path: str | PathLike[str],
    table: pa.Table | pd.DataFrame,
    made_by: Mapping[str, Any],
    more: Mapping[bytes, Any] | None = None,
) -> None:
    """Write a table to a Parquet file, whole or not at all.

    Parameters
    ----------
    path : path
        The file.
    table : pyarrow.Table or DataFrame
        What to write; of a DataFrame its index too.
    made_by : mapping
        Its origin, as `simlib.scenario.origin.describe_origin` gives it.
    more : mapping of bytes to anything, optional
        What else the file's metadata is to hold, as JSON by key.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table)
    notes = {**(more or {}), PARQUET_KEY: made_by}
    metadata = {**(table.schema.metadata or {})}
    metadata |= {key: json.dumps(value).encode() for key, value in notes.items()}
    # Opened here: pyarrow takes no name that is not in UTF-8.
    with replacing(path) as temporary, temporary.open("wb") as file:
        pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")


class LoadedTable(NamedTuple):
    """A table of simlib's from a file, and what its metadata says."""

    table: pa.Table
    notes: dict[str, Any]
    #: What made it; empty of a file that was written without that.
    origin: dict[str, Any]

    @property
    def made_by(self) -> str:
        """The command, or the call in Python, that made it."""
        command = self.origin.get("command", "")
        return command if isinstance(command, str) else ""


def load_table(
    path: str | PathLike[str], key: bytes, what: str, writer: str, most_rows: int
) -> LoadedTable:
    """Read a table that `save_table` wrote with notes under a key; ``writer`` is who does so.

    Raises
    ------
    SimlibError
        If the file is not what it should be, or has more rows than that.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with Path(path).open("rb") as opened, pq.ParquetFile(opened) as file:
            metadata = file.schema_arrow.metadata or {}
            notes = _read_object(metadata[key])
            origin = _read_object(metadata.get(PARQUET_KEY, b"{}"))
            if file.metadata.num_rows > most_rows:
                raise ValueError(f"it has more than {most_rows:,} rows")
            table = read_texts(file)
    except KeyError as error:
        raise SimlibError(f"{path} is not {what}: {writer} did not write it") from error
    except FileNotFoundError as error:
        raise SimlibError(f"{path} is not {what}: there is no such file") from error
    except (OSError, pa.ArrowException, ValueError) as error:
        said = shorten(on_one_line(str(error)))
        raise SimlibError(f"{path} is not {what}: {said}") from error
    return LoadedTable(table, notes, origin)


def read_texts(file: pq.ParquetFile) -> pa.Table:
    """Read a table in which each text, and each column's name, is one.

    pyarrow says that it is none only when somebody looks at it.

    Raises
    ------
    ValueError
        If a text is none; pyarrow's own errors are such.
    """
    table = file.read()
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except ValueError as error:
            raise ValueError(f"column {name} cannot be read: {error}") from error
    return table


def _read_object(text: bytes) -> dict[str, Any]:
    try:
        notes = json.loads(text)
    except RecursionError as error:
        raise ValueError("its notes are nested too deep") from error
    if not isinstance(notes, dict):
        raise ValueError("its notes are no object of JSON")
    return notes


# --- what notes may be -------------------------------------------------------------------

#: No time in a file, in seconds, is further away: three centuries.
MOST_S = 1e10


def check_notes(notes: Mapping[str, Any], rules: Mapping[str, Callable[[Any], bool]]) -> None:
    """Raise `ValueError` for the first of the notes that breaks its rule; others may be missing."""
    for name, is_good in rules.items():
        if name in notes and not is_good(notes[name]):
            raise ValueError(f"its {name} is not what simlib writes there")


def is_text(value: Any) -> bool:
    """Whether a note is a text."""
    return isinstance(value, str)


def is_word(value: Any) -> bool:
    """Whether a note is a text that can be printed, and moves no cursor."""
    return isinstance(value, str) and value.isprintable()


def is_number(value: Any) -> bool:
    """Whether a note is a number of seconds, or of things: finite, 0 or more."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and 0 <= value <= MOST_S


def is_texts(value: Any) -> bool:
    """Whether a note is a list of texts."""
    return isinstance(value, list) and all(map(is_text, value))


def is_numbers(value: Any) -> bool:
    """Whether a note is a list of numbers."""
    return isinstance(value, list) and all(map(is_number, value))


def is_standstills(value: Any) -> bool:
    """Whether a note is a list of rows of a text and two numbers."""
    return isinstance(value, list) and all(
        isinstance(row, list) and len(row) == 3 and is_text(row[0]) and is_numbers(row[1:])
        for row in value
    )
