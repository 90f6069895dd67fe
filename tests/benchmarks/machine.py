"""How busy the machine is beside a benchmark: what is measured beside other work proves little."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

#: Others may use this share of all processors before a figure is called busy.
QUIET_SHARE = 0.1


@dataclass
class Busyness:
    """What was measured while a benchmark ran."""

    #: The load average of the last minute at the benchmark's end, the benchmark included.
    load: float = 0.0
    #: The share of all processors that other programs used meanwhile.
    others_share: float = 0.0

    @property
    def busy(self) -> bool:
        return self.others_share > QUIET_SHARE


@contextmanager
def watched() -> Iterator[Busyness]:
    """Measure what other programs take while the block runs."""
    busyness = Busyness()
    began_s, used_s, own_s = time.monotonic(), _used_s(), _own_s()
    yield busyness
    available_s = (time.monotonic() - began_s) * (os.cpu_count() or 1)
    others_s = _used_s() - used_s - (_own_s() - own_s)
    busyness.load = os.getloadavg()[0]
    busyness.others_share = max(0.0, others_s / available_s)


def _used_s() -> float:
    """Return the processor time that all programs have used since the machine started."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _own_s() -> float:
    """Return what this process and its ended children have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
