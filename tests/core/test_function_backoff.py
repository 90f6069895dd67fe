"""A policy that is a Python function: what it is called with, what it may return, what it lacks."""

import functools
import pickle
from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest

import simlib as sl
from simlib.core.backoff import delay

STORM = sl.Scenario(
    clients=10, duration_s=40, faults=[sl.Fault("outage", start_s=5, stop_s=30)], seed=7
)


def fibonacci(attempt, previous_s, u):
    a, b = 1.0, 1.0
    for _ in range(attempt - 1):
        a, b = b, a + b
    return min(30.0, a) * (0.5 + 0.5 * u)


def full(attempt, previous_s, u):
    return min(30.0, 2.0 ** (attempt - 1)) * u


def equal(attempt, previous_s, u):
    height_s = min(30.0, 2.0 ** (attempt - 1))
    return height_s / 2.0 + height_s / 2.0 * u


def decorrelated(attempt, previous_s, u):
    before_s = max(1.0, previous_s)
    return min(30.0, 1.0 + (3.0 * before_s - 1.0) * u)


def exact(attempt, previous_s, u):
    return min(30.0, 2.0 ** (attempt - 1))


@pytest.mark.parametrize(
    ("function", "jitter"),
    [(full, "full"), (equal, "equal"), (decorrelated, "decorrelated"), (exact, "none")],
)
@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"drawn_once": True, "counted_from": "start"},
        {"after_loss_s": 0.25, "max_attempts": 5, "stable_after_s": 3.0, "give_up_after_s": 20.0},
    ],
    ids=["alone", "drawn-once", "bounded"],
)
def test_a_formula_as_function_and_as_preset_gives_the_same_trace(function, jitter, beside):
    rules = sl.Backoff(jitter=jitter, **beside)
    preset = STORM.replace("client.backoff", rules)
    own = STORM.replace("client.backoff", sl.FunctionBackoff(function=function, **beside))
    assert sl.run(preset).digest() == sl.run(own).digest()


def test_a_device_that_wakes_waits_the_functions_first_wait():
    asleep = STORM.replace(
        hints=[sl.Hint(start_s=5.0, online=False), sl.Hint(start_s=9.0, online=True)]
    )
    own = asleep.replace("client.backoff", full)
    assert sl.run(asleep).digest() == sl.run(own).digest()


def test_it_is_called_with_attempt_wait_before_and_draw():
    calls = []

    def listen(attempt, previous_s, u):
        calls.append((attempt, previous_s, u))
        return float(attempt)

    sl.run(STORM.replace({"client.backoff": listen, "clients": 1}))
    attempts, before_s, draws = zip(*calls, strict=True)
    assert (1, 2, 3, 4, 5, 6) == attempts[:6]
    assert (0.0, 1.0, 2.0, 3.0, 4.0, 5.0) == before_s[:6]
    assert all(0.0 <= u < 1.0 for u in draws)
    assert len(set(draws)) == len(draws)


def test_the_wait_before_the_first_attempt_of_a_second_loss_is_none():
    calls = []

    def listen(attempt, previous_s, u):
        calls.append((attempt, previous_s))
        return 2.0

    faults = [sl.Fault("outage", start_s=at_s, stop_s=at_s + 3.0) for at_s in (5.0, 30.0)]
    sl.run(STORM.replace(clients=1, faults=faults).replace("client.backoff", listen))
    assert {0.0} == {previous_s for attempt, previous_s in calls if attempt == 1}
    assert 2 == sum(attempt == 1 for attempt, _ in calls)


class Policy:
    def __call__(self, attempt, previous_s, u):
        return u

    def wait(self, attempt, previous_s, u):
        return u


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (fibonacci, "fibonacci"),
        (lambda attempt, previous_s, u: u, "<lambda>"),
        (functools.partial(fibonacci), "partial(fibonacci)"),
        (Policy(), "Policy"),
        (Policy().wait, "Policy.wait"),
        (max, "max"),
    ],
)
def test_whatever_can_be_called_so_is_a_policy(function, name):
    client = sl.Settings(backoff=function)
    assert f"the Python function {name}" == client.backoff.in_words
    assert client == STORM.replace("client.backoff", function).client
    assert client == STORM.replace("client", {"backoff": function}).client


@pytest.mark.parametrize("wait_s", [2, np.float64(0.5), np.float32(0.5), Fraction(1, 4), 0, -0.0])
def test_any_number_of_seconds_is_a_wait(wait_s):
    policy = sl.FunctionBackoff(function=lambda attempt, previous_s, u: wait_s)
    got = delay(policy, 1, 0.0, 0.5)
    assert float(wait_s) == got
    assert type(got) is float


@pytest.mark.parametrize("wait_s", [nan, inf, -inf, -0.001, None, "1", True, 1j, [1.0]], ids=repr)
def test_what_is_no_wait_names_function_attempt_and_value(wait_s):
    def mine(attempt, previous_s, u):
        return 1.0 if attempt == 1 else wait_s

    with pytest.raises(sl.SettingsError) as caught:
        sl.run(STORM.replace("client.backoff", mine))
    said = str(caught.value)
    assert said.startswith("mine(attempt=2, previous_s=1, u=0.")
    assert "must return a finite number of seconds, 0 or more" in said


def test_what_the_function_raises_passes_with_a_note_of_the_attempt():
    def mine(attempt, previous_s, u):
        return [1.0, 2.0][attempt - 1]

    with pytest.raises(IndexError) as caught:
        sl.run(STORM.replace("client.backoff", mine))
    [note] = caught.value.__notes__
    assert note.startswith("Raised by the backoff mine(attempt=3, previous_s=2, u=0.")


async def waits(attempt, previous_s, u):
    return u


class Unhashable(Policy):
    __hash__ = None


@pytest.mark.parametrize(
    "given",
    [
        lambda: 1.0,
        lambda attempt: 1.0,
        lambda attempt, previous_s, u, more: 1.0,
        lambda *, attempt, previous_s, u: 1.0,
        waits,
        Unhashable(),
        sl.Backoff,
        "fibonacci",
        3.0,
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda given: STORM.replace("client.backoff", given),
        lambda given: sl.Settings(backoff=given),
        lambda given: sl.FunctionBackoff(function=given),
    ],
    ids=["replace", "Settings", "FunctionBackoff"],
)
def test_what_cannot_be_called_so_is_refused_at_once(given, use):
    with pytest.raises(sl.SettingsError, match=r"backoff|function"):
        use(given)


def test_a_refusal_says_whether_the_arguments_or_the_hash_are_wrong():
    with pytest.raises(sl.SettingsError, match="must take three arguments by place"):
        sl.FunctionBackoff(function=lambda attempt: 1.0)
    with pytest.raises(sl.SettingsError, match="must be hashable"):
        sl.FunctionBackoff(function=Unhashable())


def test_the_rules_of_what_the_function_leaves_hold_beside_it():
    with pytest.raises(sl.SettingsError, match=r"add_most_s = 1\.0: must not be below add_least_s"):
        sl.FunctionBackoff(
            function=fibonacci, after_loss_jitter="additive", add_least_s=2, add_most_s=1
        )
    with pytest.raises(sl.SettingsError, match=r"after_loss_jitter .* must not be decorrelated"):
        sl.FunctionBackoff(function=fibonacci, after_loss_jitter="decorrelated")


@pytest.mark.parametrize("key", ["base_s", "cap_s", "jitter", "steps_s", "first_s", "add_most_s"])
def test_a_setting_that_the_function_replaces_is_refused(key):
    value = {"jitter": "none", "steps_s": (1.0,)}.get(key, 7.0)
    own = STORM.replace("client.backoff", fibonacci)
    rule = "says nothing beside the Python function fibonacci, which makes the waits"
    with pytest.raises(sl.SettingsError, match=rf"client\.backoff\.{key} = .*: {rule}"):
        own.replace(f"client.backoff.{key}", value)
    with pytest.raises(sl.SettingsError, match=rf"^{key} = .*: {rule}"):
        sl.FunctionBackoff(function=fibonacci, **{key: value})


def test_the_settings_beside_the_waits_stay_settings():
    own = STORM.replace({"client.backoff": fibonacci, "client.backoff.max_attempts": 3})
    assert "the Python function fibonacci, 3 attempts" == own.client.backoff.in_words
    assert 10 == sl.summary(sl.run(own))["gave_up"].item()
    assert own == STORM.replace(
        "client.backoff", sl.FunctionBackoff(function=fibonacci, max_attempts=3)
    )


def test_a_table_or_a_preset_takes_the_place_of_a_function():
    own = STORM.replace("client.backoff", fibonacci)
    assert sl.Backoff(cap_s=9.0) == own.replace("client.backoff", {"cap_s": 9}).client.backoff
    assert sl.presets["phoenix"].client == own.replace("client", "preset:phoenix").client


def make(factor):
    return lambda attempt, previous_s, u: factor * u


def test_two_functions_of_one_name_are_two_policies():
    two, three = (STORM.replace("client.backoff", make(factor)) for factor in (2.0, 3.0))
    assert two != three
    assert sl.run(two).digest() != sl.run(three).digest()


def test_a_function_of_a_module_is_pickled_with_its_scenario():
    own = STORM.replace("client.backoff", sl.FunctionBackoff(function=max))
    assert own == pickle.loads(pickle.dumps(own))
