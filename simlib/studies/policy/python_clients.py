"""Export to Python clients: their options or code for a policy."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter, JitterPlace
from simlib.core.backoff_words import NO_CAP_S
from simlib.core.settings import Settings
from simlib.core.stops import STATUSES, Stops, as_codes, codes_in
from simlib.studies.policy.exponential import NO_STOPS, shape
from simlib.studies.policy.python_waits import (
    import_lines,
    python_wait_after_loss,
    python_waits,
)


def grpc(client: Settings) -> tuple[str, Settings]:
    """Return the channel options of gRPC, and what they give."""
    form = shape(client.backoff)
    base_s = max(form.base_s, 0.1)  # less is not taken
    beat = client.heartbeat
    pairs = [
        ("initial_reconnect_backoff_ms", base_s),
        ("max_reconnect_backoff_ms", max(form.cap_s, base_s)),
        ("min_reconnect_backoff_ms", client.connect_timeout_s),
    ]
    if beat.interval_s < inf:
        pairs += [("keepalive_time_ms", beat.interval_s), ("keepalive_timeout_ms", beat.timeout_s)]
    lines = [f'    ("grpc.{name}", {1000.0 * value_s:.0f}),' for name, value_s in pairs]
    rules = Backoff(
        jitter=Jitter.PROPORTIONAL,
        spread_fraction=0.2,
        jitter_place=JitterPlace.AFTER_CAP,
        first_s=base_s,
        base_s=base_s,
        factor=1.6,
        cap_s=max(form.cap_s, base_s),
        counted_from=CountedFrom.START,
        heeds_hint=False,
    )
    head = "options = [  # grpc.insecure_channel(target, options=options)"
    return "\n".join([head, *lines, "]"]), Settings(
        backoff=rules,
        connect_timeout_s=client.connect_timeout_s,
        heartbeat=beat,
        outbox=client.outbox,
        stops=NO_STOPS,
    )


def websockets_python(client: Settings) -> tuple[str, Settings]:
    """Return code for the package websockets, and what it gives."""
    rules, beat = client.backoff, client.heartbeat
    interval = "None" if beat.interval_s == inf else f"{beat.interval_s:g}"
    if rules.max_attempts == 0:
        opening = f"async with connect(uri, open_timeout={client.connect_timeout_s:g}) as websocket"
        return f"{opening}:\n    ...  # your application; nothing reconnects", _settings_of_python(
            client
        )
    timed = rules.stable_after_s > 0.0
    statuses, closes = _codes_that_stop(client.stops)
    asks = statuses != _WEBSOCKETS_OWN
    body = [
        "going = waits()",
        "async for websocket in connect(",
        f"    uri, open_timeout={client.connect_timeout_s:g}, reconnect_delays=lambda: going,",
        f"    ping_interval={interval}, ping_timeout={beat.timeout_s:g},",
        *(["    process_exception=stopped_by,"] if asks else []),
        "):",
        *(["    opened = time.monotonic()"] if timed else []),
        *(_CATCHES if closes else _SUPPRESSES),
        "    # websockets itself attempts at once after a loss",
        *(f"    {line}" for line in _after_a_loss(rules)),
    ]
    lines = [
        "import asyncio",
        *import_lines(rules),
        *(["import time"] if timed else []),
        *([] if closes else ["from contextlib import suppress"]),
        "",
        f"from websockets import ConnectionClosed, {'InvalidStatus, ' if asks else ''}connect",
        *(["from websockets.asyncio.client import process_exception"] if asks else []),
        "",
        python_waits(rules),
        "",
        *([_ranges("STATUSES", statuses), *_STOPPED_BY] if asks else []),
        *([_ranges("CLOSE_CODES", closes), ""] if closes else []),
        "async def stay_connected(uri):",
        *(f"    {line}" for line in body),
    ]
    return "\n".join(lines), _settings_of_python(client)


#: Statuses after which websockets itself attempts no more.
_WEBSOCKETS_OWN = frozenset(range(STATUSES[0], STATUSES[1] + 1)) - {500, 502, 503, 504}
_STOPPED_BY = (
    "",
    "def stopped_by(error):",
    "    if not isinstance(error, InvalidStatus):",
    "        return process_exception(error)",
    "    # Raised to whoever called, who may sign in and call again; None: it attempts again.",
    "    status = error.response.status_code",
    "    return error if any(a <= status <= b for a, b in STATUSES) else None",
    "",
)
_SUPPRESSES = (
    "    with suppress(ConnectionClosed):",
    "        ...  # your application",
)
_CATCHES = (
    "    try:",
    "        ...  # your application",
    "    except ConnectionClosed as closed:",
    "        code = closed.rcvd.code if closed.rcvd else 0",
    "        if any(a <= code <= b for a, b in CLOSE_CODES):",
    "            raise  # for your application: end, or sign in and call again",
)


def _codes_that_stop(stops: Stops) -> tuple[frozenset[int], frozenset[int]]:
    """Return the statuses and the close codes after which a client attempts no more."""
    codes = frozenset(codes_in(stops.ends_on)) | frozenset(codes_in(stops.suspends_on))
    return frozenset(code for code in codes if code <= STATUSES[1]), frozenset(
        code for code in codes if code > STATUSES[1]
    )


def _ranges(name: str, codes: frozenset[int]) -> str:
    """Return codes as a Python list of pairs of first and last."""
    said = [str(code).partition("-") for code in as_codes(codes)]
    pairs = ", ".join(f"({first}, {last or first})" for first, _, last in said)
    return f"{name} = [{pairs}]  # first and last"


def _after_a_loss(rules: Backoff) -> list[str]:
    """Return what begins the count again, and the wait after a loss."""
    own = rules.after_loss_s < inf
    lost = f"await asyncio.sleep({_lost_for(rules)})" if own else ""
    onward = "await asyncio.sleep(next(going))"
    if rules.stable_after_s == 0.0:
        return ["going = waits()", lost or onward]
    stable = [f"if time.monotonic() - opened >= {rules.stable_after_s:g}:", "    going = waits()"]
    return [*stable, f"    {lost}", "else:", f"    {onward}"] if own else [*stable, onward]


def _lost_for(rules: Backoff) -> str:
    """Return the wait after a loss as Python."""
    if rules.after_loss_jitter == Jitter.NONE:
        return f"{rules.after_loss_s:g}"
    return python_wait_after_loss(rules)


def _settings_of_python(client: Settings) -> Settings:
    """Return the settings of a client whose waits are written out in Python."""
    return Settings(
        backoff=replace(
            client.backoff,
            heeds_hint=False,
            counted_from=CountedFrom.FAILURE,
            give_up_after_s=inf,
        ),
        connect_timeout_s=client.connect_timeout_s,
        heartbeat=client.heartbeat,
        outbox=client.outbox,
        stops=client.stops,
    )


def tenacity(client: Settings) -> tuple[str, Settings]:
    """Return code for the package tenacity, and what it gives."""
    rules = client.backoff
    given = replace(
        rules,
        heeds_hint=False,
        stable_after_s=0.0,
        after_loss_s=0.0,
        after_loss_jitter=Jitter.NONE,
        counted_from=CountedFrom.FAILURE,
    )
    gives = Settings(
        backoff=given,
        connect_timeout_s=client.connect_timeout_s,
        outbox=client.outbox,
        stops=NO_STOPS,
    )
    stops = [f"stop_after_attempt({rules.max_attempts:.0f})"] * (rules.max_attempts < inf)
    # As here, it stops before the attempt that would come later than that.
    stops += [f"stop_before_delay({rules.give_up_after_s:g})"] * (rules.give_up_after_s < inf)
    stop = f", stop={' | '.join(stops)}" if stops else ""
    names = ["Retrying", *(each.partition("(")[0] for each in stops)]
    stock = _stock(rules)
    if rules.max_attempts == 0:
        return "connect()  # once: nothing reconnects", gives
    if stock:
        names += [part.partition("(")[0] for part in stock.split(" + ")]
        head = [f"from tenacity import {', '.join(dict.fromkeys(names))}", ""]
        return "\n".join([*head, f"Retrying(wait={stock}{stop})(connect)"]), gives
    endless = replace(rules, max_attempts=inf)
    lines = [
        *import_lines(endless),
        "",
        f"from tenacity import {', '.join(names)}",
        "",
        *python_waits(endless).splitlines(),
        "",
        "def reconnect():",
        "    going = waits()",
        f"    return Retrying(wait=lambda _: next(going){stop})(connect)",
    ]
    return "\n".join(lines).lstrip(), gives


def _stock(rules: Backoff) -> str:
    """Return tenacity's own strategies that wait like a policy; nothing if there are none."""
    own = rules.first_s < inf or rules.step_count > 0 or rules.compounding or rules.drawn_once
    if own or rules.growth != Growth.EXPONENTIAL or rules.floor_s > 0.0:
        return ""

    def strategy(name: str, share: float = 1.0) -> str:
        base_s, cap_s = share * rules.base_s, share * rules.cap_s
        cap = "" if rules.cap_s >= NO_CAP_S else f", max={cap_s:g}"
        return f"{name}(multiplier={base_s:g}{cap}, exp_base={rules.factor:g})"

    capped = rules.jitter_place != JitterPlace.BEFORE_CAP
    if rules.jitter == Jitter.NONE:
        return strategy("wait_exponential")
    if rules.jitter == Jitter.FULL and capped:
        return strategy("wait_random_exponential")
    if rules.jitter == Jitter.EQUAL and capped:
        return " + ".join(
            [strategy("wait_exponential", 0.5), strategy("wait_random_exponential", 0.5)]
        )
    after = rules.jitter_place == JitterPlace.AFTER_CAP
    if rules.jitter == Jitter.ADDITIVE and after and rules.add_least_s >= 0.0:
        added = f"wait_random({rules.add_least_s:g}, {rules.add_most_s:g})"
        return f"{strategy('wait_exponential')} + {added}"
    return ""
