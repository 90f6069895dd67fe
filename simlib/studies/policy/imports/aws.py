"""Import the retry modes of the AWS SDKs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simlib.core.backoff_words import NO_CAP_S
from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    attempts_after,
    because,
    calls,
    find_table,
    keys_in,
    start_from,
    tables,
)
from simlib.studies.policy.imports.library_calls import (
    CALL_NOTE,
)
from simlib.studies.policy.imports.options import Options

_MODES = ("legacy", "standard", "adaptive")


def _aws(options: Options) -> Tables:
    mode = options.word(_first(options, "retry_mode", "mode", "retryMode", "AWS_RETRY_MODE"),
                        "legacy", _MODES)  # fmt: skip
    table = start_from("botocore")
    backoff = table["backoff"]
    default = 5.0 if mode == "legacy" else 3.0
    if "total_max_attempts" in options:
        attempts = attempts_after(options, "total_max_attempts", default)
        options.take("max_attempts")
    elif "mode" in options or "retries" in options.given:
        # In botocore's Config alone, max_attempts counts the attempts after the first.
        attempts = options.count("max_attempts", default - 1.0)
        options.note("max_attempts: in botocore's Config it counts the attempts after the first")
    else:
        key = _first(options, "max_attempts", "maxAttempts", "AWS_MAX_ATTEMPTS")
        attempts = attempts_after(options, key, default)
    backoff["max_attempts"] = attempts
    if mode == "legacy":
        backoff |= {"base_s": 1.0, "cap_s": NO_CAP_S, "heeds_hint": False}
        options.note("legacy: is botocore's; other SDKs have other waits in this mode")
    if mode == "adaptive":
        options.lack("adaptive: also slows down all calls of a client after throttling, by a rate "
                     "that it learns; here it is as standard")  # fmt: skip
    if mode != "legacy":
        table["attempt_budget"] = {"per_s": 0.0, "burst": 100, "success_fraction": 0.2}
        options.note(
            "its quota of 500 tokens is that of a client's calls: 5 for each attempt after a "
            "failure, 1 back for a success; after a time-out 10 are taken, here 5"
        )
    options.note(CALL_NOTE)
    return table


def _first(options: Options, *keys: str) -> str:
    return next((key for key in keys if key in options), keys[0])


def _aws_options(value: Any) -> Mapping[str, Any] | None:
    table = find_table(value, AWS.signs | {"total_max_attempts"})
    if table is not None:
        return table
    for table in tables(value):
        if str(table.get("mode")).lower() in _MODES:
            return table
    for call in calls(value):
        given_options = call.named.get("retries")
        if call.name.rpartition(".")[2] == "Config" and isinstance(given_options, Mapping):
            return {str(key): entry for key, entry in given_options.items()}
    return None


AWS = OptionKind(
    "aws-sdk",
    keys_in("retry_mode retryMode AWS_RETRY_MODE AWS_MAX_ATTEMPTS"),
    _aws,
    because("is about credentials and regions, which the model does not have",
            "region region_name credentials output profile aws_access_key_id role_arn "
            "source_profile endpoint endpoint_url sso_session")
    | because("is about single calls", "connect_timeout read_timeout max_pool_connections")
    | because("is code of the application, which is not run", "retryStrategy requestHandler"),
    find=_aws_options,
    keys=keys_in("mode max_attempts maxAttempts total_max_attempts"),
)  # fmt: skip
