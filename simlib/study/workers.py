"""Tasks on several processors or machines: here, as processes, or as Dask tasks on a cluster.

Each task is a function and one argument. It ends with a value or with words of why it failed; that
one failed does not lose the others, nor that a process was killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from simlib.core.errors import SettingsError

#: Tasks go to a worker so many at a time, at most: one by one, the way there costs too much.
_MOST_BATCH = 32
#: And so many batches for each worker at least, so that all end at about the same time.
_LEAST_BATCHES = 8
#: A task during which so many workers died is at fault.
_DEATHS = 2


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a value, or why there is none."""

    index: int
    value: Any = None
    failure: str = ""


def check_workers(workers: int) -> None:
    """Refuse a number of workers that cannot be."""
    most = 64
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= most:
        raise SettingsError("workers", workers, f"must be a whole number from 1 to {most}")


def outcomes(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    *,
    workers: int | None = None,
    cluster: Any = None,
) -> Iterator[Outcome]:
    """Yield what becomes of each task, as soon as it is known.

    Parameters
    ----------
    function : callable
        Given a task, returns its value; must be importable by its name where workers are.
    tasks : sequence
        The arguments.
    workers : int, optional
        So many processes of this machine; 1: this one. By default one per processor.
    cluster : str or distributed.Client, optional
        The address of a Dask scheduler, or a client that is connected to one, instead.

    Examples
    --------
    >>> [each.value for each in outcomes(abs, [-1, 2], workers=1)]
    [1, 2]
    """
    if workers is not None:
        check_workers(workers)
    count = workers or os.cpu_count() or 1
    if cluster is not None:
        yield from _on_cluster(function, tasks, cluster)
    elif count == 1 or len(tasks) <= 1:
        for index, task in enumerate(tasks):
            yield _outcome(function, index, task)
    else:
        yield from _in_processes(function, tasks, count)


def _outcome(function: Callable[[Any], Any], index: int, task: Any) -> Outcome:
    try:
        return Outcome(index, function(task))
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return Outcome(index, failure=f"{type(error).__name__}: {error}")


def _batch(function: Callable[[Any], Any], part: Sequence[tuple[int, Any]]) -> list[Outcome]:
    return [_outcome(function, index, task) for index, task in part]


def _batches(indices: Sequence[int], tasks: Sequence[Any], workers: int) -> list[Any]:
    size = max(1, min(_MOST_BATCH, len(indices) // (workers * _LEAST_BATCHES)))
    return [
        [(index, tasks[index]) for index in indices[i : i + size]]
        for i in range(0, len(indices), size)
    ]


# --- processes ---------------------------------------------------------------------------


def _in_processes(
    function: Callable[[Any], Any], tasks: Sequence[Any], workers: int
) -> Iterator[Outcome]:
    """Yield outcomes of processes; if one dies, what it had begun is tried again, one by one."""
    left = dict.fromkeys(range(len(tasks)), 0)
    alone = False
    while left:
        parts = [[(i, tasks[i])] for i in left] if alone else _batches(list(left), tasks, workers)
        try:
            for found in _pooled(function, parts, 1 if alone else workers):
                left.pop(found.index, None)
                yield found
        except BrokenProcessPool:
            if alone:
                # Played alone and in this order, the first that is left killed its worker.
                index = next(iter(left))
                left[index] += 1
                if left[index] >= _DEATHS:
                    del left[index]
                    why = "its worker was killed each time, perhaps for want of memory"
                    yield Outcome(index, failure=f"died: {why}")
            alone = True


def _pooled(
    function: Callable[[Any], Any], parts: Sequence[Any], workers: int
) -> Iterator[Outcome]:
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(workers, len(parts)), context, initializer=_leave_signals) as pool:
        waiting: set[Future[list[Outcome]]] = set()
        try:
            waiting = {pool.submit(_batch, function, part) for part in parts}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                broken = [each for each in done if each.exception() is not None]
                for each in done.difference(broken):
                    yield from each.result()
                for each in broken:
                    each.result()
        finally:
            for each in waiting:
                each.cancel()


def _leave_signals() -> None:
    """Leave Ctrl-C to whoever began the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# --- a cluster ---------------------------------------------------------------------------


def _on_cluster(
    function: Callable[[Any], Any], tasks: Sequence[Any], cluster: Any
) -> Iterator[Outcome]:
    """Yield outcomes of Dask tasks; Dask plays again what a worker had that died."""
    from simlib.engines.cluster import connected, distributed

    with connected(cluster, len(tasks)) as client:
        workers = max(1, sum(client.nthreads().values()))
        parts = _batches(range(len(tasks)), tasks, workers)
        futures = {client.submit(_batch, function, part, pure=False): part for part in parts}
        try:
            for future in distributed().as_completed(futures):
                if future.status == "finished":
                    yield from future.result()
                    continue
                for index, _ in futures[future]:
                    yield Outcome(index, failure=f"died: {future.exception()}")
        finally:
            client.cancel(list(futures))
