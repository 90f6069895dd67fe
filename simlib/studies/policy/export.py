"""Export: the options, or the few lines, that give a real client a policy; or the nearest it can.

An exporter writes the text and says which settings the client then has. What it cannot do is not
listed by hand: it is where those settings differ from the ones that were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from math import inf
from typing import Any, NamedTuple

import numpy as np

from simlib.core.backoff import Backoff, CountedFrom, Growth, Jitter, JitterPlace
from simlib.core.card import Card, ShowsCard, counted
from simlib.core.client import Settings
from simlib.core.errors import SettingsError
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.outbox import OutboxLimits
from simlib.core.stops import CLOSE_CODES, STATUSES, Effect, Stops, as_codes, codes_in, effect
from simlib.core.validation import nearest
from simlib.scenario.presets import NO_CAP_S, in_words
from simlib.studies.policy.benchmark import waits_s
from simlib.support.arguments import check_arguments

#: Waits in a row by which policies are compared, and how far they may differ.
_ATTEMPTS = 12
_RELATIVE, _ABSOLUTE_S = 0.01, 0.002


@dataclass(frozen=True, repr=False)
class Export(ShowsCard):
    """A policy in the words of a real client.

    Attributes
    ----------
    client : str
        The client that it is for.
    text : str
        Options, or a snippet.
    gives : Settings
        The settings that the client then has.
    lacks : tuple of str
        Where these differ from what was asked for, a sentence each.
    """

    client: str
    text: str
    gives: Settings
    lacks: tuple[str, ...]

    def card(self) -> Card:
        """Return what is shown: the text to copy, and where the client then differs."""
        text = f"<pre>{escape(self.text)}</pre>"
        exactly = "exactly" if self.exact else f"with {counted(len(self.lacks), 'difference')}"
        return Card(f"For {self.client}, {exactly}:", notes=self.lacks, picture=text)

    def __repr__(self) -> str:
        title, *lacks = self.card().text().splitlines()
        return "\n".join([title, self.text.rstrip(), *lacks])

    @property
    def exact(self) -> bool:
        """Whether the client then does all that was asked for."""
        return not self.lacks


@check_arguments
def export(client: Settings, to: str) -> Export:
    """Return the options or lines that give a real client a policy, or the nearest it can.

    Parameters
    ----------
    client : Settings
        The policy.
    to : str
        One of `CLIENTS`.

    Raises
    ------
    SettingsError
        If there is no such client to export to.

    Examples
    --------
    >>> import simlib as sl
    >>> found = export(sl.presets["socket.io-client"].client, "socket.io-client")
    >>> found.exact, found.text.splitlines()[1].strip()
    (True, 'reconnectionDelay: 1000,')
    """
    if to not in CLIENTS:
        rule = f"must be one of {', '.join(CLIENTS)}{nearest(to, list(CLIENTS))}"
        raise SettingsError("to", to, rule)
    text, gives = CLIENTS[to](client)
    return Export(to, text, gives, tuple(_lacks(client, gives)))


# --- what is lacking ---------------------------------------------------------------------


def _lacks(asked: Settings, gives: Settings) -> Iterator[str]:
    yield from _of_waits(asked.backoff, gives.backoff)
    for name in ("breaker", "fallback", "attempt_budget", "connect_budget", "heartbeat"):
        if getattr(asked, name) != getattr(gives, name):
            yield _LACKING[name]
    if asked.backoff.max_attempts > 0:
        yield from _of_stops(asked.stops, gives.stops)
    if asked.connect_timeout_s != gives.connect_timeout_s:
        yield f"an attempt times out after {gives.connect_timeout_s:g} s"
    if asked.outbox.capacity != gives.outbox.capacity:
        yield "its outbox is not bounded like that: bound it in the application"


def _of_waits(wanted: Backoff, given: Backoff) -> Iterator[str]:
    if wanted.max_attempts != given.max_attempts:
        yield f"attempts: asked for {wanted.max_attempts:g}; it makes {given.max_attempts:g}"
    if wanted.max_attempts == 0:
        return
    if not _alike(wanted, given):
        yield f"waits: asked for {_waits(wanted)}; it does {_waits(given)}"
    elif wanted.counted_from != given.counted_from:
        yield f"its waits are counted from the {given.counted_from.name.lower()} of an attempt"
    elif wanted.drawn_once != given.drawn_once:
        yield f"its jitter is drawn {'once' if given.drawn_once else 'each time'}"
    if wanted.after_loss_s != given.after_loss_s:
        soon = f"{given.after_loss_s:g} s" if given.after_loss_s < inf else "the first of its waits"
        yield f"after a loss it attempts after {soon}"
    if wanted.stable_after_s != given.stable_after_s:
        lasts = f"{given.stable_after_s:g} s, not {wanted.stable_after_s:g} s"
        yield f"its count resets when open for {lasts}"
    if wanted.heeds_hint and not given.heeds_hint:
        yield "it does not heed Retry-After"


def _of_stops(asked: Stops, gives: Stops) -> Iterator[str]:
    """Yield each effect of codes that was asked for where the client does something else."""
    every = [code for first, last in (STATUSES, CLOSE_CODES) for code in range(first, last + 1)]
    for wanted, what in _EFFECTS.items():
        for does, instead in _INSTEAD.items():
            apart = [
                code
                for code in every
                if wanted != does and (wanted, does) == (effect(asked, code), effect(gives, code))
            ]
            if apart:
                yield f"{what} {', '.join(map(str, as_codes(apart)))}; {instead}"


_EFFECTS = {
    Effect.ENDS: "asked to end on",
    Effect.SUSPENDS: "asked to rest until a sign-in on",
    Effect.GOES_ON: "asked to attempt again after",
}
_INSTEAD = {
    Effect.ENDS: "it ends for good",
    Effect.SUSPENDS: "it rests",
    Effect.GOES_ON: "it attempts again: close it in the application",
}
_LACKING = {
    "breaker": "it has no breaker",
    "fallback": "it has no such fallback to polling",
    "attempt_budget": "it has no budget of attempts after failures",
    "connect_budget": "it has no budget of attempts",
    "heartbeat": "its heartbeat is another: ping in the application, or set it on the server",
}


def _waits(rules: Backoff) -> str:
    """Return how it waits in words, without what has a sentence of its own."""
    alone = replace(rules, max_attempts=inf, stable_after_s=0.0, after_loss_s=inf)
    return in_words(replace(alone, counted_from=CountedFrom.FAILURE))


def _alike(one: Backoff, other: Backoff) -> bool:
    """Whether two policies wait alike, attempt by attempt, from the least to the longest."""
    wanted, given = (waits_s(replace(rules, max_attempts=inf), _ATTEMPTS) for rules in (one, other))
    return bool(np.allclose(wanted, given, rtol=_RELATIVE, atol=_ABSOLUTE_S))


# --- the nearest exponential -------------------------------------------------------------


class Shape(NamedTuple):
    """An exponential policy that is spread evenly around its ceilings, and then capped."""

    base_s: float
    factor: float
    cap_s: float
    spread_fraction: float

    def rules(self, **more: Any) -> Backoff:
        """Return it as a policy."""
        jitter = Jitter.PROPORTIONAL if self.spread_fraction > 0.0 else Jitter.NONE
        return Backoff(
            jitter=jitter,
            jitter_place=JitterPlace.BEFORE_CAP,
            base_s=self.base_s,
            factor=self.factor,
            cap_s=self.cap_s,
            spread_fraction=self.spread_fraction,
            heeds_hint=False,
            **more,
        )


def shape(rules: Backoff) -> Shape:
    """Return the exponential nearest to a policy, spread as its waits are at first.

    Examples
    --------
    >>> shape(Backoff())
    Shape(base_s=0.5, factor=2.0, cap_s=15.0, spread_fraction=1.0)
    """
    waits = np.maximum(waits_s(replace(rules, max_attempts=inf), 2 * _ATTEMPTS), 0.0)
    middle = (waits[0] + waits[-1]) / 2.0
    # A first wait of its own, or of none, says nothing of those that follow.
    begin = 1 if rules.first_s < inf or middle[0] == 0.0 else 0
    cap_s = max(float(middle[-1]), 0.001)
    plain = rules.step_count == 0 and rules.growth == Growth.EXPONENTIAL
    is_given = plain and rules.jitter != Jitter.DECORRELATED
    factor = rules.factor if is_given else _fitted(middle[begin:])
    spread = (waits[-1, begin] - waits[0, begin]) / 2.0 / max(middle[begin], 0.001)
    base_s = max(float(middle[begin]) / factor**begin, 0.001)
    return Shape(min(base_s, cap_s), factor, cap_s, round(min(1.0, float(spread)), 6))


def _fitted(middle: Any) -> float:
    """Return the factor by which waits grow until they are at their last."""
    first, last = max(float(middle[0]), 0.001), float(middle[-1])
    steps = int(np.argmax(middle >= 0.99 * last))
    return max(1.0, float((last / first) ** (1.0 / steps))) if steps else 1.0


#: What a client has that attempts again whatever the code.
_NONE_STOPS = Stops(suspends_on=())

# --- clients in JavaScript ---------------------------------------------------------------


def _reconnecting_websocket(client: Settings) -> tuple[str, Settings]:
    found = shape(client.backoff)
    low_s = max(0.1, 1.0 - found.spread_fraction) * found.base_s
    high_s = max(low_s, (1.0 + found.spread_fraction) * found.base_s)
    if high_s > low_s:
        base = f"{_milli(low_s)} + Math.random() * {_milli(high_s - low_s)},  // drawn once"
        middle_s = (low_s + high_s) / 2.0
        found = found._replace(
            base_s=min(middle_s, found.cap_s), spread_fraction=(high_s - low_s) / 2.0 / middle_s
        )
    else:
        base = f"{_milli(low_s)},"
    rules = found.rules(
        drawn_once=high_s > low_s,
        max_attempts=client.backoff.max_attempts,
        stable_after_s=client.backoff.stable_after_s,
    )
    text = _options(
        ("minReconnectionDelay", base),
        ("maxReconnectionDelay", f"{_milli(found.cap_s)},"),
        ("reconnectionDelayGrowFactor", f"{found.factor:.6g},"),
        ("minUptime", f"{_milli(rules.stable_after_s)},"),
        ("connectionTimeout", f"{_milli(client.connect_timeout_s)},"),
        ("maxRetries", f"{_js(rules.max_attempts)},"),
        ("maxEnqueuedMessages", f"{_js(client.outbox.capacity)},"),
    )
    return text, Settings(
        backoff=rules,
        connect_timeout_s=client.connect_timeout_s,
        outbox=OutboxLimits(capacity=client.outbox.capacity),
        stops=_NONE_STOPS,
    )


def _socket_io(client: Settings) -> tuple[str, Settings]:
    rules = client.backoff
    found = shape(rules)._replace(factor=2.0)
    given = found.rules(max_attempts=rules.max_attempts)
    text = _options(
        ("reconnectionDelay", f"{_milli(found.base_s)},"),
        ("reconnectionDelayMax", f"{_milli(found.cap_s)},"),
        ("randomizationFactor", f"{found.spread_fraction:.6g},"),
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
        stops=_NONE_STOPS,
    )


def _options(*pairs: tuple[str, str]) -> str:
    return "\n".join(["const options = {", *(f"  {name}: {value}" for name, value in pairs), "};"])


def _milli(value_s: float) -> str:
    return f"{1000.0 * value_s:.0f}"


def _js(count: float) -> str:
    return "Infinity" if count == inf else f"{count:.0f}"


# --- clients in Python -------------------------------------------------------------------


def _grpc(client: Settings) -> tuple[str, Settings]:
    found = shape(client.backoff)
    base_s = max(found.base_s, 0.1)  # less is not taken
    beat = client.heartbeat
    pairs = [
        ("initial_reconnect_backoff_ms", base_s),
        ("max_reconnect_backoff_ms", max(found.cap_s, base_s)),
        ("min_reconnect_backoff_ms", client.connect_timeout_s),
    ]
    if beat.interval_s < inf:
        pairs += [("keepalive_time_ms", beat.interval_s), ("keepalive_timeout_ms", beat.timeout_s)]
    lines = [f'    ("grpc.{name}", {_milli(value_s)}),' for name, value_s in pairs]
    rules = Backoff(
        jitter=Jitter.PROPORTIONAL,
        spread_fraction=0.2,
        jitter_place=JitterPlace.AFTER_CAP,
        first_s=base_s,
        base_s=base_s,
        factor=1.6,
        cap_s=max(found.cap_s, base_s),
        counted_from=CountedFrom.START,
        heeds_hint=False,
    )
    head = "options = [  # grpc.insecure_channel(target, options=options)"
    return "\n".join([head, *lines, "]"]), Settings(
        backoff=rules,
        connect_timeout_s=client.connect_timeout_s,
        heartbeat=beat,
        outbox=client.outbox,
        stops=_NONE_STOPS,
    )


def _websockets(client: Settings) -> tuple[str, Settings]:
    rules, beat = client.backoff, client.heartbeat
    interval = "None" if beat.interval_s == inf else f"{beat.interval_s:g}"
    if rules.max_attempts == 0:
        opening = f"async with connect(uri, open_timeout={client.connect_timeout_s:g}) as websocket"
        return f"{opening}:\n    ...  # your application; nothing reconnects", _python(client)
    timed = rules.stable_after_s > 0.0
    statuses, closes = _stopping(client.stops)
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
        *_imports(rules),
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
    return "\n".join(lines), _python(client)


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


def _stopping(stops: Stops) -> tuple[frozenset[int], frozenset[int]]:
    """Return the statuses and the close codes after which a client attempts no more."""
    codes = frozenset(codes_in(stops.ends_on)) | frozenset(codes_in(stops.suspends_on))
    return frozenset(each for each in codes if each <= STATUSES[1]), frozenset(
        each for each in codes if each > STATUSES[1]
    )


def _ranges(name: str, codes: frozenset[int]) -> str:
    """Return codes as a Python list of pairs of first and last."""
    said = [str(each).partition("-") for each in as_codes(codes)]
    pairs = ", ".join(f"({first}, {last or first})" for first, _, last in said)
    return f"{name} = [{pairs}]  # first and last"


def _after_a_loss(rules: Backoff) -> list[str]:
    """Return what begins the count again, and the wait after a loss."""
    own = rules.after_loss_s < inf
    lost = f"await asyncio.sleep({rules.after_loss_s:g})" if own else ""
    onward = "await asyncio.sleep(next(going))"
    if rules.stable_after_s == 0.0:
        return ["going = waits()", lost or onward]
    stable = [f"if time.monotonic() - opened >= {rules.stable_after_s:g}:", "    going = waits()"]
    return [*stable, f"    {lost}", "else:", f"    {onward}"] if own else [*stable, onward]


def _python(client: Settings) -> Settings:
    """Return the settings of a client whose waits are written out in Python."""
    return Settings(
        backoff=replace(client.backoff, heeds_hint=False, counted_from=CountedFrom.FAILURE),
        connect_timeout_s=client.connect_timeout_s,
        heartbeat=client.heartbeat,
        outbox=client.outbox,
        stops=client.stops,
    )


def _tenacity(client: Settings) -> tuple[str, Settings]:
    rules = client.backoff
    given = replace(
        rules,
        heeds_hint=False,
        stable_after_s=0.0,
        after_loss_s=0.0,
        counted_from=CountedFrom.FAILURE,
    )
    gives = Settings(
        backoff=given,
        connect_timeout_s=client.connect_timeout_s,
        outbox=client.outbox,
        stops=_NONE_STOPS,
    )
    stop = (
        "" if rules.max_attempts == inf else f", stop=stop_after_attempt({rules.max_attempts:.0f})"
    )
    names = ["Retrying", *(["stop_after_attempt"] if stop else [])]
    stock = _stock(rules)
    if rules.max_attempts == 0:
        return "connect()  # once: nothing reconnects", gives
    if stock:
        names += [part.partition("(")[0] for part in stock.split(" + ")]
        head = [f"from tenacity import {', '.join(dict.fromkeys(names))}", ""]
        return "\n".join([*head, f"Retrying(wait={stock}{stop})(connect)"]), gives
    endless = replace(rules, max_attempts=inf)
    lines = [
        *_imports(endless),
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

    def grown(name: str, share: float = 1.0) -> str:
        base_s, cap_s = share * rules.base_s, share * rules.cap_s
        cap = "" if rules.cap_s >= NO_CAP_S else f", max={cap_s:g}"
        return f"{name}(multiplier={base_s:g}{cap}, exp_base={rules.factor:g})"

    capped = rules.jitter_place != JitterPlace.BEFORE_CAP
    if rules.jitter == Jitter.NONE:
        return grown("wait_exponential")
    if rules.jitter == Jitter.FULL and capped:
        return grown("wait_random_exponential")
    if rules.jitter == Jitter.EQUAL and capped:
        return " + ".join([grown("wait_exponential", 0.5), grown("wait_random_exponential", 0.5)])
    after = rules.jitter_place == JitterPlace.AFTER_CAP
    if rules.jitter == Jitter.ADDITIVE and after and rules.add_least_s >= 0.0:
        added = f"wait_random({rules.add_least_s:g}, {rules.add_most_s:g})"
        return f"{grown('wait_exponential')} + {added}"
    return ""


def _imports(rules: Backoff) -> list[str]:
    jitters = (rules.jitter, rules.first_jitter if rules.first_s < inf else Jitter.NONE)
    return ["import random"] if any(jitter != Jitter.NONE for jitter in jitters) else []


def python_waits(rules: Backoff) -> str:
    """Return a Python generator of a policy's waits, one for each failure in a row.

    Examples
    --------
    >>> print(python_waits(Backoff(jitter="none")))
    def waits():
        height = 1.0
        while True:
            yield height
            height = min(30.0, height * 2.0)
    """
    lines = [*_once(rules), "def waits():", *(f"    {line}" for line in _body(rules))]
    return "\n".join(lines)


def _once(rules: Backoff) -> list[str]:
    return ["DRAW = random.random()  # once, for all waits", ""] if rules.drawn_once else []


def _body(rules: Backoff) -> list[str]:
    body = _endless(rules)
    if rules.max_attempts == inf:
        return body
    count = f"{rules.max_attempts:.0f}"
    return [
        "def endless():",
        *(f"    {line}" for line in body),
        "",
        f"for _, wait in zip(range({count}), endless()):",
        "    yield wait",
        f'raise ConnectionError("gave up after {count} attempts")',
    ]


def _endless(rules: Backoff) -> list[str]:
    lines = []
    own = rules.first_s < inf
    if own:
        first = _python_spread(rules, rules.first_jitter, _number(rules.first_s), 0.0)
        lines += [f"wait = {first}"]
        lines += ["yield wait"]
    if rules.jitter == Jitter.DECORRELATED:
        base, cap = _number(rules.base_s), _number(rules.cap_s)
        lines += [] if own else [f"wait = {base}"]
        grown = f"{base} + (3.0 * max({base}, wait) - {base}) * {_drawn(rules)}"
        drawn = _at_least(rules.floor_s, f"min({cap}, {grown})")
        return [*lines, "while True:", f"    wait = {drawn}", "    yield wait"]
    wait = _python_spread(rules, rules.jitter, "height", rules.floor_s)
    if rules.step_count:
        steps = rules.steps_s[own and 1 :] or rules.steps_s[-1:]
        table = ", ".join(map(_number, steps))
        lines += [f"for height in ({table},):", f"    yield {wait}"]
        return [*lines, "while True:", f"    yield {wait}"]
    top_s = rules.cap_s
    if rules.jitter_place == JitterPlace.BEFORE_CAP and rules.jitter != Jitter.NONE:
        top_s = 1e300
    if rules.growth == Growth.POWER:
        grown = f"{_number(rules.base_s)} * attempt ** {_number(rules.exponent)}"
        lines += [f"attempt = {1 + own}", "while True:"]
        lines += [f"    height = min({_number(top_s)}, {grown})", f"    yield {wait}"]
        return [*lines, "    attempt += 1"]
    after = "wait" if rules.compounding else "height"
    linear = rules.growth == Growth.LINEAR
    step = f"+ {_number(rules.rise_s)}" if linear else f"* {_number(rules.factor)}"
    grow = f"min({_number(top_s)}, {{}} {step})"
    begin = _number(rules.base_s)
    if own:
        begin = grow.format("wait" if rules.compounding else begin)
    lines += [f"height = {begin}", "while True:"]
    if rules.compounding:
        lines += [f"    wait = {wait}", "    yield wait"]
    else:
        lines += [f"    yield {wait}"]
    return [*lines, f"    height = {grow.format(after)}"]


def _python_spread(rules: Backoff, jitter: Jitter, height: str, floor_s: float) -> str:
    """Return a ceiling with jitter, not below the floor nor above the cap, as Python."""
    wait = _python_jitter(rules, jitter, height, _drawn(rules))
    is_floored = floor_s > 0.0
    if is_floored and rules.drawn_above_floor and jitter != Jitter.NONE:
        ends = (_python_jitter(rules, jitter, height, drawn) for drawn in ("0.0", "1.0"))
        low, high = (_at_least(floor_s, end) for end in ends)
        wait = f"{low} + ({high} - {low}) * {_drawn(rules)}"
    elif is_floored:
        wait = _at_least(floor_s, wait)
    can_pass = rules.jitter_place == JitterPlace.BEFORE_CAP or jitter in (
        Jitter.PROPORTIONAL,
        Jitter.ADDITIVE,
    )
    if jitter == Jitter.NONE or not can_pass or rules.jitter_place == JitterPlace.AFTER_CAP:
        return wait
    return f"min({_number(rules.cap_s)}, {wait})"


def _python_jitter(rules: Backoff, jitter: Jitter, height: str, drawn: str) -> str:
    """Return a ceiling with jitter alone, as Python; ``drawn`` is the draw."""
    spread = _number(rules.spread_fraction)
    least_s, width_s = rules.add_least_s, rules.add_most_s - rules.add_least_s
    # Jitter below the ceiling takes the draw from above, where it stands for itself.
    taken = {"0.0": "1.0", "1.0": "0.0"}.get(drawn, drawn)
    return {
        Jitter.FULL: f"{height} * {drawn}",
        Jitter.EQUAL: f"{height} * (0.5 + 0.5 * {drawn})",
        Jitter.PROPORTIONAL: f"{height} * (1.0 + {spread} * (2.0 * {drawn} - 1.0))",
        Jitter.BELOW: f"{height} * (1.0 - {spread} * {taken})",
        Jitter.ADDITIVE: f"max(0.0, {height} + {_number(least_s)} + {_number(width_s)} * {drawn})",
    }.get(jitter, height)


def _at_least(floor_s: float, wait: str) -> str:
    return f"max({_number(floor_s)}, {wait})" if floor_s > 0.0 else wait


def _drawn(rules: Backoff) -> str:
    return "DRAW" if rules.drawn_once else "random.random()"


def _number(value: float) -> str:
    return repr(float(value))


#: The clients that policies can be exported to.
CLIENTS: dict[str, Callable[[Settings], tuple[str, Settings]]] = {
    "reconnecting-websocket": _reconnecting_websocket,
    "partysocket": _reconnecting_websocket,
    "socket.io-client": _socket_io,
    "websockets-python": _websockets,
    "grpc": _grpc,
    "tenacity": _tenacity,
}
