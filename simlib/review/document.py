"""What a review is made of: sections of paragraphs, tables, charts and code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class BulletList:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class DataTable:
    """Rows of text under a heading; it is written as a CSV file of this name, too."""

    name: str
    caption: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: Columns of numbers stand to the right.
    numbers_from: int = 1
    #: A long one is folded until somebody opens it.
    is_long: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        caption: str,
        heading: Sequence[str],
        rows: Sequence[Sequence[str]],
        numbers_from: int = 1,
    ) -> DataTable:
        """Return a table of lists."""
        return cls(name, caption, tuple(heading), tuple(map(tuple, rows)), numbers_from)


@dataclass(frozen=True)
class ChartBlock:
    """A chart under a title that says what it shows; the file's name is its name."""

    name: str
    #: The finding, in a sentence.
    title: str
    figure: Figure
    #: What is drawn, and of what.
    subtitle: str = ""


@dataclass(frozen=True)
class Code:
    """Lines that are copied: a command, a scenario, a diagram."""

    text: str
    language: str = "text"
    caption: str = ""


Content = Paragraph | BulletList | DataTable | ChartBlock | Code


@dataclass(frozen=True)
class Section:
    """One question of a reader, and its answer."""

    key: str
    title: str
    blocks: tuple[Content, ...] = ()
    #: Why it could not be answered, and what to do; empty: it was.
    missing: str = ""


@dataclass(frozen=True)
class Document:
    """A whole review."""

    title: str
    #: The recommendation, in three sentences.
    answer: tuple[str, ...]
    sections: tuple[Section, ...]
    #: Versions, hash and command, for the head of the file.
    made: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[Section, ...]:
        """The sections that could not be written."""
        return tuple(section for section in self.sections if section.missing)

    @property
    def charts(self) -> tuple[ChartBlock, ...]:
        """All charts, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return tuple(block for block in blocks if isinstance(block, ChartBlock))

    @property
    def tables(self) -> tuple[DataTable, ...]:
        """All tables, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return tuple(block for block in blocks if isinstance(block, DataTable))
