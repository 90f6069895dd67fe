"""Recorded starts of clients: read from a file, and checked against the run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path as FilePath
from typing import Any

from simlib.core.arrivals import StartTimes
from simlib.core.errors import FileError, SettingsError
from simlib.scenario.workload import TimeOrigin
from simlib.support.text_tables import (
    NUMBER,
    UNITS_S,
    known_unit,
    numbers,
    read_table,
    read_text,
)

_MUST = "must have the clients' starts, a row each: a time in seconds, 0 or more"
_TIME = re.compile(r"time|stamp|start|arriv|second|^(t|at)$", re.IGNORECASE)


def starts_table(tables: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a scenario's tables with the recorded starts of the file that they name."""
    if "arrivals_csv" not in tables:
        return dict(tables)
    others = {key: value for key, value in tables.items() if key != "arrivals_csv"}
    if "arrivals_s" in others or others.get("arrivals", "recorded") != "recorded":
        rule = 'holds recorded starts: no arrivals_s, and no arrivals but "recorded", go with it'
        raise SettingsError("arrivals_csv", tables["arrivals_csv"], rule)
    starts_s = read_starts(folder / str(tables["arrivals_csv"]))
    return others | {"arrivals": "recorded", "arrivals_s": starts_s}


def read_starts(path: str | FilePath) -> list[float]:
    """Return the recorded starts of a file: its only column, or the one with a heading of time.

    Raises
    ------
    SettingsError
        Naming file, row, value and rule.
    """
    table = read_table(path, read_text(path, _MUST), _may_be_start)
    rows = table.cells[table.find_filled()]
    if rows.empty:
        raise FileError(path, f"has a heading and no rows: {_MUST}")
    place = table.find_column(_TIME, "the clients' starts", "time_s")
    unit = known_unit(table.file, table.heading[place] if table.heading else "")
    starts_s = (numbers(table, rows[place]) * UNITS_S[unit or "s"]).tolist()
    for row, start_s in zip(rows.index, starts_s, strict=True):
        if not isfinite(start_s) or start_s < 0.0:
            raise table.error(int(row), "must be a time, 0 or more", str(rows[place][row]))
    return [float(start_s) for start_s in starts_s]


def _may_be_start(cells: Sequence[str]) -> bool:
    return any(re.fullmatch(NUMBER, cell) for cell in cells if cell)


def check_recorded_starts(
    kind: StartTimes,
    times_s: tuple[float, ...],
    origin: TimeOrigin,
    clients: int,
    duration_s: float,
) -> tuple[float, ...]:
    """Return recorded starts, ascending and from their origin.

    Raises
    ------
    SettingsError
        If they do not fit the run.
    """
    if bool(times_s) != (kind == StartTimes.RECORDED):
        rule = 'goes with arrivals = "recorded", and that with it'
        raise SettingsError("arrivals_s", list(times_s), rule)
    if not times_s:
        return ()
    if len(times_s) != clients:
        rule = f"must be {len(times_s):,}, a client for each of the recorded starts"
        raise SettingsError("clients", clients, rule)
    first_s = min(times_s)
    if origin == TimeOrigin.FIRST:
        return tuple(sorted(time_s - first_s for time_s in times_s))
    if first_s >= duration_s:
        rule = (
            f"no recorded start lies within the run, which is over at {duration_s:g} s: the first "
            f'is at {first_s:.10g} s; arrivals_origin = "first" has that one start at once'
        )
        raise SettingsError("arrivals_origin", "run", rule)
    return tuple(sorted(times_s))
