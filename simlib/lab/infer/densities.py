"""Densities of waits with timing errors: within an even band, at one place, and late after one."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from simlib.lab.infer.waits import ClientLateness
from simlib.metrics.array_types import Floats

ROOT_OF_TWO_PI = sqrt(2.0 * pi)
#: So many timing errors away from an end of a band, errors do not reach it.
_NEAR = 7.0
#: Of waits that were in time, the mean lateness in timing errors.
_LEAST = 1e-3


def between_ends(over: Floats, under: Floats, between: Floats) -> Floats:
    """Return the density at waits, given in timing errors over and under the ends of even bands."""
    # Many waits are far from both ends, where timing errors make no difference.
    density = np.where((over > 0.0) & (under < 0.0), between, 0.0)
    near = ((np.abs(over) < _NEAR) | (np.abs(under) < _NEAR)) & (between > 0.0)
    density[near] = (_ndtr(over[near]) - _ndtr(under[near])) * between[near]
    return density


def late_between_ends(
    over: Floats, under: Floats, between: Floats, lateness: ClientLateness, sharpness: Floats
) -> Floats:
    """Return the same where a share of the waits was late by an exponential time besides."""
    late_fraction = np.broadcast_to(lateness.late_fraction, over.shape)
    in_time = between_ends(over, under, between)
    off = lateness.least_s * sharpness
    errors = np.broadcast_to(1.0 / np.maximum(lateness.mean_s * sharpness, _LEAST), over.shape)
    late = (_late_until(over - off, errors) - _late_until(under - off, errors)) * between
    return np.asarray(in_time + late_fraction * (late - in_time))


def add_point(
    density: Floats, share: Floats, off: Floats, lateness: ClientLateness | None, sharpness: Floats
) -> None:
    """Add the density of a share that lies at an end, ``off`` timing errors away.

    ``lateness`` has a column for each wait; None where none was late.
    """
    near = (np.abs(off) < _NEAR) & (share > 0.0)
    if lateness is None:
        density[near] += share[near] * point(off[near])
        return
    late_share, means = share * lateness.late_fraction, lateness.mean_s * sharpness
    density[near] += (share - late_share)[near] * point(off[near])
    near = (off < lateness.most_s * sharpness + _NEAR) & (late_share > 0.0)
    off = off - lateness.least_s * sharpness
    near &= off > -_NEAR
    errors = 1.0 / np.broadcast_to(means, off.shape)[near]
    density[near] += late_share[near] * late_point(off[near], errors)


def point(off: Floats) -> Floats:
    """Return the density at ``off`` timing errors from a wait without jitter."""
    return np.asarray(np.exp(-0.5 * off * off) / ROOT_OF_TWO_PI)


def late_point(off: Floats, errors: Floats) -> Floats:
    """Return the density at ``off`` timing errors from a wait without jitter that was late.

    The sum of a normal error and an exponential lateness, whose mean is one over ``errors`` of the
    normal one's standard deviations (Grushka 1972).
    """
    from scipy.special import erfcx

    # Either form overflows where the other one is used.
    short = np.maximum(errors - off, 0.0)
    early = 0.5 * np.exp(-0.5 * off * off) * erfcx(short / sqrt(2.0))
    tail = np.exp(np.minimum(0.0, errors * (0.5 * errors - off))) * _ndtr(off - errors)
    return np.asarray(errors * np.where(off < errors, early, tail))


def _late_until(off: Floats, errors: Floats) -> Floats:
    """Return the share of late waits without jitter that lie no more than ``off`` errors beyond."""
    # The integral of `late_point`; far from the wait itself it is nearly 0 or 1.
    return np.asarray(_ndtr(off) - late_point(off, errors) / errors)


def _ndtr(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))
