"""The gateways of one storm: one by one, or some at once in threads where the storm is large.

What happens to the clients of a gateway depends on no other, and compiled code lets other threads
run. So a storm takes as many processors as there are gateways for them, and its counts, which are
added up in the order of the gateways, are the same to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Any, NamedTuple

from simlib.engines.fleet.jit import require
from simlib.engines.fleet.part import Part
from simlib.engines.kernel import arrays
from simlib.scenario.scenario import Scenario
from simlib.support.progress import Progress
from simlib.trace.counts import Tally

#: Fewer clients are played sooner than a thread has begun.
_LARGE = 100_000
#: Between two looks at how far the threads are.
_EVERY_S = 0.05


class Played(NamedTuple):
    """What came of one gateway."""

    tally: Tally
    #: Up to when it was played.
    end_s: float
    log: Any
    #: Whether it was cut short.
    partial: bool


def play_gateways(
    scenario: Scenario, count: int, watch: Sequence[int], progress: Progress | None
) -> list[Played]:
    """Play so many gateways, and return what came of each that was begun, in their order."""
    at_once = _count_at_once(scenario, count)
    if at_once > 1:
        return _play_at_once(scenario, count, watch, progress, at_once)
    played: list[Played] = []
    for gateway in range(count):
        played.append(_play(scenario, gateway, watch, _scale_progress(progress, gateway, count)))
        if played[-1].partial:
            # Gateways before it were played to the end, and those after it not at all.
            break
    return played


def _count_at_once(scenario: Scenario, count: int) -> int:
    """Return how many gateways to play at once: as many as there are processors and room for."""
    if scenario.clients < _LARGE:
        return 1
    clients = -(-scenario.clients // scenario.gateways)
    each_bytes = clients * arrays.bytes_per_client(scenario) + arrays.bytes_of_counts(scenario)
    room = int(require("psutil").virtual_memory().available // each_bytes)
    return max(1, min(os.cpu_count() or 1, count, room))


def _play(
    scenario: Scenario, gateway: int, watch: Sequence[int], progress: Progress | None
) -> Played:
    part, partial = Part(scenario, gateway, watch), False
    try:
        part.play(progress)
    except KeyboardInterrupt:
        partial = True
    return Played(part.tally(), part.end_s, part.log(), partial)


def _play_at_once(
    scenario: Scenario,
    count: int,
    watch: Sequence[int],
    progress: Progress | None,
    at_once: int,
) -> list[Played]:
    fractions, stopped = [0.0] * count, Event()

    def play(gateway: int) -> Played | None:
        def note(fraction: float) -> None:
            fractions[gateway] = fraction
            if stopped.is_set():
                raise KeyboardInterrupt

        if stopped.is_set() and gateway > 0:
            return None
        return _play(scenario, gateway, watch, note)

    interrupted = False
    with ThreadPoolExecutor(at_once, "simlib-gateway") as pool:
        futures = [pool.submit(play, gateway) for gateway in range(count)]
        try:
            while wait(futures, _EVERY_S).not_done and not any(map(_has_failed, futures)):
                if progress is not None:
                    progress(sum(fractions) / count)
        except KeyboardInterrupt:
            # Python tells the main thread alone.
            interrupted = True
        finally:
            # Whatever ends it ends all: a failure here or in a thread, too.
            stopped.set()
    played = [part for part in (future.result() for future in futures) if part is not None]
    return [part._replace(partial=part.partial or interrupted) for part in played]


def _has_failed(future: Future[Any]) -> bool:
    return future.done() and future.exception() is not None


def _scale_progress(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """Return a progress function for one part, which reports its share of the whole."""
    if progress is None:
        return None
    return lambda share: progress((part + share) / parts)
