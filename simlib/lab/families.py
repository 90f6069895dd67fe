"""The families of policies among which inference chooses: what is free in each, where to begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import exp, inf, log
from typing import Any

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.errors import SettingsError
from simlib.lab.law import Floats, Waits

#: The least time that a wait is told from none.
LEAST_S = 1e-4
#: Factors above are not looked for.
_MOST_FACTOR = 10.0


@dataclass(frozen=True)
class Scale:
    """How a parameter is searched for: by its logarithm or as it is, and between which bounds."""

    low: float
    high: float
    logarithmic: bool = True

    def into(self, value: float) -> float:
        """Return where on the scale a value is."""
        kept = min(self.high, max(self.low, value))
        return log(kept) if self.logarithmic else kept

    def back(self, place: float) -> float:
        """Return the value at a place; NaN beyond the bounds."""
        value = exp(place) if self.logarithmic else place
        return value if self.low <= value <= self.high else np.nan


@dataclass(frozen=True)
class Family:
    """Policies that differ by a few numbers alone."""

    name: str
    #: Settings that all its policies share.
    fixed: dict[str, Any]
    #: The free settings, in the order of the search.
    free: tuple[str, ...]
    #: Guesses to begin a search at, from the waits.
    begin: Callable[[Waits], Iterator[dict[str, float]]]
    #: A first wait of its own, always the same.
    first: bool = False

    def with_first(self) -> Family:
        """Return the family with a first wait that follows no rule but is always the same."""

        def begin(waits: Waits) -> Iterator[dict[str, float]]:
            later = waits.where(waits.attempt > 1)
            first_s = max(0.0, float(np.median(waits.wait_s[waits.attempt == 1])))
            for guess in self.begin(later):
                yield guess | {"first_s": first_s}

        name, free = f"{self.name}, first wait fixed", (*self.free, "first_s")
        return Family(name, self.fixed, free, begin, first=True)

    def rules(self, values: dict[str, float]) -> Backoff | None:
        """Return the policy with these numbers; None if there is none."""
        settings = {**self.fixed, **values}
        settings.setdefault("cap_s", inf)
        if settings["cap_s"] == inf:
            settings["cap_s"] = NO_CAP_S
        try:
            return Backoff(**settings)
        except SettingsError:
            return None

    def scales(self, waits: Waits) -> dict[str, Scale]:
        """Return how each free setting is searched for."""
        most_s = 20.0 * waits.longest_s + 1.0
        known = {
            "factor": Scale(1.0, _MOST_FACTOR),
            "spread_fraction": Scale(0.0, 1.0, logarithmic=False),
            "first_s": Scale(0.0, most_s, logarithmic=False),
        }
        return {name: known.get(name, Scale(LEAST_S, most_s)) for name in self.free}


#: A cap that no wait reaches.
NO_CAP_S = 1e6


# --- where to begin ----------------------------------------------------------------------


def _grown(waits: Waits, share: float) -> Iterator[dict[str, float]]:
    """Guess base, factor and cap of ceilings of which the mean wait is a share."""
    mean_s = np.maximum(waits.by_attempt(np.mean), LEAST_S) / share
    counts = waits.by_attempt(np.size)
    guesses = [_capped_line(waits.attempts, np.log(mean_s), counts, i) for i in range(len(mean_s))]
    for _, at_one, slope, cap in sorted(guesses)[:2]:
        factor = min(_MOST_FACTOR, max(1.0 + 1e-3, exp(slope)))
        cap_s = exp(cap)
        yield {"base_s": min(exp(at_one), cap_s), "factor": factor, "cap_s": cap_s}


def crowd_s(waits: Waits) -> float:
    """Return where most waits lie within 10 ms: a cap that cuts leaves many in one place."""
    ordered = np.sort(waits.wait_s)
    within = np.searchsorted(ordered, ordered + 0.01, side="right") - np.arange(ordered.size)
    # The last of the crowded places, since a cap lies above what it leaves alone.
    most = int(ordered.size - 1 - np.argmax(within[::-1]))
    return float(np.median(ordered[most : most + int(within[most])]))


def _capped_line(
    attempts: Any, heights: Floats, counts: Floats, flat_from: int
) -> tuple[float, float, float, float]:
    """Fit a line up to a place and a level after it: squared misfit, value at 1, slope, level."""
    head, tail = slice(0, max(1, flat_from)), slice(max(1, flat_from), None)
    x, y, n = attempts[head] - 1.0, heights[head], counts[head]
    slope = 0.0
    if len(x) > 1:
        middle = np.average(x, weights=n)
        across = np.average((x - middle) ** 2, weights=n)
        slope = float(np.average((x - middle) * y, weights=n) / across)
    at_one = float(np.average(y - slope * x, weights=n))
    misfit = float((n * (y - at_one - slope * x) ** 2).sum())
    level = at_one + slope * float(attempts[-1])
    if len(heights[tail]):
        level = float(np.average(heights[tail], weights=counts[tail]))
        misfit += float((counts[tail] * (heights[tail] - level) ** 2).sum())
        if len(x) == 1:
            # One wait below the cap: it cannot be much steeper than up to the cap.
            slope = max(0.0, level - at_one)
    return misfit, at_one, slope, level


def _exponential(share: float, **more: float) -> Callable[[Waits], Iterator[dict[str, float]]]:
    def begin(waits: Waits) -> Iterator[dict[str, float]]:
        for guess in _grown(waits, share):
            yield guess | more

    return begin


def _constant(waits: Waits) -> Iterator[dict[str, float]]:
    yield {"base_s": float(np.median(waits.wait_s))}


def _decorrelated(waits: Waits) -> Iterator[dict[str, float]]:
    low_s = float(np.quantile(waits.wait_s, 0.01))
    yield {"base_s": max(LEAST_S, low_s), "cap_s": max(LEAST_S, low_s, crowd_s(waits))}
    yield {"base_s": max(LEAST_S, low_s), "cap_s": 2.0 * waits.longest_s + LEAST_S}


_GROWTH = ("base_s", "factor", "cap_s")
FAMILIES = (
    Family("constant", {"jitter": "none", "factor": 1.0}, ("base_s",), _constant),
    Family("exponential, no jitter", {"jitter": "none"}, _GROWTH, _exponential(1.0)),
    Family("exponential, full jitter", {"jitter": "full"}, _GROWTH, _exponential(0.5)),
    Family("exponential, equal jitter", {"jitter": "equal"}, _GROWTH, _exponential(0.75)),
    Family(
        "exponential, proportional jitter inside the cap",
        {"jitter": "proportional"},
        (*_GROWTH, "spread_fraction"),
        _exponential(1.0, spread_fraction=0.3),
    ),
    Family(
        "decorrelated jitter",
        {"jitter": "decorrelated"},
        ("base_s", "cap_s"),
        _decorrelated,
    ),
)
