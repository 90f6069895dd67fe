"""The state of a watched run: as a full screen, and as one line of text."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import isnan

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from simlib.core.card import count_in_words
from simlib.core.notices import Level, Notice
from simlib.metrics.live_counters import Counts
from simlib.scenario.words import describe_fault
from simlib.studies.watch.live_run import Look

_STATE_STYLES = {
    "open": "green",
    "connecting": "yellow",
    "waiting": "red",
    "stopped": "magenta",
    "suspended": "cyan",
}
_LEVEL_STYLES = {Level.INFO: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}


def look_line(look: Look) -> str:
    """Return how a run stands as one line: the clients' states, messages, faults and notices."""
    counts = look.counts
    parts = [
        f"{look.time_s:6.1f} s",
        _in_words(_above_zero(counts.states)),
        f"in outbox {sum(counts.outbox.values())}",
        f"attempts {counts.attempts}",
        f"sent {counts.sent}",
        f"acknowledged {counts.acknowledged}",
        f"dropped {sum(counts.dropped.values())}",
        *(f"[{describe_fault(fault)}]" for fault in look.faults),
        *(f"({notice.reason.name.lower()} {notice.clients})" for notice in counts.notices),
    ]
    return "  ".join(parts)


class WatchScreen:
    """The terminal as a picture of the run, from entering to leaving a ``with`` block."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys
        self._console = Console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    @property
    def is_possible(self) -> bool:
        """Whether standard output is a terminal that can show pictures."""
        return sys.stdout.isatty() and not self._console.is_dumb_terminal

    def __enter__(self) -> WatchScreen:
        """Take the terminal."""
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the terminal."""
        self._live.stop()

    def draw(self, look: Look) -> None:
        """Show how the run stands."""
        self._live.update(screen(look, self._keys), refresh=True)


def screen(look: Look, keys: Mapping[str, str]) -> Layout:
    """Return how a run stands as a picture, from 80 columns by 24 lines.

    Parameters
    ----------
    look : Look
        How the run stands.
    keys : mapping of str to str
        What each key does; empty where there is no keyboard.
    """
    numbers = _numbers(look.counts)
    layout = Layout()
    layout.split_column(
        Layout(_headline(look), size=3),
        Layout(_standing(look), size=7),
        Layout(numbers, size=numbers.row_count + 1),
        Layout(Group(_faults(look), _notices(look.counts))),
        Layout(_keys(keys), size=1),
    )
    return layout


# --- the parts of the picture ------------------------------------------------------------


def _headline(look: Look) -> RenderableType:
    clients = count_in_words(look.clients, "client")
    what = Text.assemble((look.scenario, "bold"), f" on {look.engine}: {clients}")
    when = f"{look.time_s:.1f} of {look.duration_s:g} s" if look.time_s else "starting"
    table = Table.grid(expand=True)
    table.add_column(ratio=1)
    table.add_column(justify="right")
    table.add_row(what, when)
    return Group(table, _bar(look.time_s, look.duration_s, "blue"))


def _standing(look: Look) -> RenderableType:
    """Return clients by state beside messages by priority."""
    table = Table.grid(expand=True, padding=(0, 3, 0, 0))
    table.add_column(ratio=1)
    table.add_column()
    table.add_row(_clients(look), _messages(look.counts))
    return table


def _clients(look: Look) -> Table:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(min_width=10)
    table.add_column(justify="right")
    table.add_column(ratio=1)
    table.add_row(Text("clients", "bold"))
    for state, number in look.counts.states.items():
        bar = _bar(number, look.clients, _STATE_STYLES.get(state, "bright_black"))
        table.add_row(state, f"{number:,}", bar)
    return table


def _messages(counts: Counts) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    for _ in range(3):
        table.add_column(justify="right", min_width=6)
    table.add_row(*(Text(word, "bold") for word in ("messages", "in outbox", "latency p50", "p95")))
    for priority, number in counts.outbox.items():
        took = counts.latencies[priority]
        table.add_row(priority, f"{number:,}", _seconds(took.p50_s), _seconds(took.p95_s))
    return table


def _numbers(counts: Counts) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(style="bold", min_width=10)
    table.add_column(no_wrap=True)
    if counts.qualities:
        table.add_row("quality", _in_words(counts.qualities))
    table.add_row("transport", _in_words(counts.transports))
    table.add_row("breaker", _in_words(counts.breakers))
    table.add_row("attempts", f"{counts.attempts:,}, {counts.opens:,} of them opened")
    table.add_row("failures", _in_words(counts.failures) or "none")
    table.add_row("sent", f"{counts.sent:,}, {counts.acknowledged:,} of them acknowledged")
    table.add_row("dropped", _in_words(counts.dropped) or "none")
    return table


def _faults(look: Look) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(style="bold", min_width=10)
    table.add_column(style="red")
    for i, fault in enumerate(look.faults):
        table.add_row("" if i else "faults", describe_fault(fault))
    return table


def _notices(counts: Counts) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(style="bold", min_width=10)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for i, notice in enumerate(counts.notices):
        clients = f"{notice.clients:,} client{'s' if notice.clients > 1 else ''}"
        table.add_row("" if i else "notices", clients, _notice_text(notice))
    return table


def _notice_text(notice: Notice) -> Text:
    wording = notice.wording
    text = Text.assemble((wording.text, _LEVEL_STYLES[wording.level]), f" {wording.advice}")
    return text.append(f" ({notice.count:,} times)" if notice.count > notice.clients else "")


def _keys(keys: Mapping[str, str]) -> Text:
    if not keys:
        return Text("Ctrl-C ends the run.", "dim")
    text = Text(no_wrap=True)
    for key, what in keys.items():
        text.append(f" {key} ", "reverse").append(f" {what}  ")
    return text


def _seconds(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f} s"


def _bar(part: float, whole: float, style: str) -> ProgressBar:
    return ProgressBar(whole, part, complete_style=style, finished_style=style)


def _above_zero(counts: dict[str, int]) -> dict[str, int]:
    return {word: number for word, number in counts.items() if number}


def _in_words(counts: dict[str, int]) -> str:
    return "  ".join(f"{word.replace('_', ' ')} {number:,}" for word, number in counts.items())
