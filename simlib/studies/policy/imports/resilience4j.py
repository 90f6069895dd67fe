"""Import the options of resilience4j, for Java."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simlib.core.backoff_words import NO_CAP_S
from simlib.core.breaker import LONGEST_WINDOW
from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    attempts_after,
    because,
    ceilings,
    keys_in,
    tables,
)
from simlib.studies.policy.imports.library_calls import (
    CALL_NOTE,
    EXCEPTIONS,
    NAMING,
    bound_window,
    library_table,
)
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.reasons import CALLBACK

_R4J = {
    "retry": keys_in("maxAttempts maxRetryAttempts waitDuration enableExponentialBackoff "
                   "exponentialBackoffMultiplier exponentialMaxWaitDuration enableRandomizedWait "
                   "randomizedWaitFactor"),
    "circuitbreaker": keys_in("slidingWindowSize minimumNumberOfCalls failureRateThreshold "
                            "waitDurationInOpenState permittedNumberOfCallsInHalfOpenState "
                            "slidingWindowType"),
    "timelimiter": keys_in("timeoutDuration cancelRunningFuture"),
}  # fmt: skip


def _resilience4j(options: Options) -> Tables:
    table = library_table()
    if "retry" in options:
        _r4j_attempts(options.inside("retry"), table)
    else:
        table["backoff"]["max_attempts"] = 0
        options.note("no retry is among the options: nothing is attempted again")
    if "circuitbreaker" in options:
        _r4j_breaker(options.inside("circuitbreaker"), table)
    if "timelimiter" in options:
        inner = options.inside("timelimiter")
        limit_s = inner.duration("timeoutDuration", 1.0, unit_s=0.001)
        table["connect_timeout_s"] = limit_s or 0.001
        late = because("says what becomes of a call whose time is over", "cancelRunningFuture")
        inner.finish(late | because(NAMING, "baseConfig"))
    return table


def _r4j_attempts(repeated: Options, table: Tables) -> None:
    key = "maxRetryAttempts" if "maxRetryAttempts" in repeated else "maxAttempts"
    backoff = table["backoff"] | {"max_attempts": attempts_after(repeated, key, 3.0)}
    base_s = repeated.duration("waitDuration", 0.5, unit_s=0.001)
    grows = repeated.flag("enableExponentialBackoff", False)
    factor = repeated.number("exponentialBackoffMultiplier", 1.5, low=1.0) if grows else 1.0
    cap_s = repeated.duration("exponentialMaxWaitDuration", NO_CAP_S, unit_s=0.001)
    spread = repeated.number("randomizedWaitFactor", 0.5, high=1.0)
    drawn = repeated.flag("enableRandomizedWait", False)
    backoff |= ceilings(repeated, base_s, cap_s if grows else base_s, factor)
    backoff["jitter"] = "none"
    if drawn and "steps_s" not in backoff:
        # Around the ceiling, and then capped; a constant wait has no cap.
        place = {"jitter_place": "before_cap" if grows else "after_cap"}
        backoff |= {"jitter": "proportional", "spread_fraction": spread} | place
    table["backoff"] = backoff
    repeated.note(CALL_NOTE)
    repeated.finish(
        because(EXCEPTIONS, "retryExceptions ignoreExceptions retryExceptionPredicate "
                "failAfterMaxAttempts")
        | because(CALLBACK, "resultPredicate retryOnResultPredicate intervalBiFunction "
                  "consumeResultBeforeRetryAttempt")
        | because(NAMING, "baseConfig")
        | because("is about what is monitored", "eventConsumerBufferSize registerHealthIndicator")
    )  # fmt: skip


def _r4j_breaker(breaker: Options, table: Tables) -> None:
    window = breaker.count("slidingWindowSize", 100.0, low=1.0)
    least = breaker.count("minimumNumberOfCalls", 100.0, low=1.0)
    if (
        breaker.word("slidingWindowType", "count_based", ("count_based", "time_based"))
        == "time_based"
    ):
        breaker.note(f"slidingWindowType TIME_BASED: counts the calls of {window:g} s; here the "
                     f"breaker looks back on {LONGEST_WINDOW} attempts")  # fmt: skip
        size = LONGEST_WINDOW
    else:
        size = bound_window(breaker, "slidingWindowSize", window, "its window")
        least = min(least, window)
    rate = breaker.number("failureRateThreshold", 50.0, high=100.0)
    table["breaker"] = {
        "failure_fraction": max(1e-9, rate / 100.0),
        "window": size,
        "least": min(size, bound_window(breaker, "minimumNumberOfCalls", least, "it")),
        "open_s": breaker.duration("waitDurationInOpenState", 60.0, unit_s=0.001) or 0.001,
        "probes": breaker.finite_count("permittedNumberOfCallsInHalfOpenState", 10.0, low=1.0),
    }
    breaker.note("half-open it judges its calls by their share of failures; here each must succeed")
    breaker.finish(
        because("is about slow calls", "slowCallRateThreshold slowCallDurationThreshold")
        | because(EXCEPTIONS, "recordExceptions ignoreExceptions recordFailurePredicate "
                  "ignoreExceptionPredicate recordResultPredicate")
        | because("is not in the model: it probes with its next attempt",
                  "automaticTransitionFromOpenToHalfOpenEnabled maxWaitDurationInHalfOpenState "
                  "transitionToStateAfterWaitDuration initialState")
        | because(NAMING, "baseConfig")
        | because("is about what is monitored", "registerHealthIndicator eventConsumerBufferSize "
                  "allowHealthIndicatorToFail writableStackTraceEnabled")
    )  # fmt: skip


def _camel(key: str) -> str:
    return re.sub(r"[-_](\w)", lambda match: match.group(1).upper(), key)


def _unroll(value: Any, depth: int = 12) -> Any:
    """Return a document with dotted keys as tables, and all keys in camel case."""
    if not isinstance(value, Mapping) or depth == 0:
        return value
    unrolled: dict[str, Any] = {}
    for key, entry in value.items():
        first, _, rest = str(key).partition(".")
        inner = _unroll({rest: entry} if rest else entry, depth - 1)
        name = _camel(first)
        if isinstance(inner, dict) and isinstance(unrolled.get(name), dict):
            unrolled[name] |= inner
        else:
            unrolled[name] = inner
    return unrolled


def _r4j_options(value: Any) -> Mapping[str, Any] | None:
    """Return the options of each module: of the one instance, or of the defaults."""
    document = _unroll(value)
    found: dict[str, Any] = {}
    for table in tables(document):
        for name, signs in _R4J.items():
            module = table.get(name)
            if isinstance(module, Mapping) and module.keys() & {"instances", "configs", "backends"}:
                found.setdefault(name, _instance(module))
            elif isinstance(module, Mapping) and signs & module.keys():
                found.setdefault(name, dict(module))
            elif signs & table.keys() and name not in found:
                found[name] = table
    is_sign = keys_in("waitDuration enableExponentialBackoff enableRandomizedWait maxRetryAttempts "
                    "exponentialBackoffMultiplier slidingWindowSize failureRateThreshold "
                    "waitDurationInOpenState timeoutDuration")  # fmt: skip
    shown = any(isinstance(part, Mapping) and is_sign & part.keys() for part in found.values())
    return found if shown or (_is_named(document) and found) else None


def _is_named(document: Any) -> bool:
    """Whether a document says by its first key that it is resilience4j's."""
    return isinstance(document, Mapping) and "resilience4j" in document


def _instance(module: Mapping[str, Any]) -> dict[str, Any]:
    configs = module.get("configs")
    configs = configs if isinstance(configs, Mapping) else {}
    instances = module.get("instances") or module.get("backends")
    instances = instances if isinstance(instances, Mapping) else {}
    default = configs.get("default")
    whole = dict(default) if isinstance(default, Mapping) else {}
    tables_of = [each for each in instances.values() if isinstance(each, Mapping)]
    if len(tables_of) > 1:
        return {"instances": instances}
    if tables_of:
        base = configs.get(str(tables_of[0].get("baseConfig")))
        whole = (dict(base) if isinstance(base, Mapping) else whole) | dict(tables_of[0])
    return whole


RESILIENCE4J = OptionKind(
    "resilience4j", frozenset(_R4J), _resilience4j, find=_r4j_options, keys=frozenset(_R4J)
)
