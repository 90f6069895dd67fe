"""Clients that contend for one row: the model of AWS's article on jitter.

Each client reads the row's version, and writes; a write counts only if nobody has written since. A
client whose write was in vain waits as its backoff says, and reads again. So of all that read the
same version one wins, and what the others do next decides how many calls are in vain.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from simlib.core.backoff import Backoff, delay
from simlib.core.draws import Stream, uniform
from simlib.core.exact import normal_quantile

#: One way through the network: the absolute value of a normal draw.
_HOP_MEAN_S, _HOP_SD_S = 0.010, 0.002
_READ, _WRITE = 0, 1


class Contest(NamedTuple):
    """What it took until every client had written."""

    calls: int
    time_s: float


def contend(policy: Backoff, clients: int, seed: int = 0) -> Contest:
    """Let clients contend for one row until each has written it.

    References
    ----------
    M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015, and its simulator,
    aws-samples/aws-arch-backoff-simulator.

    Examples
    --------
    >>> policy = Backoff(jitter="full", base_s=0.01, cap_s=2)
    >>> contend(policy, clients=1).calls, contend(policy, clients=2).calls
    (1, 3)
    """
    contestants = [_Contestant(policy, client, seed) for client in range(clients)]
    arrivals = [(each.hop_s(), client, _READ) for client, each in enumerate(contestants)]
    arrivals.sort()
    version, calls, end_s = 0, 0, 0.0
    while arrivals:
        now, client, step = heappop(arrivals)
        contestant = contestants[client]
        if step == _READ:
            contestant.version = version
            heappush(arrivals, (now + contestant.hop_s() + contestant.hop_s(), client, _WRITE))
            continue
        calls += 1
        answered_s = now + contestant.hop_s()
        if contestant.version == version:
            version, end_s = version + 1, max(end_s, answered_s)
        else:
            again_s = answered_s + contestant.wait_s() + contestant.hop_s()
            heappush(arrivals, (again_s, client, _READ))
    return Contest(calls, end_s)


class _Contestant:
    """One client: the version that it has read, and its draws."""

    def __init__(self, policy: Backoff, client: int, seed: int) -> None:
        self.policy, self.client, self.seed = policy, client, seed
        self.version = self.attempt = self.hops = 0
        self.waited_s = 0.0

    def hop_s(self) -> float:
        """Return the time that the next frame takes, one way."""
        u = uniform(self.seed, self.client, Stream.UP, self.hops)
        self.hops += 1
        return abs(_HOP_MEAN_S + _HOP_SD_S * normal_quantile(max(u, 1e-12)))

    def wait_s(self) -> float:
        """Return the wait after the next write in vain."""
        u = uniform(self.seed, self.client, Stream.WAIT, self.attempt)
        self.attempt += 1
        self.waited_s = delay(self.policy, self.attempt, self.waited_s, u)
        return self.waited_s
