"""The families of policies that inference compares: fixed settings and free parameters.

`PLAIN` has the plain families, by growth and jitter; `forms.py` has their further forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.backoff_words import NO_CAP_S
from simlib.core.errors import SettingsError
from simlib.lab.infer.bands import replace_unchecked
from simlib.lab.infer.fibonacci import fibonacci_steps_s
from simlib.lab.infer.scales import EXPONENTS, LEAST_S, MOST_FACTOR, Scale, Values
from simlib.lab.infer.starting_values import (
    guess_additive_exponential,
    guess_additive_linear,
    guess_band,
    guess_constant,
    guess_decorrelated,
    guess_exponential,
    guess_fibonacci,
    guess_linear,
    guess_power,
    guess_with_share,
    guess_with_spread,
)
from simlib.lab.infer.waits import Waits


@dataclass(frozen=True)
class Family:
    """Policies that differ by a few numbers alone."""

    #: Settings that all its policies share.
    fixed: dict[str, Any]
    #: The free settings, in the order of the search.
    free: tuple[str, ...]
    #: Guesses to begin a search at, from the waits.
    begin: Callable[[Waits], Iterator[Values]]
    #: Makes a table of ceilings from the free settings, where that is how the policy is said.
    steps: Callable[[Values], tuple[float, ...]] | None = None

    @cached_property
    def _form(self) -> Backoff:
        return Backoff(**{"cap_s": NO_CAP_S, **self.fixed})

    def rules(self, values: Values) -> Backoff | None:
        """Return the policy with these numbers; None if there is none."""
        # A search asks for thousands: its scales keep the numbers in bounds, one by one.
        numbers: dict[str, Any] = {name: min(value, NO_CAP_S) for name, value in values.items()}
        if self.steps is not None:
            numbers["steps_s"] = self.steps(values)
        rules = replace_unchecked(self._form, numbers)
        try:
            rules.check()
        except SettingsError:
            return None
        return rules

    def scales(self, waits: Waits) -> dict[str, Scale]:
        """Return how each free setting is searched for."""
        most_s = 20.0 * waits.longest_s + 1.0
        unit_s = max(LEAST_S, float(np.median(waits.wait_s)))
        added = Scale(-waits.longest_s - 1.0, most_s, logarithmic=False, unit=unit_s)
        even = Scale(0.0, most_s, logarithmic=False, unit=unit_s)
        known = {
            "factor": Scale(1.0, MOST_FACTOR),
            "exponent": Scale(*EXPONENTS),
            "spread_fraction": Scale(0.0, 1.0, logarithmic=False),
            "first_s": even,
            "rise_s": even,
            "add_least_s": added,
            "add_most_s": added,
        }
        return {name: known.get(name, Scale(LEAST_S, most_s)) for name in self.free}

    def but(self, **fixed: Any) -> Family:
        """Return the family with other settings fixed; what they free begins where it would."""
        return replace(self, fixed={**self.fixed, **fixed})

    def with_first(self, jitter: Jitter) -> Family:
        """Return the family with a first wait that follows no rule but has a law of its own."""

        def begin(waits: Waits) -> Iterator[Values]:
            middle_s = float(np.median(waits.wait_s[waits.attempt == 1]))
            for guess in self.begin(waits.where(waits.attempt > 1)):
                yield guess | {"first_s": max(0.0, _first_s(guess, jitter, middle_s))}

        fixed = {**self.fixed, "first_jitter": jitter}
        return replace(self, fixed=fixed, free=(*self.free, "first_s"), begin=begin)


def _first_s(guess: Values, jitter: Jitter, middle_s: float) -> float:
    """Return a first ceiling of which the middle wait is known."""
    if jitter == Jitter.FULL:
        return 2.0 * middle_s
    if jitter == Jitter.ADDITIVE:
        return middle_s - 0.5 * (guess.get("add_least_s", 0.0) + guess["add_most_s"])
    return middle_s


#: The free settings of each growth.
EXPONENTIAL = ("base_s", "factor", "cap_s")
_RISE = ("base_s", "rise_s", "cap_s")
_POWER = ("base_s", "exponent", "cap_s")
#: Jitters that other growths and tables are looked at with, and the mean share of a ceiling.
_SHARES = {"none": 1.0, "full": 0.5, "equal": 0.75}
#: What is looked at first.
PLAIN = (
    Family({"jitter": "none", "factor": 1.0}, ("base_s",), guess_constant),
    Family(
        {"jitter": "additive", "factor": 1.0, "add_least_s": 0.0},
        ("base_s", "add_most_s"),
        guess_band,
    ),
    Family({"jitter": "none"}, EXPONENTIAL, guess_with_share(guess_exponential, 1.0)),
    Family({"jitter": "full"}, EXPONENTIAL, guess_with_share(guess_exponential, 0.5)),
    Family({"jitter": "equal"}, EXPONENTIAL, guess_with_share(guess_exponential, 0.75)),
    Family(
        {"jitter": "proportional"},
        (*EXPONENTIAL, "spread_fraction"),
        guess_with_spread(guess_exponential),
    ),
    Family(
        {"jitter": "additive"},
        (*EXPONENTIAL, "add_least_s", "add_most_s"),
        guess_additive_exponential,
    ),
    Family({"jitter": "decorrelated"}, ("base_s", "cap_s"), guess_decorrelated),
    Family({"growth": "linear", "jitter": "none"}, _RISE, guess_with_share(guess_linear, 1.0)),
    Family({"growth": "linear", "jitter": "full"}, _RISE, guess_with_share(guess_linear, 0.5)),
    Family(
        {"growth": "linear", "jitter": "proportional"},
        (*_RISE, "spread_fraction"),
        guess_with_spread(guess_linear),
    ),
    Family(
        {"growth": "linear", "jitter": "additive", "add_least_s": 0.0},
        (*_RISE, "add_most_s"),
        guess_additive_linear,
    ),
    *(
        Family({"growth": "power", "jitter": jitter}, _POWER, guess_with_share(guess_power, share))
        for jitter, share in _SHARES.items()
    ),
    Family(
        {"growth": "power", "jitter": "proportional"},
        (*_POWER, "spread_fraction"),
        guess_with_spread(guess_power),
    ),
    *(
        Family(
            {"jitter": jitter},
            ("base_s", "cap_s"),
            guess_with_share(guess_fibonacci, share),
            fibonacci_steps_s,
        )
        for jitter, share in _SHARES.items()
    ),
    Family(
        {"jitter": "proportional"},
        ("base_s", "cap_s", "spread_fraction"),
        guess_with_spread(guess_fibonacci),
        fibonacci_steps_s,
    ),
)
