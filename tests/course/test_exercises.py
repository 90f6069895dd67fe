"""The checks of exercises take what was asked for, refuse other ways, and say what is missing."""

from math import inf, nan

import numpy as np
import pytest

import simlib as sl
from simlib.course import exercises

FIRST = sl.load("data/scenarios/first_outage.toml")
CLAIMS = sl.load("data/scenarios/report_claims.toml")
STORM = sl.load("data/scenarios/fleet_storm.toml")
SHORT = sl.Fault("outage", start_s=3, stop_s=3.5)
#: Ways to be right that are not what was asked for: none of them is a setting of the client.
OTHER_WAYS = {
    "no fault": {"faults": []},
    "another fault": {"faults": [SHORT]},
    "fewer clients": {"clients": 1},
    "another seed": {"seed": 99},
    "a longer run": {"duration_s": 200},
    "no messages": {"workload": sl.Workload(rate_per_s=0)},
    "another server": {"server": sl.ServerSettings(accept_per_s=99)},
    "another network": {"path": sl.Path(loss_fraction=0.2)},
}
NO_NUMBERS = [None, "5", nan, inf, -inf, True, -5, 0, -0.5, 1j, [5], FIRST]


def is_right(said: str) -> bool:
    assert "\n" not in said
    assert said.startswith(("right: ", "not yet: "))
    return said.startswith("right")


@pytest.mark.parametrize("answer", NO_NUMBERS, ids=repr)
def test_what_is_no_number_above_0_is_not_yet_right_and_no_error(answer):
    checks = [
        lambda: exercises.longest_wait(answer, FIRST.client.backoff),
        lambda: exercises.places(answer),
        lambda: exercises.door(answer),
        lambda: exercises.without_jitter(answer),
        lambda: exercises.spread(answer, 180.0),
        lambda: exercises.level_wait(answer, STORM, 180.0),
    ]
    assert not any(is_right(check()) for check in checks)


@pytest.mark.parametrize("answer", [None, 3, "client", sl.Settings()], ids=repr)
def test_what_is_no_scenario_is_not_yet_right_and_no_error(answer):
    for check in (exercises.never_polls, exercises.back_in_half_a_second, exercises.calmer,
                  exercises.gentle, exercises.back_under_5_s):  # fmt: skip
        assert "is not a scenario" in check(answer, FIRST)
    assert "is not a scenario" in exercises.mended(answer, STORM, STORM.client)
    assert "is not a scenario" in exercises.doubled(answer, STORM, 180.0)


@pytest.mark.parametrize("way", OTHER_WAYS)
@pytest.mark.parametrize("and_asked", [{}, {"client.fallback.after_attempts": inf}], ids=repr)
def test_whoever_changes_what_is_not_the_client_s_is_told_what_to_put_back(way, and_asked):
    answer = FIRST.replace(**OTHER_WAYS[way])
    for key, value in and_asked.items():
        answer = answer.replace(key, value)
    [changed] = OTHER_WAYS[way]
    for check in (exercises.never_polls, exercises.back_in_half_a_second, exercises.calmer,
                  exercises.gentle, exercises.back_under_5_s):  # fmt: skip
        said = check(answer, FIRST)
        assert not is_right(said)
        assert changed in said.partition(" as given")[0]
    assert changed in exercises.mended(answer, FIRST, FIRST.client).partition(" as given")[0]


def test_nothing_changed_is_said_as_such():
    for check in (exercises.never_polls, exercises.back_in_half_a_second, exercises.calmer,
                  exercises.gentle, exercises.back_under_5_s):  # fmt: skip
        assert "not yet: nothing has been changed" == check(FIRST, FIRST)
        assert "not yet: nothing has been changed" == check(FIRST.replace(name="other"), FIRST)


def test_the_longest_wait():
    rules = FIRST.client.backoff
    assert is_right(exercises.longest_wait(1.2, rules))
    assert is_right(exercises.longest_wait(np.float64(0.3 * 4), rules))
    said = "not yet: 0.6 s is the longest wait before attempt 2"
    assert said == exercises.longest_wait(0.6, rules)
    assert "not yet: 1 s is too short" == exercises.longest_wait(1, rules)
    assert "not yet: 7 s is too long" == exercises.longest_wait(7, rules)


def test_nobody_polls_by_one_setting():
    never = FIRST.replace("client.fallback.after_attempts", inf)
    assert is_right(exercises.never_polls(never, FIRST))
    both = never.replace("client.backoff.cap_s", 1)
    assert "are 2 settings: change one alone" in exercises.never_polls(both, FIRST)
    later = FIRST.replace("client.fallback.after_attempts", 5)
    assert "clients still poll, " in exercises.never_polls(later, FIRST)
    gives_up = FIRST.replace("client.backoff.max_attempts", 0)
    assert "not yet: 20 clients are still outside" in exercises.never_polls(gives_up, FIRST)


def test_the_median_is_back_in_half_a_second():
    shorter = FIRST.replace("client.backoff.cap_s", 1)
    assert not is_right(exercises.back_in_half_a_second(shorter, FIRST))
    quicker = shorter.replace("client.breaker.trip_after", inf)
    assert "attempts of each client instead of" in exercises.back_in_half_a_second(quicker, FIRST)


def test_places():
    assert is_right(exercises.places(170))
    assert is_right(exercises.places(np.int64(170)))
    for answer, said in {
        160: "clients in 100 lose a message",
        180: "170 do too",
        175: "is not a multiple of ten",
        170.0: "is not a whole number",
    }.items():
        assert said in exercises.places(answer)
        assert not is_right(exercises.places(answer))


def test_under_five_seconds_by_one_setting_that_is_not_the_backoff_s():
    assert is_right(
        exercises.back_under_5_s(CLAIMS.replace("client.breaker.trip_after", inf), CLAIMS)
    )
    still = exercises.back_under_5_s(CLAIMS.replace("client.breaker.open_s", 25), CLAIMS)
    assert "not yet: the median client is back after" in still
    backoff = CLAIMS.replace("client.backoff.cap_s", 1)
    assert "leave that as given" in exercises.back_under_5_s(backoff, CLAIMS)


def test_the_door():
    assert is_right(exercises.door(50_000))
    assert is_right(exercises.door(50_000.0))
    assert "a million take 25 s, which is too slow" in exercises.door(40_000)
    assert "a million take 10 s, and they may take twenty" in exercises.door(100_000)


def test_from_which_attempt_on_there_is_no_jitter():
    assert [5] == [k for k in range(1, 60) if is_right(exercises.without_jitter(k))]
    assert "as short as 4 s" in exercises.without_jitter(4)
    assert not is_right(exercises.without_jitter(5.0))
    assert not is_right(exercises.without_jitter(10**400))


def test_over_how_many_seconds_first_waits_are_spread():
    assert is_right(exercises.spread(2_400 / 180, 180.0))
    assert is_right(exercises.spread(13.3, 180.0))
    assert "185 attempts a second, 180 are allowed" in exercises.spread(13, 180.0)
    assert "120 attempts a second, and fewer seconds would do" in exercises.spread(20, 180.0)


@pytest.mark.long
def test_the_storm_that_never_ends_and_the_gentle_first_second():
    pytest.importorskip("numba")
    crowd = STORM.replace(clients=10_000).replace("server.accept_per_s", 1_000)
    line = crowd.replace("server.accept_per_s", inf).replace(duration_s=60)
    hasty = line.replace("server.handshake_service_s", 1e-3)
    hasty = hasty.replace("client.connect_timeout_s", 2)
    assert is_right(exercises.calmer(hasty.replace("client.backoff.cap_s", 15), hasty))
    same = hasty.replace("client.backoff.cap_s", 5)
    assert "clients are still outside at the end" in exercises.calmer(same, hasty)
    patient = hasty.replace("client.connect_timeout_s", 10)
    assert "leave client.connect_timeout_s at 2 s" in exercises.calmer(patient, hasty)

    assert is_right(exercises.gentle(crowd.replace("client.backoff.base_s", 2), crowd))
    longer = crowd.replace("client.backoff.base_s", 1)
    assert "attempts of 10,000 clients" in exercises.gentle(longer, crowd)
    other = crowd.replace("client.breaker.trip_after", 1)
    assert "leave client.breaker.trip_after" in exercises.gentle(other, crowd)


@pytest.mark.long
def test_a_jitter_that_does_not_die():
    pytest.importorskip("numba")
    storm = STORM.replace(clients=10_000, duration_s=90, ramp_s=10)
    storm = storm.replace("server.accept_per_s", 1_000).replace(
        faults=[sl.Fault("outage", start_s=20, stop_s=28)]
    )
    client = sl.presets["socket.io-client"].client
    client = sl.Settings(backoff=client.backoff)
    given = storm.replace(client=client)
    after_cap = given.replace("client.backoff.jitter_place", "after_cap")
    assert is_right(exercises.mended(after_cap, storm, client))
    wider = given.replace("client.backoff.cap_s", 8)
    assert "95 in 100 are back after" in exercises.mended(wider, storm, client)
    hasty = given.replace("client.backoff.jitter", "full")
    assert "attempts, and there were" in exercises.mended(hasty, storm, client)


@pytest.mark.long
def test_level_waits_and_twice_the_clients():
    pytest.importorskip("numba")
    storm = STORM.replace(clients=600, duration_s=60).replace("server.accept_per_s", 60)
    storm = storm.replace(warm_up_s=12, name="storm")
    assert is_right(exercises.level_wait(np.e * 600 / 180, storm, 180.0))
    assert "180 are allowed" in exercises.level_wait(7, storm, 180.0)
    assert "a shorter wait keeps the bound too" in exercises.level_wait(12, storm, 180.0)

    plain = sl.Backoff(jitter="additive", base_s=2, factor=1, add_most_s=10)
    shipped = storm.replace(client=sl.Settings(backoff=plain), seed=1000)
    twice = shipped.replace(clients=1_200)
    wider = twice.replace("client.backoff.base_s", 4).replace("client.backoff.add_most_s", 12)
    assert is_right(exercises.doubled(wider, shipped, 180.0))
    assert "180 attempts are allowed" in exercises.doubled(twice, shipped, 180.0)
    assert "leave clients" in exercises.doubled(shipped, shipped, 180.0)
    door = twice.replace("server.accept_per_s", 600)
    assert "leave server.accept_per_s" in exercises.doubled(door, shipped, 180.0)
