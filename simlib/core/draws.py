"""Numbered random draws: a pure function of an address, so no order of work can change a number.

An address is (seed, client, stream, index). It is the counter and key of Philox2x32-10
(Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): distinct addresses
are distinct counters, hence never share a block. All arithmetic stays in 64 bits, also where
a compiler wraps: only the low 64 bits of a product are ever looked at.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import lru_cache, wraps
from sys import byteorder

SEED_LIMIT = 1 << 32
INDEX_BITS = 26
#: Connections and draws of each life of a client begin at a multiple of this.
PER_LIFE = 1 << 16

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0xD256D193
_WEYL = 0x9E3779B9


class Stream(IntEnum):
    """The purpose of a draw; each purpose has a stream of its own."""

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
    JOIN = 15
    BALANCE = 16
    AGE = 17
    TIMERS = 18


#: A draw as a function of seed, client, stream and index.
Draw = Callable[[int, int, int, int], float]

#: A block has the draws of 4 clients at 8 indices: neighbours are wanted next, or were just now.
_CLIENT_BITS, _PLACE_BITS = 2, 3
_LANES = 1 << (_CLIENT_BITS + _PLACE_BITS)
#: At most so many blocks are kept of each seed (8 MB), and of so many seeds.
_MOST_BLOCKS, _MOST_SEEDS = 1 << 14, 4
#: By seed, then by place as one number: a tuple of its parts takes three times the room.
_BLOCKS_OF: dict[int, dict[int, array[int]]] = {}
_UNIT = 1.0 / 9007199254740992.0


def _in_blocks(draw: Draw) -> Draw:
    """Return a function that draws the same numbers, computed a block at a time and kept.

    For the interpreter alone: compiled code is quicker without blocks, and takes what is wrapped.
    """
    blocks_of = _BLOCKS_OF

    @wraps(draw)
    def uniform(seed: int, client: int, stream: int, index: int) -> float:
        word = (stream << INDEX_BITS) + index
        # Bits written out: to look constants up takes as long as the rest.
        place = client >> 2 << 32 | word >> 3
        blocks = blocks_of.get(seed)
        if blocks is None:
            if len(blocks_of) == _MOST_SEEDS:
                blocks_of.clear()
            blocks = blocks_of[seed] = {}
        block = blocks.get(place)
        if block is None:
            if len(blocks) == _MOST_BLOCKS:
                blocks.clear()
            block = blocks[place] = _compute_block(seed, client >> 2, word >> 3)
        return block[(client & 3) << 3 | word & 7] * _UNIT

    return uniform


def forget_blocks() -> None:
    """Forget the blocks of draws that are kept; they are computed anew when they are asked for.

    In a process that runs for hours, most of them are of draws that are over.
    """
    _BLOCKS_OF.clear()


def _compute_block(seed: int, clients: int, words: int) -> array[int]:
    """Return a block's draws as whole numbers below 2**53.

    The rounds of `uniform`, for all lanes at once: a lane is 64 bits of one large number, and a
    product of two numbers of 32 bits stays within its lane.
    """
    x = (int(clients) << _CLIENT_BITS & _MASK) * _EACH + _CLIENTS
    y = (int(words) << _PLACE_BITS & _MASK) * _EACH + _PLACES
    for key in _round_keys(int(seed)):
        product = _MULTIPLIER * x
        x = (product >> 32) & _LOW ^ key ^ y
        y = product & _LOW
    drawn = ((x >> 5) & _HIGH_BITS) << 26 | (y >> 6) & _LOW_BITS
    block = array("Q")
    block.frombytes(drawn.to_bytes(8 * _LANES, byteorder))
    return block


@lru_cache(maxsize=8)
def _round_keys(seed: int) -> tuple[int, ...]:
    """Return the key of each round, in every lane."""
    return tuple((seed + i * _WEYL & _MASK) * _EACH for i in range(10))


def _in_lanes(numbers: Iterable[int]) -> int:
    return sum(number << 64 * lane for lane, number in enumerate(numbers))


#: 1 in each lane; which client, and which index, of the block a lane is.
_EACH = _in_lanes([1] * _LANES)
_CLIENTS = _in_lanes(lane >> _PLACE_BITS for lane in range(_LANES))
_PLACES = _in_lanes(lane % (1 << _PLACE_BITS) for lane in range(_LANES))
#: The low half of each lane; and those of its bits that a draw takes from either word.
_LOW, _HIGH_BITS, _LOW_BITS = (_EACH * ((1 << bits) - 1) for bits in (32, 27, 26))


@_in_blocks
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
