"""The same source, compiled: twins of the core's functions give the same numbers, to the bit."""

from collections import namedtuple
from dataclasses import fields, is_dataclass
from enum import IntEnum
from math import inf
from types import FunctionType

import pytest

from simlib.core import backoff, breaker, draws, fallback, link, meters
from simlib.core.backoff import Backoff
from simlib.core.breaker import Breaker
from simlib.core.client import Settings
from simlib.core.draws import uniform
from simlib.core.fallback import Fallback
from simlib.core.link import Input, State
from simlib.core.meters import Rate

numba = pytest.importorskip("numba")

#: Callees first: each twin finds the twins of what it calls among its globals.
FUNCTIONS = (
    draws.uniform,
    backoff.ceiling,
    backoff.delay,
    backoff.stretched,
    meters.ready_s,
    meters.take,
    breaker._ones,
    breaker._noted,
    breaker._refused_s,
    breaker.probing,
    breaker.succeeded,
    breaker.noted_failure,
    fallback.fallen,
    fallback.may_change,
    fallback.wants_poll,
    fallback.return_s,
    fallback.good_since,
    fallback.settled,
    link._budget_s,
    link._rest,
    link._carried,
    link._connect,
    link._establish,
    link._settle,
    link._retreat,
    link._hasten,
    link._set_aside,
    link.step,
)
STEPS = 10_000
POLICIES = [
    Settings(
        backoff=Backoff(jitter=jitter, stable_after_s=stable_s, **more),
        breaker=Breaker(
            trip_after=trip_after,
            open_s=7,
            probes=2,
            failure_fraction=0.6 if stable_s else inf,
            factor=1.5,
            longest_open_s=30,
        ),
        fallback=Fallback(after_attempts=after, return_after_s=3, dwell_s=stable_s),
        attempt_budget=Rate(per_s=0.5, burst=9) if stable_s else Rate(),
    )
    for jitter, stable_s, more, trip_after, after in [
        ("none", 0, {}, inf, inf),
        ("full", 5, {"first_s": 0.5}, 3, 2),
        ("equal", 0, {"steps_s": [0.5, 2, 9]}, 4, inf),
        ("decorrelated", 5, {}, inf, 3),
        ("proportional", 0, {"max_attempts": 9}, 5, 5),
    ]
]


def flatten(settings):
    """Settings as nested named tuples of numbers, as compiled code takes them."""
    values = {item.name: _plain(getattr(settings, item.name)) for item in fields(settings)}
    return namedtuple(type(settings).__name__, values)(**values)


def _plain(value):
    if is_dataclass(value):
        return flatten(value)
    if isinstance(value, IntEnum):
        return int(value)
    # An empty table has no type; step_count says that it is empty.
    return (value or (0.0,)) if isinstance(value, tuple) else value


@pytest.fixture(scope="module")
def compiled():
    """The compiled twins by name."""
    twins = {}
    for function in FUNCTIONS:
        names = {**function.__globals__, **twins}
        twin = FunctionType(function.__code__, names, function.__name__)
        twins[function.__name__] = numba.njit(twin)
    return twins


def test_draws_are_the_same(compiled):
    addresses = [
        (s, c, w, i) for s in (0, 7, 2**32 - 1) for c in (0, 9) for w in (1, 5) for i in range(9)
    ]
    assert [uniform(*each) for each in addresses] == [
        compiled["uniform"](*each) for each in addresses
    ]


@pytest.mark.parametrize("settings", POLICIES, ids=lambda each: each.backoff.jitter.name.lower())
def test_waits_are_the_same(compiled, settings):
    rules, flat = settings.backoff, flatten(settings).backoff
    for attempt in (1, 2, 3, 50):
        assert backoff.ceiling(rules, attempt) == compiled["ceiling"](flat, attempt)
        for u in (0.0, 0.3, 1.0 - 2.0**-53):
            waits = (attempt, 2.5, u)
            assert backoff.delay(rules, *waits) == compiled["delay"](flat, *waits)
            assert backoff.stretched(rules, 3.0, u) == compiled["stretched"](flat, 3.0, u)


#: What a fair host tells a link in each state.
LIKELY = {
    State.IDLE: (Input.START,),
    State.CONNECTING: (Input.OPENED, Input.FAILED, Input.FAILED, Input.WAKE),
    State.OPEN: (Input.LOST, Input.WAKE, Input.SUSPEND, Input.POOR, Input.GOOD),
    State.WAITING: (Input.WAKE, Input.WAKE, Input.RESUME),
    State.STOPPED: (Input.START, Input.WAKE),
    State.SUSPENDED: (Input.RESUME,),
}


@pytest.mark.parametrize("settings", POLICIES, ids=lambda each: each.backoff.jitter.name.lower())
def test_ten_thousand_random_steps_are_the_same(compiled, settings):
    plain, twin, flat = link.idle(), link.idle(), flatten(settings)
    now, seen = 0.0, set()
    for i in range(STEPS):
        kind, which, hint = (uniform(3, 0, stream, i) for stream in (1, 2, 3))
        words = LIKELY[State(plain.state)] if kind < 0.9 else tuple(Input)
        told = words[int(which * len(words))]
        now = min(plain.deadline_s, now + 10.0) if told == Input.WAKE else now + which
        hint_s = max(0.0, 20.0 * hint - 16.0)
        plain = link.step(plain, told, now, settings, 5, 6, hint_s)
        twin = compiled["step"](twin, int(told), now, flat, 5, 6, hint_s)
        assert plain == twin
        seen.add((State(plain.state), told))
    assert len(seen) > 15
