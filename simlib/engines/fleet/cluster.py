"""Parts of runs as Dask tasks: on this machine's processors, or on a cluster that has an address.

A part is one gateway's clients in one scenario. What happens to them depends on no other part, so
wherever parts are played, their counts merge into the same result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

from simlib.core.errors import EngineError
from simlib.engines.fleet.part import Part
from simlib.scenario.scenario import Scenario
from simlib.support.extras import load_extra
from simlib.support.files import code_digest
from simlib.trace.counts import Tally

#: A scheduler that does not answer for this long is not there, nor are workers.
_PATIENCE_S = 5.0
#: A cluster may be without workers for so long: a nanny or an adaptive cluster starts others.
NOBODY_S = 60.0
#: Whether there are workers is asked so often, and whether something is done.
_ASK_S, _POLL_S = 0.5, 0.01


def play_part(scenario: Scenario, gateway: int) -> Tally:
    """Play one gateway's clients and return what was counted: a task."""
    part = Part(scenario, gateway)
    part.play()
    return part.tally()


def play_parts(
    parts: Sequence[tuple[Scenario, int]],
    scheduler: Any = None,
    progress: Callable[[float], None] | None = None,
) -> list[Tally]:
    """Play parts as Dask tasks and return their counts, in the order given.

    Parameters
    ----------
    parts : sequence of (Scenario, int)
        Scenarios and gateways.
    scheduler : str or distributed.Client, optional
        The address of a scheduler, such as tcp://127.0.0.1:8786, or a client that is connected to
        one. By default a cluster of this machine's processors, which ends with the last part.
    progress : callable, optional
        Called with the fraction played.

    Raises
    ------
    EngineError
        If Dask is not installed, no scheduler answers, a part kills its workers, or none is left.
    """
    with connect(scheduler, len(parts)) as client:
        futures = [client.submit(play_part, *part, pure=False) for part in parts]
        try:
            return _gather(WorkerWatch(client), futures, progress)
        finally:
            client.cancel(futures)


def _gather(
    watch: WorkerWatch, futures: list[Any], progress: Callable[[float], None] | None
) -> list[Tally]:
    for done, _ in enumerate(wait_for_each(watch, futures), 1):
        if progress is not None:
            progress(done / len(futures))
    try:
        return [fetch_result(watch, future) for future in futures]
    except import_dask().scheduler.KilledWorker as error:
        raise EngineError(
            "a part was given up, since its workers were killed each time, perhaps for want of "
            "memory: play fewer clients, more gateways, or give the workers more memory"
        ) from error


def wait_for_each(watch: WorkerWatch, futures: Iterable[Any]) -> Iterator[Any]:
    """Yield Dask futures as soon as each is done.

    Raises
    ------
    EngineError
        If the cluster has been without workers for `NOBODY_S`: Dask itself would wait for ever.
    """
    ended = import_dask().as_completed(futures)
    watch.begin()
    while not ended.is_empty():
        batch = ended.next_batch(block=False)
        if batch:
            yield from batch
            watch.begin()  # whatever the caller did meanwhile took its time
        else:
            watch.look()
            time.sleep(_POLL_S)


def fetch_result(watch: WorkerWatch, future: Any) -> Any:
    """Return the result of a Dask future that is done, or raise what its task raised.

    A worker that dies takes its results with it. Then the task is played again, if there is
    another one.

    Raises
    ------
    EngineError
        As in `wait_for_each`.
    """
    watch.begin()
    timeout_s = 1.0
    while True:
        try:
            return future.result(timeout=timeout_s)
        except TimeoutError:
            if future.status == "error":
                raise  # the task's own
        watch.look()
        timeout_s *= 2.0  # a large result that needs longer is begun anew each time


class WorkerWatch:
    """Looks whether a cluster has workers, and gives up when it had none for long."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._most = len(count_threads(client))
        self._asked_s = -inf
        self.begin()

    def begin(self) -> None:
        """Count the time without workers from now on."""
        self._seen_s = time.monotonic()

    def look(self) -> None:
        """Raise EngineError if there has been no worker for too long; ask only now and then."""
        now_s = time.monotonic()
        if now_s - self._asked_s < _ASK_S:
            return
        self._asked_s, workers = now_s, len(count_threads(self._client))
        self._most = max(self._most, workers)
        if workers:
            self._seen_s = now_s
        elif now_s - self._seen_s >= NOBODY_S:
            raise EngineError(_say_nobody(self._client, self._most))


def count_threads(client: Any) -> dict[str, int]:
    """Return the threads of each worker by its address; none if no scheduler answers."""
    try:
        return dict(client.nthreads())
    except (OSError, RuntimeError, TimeoutError):
        return {}


def _say_nobody(client: Any, most: int) -> str:
    address = client.scheduler.address
    had = f", which had {most}," if most else ""
    return (
        f"the Dask scheduler at {address}{had} has no workers left, and for {NOBODY_S:g} s none "
        f"has come: start some with dask worker {address} --nthreads 1, with more memory if they "
        "died for want of it, and play it again"
    )


@contextmanager
def connect(scheduler: Any, parts: int = 1) -> Iterator[Any]:
    """Yield a Dask client: the given one, or a new one, which is closed at the end.

    Without a scheduler there is a cluster of this machine, with a worker per processor, for so
    many parts.

    Raises
    ------
    EngineError
        If no scheduler answers, it has no workers, or theirs is another simlib.
    """
    dask = import_dask()
    if isinstance(scheduler, dask.Client):
        _check_workers(scheduler)
        yield scheduler
    elif scheduler is None:
        workers = min(parts, os.cpu_count() or 1)
        with (
            # Any port: the usual one may be taken, by another cluster of this machine.
            dask.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                host="127.0.0.1",
            ) as local,
            dask.Client(local) as client,
        ):
            yield client
    else:
        with _client_of(str(scheduler)) as client:
            _check_workers(client)
            yield client


def _check_workers(client: Any) -> None:
    """Refuse a cluster that would wait for ever, or give other numbers."""
    address = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError:
        raise EngineError(
            f"the Dask scheduler at {address} has no workers: start some with "
            f"dask worker {address} --nthreads 1"
        ) from None
    for worker, answer in client.run(code_digest, on_error="return").items():
        if isinstance(answer, Exception):
            raise EngineError(f"the Dask worker at {worker} has no simlib that works: {answer}")
        if answer != code_digest():
            raise EngineError(
                f"the Dask worker at {worker} has another simlib, which may give other numbers: "
                "install the same there"
            )


def import_dask() -> Any:
    """Return Dask's own module, or say how it is installed."""
    return load_extra("distributed", "cluster", "parts are played by Dask", EngineError)


def _client_of(address: str) -> Any:
    try:
        return import_dask().Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {address}: start one with dask scheduler, and workers "
            "with dask worker ADDRESS"
        ) from error
