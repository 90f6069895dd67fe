"""An observation while it runs: as a screen of the terminal, or as lines."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isnan

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simlib.core.card import count_in_words
from simlib.lab.observe.listener import ObservationListener
from simlib.lab.observe.observation import Attempt
from simlib.lab.observe.script import Phase, Script

#: More attempts than these that end within a second are not told one by one.
_MOST_LINES_PER_S = 50
_LAST_ATTEMPTS, _LAST_NOTES = 12, 4
_REFRESH_S = 0.1


@contextmanager
def show_observation(script: Script) -> Iterator[ObservationListener]:
    """Show what is heard on the terminal, or as lines on stderr where that is none."""
    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Lines(lambda text: print(text, file=sys.stderr, flush=True))
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield ObservationScreen(script, lambda picture: live.update(picture, refresh=True))


def attempt_line(attempt: Attempt, wait_s: float) -> str:
    """Return an attempt that is over as one line.

    Examples
    --------
    >>> attempt = Attempt(2, "close", "1012", 0, "", 3.5, opened=True, answered_s=3.5, ended_s=4.0)
    >>> attempt_line(attempt, 1.0)
    '   3.500 s  phase 2 close 1012  client 0  after 1.000 s  open for 0.500 s'
    """
    parts = [
        f"{attempt.accept_s:8.3f} s",
        f"phase {attempt.phase} {_ending(attempt)}",
        f"client {attempt.client}",
        "first" if isnan(wait_s) else f"after {wait_s:.3f} s",
        _end(attempt),
    ]
    return "  ".join(part for part in parts if part)


def _ending(attempt: Attempt) -> str:
    return f"{attempt.kind.replace('_', ' ')} {attempt.detail}".strip()


def _end(attempt: Attempt) -> str:
    by = ", it left" if attempt.ended_by == "client" else ""
    if isnan(attempt.ended_s):
        return "still there"
    if attempt.opened:
        return f"open for {attempt.open_s:.3f} s{by}"
    lasted_s = attempt.ended_s - attempt.accept_s
    return f"lasted {lasted_s:.3f} s{by}" if by or lasted_s > 0.05 else ""


class Lines(ObservationListener):
    """Tells everything as lines; of a flood how many there were."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._waits: dict[int, float] = {}
        self._second, self._told, self._untold = -1, 0, 0

    def listening(self, urls: Sequence[str]) -> None:
        """Print the address to connect to."""
        self._tell(f"Listening on {', '.join(urls)}")

    def began(self, number: int, phase: Phase, now_s: float) -> None:
        """Print a phase's beginning."""
        self._tell(f"{now_s:8.3f} s  phase {number}: {phase.words} ({_limits(phase)})")

    def on_accept(self, attempt: Attempt, wait_s: float) -> None:
        """Remember the wait for the line."""
        self._waits[id(attempt)] = wait_s

    def on_end(self, attempt: Attempt) -> None:
        """Print an attempt."""
        wait_s = self._waits.pop(id(attempt), float("nan"))
        # By their ends, which come in order; at the end of all, some have none.
        if not isnan(attempt.ended_s) and int(attempt.ended_s) != self._second:
            self._tell_untold()
            self._second, self._told = int(attempt.ended_s), 0
        if self._told < _MOST_LINES_PER_S:
            self._told += 1
            self._tell(attempt_line(attempt, wait_s))
        else:
            self._untold += 1

    def on_note(self, sentence: str) -> None:
        """Print a note."""
        self._tell(f"  note: {sentence}")

    def on_finish(self) -> None:
        """Print how many attempts of the last second were not told."""
        self._tell_untold()

    def _tell_untold(self) -> None:
        if self._untold:
            more = count_in_words(self._untold, "more attempt")
            self._tell(f"            and {more} in that second")
            self._untold = 0


class ObservationScreen(ObservationListener):
    """The phases, the last attempts and notes, drawn again and again."""

    def __init__(self, script: Script, draw: Callable[[RenderableType], None]) -> None:
        self._script = script
        self._draw = draw
        self._urls: Sequence[str] = ()
        self._number, self._attempts = 0, 0
        self._here: dict[int, int] = {}
        self._last: deque[tuple[Attempt, float]] = deque(maxlen=_LAST_ATTEMPTS)
        self._notes: deque[str] = deque(maxlen=_LAST_NOTES)
        self._drawn_s = 0.0

    def listening(self, urls: Sequence[str]) -> None:
        """Show where to connect."""
        self._urls = urls
        self._show()

    def began(self, number: int, phase: Phase, now_s: float) -> None:
        """Show the phase."""
        self._number, self._here = number, {}
        self._show()

    def on_accept(self, attempt: Attempt, wait_s: float) -> None:
        """Show an attempt."""
        self._attempts += 1
        self._here[attempt.client] = self._here.get(attempt.client, 0) + 1
        self._last.append((attempt, wait_s))
        self._show(always=False)

    def on_end(self, attempt: Attempt) -> None:
        """Show an attempt's end."""
        self._show(always=False)

    def on_note(self, sentence: str) -> None:
        """Show what is odd."""
        self._notes.append(sentence)
        self._show()

    def _show(self, *, always: bool = True) -> None:
        now_s = time.monotonic()
        if always or now_s > self._drawn_s + _REFRESH_S:
            self._drawn_s = now_s
            self._draw(self.picture())

    def picture(self) -> Group:
        """Return how it stands, for 80 columns."""
        phase = self._script.phases[self._number]
        clients = ", ".join(
            f"client {client}: {made}" for client, made in sorted(self._here.items())[:6]
        )
        more = len(self._script.phases) - self._number - 1
        head = Text.assemble(
            (f"phase {self._number}: {phase.words}", "bold"),
            f" ({_limits(phase)}), {more} to come",
        )
        where = ", ".join(self._urls[:3]) + (" ..." if len(self._urls) > 3 else "")
        return Group(
            Text(f"{where}  {count_in_words(self._attempts, 'attempt')}", "dim"),
            head,
            Text(clients or "nobody yet"),
            self._table(),
            *(Text(f"note: {note}", "yellow") for note in self._notes),
            Text("Ctrl-C ends it; what was seen is kept.", "dim"),
        )

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
        for name in ("at s", "client", "wait s"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("phase", no_wrap=True)
        table.add_column("")
        for attempt, wait_s in self._last:
            wait = "-" if isnan(wait_s) else f"{wait_s:.3f}"
            cells = (f"{attempt.accept_s:.3f}", str(attempt.client), wait)
            table.add_row(*cells, _ending(attempt), _end(attempt))
        return table


def observation_in_words(
    waits: int, attempts: int, clients: int, notes: Sequence[str]
) -> list[str]:
    """Return what was seen, a line each.

    Examples
    --------
    >>> observation_in_words(7, 8, 1, ["the client speaks TLS"])
    ['8 attempts of 1 client, 7 waits', '  note: the client speaks TLS']
    """
    if not attempts:
        return ["no attempts", *(f"  note: {note}" for note in notes)]
    counts = ((attempts, "attempt"), (clients, "client"), (waits, "wait"))
    made, whose, waited = (count_in_words(count, word) for count, word in counts)
    return [f"{made} of {whose}, {waited}", *(f"  note: {note}" for note in notes)]


def _limits(phase: Phase) -> str:
    """Return what ends a phase, in words."""
    return f"{count_in_words(phase.attempts, 'attempt')} or {phase.longest_s:g} s"
