"""The range of each wait under policies; many policies are computed as one array.

Nothing here knows a policy's formula: it asks the core's own functions, which take arrays too, for
both ends of their draw and for the slope at the lower one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import unwrap
from math import inf
from operator import attrgetter
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from simlib.core.backoff import Backoff, _power, delay, height, looks_back, spread_ceiling, uncut
from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter
from simlib.core.errors import SettingsError
from simlib.lab.infer.waits import Waits, Whole
from simlib.metrics.array_types import Floats

#: Of each wait, where among the columns of bands its own is.
WaitPlaces = Whole | slice
_OF_WAITS = slice(None)
#: The slope of the inverse distribution function is taken over this draw.
_STEP = 2.0**-20
_ENDS = np.array([0.0, 1.0]).reshape(2, 1, 1)


class Bands(NamedTuple):
    """Where each wait may lie: evenly between two ends, and for shares exactly at one of them."""

    low_s: Floats
    high_s: Floats
    at_high: Floats
    at_low: Floats


# There is one formula of a wait, the core's `delay`, written for numbers. A second one for arrays
# could differ from it without anybody seeing it, so the core's own code object is given other
# globals. It works as `delay` has no branch on its draw nor on the wait before (see
# `core/backoff.py`).
def _on_arrays(function: Any, done: dict[Any, Any]) -> Any:
    """Return a core function whose times may be arrays: the same source, numpy's min and max."""
    function = unwrap(function)
    if function not in done:
        code, scope = function.__code__, function.__globals__
        called = {
            name: _on_arrays(scope[name], done)
            for name in code.co_names
            if isinstance(scope.get(name), FunctionType)
        }
        scope = {**scope, **called, "min": np.minimum, "max": np.maximum}
        done[function] = FunctionType(code, scope, function.__name__, function.__defaults__)
    return done[function]


_delays = _on_arrays(delay, {})
_uncut = _on_arrays(uncut, {})
#: The core multiplies powers out, to the same bits everywhere; these may differ in the last.
_height = _on_arrays(height, {_power: np.power})
#: How floor and cap cut off what has its jitter already: `spread_ceiling` without its jitter.
_cut = _on_arrays(spread_ceiling, {uncut: lambda rules, jitter, uncut_s, floor_s, u: uncut_s})


def delays(rules: Backoff, attempt: Any, previous_s: Any, u: Any) -> Any:
    """Return the core's `delay`, whose draw and wait before may be arrays.

    Raises
    ------
    SettingsError
        If a Python function makes the waits, and the end of the draws is asked for, which it never
        meets: so nothing is known of where its waits end, and they have no likelihood.
    """
    if not rules.has_function:
        return _delays(rules, attempt, previous_s, u)
    if np.max(u) >= 1.0:
        rule = "has no likelihood: its waits can only be drawn"
        raise SettingsError("backoff", rules.in_words, rule)
    return np.vectorize(rules.call_function, otypes=[float])(attempt, previous_s, u)


def bands(rules: Backoff, waits: Waits) -> Bands:
    """Return the band of each wait under a policy.

    Examples
    --------
    >>> import pandas as pd
    >>> waits = Waits.of(pd.DataFrame({"attempt": [1, 2], "wait_s": [0.5, 1.0], "client": [0, 0]}))
    >>> bands(Backoff(jitter="equal"), waits).low_s
    array([0.5, 1. ])
    """
    stacked, column = stack_bands([rules], waits)
    return Bands(*(rows[0, column] for rows in stacked))


def stack_bands(policies: Sequence[Backoff], waits: Waits) -> tuple[Bands, WaitPlaces]:
    """Return the bands under policies, a row for each, and which column each wait has.

    There is a column for each number of attempts in a row, as long as no band differs by wait.
    """
    # Most policies have the same band for all waits of one attempt, so hundreds of waits need but
    # some ten columns. This is where the fit gains most of its speed.
    differ = any(differs_by_wait(rules) for rules in policies)
    return (_by_wait if differ else _by_attempt)(policies, waits)


def differs_by_wait(rules: Backoff) -> bool:
    """Whether bands of waits of the same attempt are not the same."""
    return _follows_others(rules) or _from_start(rules)


def _follows_others(rules: Backoff) -> bool:
    """Whether bands depend on the waits before."""
    return looks_back(rules) and not rules.step_count


def _from_start(rules: Backoff) -> bool:
    """Whether waits are counted from the start of attempts."""
    return rules.counted_from == CountedFrom.START


def _by_wait(policies: Sequence[Backoff], waits: Waits) -> tuple[Bands, WaitPlaces]:
    """Return bands with a column for each wait, and the column of each wait."""
    groups = _alike(policies, _FORM)
    if len(groups) == 1 and _follows_others(policies[0]) and not _from_start(policies[0]):
        return Bands(*_after_others(groups[0][1], policies, waits)), _OF_WAITS
    stacked = np.empty((4, len(policies), len(waits)))
    for of, rules in groups:
        if _follows_others(rules):
            stacked[:, of] = _after_others(rules, [policies[i] for i in of], waits)
        else:
            lies, column = _by_attempt([policies[i] for i in of], waits)
            stacked[:, of] = np.array(lies)[:, :, column]
        if _from_start(rules):
            stacked[:, of] = _shorten(Bands(*stacked[:, of]), waits)
    return Bands(*stacked), _OF_WAITS


def _after_others(rules: Backoff, policies: Sequence[Backoff], waits: Waits) -> Floats:
    """Return bands of waits that follow the ones before; ``rules`` are all policies as one."""
    none_s = np.zeros((len(policies), 1))
    # From the second attempt on, only the wait before makes a difference.
    stacked = _following(rules, 2, waits.previous_s + none_s)
    first = np.flatnonzero(waits.attempt == 1)
    if first.size:
        at_first = _following(replace_unchecked(rules, {"first_s": inf}), 1, none_s)
        _put_own_firsts(at_first, policies)
        stacked[:, :, first] = at_first
    return stacked


def _following(rules: Backoff, attempt: int, previous_s: Floats) -> Floats:
    """Return the bands of waits after these."""
    if rules.jitter == Jitter.DECORRELATED:
        return _band(rules, attempt, previous_s)
    heights_s = _height(rules, attempt, previous_s) + np.zeros_like(previous_s)
    return _spread_ceilings(rules, rules.jitter, heights_s, rules.floor_s)


def _put_own_firsts(at_first: Floats, policies: Sequence[Backoff]) -> None:
    """Replace the bands in the first column by those of first waits with a law of their own."""
    own = [i for i, rules in enumerate(policies) if rules.first_s < inf]
    for of, rules in _alike([policies[i] for i in own], _FIRST):
        rows = np.array(own)[of]
        first_s = np.array([policies[i].first_s for i in rows])
        at_first[:, rows, :1] = _spread_ceilings(
            rules, rules.first_jitter, first_s[:, np.newaxis], 0.0
        )


def _shorten(policy_bands: Bands, waits: Waits) -> Bands:
    """Return bands of waits that are counted from the start of attempts; none is below 0."""
    low_s, high_s = (end - waits.lasted_s for end in policy_bands[:2])
    width_s = np.maximum(high_s - low_s, 1e-9)
    # What the attempt took is taken off the wait, and a wait that would be negative is none: the
    # share of the band below 0 becomes a point at 0.
    over = (1.0 - policy_bands.at_low - policy_bands.at_high) * np.clip(-low_s / width_s, 0.0, 1.0)
    at_low = np.where(high_s > 0.0, policy_bands.at_low + over, 0.0)
    at_high = np.where(high_s > 0.0, policy_bands.at_high, 1.0)
    return Bands(np.maximum(0.0, low_s), np.maximum(0.0, high_s), at_high, at_low)


def _by_attempt(policies: Sequence[Backoff], waits: Waits) -> tuple[Bands, WaitPlaces]:
    """Return bands with a column for each number of attempts in a row, and that of each wait."""
    attempts = waits.attempts
    heights_s = np.empty((len(policies), attempts.size))
    for of, rules in _alike(policies, _GROWTH):
        heights_s[of] = _heights_s(rules, [policies[i] for i in of], attempts)
    stacked = np.empty((4, *heights_s.shape))
    for of, rules in _alike(policies, _JITTER):
        stacked[:, of] = _spread_ceilings(rules, rules.jitter, heights_s[of], rules.floor_s)
    if attempts[0] == 1:
        _put_own_firsts(stacked, policies)
    return Bands(*stacked), waits.group


#: Numbers that may differ among policies that are worked out as one.
_NUMBERS = (
    *("base_s", "cap_s", "factor", "rise_s", "exponent"),
    *("spread_fraction", "add_least_s", "add_most_s"),
)
#: What must be the same among these, as the core's formulas branch on it: for the ceilings, for the
#: jitter, and for all.
_GROWTH = attrgetter("growth", "step_count", "jitter_place")
_JITTER = attrgetter("jitter", "jitter_place", "drawn_above_floor", "floor_s")
_FIRST = attrgetter("first_jitter", "jitter_place", "drawn_above_floor")
_FORM = attrgetter(
    *("growth", "step_count", "jitter", "jitter_place", "floor_s"),
    *("drawn_above_floor", "compounding", "counted_from"),
)


def _alike(
    policies: Sequence[Backoff], form: Callable[[Backoff], Any]
) -> list[tuple[Whole, Backoff]]:
    """Return which policies are of the same form, and each form as one: its numbers are columns."""
    groups: dict[Any, list[int]] = {}
    for i, rules in enumerate(policies):
        groups.setdefault(form(rules), []).append(i)
    return [(np.array(of), _as_one([policies[i] for i in of])) for of in groups.values()]


def _as_one(policies: Sequence[Backoff]) -> Backoff:
    if len(policies) == 1:
        return policies[0]
    numbers = np.array([_numbers(rules) for rules in policies]).T[:, :, np.newaxis]
    return replace_unchecked(policies[0], dict(zip(_NUMBERS, numbers, strict=True)))


_numbers = attrgetter(*_NUMBERS)


def replace_unchecked(rules: Backoff, values: Mapping[str, Any]) -> Backoff:
    """Return a policy with other numbers, unchecked: a search makes thousands."""
    # Backoff is frozen and checks its fields when it is made, which would take most of a search's
    # time.
    made = object.__new__(Backoff)
    vars(made).update(vars(rules))
    vars(made).update(values)
    return made


def _heights_s(rules: Backoff, policies: Sequence[Backoff], attempts: Whole) -> Floats:
    """Return the ceilings of attempts: a row for each policy, a column for each attempt."""
    if rules.step_count or (len(policies) <= _FEW and rules.growth == Growth.EXPONENTIAL):
        return np.array([_own_heights_s(policy, attempts.tolist()) for policy in policies])
    if rules.growth != Growth.EXPONENTIAL:
        return np.asarray(_height(rules, attempts, 0.0)) + np.zeros((len(policies), 1))
    found_s = np.empty((len(policies), int(attempts[-1])))
    found_s[:, :1] = _height(rules, 1, 0.0)
    # A ceiling is what the one before it grows to: where jitter compounds, the core says how.
    grows = replace_unchecked(rules, {"compounding": True})
    for i in range(1, found_s.shape[1]):
        found_s[:, i : i + 1] = _height(grows, i + 1, found_s[:, i - 1 : i])
    return found_s[:, attempts - 1]


#: So few policies are quicker one by one.
_FEW = 4


def _own_heights_s(rules: Backoff, attempts: list[int]) -> list[float]:
    found_s: list[float] = []
    for attempt in attempts:
        height_s = height(rules, attempt, 0.0)
        if found_s and not rules.step_count and height_s == found_s[-1]:
            # Ceilings never fall again: from here on all are the same.
            return found_s + [height_s] * (len(attempts) - len(found_s))
        found_s.append(height_s)
    return found_s


def _spread_ceilings(rules: Backoff, jitter: Jitter, heights_s: Floats, floor_s: float) -> Floats:
    """Return the bands of ceilings: what floor and cap cut off lies at their ends."""
    stacked = np.empty((4, *heights_s.shape))
    uncut_s = _uncut(rules, jitter, heights_s, floor_s, _ENDS)
    stacked[:2] = _cut(rules, jitter, uncut_s, floor_s, _ENDS)
    if jitter == Jitter.NONE:
        stacked[2], stacked[3] = 1.0, 0.0
        return stacked
    (least_s, most_s), (low_s, high_s) = uncut_s, stacked[:2]
    width_s = np.maximum(most_s - least_s, 1e-12)
    is_point = high_s <= low_s
    stacked[2] = np.where(
        is_point, 1.0, np.minimum(1.0, np.maximum(0.0, most_s - high_s) / width_s)
    )
    stacked[3] = np.where(
        is_point, 0.0, np.minimum(1.0, np.maximum(0.0, low_s - least_s) / width_s)
    )
    return stacked


def _band(rules: Backoff, attempt: int, previous_s: Floats) -> Floats:
    """Return the bands of waits after these, by their ends and the slope at the lower one."""
    none_s = np.zeros_like(previous_s)
    low_s = delays(rules, attempt, previous_s, 0.0) + none_s
    high_s = delays(rules, attempt, previous_s, 1.0) + none_s
    reach_s = (delays(rules, attempt, previous_s, _STEP) - low_s) / _STEP
    # The draw is uniform, so a wait's density is the slope's inverse. Where the slope at the lower
    # end would lead further than the upper end, the cap cuts; the share that it cuts off is a point
    # there.
    with np.errstate(divide="ignore", invalid="ignore"):
        at_high = np.where(reach_s > high_s - low_s + 1e-6, 1.0 - (high_s - low_s) / reach_s, 0.0)
    at_high[high_s <= low_s] = 1.0
    return np.array([low_s, high_s, at_high, np.zeros_like(low_s)])


def of_waits(policy_bands: Bands, column: WaitPlaces) -> Bands:
    """Return bands with a column for each wait."""
    return Bands(*(rows[:, column] for rows in policy_bands))
