"""Clients and servers that are broken on purpose: what the checker must tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from simlib.core import events as ev
from simlib.core.delivery import Delivery
from simlib.core.outbox import Outbox
from simlib.core.server_messages import DedupWindow

Patch = Callable[[pytest.MonkeyPatch], None]


def _forget_in_flight(patch: pytest.MonkeyPatch) -> None:
    """Let go of what was on its way when its connection ended, acknowledged or not."""

    def give_back_all(outbox: Outbox, connection: int) -> None:
        for message in [m for m, e in outbox._in_flight.items() if e.connection == connection]:
            outbox.remove(message)

    patch.setattr(Outbox, "give_back_all", give_back_all)


def _forget_saved(patch: pytest.MonkeyPatch) -> None:
    """Delete what is saved as it is sent, and not when it is acknowledged."""
    take = Delivery.take

    def take_and_forget(delivery: Delivery, now: float, connection: int) -> ev.Message:
        message = take(delivery, now, connection)
        delivery.commands.append(ev.Forget(message))
        return message

    patch.setattr(Delivery, "take", take_and_forget)


def _overtake(patch: pytest.MonkeyPatch) -> None:
    """Send messages of a key without waiting for those before them."""
    patch.setattr(Outbox, "_stand_in_line", lambda outbox, message: True)
    patch.setattr(Outbox, "_leave_line", lambda outbox, message: None)


def _count_copies(patch: pytest.MonkeyPatch) -> None:
    """Take each copy for a new message, as a server does that keeps no ids."""
    add = DedupWindow.add
    patch.setattr(DedupWindow, "add", lambda window, message: add(window, message) or True)
    patch.setattr(DedupWindow, "__contains__", lambda window, message: False)


#: What is broken, how, and a sentence that the checker must say of it.
BROKEN: dict[str, tuple[Patch, str]] = {
    "the client forgets what was in flight": (_forget_in_flight, "never counted nor given up"),
    "the client forgets what it saved too early": (_forget_saved, "never counted nor given up"),
    "the client lets messages overtake": (_overtake, "which was accepted before it"),
    "the server counts copies": (_count_copies, "counted 2 times"),
}


@contextmanager
def breaking(what: str) -> Iterator[str]:
    """Break something for a while; yield the sentence that must be said of it."""
    breaks, sentence = BROKEN[what]
    with pytest.MonkeyPatch.context() as patch:
        breaks(patch)
        yield sentence
