"""The likelihood of a family's numbers: its highest place, and places drawn by it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, log

import numpy as np

from simlib.lab.infer.families import Family, Scale
from simlib.lab.infer.likelihood import Floats, Waits, log_likelihood

#: The search begins with timing errors of these shares of a wait, with so many evaluations for each
#: free number: from all beginnings, and then from the best of them.
_ROUGH, _ROUGH_EACH = (0.15, 0.03), 9
#: Then it goes on from so many places, with smaller and at last with the true errors; and with
#: simplexes of these widths.
_BEGINNINGS, _FINER, _FINE = 2, ((0.008, 0.01), (0.0, 0.003)), 80
_LAST_STEPS = (0.01, 0.001)
#: With more waits than these, only the best place is followed with all of them.
_MANY = 400
_IMPOSSIBLE = 1e12


def likelihood(
    family: Family, values: dict[str, float], waits: Waits, blur_s: float | Floats
) -> float:
    """Return the logarithm of the likelihood of a family's numbers."""
    rules = family.rules(values)
    if rules is None:
        return -inf
    return log_likelihood(rules, waits, blur_s)


@dataclass(frozen=True)
class Search:
    """A family's likelihood over places on its scales."""

    family: Family
    scales: dict[str, Scale]
    waits: Waits

    def place(self, values: dict[str, float]) -> Floats:
        """Return where on the scales values are."""
        return np.array([scale.into(values[name]) for name, scale in self.scales.items()])

    def values(self, place: Floats) -> dict[str, float]:
        """Return the values at a place."""
        return {
            name: scale.back(float(at))
            for (name, scale), at in zip(self.scales.items(), place, strict=True)
        }

    def score(self, place: Floats, blur_s: float | Floats) -> float:
        """Return the logarithm of the likelihood at a place."""
        values = self.values(place)
        if not all(map(isfinite, values.values())):
            return -inf
        return likelihood(self.family, values, self.waits, blur_s)

    def climb(self, place: Floats, blur_s: float | Floats, step: float, most: int) -> Floats:
        """Return the best place near one, by Nelder and Mead's simplex."""
        from scipy.optimize import minimize

        def cost(at: Floats) -> float:
            found = -self.score(at, blur_s)
            return found if found < inf else _IMPOSSIBLE

        corners = np.vstack([place, place + step * np.eye(place.size)])
        for i in range(1, len(corners)):
            if cost(corners[i]) >= _IMPOSSIBLE:
                corners[i] = 2.0 * place - corners[i]
        options = {"initial_simplex": corners, "maxfev": most, "xatol": 1e-6, "fatol": 1e-3}
        return np.asarray(minimize(cost, place, method="Nelder-Mead", options=options).x)


def screened(family: Family, waits: Waits, blur_s: float) -> tuple[float, list[dict[str, float]]]:
    """Return how well a family can do roughly, and numbers to begin at, the best first.

    Timing errors of a share of each wait are assumed, so that no edge of a band is a cliff.
    """
    search = Search(family, family.scales(waits), waits)
    mean_s = waits.by_attempt(np.mean)[waits.group]
    most = _ROUGH_EACH * (len(search.scales) + 1)
    first, last = (np.maximum(blur_s, rough * mean_s) for rough in _ROUGH)
    guesses = list(family.begin(waits))
    places = [search.climb(search.place(each), first, _ROUGH[0] / 2.0, most) for each in guesses]
    if not places:
        return -inf, []
    best = max(places, key=lambda place: search.score(place, first))
    best = search.climb(best, last, _ROUGH[1] / 2.0, most)
    found = [(search.score(best, last), search.values(best))]
    # A cap that cuts is a needle, which a blurred search does not see.
    found += [(search.score(search.place(each), last), each) for each in guesses]
    found.sort(key=lambda each: -each[0])
    return found[0][0], [values for _, values in found[:_BEGINNINGS]]


def searched(
    family: Family, guesses: list[dict[str, float]], waits: Waits, few: Waits, blur_s: float
) -> dict[str, float] | None:
    """Return the numbers of a family that explain the waits best; None if no number does.

    Of many waits a few show which beginning is the best.
    """
    scales = family.scales(waits)
    all_of_them = Search(family, scales, waits)
    search = all_of_them if len(waits) <= _MANY else Search(family, scales, few)
    mean_s = search.waits.by_attempt(np.mean)[search.waits.group]
    ends = []
    for guess in guesses:
        place = search.place(guess)
        ends.append(place)
        for rough, step in _FINER:
            place = search.climb(place, np.maximum(blur_s, rough * mean_s), step, _FINE)
        ends.append(place)
    best = max(ends, key=lambda place: search.score(place, blur_s), default=None)
    if best is None or search.score(best, blur_s) == -inf:
        return None
    for step in _LAST_STEPS:
        best = all_of_them.climb(best, blur_s, step, _FINE)
    return all_of_them.values(best)


# --- intervals ---------------------------------------------------------------------------

#: The sampler's walkers for each free setting, and its steps, of which the first part is thrown
#: away: the walkers begin about as far apart as they come to lie.
_WALKERS, _STEPS, _THROWN = 6, 90, 25
_STRETCH = 2.0


def sampled(search: Search, place: Floats, blur_s: float) -> tuple[Floats, Floats]:
    """Draw places by their likelihood: the affine invariant sampler of Goodman and Weare (2010).

    Edges of bands are no normal parameters: their likelihood falls off a cliff on one side. The
    sampler takes any shape, and for the ends of a uniform law its intervals are the exact ones.
    """
    rng = np.random.default_rng(1)
    free = place.size
    count = max(8, _WALKERS * free)
    spread = _widths(search, place, blur_s)
    walkers = place + spread * rng.normal(size=(count, free))
    walkers[0] = place
    scores = np.array([search.score(each, blur_s) for each in walkers])
    for i in range(count):
        if scores[i] >= scores[0] - 20.0:
            continue
        walkers[i] = place + 0.01 * (walkers[i] - place)
        scores[i] = search.score(walkers[i], blur_s)
    kept, kept_scores = [], []
    for step in range(_STEPS):
        others = (np.arange(count) + rng.integers(1, count, count)) % count
        stretch = ((_STRETCH - 1.0) * rng.random(count) + 1.0) ** 2 / _STRETCH
        gate = np.log(rng.random(count))
        for i in range(count):
            at = walkers[others[i]] + stretch[i] * (walkers[i] - walkers[others[i]])
            score = search.score(at, blur_s)
            if score > scores[i] - 50.0 and gate[i] < (
                (free - 1) * log(stretch[i]) + score - scores[i]
            ):
                walkers[i], scores[i] = at, score
        if step >= _THROWN:
            kept.append(walkers.copy())
            kept_scores.append(scores.copy())
    return np.concatenate(kept), np.concatenate(kept_scores)


def _widths(search: Search, place: Floats, blur_s: float) -> Floats:
    """Return how far each setting alone can go until the likelihood is clearly less."""
    top = search.score(place, blur_s)
    widths = np.empty(place.size)
    for i in range(place.size):
        step = 1e-6
        while step < 1.0:
            both = (place + sign * step * np.eye(place.size)[i] for sign in (-1.0, 1.0))
            if max(search.score(at, blur_s) for at in both) < top - 1.0:
                break
            step *= 2.0
        widths[i] = step
    return widths
