"""The fault proxy itself: it listens, connects to the target, and applies effects to both ways."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from math import inf

from simlib.core.draws import Stream
from simlib.core.faults import is_hit
from simlib.engines.live.acceptor import Acceptor
from simlib.engines.live.open_files import allow_files
from simlib.engines.live.tcp import TcpConnection, begin_connecting, reset_socket
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect
from simlib.lab.fault_proxy.flow import Flow
from simlib.lab.fault_proxy.statistics import Statistics

#: So many connections are let through at once, where the machine allows two files for each.
MOST_CONNECTIONS = 10_000
_FILES_PER_CONNECTION, _OTHER_FILES = 2, 100
_CLOSE_TIMEOUT_S = 10.0


class Relay:
    """Passes connections on to a target; effects begin and end by name."""

    def __init__(
        self, target: tuple[str, int], seed: int = 0, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self.target = target
        self.seed = seed
        self.pipes: set[RelayedConnection] = set()
        #: The effects that act now, by name, each with its number, by which its share is drawn.
        self.effects: dict[str, tuple[int, ProxyEffect]] = {}
        self._note = note
        self._begun = 0
        self._counts = Statistics()
        self._acceptor: Acceptor | None = None
        self._is_target_there = True
        files = allow_files(MOST_CONNECTIONS * _FILES_PER_CONNECTION + _OTHER_FILES)
        self.most = min(MOST_CONNECTIONS, (files - _OTHER_FILES) // _FILES_PER_CONNECTION)
        self._is_full = False
        self._is_empty = asyncio.Event()

    def listen(self, listener: socket.socket) -> None:
        """Take in what connects to a listening socket."""
        self._acceptor = Acceptor(listener, self._take)

    async def close(self) -> None:
        """Reset every connection, and listen no more."""
        if self._acceptor is not None:
            self._acceptor.close()
        self._is_empty.clear()
        if self.pipes:
            for pipe in list(self.pipes):
                pipe.reset()
            await asyncio.wait_for(self._is_empty.wait(), _CLOSE_TIMEOUT_S)

    # --- effects -----------------------------------------------------------------------------

    def begin(self, name: str, effect: ProxyEffect, origin: int | None = None) -> None:
        """Begin an effect; one of the same name ends.

        ``origin`` numbers it for the draw of its share; by default effects are numbered in turn.
        """
        self._begun += 1
        self.effects[name] = (self._begun - 1 if origin is None else origin, effect)
        self._apply()

    def end(self, name: str) -> None:
        """End an effect."""
        del self.effects[name]
        self._apply()

    def restore(self) -> None:
        """End all effects; connections that lost a way for good do not get it back."""
        self.effects.clear()
        self._apply()

    def cut(self, fraction: float = 1.0, origin: int | None = None) -> None:
        """Reset a share of the connections that are open now."""
        self._begun += 1
        number = self._begun - 1 if origin is None else origin
        for pipe in list(self.pipes):
            if is_hit(fraction, number, self.seed, pipe.number):
                self.reset_by_fault(pipe)

    def abandon(self, fraction: float = 1.0, origin: int | None = None) -> None:
        """Leave a share of the open connections without either way, for good; nobody is told."""
        self._begun += 1
        number = self._begun - 1 if origin is None else origin
        for pipe in list(self.pipes):
            if is_hit(fraction, number, self.seed, pipe.number):
                pipe.up.is_dead = pipe.down.is_dead = True

    def effects_on(self, pipe: RelayedConnection) -> list[ProxyEffect]:
        """Return the effects that act on a connection."""
        return [
            effect
            for number, effect in self.effects.values()
            if is_hit(effect.fraction, number, self.seed, pipe.number)
        ]

    def _apply(self) -> None:
        for pipe in list(self.pipes):
            pipe.change(self.effects_on(pipe))

    # --- connections -------------------------------------------------------------------------

    def _take(self, accepted: socket.socket, port: int) -> None:
        self._counts.connections += 1
        if len(self.pipes) >= self.most:
            self._turn_away(accepted)
            return
        pipe = RelayedConnection(self, self._counts.connections - 1, accepted)
        self.pipes.add(pipe)
        pipe.open(self.effects_on(pipe))

    def _turn_away(self, accepted: socket.socket) -> None:
        self._counts.turned_away += 1
        if not self._is_full:
            self._is_full = True
            self._note(f"{self.most:,} connections are open, the most: more are reset")
        reset_socket(accepted)

    def count_refused(self) -> None:
        """Count a connection that a fault refused."""
        self._counts.refused += 1

    def reset_by_fault(self, pipe: RelayedConnection) -> None:
        """Reset a connection, and count it."""
        if pipe in self.pipes and not pipe.is_reset:
            self._counts.cut += 1
            pipe.reset()

    def count_reached(self, *, is_there: bool) -> None:
        """Note whether the target was there, and say when that changes."""
        host, port = self.target
        if not is_there:
            self._counts.unreachable += 1
        if is_there != self._is_target_there:
            words = "is there again" if is_there else "is not there: clients are reset until it is"
            self._note(f"the target {host}:{port} {words}")
        self._is_target_there = is_there

    def note_waiting(self, waiting_bytes: int) -> None:
        """Keep the most that ever waited of one connection."""
        self._counts.most_waiting_bytes = max(self._counts.most_waiting_bytes, waiting_bytes)

    def count_carried(self, up_bytes: int, down_bytes: int) -> None:
        """Count what a connection that is over has carried."""
        self._counts.up_bytes += up_bytes
        self._counts.down_bytes += down_bytes

    @property
    def statistics(self) -> Statistics:
        """What was counted so far, open connections included."""
        seen = Statistics(**self._counts.to_json())
        seen.up_bytes += sum(pipe.up.carried_bytes for pipe in self.pipes)
        seen.down_bytes += sum(pipe.down.carried_bytes for pipe in self.pipes)
        return seen

    def forget(self, pipe: RelayedConnection) -> None:
        """Remove a connection whose two sides have ended."""
        if pipe in self.pipes:
            self.pipes.discard(pipe)
            # Not sooner: it is not to be said again for each that ends.
            self._is_full = self._is_full and len(self.pipes) > self.most // 2
            self.count_carried(pipe.up.carried_bytes, pipe.down.carried_bytes)
        if not self.pipes:
            self._is_empty.set()


class RelayedConnection:
    """One connection through the proxy."""

    def __init__(self, relay: Relay, number: int, accepted: socket.socket) -> None:
        self.number = number
        self._relay = relay
        self.up = Flow(Stream.UP, relay.seed, number)
        self.down = Flow(Stream.DOWN, relay.seed, number)
        self.is_reset = self._was_refused = False
        self._begun_s = asyncio.get_running_loop().time()
        self._client: TcpConnection | None = TcpConnection(
            accepted, self._from_client, self._client_left
        )
        self._server: TcpConnection | None = None

    def open(self, effects: list[ProxyEffect]) -> None:
        """Connect to the target, unless an effect refuses."""
        if any(effect.kind is EffectKind.REFUSE for effect in effects):
            self._relay.count_refused()
            self.reset()
            return
        try:
            connecting = begin_connecting(self._relay.target)
        except OSError:
            self._relay.count_reached(is_there=False)
            self.reset()
            return
        assert self._client is not None
        self._server = TcpConnection(connecting, self._from_server, self._server_left)
        self.up.join(self._client, self._server)
        self.down.join(self._server, self._client)
        self.change(effects)

    def change(self, effects: list[ProxyEffect]) -> None:
        """Act by these effects from now on."""
        if any(effect.kind is EffectKind.REFUSE for effect in effects):
            self._relay.reset_by_fault(self)
            return
        self.up.change([effect for effect in effects if effect.up])
        self.down.change([effect for effect in effects if effect.down])
        for effect in effects:
            if effect.end_after_s < inf:
                self._end_at(effect)
        self._look_at_limits()

    def _end_at(self, effect: ProxyEffect) -> None:
        """Reset it when it is so old, if the effect still acts then."""
        # A reset counts from the connection's opening, what holds it from the effect's beginning.
        loop = asyncio.get_running_loop()

        def end() -> None:
            if any(effect is acting for acting in self._relay.effects_on(self)):
                self._relay.reset_by_fault(self)

        loop.call_later(effect.end_after_s, end)

    def reset(self) -> None:
        """End both sides at once, as a reset; what is on its way is lost."""
        self.is_reset = True
        for side in (self._client, self._server):
            if side is not None:
                side.reset()

    def _from_client(self, data: bytes) -> None:
        self.up.receive(data)
        self._look_at_limits()
        self._relay.note_waiting(self.up.held_bytes + self.down.held_bytes)

    def _from_server(self, data: bytes) -> None:
        self._relay.count_reached(is_there=True)
        self.down.receive(data)
        self._look_at_limits()
        self._relay.note_waiting(self.up.held_bytes + self.down.held_bytes)

    def _look_at_limits(self) -> None:
        for effect in self._relay.effects_on(self):
            ways = [self.up] * effect.up + [self.down] * effect.down
            if effect.kind is EffectKind.LIMIT and any(
                way.carried_bytes >= effect.limit_bytes for way in ways
            ):
                self._relay.reset_by_fault(self)

    def _client_left(self) -> None:
        self._client = None
        self.down.drop()
        self.up.end()
        self._forget_if_done()

    def _server_left(self) -> None:
        assert self._server is not None
        was_reached, self._server = self._server.reached, None
        self.up.drop()
        if not was_reached and not self.is_reset and self._client is not None:
            self._relay.count_reached(is_there=False)
            self.reset()
        self.down.end()
        self._forget_if_done()

    def _forget_if_done(self) -> None:
        if self._client is None and self._server is None:
            self._relay.forget(self)
