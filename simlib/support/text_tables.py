"""Tables of numbers in text, as spreadsheets and scripts write them.

Encoding, separator, decimal comma and heading are found in the file. A unit is what a heading, a
cell or the caller says, never what the size of the numbers suggests.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlib.core.errors import FileError, SettingsError
from simlib.support.files import read_bounded

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

#: Units of time, in seconds.
UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
#: Those that a caller may say.
UNITS = ("s", "ms", "us")
_SPELT = {
    "s": "s sec secs second seconds sekunde sekunden",
    "ms": "ms msec msecs milli millis millisecond milliseconds millisekunden",
    "us": "us usec usecs \u00b5s \u03bcs micro micros microsecond microseconds mikrosekunden",
    "ns": "ns nsec nsecs nano nanos nanosecond nanoseconds nanosekunden",
}
#: Units of time by their spellings.
UNIT_OF = {word: unit for unit, words in _SPELT.items() for word in words.split()}
_OTHER_UNITS = {"minute", "minutes", "mins", "hour", "hours", "day", "days", "jiffies", "ticks"}
#: A number as people write it.
NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?"
#: Of a file: Python keeps some thirty bytes of memory for each.
MOST_TABLE_BYTES = 32 * 2**20
#: A table with more is none of measurements.
MOST_COLUMNS = 1000
#: Control characters are below the space; these are in texts all the same.
_WHITE = "\t\n\v\f"


@dataclass(frozen=True)
class Table:
    """The cells of a file, as text; the index holds the numbers of their rows in the file."""

    file: str
    heading: tuple[str, ...]
    cells: pd.DataFrame
    separator: str

    def error(self, row: int, rule: str, value: str | None = None) -> FileError:
        """Return the error of a row, or of a cell in it."""
        shown = self.separator.join(map(str, self.cells.loc[row])) if value is None else value
        return FileError(self.file, rule, f"row {row}", shown)

    def find_filled(self) -> pd.Series[Any]:
        """Return which rows have anything in them."""
        return (self.cells != "").any(axis=1)

    def find_column(self, heading: re.Pattern[str], what: str, example: str) -> int:
        """Return the place of the only column that has anything, or of the one with a heading.

        Raises
        ------
        FileError
            If no heading, or more than one, matches: ``what`` the column holds, and an ``example``
            of its heading, are told.
        """
        used = [i for i in range(self.cells.shape[1]) if self.cells[i].ne("").any()]
        if len(used) == 1:
            return used[0]
        named = [i for i in used if self.heading and heading.search(self.heading[i])]
        if len(named) != 1:
            said = self.separator.join(self.heading or self.cells.iloc[0])
            rule = f"must have one column, of {what}, or one with a heading such as {example}"
            raise FileError(self.file, rule, "first row", said)
        return named[0]


def read_table(path: str | Path, text: str, may_be_row: Callable[[Sequence[str]], bool]) -> Table:
    """Return the cells of a text; its first row is a heading unless it may be one of the others."""
    import pandas as pd

    separator = _separator(text)
    rows = re.sub(r"\A(?:[ \t]*\n)+", "", text)  # pandas finds no columns in an empty first line
    first_row = 1 + text.count("\n") - rows.count("\n")
    columns = 1 + rows.partition("\n")[0].count(separator)
    if columns > MOST_COLUMNS:
        raise FileError(path, f"has {columns:,} columns, and must have {MOST_COLUMNS:,} at most")
    try:
        frame = pd.read_csv(
            io.StringIO(rows),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    except ValueError as error:  # so are all of pandas' own
        raise _make_ragged_error(path, str(error), first_row) from error
    frame = frame.apply(lambda column: column.str.strip())
    frame.index = pd.RangeIndex(first_row, first_row + len(frame))
    frame = frame.loc[int((frame != "").any(axis=1).idxmax()) :]
    first = tuple(map(str, frame.iloc[0]))
    if may_be_row(first):
        return Table(str(path), (), frame, separator)
    return Table(str(path), first, frame.iloc[1:], separator)


def _make_ragged_error(path: str | Path, words: str, first_row: int) -> FileError:
    match = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", words)
    if match is None:
        return FileError(path, f"is not a table: {words.strip()}")
    rule = f"must have {match[1]} cells, as the rows before: it has {match[3]}"
    return FileError(path, rule, f"row {int(match[2]) + first_row - 1}")


def _separator(text: str) -> str:
    """Return what stands between cells: a tab, a semicolon, or a comma that is no decimal one."""
    head = text[:10_000]
    for separator in "\t;":
        if separator in head:
            return separator
    first, *others = (line.strip() for line in head.strip().split("\n"))
    decimal = any(re.fullmatch(r"[+-]?\d+,\d+", line) for line in others)
    # A heading of one cell above rows of what look like two: the comma is a decimal one.
    return ";" if decimal and "," not in first else ","


# --- numbers and units -------------------------------------------------------------------


def numbers(table: Table, cells: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """Return cells as numbers, nan where they are none; a decimal comma is one in all of them."""
    import numpy as np
    import pandas as pd

    comma = cells.str.contains(",", regex=False).to_numpy()
    if comma.any():
        point = cells.str.contains(".", regex=False).to_numpy()
        _refuse(table, cells, point, "must have a decimal comma, as other rows have")
        thousands = cells.str.fullmatch(r"\d{1,3}(,\d{3})+").to_numpy() & (table.separator == ",")
        _refuse(table, cells, thousands, "may be thousands or decimals: write a decimal point")
        cells = cells.str.replace(",", ".", regex=False)
    return np.array(pd.to_numeric(cells, errors="coerce"), np.float64)


def _refuse(table: Table, cells: pd.Series[Any], wrong: Any, rule: str) -> None:
    """Raise the error of the first row that is wrong."""
    if wrong.any():
        place = int(wrong.argmax())
        raise table.error(int(cells.index[place]), rule, str(cells.iloc[place]))


def known_unit(file: str, heading: str, unit: str | None = None) -> str | None:
    """Return the unit of time that a heading or the caller names, None if neither does."""
    spelt = words(heading)
    named = {UNIT_OF[word] for word in spelt if word in UNIT_OF}
    if len(named) > 1 or (not named and _OTHER_UNITS & set(spelt)):
        raise FileError(file, "must name one of the units s, ms, us, ns", "heading", heading)
    said = named.pop() if named else None
    if unit is not None and said is not None and said != unit:
        rule = f'contradicts the heading "{heading}" of {file}: leave it out, or mend the heading'
        raise SettingsError("unit", unit, rule)
    return unit or said


def words(heading: str) -> list[str]:
    """Return the words of a heading.

    Examples
    --------
    >>> words("rttMs"), words("Round trip [ms]"), words("rtt_ms")
    (['rtt', 'ms'], ['round', 'trip', 'ms'], ['rtt', 'ms'])
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", heading.replace("'s", ""))
    return re.findall(r"[^\W\d_]+", spaced.lower())


# --- text --------------------------------------------------------------------------------


def read_text(path: str | Path, must: str) -> str:
    """Return the text of a file in UTF-8, UTF-16 or Latin-1, with plain ends of lines.

    Raises
    ------
    FileError
        If there is no such file, it is no text, or it is empty and so not what it must be.
    """
    try:
        data = read_bounded(path, MOST_TABLE_BYTES)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    text = _decode(data).replace("\r\n", "\n").replace("\r", "\n")
    if any(letter < " " and letter not in _WHITE for letter in set(text)):
        raise FileError(path, "cannot be read: it is not text")
    if not text.strip():
        raise FileError(path, f"is empty: {must}")
    return text


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:64]:  # UTF-16 without its mark: every other byte of plain text is 0
        little = data[1:64:2].count(0) >= data[0:64:2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
