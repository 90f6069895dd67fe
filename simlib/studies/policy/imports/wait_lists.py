"""Import lists of waits: those of Phoenix and SignalR."""

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
    find_table,
    keys_in,
    start_from,
)
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.reasons import (
    BY_DEFAULT,
    CREDENTIALS,
    FORMAT,
    PLATFORM,
    TRANSPORT,
)
from simlib.studies.policy.imports.values import Call, CodeText, Duration, StepFunction


def _steps(options: Options, key: str, steps: Any) -> list[float]:
    """Return a list of milliseconds in s."""
    if not isinstance(steps, list | tuple) or not steps:
        raise options.error(key, steps, "must be a list of milliseconds, such as [10, 50, 100]")
    names = [f"{key}[{i}]" for i in range(len(steps))]
    part = Options(options.kind, options.source, dict(zip(names, steps, strict=True)))
    part.notes, part.allows_code = options.notes, False
    for name, step in part.given.items():
        if step is None or part.milliseconds(name, 0.0) > NO_CAP_S:
            raise part.error(name, step, "must be a number of milliseconds, below 1e9")
    return [part.milliseconds(name, 0.0) for name in names]


def _table_of_steps(steps_s: list[float]) -> Tables:
    # No step may be above the cap, which is 30 s unless it is said.
    return {"jitter": "none", "steps_s": steps_s, "cap_s": max(30.0, *steps_s)}


def _phoenix(options: Options) -> Tables:
    table = start_from("phoenix")
    given = options.take("reconnectAfterMs")
    if isinstance(given, StepFunction):
        steps_s = _steps(options, "reconnectAfterMs", [*given.steps, given.last])
        table["backoff"] |= _table_of_steps(steps_s)
    elif isinstance(given, CodeText):
        options.lack(f"reconnectAfterMs = {given.text}: {BY_DEFAULT}")
    elif given is not None:
        table["backoff"] |= _table_of_steps(_steps(options, "reconnectAfterMs", given))
        options.note(
            "after the end of the list its last wait repeats here; reconnectAfterMs is a function, "
            "and itself says what follows"
        )
    interval_s = options.milliseconds("heartbeatIntervalMs", 30.0) or 30.0
    # The next beat finds the last unanswered, and ends the connection.
    table["heartbeat"] = {"interval_s": interval_s, "timeout_s": interval_s}
    return table


def _phoenix_options(value: Any) -> Mapping[str, Any] | None:
    if (isinstance(value, list) and _is_list_of_waits(value)) or isinstance(value, StepFunction):
        return {"reconnectAfterMs": value}
    return find_table(value, PHOENIX.signs)


def _is_list_of_waits(value: list[Any]) -> bool:
    if any(isinstance(entry, dict | list | str | bool | Call) for entry in value):
        return False
    return any(isinstance(entry, int | float | Duration) for entry in value)


PHOENIX = OptionKind(
    "phoenix",
    keys_in(
        "reconnectAfterMs heartbeatIntervalMs rejoinAfterMs longPollFallbackMs longpollerTimeout"
    ),
    _phoenix,
    because(TRANSPORT, "transport longPollFallbackMs longpollerTimeout sessionStorage")
    | because("is about channels, which the model joins with the connection", "rejoinAfterMs")
    | because("is the time-out of a push to a channel", "timeout")
    | because(FORMAT, "encode decode binaryType vsn")
    | because(CREDENTIALS, "params authToken")
    | because(PLATFORM, "logger debug"),
    find=_phoenix_options,
)


def _signalr(options: Options) -> Tables:
    table = start_from("signalr")
    given = options.take("withAutomaticReconnect", True)
    if isinstance(given, list):
        if None in given:
            place = given.index(None)
            if any(step is not None for step in given[place:]):
                options.note("what follows null in the list of waits is never reached")
            given = given[:place]
        steps = [Duration(0.0) if step == 0 else step for step in given]
        backoff = _table_of_steps(_steps(options, "withAutomaticReconnect", steps)) if steps else {}
        table["backoff"] |= backoff | {"max_attempts": len(given)}
    elif isinstance(given, bool):
        table["backoff"]["max_attempts"] = 4.0 if given else 0.0
    else:
        options.lack(f"withAutomaticReconnect = {given!r}: {BY_DEFAULT}")
    interval_s = _either(
        options, ("withKeepAliveInterval", "keepAliveIntervalInMilliseconds"), 15.0
    )
    silence_s = _either(options, ("withServerTimeout", "serverTimeoutInMilliseconds"), 30.0)
    if silence_s <= interval_s:
        options.note(
            f"its server timeout, {silence_s:g} s, is not above its keep-alive interval, "
            f"{interval_s:g} s: it ends connections that are well"
        )
    table["heartbeat"] = {"interval_s": interval_s, "timeout_s": max(0.001, silence_s - interval_s)}
    options.note(
        "it ends a connection after a silence of the server, whatever it has sent itself; here a "
        "ping ends it that is not answered in the rest of that time"
    )
    return table


def _either(options: Options, keys: tuple[str, str], default_s: float) -> float:
    key = next((key for key in keys if key in options), keys[0])
    value_s = options.milliseconds(key, default_s)
    if not 0.0 < value_s < inf:
        raise options.error(key, options.given.get(key), "must be a number of milliseconds above 0")
    return value_s


def _signalr_options(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, list) and _is_list_of_waits(value):
        return {"withAutomaticReconnect": value}
    found = {call.name.rpartition(".")[2]: call for call in calls(value)}
    found = {name[:1].lower() + name[1:]: call for name, call in found.items()}
    if "withAutomaticReconnect" not in found:
        return find_table(value, SIGNALR.signs)
    said = {}
    for key in SIGNALR.signs & found.keys():
        arguments = found[key].arguments
        said[key] = arguments[0] if arguments else True
    return said


SIGNALR = OptionKind(
    "signalr",
    keys_in("withAutomaticReconnect withServerTimeout withKeepAliveInterval "
          "serverTimeoutInMilliseconds keepAliveIntervalInMilliseconds"),
    _signalr,
    because(TRANSPORT, "transport skipNegotiation timeout")
    | because(CREDENTIALS, "accessTokenFactory headers withCredentials")
    | because(PLATFORM, "logger logMessageContent httpClient WebSocket EventSource"),
    find=_signalr_options,
)  # fmt: skip
