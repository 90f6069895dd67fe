"""Import the options of WebSocket clients that count and grow their waits."""

from __future__ import annotations

from math import inf
from typing import Any

from simlib.studies.policy.imports.kind import (
    OptionKind,
    Tables,
    because,
    ceilings,
    keys_in,
    start_from,
)
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.reasons import (
    ADDRESS,
    BY_DEFAULT,
    CALLBACK,
    CREDENTIALS,
    FORMAT,
    PLATFORM,
    STARTING,
    SUBSCRIPTION,
    TRANSPORT,
)
from simlib.studies.policy.imports.values import CodeText, Drawn

# --- socket.io-client --------------------------------------------------------------------


def _socket_io(options: Options) -> Tables:
    table = start_from("socket.io-client")
    backoff = table["backoff"]
    # As the client itself does, 0 is taken for the default.
    base_s = options.milliseconds("reconnectionDelay", 1.0) or 1.0
    cap_s = options.milliseconds("reconnectionDelayMax", 5.0) or 5.0
    backoff |= ceilings(options, base_s, cap_s)
    spread = options.number("randomizationFactor", 0.5)
    if 0.0 < spread <= 1.0:
        backoff["spread_fraction"] = spread
    else:
        if spread > 1.0:
            options.note(f"randomizationFactor = {spread:g}: above 1 the client draws no jitter")
        backoff["jitter"] = "none"
    backoff["max_attempts"] = options.count("reconnectionAttempts", inf) or inf
    if not options.flag("reconnection", True):
        backoff["max_attempts"] = 0
    table["connect_timeout_s"] = _timeout(options, "timeout", 20.0)
    _resends(options, table)
    if backoff.get("jitter") != "none":
        options.note(
            "the sign of its jitter is the parity of the draw's first decimal; here it is even on "
            "both sides"
        )
    return table


def _timeout(options: Options, key: str, default_s: float) -> float:
    """Return a connect timeout; false, 0 and Infinity stand for none, which is the platform's."""
    if options.given.get(key) is False:
        options.take(key)
        return _PLATFORM_TIMEOUT_S
    timeout_s = options.milliseconds(key, default_s)
    return timeout_s if 0.0 < timeout_s < inf else _PLATFORM_TIMEOUT_S


#: What stands for the timeout of a platform, as in the presets.
_PLATFORM_TIMEOUT_S = 120.0


def _resends(options: Options, table: Tables) -> None:
    if "retries" in options or "ackTimeout" in options:
        resends = options.count("retries", 0.0)
        timeout_s = options.milliseconds("ackTimeout", inf) or inf
        table["outbox"] |= {"max_resends": resends, "ack_timeout_s": timeout_s}


SOCKET_IO = OptionKind(
    "socket.io-client",
    keys_in("reconnection reconnectionDelay reconnectionDelayMax randomizationFactor "
          "reconnectionAttempts"),
    _socket_io,
    because(ADDRESS, "path host hostname port secure query addTrailingSlash protocols")
    | because(CREDENTIALS, "auth extraHeaders withCredentials pfx key passphrase cert ca ciphers "
              "rejectUnauthorized agent")
    | because(TRANSPORT, "transports transportImplementations tryAllTransports transportOptions "
              "upgrade rememberUpgrade requestTimeout forceBase64 timestampParam "
              "timestampRequests perMessageDeflate")
    | because(FORMAT, "parser")
    | because(STARTING, "autoConnect")
    | because(PLATFORM, "useNativeTimers autoUnref closeOnBeforeunload localAddress forceNode")
    | because("says which namespaces share a connection", "forceNew multiplex"),
    keys=keys_in("timeout retries ackTimeout"),
)  # fmt: skip


# --- reconnecting-websocket and partysocket ----------------------------------------------


def _reconnecting(preset: str, least_s: float, most_s: float) -> Any:
    """Return the reader of a client whose first wait is by default drawn between two times."""

    def read(options: Options) -> Tables:
        table = start_from(preset)
        low_s, high_s = _first_wait(options, least_s, most_s)
        middle_s = (low_s + high_s) / 2.0
        cap_s = options.milliseconds("maxReconnectionDelay", 10.0)
        factor = options.number("reconnectionDelayGrowFactor", 1.3)
        backoff = table["backoff"] | ceilings(options, middle_s, cap_s, factor)
        if high_s > low_s:
            spread = (high_s - low_s) / 2.0 / middle_s
            backoff |= {"jitter": "proportional", "jitter_place": "before_cap"}
            backoff |= {"spread_fraction": spread, "drawn_once": True}
            options.note("its jitter is drawn once, for all connections of a page")
        else:
            for key in ("spread_fraction", "jitter_place", "drawn_once"):
                backoff.pop(key, None)
            backoff["jitter"] = "none"
        backoff["max_attempts"] = options.count("maxRetries", inf)
        backoff["stable_after_s"] = options.milliseconds("minUptime", 5.0)
        table["backoff"] = backoff
        table["connect_timeout_s"] = _timeout(options, "connectionTimeout", 4.0)
        capacity = options.count("maxEnqueuedMessages", inf)
        if capacity == 0:
            options.note("maxEnqueuedMessages = 0: here one message is kept, the least there is")
        table["outbox"] = {"capacity": max(1.0, capacity)}
        return table

    return read


def _first_wait(options: Options, least_s: float, most_s: float) -> tuple[float, float]:
    key = "minReconnectionDelay"
    value = options.given.get(key)
    if isinstance(value, Drawn):
        options.take(key)
        if not 0.0 <= value.least <= value.most < inf:
            raise options.error(key, value, "must be a number of milliseconds, 0 or more")
        options.check_unit(key, value.most, 0.001)
        return value.least / 1000.0, value.most / 1000.0
    if value is None or isinstance(value, CodeText):
        options.milliseconds(key, least_s)
        return least_s, most_s
    given_s = options.milliseconds(key, least_s)
    return given_s, given_s


_RECONNECTING_SIGNS = keys_in(
    "minReconnectionDelay maxReconnectionDelay reconnectionDelayGrowFactor minUptime maxRetries "
    "connectionTimeout maxEnqueuedMessages"
)
_RECONNECTING_UNSAYABLE = (
    because(STARTING, "startClosed")
    | because(PLATFORM, "WebSocket debug debugLogger")
)  # fmt: skip
RECONNECTING_WEBSOCKET = OptionKind(
    "reconnecting-websocket",
    _RECONNECTING_SIGNS,
    _reconnecting("reconnecting-websocket", 1.0, 5.0),
    _RECONNECTING_UNSAYABLE,
)
PARTYSOCKET = OptionKind(
    "partysocket",
    _RECONNECTING_SIGNS | {"room", "party"},
    _reconnecting("partysocket", 3.0, 3.0),
    _RECONNECTING_UNSAYABLE
    | because(ADDRESS, "host room party basePath path prefix protocol protocols id query")
    | because(CREDENTIALS, "headers")
    | because(STARTING, "enabled shouldReconnectOnClose disableNameValidation"),
)


# --- graphql-ws --------------------------------------------------------------------------


def _graphql_ws(options: Options) -> Tables:
    table = start_from("graphql-ws")
    table["backoff"]["max_attempts"] = options.count("retryAttempts", 5.0)
    wait = options.take("retryWait")
    if wait is not None:
        options.lack(f"retryWait = {wait!r}: {BY_DEFAULT}")
    interval_s = options.milliseconds("keepAlive", 0.0)
    if 0.0 < interval_s < inf:
        table["heartbeat"] = {"interval_s": interval_s, "timeout_s": interval_s}
        options.note(
            f"keepAlive: it pings, but ends a connection only where the application does; here a "
            f"ping that is unanswered for {interval_s:g} s ends it"
        )
    timeout_s = options.milliseconds("connectionAckWaitTimeout", 0.0)
    if 0.0 < timeout_s < inf:
        table["connect_timeout_s"] = timeout_s
        options.note("connectionAckWaitTimeout: counts from the open socket; here from the attempt")
    return table


GRAPHQL_WS = OptionKind(
    "graphql-ws",
    keys_in("retryAttempts retryWait connectionAckWaitTimeout shouldRetry isFatalConnectionProblem "
          "connectionParams lazyCloseTimeout"),
    _graphql_ws,
    because(ADDRESS, "url")
    | because(CREDENTIALS, "connectionParams")
    | because(SUBSCRIPTION, "lazy lazyCloseTimeout onNonLazyError generateID")
    | because(CALLBACK, "shouldRetry isFatalConnectionProblem on")
    | because(PLATFORM, "webSocketImpl")
    | because(FORMAT, "jsonMessageReplacer jsonMessageReviver disablePong"),
    keys=keys_in("keepAlive"),
)  # fmt: skip
