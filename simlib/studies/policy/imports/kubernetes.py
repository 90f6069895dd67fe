"""Import the waits of Kubernetes' client-go: wait.Backoff and the limiters of its work queues."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, inf, log
from typing import Any

from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    calls,
    ceilings,
    find_table,
    keys_in,
    upwards,
)
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.values import Call

_NS_S = 1e-9
#: Waits of a table.
_MOST_STEPS = 1000


def _library() -> Tables:
    return {"stops": {"suspends_on": []}, "backoff": {"jitter": "none", "heeds_hint": False}}


# --- wait.Backoff ------------------------------------------------------------------------


def _backoff(options: Options) -> Tables:
    table = _library()
    base_s = options.duration("Duration", 0.0, unit_s=_NS_S)
    factor = options.number("Factor", 0.0) or 1.0
    spread = options.number("Jitter", 0.0)
    steps = options.count("Steps", 0.0)
    cap_s = options.duration("Cap", 0.0, unit_s=_NS_S) or 1e6
    if "Steps" not in options:
        options.note("Steps: is not given, so 0: nothing is attempted again")
    cap_s = max(cap_s, base_s)  # only what it grows to is capped
    made = _count_made(base_s, factor, cap_s, steps)
    if made < steps:
        options.note(f"Cap: once the waits reach it no step is left, so {made:g} of {steps:g} "
                     "steps are made")  # fmt: skip
    table["backoff"] |= upwards(ceilings(options, base_s, cap_s, factor), spread)
    table["backoff"]["max_attempts"] = max(0.0, made - 1.0)
    options.note("Steps: counts the first try too; here the loss of the connection is the first")
    return table


def _count_made(base_s: float, factor: float, cap_s: float, steps: float) -> float:
    """Return how many tries there are until the steps are used up, or the cap is reached."""
    if factor <= 1.0 or base_s <= 0.0 or cap_s == inf:
        return steps
    # Waits that grow to the cap itself are made, whatever the logarithms round.
    return min(steps, 1.0 + floor((log(cap_s) - log(base_s)) / log(factor) + 1e-9))


BACKOFF = OptionKind(
    "client-go-backoff",
    keys_in("Factor Jitter Steps Cap"),
    _backoff,
    keys=keys_in("Duration"),
    find=lambda value: find_table(value, keys_in("Factor Jitter Steps")) or _of_named(value),
)


def _of_named(value: Any) -> Mapping[str, Any] | None:
    for call in calls(value):
        if call.name.rpartition(".")[2] == "Backoff" and call.named.keys() & BACKOFF.signs:
            return call.named
    return None


# --- limiters of work queues -------------------------------------------------------------


def _limiter(options: Options) -> Tables:
    table = _library()
    given = options.take("limiter")
    if not isinstance(given, list) or not all(isinstance(call, Call) for call in given):
        rule = "must be a limiter, such as NewItemExponentialFailureRateLimiter(...)"
        raise options.error("limiter", given, rule)
    for call in given:
        _LIMITERS[_limiter_name(call)](options, call, table)
    options.note("a queue counts the failures of each item; here the item is the connection")
    return table


def _limiter_name(call: Call) -> str:
    return call.name.rpartition(".")[2].replace("Typed", "").removesuffix("WithJitter")


def _times(options: Options, call: Call, names: tuple[str, ...]) -> Options:
    if len(call.arguments) < len(names):
        raise options.error(call.name, call, f"takes {len(names)} arguments: {', '.join(names)}")
    return options.part(call.name, dict(zip(names, call.arguments, strict=False)))


def _exponential(options: Options, call: Call, table: Tables) -> None:
    inner = _times(options, call, ("baseDelay", "maxDelay"))
    base_s = inner.duration("baseDelay", 0.005, unit_s=_NS_S)
    cap_s = inner.duration("maxDelay", 1000.0, unit_s=_NS_S)
    table["backoff"] |= ceilings(options, base_s, cap_s)


def _fast_slow(options: Options, call: Call, table: Tables) -> None:
    inner = _times(options, call, ("fastDelay", "slowDelay", "maxFastAttempts"))
    fast_s = inner.duration("fastDelay", 0.005, unit_s=_NS_S)
    slow_s = inner.duration("slowDelay", 10.0, unit_s=_NS_S)
    count = inner.count("maxFastAttempts", 1.0)
    if count > _MOST_STEPS:
        rule = f"must be {_MOST_STEPS:,} or less, to be a table of waits"
        raise inner.error("maxFastAttempts", inner.given["maxFastAttempts"], rule)
    steps_s = [fast_s] * int(count) + [slow_s]
    table["backoff"] |= {"steps_s": steps_s, "cap_s": max(30.0, *steps_s)}


def _default(options: Options, _: Call, table: Tables) -> None:
    table["backoff"] |= ceilings(options, 0.005, 1000.0)
    table["connect_budget"] = {"per_s": 10.0, "burst": 100}
    options.note("its bucket of 10 a second is that of the whole queue; here of one client")


def _default_item(options: Options, _: Call, table: Tables) -> None:
    table["backoff"] |= ceilings(options, 0.001, 1000.0)


def _bucket(options: Options, call: Call, table: Tables) -> None:
    inner = _times(options, call, ("limit", "burst"))
    limit = call.arguments[0]
    if isinstance(limit, Call) and limit.name == "rate.Limit" and limit.arguments:
        inner = options.part(call.name, {"limit": limit.arguments[0], "burst": call.arguments[1]})
    per_s, burst = inner.number("limit", inf), inner.finite_count("burst", 1.0, low=1.0)
    table["connect_budget"] = {"per_s": per_s, "burst": burst}
    options.note("its bucket is that of the whole queue; here of one client")


_LIMITERS = {
    "NewItemExponentialFailureRateLimiter": _exponential,
    "NewItemFastSlowRateLimiter": _fast_slow,
    "DefaultControllerRateLimiter": _default,
    "DefaultItemBasedRateLimiter": _default_item,
    "NewLimiter": _bucket,
}


def _limiters(value: Any) -> Mapping[str, Any] | None:
    found = [call for call in calls(value) if _limiter_name(call) in _LIMITERS]
    return {"limiter": found} if found else None


LIMITER = OptionKind("client-go-workqueue", keys_in("limiter"), _limiter, find=_limiters)
