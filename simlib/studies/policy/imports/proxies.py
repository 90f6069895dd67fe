"""Import the retry and outlier policies of Envoy and Istio."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    because,
    ceilings,
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


def _envoy(options: Options) -> Tables:
    table = start_from("envoy")
    if "retry_policy" in options:
        _envoy_attempts(options.inside("retry_policy"), table)
    if "outlier_detection" in options:
        outlier = options.inside("outlier_detection")
        table["breaker"] = _ejection(outlier, "consecutive_5xx", "base_ejection_time",
                                     "max_ejection_time")  # fmt: skip
        outlier.finish(_ENVOY_OUTLIER_REST)
    if "retry_budget" in options:
        budget = options.inside("retry_budget")
        budget.lack("retry_budget: is a share of the requests under way, and the model's clients "
                    "have one attempt each")  # fmt: skip
        budget.take("budget_percent")
        budget.take("min_retry_concurrency")
        budget.finish({})
    return table


def _envoy_attempts(repeated: Options, table: Tables) -> None:
    backoff = table["backoff"]
    backoff["max_attempts"] = repeated.count("num_retries", 1.0)
    if "retry_back_off" in repeated:
        waits = repeated.inside("retry_back_off")
        base_s = waits.duration("base_interval", 0.025)
        if base_s <= 0.0:
            raise waits.error("base_interval", waits.given.get("base_interval"), "must be above 0")
        cap_s = waits.duration("max_interval", 10.0 * base_s)
        backoff |= ceilings(waits, base_s, cap_s)
        waits.finish({})
    if "per_try_timeout" in repeated:
        table["connect_timeout_s"] = repeated.duration("per_try_timeout", 120.0) or 120.0
    repeated.note(
        "a request is attempted again after its failure; here the loss is the first failure"
    )
    repeated.finish(_ENVOY_RETRY_REST)


def _ejection(outlier: Options, failures: str, base: str, longest: str) -> Tables:
    """Return a breaker that does to a client what the ejection of its host does."""
    trips = outlier.count(failures, 5.0)
    base_s = outlier.duration(base, 30.0)
    if base_s <= 0.0:
        raise outlier.error(base, outlier.given.get(base), "must be above 0")
    longest_s = outlier.duration(longest, max(300.0, base_s))
    outlier.note(
        f"{failures}: a proxy counts the failures of a host over all clients, and leaves other "
        "hosts to them; here each client counts its own, and has no other host"
    )
    outlier.note(
        f"{base}: the proxy multiplies it by the number of ejections; here it stays the same, "
        f"{min(base_s, longest_s):g} s"
    )
    return {"trip_after": trips or inf, "open_s": min(base_s, max(longest_s, 0.001))}


_ENVOY_RETRY_REST = (
    because(_STATUS, "retry_on retriable_status_codes retriable_headers retriable_request_headers")
    | because(_HOSTS, "retry_priority retry_host_predicate host_selection_retry_max_attempts "
              "retry_options_predicates")
    | because("is about the server's hint, which the model gives by the scenario",
              "rate_limited_retry_back_off")
    | because(_CALL, "per_try_idle_timeout hedge_policy")
)  # fmt: skip
_ENVOY_OUTLIER_REST = (
    because("is about the share of hosts that may be ejected",
            "max_ejection_percent always_eject_one_host")
    | because("says how often the proxy looks; the model acts at once", "interval "
              "max_ejection_time_jitter")
    | because("compares hosts with each other, and the model's client has one address",
              "success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor "
              "failure_percentage_threshold failure_percentage_minimum_hosts "
              "failure_percentage_request_volume enforcing_success_rate "
              "enforcing_failure_percentage enforcing_failure_percentage_local_origin "
              "enforcing_local_origin_success_rate")
    | because("is a second count of failures, and the model has one",
              "consecutive_gateway_failure consecutive_local_origin_failure "
              "split_external_local_origin_errors")
    | because("makes only a share of ejections happen", "enforcing_consecutive_5xx "
              "enforcing_consecutive_gateway_failure enforcing_consecutive_local_origin_failure")
)  # fmt: skip


def _parts(value: Any, names: Mapping[str, frozenset[str]]) -> Mapping[str, Any] | None:
    """Return the parts of a document that have these names, or are recognised by these keys."""
    found: dict[str, Any] = {}
    for table in tables(value):
        for name, signs in names.items():
            if name in table and isinstance(table[name], Mapping):
                found.setdefault(name, {str(k): v for k, v in table[name].items()})
            elif signs & table.keys() and name not in found:
                found[name] = table
    return found or None


ENVOY = OptionKind(
    "envoy",
    keys_in("retry_policy outlier_detection retry_budget"),
    _envoy,
    find=lambda value: _parts(
        value,
        {
            "retry_policy": keys_in("num_retries retry_back_off"),
            "outlier_detection": keys_in("consecutive_5xx base_ejection_time"),
            "retry_budget": keys_in("budget_percent min_retry_concurrency"),
        },
    ),
)


def _istio(options: Options) -> Tables:
    table = start_from("istio")
    if "retries" in options:
        repeated = options.inside("retries")
        table["backoff"]["max_attempts"] = repeated.count("attempts", 2.0)
        if "backoff" in repeated:
            base_s = repeated.duration("backoff", 0.025)
            if base_s <= 0.0:
                raise repeated.error("backoff", repeated.given["backoff"], "must be above 0")
            table["backoff"] |= ceilings(repeated, base_s, 10.0 * base_s)
        if "perTryTimeout" in repeated:
            table["connect_timeout_s"] = repeated.duration("perTryTimeout", 120.0) or 120.0
        options.note("a request is attempted again after its failure; here the loss is the first "
                     "failure")  # fmt: skip
        if "retryOn" in repeated:
            table["stops"] = {"suspends_on": []}
        hosts = because(_HOSTS, "retryRemoteLocalities retryIgnorePreviousHosts")
        repeated.finish(because(_STATUS, "retryOn") | hosts)
    if "outlierDetection" in options:
        outlier = options.inside("outlierDetection")
        old = "consecutiveErrors" in outlier
        failures = "consecutiveErrors" if old else "consecutive5xxErrors"
        table["breaker"] = _ejection(outlier, failures, "baseEjectionTime", "maxEjectionTime")
        outlier.finish(_ISTIO_OUTLIER_REST)
    return table


_ISTIO_OUTLIER_REST = (
    because("is about the share of hosts that may be ejected",
            "maxEjectionPercent minHealthPercent")
    | because("says how often the proxy looks; the model acts at once", "interval")
    | because("is a second count of failures, and the model has one",
              "consecutiveGatewayErrors consecutiveLocalOriginFailures "
              "splitExternalLocalOriginErrors")
)  # fmt: skip
ISTIO = OptionKind(
    "istio",
    keys_in("retries outlierDetection"),
    _istio,
    find=lambda value: _parts(
        value,
        {
            "retries": keys_in("perTryTimeout retryOn retryRemoteLocalities"),
            "outlierDetection": keys_in("consecutive5xxErrors baseEjectionTime consecutiveErrors"),
        },
    ),
)
