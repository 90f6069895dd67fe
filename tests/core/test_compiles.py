"""The same source, compiled: twins of the core's functions give the same numbers, to the bit."""

from math import inf

import numpy as np
import pytest

from simlib.core import backoff, link, path
from simlib.core.admission import begins_s, calls_for_step, join, occupy
from simlib.core.backoff import Backoff
from simlib.core.breaker import Breaker
from simlib.core.cohorts import cohort_at
from simlib.core.draws import uniform
from simlib.core.fallback import Fallback
from simlib.core.link_fields import idle
from simlib.core.link_table import Input, State
from simlib.core.meters import AttemptBudget, Rate
from simlib.core.path import Distribution, Latency
from simlib.core.server_settings import Scaling
from simlib.core.settings import Settings
from simlib.engines.fleet.jit import twin
from simlib.engines.fleet.records import flat
from tests.batteries import with_slow

pytest.importorskip("numba")

POLICIES = [
    Settings(
        backoff=Backoff(**({"jitter": jitter, "stable_after_s": stable_s} | more)),
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
        (
            "below",
            0,
            {"drawn_once": True, "compounding": True, "after_loss_s": 0, "heeds_hint": False},
            inf,
            inf,
        ),
        (
            "additive",
            5,
            {"growth": "linear", "jitter_place": "after_cap", "first_s": 2, "first_jitter": "full"},
            inf,
            inf,
        ),
        ("full", 0, {"jitter_place": "before_cap", "after_loss_s": 0.5}, 4, inf),
        ("full", 5, {"growth": "power", "exponent": 1.7, "floor_s": 0.5}, inf, inf),
        (
            "equal",
            0,
            {"floor_s": 1.5, "drawn_above_floor": True, "counted_from": "start"},
            3,
            inf,
        ),
        ("decorrelated", 0, {"floor_s": 2, "counted_from": "start"}, inf, inf),
        ("full", 5, {"after_loss_s": 3, "after_loss_jitter": "equal", "hint_cap_s": 2}, 3, 2),
        ("none", 0, {"after_loss_s": 0, "after_loss_jitter": "additive"}, 2, inf),
        ("equal", 5, {"give_up_after_s": 60}, inf, 3),
        ("full", 0, {"give_up_after_s": 90, "stable_after_s": 3}, 4, inf),
    ]
] + [
    Settings(
        backoff=Backoff(jitter="full", give_up_after_s=200 if per_s else inf),
        breaker=Breaker(trip_after=3, open_s=5, open_spread_fraction=0.7),
        attempt_budget=AttemptBudget(per_s=per_s, burst=4, success_fraction=0.3),
    )
    for per_s in (0.0, 0.1)
]


FUNCTIONS = (uniform, backoff.ceiling, backoff.delay, backoff.scale_hint, link.step, path.latency_s)


@pytest.fixture(scope="module")
def compiled():
    """The compiled twins by name."""
    return {function.__name__: twin(function) for function in FUNCTIONS}


def test_draws_are_the_same(compiled):
    addresses = [
        (s, c, w, i) for s in (0, 7, 2**32 - 1) for c in (0, 9) for w in (1, 5) for i in range(9)
    ]
    assert [uniform(*each) for each in addresses] == [
        compiled["uniform"](*each) for each in addresses
    ]


NAMES = [f"{i} {each.backoff.jitter.name.lower()}" for i, each in enumerate(POLICIES)]


@pytest.mark.parametrize("settings", POLICIES, ids=NAMES)
def test_waits_are_the_same(compiled, settings):
    rules, record = settings.backoff, flat([settings])[0]["backoff"]
    for attempt in (1, 2, 3, 50):
        assert backoff.ceiling(rules, attempt) == compiled["ceiling"](record, attempt)
        for u in (0.0, 0.3, 1.0 - 2.0**-53):
            waits = (attempt, 2.5, u)
            assert backoff.delay(rules, *waits) == compiled["delay"](record, *waits)
            for hint_s in (3.0, -3.0):
                hint = (hint_s, u)
                assert backoff.scale_hint(rules, *hint) == compiled["scale_hint"](record, *hint)


#: What a fair host tells a link in each state.
LIKELY = {
    State.IDLE: (Input.START,),
    State.CONNECTING: (Input.OPENED, Input.FAILED, Input.FAILED, Input.WAKE),
    State.OPEN: (Input.LOST, Input.WAKE, Input.SUSPEND, Input.POOR, Input.GOOD),
    State.WAITING: (Input.WAKE, Input.WAKE, Input.RESUME),
    State.STOPPED: (Input.START, Input.WAKE),
    State.SUSPENDED: (Input.RESUME,),
}


@pytest.mark.slow
@pytest.mark.parametrize("steps", with_slow([2_000], [10_000]))
@pytest.mark.parametrize("settings", POLICIES, ids=NAMES)
def test_random_steps_are_the_same(compiled, settings, steps):
    plain, other, record = idle(), idle(), flat([settings])[0]
    now, seen = 0.0, set()
    for i in range(steps):
        kind, which, hint = (uniform(3, 0, stream, i) for stream in (1, 2, 3))
        words = LIKELY[State(plain.state)] if kind < 0.9 else tuple(Input)
        told = words[int(which * len(words))]
        now = min(plain.deadline_s, now + 10.0) if told == Input.WAKE else now + which
        hint_s = max(0.0, 20.0 * hint - 16.0) - max(0.0, 2.0 - 40.0 * hint)
        plain = link.step(plain, told, now, settings, 5, 6, hint_s)
        other = compiled["step"](other, int(told), now, record, 5, 6, hint_s)
        assert plain == other
        seen.add((State(plain.state), told))
    assert len(seen) > 15


@pytest.mark.parametrize("kind", Distribution, ids=lambda kind: kind.name.lower())
def test_delays_are_the_same(compiled, kind):
    table_s = [0.01, 0.02, 0.5] if kind == Distribution.TABLE else []
    latency = Latency(distribution=kind, mean_s=0.05, shape=1.7, table_s=table_s)
    record = flat([latency])[0]
    for i in range(500):
        u = uniform(1, 2, 3, i)
        assert path.latency_s(latency, u) == compiled["latency_s"](record, u)


def grown(free_s, size, now, rules):
    """A step of scaling and a job, as a loop of compiled code would have them."""
    if calls_for_step(3, 0, 0.0, rules, now):
        join(free_s, size, now + rules.delay_s)
    occupy(free_s, begins_s(free_s, now) + 2.0)
    return cohort_at(free_s, now)


def test_workers_join_in_compiled_code_as_well():
    rules = Scaling(at_backlog=3, delay_s=0.25)
    plain, other = ([0.5, 0.75, inf] for _ in range(2))
    array, record = np.array(other), flat([rules])[0]
    assert grown(plain, 2, 0.125, rules) == twin(grown)(array, 2, 0.125, record)
    assert plain == array.tolist() == [0.5, 0.75, 2.375]
