"""Freeze existing objects during a run to keep the garbage collector's pauses short."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def freeze_objects() -> Iterator[None]:
    """Freeze existing objects, so that the garbage collector skips them.

    With 500 live clients a full pass stops everything for 70 ms; with 10,000 simulated ones
    the passes cost a fifth of the run.
    """
    gc.freeze()
    _collect_if_grown()
    try:
        yield
    finally:
        gc.unfreeze()


class _LastPass:
    """How many objects there were after the last full pass that was made here, and runs since."""

    objects, runs = 0, 0


def _collect_if_grown() -> None:
    """Make a full pass over what is frozen if there is a quarter more than after the last one.

    Python does so by itself, but forgets how much has come whenever objects are frozen: of short
    runs, one after the other, it would free nothing, and each leaves circles behind.
    """
    _LastPass.runs += 1
    # To count the objects is a walk over all of them.
    if _LastPass.runs % _COUNTED_EVERY == 0 and gc.get_freeze_count() > _GROWN * _LastPass.objects:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        _LastPass.objects = gc.get_freeze_count()


_COUNTED_EVERY, _GROWN = 20, 1.25


@contextmanager
def collect_rarely() -> Iterator[None]:
    """Let full passes of the collector be rare, since each stops a live run's timers.

    What 500 open connections hold is looked through in 30 ms. What they leave behind when they
    end waits, for some 3 million objects at most.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def collect_often() -> None:
    """Freeze existing objects, and let full passes of the collector be frequent, to the end.

    A server lives for hours, and what each connection leaves behind when it ends is a circle that
    only a full pass frees. As Python comes, there is one for each 70,000 objects (from 3.13 on
    200,000) that have come, and megabytes wait for it. What is not frozen are the connections, so a
    pass is short; and Python makes none before there are a quarter more objects than after the last
    one.
    """
    gc.freeze()
    gc.collect()  # over nothing: from here on a quarter is a quarter of the connections
    gc.set_threshold(*_OFTEN)


# New objects before the youngest are looked through, and passes of each kind before the next kind.
_RARELY = 1_000, 3, 1_000
#: Python 3.13 begins with 2,000 instead of 700 objects, and nearly twice as many would wait.
_OFTEN = 700, 10, 2
