"""Evaluate a family with given parameters: likelihood, goodness, and BIC.

The BIC (Bayesian information criterion) is the usual one where timing errors are normal. The edge
of a band costs twice as much, since it is known better; what is rare among real clients costs more.
"""

from __future__ import annotations

from math import log

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter, JitterPlace
from simlib.core.backoff_words import NO_CAP_S
from simlib.lab.infer.bands import bands
from simlib.lab.infer.densities import ROOT_OF_TWO_PI
from simlib.lab.infer.families import Family
from simlib.lab.infer.goodness import measure_goodness
from simlib.lab.infer.policy_fit import FamilyFit
from simlib.lab.infer.scales import Values
from simlib.lab.infer.search import likelihood
from simlib.lab.infer.waits import Waits

#: A cap so many times the longest wait is none that anybody has seen.
BEYOND = 5.0


def evaluate_family(family: Family, values: Values, waits: Waits) -> FamilyFit:
    """Return a family with these parameters: how well it explains the waits, and at what price.

    The cap is taken away where the waits are as likely without it.
    """
    score = likelihood(family, values, waits)
    if "cap_s" in values:
        # A cap that no wait needs is taken away, unless it raises the likelihood by what it costs.
        endless = values | {"cap_s": BEYOND * waits.longest_s + 1.0}
        other = likelihood(family, endless, waits)
        if other > score - 0.5 * log(len(waits)):
            values, score = endless, other
    rules = family.rules(values)
    assert rules is not None
    is_capped = "cap_s" in values and _reaches_cap(family, values, waits)
    bic = _price(values, rules, waits, capped=is_capped) - 2.0 * score
    good = measure_goodness(rules, waits)
    return FamilyFit(family, values, rules, score, bic, good, is_capped)


def _price(values: Values, rules: Backoff, waits: Waits, *, capped: bool) -> float:
    """Return the price of the free parameters, as in BIC; a cap that no wait reached costs nothing.

    The more waits, the better a number is known: with the root of how many there are for what is
    seen through normal errors, but as many times better for an edge of a band; so that costs twice
    as much. A cap that cuts is a needle, which any wait may seem to be: it costs all its places.
    """
    # BIC (Schwarz 1978) charges log n for a number known to 1/sqrt(n). An end of a uniform
    # distribution is known to 1/n, for which the same argument gives 2 log n.
    per_parameter = log(len(waits)) * (1.0 if rules.jitter == Jitter.NONE else 2.0)
    ends_there = rules.jitter in (Jitter.NONE, Jitter.FULL, Jitter.EQUAL)
    inside = rules.jitter_place == JitterPlace.INSIDE
    cut = not (ends_there if inside else rules.jitter_place == JitterPlace.AFTER_CAP)
    cap = (
        max(per_parameter, 2.0 * log(waits.longest_s / (ROOT_OF_TWO_PI * waits.blur_s)))
        if cut
        else per_parameter
    )
    # Of two families that say the same the one is told that is commoner.
    price = {"cap_s": cap * capped, "rise_s": per_parameter + _COMMON}
    if "factor" in values:
        # Clients grow by 1.3 to 5, mostly by 2: far from it a factor needs more to be believed.
        price["factor"] = (
            per_parameter + (log(values["factor"] / _USUAL_FACTOR) / _USUAL_SPREAD) ** 2
        )
    if "exponent" in values:
        # Powers are rare, and mostly squares.
        usual = log(values["exponent"] / _USUAL_EXPONENT) / _USUAL_SPREAD
        price["exponent"] = per_parameter + usual**2 + _RARE
    if rules.drawn_once:
        # The width of the jitter is known from one draw of each client.
        price |= dict.fromkeys(_WIDTHS, 2.0 * log(len(np.unique(waits.client))))
    rare = _RARE * ("floor_s" in values or rules.step_count > 0)
    return rare + sum(price.get(name, per_parameter) for name in values)


#: What is rare among clients needs so much more to be believed.
_RARE, _COMMON = 4.0, 1.0
_USUAL_EXPONENT = 2.0
_USUAL_FACTOR, _USUAL_SPREAD = 2.0, 0.5
_WIDTHS = ("spread_fraction", "add_least_s", "add_most_s")


def _reaches_cap(family: Family, values: Values, waits: Waits) -> bool:
    rules, free = family.rules(values), family.rules(values | {"cap_s": NO_CAP_S})
    assert rules is not None
    assert free is not None
    with_cap, without = bands(rules, waits), bands(free, waits)
    return bool((without.high_s > with_cap.high_s + waits.blur_s).any())
