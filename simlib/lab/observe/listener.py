"""What an observation reports while it runs, and when it is interrupted."""

from __future__ import annotations

from collections.abc import Sequence

from simlib.core.card import count_in_words
from simlib.core.errors import Interruption
from simlib.lab.observe.observation import Attempt, Observation
from simlib.lab.observe.script import Phase


class ObservationInterrupted(Interruption):
    """Ctrl-C while observing; ``observation`` holds what was seen so far."""

    def __init__(self, observation: Observation) -> None:
        super().__init__(observation)
        self.observation = observation

    def __str__(self) -> str:
        seen = count_in_words(len(self.observation.attempts), "attempt")
        return (
            f"What was seen is kept, {seen}: in a notebook as sys.last_value.observation, in a "
            "script as the observation of this exception."
        )


class ObservationListener:
    """Callbacks of an observation; this class ignores all of them."""

    def listening(self, urls: Sequence[str]) -> None:
        """Handle the address where clients may connect."""

    def began(self, number: int, phase: Phase, now_s: float) -> None:
        """Handle the beginning of a phase."""

    def on_accept(self, attempt: Attempt, wait_s: float) -> None:
        """Handle an attempt, and the wait before it; NaN before a client's first."""

    def on_end(self, attempt: Attempt) -> None:
        """Handle the end of an attempt or of its connection."""

    def on_note(self, sentence: str) -> None:
        """Handle a note about something odd."""

    def on_finish(self) -> None:
        """Handle the end of the observation."""
