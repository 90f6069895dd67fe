import math
import sys
from statistics import NormalDist

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import special, stats

from simlib.core import exact

TINY = sys.float_info.min


def units_off(expected: float, value: float) -> float:
    """How far a value is off, in units in the last place of the expected one."""
    return abs(value - expected) / math.ulp(expected)


@given(st.floats(TINY, sys.float_info.max))
@example(1.0)
@example(math.nextafter(1.0, 0.0))
@example(math.nextafter(1.0, 2.0))
@example(0.7071067811865475)
@example(0.7071067811865476)
@example(2.0**-53)
@example(5e-324)
def test_log_is_within_four_units_in_the_last_place(x):
    assert units_off(math.log(x), exact.log(x)) <= 4.0


@given(st.floats(-700.0, 700.0))
@example(0.0)
@example(exact.LN2 / 2.0)
@example(-exact.LN2 / 2.0)
@example(700.0)
@example(-700.0)
def test_exp_is_within_four_units_in_the_last_place(x):
    assert units_off(math.exp(x), exact.exp(x)) <= 4.0


@given(st.floats(1e-16, 1.0 - 2.0**-53))
@example(0.5)
@example(0.02425)
@example(1.0 - 0.02425)
@example(1e-16)
@example(1.0 - 2.0**-53)
def test_normal_quantile_is_within_its_stated_error(p):
    expected = NormalDist().inv_cdf(p)
    assert exact.normal_quantile(p) == pytest.approx(expected, rel=1.15e-9, abs=1e-15)


# Only operations that IEEE 754 fixes: these bits hold on every machine and Python version.
@pytest.mark.parametrize(
    ("function", "x", "bits"),
    [
        (exact.log, 0.1, "-0x1.26bb1bbb55515p+1"),
        (exact.log, 3.7, "0x1.4eeee650ae550p+0"),
        # Where the last terms of the series show in the last bit.
        (exact.log, 1.4000518063333331, "0x1.5895e0da50fecp-2"),
        (exact.log, 1.407750636, "0x1.5e3372ea68646p-2"),
        (exact.log, 1.41003868, "0x1.5fdd2bb0d1f69p-2"),
        (exact.log, 1.412260164, "0x1.6179d8fc9a3c9p-2"),
        (exact.log, 1.413151478, "0x1.621f3dc54d05cp-2"),
        (exact.log, 1e-300, "-0x1.5963447f87fb5p+9"),
        (exact.exp, 1.0, "0x1.5bf0a8b14576ap+1"),
        (exact.exp, -37.5, "0x1.dd5c566301ec8p-55"),
        # Where it shows to which side the argument is rounded.
        (exact.exp, 0.714, "0x1.0564f57255527p+1"),
        (exact.exp, -0.668, "0x1.0684f138ba80fp-1"),
        (exact.exp, 20.25, "0x1.290d76d1966aap+29"),
        (exact.normal_quantile, 1e-10, "-0x1.9720359482785p+2"),
        (exact.normal_quantile, 0.7, "0x1.0c7e395d14935p-1"),
        (exact.normal_quantile, 0.999, "0x1.8b8cbb6ee2822p+1"),
    ],
)
def test_every_machine_gives_these_bits(function, x, bits):
    assert bits == function(x).hex()


@pytest.mark.parametrize(
    ("shape", "p", "bits"),
    [
        (0.2, 0.7, "0x1.efc51b8fa9b45p-4"),
        (0.5, 0.03, "0x1.72c5a8157fc4dp-11"),
        (2.0, 0.999, "0x1.27781f89f9b1cp+3"),
        (7.5, 0.3, "0x1.7713d0f436097p+2"),
        (50.0, 0.7, "0x1.ab9f7fb88912ep+5"),
    ],
)
def test_every_machine_gives_these_bits_of_a_gamma_quantile(shape, p, bits):
    assert bits == exact.gamma_quantile(shape, p).hex()


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0, 2.0, 7.5, 50.0])
def test_the_gamma_quantile_is_the_distribution_s(shape):
    for p in (1e-9, 1e-4, 0.03, 0.5, 0.9, 0.999, 1.0 - 1e-9):
        assert stats.gamma.ppf(p, shape) == pytest.approx(exact.gamma_quantile(shape, p), rel=1e-8)
    assert 0.0 == exact.gamma_quantile(shape, 0.0)


def test_the_gamma_quantile_ascends():
    values = [exact.gamma_quantile(0.7, i / 1000) for i in range(1000)]
    assert values == sorted(values)


@pytest.mark.parametrize("x", [0.1, 0.5, 1.0, 3.7, 10.0, 99.0])
def test_the_logarithm_of_the_gamma_function(x):
    assert special.gammaln(x) == pytest.approx(exact.log_gamma(x), rel=1e-12, abs=1e-12)
