"""Notices for the user: what each says, what to do about it, and what ends it.

Rules of the board:
- A notice stands until something clears it; one that comes again is merged, not repeated.
- Good news is told once and does not stand: it only clears.
- An open connection clears what it disproves, whatever was said before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from simlib.core.errors import MisuseError
from simlib.core.events import Reason


class Level(IntEnum):
    """How much a notice matters; the worst is the highest."""

    INFO = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Wording:
    """The text for the user of one reason."""

    level: Level
    text: str
    #: What to do about it.
    advice: str
    #: The notices that it ends.
    clears: tuple[Reason, ...] = ()
    #: Whether it stands until it is cleared; good news does not.
    stands: bool = True


def _good(text: str, *clears: Reason) -> Wording:
    return Wording(Level.INFO, text, "Nothing to do.", clears, stands=False)


#: What the user reads for each reason that a client may notify of.
WORDINGS: dict[Reason, Wording] = {
    Reason.GAVE_UP: Wording(
        Level.ERROR,
        "The connection could not be made, and attempts have ended.",
        "Check the network, then connect again.",
        clears=(Reason.TRIPPED, Reason.BUDGET),
    ),
    Reason.SIGN_IN: Wording(
        Level.ERROR, "The session is not valid any more.", "Sign in again: nothing is lost."
    ),
    Reason.QUOTA: Wording(
        Level.ERROR,
        "Storage is full: new messages would not survive a crash.",
        "Make room, or stay connected until all is sent.",
    ),
    Reason.CONFLICT: Wording(
        Level.WARNING, "A draft was changed elsewhere too.", "Compare the two and keep one."
    ),
    Reason.TRIPPED: Wording(
        Level.WARNING,
        "Attempts to connect keep failing, so they pause.",
        "Wait: the next attempt comes by itself.",
    ),
    Reason.OFFLINE: Wording(
        Level.WARNING, "The device is offline.", "Check the network: messages are kept."
    ),
    Reason.BUDGET: Wording(
        Level.WARNING,
        "Too many attempts were made for now.",
        "Wait: the next attempt comes by itself.",
    ),
    Reason.FELL_BACK: Wording(
        Level.WARNING,
        "No live connection: messages go by polling.",
        "Go on working: it is only slower.",
    ),
    Reason.MENDED: _good("Attempts to connect succeed again.", Reason.TRIPPED, Reason.GAVE_UP),
    Reason.RETURNED: _good("The live connection is back.", Reason.FELL_BACK, Reason.GAVE_UP),
    Reason.SIGNED_IN: _good("The session is valid again.", Reason.SIGN_IN),
    Reason.ONLINE: _good("The device is online again.", Reason.OFFLINE),
}

#: What an open connection disproves. A breaker may still be half-open and polling go on.
OPENING_CLEARS = (Reason.GAVE_UP, Reason.SIGN_IN, Reason.OFFLINE, Reason.BUDGET)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that stands: how often it came, first and last when, and to how many clients."""

    reason: Reason
    first_s: float
    last_s: float
    count: int = 1
    clients: int = 1

    @property
    def wording(self) -> Wording:
        """Return the text that the user reads."""
        return WORDINGS[self.reason]


class Board:
    """The notices of one client.

    Examples
    --------
    >>> board = Board()
    >>> board.post(Reason.TRIPPED, 3.0)
    >>> board.post(Reason.TRIPPED, 9.0)
    >>> [(notice.count, notice.wording.advice) for notice in board.standing()]
    [(2, 'Wait: the next attempt comes by itself.')]
    >>> board.post(Reason.MENDED, 12.0)
    >>> board.standing()
    []
    """

    __slots__ = ("_standing",)

    def __init__(self) -> None:
        self._standing: dict[Reason, Notice] = {}

    def post(self, reason: Reason, now: float) -> None:
        """Show the notice of a client's `Notify`."""
        if reason not in WORDINGS:
            raise MisuseError(f"{reason.name.lower()} is not a notice to the user")
        wording = WORDINGS[reason]
        self._clear(wording.clears)
        if wording.stands:
            before = self._standing.get(reason, Notice(reason, now, now, count=0))
            self._standing[reason] = Notice(reason, before.first_s, now, before.count + 1)

    def clear_at_open(self) -> None:
        """Clear the notices that an open connection ends."""
        self._clear(OPENING_CLEARS)

    def standing(self) -> list[Notice]:
        """Return the notices that stand, the worst first, then the latest."""
        return _sort(self._standing.values())

    def _clear(self, reasons: Iterable[Reason]) -> None:
        for reason in reasons:
            self._standing.pop(reason, None)


def merge_notices(boards: Iterable[Board]) -> list[Notice]:
    """Return the notices of many clients: one for each reason, with how many clients have it."""
    by_reason: dict[Reason, Notice] = {}
    for board in boards:
        for own in board.standing():
            known = by_reason.get(own.reason)
            by_reason[own.reason] = own if known is None else _both(known, own)
    return _sort(by_reason.values())


def _both(known: Notice, own: Notice) -> Notice:
    return Notice(
        known.reason,
        min(known.first_s, own.first_s),
        max(known.last_s, own.last_s),
        known.count + own.count,
        known.clients + own.clients,
    )


def _sort(notices: Iterable[Notice]) -> list[Notice]:
    return sorted(notices, key=lambda notice: (-notice.wording.level, -notice.last_s))
