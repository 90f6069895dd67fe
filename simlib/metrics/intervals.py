"""Estimates with confidence intervals, quantiles, and bisection for a threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from simlib.metrics.array_types import Floats

#: The confidence level of every interval.
CONFIDENCE = 0.95
_RESAMPLES = 2000
#: One observation has no interval.
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval, from ``n`` independent observations."""

    value: float
    low: float
    high: float
    observations: int


def share(values: Floats) -> Estimate:
    """Return the share of ones among zeros and ones, with its exact interval.

    Clopper and Pearson (1934): of 59 without exception, the share of exceptions is below 0.061.

    Examples
    --------
    >>> share(np.zeros(59)).high < 0.061
    True
    """
    from scipy import stats

    hits, of = int(values.sum()), values.size
    if of == 0:
        return Estimate(nan, 0.0, 1.0, 0)
    # Exact, since normal approximations fail where it matters most: at shares of 0 and 1.
    interval = stats.binomtest(hits, of).proportion_ci(CONFIDENCE, "exact")
    return Estimate(hits / of, float(interval.low), float(interval.high), of)


def mean(values: Floats) -> Estimate:
    """Return a mean with its bootstrap interval (percentiles of resampled means).

    Examples
    --------
    >>> mean(np.ones(30)).low
    1.0
    """
    return _bootstrap(values, np.mean)


def t_interval(values: Floats, confidence: float = CONFIDENCE) -> Estimate:
    """Return a mean with Student's interval; what never comes in some replication makes it inf.

    Examples
    --------
    >>> interval = t_interval(np.array([1.0, 2.0, 3.0]))
    >>> round(interval.low, 3), interval.value, round(interval.high, 3)
    (-0.484, 2.0, 4.484)
    """
    # Not all of scipy.stats: that takes a second to import, and a study begins with this.
    from scipy.special import stdtrit

    count = values.size
    value = float(values.mean()) if count else nan
    if count < _FEWEST or not isfinite(value):
        return Estimate(value, nan, value if value == inf else nan, count)
    half = float(stdtrit(count - 1, 0.5 + confidence / 2.0)) * float(values.std(ddof=1))
    half /= sqrt(count)
    return Estimate(value, value - half, value + half, count)


def ratio_interval(numerators: Floats, denominators: Floats) -> Estimate:
    """Return the ratio of two means of pairs, with Fieller's interval; inf where that has no end.

    A ratio r lies in it unless Student's interval of ``numerators - r * denominators`` leaves 0
    out. So the uncertainty of both means, and that they vary together, are in it.

    References
    ----------
    E. C. Fieller, Some problems in interval estimation, J. R. Stat. Soc. B 16, 1954.

    Examples
    --------
    >>> ratio = ratio_interval(np.array([0.9, 1.1, 1.0]), np.array([10.0, 10.5, 10.0]))
    >>> round(ratio.low, 3), round(ratio.value, 3), round(ratio.high, 3)
    (0.079, 0.098, 0.116)
    """
    from scipy.special import stdtrit

    count = numerators.size
    top, bottom = float(numerators.mean()), float(denominators.mean())
    if count < _FEWEST or bottom == 0.0:
        return Estimate(top / bottom if bottom else nan, -inf, inf, count)
    t2 = float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2.0)) ** 2 / count
    (of_top, common), (_, of_bottom) = np.cov(numerators, denominators)
    # (top - r bottom)^2 = t^2 (of_top - 2 r common + r^2 of_bottom), a quadratic in r.
    a = bottom * bottom - t2 * float(of_bottom)
    b = top * bottom - t2 * float(common)
    c = top * top - t2 * float(of_top)
    if a <= 0.0:  # the mean below may as well be 0
        return Estimate(top / bottom, -inf, inf, count)
    half = sqrt(max(0.0, b * b - a * c))
    return Estimate(top / bottom, (b - half) / a, (b + half) / a, count)


def median(values: Floats, confidence: float = CONFIDENCE) -> Estimate:
    """Return a median with the interval of two order statistics around it (binomial).

    Infinite values are allowed: a time that never came.

    Examples
    --------
    >>> median(np.arange(1.0, 100.0)).value
    50.0
    """
    from scipy import stats

    ordered = np.sort(values)
    n = ordered.size
    if n == 0:
        return Estimate(nan, nan, nan, 0)
    # The number of values below the true median is binomial with 1/2, whatever the distribution: so
    # two order statistics bound it without any assumption, infinities included.
    low = int(stats.binom.ppf((1.0 - confidence) / 2.0, n, 0.5))
    low = max(0, low - 1)
    middle = float(ordered[(n - 1) // 2])
    return Estimate(middle, float(ordered[low]), float(ordered[n - 1 - low]), n)


def observed_quantiles(values: Floats, shares: Sequence[float]) -> list[float]:
    """Return quantiles that are observed values; NaN if there are none.

    The inverse of the empirical distribution function: the smallest value up to which at least this
    share of the values lies. Never one in between, since between a time and infinity there is none.

    Examples
    --------
    >>> observed_quantiles(np.array([1.0, 2.0, np.inf]), [0.5, 0.95])
    [2.0, inf]
    """
    if not len(values):
        return [nan] * len(shares)
    return [float(quantile) for quantile in np.quantile(values, shares, method="inverted_cdf")]


def quantile(values: Floats, share: float) -> Estimate:
    """Return a quantile with its bootstrap interval; the smallest value that this share reaches.

    Infinite values are allowed: a time that never came.

    Examples
    --------
    >>> quantile(np.arange(1.0, 101.0), 0.9).value
    90.0
    """

    def find_quantile(drawn: Floats, axis: int | None = None) -> Floats:
        return np.asarray(np.quantile(drawn, share, axis=axis, method="inverted_cdf"))

    return _bootstrap(values, find_quantile, "inverted_cdf")


def _bootstrap(
    values: Floats,
    statistic: Callable[..., npt.NDArray[np.float64]],
    method: Literal["linear", "inverted_cdf"] = "linear",
) -> Estimate:
    n = values.size
    if n == 0:
        return Estimate(nan, nan, nan, 0)
    # Seeded: the same values have the same interval.
    drawn = np.random.default_rng(1).integers(0, n, (_RESAMPLES, n))
    statistics = statistic(values[drawn], axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(statistics, [tail, 1.0 - tail], method=method)
    return Estimate(float(statistic(values)), float(low), float(high), n)


def edge(holds: Callable[[float], bool], low: float, high: float, precision: float = 0.02) -> float:
    """Return where a property stops to hold between two values, by bisection.

    Parameters
    ----------
    holds : callable
        Says whether the property holds at a value; it holds below the edge and not above.
    low, high : float
        Where to look.
    precision : float
        Stop when the bracket is narrower than this share of ``high``.

    Returns
    -------
    float
        The middle of the bracket; inf if it holds at ``high`` too, -inf if not even at ``low``.

    Examples
    --------
    >>> round(edge(lambda x: x < 3.0, 0.0, 10.0, precision=0.001), 1)
    3.0
    """
    if not holds(low):
        return -np.inf
    if holds(high):
        return np.inf
    low, high = bracket(holds, low, high, precision * abs(high))
    middle = (low + high) / 2.0
    assert isfinite(middle)
    return middle


def bracket(
    holds: Callable[[float], bool], low: float, high: float, width: float, *, whole: bool = False
) -> tuple[float, float]:
    """Return two values, no further apart than a width, between which a property stops to hold.

    It is known to hold at ``low`` and not at ``high``. With ``whole``, both are whole numbers and
    so is every value that is asked about.

    Examples
    --------
    >>> bracket(lambda x: x < 6.5, 0.0, 10.0, 1.0, whole=True)
    (6.0, 7.0)
    """
    while high - low > width:
        middle = (low + high) // 2.0 if whole else (low + high) / 2.0
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high
