"""A coroutine is run to its end whether or not a loop runs; Ctrl-C ends it, and what it began."""

import asyncio
import signal
import threading

import pytest

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
