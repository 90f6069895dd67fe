"""What a trace from a file must be, before anything is counted or drawn of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simlib.core.events import NONE
from simlib.support.parquet import (
    MOST_S,
    check_notes,
    is_number,
    is_numbers,
    is_standstills,
    is_text,
    is_texts,
    is_word,
)
from simlib.trace.columns import COLUMNS, HAPPENINGS, Column, Kind

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from simlib.scenario.scenario import Scenario

#: A live run ends late on a busy machine, but not by more.
LONGEST_AFTER_S = 3600.0
_NOTES = {
    "engine": is_word,
    "label": is_text,
    "partial": lambda value: isinstance(value, bool),
    "end_s": is_number,
    "late_s": is_numbers,
    "standstills": is_standstills,
    "work_s": is_number,
    "scenario": is_text,
    "tally": lambda value: value is None or is_text(value),
    "watched": lambda value: is_numbers(value) and all(isinstance(each, int) for each in value),
    "server_log": is_text,
    "notes": is_texts,
}


def check_trace_notes(notes: Mapping[str, Any]) -> None:
    """Raise `ValueError` if what stands beside the rows is not what `Trace.save` writes."""
    check_notes(notes, _NOTES)


def read_file_columns(
    table: pa.Table, scenario: Scenario, end_s: float
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a file as they are packed; refuse what no run can have.

    Raises
    ------
    ValueError
        Naming the column, and what it has.
    """
    import pyarrow as pa

    kinds = {"d": pa.float64(), "i": pa.int32(), "h": pa.int16(), "b": pa.int8()}
    read = {}
    for column in COLUMNS:
        cells = table[column.name]
        if cells.null_count:
            raise ValueError(f"column {column.name} has empty cells")
        try:
            read[column.name] = cells.cast(kinds[column.code]).to_numpy()
        except pa.ArrowException as error:
            raise ValueError(f"column {column.name} is none of its numbers") from error
    latest_s = scenario.duration_s + LONGEST_AFTER_S
    if end_s > latest_s:
        raise ValueError(f"its end_s is {end_s:g}, and no run of it ends after {latest_s:g} s")
    bounds = {
        # Of an interrupted run, a row may come after what is said to be its end.
        "time_s": (0.0, latest_s),
        "client": (NONE, scenario.clients - 1),
        "fault": (NONE, len(scenario.faults) - 1),
    }
    for column in COLUMNS:
        _check_values(column, read[column.name], bounds.get(column.name))
    _check_rows(read)
    return read


def _check_values(
    column: Column, values: npt.NDArray[Any], bounds: tuple[float, float] | None
) -> None:
    """Refuse a value that no run can have in a column."""
    import numpy as np

    if column.words is not None:
        absent = [] if column.absent is None else [int(column.absent)]
        good = np.isin(values, [*map(int, column.words), *absent])
    elif bounds is not None:
        good = (values >= bounds[0]) & (values <= bounds[1])
    elif column.code == "d":
        # What has no end is inf. A wait is a little below 0 where a timer was late.
        good = (np.abs(values) <= MOST_S) | np.isinf(values)
    else:
        good = values >= NONE
    if not good.all():
        raise ValueError(f"column {column.name} has {values[~good][0]:g}, which no run has there")


def _check_rows(read: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse rows whose columns contradict each other, or the rows before them."""
    import numpy as np

    happens = {(kind, name) for name, happening in HAPPENINGS.items() for kind in happening.kinds}
    pairs = np.unique(np.stack([read["kind"], read["name"]], axis=1), axis=0)
    if not {(int(kind), int(name)) for kind, name in pairs} <= happens:
        raise ValueError("columns kind and name do not go together")
    of_clients = np.isin(read["kind"], (Kind.EVENT, Kind.COMMAND))
    if (of_clients & (read["client"] == NONE)).any():
        raise ValueError("column client has no client where one acted")
    of_all = (read["kind"] == Kind.FAULT) & (read["client"] == NONE)
    if (of_all & (read["fault"] == NONE)).any():
        raise ValueError("column fault names no fault where one began or ended")
    _, firsts = np.unique(read["client"][of_clients], return_index=True)
    if (read["kind"][of_clients][firsts] == Kind.COMMAND).any():
        raise ValueError("a client asks for something before it was told anything")
