"""Likelihood of observed waits under a policy.

An observed wait is the client's wait plus a timing error. Small errors are normally distributed.
The lateness of a busy machine adds an error that is uniform between zero and the lateness that was
measured for this wait; a wait for which none was measured has no such error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simlib.core.backoff import Backoff, delay, looks_back
from simlib.core.backoff_kinds import Jitter
from simlib.lab.infer.bands import (
    Bands,
    WaitPlaces,
    bands,
    delays,
    differs_by_wait,
    of_waits,
    stack_bands,
)
from simlib.lab.infer.densities import (
    ROOT_OF_TWO_PI,
    add_point,
    between_ends,
    late_between_ends,
    point,
)
from simlib.lab.infer.waits import Waits, Whole
from simlib.metrics.array_types import Floats

#: Of the waits so many have nothing to do with the policy: a stalled process, a lost time stamp.
STRAY_FRACTION = 0.005
#: Of the waits whose timing is uncertain, so many were late or early.
_OFF_FRACTION = 0.5


def log_likelihood(rules: Backoff, waits: Waits) -> float:
    """Return the logarithm of the likelihood of all waits under a policy."""
    blurs_s = np.full((1, len(waits.attempts)), waits.blur_s)
    return float(log_likelihoods([rules], waits, blurs_s)[0])


def log_likelihoods(policies: Sequence[Backoff], waits: Waits, blur_s: Floats) -> Floats:
    """Return how likely all waits are under each of many policies.

    Parameters
    ----------
    policies : sequence of Backoff
        The policies.
    waits : Waits
        What was seen.
    blur_s : array
        Standard deviation of the timing errors: a row for each policy, a column for each number of
        attempts in a row.

    Returns
    -------
    array
        The logarithm of the likelihood under each policy.
    """
    # Policies of the same form are computed as one array; the form decides which formulas branch.
    likelihoods = np.empty(len(policies))
    groups: dict[tuple[bool, bool, bool], list[int]] = {}
    for i, rules in enumerate(policies):
        key = (rules.drawn_once, differs_by_wait(rules), rules.jitter == Jitter.NONE)
        groups.setdefault(key, []).append(i)
    for (is_drawn_once, *_), rows in groups.items():
        lies, column = stack_bands([policies[i] for i in rows], waits)
        if is_drawn_once:
            likelihoods[rows] = _all_drawn_once(of_waits(lies, column), waits, blur_s[rows])
        else:
            # In pieces, since an array that leaves the cache costs more than the calls that it
            # saves.
            for piece in np.array_split(np.arange(len(rows)), 1 + len(rows) * len(waits) // _PIECE):
                part = Bands(*(band[piece] for band in lies))
                at = np.array(rows)[piece]
                likelihoods[at] = log_densities(part, column, waits, blur_s[at]).sum(axis=1)
    return likelihoods


#: Arrays of so many numbers stay in a processor's own memory.
_PIECE = 16_384


def _all_drawn_once(policy_bands: Bands, waits: Waits, blur_s: Floats) -> Floats:
    """Return how likely all waits are under policies by which each client draws its jitter once."""
    blurs_s = blur_s[:, waits.group]
    kept = fit_client_draws(policy_bands, waits, blurs_s)
    density = point((waits.wait_s - kept.wait_s) / blurs_s) / blurs_s
    made = policy_bands._replace(low_s=kept.wait_s, high_s=kept.wait_s)
    density = _with_lateness(density, made, waits, blurs_s)
    # What is known of a draw beforehand is that it lies evenly from 0 to 1.
    likely = _with_strays(density, waits).sum(axis=1)
    # The draw of each client is no parameter of the policy. It is integrated out by Laplace's
    # approximation: the peak's height times the width that a normal peak of this blur has.
    return np.asarray(likely + np.log(ROOT_OF_TWO_PI * kept.blur).sum(axis=1))


def log_densities(policy_bands: Bands, column: WaitPlaces, waits: Waits, blur_s: Floats) -> Floats:
    """Return how likely each wait is in its band: a row for each policy.

    What is the same for all waits of an attempt is worked out once for each attempt.
    """
    if column is not waits.group:
        blur_s = blur_s[:, waits.group]
    width_s = policy_bands.high_s - policy_bands.low_s
    # A band narrower than the errors is a point: the difference of two normal distributions would
    # vanish in rounding, and its quotient by the width be anything.
    wide = width_s > 1e-3 * blur_s
    cut = policy_bands.at_high + policy_bands.at_low
    between = np.where(wide, (1.0 - cut) / np.where(wide, width_s, 1.0), 0.0)
    sharp = 1.0 / blur_s
    at_high = np.where(wide, policy_bands.at_high, 1.0) * sharp
    at_low = np.where(wide, policy_bands.at_low, 0.0) * sharp
    sharpness = _by_wait(sharp, column)
    over = (waits.wait_s - _by_wait(policy_bands.low_s, column)) * sharpness
    under = (waits.wait_s - _by_wait(policy_bands.high_s, column)) * sharpness
    lateness = waits.lateness_by_wait if waits.is_late else None
    evenly = _by_wait(between, column)
    if lateness is None or not evenly.any():
        density = between_ends(over, under, evenly)
    else:
        density = late_between_ends(over, under, evenly, lateness, sharpness)
    for share, off in ((at_high, under), (at_low, over)):
        if share.any():
            add_point(density, _by_wait(share, column), off, lateness, sharpness)
    if waits.uncertain.size:
        density = _with_lateness(density, of_waits(policy_bands, column), waits, blur_s[:, column])
    return _with_strays(density, waits)


def _by_wait(part: Floats, column: WaitPlaces) -> Floats:
    """Return what has a column for each attempt with one for each wait, each row in one piece."""
    return part if isinstance(column, slice) else np.take(part, column, axis=1)


def _with_lateness(density: Floats, policy_bands: Bands, waits: Waits, blur_s: Floats) -> Floats:
    """Return densities where some waits were measured too long or too short, evenly up to a most.

    The density of a sum of two even parts: how far the waits that it may truly have been lie in
    the band, over both widths. Small errors come on top: here they widen the first part.
    """
    rows = waits.uncertain
    if not rows.size:
        return density
    # Exact would be a convolution of three parts, two of them uniform. The small errors matter
    # little beside lateness, so the first uniform part is widened by twice their standard deviation
    # instead.
    more_s = 2.0 * blur_s[:, rows]
    least_s = waits.wait_s[rows] - waits.late_s[rows] - more_s
    most_s = waits.wait_s[rows] + waits.early_s[rows] + more_s
    low_s = policy_bands.low_s[:, rows]
    high_s = np.maximum(policy_bands.high_s[:, rows], low_s + 1e-6)
    shared_s = np.minimum(most_s, high_s) - np.maximum(least_s, low_s)
    off = np.maximum(0.0, shared_s) / ((most_s - least_s) * (high_s - low_s))
    density[:, rows] = (1.0 - _OFF_FRACTION) * density[:, rows] + _OFF_FRACTION * off
    return density


def _with_strays(density: Floats, waits: Waits) -> Floats:
    # A mixture with a wide uniform distribution: without it one wait far outside its band would
    # make the right policy impossible. The share is fixed; a free one would let any policy explain
    # any waits.
    stray = STRAY_FRACTION / (2.0 * waits.longest_s + 1.0)
    return np.asarray(np.log((1.0 - STRAY_FRACTION) * density + stray))


_ROUNDS = 3


class ClientDraws(NamedTuple):
    """Jitter that each client drew once, with a row for each policy."""

    #: The draw of each client, and how well it is known.
    draw: Floats
    blur: Floats
    #: The waits that the draws make.
    wait_s: Floats


def fit_client_draws(policy_bands: Bands, waits: Waits, blur_s: float | Floats) -> ClientDraws:
    """Return each client's draw that explains its waits best, and the waits that follow from it.

    A wait at the cap says little of its client's draw, and a wait without jitter nothing.
    """
    share = np.maximum(1.0 - policy_bands.at_high - policy_bands.at_low, 1e-9)
    reach_s = (policy_bands.high_s - policy_bands.low_s) / share
    least_s = policy_bands.low_s - policy_bands.at_low * reach_s
    # A wait at the cap says only that the draw was at least so large.
    telling = (waits.wait_s < policy_bands.high_s - 4.0 * blur_s) | (policy_bands.at_high == 0.0)
    # The draw's standard error is blur / reach, and a weight is the inverse of its square.
    weight = np.where(telling, (reach_s / blur_s) ** 2, 1e-6)
    draw = (waits.wait_s - least_s) / np.maximum(reach_s, 1e-12)
    trust = np.ones_like(weight)
    # Iteratively reweighted least squares with Cauchy's weights; three rounds come to rest in
    # practice.
    for _ in range(_ROUNDS):
        weights = _by_client(trust * weight, waits) + 1e-9
        draws = np.clip(_by_client(trust * weight * draw, waits) / weights, 0.0, 1.0)
        made_s = np.clip(
            least_s + reach_s * draws[:, waits.client], policy_bands.low_s, policy_bands.high_s
        )
        # Late waits must not draw the others with them.
        trust = 1.0 / (1.0 + ((waits.wait_s - made_s) / (3.0 * blur_s)) ** 2)
    known = np.unique(waits.client)
    # The standard deviation of an even draw from 0 to 1 is 0.29: nothing can be known less.
    blur = np.minimum(0.3, 1.0 / np.sqrt(weights[:, known]))
    return ClientDraws(draws[:, known], blur, made_s)


def _by_client(numbers: Floats, waits: Waits) -> Floats:
    """Return the sums over the waits of each client, for each row."""
    clients = int(waits.client.max()) + 1
    place = waits.client + clients * np.arange(len(numbers))[:, np.newaxis]
    sums = np.bincount(place.ravel(), numbers.ravel(), clients * len(numbers))
    return np.asarray(sums.reshape(len(numbers), clients), np.float64)


class Places(NamedTuple):
    """Where waits lie under a policy."""

    #: From 0 to 1 in their bands; those outside have the place of the nearer end.
    place: Floats
    #: The waits that have these places; a client's first one where each client draws once.
    rows: Whole
    #: Which waits lie outside though nothing that was measured explains it.
    outside: npt.NDArray[np.bool_]
    #: Which waits lie outside because they were measured too long or too short.
    late: npt.NDArray[np.bool_]


def wait_places(rules: Backoff, waits: Waits) -> Places:
    """Return where in their bands waits lie, and which waits lie outside their bands.

    Places are of those alone whose band is wide enough beside the errors of their timing: if the
    policy is the right one, they are spread evenly. Waits at a cap that cuts share its places among
    them. Where each client draws its jitter once, there is a place for each client.
    """
    policy_bands, blur_s = bands(rules, waits), waits.blur_s
    low_s, high_s = policy_bands.low_s, policy_bands.high_s
    if rules.drawn_once:
        kept = fit_client_draws(Bands(*(band[np.newaxis] for band in policy_bands)), waits, blur_s)
        low_s = high_s = kept.wait_s[0]
    width_s = high_s - low_s
    # Five standard deviations, and half a per cent for a client's clock that runs at another rate.
    slack_s = 5.0 * blur_s + 0.005 * high_s
    under, over = waits.wait_s < low_s - slack_s, waits.wait_s > high_s + slack_s
    early = under & (waits.wait_s + waits.early_s >= low_s - slack_s)
    lateness = waits.lateness_by_wait
    measured = early | (over & (waits.wait_s - waits.late_s <= high_s + slack_s))
    most_s = waits.wait_s - waits.late_s - lateness.most_s
    excused = measured | (over & (most_s <= high_s + slack_s))
    outside = (under | over) & ~excused
    if rules.drawn_once:
        firsts = np.unique(waits.client, return_index=True)[1].astype(np.int64)
        return Places(kept.draw[0], firsts, outside, excused)
    mean_late_s = lateness.late_fraction * (lateness.least_s + lateness.mean_s)
    uncertain_s = 10.0 * blur_s + waits.late_s + waits.early_s + mean_late_s
    # In a narrow band errors move a wait by much of the width: its place would say more of the
    # errors than of the policy.
    telling = ~measured & (width_s > 2.0 * uncertain_s)
    place = ((waits.wait_s - mean_late_s - low_s) / np.maximum(width_s, 1e-12))[telling]
    place = np.clip(place, 0.0, 1.0)
    at_high, at_low, wait_s = (
        policy_bands.at_high[telling],
        policy_bands.at_low[telling],
        waits.wait_s[telling],
    )
    group, inside = waits.group[telling], ~outside[telling]
    place = at_low + place * (1.0 - at_high - at_low)
    top = inside & (at_high > 0.0) & (wait_s > high_s[telling] - 4.0 * blur_s)
    # Under the right policy the waits at the cap would have places anywhere in the share that was
    # cut off. Spread evenly, they neither help nor harm a test of evenness.
    place[top] = 1.0 - at_high[top] * _evenly(group[top])
    bottom = inside & ~top & (at_low > 0.0) & (wait_s < low_s[telling] + 4.0 * blur_s)
    place[bottom] = at_low[bottom] * _evenly(group[bottom])
    return Places(place, np.flatnonzero(telling).astype(np.int64), outside, excused)


def _evenly(group: Whole) -> Floats:
    """Return places from 0 to 1 that are spread evenly within each group."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.cumsum(counts) - counts
    rank = np.empty(group.size)
    rank[order] = np.arange(group.size) - starts[group[order]]
    return np.asarray((rank + 0.5) / counts[group]) if group.size else rank


def sample(rules: Backoff, attempts: int, count: int = 256, seed: int = 1) -> Floats:
    """Return waits of ``count`` clients under a policy: a row per attempt in a row, from the first.

    Examples
    --------
    >>> sample(Backoff(jitter="none"), 3, 2).tolist()
    [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]
    """
    draws = np.random.default_rng(seed).random((attempts, count))
    waits = np.zeros((attempts, count))
    previous_s = np.zeros(count)
    for i in range(attempts):
        draw = draws[0] if rules.drawn_once else draws[i]
        previous_s = waits[i] = delays(rules, i + 1, previous_s, draw) + np.zeros(count)
    return waits


def wait_spans(rules: Backoff, attempts: int) -> Floats:
    """Return the least, the middle and the longest wait before each attempt in a row.

    Examples
    --------
    >>> wait_spans(Backoff(jitter="equal"), 2).tolist()
    [[0.5, 1.0], [0.75, 1.5], [1.0, 2.0]]
    """
    if looks_back(rules):
        return np.asarray(np.quantile(sample(rules, attempts, 4000), [0.0, 0.5, 1.0], axis=1))
    numbers = range(1, attempts + 1)
    return np.array([[delay(rules, n, 0.0, u) for n in numbers] for u in (0.0, 0.5, 1.0)])
