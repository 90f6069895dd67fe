"""Import the decorators of tenacity and stamina: parsed, and never run."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from simlib.core.backoff_words import NO_CAP_S
from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    because,
    calls,
    ceilings,
    find_table,
    keys_in,
)
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.values import Call, CodeText, Joined

_CALLBACK = "is code of the application, which is not run"
_NONE_LATER = "stops after an attempt that ends later; here none begins later"
_CALLED_AGAIN = (
    "it is taken to wrap the call that connects: after a loss that is called at once, and its "
    "failures are counted from there"
)


def _library() -> Tables:
    backoff = {"jitter": "none", "after_loss_s": 0.0, "heeds_hint": False}
    return {"stops": {"suspends_on": []}, "backoff": backoff}


def _name(call: Any) -> str:
    return call.name.rpartition(".")[2] if isinstance(call, Call) else ""


# --- tenacity ----------------------------------------------------------------------------

#: The names of the arguments of each strategy, in their order.
_WAITS = {
    "wait_none": (),
    "wait_fixed": ("wait",),
    "wait_random": ("min", "max"),
    "wait_incrementing": ("start", "increment", "max"),
    "wait_exponential": ("multiplier", "max", "exp_base", "min"),
    "wait_random_exponential": ("multiplier", "max", "exp_base", "min"),
    "wait_full_jitter": ("multiplier", "max", "exp_base", "min"),
    "wait_exponential_jitter": ("initial", "max", "exp_base", "jitter", "min"),
}
_STOPS = {"stop_after_attempt": "max_attempt_number", "stop_after_delay": "max_delay",
          "stop_before_delay": "max_delay"}  # fmt: skip


def _tenacity(options: Options) -> Tables:
    table = _library()
    backoff = table["backoff"]
    wait = options.take("wait")
    backoff |= {"steps_s": [0.0]} if wait is None else _tenacity_wait(options, wait)
    for stop in _alternatives(options.take("stop")):
        _tenacity_stop(options, stop, backoff)
    options.note(_CALLED_AGAIN)
    return table


def _alternatives(stop: Any) -> list[Any]:
    if isinstance(stop, Joined) and stop.operator == "|":
        return list(stop.parts)
    if _name(stop) == "stop_any":
        return list(stop.arguments)
    return [] if stop is None else [stop]


def _tenacity_stop(options: Options, stop: Any, backoff: Tables) -> None:
    name = _name(stop)
    if name == "stop_never" or (isinstance(stop, CodeText) and stop.text.endswith("stop_never")):
        return
    if name not in _STOPS:
        options.lack(f"stop = {stop!r}: is none of the stops that can be said; here it never stops")
        return
    key = _STOPS[name]
    inner = _arguments(options, stop, (key,))
    if name == "stop_after_attempt":
        limit = inner.count(key, inf, low=1.0)
        backoff["max_attempts"] = min(limit, backoff.get("max_attempts", inf))
    else:
        limit = inner.seconds(key, inf)
        backoff["give_up_after_s"] = min(limit, backoff.get("give_up_after_s", inf))
        if name == "stop_after_delay":
            options.note(f"stop_after_delay: {_NONE_LATER}")
    inner.finish({})


def _arguments(options: Options, call: Call, names: tuple[str, ...]) -> Options:
    """Return the arguments of a call by their names."""
    if len(call.arguments) > len(names):
        raise options.error(call.name, call, f"takes {len(names)} arguments at most")
    given = dict(zip(names, call.arguments, strict=False)) | dict(call.named)
    return options.part(call.name, given)


def _tenacity_wait(options: Options, wait: Any) -> Tables:
    """Return the settings of a strategy, or of a sum of two."""
    parts = list(wait.parts) if isinstance(wait, Joined) and wait.operator == "+" else [wait]
    if _name(wait) == "wait_combine":
        parts = list(wait.arguments)
    if _name(wait) == "wait_chain":
        return _tenacity_chain(options, wait)
    if len(parts) == 1:
        return _strategy(options, parts[0])
    names = [_name(part) for part in parts]
    if len(parts) == 2 and "wait_random" in names:
        drawn = parts.pop(names.index("wait_random"))
        return _add_draw(options, _strategy(options, parts[0]), drawn, wait)
    if sorted(names) == ["wait_exponential", "wait_random_exponential"]:
        one, other = (_strategy(options, part) for part in parts)
        if all(one.get(key) == other.get(key) for key in ("base_s", "factor", "cap_s")) \
                and "base_s" in one and not {"floor_s"} & (one.keys() | other.keys()):  # fmt: skip
            return one | {"jitter": "equal", "base_s": 2.0 * one["base_s"],
                          "cap_s": min(NO_CAP_S, 2.0 * one["cap_s"])}  # fmt: skip
    return _unknown(options, wait)


def _unknown(options: Options, wait: Any) -> Tables:
    options.lack(f"wait = {wait!r}: is no strategy that can be said; here it waits 1 s each time")
    return {"steps_s": [1.0]}


def _add_draw(options: Options, waits: Tables, drawn: Call, whole: Any) -> Tables:
    """Return waits with a draw between two times on top, which no cap bounds."""
    if waits.get("jitter", "none") != "none" or waits.get("floor_s"):
        return _unknown(options, whole)
    inner = _arguments(options, drawn, _WAITS["wait_random"])
    least_s, most_s = inner.seconds("min", 0.0), inner.seconds("max", 1.0)
    inner.finish({})
    least_s, most_s = sorted((least_s, most_s))
    added = {"jitter": "additive", "add_least_s": least_s, "add_most_s": most_s}
    return waits | added | {"jitter_place": "after_cap"}


def _tenacity_chain(options: Options, chained: Call) -> Tables:
    steps = []
    for link in chained.arguments:
        if _name(link) not in ("wait_fixed", "wait_none"):
            return _unknown(options, chained)
        steps.append(_strategy(options, link)["steps_s"][0])
    return {"steps_s": steps, "cap_s": max(30.0, *steps)} if steps else _unknown(options, chained)


def _strategy(options: Options, wait: Any) -> Tables:
    name = _name(wait)
    if isinstance(wait, int | float) and not isinstance(wait, bool):
        wait, name = Call("wait_fixed", (wait,)), "wait_fixed"
    if name not in _WAITS:
        return _unknown(options, wait)
    inner = _arguments(options, wait, _WAITS[name])
    table = _strategy_table(inner, name)
    inner.finish({})
    return table


def _strategy_table(inner: Options, name: str) -> Tables:
    if name == "wait_none":
        return {"steps_s": [0.0]}
    if name == "wait_fixed":
        wait_s = _bound(inner.seconds("wait", 1.0))
        return {"steps_s": [wait_s], "cap_s": max(30.0, wait_s)}
    if name == "wait_random":
        least_s, most_s = inner.seconds("min", 0.0), inner.seconds("max", 1.0)
        least_s, most_s = sorted((_bound(least_s), _bound(most_s)))
        return {"steps_s": [least_s], "cap_s": max(30.0, least_s), "jitter": "additive",
                "jitter_place": "after_cap", "add_most_s": most_s - least_s}  # fmt: skip
    cap_s = _bound(inner.seconds("max", NO_CAP_S))
    if name == "wait_incrementing":
        start_s, rise_s = _bound(inner.seconds("start", 0.0)), inner.seconds("increment", 100.0)
        first = {"first_s": 0.0} if start_s == 0.0 else {}
        # The model has no ceiling of 0; a millionth of a second is none.
        ceiling = ceilings(inner, max(start_s, 1e-6), max(cap_s, 1e-6))
        ceiling.pop("factor", None)
        return ceiling | {"growth": "linear", "rise_s": _bound(rise_s)} | first
    if name == "wait_exponential_jitter":
        table = ceilings(inner, _bound(inner.seconds("initial", 1.0)), cap_s,
                         inner.number("exp_base", 2.0))  # fmt: skip
        jitter_s = _bound(inner.seconds("jitter", 1.0))
        if jitter_s > 0.0:
            table |= {"jitter": "additive", "jitter_place": "before_cap", "add_most_s": jitter_s}
        return table | _floor(inner, table)
    table = ceilings(inner, _bound(inner.seconds("multiplier", 1.0)), cap_s,
                     inner.number("exp_base", 2.0))  # fmt: skip
    if name == "wait_exponential":
        return table | _floor(inner, table)
    if "steps_s" not in table:
        table |= {"jitter": "full"}
    floor = _floor(inner, table)
    return table | floor | ({"drawn_above_floor": True} if floor else {})


def _bound(value_s: float) -> float:
    return min(value_s, NO_CAP_S)


def _floor(inner: Options, table: Tables) -> Tables:
    floor_s = _bound(inner.seconds("min", 0.0))
    if floor_s == 0.0:
        return {}
    # The least wait goes before the longest, as in tenacity.
    return {"floor_s": floor_s, "cap_s": max(floor_s, table.get("cap_s", 30.0))}


def _tenacity_options(value: Any) -> Mapping[str, Any] | None:
    found = list(calls(value))
    for call in found:
        if _name(call) in _RETRIES and (
            TENACITY.signs & call.named.keys() or "tenacity" in call.name
        ):
            return call.named
    if isinstance(value, Joined) and all(_name(part).startswith("wait_") for part in value.parts):
        return {"wait": value}
    for call in found:
        if _name(call) in _WAITS or _name(call) in ("wait_chain", "wait_combine"):
            return {"wait": call}
        if _name(call) in _STOPS:
            return {"stop": value}
    table = find_table(value, TENACITY.signs)
    if table and any(isinstance(table.get(key), Call | Joined) for key in TENACITY.signs):
        return table
    return {} if isinstance(value, CodeText) and value.text in ("retry", "tenacity.retry") else None


_RETRIES = ("retry", "Retrying", "AsyncRetrying", "TornadoRetrying")
TENACITY = OptionKind(
    "tenacity",
    keys_in("wait stop"),
    _tenacity,
    because("is about exceptions; in the model a connection fails or opens", "retry reraise "
            "retry_error_cls retry_error_callback")
    | because(_CALLBACK, "before after before_sleep sleep")
    | because("is a name", "name enabled"),
    find=_tenacity_options,
)  # fmt: skip


# --- stamina -----------------------------------------------------------------------------


def _stamina(options: Options) -> Tables:
    table = _library()
    backoff = table["backoff"]
    attempts = options.given.get("attempts", 10)
    backoff["max_attempts"] = options.count("attempts", inf if attempts is None else 10.0, low=1.0)
    timeout = options.given.get("timeout", 45.0)
    backoff["give_up_after_s"] = (
        options.seconds("timeout", inf if timeout is None else 45.0) or 1e-3
    )
    backoff |= ceilings(
        options,
        _bound(options.seconds("wait_initial", 0.1)),
        _bound(options.seconds("wait_max", 5.0)),
        options.number("wait_exp_base", 2.0),
    )
    jitter_s = _bound(options.seconds("wait_jitter", 1.0))
    if jitter_s > 0.0:
        backoff |= {"jitter": "additive", "jitter_place": "before_cap", "add_most_s": jitter_s}
    options.note(f"timeout: {_NONE_LATER}")
    options.note(_CALLED_AGAIN)
    return table


def _stamina_options(value: Any) -> Mapping[str, Any] | None:
    for call in calls(value):
        is_its = "stamina" in call.name or STAMINA.signs & call.named.keys()
        if _name(call) in _STAMINA_CALLS and is_its:
            given = {"on": call.arguments[0]} if call.arguments else {}
            return given | dict(call.named)
    return find_table(value, STAMINA.signs)


_STAMINA_CALLS = ("retry", "retry_context", "RetryingCaller", "AsyncRetryingCaller")
STAMINA = OptionKind(
    "stamina",
    keys_in("wait_initial wait_max wait_jitter wait_exp_base"),
    _stamina,
    because("is about exceptions; in the model a connection fails or opens", "on"),
    find=_stamina_options,
    keys=keys_in("attempts timeout"),
)
