from dataclasses import dataclass, field
from enum import IntEnum
from math import inf, nan

import pytest

from simlib.core.errors import SettingsError, SimlibError
from simlib.core.validation import (
    Count,
    ValidatedSettings,
    choice,
    count,
    nearest,
    number,
    seconds,
    times,
)


class Colour(IntEnum):
    RED = 0
    DARK_BLUE = 1


@dataclass(frozen=True, kw_only=True)
class Inner(ValidatedSettings):
    depth_s: float = seconds(1.0)


@dataclass(frozen=True, kw_only=True)
class Sample(ValidatedSettings):
    wait_s: float = seconds(1.0)
    gap_s: float = seconds(1.0, above=True, endless=True)
    share_fraction: float = number(0.5, "", high=1.0)
    pauses_s: float = number(0.0, "seconds", whole=True)
    workers: int = count(1, high=8)
    limit: Count = count(inf, endless=True)
    colour: Colour = choice(Colour.RED)
    steps_s: tuple[float, ...] = times()
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("wait_s", 2, 2.0),
        ("gap_s", inf, inf),
        ("share_fraction", 1, 1.0),
        ("workers", 3.0, 3),
        ("limit", 7, 7.0),
        ("limit", inf, inf),
        ("colour", "dark_blue", Colour.DARK_BLUE),
        ("colour", Colour.DARK_BLUE, Colour.DARK_BLUE),
        ("steps_s", [1, 2.5], (1.0, 2.5)),
        ("inner", Inner(depth_s=2), Inner(depth_s=2)),
    ],
)
def test_what_a_rule_allows_is_kept_in_one_form(key, value, kept):
    got = getattr(Sample(**{key: value}), key)
    assert (kept, type(kept)) == (got, type(got))


SECONDS = "must be a number of seconds, 0 or more"
WHOLE = "must be a whole number, from 1 to 8"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("wait_s", -0.1, f"wait_s = -0.1: {SECONDS}"),
        ("wait_s", "5", f'wait_s = "5": {SECONDS}'),
        ("wait_s", True, f"wait_s = True: {SECONDS}"),
        ("wait_s", None, f"wait_s = None: {SECONDS}"),
        ("wait_s", nan, f"wait_s = nan: {SECONDS}"),
        ("wait_s", inf, f"wait_s = inf: {SECONDS}"),
        ("wait_s", 10**309, f"wait_s = {10**309}: {SECONDS}"),
        ("gap_s", 0, "gap_s = 0: must be a number of seconds, above 0, or inf for no limit"),
        ("gap_s", -inf, "gap_s = -inf: must be a number of seconds, above 0, or inf for no limit"),
        ("share_fraction", 1.5, "share_fraction = 1.5: must be a number, from 0 to 1"),
        ("pauses_s", 1.5, "pauses_s = 1.5: must be a whole number of seconds, 0 or more"),
        ("workers", 0, f"workers = 0: {WHOLE}"),
        ("workers", 9, f"workers = 9: {WHOLE}"),
        ("workers", 1.5, f"workers = 1.5: {WHOLE}"),
        ("limit", 0, "limit = 0: must be a whole number, 1 or more, or inf for no limit"),
        ("limit", 1.5, "limit = 1.5: must be a whole number, 1 or more, or inf for no limit"),
        ("colour", "green", 'colour = "green": must be one of red, dark_blue'),
        ("colour", "RED", 'colour = "RED": must be one of red, dark_blue (did you mean "red"?)'),
        ("colour", 1, "colour = 1: must be one of red, dark_blue"),
        (
            "colour",
            "dark-blue",
            'colour = "dark-blue": must be one of red, dark_blue (did you mean "dark_blue"?)',
        ),
        ("steps_s", 3, "steps_s = 3: must be a list of seconds"),
        ("steps_s", "12", 'steps_s = "12": must be a list of seconds'),
        ("steps_s", [1, -2], f"steps_s[1] = -2: {SECONDS}"),
        ("inner", 3, "inner = 3: must be Inner(...)"),
    ],
)
def test_what_a_rule_forbids_is_named_with_key_value_and_rule(key, value, message):
    with pytest.raises(SettingsError) as error:
        Sample(**{key: value})
    assert message == str(error.value)
    assert key == error.value.key.partition("[")[0]


def test_an_error_can_be_put_inside_a_larger_key():
    error = SettingsError("cap_s", 1, "must be more").inside("client.backoff")
    assert "client.backoff.cap_s = 1: must be more" == str(error)
    assert isinstance(error, SimlibError)
    assert isinstance(error, ValueError)


def test_the_nearest_word_is_suggested_only_when_it_is_near():
    assert ' (did you mean "cap_s"?)' == nearest("caps", ["base_s", "cap_s"])
    # Who leaves out signs or the end means that name, and not one that shares more letters.
    assert ' (did you mean "socket.io-client"?)' == nearest(
        "socketio", ["sockette", "socket.io-client"]
    )
    # Three letters are enough for that, and two are not; of several the first is meant.
    clients = ["sockette", "socket.io-client"]
    assert ' (did you mean "sockette"?)' == nearest("Soc", clients)
    assert not nearest("so", clients)
    # Of letters in a row at least six of ten must be the same.
    assert ' (did you mean "abcde"?)' == nearest("abcxy", ["zzzzz", "abcde"])
    assert not nearest("abxyz", ["zzzzz", "abcde"])
    assert not nearest("zebra", ["base_s", "cap_s"])
    assert not nearest(7, ["base_s"])


def test_settings_are_frozen_equal_by_value_and_hashable():
    assert Sample(wait_s=2) == Sample(wait_s=2.0)
    assert {Sample(wait_s=2): 1}[Sample(wait_s=2.0)] == 1
    with pytest.raises(AttributeError):
        Sample().wait_s = 3
