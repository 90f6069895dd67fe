"""What became of the messages of a soak: accepted by an outbox, counted by a server.

Accepted: an outbox with a store that outlives its process took the message. Such a message must be
counted by the server once and only once, and those of a key in the order of their acceptance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from simlib.core.events import NONE, Reason
from simlib.engines.live.decision_log import read_log
from simlib.trace.columns import Name

#: A client and the number of its message.
MessageKey = tuple[int, int]


class Fates(NamedTuple):
    """What became of the messages."""

    accepted: int
    #: Of those that were accepted, how many the server counted.
    delivered: int
    lost: list[MessageKey]
    doubled: list[MessageKey]
    out_of_order: list[MessageKey]


def judge(accepted: dict[MessageKey, int], counted: Iterable[MessageKey]) -> Fates:
    """Return what became of messages.

    Parameters
    ----------
    accepted : dict
        The key that each accepted message is about; -1: about nothing.
    counted : iterable of tuple
        The messages that servers counted, in their order.

    Examples
    --------
    >>> judge({(0, 1): 7, (0, 2): 7, (0, 3): -1}, [(0, 2), (0, 1), (0, 1)])
    Fates(accepted=3, delivered=2, lost=[(0, 3)], doubled=[(0, 1)], out_of_order=[(0, 1)])
    """
    times = Counter(counted)
    newest: dict[tuple[int, int], int] = {}
    late = []
    for client, message in times:  # in the order in which each was first counted
        key = accepted.get((client, message), NONE)
        if key == NONE:
            continue
        if message < newest.get((client, key), NONE):
            late.append((client, message))
        newest[client, key] = max(message, newest.get((client, key), NONE))
    lost = [message for message in accepted if message not in times]
    doubled = [message for message, count in times.items() if count > 1]
    return Fates(len(accepted), len(accepted) - len(lost), lost, doubled, late)


def read_accepted(files: Iterable[Path]) -> dict[MessageKey, int]:
    """Return what client processes wrote down of the messages that they accepted."""
    accepted = {}
    for path in files:
        # A line that a kill has cut in two is no line: the message is one more that was saved.
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                client, message, key = map(int, line.split())
                accepted[client, message] = key
    return accepted


def read_counted(logs: Iterable[Path]) -> list[MessageKey]:
    """Return the messages that servers counted, in the order of their logs."""
    return [
        (client, message)
        for log in logs
        for _, _, name, client, _, message, reason, _, _ in read_log(log)
        if name == Name.PROCESS and reason == Reason.ACCEPTED
    ]
