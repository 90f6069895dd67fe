"""Maximize the likelihood of a family's parameters, and sample from it."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np

from simlib.lab.infer.families import Family
from simlib.lab.infer.likelihood import log_likelihood
from simlib.lab.infer.lockstep import Asking, Search, beside, run_search, score
from simlib.lab.infer.scales import Values
from simlib.lab.infer.waits import Waits
from simlib.metrics.array_types import Floats

#: The search begins with timing errors of these shares of a wait, with so many evaluations for each
#: free number: from all beginnings, and then from the best of them.
_ROUGH, _ROUGH_EACH = (0.15, 0.03), 9
#: Then it goes on from so many places, with smaller and at last with the true errors, and so many
#: evaluations for each free number; and at the end with simplexes of these widths.
_BEGINNINGS, _FINER, _FINE_EACH = 2, ((0.008, 0.01), (0.0, 0.003)), 16
_LAST_STEPS = ((0.03, 0.01), (0.003, 0.001))
#: A simplex so small, and with likelihoods so much alike, has come to rest.
_SMALL, _ALIKE = 1e-6, 1e-3
#: Two places so near to each other lead to the same top.
_NEARLY = 0.003


def likelihood(family: Family, values: Values, waits: Waits) -> float:
    """Return the logarithm of the likelihood of a family's numbers."""
    rules = family.rules(values)
    return -inf if rules is None else log_likelihood(rules, waits)


class Top(NamedTuple):
    """A place, and how likely it makes the waits."""

    place: Floats
    score: float


def climb(search: Search, place: Floats, rough: float, step: float, most: int) -> Asking[Top]:
    """Return the best place near one, by Nelder and Mead's simplex (1965)."""
    # Nelder and Mead's method needs no gradient; the likelihood has none at the edges of bands.
    corners = np.vstack([place, place + step * np.eye(place.size)])
    scores = yield from score(search, corners, rough)
    # A corner beyond the bounds is mirrored: a simplex with an impossible corner would collapse.
    beyond = np.flatnonzero(np.isneginf(scores[1:])) + 1
    # Steps are counted, not the time, so the result depends on no machine.
    used = len(corners) + beyond.size
    if beyond.size:
        corners[beyond] = 2.0 * place - corners[beyond]
        scores[beyond] = yield from score(search, corners[beyond], rough)
    tops = _sort([Top(*corner) for corner in zip(corners, scores.tolist(), strict=True)])
    while used < most and not _rests(tops):
        *others, worst = tops
        centre = np.add.reduce([top.place for top in others]) / len(others)
        # The usual coefficients: reflection 1, expansion 2, contraction and shrinkage one half.
        ahead = yield from _at(search, 2.0 * centre - worst.place, rough)
        used += 1
        if others[-1].score < ahead.score <= others[0].score:
            tops = _sort([*others, ahead])
            continue
        used += 1
        if ahead.score > others[0].score:
            further = yield from _at(search, 3.0 * centre - 2.0 * worst.place, rough)
            tops = _sort([*others, max(ahead, further, key=_score)])
            continue
        nearer = max(ahead, worst, key=_score)
        inside = yield from _at(search, 0.5 * (centre + nearer.place), rough)
        if inside.score > nearer.score:
            tops = _sort([*others, inside])
            continue
        used += len(others)
        shrunk = 0.5 * (tops[0].place + np.array([top.place for top in tops[1:]]))
        scores = yield from score(search, shrunk, rough)
        tops = _sort([tops[0], *map(Top, shrunk, scores.tolist())])
    return tops[0]


def _score(top: Top) -> float:
    return top.score


def _sort(tops: list[Top]) -> list[Top]:
    return sorted(tops, key=_score, reverse=True)


def _rests(tops: list[Top]) -> bool:
    if not tops[0].score - tops[-1].score <= _ALIKE:  # as much as both are impossible
        return False
    return all(np.abs(top.place - tops[0].place).max() <= _SMALL for top in tops[1:])


def _at(search: Search, place: Floats, rough: float) -> Asking[Top]:
    scores = yield from score(search, place[np.newaxis], rough)
    return Top(place, float(scores[0]))


def screen_family(family: Family, waits: Waits) -> Asking[tuple[float, list[Values]]]:
    """Return how well a family can do roughly, and numbers to begin at, the best first.

    Timing errors of a share of each wait are assumed, so that no edge of a band is a cliff.
    """
    search = Search(family, family.scales(waits), waits)
    guesses = list(family.begin(waits))
    if not guesses:
        return -inf, []
    most = _ROUGH_EACH * (len(search.scales) + 1)
    places = [search.place(guess) for guess in guesses]
    # Two passes: with errors of 15 % of a wait the likelihood has one broad top, which leads to the
    # neighbourhood of the right one; with 3 % the families can be compared.
    first, last = _ROUGH
    tops = yield from beside([climb(search, place, first, first / 2.0, most) for place in places])
    best = yield from climb(search, max(tops, key=_score).place, last, last / 2.0, most)
    # A cap that cuts is a needle, which a blurred search does not see.
    scores = yield from score(search, np.array(places), last)
    scored = [(best.score, search.values(best.place)), *zip(scores.tolist(), guesses, strict=True)]
    scored.sort(key=lambda scored_place: -scored_place[0])
    return scored[0][0], [values for _, values in scored[:_BEGINNINGS]]


def search_places(search: Search, guesses: list[Values]) -> Asking[Top | None]:
    """Return the place that explains the waits best, from some guesses on; None if none does."""
    places = [search.place(guess) for guess in guesses]
    if not places:
        return None
    scores = yield from score(search, np.array(places), 0.0)
    begins = [Top(*row) for row in zip(places, scores.tolist(), strict=True)]
    tops, most = begins, _FINE_EACH * (len(search.scales) + 1)
    for rough, step in _FINER:
        climbs = [climb(search, top.place, rough, step, most) for top in _unlike(tops)]
        tops = yield from beside(climbs)
    best = max([*begins, *tops], key=_score)
    return None if best.score == -inf else best


def _unlike(tops: list[Top]) -> list[Top]:
    """Return the tops without those that are nearly at the place of a better one."""
    kept: list[Top] = []
    for top in _sort(tops):
        if all(np.abs(top.place - kept_top.place).max() > _NEARLY for kept_top in kept):
            kept.append(top)
    return kept


def polish(search: Search, place: Floats) -> Asking[Top]:
    """Return the best place very near one: several simplexes at once, as one may get stuck."""
    most = _FINE_EACH * (place.size + 1)
    tops = [Top(place, -inf)]
    for steps in _LAST_STEPS:
        at = max(tops, key=_score).place
        tops = yield from beside([climb(search, at, 0.0, step, most) for step in steps])
    return max(tops, key=_score)


# --- intervals ---------------------------------------------------------------------------

#: The sampler's walkers for each free setting, and its steps, of which the first part is thrown
#: away: the walkers begin about as far apart as they come to lie.
_WALKERS, _STEPS, _THROWN = 10, 120, 40
_HOT = 30
_STRETCH = 2.0
#: Of two impossible places neither is better: minus infinity less itself would be no number.
_LEAST = -1e300


def sample_places(search: Search, place: Floats) -> tuple[Floats, Floats]:
    """Draw places by their likelihood: the affine invariant sampler of Goodman and Weare (2010).

    Edges of bands are no normal parameters: their likelihood falls off a cliff on one side. The
    sampler takes any shape, and for the ends of a uniform law its intervals are the exact ones.
    """
    return run_search(_walk(search, place))


def _walk(search: Search, place: Floats) -> Asking[tuple[Floats, Floats]]:
    # A fixed seed: the same waits give the same intervals.
    rng, free = np.random.default_rng(1), place.size
    count = max(8, _WALKERS * free)
    spread = yield from _widths(search, place)
    walkers = place + spread * rng.normal(size=(count, free))
    # One walker stays at the maximum, should all others begin where nothing is likely.
    walkers[0] = place
    scores = yield from score(search, walkers, 0.0)
    # A walker that far down (e^-20) would need most of the run to come back.
    lost = np.flatnonzero(~(scores >= scores[0] - 20.0))
    walkers[lost] = place + 0.01 * (walkers[lost] - place)
    if lost.size:
        scores[lost] = yield from score(search, walkers[lost], 0.0)
    halves = np.array_split(np.arange(count), 2)
    kept, kept_scores = [], []
    for step in range(_STEPS):
        # Simulated annealing during the part that is thrown away: walkers behind a cliff get over
        # it first.
        cold = min(1.0, (step + 1.0) / _HOT) ** 2
        # Walkers of one half may move at once: each by one of the other, which stands still.
        for half, other in (halves, halves[::-1]):
            # Density proportional to 1/sqrt(z) on [1/a, a], drawn by the inverse of its
            # distribution, as Goodman and Weare propose.
            stretch = ((_STRETCH - 1.0) * rng.random(half.size) + 1.0) ** 2 / _STRETCH
            towards = walkers[rng.choice(other, half.size)]
            places = towards + stretch[:, np.newaxis] * (walkers[half] - towards)
            place_scores = yield from score(search, places, 0.0)
            # Goodman and Weare's acceptance: the power of the stretch keeps the chain in detailed
            # balance.
            gain = (free - 1) * np.log(stretch) + cold * (
                place_scores - np.maximum(_LEAST, scores[half])
            )
            moves = np.log(rng.random(half.size)) < gain
            walkers[half[moves]], scores[half[moves]] = places[moves], place_scores[moves]
        if step >= _THROWN:
            kept.append(walkers.copy())
            kept_scores.append(scores.copy())
    return np.concatenate(kept), np.concatenate(kept_scores)


def _widths(search: Search, place: Floats) -> Asking[Floats]:
    """Return how far each setting alone can go until the likelihood is clearly less."""
    # From 1e-6 to 0.5 of a scale, doubled each time: all of them are asked for at once.
    steps = 1e-6 * 2.0 ** np.arange(20)
    ways = np.array([-1.0, 1.0])
    moves = steps[:, np.newaxis, np.newaxis] * ways[:, np.newaxis]
    widths = np.ones(place.size)
    top = (yield from score(search, place[np.newaxis], 0.0))[0]
    for i, along in enumerate(np.eye(place.size)):
        places = (place + moves * along).reshape(-1, place.size)
        scores = (yield from score(search, places, 0.0)).reshape(steps.size, 2)
        # One below the top of a normal likelihood is 1.4 standard deviations: about as far apart as
        # the walkers will come to lie.
        less = np.flatnonzero(scores.max(axis=1) < top - 1.0)
        widths[i] = steps[less[0]] if less.size else 2.0 * steps[-1]
    return widths
