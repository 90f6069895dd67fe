"""Jitter of a client that was late: nobody measures how late its own timers were.

A wait of a busy process ends late, so it may lie beyond its band. A fit without lateness widens the
bands until they hold such waits: its numbers are off by more than their intervals say, or no family
agrees at all. Here lateness is fitted along with the numbers of a family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log

from simlib.core.backoff_kinds import Jitter
from simlib.lab.infer.evaluation import evaluate_family
from simlib.lab.infer.likelihood import log_likelihood
from simlib.lab.infer.lockstep import Search, beside, run_search
from simlib.lab.infer.policy_fit import FamilyFit
from simlib.lab.infer.scales import Values
from simlib.lab.infer.search import climb
from simlib.lab.infer.waits import ClientLateness, Waits

#: What is tried first: many waits late by little, few by much.
_BEGINNINGS = (ClientLateness(1.0, 0.005), ClientLateness(0.3, 0.02))
#: Then each of these: numbers and lateness take turns, so many times.
_TRIED = tuple(
    ClientLateness(fraction, mean_s)
    for fraction in (1.0, 0.5, 0.2, 0.05)
    for mean_s in (0.002, 0.004, 0.008, 0.015, 0.03)
)
_TURNS = 3
#: Of the search for numbers beside a lateness: its first step, and how many for each number.
_STEP, _STEPS = 0.02, 25
#: So many families are looked at where none agrees.
_LEADING = 3


def find_agreeing_if_late(
    candidates: Sequence[FamilyFit], waits: Waits
) -> tuple[Waits, list[FamilyFit]] | None:
    """Return waits that were late, and the families with jitter that agree with them then.

    None where one agrees without, or none does even so.
    """
    if candidates[0].goodness.is_good:
        return None
    # Lateness puts waits beyond their bands; it is no excuse for those inside.
    even = [candidate for candidate in candidates if candidate.goodness.is_even]
    leading = sorted(even, key=lambda candidate: candidate.bic)[:_LEADING]
    late = [fit_with_lateness(candidate, waits) for candidate in leading]
    agreeing = [each for each in late if each is not None and each[1].goodness.is_good]
    if not agreeing:
        return None
    seen, likeliest = min(agreeing, key=lambda pair: pair[1].bic)
    return seen, [likeliest]


def fit_with_lateness(found: FamilyFit, waits: Waits) -> tuple[Waits, FamilyFit] | None:
    """Return waits as late as they are likeliest to be, and the family's numbers beside that.

    None where lateness does not make the waits clearly likelier, and where it cannot be told:
    without jitter, or with a draw of each client.
    """
    if found.rules.jitter == Jitter.NONE or found.rules.drawn_once or waits.is_late:
        return None
    late, values, score = _climb(found, found.values, _BEGINNINGS, waits)
    # Two numbers more, at the usual price of the Bayesian information criterion.
    if score < found.log_likelihood + log(len(waits)):
        return None
    for _ in range(_TURNS):
        rules = found.family.rules(values)
        assert rules is not None
        scores = {each: log_likelihood(rules, _with(each, waits)) for each in _TRIED}
        likeliest = max(scores, key=lambda each: scores[each])
        if scores[likeliest] <= score:
            break
        late, values, score = _climb(found, values, [likeliest], waits)
    return late, evaluate_family(found.family, values, late)


def _climb(
    found: FamilyFit, values: Values, latenesses: Sequence[ClientLateness], waits: Waits
) -> tuple[Waits, Values, float]:
    """Return the likeliest of waits with these latenesses, the best numbers, and how likely."""
    tried = [_with(each, waits) for each in latenesses]
    searches = [Search(found.family, found.family.scales(each), each) for each in tried]
    most = _STEPS * (len(values) + 1)
    climbs = [climb(each, each.place(values), 0.0, _STEP, most) for each in searches]
    tops = zip(searches, run_search(beside(climbs)), strict=True)
    search, top = max(tops, key=lambda pair: pair[1].score)
    return search.waits, search.values(top.place), top.score


def _with(lateness: ClientLateness, waits: Waits) -> Waits:
    return replace(waits, lateness=lateness, first_lateness=lateness)
