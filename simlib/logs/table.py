"""Times of attempts in a table, and in logs of any form whose columns the caller names."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from math import isfinite

from simlib.core.errors import FileError, SettingsError
from simlib.logs.forms import SWITCHED, Form, LogLine
from simlib.logs.moments import parse_any
from simlib.support.text_tables import UNITS_S, known_unit

#: What a caller may name the columns of.
KEYS = ("time", "status", "duration_s", "request")
_RULE = "must have the time of an attempt: a number of seconds, or a date as 2026-01-31T10:00:00Z"
_TIME = re.compile(
    r"time|date|stamp|start|beg[ai]n|connect|^(at|t|ts|when)([ _(].*)?$", re.IGNORECASE
)
_STATUS = re.compile(r"status|code", re.IGNORECASE)
_CODE = re.compile(r"\d{3}\b")
_CELL = re.compile(r'\[[^\]]*\]|"(?:[^"\\]|\\.)*"|\S+')
_BEYOND_S = 1e11
#: A number from here on (September 2001) counts the seconds since 1970: no run takes thirty years.
_FIRST_DATE_S = 1e9
#: The forms in which a row need not have a status.
TABLES = ("CSV", "columns")


def table_form(path: str, first_line: str, columns: Mapping[str, int | str] | None) -> Form:
    """Return the form of a table, given its first line; without a heading, time and then status.

    Raises
    ------
    FileError
        If the first line is neither a heading with a time in it nor a row.
    SettingsError
        If the columns that are named are not there.
    """
    if columns is not None and all(isinstance(place, int) for place in columns.values()):
        return Form("columns", _RULE, _by_number(columns))
    separator = next((each for each in "\t;" if each in first_line), ",")
    heading = _split(first_line, separator)
    if columns is not None:
        return _with_heading(path, separator, heading, _find_by_names(path, heading, columns))
    try:
        parse_any(heading[0])
    except ValueError:
        return _with_heading(path, separator, heading, _find_columns(path, first_line, heading))
    places = {"time": 0} | ({"status": 1} if len(heading) > 1 else {})
    return Form("CSV", _RULE, _by_place(path, separator, places, 1.0, has_unit=False))


def check_columns(columns: Mapping[str, int | str] | None) -> None:
    """Refuse columns that no table or log can have."""
    for key, place in (columns or {}).items():
        if key not in KEYS:
            raise SettingsError(f"columns {key}", place, f"must be one of {', '.join(KEYS)}")
        if isinstance(place, bool) or not isinstance(place, int | str) or place in (0, ""):
            rule = "must be the number of a cell, from 1, or the name of a column"
            raise SettingsError(f"columns {key}", place, rule)
    if columns is not None and "time" not in columns:
        raise SettingsError("columns", dict(columns), 'must say where the time is, as {"time": 4}')


def _split(line: str, separator: str) -> list[str]:
    # Within a line a return of the carriage is a blank, and no line end as csv has it.
    cells = next(csv.reader([line.replace("\r", " ")], delimiter=separator), [""])
    return [cell.strip() for cell in cells]


def _find_columns(path: str, first_line: str, heading: list[str]) -> dict[str, int]:
    """Return the places of the columns by the words of a heading."""
    times = [place for place, name in enumerate(heading) if _TIME.search(name)]
    if not times:
        raise FileError(path, _EXPECTED, "row 1", first_line[:80])
    statuses = [place for place, name in enumerate(heading) if _STATUS.search(name)]
    return {"time": times[0]} | ({"status": statuses[0]} if statuses else {})


_EXPECTED = (
    "must be an access log of nginx (combined), HAProxy (httplog) or AWS ALB, a browser's HAR, or "
    "a table with a column of times; of any other, name the columns in Python: "
    'sl.read_attempts(file, columns={"time": 1, "status": 2})'
)


def _find_by_names(
    path: str, heading: list[str], columns: Mapping[str, int | str]
) -> dict[str, int]:
    places = {}
    for key, name in columns.items():
        if name not in heading:
            rule = f"is no column of {path}: its first row has {', '.join(heading)}"
            raise SettingsError(f"columns {key}", name, rule)
        places[key] = heading.index(str(name))
    return places


def _with_heading(path: str, separator: str, heading: list[str], places: Mapping[str, int]) -> Form:
    unit = known_unit(path, heading[places["time"]])
    factor = UNITS_S[unit or "s"]
    parse = _by_place(path, separator, places, factor, has_unit=unit is not None)
    return Form("CSV", _RULE, _after_heading(parse))


def _after_heading(parse: Callable[[str], LogLine | None]) -> Callable[[str], LogLine | None]:
    """Let the first line pass, which is the heading, as what is neither good nor bad."""
    lines = iter([HEADING])
    return lambda line: next(lines, None) or parse(line)


#: What stands for a heading.
HEADING = LogLine(float("nan"), 0)


def _by_place(
    path: str, separator: str, places: Mapping[str, int], factor: float, has_unit: bool
) -> Callable[[str], LogLine | None]:
    def parse(line: str) -> LogLine | None:
        cells = _split(line, separator) if '"' in line else line.split(separator)
        return _line(path, {key: cells[place].strip() for key, place in places.items()
                            if place < len(cells)}, factor, has_unit)  # fmt: skip

    return parse


def _by_number(columns: Mapping[str, int | str]) -> Callable[[str], LogLine | None]:
    """Return what parses lines whose cells are between spaces, in quotes or in brackets."""
    places = {key: int(number) for key, number in columns.items()}

    def parse(line: str) -> LogLine | None:
        cells = _CELL.findall(line)
        found = {key: cells[place - 1].strip('[]"') for key, place in places.items()
                 if place <= len(cells)}  # fmt: skip
        return _line("", found, 1.0, has_unit=True)

    return parse


def _line(path: str, cells: Mapping[str, str], factor: float, has_unit: bool) -> LogLine | None:
    if not cells.get("time"):
        return None
    time_s, is_dated = parse_any(cells["time"])
    if not is_dated:
        if not has_unit and abs(time_s) > _BEYOND_S:
            rule = "are these milliseconds? Write the unit into the heading, as time_ms"
            raise FileError(path, f"has the time {cells['time']}, and names no unit: {rule}")
        time_s *= factor
    status = _status(cells.get("status", ""))
    duration = cells.get("duration_s", "")
    if duration not in ("", "-"):
        time_s -= float(duration)
    if not isfinite(time_s):
        return None
    is_dated = is_dated or time_s >= _FIRST_DATE_S
    return LogLine(time_s, status, cells.get("request", ""), False, status == SWITCHED, is_dated)


def _status(cell: str) -> int:
    """Return an HTTP status, as "101" or "101 Switching Protocols"; 0 where there is none."""
    found = _CODE.match(cell)
    return int(found[0]) if found else 0
