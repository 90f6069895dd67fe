"""The name of a policy's family in words."""

from __future__ import annotations

from math import inf

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter, JitterPlace
from simlib.lab.infer.fibonacci import is_fibonacci


def name_family(rules: Backoff, *, capped: bool) -> str:
    """Return the family of a policy in words.

    Examples
    --------
    >>> name_family(Backoff(jitter="proportional"), capped=True)
    'exponential, proportional jitter inside the cap'
    """
    is_constant = rules.growth == Growth.EXPONENTIAL and rules.factor == 1.0
    words = ["constant" if is_constant else rules.growth.name.lower()]
    if rules.step_count:
        is_constant = not is_fibonacci(rules.steps_s)
        words = ["table of steps" if is_constant else "Fibonacci table"]
    place = ""
    if capped and rules.jitter in (Jitter.PROPORTIONAL, Jitter.ADDITIVE):
        place = f" {_PLACES[rules.jitter_place]} the cap"
    elif capped and rules.jitter_place == JitterPlace.BEFORE_CAP:
        place = " before the cap"
    if rules.jitter == Jitter.DECORRELATED:
        words = ["decorrelated jitter"]
    elif rules.jitter == Jitter.NONE:
        words += [] if is_constant else ["no jitter"]
    else:
        words.append(f"{rules.jitter.name.lower()} jitter{place}")
    if rules.floor_s > 0.0:
        words.append("drawn above a floor" if rules.drawn_above_floor else "raised to a floor")
    words += ["compounding"] * rules.compounding + ["drawn once"] * rules.drawn_once
    words += ["from the start of attempts"] * (rules.counted_from == CountedFrom.START)
    if rules.first_s < inf:
        words.append(f"first wait {'fixed' if rules.first_jitter == Jitter.NONE else 'spread'}")
    return ", ".join(words)


_PLACES = {
    JitterPlace.INSIDE: "inside",
    JitterPlace.BEFORE_CAP: "before",
    JitterPlace.AFTER_CAP: "after",
}
