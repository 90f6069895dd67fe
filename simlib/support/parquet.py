"""Tables in Parquet files, which carry in their metadata what they are and what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from simlib.support.files import replacing
from simlib.support.made_by import PARQUET_KEY

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


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
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_origin(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Return the origin in a file's metadata; empty of a file that was written without one."""
    origin: dict[str, Any] = json.loads((metadata or {}).get(PARQUET_KEY, b"{}"))
    return origin
