"""SimPy on the wall clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import Any

import pytest

from simlib.engines.live.clock import WallClock, noting_standstills

pytestmark = pytest.mark.live


async def clock_and_log() -> tuple[WallClock, list[str]]:
    loop = asyncio.get_running_loop()
    return WallClock(loop, loop.time()), []


async def test_processes_and_calls_come_in_the_order_of_their_times() -> None:
    clock, log = await clock_and_log()

    def process() -> Generator[Any, Any, None]:
        for _ in range(3):
            yield clock.timeout(0.02)
            log.append(f"process {clock.now:.2f}")

    clock.process(process())
    clock.at(0.05, log.append, "call 0.05")
    clock.at(0.03, log.append, "call 0.03")
    clock.at(0.1, clock.failed.set_result, None)
    await asyncio.wait_for(clock.failed, 60)
    assert log == ["process 0.02", "call 0.03", "process 0.04", "call 0.05", "process 0.06"]
    assert min(clock.late_s) >= 0.0
    clock.stop()


async def test_a_timeout_made_from_outside_counts_from_now() -> None:
    clock, log = await clock_and_log()
    await asyncio.sleep(0.05)  # the time that the timeout must not begin before
    event = clock.timeout(0.02)
    event.callbacks.append(lambda _: log.append("rang"))
    assert clock.peek() >= 0.07
    clock.at(clock.peek(), clock.failed.set_result, None)
    await asyncio.wait_for(clock.failed, 60)
    assert log == ["rang"]
    clock.stop()


async def test_an_error_of_a_step_is_the_errors_of_the_run() -> None:
    clock, _ = await clock_and_log()
    clock.at(0.01, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(clock.failed, 60)
    clock.stop()


async def test_nothing_rings_after_the_stop() -> None:
    clock, log = await clock_and_log()
    clock.at(0.01, log.append, "too late")
    clock.stop()
    await asyncio.sleep(0.03)  # longer than the call was away
    assert log == []


async def test_a_standstill_of_the_loop_is_noted_from_its_beginning_to_its_end() -> None:
    loop, noted = asyncio.get_running_loop(), []
    with noting_standstills(loop, lambda *standstill: noted.append(standstill)):
        await asyncio.sleep(0.05)
        began_s = loop.time()
        time.sleep(0.2)  # noqa: ASYNC251 - what is measured
        ended_s = loop.time()
        # The tick that waited is due before this timer.
        await asyncio.sleep(0.05)
    start_s, length_s = max(noted, key=lambda standstill: standstill[1])
    assert length_s >= 0.15
    assert start_s <= ended_s - 0.15
    assert start_s + length_s >= began_s + 0.2
    ticks = len(noted)
    time.sleep(0.03)  # noqa: ASYNC251 - a tick would be late by this
    await asyncio.sleep(0.05)
    assert len(noted) == ticks


async def test_timers_that_are_due_ring_before_what_waits_in_line_with_them() -> None:
    loop = asyncio.get_running_loop()
    clock, log = await clock_and_log()

    def handle_socket(number: int) -> None:
        clock.catch_up()
        log.append(f"socket {number}")
        if number == 0:
            due_s = clock.now_s + 0.001
            clock.at(due_s, log.append, "timer")
            while clock.now_s < due_s:
                pass

    for number in range(3):
        loop.call_soon(handle_socket, number)
    await asyncio.sleep(0)
    clock.stop()
    assert ["socket 0", "timer", "socket 1", "socket 2"] == log


async def test_a_step_is_not_begun_inside_another() -> None:
    clock, log = await clock_and_log()

    def step() -> None:
        clock.at(clock.now_s, log.append, "next")
        clock.catch_up()
        log.append("first")

    clock.at(0.0, step)
    clock.at(0.05, clock.failed.set_result, None)
    await asyncio.wait_for(clock.failed, 60)
    clock.stop()
    assert ["first", "next"] == log


async def test_what_is_scheduled_before_the_run_begins_counts_from_its_beginning() -> None:
    loop, log = asyncio.get_running_loop(), []
    clock = WallClock(loop)
    clock.at(0.0, log.append, "call")
    clock.at(0.01, clock.failed.set_result, None)
    await asyncio.sleep(0.03)  # longer than the calls are away
    assert [] == log
    assert clock.now_s < 0.0
    clock.begin(loop.time())
    await asyncio.wait_for(clock.failed, 60)
    assert ["call"] == log
    clock.stop()
