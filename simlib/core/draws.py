"""Numbered random draws: a pure function of an address, so no order of work can change a number.

An address is (seed, client, stream, index). It is the counter and key of Philox2x32-10
(Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): distinct addresses
are distinct counters, hence never share a block. All arithmetic stays in 64 bits, also where
a compiler wraps: only the low 64 bits of a product are ever looked at.
"""

from __future__ import annotations

from enum import IntEnum

SEED_LIMIT = 1 << 32
INDEX_BITS = 26
#: Connections and draws of each life of a client begin at a multiple of this.
PER_LIFE = 1 << 16

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0xD256D193
_WEYL = 0x9E3779B9


class Stream(IntEnum):
    """What a draw is for; each purpose has a stream of its own."""

    WAIT = 1
    FAULT = 2
    UP = 3
    DOWN = 4
    ARRIVAL = 5
    PRIORITY = 6
    LOSS_UP = 7
    LOSS_DOWN = 8
    SIGN_IN = 9
    PAUSE = 10
    SERVICE = 11
    COHORT = 12
    STAY = 13
    WAIT_ONCE = 14


def uniform(seed: int, client: int, stream: int, index: int) -> float:
    """Return the draw at an address: uniform on [0, 1), 53 bits."""
    x = client & _MASK
    y = ((stream << INDEX_BITS) + index) & _MASK
    key = seed & _MASK
    for _ in range(10):
        product = _MULTIPLIER * x
        x = ((product >> 32) & _MASK) ^ key ^ y
        y = product & _MASK
        key = (key + _WEYL) & _MASK
    return ((x >> 5) * 67108864 + (y >> 6)) * (1.0 / 9007199254740992.0)
