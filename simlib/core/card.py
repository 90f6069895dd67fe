"""How settings and results show themselves: one card, as text in a terminal, as HTML in a notebook.

Pure text. The HTML names no colour, so it takes those of the page: JupyterLab's light and dark
theme, VS Code's, an exported page's.
"""

from __future__ import annotations

from html import escape
from textwrap import wrap
from typing import NamedTuple

from simlib.core.errors import on_one_line

#: Rows of a table beyond this many are counted, not shown.
MOST_ROWS = 40
#: A line is so long at most, unless the last column is left less than the least.
_WIDTH, _LEAST_WIDTH = 100, 40
#: JupyterLab would put numbers and headings on the right, where a column's words are on the left.
_LEFT = 'style="text-align: left"'


class Card(NamedTuple):
    """The display of an object: a title, a table of texts, and notes below it."""

    title: str
    #: The table's rows; the first column is a name.
    rows: tuple[tuple[str, ...], ...] = ()
    #: The names of the columns; empty: no heading.
    heading: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: What a notebook shows between title and table, such as a drawing.
    picture: str = ""
    #: What stands between title and table, in sentences.
    lead: str = ""

    def text(self) -> str:
        """Return the card for a terminal: columns stand below each other."""
        shown = [row for row in (self.heading, *self.rows[:MOST_ROWS]) if row]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        lines = [line for row in shown for line in _lines(row, widths)]
        whole = "\n".join((self.title, *wrap(self.lead, _WIDTH), *lines, *self._all_notes()))
        # Words of others, as from a file of theirs, move no cursor.
        return "\n".join(map(on_one_line, whole.split("\n")))

    def html(self) -> str:
        """Return the card for a notebook."""
        head = "".join(f"<th {_LEFT}>{escape(name)}</th>" for name in self.heading)
        body = "".join(_row(row) for row in self.rows[:MOST_ROWS])
        table = f"<thead><tr>{head}</tr></thead>" if head else ""
        table = f"<table>{table}<tbody>{body}</tbody></table>" if body else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._all_notes())
        lead = f"<p>{escape(self.lead)}</p>" if self.lead else ""
        return f"<p><b>{escape(self.title)}</b></p>{lead}{self.picture}{table}{notes}"

    def _all_notes(self) -> tuple[str, ...]:
        hidden = len(self.rows) - MOST_ROWS
        more = (f"and {count_in_words(hidden, 'more row')}",) if hidden > 0 else ()
        return (*more, *filter(None, self.notes))


def _lines(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    """Return a row as lines: its last column, which has the longest words, goes on below itself."""
    *first, last = cells
    start = "  " + "".join(f"{cell:{width}}  " for cell, width in zip(first, widths, strict=False))
    parts = wrap(last, max(_LEAST_WIDTH, _WIDTH - len(start))) or [""]
    later = " " * len(start)
    return [f"{start}{parts[0]}".rstrip(), *(f"{later}{part}" for part in parts[1:])]


def _row(cells: tuple[str, ...]) -> str:
    name, *values = (escape(cell) for cell in cells)
    said = "".join(f"<td {_LEFT}>{value}</td>" for value in values)
    return f"<tr><th {_LEFT}>{name}</th>{said}</tr>"


def count_in_words(count: int, word: str) -> str:
    """Return a count of things, in the plural unless it is one.

    Examples
    --------
    >>> count_in_words(1, "finding"), count_in_words(1200, "row"), count_in_words(0, "row")
    ('1 finding', '1,200 rows', 'no rows')
    """
    number = f"{count:,}" if count else "no"
    return f"{number} {word}" if count == 1 else f"{number} {word}s"


class ShowsCard:
    """Gives an object that has a `card` its two representations."""

    __slots__ = ()

    def card(self) -> Card:
        """Return what is shown of the object."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.card().text()

    def _repr_html_(self) -> str:
        return self.card().html()
