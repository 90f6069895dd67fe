"""A WebSocket server in trouble, in a thread of its own: tests switch what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any

from simlib.core.card import count_in_words
from simlib.core.errors import MisuseError, Unexpected
from simlib.engines.loop_thread import LoopThread
from simlib.lab.bad_server.switched_session import SwitchedSession
from simlib.lab.observe.observation import Attempt, Observation
from simlib.lab.observe.protocols import greeting as greeting_of
from simlib.lab.observe.script import Phase, PhaseKind
from simlib.support.arguments import check_arguments


class BadServer:
    """A WebSocket server in trouble, for tests of any client; switched at any moment.

    It runs in a thread of its own, so synchronous tests, asyncio tests, other processes and
    browsers can all be its clients. Each method that switches it returns when the switch is done,
    and holds until the next one. At first it accepts.

    Parameters
    ----------
    greeting : str, optional
        What the client needs to count itself connected, as for `observe`.
    host, port, path : optional
        Where to listen: "127.0.0.1", a free port, "/ws".

    Raises
    ------
    SettingsError
        If the port is in use, or an option breaks its rule.

    Examples
    --------
    >>> from websockets.sync.client import connect
    >>> from websockets.exceptions import InvalidStatus
    >>> with BadServer() as server:
    ...     server.status(503, retry_after_s=5)
    ...     try:
    ...         connect(server.url)
    ...     except InvalidStatus as refusal:
    ...         print(refusal.response.status_code, refusal.response.headers["Retry-After"])
    ...     [(attempt.kind, attempt.detail) for attempt in server.attempts]
    503 5
    [('status', '503 retry_after=5')]
    """

    def __init__(
        self,
        greeting: str = "echo",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/ws",
    ) -> None:
        self._loop_thread = LoopThread("bad-server")
        self._is_closed = False
        try:
            self._session = self._loop_thread.call(
                lambda: SwitchedSession(greeting=greeting, host=host, port=port, path=path)
            )
            self._loop_thread.play(self._session.open())
        except BaseException:
            self._loop_thread.close()
            raise

    @property
    def url(self) -> str:
        """Where clients connect, such as ws://127.0.0.1:41234/ws."""
        return self._session.url

    # --- what it does ------------------------------------------------------------------------

    def accept(self) -> None:
        """Accept, answer pings, end nothing; what was half-open stays half-open."""
        self._switch(kind=PhaseKind.STAY)

    @check_arguments
    def refuse(self, *, closed: bool = False) -> None:
        """End what is open, and reset each attempt as soon as it comes.

        ``closed``: close the port instead, as a server that is gone; then attempts are not seen.
        """
        self._switch(kind=PhaseKind.REFUSE, closed=closed)

    def silence(self) -> None:
        """End what is open, and never answer an attempt."""
        self._switch(kind=PhaseKind.SILENT)

    @check_arguments
    def slow(self, delay_s: float) -> None:
        """End what is open, and answer each attempt so late; then it stays open."""
        self._switch(kind=PhaseKind.SLOW, delay_s=delay_s, open_s=_STAYS_S)

    @check_arguments
    def status(self, status: int, *, retry_after_s: int = 0) -> None:
        """End what is open, and answer each attempt with an HTTP status."""
        self._switch(kind=PhaseKind.STATUS, status=status, retry_after_s=retry_after_s)

    @check_arguments
    def close(self, code: int, *, open_s: float = 0.0) -> None:
        """Close with a code: what is open now, and later attempts after they were open so long.

        1006 ends TCP without a close frame.
        """
        self._switch(kind=PhaseKind.CLOSE, code=code, open_s=open_s)

    def half_open(self) -> None:
        """Stay open and say nothing: no answer, no pong, no end; the same to who comes now."""
        self._switch(kind=PhaseKind.NO_PONG)

    def cut(self) -> None:
        """Reset all connections once; what it does to attempts stays as it is."""
        self._call(self._session.cut)

    @check_arguments
    def greet(self, greeting: str) -> None:
        """Speak another protocol from now on, such as "phoenix"; see `observe`."""
        spoken = greeting_of(greeting)
        self._call(lambda: setattr(self._session, "greeting", spoken))

    # --- what it saw -------------------------------------------------------------------------

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts so far, in the order of their coming; copies, which change no more."""
        if self._is_closed:
            return self._session.attempts()
        return self._loop_thread.call(self._session.attempts)

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        if self._is_closed:
            return 0
        return self._loop_thread.call(lambda: len(self._session.open_connections))

    def observation(self) -> Observation:
        """Return what was seen so far, for `infer` and `assert_policy`."""
        if self._is_closed:
            return self._session.observation()
        return self._loop_thread.call(self._session.observation)

    @check_arguments
    def wait_for_attempts(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until so many attempts came since the latest switch.

        Raises
        ------
        Unexpected
            If they did not come in time.
        MisuseError
            In an event loop: the client may need it. Use `attempts_seen` there.
        """
        self._wait("attempts_seen", lambda: self._until_attempts(count, timeout_s))

    async def attempts_seen(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait as `wait_for_attempts` does, in an event loop, which goes on meanwhile."""
        await self._loop_thread.play_from(self._until_attempts(count, timeout_s))

    @check_arguments
    def wait_for_open(self, count: int = 1, timeout_s: float = 30.0) -> None:
        """Wait until so many connections are open at once.

        Raises
        ------
        Unexpected
            If they were not in time.
        MisuseError
            In an event loop: the client may need it. Use `open_seen` there.
        """
        self._wait("open_seen", lambda: self._until_open(count, timeout_s))

    async def open_seen(self, count: int = 1, timeout_s: float = 30.0) -> None:
        """Wait as `wait_for_open` does, in an event loop, which goes on meanwhile."""
        await self._loop_thread.play_from(self._until_open(count, timeout_s))

    # --- its life ----------------------------------------------------------------------------

    def stop(self) -> None:
        """End every connection, the port and the thread; what was seen is still there."""
        if not self._is_closed:
            self._is_closed = True
            try:
                self._loop_thread.play(self._session.close())
            finally:
                self._loop_thread.close()

    def __enter__(self) -> BadServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"BadServer({'stopped' if self._is_closed else self.url})"

    def _switch(self, **phase: Any) -> None:
        chosen = Phase(**phase)
        self._must_run()
        self._loop_thread.play(self._session.switch(chosen))

    def _call(self, function: Callable[[], None]) -> None:
        self._must_run()
        self._loop_thread.call(function)

    def _must_run(self) -> None:
        if self._is_closed:
            raise MisuseError("this BadServer is stopped: make another")

    def _wait(self, instead: str, wait: Callable[[], Any]) -> None:
        self._must_run()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._loop_thread.play(wait())
            return
        raise MisuseError(f"to wait here would stop the event loop: use await server.{instead}()")

    async def _until_attempts(self, count: int, timeout_s: float) -> None:
        session = self._session
        if not await session.until(lambda: session.attempts_in_phase() >= count, timeout_s):
            came, what = session.attempts_in_phase(), session.doing
            of = count_in_words(count, "attempt")
            raise Unexpected(f"{came} of {of} came within {timeout_s:g} s ({what})")

    async def _until_open(self, count: int, timeout_s: float) -> None:
        session = self._session
        if not await session.until(lambda: len(session.open_connections) >= count, timeout_s):
            there, what = len(session.open_connections), session.doing
            of = count_in_words(count, "connection")
            raise Unexpected(f"{there} of {of} opened within {timeout_s:g} s ({what})")


#: Longer than any test: what was answered late then stays open.
_STAYS_S = 1e9
