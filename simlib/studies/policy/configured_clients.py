"""Export to clients that are configured by lists or tables: what is written is read again.

What a text gives is what the importer of its client makes of it: a client's form stands once.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Growth, Jitter
from simlib.core.backoff_words import NO_CAP_S
from simlib.core.settings import Settings
from simlib.metrics.policy_waits import waits_s
from simlib.studies.policy.exponential import shape
from simlib.studies.policy.imports.policy_from import policy_from

#: The longest list of waits that is written for a client.
_MOST_WAITS = 20
_MAX_INT = 2_147_483_647


def _read_again(text: str, kind: str) -> tuple[str, Settings]:
    return text, policy_from(text, kind).client


def _middle_waits(rules: Backoff, count: int) -> list[int]:
    """Return the middles of a policy's waits in ms, by attempt; equal ones at the end are one."""
    rows = waits_s(replace(rules, max_attempts=inf), count)
    waits = [round(500.0 * (low + high)) for low, high in zip(rows[0], rows[-1], strict=True)]
    while len(waits) > 1 and waits[-1] == waits[-2]:
        waits.pop()
    return waits


def phoenix(client: Settings) -> tuple[str, Settings]:
    """Return the options of a Phoenix socket, and what they give: waits without jitter."""
    *steps, last = _middle_waits(client.backoff, _MOST_WAITS)
    lines = [f"  reconnectAfterMs: (tries) => [{_join_waits(steps)}][tries - 1] ?? {last},"]
    if client.heartbeat.interval_s < inf:
        lines.append(f"  heartbeatIntervalMs: {1000.0 * client.heartbeat.interval_s:.0f},")
    return _read_again("\n".join(["const options = {", *lines, "};"]), "phoenix")


def signalr(client: Settings) -> tuple[str, Settings]:
    """Return the list of waits of a SignalR connection, and what it gives: as many attempts."""
    count = int(min(client.backoff.max_attempts, _MOST_WAITS))
    if count == 0:
        return _read_again("withAutomaticReconnect([])", "signalr")
    waits = _middle_waits(client.backoff, count)
    waits += [waits[-1]] * (count - len(waits))
    return _read_again(f"withAutomaticReconnect([{_join_waits(waits)}])", "signalr")


def _join_waits(waits: list[int]) -> str:
    return ", ".join(map(str, waits))


def stamina(client: Settings) -> tuple[str, Settings]:
    """Return the decorator of stamina, and what it gives: waits with a draw on top, then capped."""
    rules = client.backoff
    form = shape(rules)
    added_s = 2.0 * form.spread_fraction * form.base_s
    base_s, cap_s = (1.0 - form.spread_fraction) * form.base_s, form.cap_s
    if rules.jitter == Jitter.ADDITIVE and rules.add_least_s == 0.0 and not rules.step_count:
        base_s, added_s, cap_s = rules.base_s, rules.add_most_s, rules.cap_s
    attempts = "None" if rules.max_attempts == inf else f"{max(1.0, rules.max_attempts):.0f}"
    timeout = "None" if rules.give_up_after_s == inf else f"{rules.give_up_after_s:g}"
    lines = [
        "@stamina.retry(",
        f"    on=ConnectionError, attempts={attempts}, timeout={timeout},",
        f"    wait_initial={base_s:g}, wait_max={cap_s:g}, wait_jitter={added_s:g},",
        f"    wait_exp_base={form.factor:.6g},",
        ")",
        "def reconnect():",
        "    return connect()",
    ]
    return _read_again("\n".join(["import stamina", "", *lines]), "stamina")


def polly(client: Settings) -> tuple[str, Settings]:
    """Return the options of Polly's retry as JSON, and what they give."""
    rules, form = client.backoff, shape(client.backoff)
    linear = rules.growth == Growth.LINEAR and not rules.step_count
    kind = "Linear" if linear else "Constant" if form.factor == 1.0 else "Exponential"
    full = rules.jitter == Jitter.FULL
    # Of an exponential, Polly draws from 0 up to the ceiling; of the others, 25 % either way.
    base_s = (
        rules.base_s if full and kind == "Exponential" and not rules.step_count else form.base_s
    )
    cap_s = rules.cap_s if full and kind == "Exponential" else form.cap_s
    attempts = _MAX_INT if rules.max_attempts == inf else int(rules.max_attempts)
    options = {"MaxRetryAttempts": attempts, "Delay": _time_span(base_s), "BackoffType": kind}
    if kind != "Constant" and cap_s < NO_CAP_S:
        options["MaxDelay"] = _time_span(cap_s)
    options["UseJitter"] = form.spread_fraction > 0.0
    parts = {"Retry": options, "AttemptTimeout": {"Timeout": _time_span(client.connect_timeout_s)}}
    return _read_again(json.dumps(parts, indent=2), "polly")


def approximations(to: str, text: str) -> tuple[str, ...]:
    """Return where a client that reads a text is only nearly what the model says that it does."""
    if to == "polly" and '"Exponential"' in text and '"UseJitter": true' in text:
        words = "its waits depend on each other, and reach 1.1 ceilings, the first of them 1.4"
        return (f"full jitter is the nearest: {words}",)
    return ()


def _time_span(value_s: float) -> str:
    minutes, seconds = divmod(value_s, 60.0)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    return (f"{days}." if days else "") + f"{hours:02d}:{minutes:02d}:{seconds:010.7f}"


def resilience4j(client: Settings) -> tuple[str, Settings]:
    """Return the configuration of resilience4j's retry as YAML, and what it gives."""
    rules, form = client.backoff, shape(client.backoff)
    attempts = _MAX_INT if rules.max_attempts == inf else int(rules.max_attempts) + 1
    lines = [f"maxAttempts: {attempts}", f"waitDuration: {1000.0 * form.base_s:.0f}ms"]
    if form.factor > 1.0:
        lines += ["enableExponentialBackoff: true",
                  f"exponentialBackoffMultiplier: {form.factor:.6g}"]  # fmt: skip
        if form.cap_s < NO_CAP_S:
            lines.append(f"exponentialMaxWaitDuration: {1000.0 * form.cap_s:.0f}ms")
    if form.spread_fraction > 0.0:
        lines += ["enableRandomizedWait: true", f"randomizedWaitFactor: {form.spread_fraction:.6g}"]
    head = ["resilience4j:", "  retry:", "    instances:", "      reconnect:"]
    limit = [
        "  timelimiter:", "    instances:", "      reconnect:",
        f"        timeoutDuration: {1000.0 * client.connect_timeout_s:.0f}ms",
    ]  # fmt: skip
    text = "\n".join([*head, *(f"        {line}" for line in lines), *limit])
    return _read_again(text, "resilience4j")


def service_config(client: Settings) -> tuple[str, Settings]:
    """Return the service config of gRPC for calls, and what it gives: 2 to 5 attempts."""
    form, rules = shape(client.backoff), client.backoff
    attempts = int(min(5.0, max(2.0, rules.max_attempts + 1.0)))
    policy = {
        "maxAttempts": attempts,
        "initialBackoff": f"{form.base_s:.9g}s",
        "maxBackoff": f"{form.cap_s:.9g}s",
        "backoffMultiplier": round(form.factor, 6),
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    text = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]}, indent=2)
    return _read_again(text, "grpc-service-config")


def client_go(client: Settings) -> tuple[str, Settings]:
    """Return a wait.Backoff of Kubernetes' client-go, and what it gives: jitter on top."""
    form, rules = shape(client.backoff), client.backoff
    low, high = 1.0 - form.spread_fraction, 1.0 + form.spread_fraction
    jitter = high / low - 1.0 if low > 0.0 else 1e3
    steps = _MAX_INT if rules.max_attempts == inf else int(rules.max_attempts) + 1
    base_ns = 1e9 * form.base_s * max(low, 1e-3)
    fields = [f"Duration: {base_ns:.0f} * time.Nanosecond", f"Factor: {form.factor:.6g}"]
    fields += [f"Jitter: {jitter:.6g}", f"Steps: {steps}"]
    lines = ["backoff := wait.Backoff{", *(f"\t{each}," for each in fields), "}"]
    return _read_again("\n".join(lines), "client-go-backoff")
