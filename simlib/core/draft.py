"""Draft sync: edits are held until the typing pauses, one at a time is on its way per draft.

Rules of draft sync:
- A newer edit of a draft stands for the older ones that have not left.
- An edit leaves `debounce_s` after the last keystroke, or `longest_s` after the first, once the
  edit before it is answered.
- It names the version that it was made on. The server accepts it on that version only; otherwise
  it is a conflict, which the application is told of and which it alone can resolve.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from simlib.core.events import NONE, Message
from simlib.core.validation import ValidatedSettings, seconds


@dataclass(frozen=True, kw_only=True)
class DraftRules(ValidatedSettings):
    """How long edits of a draft are held back before they are sent.

    Examples
    --------
    >>> DraftRules(debounce_s=0.2)
    DraftRules(debounce_s=0.2)
    """

    #: An edit leaves when no other followed for this long.
    debounce_s: float = seconds(0.5)
    #: And at the latest this long after the first that it stands for.
    longest_s: float = seconds(5.0, endless=True)


@dataclass(slots=True)
class _Draft:
    #: The newest version that is known here.
    version: int = 0
    held: Message | None = None
    first_s: float = inf
    due_s: float = inf
    #: The edit that left and is not answered; -1: none.
    away: int = NONE


class Drafts:
    """The drafts of one client."""

    __slots__ = ("settings", "_drafts")

    def __init__(self, settings: DraftRules) -> None:
        self.settings = settings
        self._drafts: dict[int, _Draft] = {}

    @property
    def deadline_s(self) -> float:
        """When an edit is due to leave; inf: none."""
        return min(
            (d.due_s for d in self._drafts.values() if d.away == NONE and d.held), default=inf
        )

    def messages(self) -> list[Message]:
        """Return the edits that have not left."""
        return [draft.held for draft in self._drafts.values() if draft.held is not None]

    def edit(self, message: Message, now: float) -> tuple[Message, Message | None]:
        """Hold an edit; return it with the version it was made on, and the one it replaces."""
        draft = self._drafts.setdefault(message.key, _Draft())
        replaced, first_s = draft.held, draft.first_s if draft.held else now
        base = replaced.base if replaced else draft.version
        draft.held = message.replace(base=base)
        draft.first_s = first_s
        draft.due_s = min(now + self.settings.debounce_s, first_s + self.settings.longest_s)
        return draft.held, replaced

    def restore(self, message: Message, now: float) -> Message | None:
        """Hold an edit of an earlier life, due at once; return the edit that it replaces."""
        draft = self._drafts.setdefault(message.key, _Draft())
        replaced, draft.held = draft.held, message
        draft.version = max(draft.version, message.base)
        draft.first_s = draft.due_s = now
        return replaced

    def leaving(self, now: float) -> list[Message]:
        """Remove and return the edits that are due, each on its way from now on."""
        leaving = []
        for draft in self._drafts.values():
            if draft.held is not None and draft.away == NONE and draft.due_s <= now:
                leaving.append(draft.held)
                draft.away, draft.held, draft.due_s = draft.held.id, None, inf
        return leaving

    def note_version(self, key: int, version: int) -> None:
        """Note a version that came from elsewhere."""
        if key in self._drafts:
            self._drafts[key].version = max(self._drafts[key].version, version)

    def end(self, message: Message, version: int, accepted: bool) -> Message | None:
        """Note that an edit was answered, or (-1 for the version) given up.

        Returns the edit held meanwhile if it is now one on a newer version: it was made on this
        client's own edit, not on somebody else's.
        """
        draft = self._drafts.get(message.key)
        if draft is None or draft.away != message.id:
            return None
        draft.away = NONE
        draft.version = max(draft.version, version)
        if not accepted or draft.held is None or draft.held.base != message.base:
            return None
        draft.held = draft.held.replace(base=version)
        return draft.held
