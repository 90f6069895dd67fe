"""When the clients of a run arrive: evenly spaced, at random over the ramp, or as recorded.

Client i is the i-th to arrive, whatever the kind. Both random kinds add up one exponential gap per
client, drawn at the client's address, so an engine needs no more than the sum so far:

- poisson: gaps of mean ramp / clients. A Poisson process; the last client may come after the ramp.
- uniform: the moments are independent and uniform over the ramp, in ascending order. That is a
  Poisson process of which exactly so many arrivals fall into the ramp. By Rényi's representation of
  order statistics, the i-th of n is 1 - exp(-sum of E_k / (n - k), k < i + 1).
"""

from __future__ import annotations

from array import array
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise

from simlib.core.draws import Stream, uniform
from simlib.core.exact import exp, log


class StartTimes(IntEnum):
    """How the clients' starts are spaced."""

    EVEN = 0
    POISSON = 1
    UNIFORM = 2
    RECORDED = 3


_UNIFORM, _JOIN = StartTimes.UNIFORM.value, Stream.JOIN.value
#: Beyond this, exp(-sum) is 0 to the last bit of 1 - exp(-sum).
_LARGEST_SUM = 700.0


def add_gap(kind: int, gaps: float, seed: int, client: int, clients: int) -> float:
    """Return the sum of the gaps up to this client, given that up to the client before it."""
    gap = -log(1.0 - uniform(seed, client, _JOIN, 0))
    return gaps + (gap / (clients - client) if kind == _UNIFORM else gap)


def random_start_s(kind: int, ramp_s: float, gaps: float, clients: int) -> float:
    """Return when a client starts, from the sum of the gaps up to it."""
    if kind == _UNIFORM:
        return ramp_s * (1.0 - exp(-min(gaps, _LARGEST_SUM)))
    return ramp_s * gaps / clients


@lru_cache(maxsize=8)
def random_starts_s(kind: int, ramp_s: float, seed: int, clients: int) -> array[float]:
    """Return the starts of all clients, ascending."""
    starts_s, gaps = array("d"), 0.0
    for client in range(clients):
        gaps = add_gap(kind, gaps, seed, client, clients)
        starts_s.append(random_start_s(kind, ramp_s, gaps, clients))
    return starts_s


def has_ties(ascending_s: tuple[float, ...]) -> bool:
    """Whether two of the times are the same."""
    return any(low == high for low, high in pairwise(ascending_s))
