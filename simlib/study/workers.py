"""Tasks on several processors or machines: here, as processes, or as Dask tasks on a cluster.

Each task is a function and one argument. It ends with a value or with words of why it failed; that
one failed does not lose the others, nor that a process was killed. Workers are kept for many rounds
of tasks, since starting them takes longer than a short round.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from simlib.core.errors import SettingsError

#: Tasks go to a worker so many at a time, at most: one by one, the way there costs too much.
_MOST_BATCH = 32
#: And so many batches for each worker at least, so that all end at about the same time.
_LEAST_BATCHES = 8
#: A task during which so many workers died is at fault.
_DEATHS = 2
#: A worker looks so often whether who began the work is still there.
_LOOK_S = 0.5

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a value, or why there is none."""

    index: int
    value: Any = None
    failure: str = ""


#: Plays tasks: yields what becomes of each, as soon as it is known.
Outcomes = Callable[[Function, Sequence[Any]], Iterator[Outcome]]


def check_workers(workers: int) -> None:
    """Refuse a number of workers that cannot be."""
    most = 64
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= most:
        raise SettingsError("workers", workers, f"must be a whole number from 1 to {most}")


@contextmanager
def working(workers: int | None = None, cluster: Any = None) -> Iterator[Outcomes]:
    """Give what plays tasks, given a function and its arguments; end what it began.

    Parameters
    ----------
    workers : int, optional
        So many processes of this machine; 1: this one. By default one per processor.
    cluster : str or distributed.Client, optional
        The address of a Dask scheduler, or a client that is connected to one, instead. The
        function must be importable by its name where the workers are.

    Examples
    --------
    >>> with working(1) as outcomes:
    ...     [each.value for each in outcomes(abs, [-1, 2])]
    [1, 2]
    """
    if workers is not None:
        check_workers(workers)
    count = workers or os.cpu_count() or 1
    if cluster is not None:
        from simlib.engines.cluster import connected

        with connected(cluster) as client:
            yield partial(_on_cluster, client)
    elif count == 1:
        yield _here
    else:
        pool = _Pool(count)
        try:
            yield pool.outcomes
            pool.end()
        finally:
            pool.kill()


def _here(function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
    return (_outcome(function, index, task) for index, task in enumerate(tasks))


def _outcome(function: Function, index: int, task: Any) -> Outcome:
    try:
        return Outcome(index, function(task))
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return Outcome(index, failure=f"{type(error).__name__}: {error}")


def _batch(function: Function, part: Sequence[tuple[int, Any]]) -> list[Outcome]:
    return [_outcome(function, index, task) for index, task in part]


def _batches(indices: Sequence[int], tasks: Sequence[Any], workers: int) -> list[Any]:
    size = max(1, min(_MOST_BATCH, len(indices) // (workers * _LEAST_BATCHES)))
    return [
        [(index, tasks[index]) for index in indices[i : i + size]]
        for i in range(0, len(indices), size)
    ]


# --- processes ---------------------------------------------------------------------------


class _Pool:
    """Processes, begun when there is something to do, and again if one died."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._executor: Any = None

    def outcomes(self, function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Yield outcomes; if a process dies, what was begun is tried again, one by one."""
        left = dict.fromkeys(range(len(tasks)), 0)
        alone = False
        while left:
            parts = [[(i, tasks[i])] for i in left] if alone else self._parts(left, tasks)
            try:
                for found in self._played(function, parts, alone):
                    left.pop(found.index, None)
                    yield found
            except BrokenProcessPool:
                self.kill()
                if alone:
                    # Played alone and in this order, the first that is left killed its worker.
                    index = next(iter(left))
                    left[index] += 1
                    if left[index] >= _DEATHS:
                        del left[index]
                        why = "its worker was killed each time, perhaps for want of memory"
                        yield Outcome(index, failure=f"died: {why}")
                alone = True

    def end(self) -> None:
        """End the processes once they have nothing left to do."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def kill(self) -> None:
        """End the processes whatever they do."""
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)
            self._executor = None

    def _parts(self, left: dict[int, int], tasks: Sequence[Any]) -> list[Any]:
        return _batches(list(left), tasks, self._count)

    def _played(
        self, function: Function, parts: Sequence[Any], one_by_one: bool
    ) -> Iterator[Outcome]:
        if self._executor is None:
            # Not Python's own: its processes would run the caller's script again, from the top.
            from loky import ProcessPoolExecutor

            self._executor = ProcessPoolExecutor(
                self._count, initializer=_serve, initargs=(os.getpid(),)
            )
        pool = self._executor
        if one_by_one:
            for part in parts:
                yield from pool.submit(_batch, function, part).result()
            return
        waiting: set[Future[list[Outcome]]] = {pool.submit(_batch, function, x) for x in parts}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            broken = [each for each in done if each.exception() is not None]
            for each in done.difference(broken):
                yield from each.result()
            for each in broken:
                each.result()


def _serve(parent: int) -> None:
    """Leave Ctrl-C to whoever began the work, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # That a worker died is told with its task; a dump of its threads would only hide it.
    faulthandler.disable()

    def follow() -> None:
        never = threading.Event()
        while os.getppid() == parent:
            never.wait(_LOOK_S)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


# --- a cluster ---------------------------------------------------------------------------


def _on_cluster(client: Any, function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
    """Yield outcomes of Dask tasks; Dask plays again what a worker had that died."""
    from simlib.engines.cluster import distributed

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
