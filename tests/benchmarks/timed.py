"""How long work takes: inside this process, and as a process of its own."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the processor time that work takes, in seconds, and its result.

    Processor time, since other programs run on the machine too.
    """
    gc.collect()
    began_s = time.process_time()
    result = work()
    return time.process_time() - began_s, result


def processor_s(*arguments: str | os.PathLike[str], **environment: str) -> float:
    """Run Python with these arguments; return the processor time of that process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process(*arguments, **environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def process(*arguments: str | os.PathLike[str], **environment: str) -> tuple[float, str]:
    """Run Python with these arguments; return the seconds on the wall, and what it printed."""
    began_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    return time.perf_counter() - began_s, done.stdout
