"""Plays a coroutine to its end, whether or not the caller's thread has an event loop already."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

_T = TypeVar("_T")
#: Whoever waits for a thread looks so often whether Ctrl-C was pressed.
_LOOK_S = 0.2


def run_to_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what a coroutine returns; Ctrl-C cancels it, and is raised when it has ended.

    Examples
    --------
    >>> async def answer() -> int:
    ...     return 42
    >>> run_to_end(answer())
    42
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _run_in_thread(work)


def _run_in_thread(work: Coroutine[Any, Any, _T]) -> _T:
    """Run in a thread with a loop of its own: a thread that runs a loop can run no second one.

    The caller's loop stands still meanwhile, as it does for any call that takes time.
    """
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []
    stopped = threading.Event()
    context = contextvars.copy_context()

    async def keep_loop() -> _T:
        # What is noted of the call that is running holds in the thread too.
        for variable, value in context.items():
            variable.set(value)
        begun.append((asyncio.get_running_loop(), asyncio.current_task()))
        if stopped.is_set():
            work.close()
            raise asyncio.CancelledError
        return await work

    with ThreadPoolExecutor(1, "simlib-loop") as pool:
        # The thread starts on an empty task: a pool that is interrupted while it starts a thread
        # forgets the thread, and would leave the work running in it.
        pool.submit(int).result()
        try:
            return _await_result(pool.submit(asyncio.run, keep_loop()))
        except BaseException:
            # Ctrl-C, which Python tells the main thread alone, or what another signal raises there.
            # Leaving the pool waits until all is cleared away.
            stopped.set()  # for work that has been handed over, but has not begun
            for loop, task in begun:
                if task is not None:
                    with contextlib.suppress(RuntimeError):  # the work ended meanwhile
                        loop.call_soon_threadsafe(task.cancel)
            raise


def _await_result(future: Future[_T]) -> _T:
    """Return what a thread returns, and hear Ctrl-C at any moment.

    A wait without end may sleep through it: a signal that comes after Python has looked for one,
    and before the system call that waits, is seen only once that call returns.
    """
    while not wait([future], _LOOK_S).done:
        pass
    return future.result()
