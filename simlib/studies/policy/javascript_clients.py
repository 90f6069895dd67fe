"""Export to JavaScript clients: their options for a policy."""

from __future__ import annotations

from math import inf

from simlib.core.heartbeat import HeartbeatRules
from simlib.core.outbox import OutboxLimits
from simlib.core.settings import Settings
from simlib.studies.policy.exponential import NO_STOPS, shape


def reconnecting_websocket(client: Settings) -> tuple[str, Settings]:
    """Return the options of reconnecting-websocket and partysocket, and what they give."""
    form = shape(client.backoff)
    low_s = max(0.1, 1.0 - form.spread_fraction) * form.base_s
    high_s = max(low_s, (1.0 + form.spread_fraction) * form.base_s)
    if high_s > low_s:
        base = f"{_milli(low_s)} + Math.random() * {_milli(high_s - low_s)},  // drawn once"
        middle_s = (low_s + high_s) / 2.0
        form = form._replace(
            base_s=min(middle_s, form.cap_s), spread_fraction=(high_s - low_s) / 2.0 / middle_s
        )
    else:
        base = f"{_milli(low_s)},"
    rules = form.rules(
        drawn_once=high_s > low_s,
        max_attempts=client.backoff.max_attempts,
        stable_after_s=client.backoff.stable_after_s,
    )
    text = _options(
        ("minReconnectionDelay", base),
        ("maxReconnectionDelay", f"{_milli(form.cap_s)},"),
        ("reconnectionDelayGrowFactor", f"{form.factor:.6g},"),
        ("minUptime", f"{_milli(rules.stable_after_s)},"),
        ("connectionTimeout", f"{_milli(client.connect_timeout_s)},"),
        ("maxRetries", f"{_js(rules.max_attempts)},"),
        ("maxEnqueuedMessages", f"{_js(client.outbox.capacity)},"),
    )
    return text, Settings(
        backoff=rules,
        connect_timeout_s=client.connect_timeout_s,
        outbox=OutboxLimits(capacity=client.outbox.capacity),
        stops=NO_STOPS,
    )


def socket_io(client: Settings) -> tuple[str, Settings]:
    """Return the options of socket.io-client, and what they give."""
    rules = client.backoff
    form = shape(rules)._replace(factor=2.0)
    given = form.rules(max_attempts=rules.max_attempts)
    text = _options(
        ("reconnectionDelay", f"{_milli(form.base_s)},"),
        ("reconnectionDelayMax", f"{_milli(form.cap_s)},"),
        ("randomizationFactor", f"{form.spread_fraction:.6g},"),
        ("reconnectionAttempts", f"{_js(rules.max_attempts)},"),
        ("timeout", f"{_milli(client.connect_timeout_s)},"),
    )
    if rules.max_attempts == 0:
        # Of attempts, 0 would mean no limit.
        text = _options(("reconnection", "false,"))
    return text, Settings(
        backoff=given,
        connect_timeout_s=client.connect_timeout_s,
        heartbeat=HeartbeatRules(interval_s=25.0, timeout_s=20.0),
        outbox=OutboxLimits(capacity=inf),
        stops=NO_STOPS,
    )


def _options(*pairs: tuple[str, str]) -> str:
    return "\n".join(["const options = {", *(f"  {name}: {value}" for name, value in pairs), "};"])


def _milli(value_s: float) -> str:
    return f"{1000.0 * value_s:.0f}"


def _js(count: float) -> str:
    return "Infinity" if count == inf else f"{count:.0f}"
