"""Run tasks in parallel: in local processes, or as Dask tasks on a cluster.

Each task is a function and one argument. It ends with a value or with words of why it failed; that
one failed does not lose the others. If a worker is killed, only what it had is played again: each
of these tasks by itself, while the others go on; and at last, when nothing else runs, each that was
killed by itself too, for it may have died for want of memory that others had. Workers are kept for
many rounds of tasks, since starting them takes longer than a short round.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from simlib.core.errors import EngineError, SettingsError

if TYPE_CHECKING:
    from simlib.engines.fleet.cluster import WorkerWatch

#: Tasks go to a worker so many at a time, at most: one by one, the way there costs too much.
_MOST_BATCH = 32
#: And so many batches for each worker at least, so that all end at about the same time.
_LEAST_BATCHES = 8
#: What loky says if a task cannot be read where it was sent, such as for want of a module.
_UNREAD = "un-serialize"
_DIED = "died: its worker was killed each time, perhaps for want of memory"
#: A worker looks so often whether who began the work is still there.
_LOOK_S = 0.5
#: And whoever waits for a cluster's workers looks so often at most.
_LOOKS = 60

Function = Callable[[Any], Any]
#: Tasks that go to a worker together, with their numbers.
TaskBatch = Sequence[tuple[int, Any]]


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a value, or why there is none."""

    index: int
    value: Any = None
    failure: str = ""


#: Plays tasks: yields what becomes of each, as soon as it is known.
Outcomes = Callable[[Function, Sequence[Any]], Iterator[Outcome]]
#: Plays parts at the same time: yields each with its outcomes, or None if its worker was killed or
#: if one of its tasks, it is not known which, could not be sent.
_Play = Callable[[Sequence[TaskBatch]], Iterator[tuple[TaskBatch, list[Outcome] | None]]]


def check_workers(workers: int) -> None:
    """Refuse a number of workers that cannot be."""
    most = 64
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= most:
        raise SettingsError("workers", workers, f"must be a whole number from 1 to {most}")


@contextmanager
def open_pool(workers: int | None = None, scheduler: Any = None) -> Iterator[Outcomes]:
    """Give what plays tasks, given a function and its arguments; end what it began.

    Parameters
    ----------
    workers : int, optional
        So many processes of this machine; 1: this one. By default one per processor.
    scheduler : str or distributed.Client, optional
        The address of a Dask scheduler, or a client that is connected to one, instead. The
        function must be importable by its name where the workers are.

    Examples
    --------
    >>> with open_pool(1) as outcomes:
    ...     [outcome.value for outcome in outcomes(abs, [-1, 2])]
    [1, 2]
    """
    if workers is not None:
        check_workers(workers)
    count = workers or os.cpu_count() or 1
    if scheduler is not None:
        from simlib.engines.fleet.cluster import connect

        with connect(scheduler) as client:
            yield _Cluster(client).outcomes
    elif count == 1:
        yield _here
    else:
        pool = _Pool(count)
        try:
            yield pool.outcomes
            pool.end(kill=False)
        finally:
            pool.end(kill=True)


def _here(function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
    return (_outcome(function, index, task) for index, task in enumerate(tasks))


def _outcome(function: Function, index: int, task: Any) -> Outcome:
    try:
        return Outcome(index, function(task))
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return Outcome(index, failure=f"{type(error).__name__}: {error}")


def _batch(function: Function, part: TaskBatch) -> list[Outcome]:
    return [_outcome(function, index, task) for index, task in part]


def _batches(tasks: Sequence[Any], workers: int) -> list[TaskBatch]:
    # Small enough that a slow batch at the end leaves few processes idle, large enough that sending
    # it costs little beside playing it.
    size = max(1, min(_MOST_BATCH, len(tasks) // (workers * _LEAST_BATCHES)))
    numbered = list(enumerate(tasks))
    return [numbered[i : i + size] for i in range(0, len(numbered), size)]


def isolate(
    play: _Play, parts: Sequence[TaskBatch], settle: Callable[[], None] = lambda: None
) -> Iterator[Outcome]:
    """Yield outcomes; a task is reported as killed only if it was when it was played alone.

    ``settle`` waits until no worker is about to die of what it had before: what is sent to a worker
    just as that dies is killed through no fault of its own.
    """
    killed = yield from _round(play, parts)
    # Of a batch whose process died one task is to blame, and nobody knows which: so each is played
    # by itself.
    singles = [[task] for part in killed if len(part) > 1 for task in part]
    suspects = [part for part in killed if len(part) == 1]
    if singles:
        settle()
    suspects += yield from _round(play, singles)
    for part in suspects:
        settle()
        # Twice: a worker may die of something else, such as want of memory, just then.
        killed = yield from _round(play, [part])
        if killed:
            settle()
        for [(index, _)] in (yield from _round(play, killed)):
            yield Outcome(index, failure=_DIED)


def _round(play: _Play, parts: Sequence[TaskBatch]) -> Generator[Outcome, None, list[TaskBatch]]:
    """Yield the outcomes of parts; return those whose workers were killed."""
    killed = []
    for part, results in play(parts):
        if results is None:
            killed.append(part)
        else:
            yield from results
    return killed


def _failure(part: TaskBatch, error: BaseException | None) -> list[Outcome] | None:
    """Return that a part could not be sent; of several tasks it is not known which, so None."""
    if len(part) > 1:
        return None
    return [Outcome(index, failure=f"{type(error).__name__}: {error}") for index, _ in part]


# --- processes ---------------------------------------------------------------------------


class _Lane:
    """One process, begun when there is something to do, and again if it died.

    A pool of several processes would do, but loky gives up all of them when one dies.
    """

    def __init__(self) -> None:
        self._executor: Any = None

    def submit(self, function: Function, part: TaskBatch) -> Future[list[Outcome]]:
        """Begin to play a part."""
        try:
            return self._submit(function, part)
        except BrokenProcessPool:  # it died when it had nothing to do
            self.end(kill=True)
            return self._submit(function, part)

    def _submit(self, function: Function, part: TaskBatch) -> Future[list[Outcome]]:
        if self._executor is None:
            # Not Python's own: its processes would run the caller's script again, from the top.
            from loky import ProcessPoolExecutor

            self._executor = ProcessPoolExecutor(1, initializer=_serve, initargs=(os.getpid(),))
        future: Future[list[Outcome]] = self._executor.submit(_batch, function, part)
        return future

    def end(self, kill: bool) -> None:
        """End the process: whatever it does, or once it has nothing left to do."""
        if self._executor is not None:
            self._executor.shutdown(kill_workers=kill)
            self._executor = None


class _Pool:
    """Processes that are kept, each by itself, so that the death of one is not that of all."""

    def __init__(self, count: int) -> None:
        self._lanes = [_Lane() for _ in range(count)]

    def outcomes(self, function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Yield outcomes, as soon as they are known."""
        parts = _batches(tasks, len(self._lanes))
        return isolate(partial(self._play, function), parts)

    def _play(
        self, function: Function, parts: Sequence[TaskBatch]
    ) -> Iterator[tuple[TaskBatch, list[Outcome] | None]]:
        waiting, free = deque(parts), deque(self._lanes)
        busy: dict[Future[list[Outcome]], tuple[_Lane, TaskBatch]] = {}

        def begin() -> None:
            while waiting and free:
                lane, part = free.popleft(), waiting.popleft()
                busy[lane.submit(function, part)] = lane, part

        begin()
        while busy:
            # Not without end: a Ctrl-C that comes just before the wait would not be heard.
            done = wait(busy, _LOOK_S, FIRST_COMPLETED).done
            ended = [(future, *busy.pop(future)) for future in done]
            for future, lane, _ in ended:
                if isinstance(future.exception(), BrokenProcessPool):
                    lane.end(kill=True)
                free.append(lane)
            begin()  # before the caller takes its time over what ended
            for future, _, part in ended:
                yield part, _result(future, part)

    def end(self, kill: bool) -> None:
        """End the processes: whatever they do, or once they have nothing left to do."""
        try:
            with ThreadPoolExecutor(len(self._lanes)) as threads:
                list(threads.map(partial(_Lane.end, kill=kill), self._lanes))
        except RuntimeError:  # there is no memory for a thread; Python would wait for who is left
            for lane in self._lanes:
                lane.end(kill)


def _result(future: Future[list[Outcome]], part: TaskBatch) -> list[Outcome] | None:
    error = future.exception()
    if error is None:
        return future.result()
    if len(part) == 1 and _UNREAD in str(error):
        return _failure(part, EngineError(f"its worker process could not read it: {_cause(error)}"))
    return None if isinstance(error, BrokenProcessPool) else _failure(part, error)


def _cause(error: BaseException) -> str:
    """Return the last line of what went wrong in a worker."""
    lines = str(error.__cause__ or error).strip().strip('"').strip().splitlines()
    return lines[-1] if lines else str(error)


def _serve(parent: int) -> None:
    """Ignore SIGINT; exit when the parent exits."""
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


class _Cluster:
    """A Dask cluster; once it has no worker left, what is not finished is a failure."""

    def __init__(self, client: Any) -> None:
        from simlib.engines.fleet.cluster import WorkerWatch

        self._client = client
        self._watch = WorkerWatch(client)
        self._gone = ""

    def outcomes(self, function: Function, tasks: Sequence[Any]) -> Iterator[Outcome]:
        """Yield outcomes of Dask tasks; Dask plays a few times what a worker had that died."""
        from simlib.engines.fleet.cluster import count_threads

        left = set(range(len(tasks)))
        threads = sum(count_threads(self._client).values())
        # A later round of a study need not wait again for workers that did not come.
        if threads or not self._gone:
            try:
                for each in self._play(function, tasks, max(1, threads)):
                    left.discard(each.index)
                    yield each
            except EngineError as error:
                self._gone = str(error)
        for index in sorted(left):
            yield Outcome(index, failure=self._gone)

    def _play(self, function: Function, tasks: Sequence[Any], threads: int) -> Iterator[Outcome]:
        play = partial(_play_there, self._client, self._watch, function)
        return isolate(play, _batches(tasks, threads), partial(_await_workers, self._client))


def _await_workers(client: Any) -> None:
    """Wait until every worker that the scheduler knows of answers: it learns late of a death."""
    for _ in range(_LOOKS):
        answers = client.run(os.getpid, on_error="return").values()
        if answers and not any(isinstance(answer, BaseException) for answer in answers):
            return
        time.sleep(_LOOK_S)


def _play_there(
    client: Any, watch: WorkerWatch, function: Function, parts: Sequence[TaskBatch]
) -> Iterator[tuple[TaskBatch, list[Outcome] | None]]:
    from simlib.engines.fleet.cluster import fetch_result, import_dask, wait_for_each

    dask = import_dask()
    # `pure=False`: Dask would take a second submission of the same task for the first, and not play
    # it.
    futures = {client.submit(_batch, function, part, pure=False): part for part in parts}
    try:
        for future in wait_for_each(watch, futures):
            part = futures[future]
            try:
                # A worker may die with a result that nobody has fetched: it is played again then.
                outcomes = fetch_result(watch, future)
            except dask.scheduler.KilledWorker:
                outcomes = None
            except EngineError:
                raise  # no worker is left
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                outcomes = _failure(part, error)
            yield part, outcomes
    finally:
        client.cancel(list(futures))
