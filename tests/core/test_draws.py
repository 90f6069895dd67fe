from inspect import unwrap
from itertools import product
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simlib.core.draws import _BLOCKS_OF, INDEX_BITS, SEED_LIMIT, Stream, forget_blocks, uniform

WORD = st.integers(0, 2**32 - 1)


def as_double(high: int, low: int) -> float:
    """The 53 bits that a draw keeps of a block of two words."""
    return ((high >> 5) * 2**26 + (low >> 6)) / 2**53


@pytest.mark.parametrize(
    ("counter", "key", "block"),
    [
        ((0x00000000, 0x00000000), 0x00000000, (0xFF1DAE59, 0x6CD10DF2)),
        ((0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        ((0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_philox_known_answers(counter, key, block):
    # Random123's kat_vectors for philox2x32-10; a client is the counter's first word, a
    # stream and an index are its second, a seed is the key.
    client, second = counter
    stream, index = second >> INDEX_BITS, second % (1 << INDEX_BITS)
    assert as_double(*block) == uniform(key, client, stream, index)


@given(seed=WORD, client=WORD, stream=st.sampled_from(Stream), index=st.integers(0, 2**26 - 1))
def test_a_draw_lies_in_the_unit_interval_and_depends_on_nothing_but_its_address(
    seed, client, stream, index
):
    u = uniform(seed, client, stream, index)
    assert 0.0 <= u < 1.0
    assert u == uniform(seed, client, int(stream), index)


@given(seed=WORD, client=WORD, stream=st.sampled_from(Stream), index=st.integers(0, 2**26 - 1))
def test_a_draw_out_of_a_block_is_the_one_that_is_computed_alone(seed, client, stream, index):
    alone = unwrap(uniform)
    near = product((client, client ^ 1, client ^ 2), (index, index ^ 1, index ^ 4, index ^ 8))
    for one, place in near:
        assert alone(seed, one, stream, place) == uniform(seed, one, stream, place)


def test_blocks_are_computed_anew_once_there_are_too_many():
    before = [uniform(5, client, Stream.STAY, 0) for client in range(0, 80_000, 4)]
    assert before[0] == unwrap(uniform)(5, 0, Stream.STAY, 0)
    assert before == [uniform(5, client, Stream.STAY, 0) for client in range(0, 80_000, 4)]


def test_no_more_blocks_are_kept_than_take_eight_megabytes_of_each_of_four_seeds():
    forget_blocks()
    for seed in range(4):
        uniform(seed, 0, Stream.STAY, 0)
    assert 4 == len(_BLOCKS_OF)
    uniform(4, 0, Stream.STAY, 0)
    assert [4] == list(_BLOCKS_OF)
    for client in range(4, 4 * 16_384, 4):
        uniform(4, client, Stream.STAY, 0)
    assert 16_384 == len(_BLOCKS_OF[4])
    # Neighbours are in the blocks that there are; a client further on is not.
    uniform(4, 4 * 16_384 - 1, Stream.STAY, 7)
    assert 16_384 == len(_BLOCKS_OF[4])
    uniform(4, 4 * 16_384, Stream.STAY, 0)
    assert 1 == len(_BLOCKS_OF[4])
    forget_blocks()
    assert {} == _BLOCKS_OF


def test_blocks_that_are_forgotten_are_computed_anew():
    before = [uniform(5, client, Stream.STAY, 0) for client in range(40)]
    forget_blocks()
    assert before == [uniform(5, client, Stream.STAY, 0) for client in range(40)]


def test_neighbouring_addresses_share_no_draw():
    addresses = list(product(range(5), range(20), Stream, range(30)))
    assert len(addresses) == len({uniform(*address) for address in addresses})


def test_the_largest_addresses_do_not_meet():
    top = SEED_LIMIT - 1
    ends = list(product((0, top), (0, top), Stream, (0, 2**INDEX_BITS - 1)))
    assert len(ends) == len({uniform(*end) for end in ends})


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda i: uniform(1, 0, Stream.WAIT, i), id="by index"),
        pytest.param(lambda client: uniform(1, client, Stream.WAIT, 0), id="by client"),
        pytest.param(lambda seed: uniform(seed, 0, Stream.WAIT, 0), id="by seed"),
    ],
)
def test_draws_are_uniform_along_each_coordinate(draw):
    draws = [draw(place) for place in range(20_000)]
    assert stats.kstest(draws, "uniform").pvalue > 0.001
    counts = [0] * 256
    for u in draws:
        counts[int(u * 256)] += 1
    assert stats.chisquare(counts).pvalue > 0.001


def test_neighbouring_draws_are_independent():
    draws = [uniform(3, 5, Stream.UP, i) for i in range(20_000)]
    for lag in (1, 2, 10):
        correlation = stats.pearsonr(draws[:-lag], draws[lag:]).statistic
        assert abs(correlation) < 4.0 / sqrt(len(draws))
