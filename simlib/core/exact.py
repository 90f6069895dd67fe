"""Logarithm, exponential and normal quantile that give the same bits on every machine.

The C library's versions differ in the last bit between platforms; these use only operations
that IEEE 754 fixes (+ - * / sqrt, and scaling by powers of two), so a trace is byte-identical
everywhere. Errors stay below 4 units in the last place.
"""

from __future__ import annotations

from math import frexp, ldexp, sqrt

LN2 = 0.6931471805599453
_LN2_HIGH = 0.693147180369123816490  # the first 33 bits, so that k * high is exact
_LN2_LOW = 1.90821492927058770002e-10


def log(x: float) -> float:
    """Return the natural logarithm of a positive finite number, by 2 atanh((m-1)/(m+1))."""
    mantissa, exponent = frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa, exponent = mantissa * 2.0, exponent - 1
    z = (mantissa - 1.0) / (mantissa + 1.0)
    z2 = z * z
    series = 0.0
    for odd in range(25, 1, -2):
        series = z2 * (series + 1.0 / odd)
    return exponent * _LN2_HIGH + (2.0 * z * (1.0 + series) + exponent * _LN2_LOW)


def exp(x: float) -> float:
    """Return e to the power x, for |x| up to 700, by the Taylor series of the reduced argument."""
    whole = int(x / LN2 + (0.5 if x >= 0.0 else -0.5))
    rest = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    series = 1.0
    for k in range(17, 0, -1):
        series = 1.0 + series * rest / k
    return ldexp(series, whole)


def normal_quantile(p: float) -> float:
    """Return the standard normal quantile of p in (0, 1).

    Acklam's rational approximation (relative error 1.15e-9): far finer than any
    measured round trip it stands for.
    """
    if p < 0.02425:
        return _tail(sqrt(-2.0 * log(p)))
    if p > 1.0 - 0.02425:
        return -_tail(sqrt(-2.0 * log(1.0 - p)))
    q = p - 0.5
    r = q * q
    top = -3.969683028665376e01 * r + 2.209460984245205e02
    top = ((top * r - 2.759285104469687e02) * r + 1.383577518672690e02) * r - 3.066479806614716e01
    bottom = -5.447609879822406e01 * r + 1.615858368580409e02
    bottom = ((bottom * r - 1.556989798598866e02) * r + 6.680131188771972e01) * r
    return (top * r + 2.506628277459239e00) * q / ((bottom - 1.328068155288572e01) * r + 1.0)


def _tail(q: float) -> float:
    top = -7.784894002430293e-03 * q - 3.223964580411365e-01
    top = (top * q - 2.400758277161838e00) * q - 2.549732539343734e00
    bottom = (7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e00
    return ((top * q + 4.374664141464968e00) * q + 2.938163982698783e00) / (
        (bottom * q + 3.754408661907416e00) * q + 1.0
    )
