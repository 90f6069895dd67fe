"""An event loop in a thread of its own, for servers that synchronous code starts and commands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
#: A thread that does not end within this time has a fault; it is told rather than waited for.
_END_TIMEOUT_S = 10.0


class LoopThread:
    """Runs an event loop until `close`; any other thread calls into it.

    Examples
    --------
    >>> loop_thread = LoopThread("example")
    >>> loop_thread.call(lambda: 6 * 7)
    42
    >>> loop_thread.close()
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"simlib-{name}", daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call a function in the loop's thread, and return or raise what it does."""

        async def in_loop() -> _T:
            return function(*arguments)

        return self.play(in_loop())

    def play(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Play a coroutine to its end in the loop, and return or raise what it does."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in the thread that waits
            raise

    async def play_from(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Play a coroutine in the loop, awaited in another loop, which goes on meanwhile."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """End the loop with all that still runs in it, and the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_END_TIMEOUT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._cancel_all())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _cancel_all(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
