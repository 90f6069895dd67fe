"""How late the lab and its clients were."""

import asyncio
import subprocess
import sys
import time
from math import isnan
from pathlib import Path
from types import SimpleNamespace

import pytest

import simlib as sl
from simlib.lab.observe import lateness
from simlib.lab.observe.lateness import LAB_TICK_S, Ticks, cpu_wait_s
from simlib.lab.observe.script import Phase, PhaseKind, Script
from tests.lab.puppets import LIMIT_S


def block():
    time.sleep(0.1)


def test_a_loop_that_was_blocked_is_late_by_as_long():
    async def blocked():
        ticks = Ticks()
        await asyncio.sleep(4 * LAB_TICK_S)
        began_s = asyncio.get_running_loop().time()
        block()
        at_once_s = ticks.late_s()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        since_s = ticks.latest_since_s(began_s)
        ticks.stop()
        return at_once_s, since_s, ticks.quantiles_s()

    at_once_s, since_s, quantiles_s = asyncio.run(blocked())
    assert at_once_s >= 0.1 - LAB_TICK_S - 0.01, "also before the tick that was due has rung"
    assert since_s >= 0.1 - LAB_TICK_S - 0.01
    assert quantiles_s["p50_s"] <= quantiles_s["p99_s"] <= quantiles_s["longest_s"]


class HandClock:
    """A clock of an event loop, turned by hand, whose timers never ring."""

    now_s = 0.0

    def time(self):
        return self.now_s

    def call_at(self, _, __):
        return SimpleNamespace(cancel=lambda: None)


def ticks_that_were_late(*late_s):
    """Ticks that rang at 1 s, 2 s ..., and that late."""

    async def make():
        ticks = Ticks()
        ticks.stop()
        return ticks

    ticks = asyncio.run(make())
    ticks._loop = HandClock()
    for i, each_s in enumerate(late_s, 1):
        ticks._loop.now_s, ticks._due_s = float(i), i - each_s
        ticks._tick()
    ticks._loop.now_s += LAB_TICK_S
    return ticks


def test_how_late_it_ever_was_stands_for_what_is_not_kept(monkeypatch):
    monkeypatch.setattr(lateness, "_KEPT", 3)
    whole, more = (ticks_that_were_late(0.9, 0.5, 0.2, *rest) for rest in ((), (0.1,)))
    assert [0.9, 0.5, 0.2] == [pytest.approx(whole.latest_since_s(s)) for s in (0.5, 1.5, 2.5)]
    # One more, and the first is not kept: of all before the second it is known all the same.
    since_s = [more.latest_since_s(s) for s in (0.5, 1.5, 2.5, 3.5)]
    assert [0.9, 0.9, 0.2, 0.1] == pytest.approx(since_s)


def test_quantiles_of_all_ticks_are_known_without_keeping_them():
    most_s = lateness._STEP_S * lateness._STEPS
    found = ticks_that_were_late(0.1, *[0.2] * 97, 0.3, 2.0 * most_s).quantiles_s()
    assert [0.2, 0.3, 2.0 * most_s] == pytest.approx(list(found.values()), abs=2 * lateness._STEP_S)
    assert {"p50_s": 0.0, "p99_s": 0.0, "longest_s": 0.0} == ticks_that_were_late().quantiles_s()


needs_schedstat = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="the system does not count it"
)


#: It ends by itself, should a test be killed.
SPIN = """
import os, time
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
end = time.time() + 60
while time.time() < end:
    pass
"""


@needs_schedstat
def test_what_two_processes_take_from_each_other_on_one_processor_is_counted():
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(2)]
    try:
        until = time.monotonic() + LIMIT_S
        while min(cpu_wait_s(each.pid) for each in spinning) < 0.02:
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        for each in spinning:
            each.kill()
            each.wait()
    assert isnan(cpu_wait_s(spinning[0].pid))


def test_an_observation_holds_how_late_each_attempt_may_be():
    program = (
        "import sys, socket, time\n"
        "host, port = sys.argv[1][5:].partition('/')[0].split(':')\n"
        "while True:\n"
        "    time.sleep(0.01)\n"
        "    try: socket.create_connection((host, int(port))).recv(1)\n"
        "    except OSError: pass\n"
    )
    command = [sys.executable, "-c", program, "{url}"]
    refused = Script(phases=(Phase(kind=PhaseKind.REFUSE, attempts=5, longest_s=LIMIT_S),))
    seen = sl.observe(refused, command=command)
    frame = seen.frame()
    assert (frame[["late_s", "end_late_s"]].dropna() >= 0.0).all(axis=None)
    assert frame["end_late_s"].notna().sum() >= 4
    assert {"p50_s", "p99_s", "longest_s"} == set(seen.timers_late)
