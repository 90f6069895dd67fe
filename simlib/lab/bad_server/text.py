"""A server in trouble in words: as it runs, and what it saw."""

from __future__ import annotations

from collections.abc import Callable

from simlib.core.card import count_in_words
from simlib.lab.observe.observation import Observation
from simlib.lab.observe.script import Phase
from simlib.lab.observe.text import Lines, observation_in_words


class MomentLines(Lines):
    """Tells everything as lines; a moment by what the server does from then on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(tell)
        self._tell_line = tell

    def began(self, number: int, phase: Phase, now_s: float) -> None:
        """Print a moment."""
        self._tell_line(f"{now_s:8.3f} s  {phase.words}")


def moments_in_words(seen: Observation) -> list[str]:
    """Return what was seen, a line each: in all, and of each moment that saw attempts.

    Examples
    --------
    >>> from simlib.lab.observe.observation import Attempt
    >>> rows = [Attempt(0, "status", "503", 0, "", at, ended_s=at) for at in (0.5, 1.5)]
    >>> phases = [{"phase": 0, "kind": "status", "detail": "503", "begin_s": 0.0, "end_s": 2.0}]
    >>> moments_in_words(Observation(rows, phases=phases))
    ['2 attempts of 1 client, 1 wait', '  0.0 to 2.0 s, status 503: 2 attempts']
    """
    clients = len({attempt.client for attempt in seen.attempts})
    lines = observation_in_words(len(seen.waits()), len(seen.attempts), clients, seen.notes)
    for phase in seen.phases:
        begin_s, end_s = phase["begin_s"], phase["end_s"]
        came = sum(begin_s <= attempt.accept_s < end_s for attempt in seen.attempts)
        if came:
            words = f"{phase['kind'].replace('_', ' ')} {phase['detail']}".strip()
            made = count_in_words(came, "attempt")
            lines.append(f"  {begin_s:.1f} to {end_s:.1f} s, {words}: {made}")
    return lines
