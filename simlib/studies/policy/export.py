"""Export a policy as options or code of a real client, and list what differs.

An exporter writes the text and says which settings the client then has. What it cannot do is not
listed by hand: it is where those settings differ from the ones that were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from math import inf

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import CountedFrom
from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.core.stops import CLOSE_CODES, STATUSES, Effect, Stops, as_codes, effect
from simlib.core.validation import nearest
from simlib.metrics.policy_waits import waits_s
from simlib.studies.policy.configured_clients import (
    approximations,
    client_go,
    phoenix,
    polly,
    resilience4j,
    service_config,
    signalr,
    stamina,
)
from simlib.studies.policy.exponential import COMPARED_WAITS
from simlib.studies.policy.javascript_clients import reconnecting_websocket, socket_io
from simlib.studies.policy.python_clients import grpc, tenacity, websockets_python
from simlib.support.arguments import check_arguments
from simlib.support.plugins import load_plugins, need_function

#: How far two policies that are said to wait alike may differ.
_RELATIVE, _ABSOLUTE_S = 0.01, 0.002


@dataclass(frozen=True, repr=False)
class Export(ShowsCard):
    """A policy in the words of a real client.

    Attributes
    ----------
    client : str
        The client that it is for.
    text : str
        Options, or a snippet.
    gives : Settings
        The settings that the client then has.
    lacks : tuple of str
        Where these differ from what was asked for, a sentence each.
    """

    client: str
    text: str
    gives: Settings
    lacks: tuple[str, ...]

    def card(self) -> Card:
        """Return what is shown: the text to copy, and where the client then differs."""
        text = f"<pre>{escape(self.text)}</pre>"
        exactly = (
            "exactly" if self.exact else f"with {count_in_words(len(self.lacks), 'difference')}"
        )
        return Card(f"For {self.client}, {exactly}:", notes=self.lacks, picture=text)

    def __repr__(self) -> str:
        title, *lacks = self.card().text().splitlines()
        return "\n".join([title, self.text.rstrip(), *lacks])

    @property
    def exact(self) -> bool:
        """Whether the client then does all that was asked for."""
        return not self.lacks


@check_arguments
def export(client: Settings, to: str) -> Export:
    """Return the options or lines that give a real client a policy, or the nearest it can.

    Parameters
    ----------
    client : Settings
        The policy.
    to : str
        One of `EXPORTERS`.

    Returns
    -------
    Export
        The text for the client's source, and what differs from the policy.

    Raises
    ------
    SettingsError
        If there is no such client to export to.

    Examples
    --------
    >>> import simlib as sl
    >>> exported = export(sl.presets["socket.io-client"].client, "socket.io-client")
    >>> exported.exact, exported.text.splitlines()[1].strip()
    (True, 'reconnectionDelay: 1000,')
    """
    if to not in EXPORTERS:
        rule = f"must be one of {', '.join(EXPORTERS)}{nearest(to, list(EXPORTERS))}"
        raise SettingsError("to", to, rule)
    if client.backoff.has_function:
        rule = f"is {client.backoff.in_words}: call that in the client's own code instead"
        raise SettingsError("backoff", client.backoff, rule)
    text, gives = EXPORTERS[to](client)
    lacks = (*_lacks(client, gives), *approximations(to, text))
    return Export(to, text, gives, lacks)


# --- what is lacking ---------------------------------------------------------------------


def _lacks(asked: Settings, gives: Settings) -> Iterator[str]:
    yield from _of_waits(asked.backoff, gives.backoff)
    for name in ("breaker", "fallback", "attempt_budget", "connect_budget", "heartbeat"):
        if getattr(asked, name) != getattr(gives, name):
            yield _LACKING[name]
    if asked.backoff.max_attempts > 0:
        yield from _of_stops(asked.stops, gives.stops)
    if asked.connect_timeout_s != gives.connect_timeout_s:
        yield f"an attempt times out after {gives.connect_timeout_s:g} s"
    if asked.outbox.capacity != gives.outbox.capacity:
        yield "its outbox is not bounded like that: bound it in the application"


def _of_waits(wanted: Backoff, given: Backoff) -> Iterator[str]:
    if wanted.max_attempts != given.max_attempts:
        yield f"attempts: asked for {wanted.max_attempts:g}; it makes {given.max_attempts:g}"
    if wanted.max_attempts == 0:
        return
    if not _alike(wanted, given):
        yield f"waits: asked for {_waits(wanted)}; it does {_waits(given)}"
    elif wanted.counted_from != given.counted_from:
        yield f"its waits are counted from the {given.counted_from.name.lower()} of an attempt"
    elif wanted.drawn_once != given.drawn_once:
        yield f"its jitter is drawn {'once' if given.drawn_once else 'each time'}"
    yield from _of_losses(wanted, given)


def _of_losses(wanted: Backoff, given: Backoff) -> Iterator[str]:
    """Yield what differs after a loss, when it gives up, and what it heeds."""
    if wanted.after_loss_s != given.after_loss_s:
        soon = f"{given.after_loss_s:g} s" if given.after_loss_s < inf else "the first of its waits"
        yield f"after a loss it attempts after {soon}"
    elif wanted.after_loss_s < inf and wanted.after_loss_jitter != given.after_loss_jitter:
        yield "its wait after a loss is not spread like that"
    if wanted.give_up_after_s != given.give_up_after_s:
        yield f"it does not give up {wanted.give_up_after_s:g} s after a loss"
    if wanted.stable_after_s != given.stable_after_s:
        lasts = f"{given.stable_after_s:g} s, not {wanted.stable_after_s:g} s"
        yield f"its count resets when open for {lasts}"
    if wanted.heeds_hint and not given.heeds_hint:
        yield "it does not heed Retry-After"


def _of_stops(asked: Stops, gives: Stops) -> Iterator[str]:
    """Yield each effect of codes that was asked for where the client does something else."""
    every = [code for first, last in (STATUSES, CLOSE_CODES) for code in range(first, last + 1)]
    for wanted, what in _EFFECTS.items():
        for does, instead in _INSTEAD.items():
            apart = [
                code
                for code in every
                if wanted != does and (wanted, does) == (effect(asked, code), effect(gives, code))
            ]
            if apart:
                yield f"{what} {', '.join(map(str, as_codes(apart)))}; {instead}"


_EFFECTS = {
    Effect.ENDS: "asked to end on",
    Effect.SUSPENDS: "asked to rest until a sign-in on",
    Effect.GOES_ON: "asked to attempt again after",
}
_INSTEAD = {
    Effect.ENDS: "it ends for good",
    Effect.SUSPENDS: "it rests",
    Effect.GOES_ON: "it attempts again: close it in the application",
}
_LACKING = {
    "breaker": "it has no breaker",
    "fallback": "it has no such fallback to polling",
    "attempt_budget": "it has no budget of attempts after failures",
    "connect_budget": "it has no budget of attempts",
    "heartbeat": "its heartbeat is another: ping in the application, or set it on the server",
}


def _waits(rules: Backoff) -> str:
    """Return how it waits in words, without what has a sentence of its own."""
    alone = replace(rules, max_attempts=inf, stable_after_s=0.0, after_loss_s=inf)
    alone = replace(alone, give_up_after_s=inf, hint_cap_s=inf)
    return replace(alone, counted_from=CountedFrom.FAILURE).in_words


def _alike(one: Backoff, other: Backoff) -> bool:
    """Whether two policies wait alike, attempt by attempt, from the least to the longest."""
    wanted, given = (
        waits_s(replace(rules, max_attempts=inf), COMPARED_WAITS) for rules in (one, other)
    )
    return bool(np.allclose(wanted, given, rtol=_RELATIVE, atol=_ABSOLUTE_S))


# --- clients -----------------------------------------------------------------------------


#: The clients that policies can be exported to.
EXPORTERS: dict[str, Callable[[Settings], tuple[str, Settings]]] = {
    "reconnecting-websocket": reconnecting_websocket,
    "partysocket": reconnecting_websocket,
    "socket.io-client": socket_io,
    "websockets-python": websockets_python,
    "grpc": grpc,
    "tenacity": tenacity,
    "phoenix": phoenix,
    "signalr": signalr,
    "stamina": stamina,
    "polly": polly,
    "resilience4j": resilience4j,
    "grpc-service-config": service_config,
    "client-go": client_go,
}
EXPORTERS |= load_plugins("exporters", list(EXPORTERS), need_function)
