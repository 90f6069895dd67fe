"""Import the options of Polly, for .NET."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simlib.core.backoff_words import NO_CAP_S
from simlib.core.breaker import LONGEST_WINDOW
from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    because,
    calls,
    ceilings,
    keys_in,
    tables,
)
from simlib.studies.policy.imports.library_calls import (
    CALL_NOTE,
    NAMING,
    bound_window,
    library_table,
)
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.reasons import CALLBACK


def _polly(options: Options) -> Tables:
    table = library_table()
    if "Retry" in options:
        _polly_attempts(options.inside("Retry"), table)
    else:
        table["backoff"]["max_attempts"] = 0
        options.note("no retry is among the options: nothing is attempted again")
    if "CircuitBreaker" in options:
        _polly_breaker(options.inside("CircuitBreaker"), table)
    if "AttemptTimeout" in options:
        inner = options.inside("AttemptTimeout")
        table["connect_timeout_s"] = _above_0(inner, "Timeout", 30.0)
        inner.finish(because(CALLBACK, "TimeoutGenerator OnTimeout") | because(NAMING, "Name"))
    if "TotalRequestTimeout" in options:
        inner = options.inside("TotalRequestTimeout")
        table["backoff"]["give_up_after_s"] = _above_0(inner, "Timeout", 30.0)
        options.note("TotalRequestTimeout: also ends an attempt under way; here none begins later")
        inner.finish(because(CALLBACK, "TimeoutGenerator OnTimeout") | because(NAMING, "Name"))
    return table


def _above_0(options: Options, key: str, default_s: float) -> float:
    value_s = options.duration(key, default_s)
    if value_s <= 0.0:
        raise options.error(key, options.given.get(key), "must be above 0")
    return value_s


def _polly_attempts(repeated: Options, table: Tables) -> None:
    base_s = repeated.duration("Delay", 2.0)
    kind = repeated.word("BackoffType", "constant", ("constant", "linear", "exponential"))
    cap_s = repeated.duration("MaxDelay", NO_CAP_S)
    jitters = repeated.flag("UseJitter", False)
    backoff = table["backoff"] | {"max_attempts": repeated.count("MaxRetryAttempts", 3.0)}
    backoff |= ceilings(repeated, base_s, base_s if kind == "constant" else cap_s,
                        1.0 if kind == "constant" else 2.0)  # fmt: skip
    if kind == "constant" and jitters and "steps_s" not in backoff:
        backoff["cap_s"] = min(cap_s, 2.0 * base_s)
    if kind == "linear" and "steps_s" not in backoff:
        backoff |= {"growth": "linear", "rise_s": base_s}
        backoff.pop("factor")
    backoff["jitter"] = "none"
    if jitters and kind == "exponential":
        backoff["jitter"] = "full"
        repeated.note(
            "UseJitter with Exponential: Polly's waits depend on each other, and lie between 0 and "
            "some 1.1 ceilings, the first up to 1.4; here each is drawn from 0 to its ceiling"
        )
    elif jitters:
        backoff |= {"jitter": "proportional", "spread_fraction": 0.25, "jitter_place": "before_cap"}
    table["backoff"] = backoff
    if "DelayGenerator" in repeated:
        repeated.take("DelayGenerator")
        repeated.lack(
            "DelayGenerator: is code, which is not run; here the waits are those of Delay"
        )
    backoff["heeds_hint"] = repeated.flag("ShouldRetryAfterHeader", False)
    repeated.note(CALL_NOTE)
    repeated.finish(because(CALLBACK, "ShouldHandle OnRetry Randomizer") | because(NAMING, "Name"))


def _polly_breaker(breaker: Options, table: Tables) -> None:
    least = breaker.count("MinimumThroughput", 100.0, low=1.0)
    table["breaker"] = {
        "failure_fraction": breaker.number("FailureRatio", 0.1, high=1.0) or 1e-9,
        "least": bound_window(breaker, "MinimumThroughput", least, "it"),
        "window": LONGEST_WINDOW,
        "open_s": _above_0(breaker, "BreakDuration", 5.0),
    }
    sampled_s = breaker.duration("SamplingDuration", 30.0)
    breaker.note(
        f"SamplingDuration: Polly counts the calls of {sampled_s:g} s, over all callers; here the "
        f"breaker looks back on {LONGEST_WINDOW} attempts of a client"
    )
    breaker.finish(because(CALLBACK, "ShouldHandle BreakDurationGenerator OnOpened OnClosed "
                           "OnHalfOpened ManualControl StateProvider")
                   | because(NAMING, "Name"))  # fmt: skip


_POLLY = {
    "Retry": keys_in("MaxRetryAttempts BackoffType UseJitter MaxDelay"),
    "CircuitBreaker": keys_in("FailureRatio MinimumThroughput SamplingDuration BreakDuration"),
    "AttemptTimeout": frozenset[str](),
    "TotalRequestTimeout": frozenset[str](),
}


def _polly_options(value: Any) -> Mapping[str, Any] | None:
    """Return Polly's strategies by their names, whatever the case of the keys."""
    found: dict[str, Any] = {}
    for table in [*tables(value), *(dict(call.named) for call in calls(value))]:
        pascal = {key[:1].upper() + key[1:]: entry for key, entry in table.items()}
        for name, signs in _POLLY.items():
            if isinstance(pascal.get(name), Mapping):
                inner = pascal[name].items()
                found.setdefault(name, {str(k)[:1].upper() + str(k)[1:]: v for k, v in inner})
            elif signs & pascal.keys():
                found.setdefault(name, pascal)
    return found or None


POLLY = OptionKind(
    "polly",
    keys_in("Retry CircuitBreaker"),
    _polly,
    find=_polly_options,
    keys=frozenset(_POLLY),
)
