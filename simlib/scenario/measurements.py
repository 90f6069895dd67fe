"""Measured round trips and recorded messages, from tables and from what ``ping`` prints.

What cannot be read is an error that names file and row; what is left out is counted and told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlib.core.errors import FileError, SettingsError
from simlib.core.events import Priority
from simlib.scenario.workload import MOST_MESSAGE_BYTES
from simlib.support.text_tables import (
    NUMBER,
    UNIT_OF,
    UNITS,
    UNITS_S,
    Table,
    known_unit,
    numbers,
    read_table,
    read_text,
    words,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

#: Fewer round trips say nothing of a tail.
FEWEST_ROWS = 20
#: A median above this is implausible for round trips in seconds, unless their unit is known.
_IMPLAUSIBLE_S = 2.0
_AT_LEAST = f"must have at least {FEWEST_ROWS} round trips, since fewer say nothing of a tail"
_IN_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_MEASURED = re.compile(rf"({NUMBER})\s*([^\W\d_]+)\.?", re.IGNORECASE)
_ODD = re.compile(r"[+-]?(inf|infinity|nan)", re.IGNORECASE)
_LOST = re.compile(
    r"((request|ping)[ _-])?time[d]?[ _-]?outs?\.?|lost|loss|dropped|fail(ed|ure)?|err(or)?"
    r"|no[ _-](reply|answer|response)|(destination )?(host |net(work)? )?unreachable\.?"
    r"|n/?a|none|null|-+|\*+|\?+|",
    re.IGNORECASE,
)
_ROUND_TRIP = re.compile(r"rtt|round.?trip|latenc|ping|delay|response", re.IGNORECASE)


@dataclass(frozen=True)
class RoundTrips:
    """Measured round trips, and what was beside them in their file."""

    #: In seconds, ascending.
    values_s: npt.NDArray[np.float64]
    #: Pings without an answer.
    lost: int = 0
    #: What the reader of a result is to know, a sentence each.
    notes: tuple[str, ...] = ()

    @property
    def loss_fraction(self) -> float:
        """The share of packets lost each way: a ping is lost if either of its two packets is.

        Examples
        --------
        >>> import numpy as np
        >>> round(RoundTrips(np.full(81, 0.1), lost=19).loss_fraction, 6)
        0.1
        """
        return 1.0 - sqrt(len(self.values_s) / (len(self.values_s) + self.lost))


def read_round_trips(path: str | Path, unit: str | None = None) -> RoundTrips:
    """Return the round trips in a file: a column of a table, or what ``ping`` printed.

    Parameters
    ----------
    path : str or path
        At least 20 round trips; a lost one is an empty cell, or a word such as timeout.
    unit : {"s", "ms", "us"}, optional
        The unit of numbers that have none beside them or in their heading; by default seconds.

    Raises
    ------
    SettingsError
        Naming file, row, value and rule.
    """
    if unit is not None and unit not in UNITS:
        raise SettingsError("unit", unit, f"must be one of {', '.join(UNITS)}")
    text = read_text(path, _AT_LEAST)
    measured = _of_ping(text) or _of_table(read_table(path, text, _may_be_measured), unit)
    count = len(measured.values_s)
    if count < FEWEST_ROWS:
        raise FileError(path, f"has {_count_in_words(count, measured.lost)}: {_AT_LEAST}")
    return measured


def _count_in_words(count: int, lost: int) -> str:
    return f"{count} round trip{'s' * (count != 1)}" + f", and {lost} lost" * bool(lost)


def _may_be_measured(cells: Sequence[str]) -> bool:
    """Whether a row may be a measurement, be it a lost one, and so is no heading."""
    return any(_may_be(cell) for cell in cells if cell)


def _may_be(cell: str) -> bool:
    with_unit = _MEASURED.fullmatch(cell)
    if with_unit:
        return with_unit[2].lower() in UNIT_OF
    return any(re.fullmatch(pattern, cell) for pattern in (NUMBER, _ODD, _LOST))


# --- a column of a table -----------------------------------------------------------------


def _of_table(table: Table, unit: str | None) -> RoundTrips:
    import numpy as np

    if not table.find_filled().any():
        raise FileError(table.file, f"has a heading and no rows: {_AT_LEAST}")
    place = table.find_column(_ROUND_TRIP, "round trips", "rtt_ms")
    heading = table.heading[place] if table.heading else ""
    known = known_unit(table.file, heading, unit)
    filled = table.find_filled()
    cells = table.cells.loc[filled, place]
    # An empty line may be a lost ping, or mere space: so it is counted as neither, and told.
    empty = int((~filled).loc[: cells.index[-1]].sum())
    values_s, lost = _seconds(table, cells, known)
    notes = [f"{empty} empty rows are left out."] if empty else []
    if table.cells.shape[1] > 1:
        notes.append(f'Of {table.cells.shape[1]} columns, "{heading}" is read.')
    if known is None and not _MEASURED.fullmatch(cells.iloc[0]):
        notes.append("No unit is named, so the numbers are taken as seconds.")
    return RoundTrips(np.sort(values_s), lost, tuple(notes))


def _seconds(
    table: Table, cells: pd.Series[Any], known: str | None
) -> tuple[npt.NDArray[np.float64], int]:
    """Return the round trips in cells, in seconds, and how many were lost."""
    import numpy as np

    amounts, factors, bare, lost = _amounts(table, cells, known)
    _check(
        table,
        cells,
        known is None and not (bare | lost).all() and bare,
        "must have a unit, as other rows have, or one must be in the heading",
    )
    wrong = ~lost & ~(np.isfinite(amounts) & (amounts >= 0.0))
    _check(table, cells, wrong, f"must be a finite number of {_IN_WORDS[known or 's']}, 0 or more")
    values_s = (amounts * factors)[~lost]
    if known is None and bare.any() and np.median(values_s) > _IMPLAUSIBLE_S:
        rule = "are these milliseconds? Write the unit into the heading, as rtt_ms, or say it"
        said = f"has a median of {np.median(values_s):g} and names no unit: {rule}"
        raise FileError(table.file, f"{said} (--unit ms; unit in Python)")
    return values_s, int(lost.sum())


def _amounts(table: Table, cells: pd.Series[Any], known: str | None) -> tuple[Any, Any, Any, Any]:
    """Return cells as numbers, the seconds in one of each, which have no unit, which were lost."""
    import numpy as np

    # Nearly all cells of a long file are plain numbers: the others are looked at one by one.
    plain = cells.str.fullmatch(rf"{NUMBER}|{_ODD.pattern}", flags=re.IGNORECASE).to_numpy(bool)
    amounts = numbers(table, cells.where(plain, ""))
    factors = np.full(len(cells), UNITS_S[known or "s"])
    lost = np.zeros(len(cells), dtype=bool)
    for i in np.flatnonzero(~plain).tolist():
        cell = str(cells.iloc[i])
        match = _MEASURED.fullmatch(cell)
        if match and match[2].lower() in UNIT_OF:
            amounts[i] = float(match[1].replace(",", "."))
            factors[i] = UNITS_S[UNIT_OF[match[2].lower()]]
        elif _LOST.fullmatch(cell):
            lost[i] = True
        else:
            rule = f"must be a number of {_IN_WORDS[known or 's']}; a lost ping is written timeout"
            raise table.error(int(cells.index[i]), rule, cell)
    return amounts, factors, plain, lost


def _check(table: Table, cells: pd.Series[Any], wrong: Any, rule: str) -> None:
    """Raise the error of the first row that is wrong."""
    if wrong is not False and wrong.any():
        place = int(wrong.argmax())
        raise table.error(int(cells.index[place]), rule, str(cells.iloc[place]))


# --- what ping prints --------------------------------------------------------------------

_PRINTED = re.compile(r"ttl|icmp|bytes|octets", re.IGNORECASE)
#: No rule begins with what may be repeated (that would take the square of a line's length), and no
#: number has more digits than one that was counted or measured.
_TIME = re.compile(r"[^\W\d]([=<])\s?(\d{1,15}(?:[.,]\d+)?)\s?(ms|us|\u00b5s|s)\b")
_SUMMARIES = (
    re.compile(r"(?<!\d)(\d{1,15}) packets transmitted, (\d{1,15}) (?:packets )?received"),
    re.compile(r"= (\d{1,15}), [^\W\d]+ = (\d{1,15}), [^\W\d]+ = \d+ \("),
)
_SEQUENCE = re.compile(r"\b(?:icmp_)?seq[= ](\d{1,15})(?!\d)")
_NO_ANSWER = re.compile(r"timed out|timeout|no answer|unreachable", re.IGNORECASE)
#: Sequence numbers of ICMP begin anew after so many.
_SEQUENCES = 65536


def _of_ping(text: str) -> RoundTrips | None:
    """Return the round trips that ``ping`` printed; None if the text is not its output."""
    import numpy as np

    if not _PRINTED.search(text[:10_000]):
        return None
    values_s, below = [], 0
    for line in text.split("\n"):
        match = _TIME.search(line)
        if match is None or not _PRINTED.search(line) or "DUP!" in line:
            continue
        # "time<1ms" is below the step of its clock.
        below += match[1] == "<"
        value_s = float(match[2].replace(",", ".")) * UNITS_S[UNIT_OF[match[3]]]
        values_s.append(0.0 if match[1] == "<" else value_s)
    if not values_s:
        return None
    note = f"{below} round trips below the step of ping's clock are taken as 0."
    return RoundTrips(np.sort(values_s), _lost_pings(text), (note,) if below else ())


def _lost_pings(text: str) -> int:
    """Return how many pings had no answer, by the summaries, else by their numbers or words."""
    for summary in _SUMMARIES:
        if totals := summary.findall(text):
            return sum(max(0, int(sent) - int(received)) for sent, received in totals)
    answered: set[int] = set()
    seen: set[int] = set()
    turn, before = 0, 0
    for line in text.split("\n"):
        if match := _SEQUENCE.search(line):
            turn += int(match[1]) + _SEQUENCES // 2 < before
            before = int(match[1])
            seen.add(before + turn * _SEQUENCES)
            if _TIME.search(line):
                answered.add(before + turn * _SEQUENCES)
    if not seen:
        return len(_NO_ANSWER.findall(text))
    return max(seen) - min(seen) + 1 - len(answered)


# --- recorded messages -------------------------------------------------------------------

_MESSAGE = "must be a time in seconds, a priority and a size in bytes, as 0.5,high,200"
_COLUMNS = (
    re.compile(r"time|stamp|second|^(t|at)$", re.IGNORECASE),
    re.compile(r"prio", re.IGNORECASE),
    re.compile(r"size|bytes|length", re.IGNORECASE),
)
_OTHER_SIZES = {"kb", "kib", "mb", "mib", "kilobytes", "megabytes", "bits", "kbit"}
#: Of a size: Python refuses to read a number of thousands of digits.
_MOST_DIGITS = 15


def read_messages(path: str | Path) -> list[list[Any]]:
    """Return recorded messages: time in seconds, priority and size in bytes of each.

    Parameters
    ----------
    path : str or path
        A table of three columns: time_s (or time_ms), priority (as high) and size_bytes. Without
        such a heading they are in this order.

    Raises
    ------
    SettingsError
        Naming file, row, value and rule.
    """
    must = "must have recorded messages, a row each: time_s, priority, size_bytes"
    table = read_table(path, read_text(path, must), _may_be_message)
    rows = table.cells[table.find_filled()]
    if rows.empty:
        raise FileError(path, f"has a heading and no rows: {must}")
    time, priority, size = _places(table)
    unit = known_unit(table.file, table.heading[time] if table.heading else "")
    times_s = numbers(table, rows[time]) * UNITS_S[unit or "s"]
    cells = zip(rows.index, times_s.tolist(), rows[priority], rows[size], strict=True)
    return [_message(table, *cell) for cell in cells]


def _message(table: Table, row: int, time_s: float, priority: str, size: str) -> list[Any]:
    good = isfinite(time_s) and time_s >= 0.0 and priority.upper() in Priority.__members__
    is_size = size.isdecimal() and len(size) <= _MOST_DIGITS
    if not good or not is_size or not 1 <= int(size) <= MOST_MESSAGE_BYTES:
        raise table.error(row, f"{_MESSAGE}; a size is from 1 to {MOST_MESSAGE_BYTES:,}")
    return [time_s, priority.lower(), int(size)]


def _places(table: Table) -> list[int]:
    """Return the places of time, priority and size among the columns."""
    count = table.cells.shape[1]
    if count != len(_COLUMNS):
        raise table.error(int(table.cells.index[0]), _MESSAGE)
    named = [
        [i for i, heading in enumerate(table.heading) if pattern.search(heading)]
        for pattern in _COLUMNS
    ]
    columns = [places[0] for places in named if len(places) == 1]
    places = columns if len(set(columns)) == count else list(range(count))
    if table.heading and _OTHER_SIZES & set(words(table.heading[places[2]])):
        raise FileError(table.file, "must be in bytes", "heading", table.heading[places[2]])
    return places


def _may_be_message(cells: Sequence[str]) -> bool:
    """Whether a row may be a message, and so is no heading."""
    return any(re.match(r"[+-]?[.,]?\d", cell) for cell in cells)
