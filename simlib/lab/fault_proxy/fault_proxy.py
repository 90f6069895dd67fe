"""A fault proxy in a thread of its own: tests cut, slow and restore what passes through it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from types import TracebackType

from simlib.core.errors import MisuseError
from simlib.core.secrets import mask_secrets
from simlib.engines.loop_thread import LoopThread
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect
from simlib.lab.fault_proxy.relay import Relay
from simlib.lab.fault_proxy.statistics import Statistics
from simlib.lab.fault_proxy.target import proxy_target
from simlib.lab.observe.ports import listen
from simlib.support.arguments import check_arguments

_BY_HAND = "by hand"


class FaultProxy:
    """A proxy between any client and any server, for tests; switched at any moment.

    It passes bytes on, so TLS passes through untouched. It runs in a thread of its own. Each method
    that switches it returns when the switch is done, and holds until `restore` or the next one.

    Parameters
    ----------
    to : str
        URL of the server, such as "ws://127.0.0.1:8000/chat".
    host, port : optional
        Where to listen: "127.0.0.1", a free port.
    seed : int, optional
        Seed of the draws: which connections a share hits, and jitter.

    Raises
    ------
    SettingsError
        If the URL is none, nobody knows its host, or the port is in use.

    Examples
    --------
    >>> from websockets.sync.client import connect
    >>> from simlib.lab.bad_server.bad_server import BadServer
    >>> with BadServer() as server, FaultProxy(server.url) as proxy:
    ...     with connect(proxy.url) as client:
    ...         client.send("ping")
    ...         print(client.recv())
    ...         proxy.cut()
    ...     print(proxy.statistics.cut)
    ping
    1
    """

    @check_arguments
    def __init__(self, to: str, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0) -> None:
        self._target = proxy_target(to)
        address = self._target.resolve()
        self._host = host
        self._listener = listen(host, port)
        self._port: int = self._listener.getsockname()[1]
        self._loop_thread = LoopThread("fault-proxy")
        self._relay: Relay = self._loop_thread.call(lambda: Relay(address, seed))
        self._loop_thread.call(self._relay.listen, self._listener)
        self._last: Statistics | None = None

    @property
    def url(self) -> str:
        """The server's URL through the proxy."""
        return self._target.through(self._host, self._port)

    def cut(self) -> None:
        """Reset all connections once; new ones are let through."""
        self._call(self._relay.cut)

    def refuse(self) -> None:
        """Reset all connections, and each new one at once: the server is gone."""
        self._begin(ProxyEffect(kind=EffectKind.REFUSE))

    @check_arguments
    def slow(
        self,
        latency_s: float = 0.0,
        *,
        jitter_s: float = 0.0,
        bandwidth_bytes_per_s: float = inf,
    ) -> None:
        """Carry everything later, each way, and no more than so much of it per second."""
        kind = EffectKind.LATENCY if bandwidth_bytes_per_s == inf else EffectKind.BANDWIDTH
        self._begin(
            ProxyEffect(
                kind=kind,
                latency_s=latency_s,
                jitter_s=jitter_s,
                bandwidth_bytes_per_s=bandwidth_bytes_per_s,
            )
        )

    def black_hole(self) -> None:
        """Carry nothing either way, and hold it: after `restore` it arrives, late."""
        self._begin(ProxyEffect(kind=EffectKind.HOLD))

    @check_arguments
    def half_open(self, *, up: bool = False, down: bool = True) -> None:
        """Lose a way for good, for each connection that sends into it; nobody is told."""
        self._begin(ProxyEffect(kind=EffectKind.HALF_OPEN, up=up, down=down))

    def restore(self) -> None:
        """Let everything through again."""
        self._call(self._relay.restore)

    @property
    def statistics(self) -> Statistics:
        """What was counted so far."""
        if self._last is not None:
            return self._last
        return self._loop_thread.call(lambda: self._relay.statistics)

    @property
    def open_connections(self) -> int:
        """How many connections pass through it now."""
        return (
            0 if self._last is not None else self._loop_thread.call(lambda: len(self._relay.pipes))
        )

    def stop(self) -> None:
        """End every connection, the port and the thread; the statistics are still there."""
        if self._last is None:
            self._last = self.statistics
            try:
                self._loop_thread.play(self._relay.close())
            finally:
                self._loop_thread.close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"FaultProxy({'stopped' if self._last is not None else mask_secrets(self.url)})"

    def _begin(self, effect: ProxyEffect) -> None:
        self._call(lambda: self._relay.begin(_BY_HAND, effect))

    def _call(self, function: Callable[[], None]) -> None:
        if self._last is not None:
            raise MisuseError("this FaultProxy is stopped: make another")
        self._loop_thread.call(function)
