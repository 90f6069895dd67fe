"""One way of one connection through the fault proxy: a queue in memory that is bounded.

What arrives waits here until the effects let it pass. When more waits than `MOST_WAITING_BYTES`,
here or in the socket that it goes to, no more is read: then TCP itself slows the sender down, as it
does without a proxy.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf

from simlib.core.draws import Stream, uniform
from simlib.engines.live.tcp import TcpConnection
from simlib.engines.sockets import MOST_WAITING_BYTES
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect

#: A limited bandwidth carries a piece in this time, so that it flows rather than jumps.
_PIECE_S = 0.05
#: What is read at once is cut into no more pieces: each costs as much memory as a hundred bytes.
MOST_PIECES = 256


class Flow:
    """Carries what one side sends to the other, as the effects allow."""

    def __init__(self, stream: Stream, seed: int, connection: int) -> None:
        self._stream, self._seed, self._connection = stream, seed, connection
        self._loop = asyncio.get_running_loop()
        #: What is on its way, with the moment of its arrival; an empty piece is the end.
        self._queue: deque[tuple[float, bytes]] = deque()
        self.waiting_bytes = self.carried_bytes = 0
        #: It never carries anything again.
        self.is_dead = False
        self._effects: list[ProxyEffect] = []
        self._free_s = self._last_s = 0.0
        self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None
        self._source: TcpConnection | None = None
        self._sink: TcpConnection | None = None

    def join(self, source: TcpConnection, sink: TcpConnection) -> None:
        """Set the two sides."""
        self._source, self._sink = source, sink
        sink.on_sent = self._carry

    def change(self, effects: list[ProxyEffect]) -> None:
        """Act by these effects from now on; what waits is timed anew."""
        self._effects = effects
        queued, self._queue = self._queue, deque()
        self.waiting_bytes, self._free_s, self._last_s = 0, 0.0, 0.0
        for _, data in queued:
            self._append(data)
        self._carry()

    def receive(self, data: bytes) -> None:
        """Take what the source has sent."""
        if any(effect.kind is EffectKind.HALF_OPEN for effect in self._effects):
            self.is_dead = True
        self._append(data)
        self._carry()

    def end(self) -> None:
        """Pass the source's end on, after what it sent before."""
        self._source = None
        self._append(b"")
        self._carry()

    def drop(self) -> None:
        """Forget what waits: the sink is gone."""
        self._sink = None
        self._queue.clear()
        self.waiting_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
        if self._source is not None:
            self._source.resume_reading()

    @property
    def held_bytes(self) -> int:
        """How much waits in memory, in the queue and for the sink's socket."""
        return self.waiting_bytes + (0 if self._sink is None else self._sink.unsent_bytes)

    def _append(self, data: bytes) -> None:
        if self._sink is None and self._source is not None:
            return
        rate = min((effect.bandwidth_bytes_per_s for effect in self._effects), default=inf)
        size = len(data) if rate == inf else int(rate * _PIECE_S)
        size = max(1, size, -(-len(data) // MOST_PIECES))
        for start in range(0, max(1, len(data)), size):
            piece = data[start : start + size]
            self._queue.append((self._arrival_s(len(piece), rate), piece))
        self.waiting_bytes += len(data)

    def _arrival_s(self, size_bytes: int, rate: float) -> float:
        now_s = self._loop.time()
        self._free_s = max(self._free_s, now_s) + (0.0 if rate == inf else size_bytes / rate)
        late_s = 0.0
        for effect in self._effects:
            spread = 2.0 * uniform(self._seed, self._connection, self._stream, self._pieces) - 1.0
            late_s += effect.latency_s + effect.jitter_s * spread
        self._pieces += 1
        # TCP keeps the order: nothing arrives before what was sent earlier.
        self._last_s = max(self._last_s, self._free_s + max(0.0, late_s))
        return self._last_s

    def _is_held(self) -> bool:
        return self.is_dead or any(effect.kind is EffectKind.HOLD for effect in self._effects)

    def _carry(self) -> None:
        sink, now_s = self._sink, self._loop.time()
        while (
            sink is not None
            and self._queue
            and not self._is_held()
            and self._queue[0][0] <= now_s
            and sink.unsent_bytes < MOST_WAITING_BYTES
        ):
            _, data = self._queue.popleft()
            if not data:
                sink.close()
                return
            self.waiting_bytes -= len(data)
            self.carried_bytes += len(data)
            sink.write(data)
        self._slow_the_source()
        self._wake_later(now_s)

    def _slow_the_source(self) -> None:
        if self._source is None:
            return
        if self.held_bytes >= MOST_WAITING_BYTES:
            self._source.pause_reading()
        elif self.held_bytes <= MOST_WAITING_BYTES // 2:
            self._source.resume_reading()

    def _wake_later(self, now_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue and not self._is_held() and self._queue[0][0] > now_s:
            self._timer = self._loop.call_at(self._queue[0][0], self._carry)
