"""Settings as records: every number is the same number there, or is refused by its name."""

from dataclasses import dataclass, field
from math import inf

import numpy as np
import pytest

import simlib as sl
from simlib.core.errors import EngineError, SettingsError
from simlib.core.validation import Count
from simlib.engines.fleet.records import flat

# Annotations here are types, not texts: this module has no "from __future__ import annotations".


@dataclass(frozen=True)
class Inner:
    share: float = 0.25
    limit: Count = inf


@dataclass(frozen=True)
class Plain:
    wait_s: float = 0.5
    tries: int = 3
    times_s: tuple[float, ...] = (1.5, 2.5)
    name: str = "left out"
    codes: tuple[int | str, ...] = (401, "4400-4499")
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class Odd:
    table: dict = field(default_factory=dict)


def test_a_number_is_stored_by_its_type_however_that_is_annotated():
    record = flat([Plain(), Plain(wait_s=7.25)])
    assert [0.5, 7.25] == record["wait_s"].tolist()
    assert (0.25, inf) == (record["inner"]["share"][0], record["inner"]["limit"][0])
    assert (3, [1.5, 2.5]) == (record["tries"][0], record["times_s"][0][:2].tolist())
    assert ("wait_s", "tries", "times_s", "inner") == record.dtype.names


def test_every_setting_of_a_scenario_is_the_same_number_in_its_record():
    settings = sl.Settings(backoff=sl.Backoff(base_s=0.3, cap_s=7, steps_s=[0.1, 0.7]))
    record = flat([settings])[0]
    for name in ("base_s", "cap_s", "max_attempts", "stable_after_s", "jitter"):
        assert getattr(settings.backoff, name) == record["backoff"][name], name


@pytest.mark.parametrize(("name", "value"), [("tries", 2**63), ("tries", 2.5), ("tries", 10**400)])
def test_a_number_that_has_no_room_is_refused_by_its_name(name, value):
    with pytest.raises(SettingsError, match=f"{name} = .*no room in compiled code"):
        flat([Plain(**{name: value})])


def test_what_has_no_room_deep_inside_is_named_by_its_way():
    greedy = sl.Settings(attempt_budget=sl.Rate(per_s=1, burst=2**70))
    with pytest.raises(SettingsError, match=r"attempt_budget\.burst = 1180591620717411303424"):
        flat([greedy])


def test_a_setting_that_is_no_number_is_an_error_of_the_engine():
    with pytest.raises(EngineError, match=r"the setting table of type .*dict.* has no place"):
        flat([Odd()])


def test_a_table_longer_than_the_usual_room_is_whole():
    steps_s = np.arange(1.0, 101.0).tolist()
    record = flat([sl.Backoff(steps_s=steps_s, cap_s=200)])[0]
    assert steps_s == record["steps_s"][:100].tolist()
