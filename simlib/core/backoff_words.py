"""A reconnect policy in words."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter, JitterPlace
from simlib.core.card import count_in_words

if TYPE_CHECKING:
    from simlib.core.backoff import Backoff

#: A cap from here on stands for none.
NO_CAP_S = 1e6


def describe_backoff(policy: Backoff, least_first_s: float, most_first_s: float) -> str:
    """Return a policy in words; how long its first wait is at least and at most is given."""
    if policy.max_attempts == 0:
        return "never reconnects"
    parts = []
    if policy.first_s < inf:
        is_exact = policy.first_jitter == Jitter.NONE
        first = "" if is_exact else f"{least_first_s:.3g} to "
        parts.append(f"first {first}{say_seconds(policy.first_s if is_exact else most_first_s)}")
    parts.append(_ceilings(policy))
    parts.append(_jitter(policy))
    if policy.floor_s > 0.0:
        parts.append(_floor(policy))
    return describe_beside_waits(policy, parts)


def describe_beside_waits(policy: Backoff, waits: list[str]) -> str:
    """Return a policy whose waits are given in words, with what bounds and surrounds them."""
    parts = [] if policy.after_loss_s == inf else [_after_loss(policy)]
    parts += waits
    if policy.counted_from == CountedFrom.START:
        parts.append("from the start of the attempt before")
    if policy.max_attempts < inf:
        parts.append(count_in_words(int(policy.max_attempts), "attempt"))
    if policy.give_up_after_s < inf:
        parts.append(f"none later than {say_seconds(policy.give_up_after_s)}")
    if policy.heeds_hint and policy.hint_cap_s < inf:
        parts.append(f"hints of at most {say_seconds(policy.hint_cap_s)}")
    if policy.stable_after_s > 0.0:
        parts.append(f"counts on until open for {say_seconds(policy.stable_after_s)}")
    return ", ".join(parts)


def say_seconds(value_s: float) -> str:
    """Return a time with three digits, or in whole seconds where those are more.

    Examples
    --------
    >>> [say_seconds(value_s) for value_s in (0.25, 999.4, 999.5, 7200.0)]
    ['0.25 s', '999 s', '1,000 s', '7,200 s']
    """
    # From here on three digits would be 1e+03.
    return f"{value_s:.3g} s" if value_s < 999.5 else f"{value_s:,.0f} s"


def _ceilings(policy: Backoff) -> str:
    if policy.step_count == 1:
        return f"{say_seconds(policy.steps_s[0])} always"
    if policy.step_count:
        first = [f"{step_s:g}" for step_s in policy.steps_s[:-1]]
        shown = f"{', '.join(first[:3])} ..." if len(first) > 3 else f"{', '.join(first)},"
        return f"{shown} {say_seconds(policy.steps_s[-1])}"
    end = "" if policy.cap_s >= NO_CAP_S else f" to {say_seconds(policy.cap_s)}"
    if policy.jitter == Jitter.DECORRELATED:  # three times the wait before: nothing else grows
        return f"{say_seconds(policy.base_s)}{end or ' and more'}"
    if policy.growth == Growth.LINEAR:
        return f"{say_seconds(policy.base_s)} + {say_seconds(policy.rise_s)}{end}"
    if not grows(policy):
        return f"{say_seconds(policy.base_s)} always"
    if policy.growth == Growth.POWER:
        return f"{say_seconds(policy.base_s)} x attempt^{policy.exponent:.4g}{end}"
    return f"{say_seconds(policy.base_s)} x {policy.factor:.4g}{end}"


def _after_loss(policy: Backoff) -> str:
    is_exact = policy.after_loss_jitter == Jitter.NONE
    spread = "" if is_exact else f", {_spread(policy, policy.after_loss_jitter)},"
    return f"{say_seconds(policy.after_loss_s)}{spread} after a loss"


def _spread(policy: Backoff, jitter: Jitter) -> str:
    spread = f"{100 * policy.spread_fraction:.3g} %"
    return {
        Jitter.NONE: "no jitter",
        Jitter.FULL: "full jitter",
        Jitter.EQUAL: "equal jitter",
        Jitter.DECORRELATED: "decorrelated jitter",
        Jitter.PROPORTIONAL: f"+-{spread}",
        Jitter.BELOW: f"up to {spread} less",
        Jitter.ADDITIVE: f"{policy.add_least_s:+.3g} to {policy.add_most_s:+.3g} s",
    }[jitter]


def _jitter(policy: Backoff) -> str:
    words = _spread(policy, policy.jitter)
    if policy.jitter == Jitter.NONE:
        return words
    if grows(policy) and policy.cap_s < NO_CAP_S and policy.jitter_place != JitterPlace.INSIDE:
        words += f" {policy.jitter_place.name.lower().replace('_', ' the ')}"
    words += ", compounding" * policy.compounding
    return words + ", drawn once" * policy.drawn_once


def _floor(policy: Backoff) -> str:
    """Return the floor in words; without jitter it makes no difference how it is kept."""
    is_drawn = policy.drawn_above_floor and policy.jitter != Jitter.NONE
    return f"{'drawn above' if is_drawn else 'at least'} {say_seconds(policy.floor_s)}"


def grows(policy: Backoff) -> bool:
    """Whether ceilings differ from attempt to attempt."""
    if policy.step_count:
        return len(set(policy.steps_s)) > 1
    rises = {
        Growth.EXPONENTIAL: policy.factor > 1.0,
        Growth.LINEAR: policy.rise_s > 0.0,
        Growth.POWER: policy.exponent > 0.0,
    }[policy.growth]
    return rises and policy.cap_s > policy.base_s
