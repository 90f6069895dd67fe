"""Who is let in: workers and those who wait for them, limits, and what is decided on handshakes."""

from __future__ import annotations

import itertools
from enum import IntEnum
from heapq import heappop, heappush
from math import inf
from typing import Any, NamedTuple, Protocol

from simlib.core.meters import Rate, ready_s, take
from simlib.core.server_settings import AddressLimit, Scaling


class AddressMeters:
    """The token buckets of the addresses that have made a handshake."""

    def __init__(self, limit: AddressLimit) -> None:
        self._limit = limit
        self._rate = Rate(per_s=limit.accept_per_s, burst=limit.burst)
        self._arrivals_s: dict[int, float] = {}

    def take(self, client: int, now: float) -> bool:
        """Count a handshake of a client's address; return False if it is beyond the limit."""
        if self._limit.accept_per_s == inf:
            return True
        address = self._limit.address_of(client)
        arrival_s = self._arrivals_s.get(address, 0.0)
        if now < ready_s(arrival_s, self._rate):
            return False
        self._arrivals_s[address] = take(arrival_s, now, self._rate)
        return True


class Decision(IntEnum):
    """What a server decides on a handshake, and what else decides how much it can do."""

    #: It goes to a worker.
    TAKEN = 0
    #: Refused: all connections are taken; the accept rate is passed; the backlog is full; its
    #: session does not hold; the limit of its address is passed.
    CONNECTIONS = 1
    RATE = 2
    BACKLOG = 3
    SESSION = 4
    ADDRESS = 5
    #: More workers are called for. The server starts, and stops.
    CALLED = 6
    STARTED = 7
    STOPPED = 8


class HandshakeVerdict(NamedTuple):
    """What a server decided on a handshake, for its log."""

    decision: int
    client: int
    connection: int
    #: When a worker begins with it, is done with it, and is free again; 0: it was refused.
    begin_s: float = 0.0
    done_s: float = 0.0
    free_s: float = 0.0


# Read in compiled code, which takes plain numbers for constants.
_CONNECTIONS, _RATE = Decision.CONNECTIONS.value, Decision.RATE.value


class _Times(Protocol):
    """A list of moments, or an array of them in compiled code."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> float: ...
    def __setitem__(self, place: int, time_s: float, /) -> None: ...


def begins_s(free_s: _Times, now: float) -> float:
    """Return when work that comes now is begun: by the worker that is free first."""
    return max(now, free_s[0])


def occupy(free_s: _Times, until_s: float) -> None:
    """Assign work to the worker that is free first, until a moment; the times stay a heap."""
    place, size = 0, len(free_s)
    child = 1
    while child < size:
        if child + 1 < size and free_s[child + 1] < free_s[child]:
            child += 1
        if free_s[child] >= until_s:
            break
        free_s[place] = free_s[child]
        place, child = child, 2 * child + 1
    free_s[place] = until_s


def join(free_s: _Times, size: int, until_s: float) -> None:
    """Add a worker that is free at a moment to a heap of ``size`` times.

    There is room for it: places from ``size`` on hold inf, who is never free first.
    """
    place = size
    while place > 0 and free_s[(place - 1) // 2] > until_s:
        free_s[place] = free_s[(place - 1) // 2]
        place = (place - 1) // 2
    free_s[place] = until_s


def calls_for_step(waiting: int, steps: int, there_s: float, settings: Scaling, now: float) -> bool:
    """Whether a backlog of this length calls for more workers now.

    ``steps`` were taken before, and the workers of the last one are there at ``there_s``.
    """
    return waiting >= settings.at_backlog and steps < settings.most_steps and now >= there_s


def find_limit(taken: int, most: float, arrival_s: float, accepts: Rate, now: float) -> int:
    """Return the `Decision` by which connections or their rate keep a handshake out; 0: none."""
    if taken >= most:
        return _CONNECTIONS
    return 0 if now >= ready_s(arrival_s, accepts) else _RATE


class WorkerQueue:
    """A FIFO queue with several workers; a job's completion time is known when it arrives.

    Nothing overtakes in the queue, so the moment each job is done is known when it arrives.
    """

    def __init__(self, workers: int, backlog: float) -> None:
        self._free_s = [0.0] * workers
        self._backlog = backlog
        #: When it is done, its number, when it starts, what it is.
        self._jobs: list[tuple[float, int, float, Any]] = []
        self._numbers = itertools.count()
        self._now = 0.0
        #: When the next job is done; inf: none is under way.
        self.deadline_s = inf

    @property
    def waiting(self) -> int:
        """Jobs that no worker has taken yet, as of the last arrival or completion."""
        return sum(start_s > self._now for _, _, start_s, _ in self._jobs)

    def begins_s(self, now: float) -> float:
        """Return when a job that arrives now would be begun."""
        return begins_s(self._free_s, now)

    def is_full(self, now: float) -> bool:
        """Whether a job that comes now would find no room to wait."""
        self._now = now
        return (
            self._backlog < inf
            and begins_s(self._free_s, now) > now
            and self.waiting >= self._backlog
        )

    def arrive(self, job: Any, now: float, service_s: float, after_s: float = 0.0) -> bool:
        """Add a job of a known length; return False if the backlog is full.

        ``after_s``: the worker stays busy for so much longer, when the job is done.
        """
        if self.is_full(now):
            return False
        start_s = begins_s(self._free_s, now)
        done_s = start_s + service_s
        occupy(self._free_s, done_s + after_s)
        heappush(self._jobs, (done_s, next(self._numbers), start_s, job))
        self.deadline_s = self._jobs[0][0]
        return True

    def grow(self, workers: int, ready_s: float) -> None:
        """Add workers that are available from ``ready_s``; they take only later arrivals."""
        for _ in range(workers):
            self._free_s.append(inf)
            join(self._free_s, len(self._free_s) - 1, ready_s)

    def pop_done(self, now: float) -> list[Any]:
        """Remove and return the jobs that are done by now."""
        self._now = now
        finished = []
        while self._jobs and self._jobs[0][0] <= now:
            finished.append(heappop(self._jobs)[3])
        self.deadline_s = self._jobs[0][0] if self._jobs else inf
        return finished
