"""Parts of runs as Dask tasks: on this machine's processors, or on a cluster that has an address.

A part is one gateway's clients in one scenario. What happens to them depends on no other part, so
wherever parts are played, their counts merge into the same result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from simlib.core.errors import EngineError
from simlib.engines.fleet.part import Part
from simlib.scenario.scenario import Scenario
from simlib.support.extras import load_extra
from simlib.support.files import code_digest
from simlib.trace.counts import Tally

#: A scheduler that does not answer for this long is not there, nor are workers.
_PATIENCE_S = 5.0


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
        If Dask is not installed, no scheduler answers, or a part kills its workers.
    """
    with connect(scheduler, len(parts)) as client:
        futures = [client.submit(play_part, *part, pure=False) for part in parts]
        try:
            return _gather(futures, progress)
        finally:
            client.cancel(futures)


def _gather(futures: list[Any], progress: Callable[[float], None] | None) -> list[Tally]:
    for done, _ in enumerate(import_dask().as_completed(futures), 1):
        if progress is not None:
            progress(done / len(futures))
    try:
        return [future.result() for future in futures]
    except import_dask().scheduler.KilledWorker as error:
        raise EngineError(
            "a part was given up, since its workers were killed each time, perhaps for want of "
            "memory: play fewer clients, more gateways, or give the workers more memory"
        ) from error


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
