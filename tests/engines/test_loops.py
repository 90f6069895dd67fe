"""A coroutine is run to its end whether or not a loop runs; Ctrl-C ends it, and what it began."""

import asyncio
import gc
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from simlib.engines import loops
from simlib.engines.loops import run_to_end


async def _sum(*numbers: int) -> int:
    await asyncio.sleep(0)
    return sum(numbers)


async def _broken() -> None:
    raise ValueError("broken")


def in_a_loop(call):
    """Call in a running loop that leaves Ctrl-C to Python, as a notebook's does."""

    async def calling():
        return call()

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(calling())
    finally:
        loop.close()


@pytest.mark.parametrize("inside", [lambda call: call(), in_a_loop], ids=["alone", "in a loop"])
def test_result_and_error_come_to_the_caller(inside):
    assert 5 == inside(lambda: run_to_end(_sum(2, 3)))
    with pytest.raises(ValueError, match="broken"):
        inside(lambda: run_to_end(_broken()))


@pytest.fixture
def no_garbage_collection():
    """Keep the collector off: what a signal raises in one of its callbacks is lost to everybody."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("inside", [lambda call: call(), in_a_loop], ids=["alone", "in a loop"])
def test_ctrl_c_ends_what_was_begun_and_is_raised(inside):
    ended = []

    async def endless() -> None:
        try:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # clearing away takes a turn or two
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        inside(lambda: run_to_end(endless()))
    assert [True] == ended
    assert [] == [each for each in threading.enumerate() if each.name.startswith("simlib-loop")]


def await_no_loop_thread() -> None:
    deadline_s = time.monotonic() + 300
    while [each for each in threading.enumerate() if each.name.startswith("simlib-loop")]:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_ctrl_c_while_the_thread_starts_leaves_no_work_behind(monkeypatch):
    begun = threading.Event()
    start = threading.Thread.start

    def interrupted_start(self):
        start(self)
        begun.wait(0.3)  # work that were handed over already would begin now
        raise KeyboardInterrupt

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    def interrupted() -> None:
        monkeypatch.setattr(threading.Thread, "start", interrupted_start)
        work = endless()
        try:
            run_to_end(work)
        finally:
            work.close()
            monkeypatch.undo()

    with pytest.raises(KeyboardInterrupt):
        in_a_loop(interrupted)
    assert not begun.is_set()
    await_no_loop_thread()


def test_ctrl_c_before_the_work_begins_ends_it(monkeypatch):
    submit = ThreadPoolExecutor.submit

    def interrupted_submit(self, call, *given):
        if call is not asyncio.run:
            return submit(self, call, *given)
        handed_over, go_on = threading.Event(), threading.Event()

        def run_later(work):
            handed_over.set()
            go_on.wait(300)
            time.sleep(0.05)  # the interruption comes first
            return call(work)

        submit(self, run_later, *given)
        handed_over.wait(300)
        go_on.set()
        raise KeyboardInterrupt

    async def endless() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted_submit)
    with pytest.raises(KeyboardInterrupt):
        in_a_loop(lambda: run_to_end(endless()))
    await_no_loop_thread()


def test_what_a_signal_s_handler_raises_ends_the_work_too(monkeypatch):
    begun = threading.Event()

    class Timeout(Exception):
        pass

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    def interrupted_wait(futures, timeout):
        assert timeout < 1.0, "a wait without end may sleep through a signal"
        assert begun.wait(300)
        raise Timeout

    monkeypatch.setattr(loops, "wait", interrupted_wait)
    with pytest.raises(Timeout):
        in_a_loop(lambda: run_to_end(endless()))
    await_no_loop_thread()
