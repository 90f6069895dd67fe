"""Import the retry policies of gRPC, and the arguments of its channels."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, inf
from typing import Any

from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    attempts_after,
    because,
    ceilings,
    find_table,
    keys_in,
    start_from,
    tables,
)
from simlib.studies.policy.imports.options import Options

_STATUS = "is about statuses of calls; in the model a connection fails or opens"
_HOSTS = "is about the choice of a host, and the model's client has one address"
_CALL = "is about single calls"
#: gRPC's clients take no more attempts than these, whatever the configuration says.
_MOST_GRPC_ATTEMPTS = 5
#: The largest int, in milliseconds, is how gRPC says never: nobody means a longer one.
_NEVER_S = 2_000_000.0


# --- gRPC: the service config ------------------------------------------------------------


def _service_policy(options: Options) -> Tables:
    table = start_from("grpc-spec")
    repeated = options.part("retryPolicy", options.take("retryPolicy", {}))
    base_s = _needed_duration(repeated, "initialBackoff")
    cap_s = _needed_duration(repeated, "maxBackoff")
    factor = repeated.number("backoffMultiplier", 2.0)
    attempts = attempts_after(repeated, "maxAttempts", 5.0)
    if attempts > _MOST_GRPC_ATTEMPTS - 1:
        options.note("maxAttempts: gRPC's clients take 5 for any number above it")
        attempts = _MOST_GRPC_ATTEMPTS - 1.0
    if attempts == 0.0:
        raise repeated.error("maxAttempts", repeated.given["maxAttempts"], "must be 2 or more")
    table["backoff"] = {
        "jitter": "proportional",
        "spread_fraction": 0.2,
        "jitter_place": "after_cap",
        "max_attempts": attempts,
        "heeds_hint": False,
    } | ceilings(options, base_s, cap_s, factor)
    options.note(
        "a call is attempted again after its failure; here the loss of the connection is the first "
        "failure. Jitter is 20 % either way, as in gRFC A6; older clients draw from 0 up"
    )
    repeated.finish(
        because(_STATUS, "retryableStatusCodes") | because(_CALL, "perAttemptRecvTimeout")
    )
    if "retryThrottling" in options:
        table["attempt_budget"] = _throttling(options.inside("retryThrottling"))
    if "timeout" in options:
        table["connect_timeout_s"] = options.duration("timeout", 120.0) or 120.0
        options.note("timeout: is that of the whole call; here it is that of each attempt")
    return table


def _needed_duration(options: Options, key: str) -> float:
    if key not in options:
        rule = "is missing: a retryPolicy must say how long its first and its longest wait are"
        raise options.error(key, None, rule)
    value_s = options.duration(key, 1.0)
    if value_s <= 0.0:
        raise options.error(key, options.given[key], "must be above 0")
    return value_s


def _throttling(options: Options) -> Tables:
    """Return the budget of attempts: they end when half of the tokens are gone."""
    tokens = options.number("maxTokens", 10.0, low=1.0, high=1000.0)
    ratio = options.number("tokenRatio", 0.1)
    options.finish({})
    options.note("retryThrottling: its tokens are those of all calls of a channel")
    return {
        "per_s": 0.0,
        "burst": max(1, ceil(tokens / 2.0) - 1),
        "success_fraction": min(1.0, ratio),
    }


def _service_config(value: Any) -> Mapping[str, Any] | None:
    """Return the part of a service config that says how calls are attempted again."""
    method = find_table(value, frozenset({"retryPolicy"}))
    if method is None:
        if (bare := find_table(value, keys_in("initialBackoff maxBackoff"))) is not None:
            return {"retryPolicy": bare}
        return find_table(value, frozenset({"hedgingPolicy"}))
    whole = find_table(value, frozenset({"retryThrottling"})) or {}
    policy = method["retryPolicy"]
    said = dict(method) | {"retryPolicy": policy if isinstance(policy, Mapping) else {}}
    return said | {"retryThrottling": whole["retryThrottling"]} if whole else said


GRPC_RETRY = OptionKind(
    "grpc-service-config",
    frozenset({"retryPolicy", "hedgingPolicy"}),
    _service_policy,
    because(_CALL, "name waitForReady maxRequestMessageBytes maxResponseMessageBytes methodConfig")
    | because("sends copies of a call at once; the model makes one attempt at a time",
              "hedgingPolicy")
    | because(_HOSTS, "loadBalancingConfig loadBalancingPolicy healthCheckConfig"),
    find=_service_config,
    keys=keys_in("retryThrottling timeout"),
)  # fmt: skip


# --- gRPC: the arguments of a channel ----------------------------------------------------

_ARGUMENTS = keys_in(
    "initial_reconnect_backoff_ms min_reconnect_backoff_ms max_reconnect_backoff_ms "
    "keepalive_time_ms keepalive_timeout_ms"
)


def _grpc_channel(options: Options) -> Tables:
    table = start_from("grpc-spec")
    # Less than 100 ms is not taken.
    base_s = max(0.1, options.milliseconds("grpc.initial_reconnect_backoff_ms", 1.0))
    cap_s = max(0.1, options.milliseconds("grpc.max_reconnect_backoff_ms", 120.0))
    base_s = min(base_s, cap_s)
    table["backoff"] |= {"base_s": base_s, "first_s": base_s, "cap_s": cap_s}
    timeout_s = max(0.1, options.milliseconds("grpc.min_reconnect_backoff_ms", 20.0))
    table["connect_timeout_s"] = timeout_s
    interval_s = options.milliseconds("grpc.keepalive_time_ms", inf)
    if interval_s < _NEVER_S:
        answer_s = options.milliseconds("grpc.keepalive_timeout_ms", 20.0)
        table["heartbeat"] = {
            "interval_s": max(0.001, interval_s),
            "timeout_s": max(0.001, answer_s),
        }
    return table


def _channel_arguments(value: Any) -> Mapping[str, Any] | None:
    """Return the arguments of a channel, from a table or from a list of pairs."""
    if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        value = {str(pair[0]): pair[1] for pair in value}
    return next(
        (each for each in tables(value) if any(key.startswith("grpc.") for key in each)), None
    )


GRPC_CHANNEL = OptionKind(
    "grpc-channel",
    frozenset(f"grpc.{name}" for name in _ARGUMENTS),
    _grpc_channel,
    because(_CALL, "grpc.max_send_message_length grpc.max_receive_message_length "
            "grpc.enable_retries grpc.per_rpc_retry_buffer_size")
    | because("is read as the kind grpc-service-config: import its text", "grpc.service_config")
    | because(_HOSTS, "grpc.lb_policy_name grpc.dns_min_time_between_resolutions_ms "
              "grpc.default_authority grpc.ssl_target_name_override")
    | because("says when pings are allowed; the model pings whenever it is due",
              "grpc.keepalive_permit_without_calls grpc.http2.max_pings_without_data "
              "grpc.http2.min_time_between_pings_ms grpc.http2.min_ping_interval_without_data_ms "
              "grpc.max_connection_idle_ms grpc.client_idle_timeout_ms"),
    find=_channel_arguments,
)  # fmt: skip
