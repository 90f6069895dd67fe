"""Checks of exercises take right answers, refuse typical wrong ones, and say what is missing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import e, inf, nan

import numpy as np
import pytest

import simlib as sl
from simlib.course import exercises

OUTAGE = sl.Fault("outage", start_s=3, stop_s=3.5)
#: Ways to be right that are never asked for: none of them is a setting of the client.
OTHER_WAYS = {
    "no fault": {"faults": []},
    "another fault": {"faults": [OUTAGE]},
    "fewer clients": {"clients": 1},
    "another seed": {"seed": 99},
    "a longer run": {"duration_s": 200},
    "no messages": {"workload": sl.Workload(rate_per_s=0.01)},
    "another server": {"server.accept_per_s": 9_999},
    "another network": {"path": sl.Path(loss_fraction=0.2)},
}
#: What notebooks use of the exercises beside the checks.
NO_CHECKS = ["compare_guess", "play_unknown_network"]
NO_NUMBERS = [None, "5", nan, inf, -inf, True, -5, 0, -0.5, 1j, [5], OUTAGE]
NO_SCENARIOS = [None, 3, "client", sl.Settings()]
Change = dict[str, object]


def shipped(name, **changes):
    return sl.load(f"data/scenarios/{name}.toml").replace(**changes)


@dataclass(frozen=True)
class Exercise:
    """One check, with right answers, and with typical wrong ones and what is said of them.

    Of a check that takes a scenario, an answer is what is changed of the given one.
    """

    right: list[object]
    wrong: list[tuple[object, str]]
    #: What the check is given beside a number.
    beside: Callable[[], tuple[object, ...]] = tuple
    #: The scenario that an answer changes; None: an answer is a number.
    given: Callable[[], sl.Scenario] | None = None
    #: The settings that an answer may change.
    allowed: str = "client."
    #: What the check is given after the answer; by default the scenario alone.
    after: Callable[[], tuple[object, ...]] | None = None
    #: Whether an answer that changes nothing is played rather than refused.
    plays_given: bool = False
    #: Marks of the tests that play it.
    marks: list[pytest.MarkDecorator] = field(default_factory=list)

    def ask(self, check, answer):
        """Return what a check says of a number, or of a change of the given scenario."""
        if self.given is None:
            return check(answer, *self.beside())
        given = self.given()
        changed = given.replace(**answer) if isinstance(answer, dict) else answer
        return check(changed, *(self.after() if self.after else (given,)))


# --- what the notebooks give ---------------------------------------------------------------


def first_storm():
    client = sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=8, jitter="full"))
    outage = sl.Fault("outage", start_s=10, stop_s=20)
    return sl.Scenario(clients=200, duration_s=40, client=client, faults=[outage])


def first_outage():
    return shipped("first_outage")


def eaten_jitter():
    storm = shipped("reconnect_storm", **{"workload.rate_per_s": 0})
    return storm.replace("client.backoff", sl.presets["socket.io-client"].client.backoff)


def late_after_a_minute():
    outage = sl.Fault("outage", start_s=10, stop_s=70)
    quiet = sl.Workload(rate_per_s=0)
    calm = sl.Scenario(clients=200, duration_s=200, faults=[outage], workload=quiet)
    return calm.replace("client.backoff.cap_s", 120)


def crowd():
    return shipped("fleet_storm", clients=10_000, **{"server.accept_per_s": 1_000})


def hasty():
    line = crowd().replace("server.accept_per_s", inf).replace(duration_s=60)
    line = line.replace("server.handshake_service_s", 1e-3)
    return line.replace("client.connect_timeout_s", 2)


def breakers_alike():
    return shipped("breakers_together", **{"client.breaker.open_spread_fraction": 0})


def minute_without_breaker():
    without = shipped("breakers_together", **{"client.breaker.trip_after": inf})
    return without.replace(faults=[sl.Fault("outage", start_s=12, stop_s=72)], duration_s=110)


def limited():
    return shipped("rate_limited")


def starving():
    shares = {"critical_fraction": 0.1, "high_fraction": 0.6, "low_fraction": 0.1}
    shares = {f"workload.{name}": share for name, share in shares.items()}
    return shipped("rate_limited", duration_s=40, **{"workload.stop_s": 14}, **shares)


def token_storm():
    storm = shipped("token_refresh_storm", clients=400, ramp_s=12, duration_s=60)
    storm = storm.replace("server.session_lifetime_s", 600)
    return storm.replace(faults=[sl.Fault("session_expiry", start_s=20)])


def small_outage():
    return shipped("first_outage", clients=12, duration_s=11)


@cache
def real_storm():
    storm = shipped("fleet_storm", clients=10_000, duration_s=90, ramp_s=10)
    outage = sl.Fault("outage", start_s=20, stop_s=28)
    return storm.replace("server.accept_per_s", 1_000).replace(faults=[outage])


def real_client():
    return sl.Settings(backoff=sl.presets["socket.io-client"].client.backoff)


def review_storm():
    storm = shipped("fleet_storm", clients=600, duration_s=60, **{"server.accept_per_s": 60})
    return storm.replace(warm_up_s=12, name="storm")


def review_shipped():
    plain = sl.Backoff(jitter="additive", base_s=2, factor=1, add_most_s=10)
    return review_storm().replace(client=sl.Settings(backoff=plain), seed=1000)


def report_claims():
    return shipped("report_claims")


# --- the table -----------------------------------------------------------------------------

LONG = [pytest.mark.long]
EXERCISES = {
    # 00
    "wait_before_attempt_6": Exercise(
        [8, 8.0, np.int64(8)],
        [(16, "right without the cap"), (4, "before attempt 4"), (7, "too small"), (9, "large")],
    ),
    "back_in_4_s": Exercise(
        [{"client.backoff.cap_s": 4}, {"client.backoff.cap_s": 2}],
        [
            ({"client.backoff.cap_s": 7}, "not within 4 s"),
            ({"client.backoff.max_attempts": 3}, "still outside"),
            ({"client.breaker.trip_after": 3}, "leave client.breaker.trip_after"),
            ({"client.backoff.cap_s": 4, "client.backoff.base_s": 1}, "are 2 settings"),
        ],
        given=first_storm,
        allowed="client.backoff.",
    ),
    "calm_first_second": Exercise(
        [{"client.backoff.base_s": 2}, {"client.backoff.base_s": 4}],
        [
            ({"client.backoff.jitter": "none"}, "leave client.backoff.jitter"),
            ({"client.backoff.cap_s": 4}, "the worst second has"),
        ],
        given=first_storm,
        allowed="client.backoff.",
    ),
    # 01
    "longest_wait": Exercise(
        [1.2, np.float64(0.3 * 4)],
        [
            (0.6, "not yet: 0.6 s is the longest wait before attempt 2"),
            (1, "not yet: 1 s is too short"),
            (7, "not yet: 7 s is too long"),
        ],
        beside=lambda: (first_outage().client.backoff,),
    ),
    "never_polls": Exercise(
        [{"client.fallback.after_attempts": inf}],
        [
            ({"client.fallback.after_attempts": 5}, "clients still poll, "),
            ({"client.backoff.max_attempts": 0}, "not yet: 20 clients are still outside"),
            (
                {"client.fallback.after_attempts": inf, "client.backoff.cap_s": 1},
                "are 2 settings: change one alone",
            ),
        ],
        given=first_outage,
    ),
    "back_in_half_a_second": Exercise(
        [{"client.backoff.cap_s": 1, "client.breaker.trip_after": inf}],
        [({"client.backoff.cap_s": 1}, "the median client is back after")],
        given=first_outage,
    ),
    # 02
    "shortest_wait": Exercise(
        [2, 2.0],
        [(4, "longest one"), (1, "before attempt 3"), (3, "middle"), (5, "large"), (0.1, "small")],
    ),
    "jitter_that_lives": Exercise(
        [{"client.backoff.jitter_place": "inside"}, {"client.backoff.jitter_place": "after_cap"}],
        [
            ({"client.backoff.cap_s": 64}, "leave client.backoff.cap_s at 5 s"),
            ({"client.backoff.jitter": "full"}, "between 5.00 and 5.00 s"),
            ({"client.backoff.spread_fraction": 1}, "between 5.00 and 5.00 s"),
        ],
        given=eaten_jitter,
        allowed="client.backoff.",
    ),
    "sooner_after_a_minute": Exercise(
        [{"client.backoff.cap_s": 12}],
        [
            ({"client.backoff.cap_s": 5}, "more than 15"),
            ({"client.backoff.cap_s": 30}, "not within 10 s"),
            ({"client.backoff.jitter": "none"}, "by luck"),
            ({"client.backoff.max_attempts": 5}, "still outside"),
        ],
        given=late_after_a_minute,
        allowed="client.backoff.",
    ),
    # 03
    "door": Exercise(
        [50_000, 50_000.0],
        [
            (40_000, "a million take 25 s, which is too slow"),
            (100_000, "a million take 10 s, and they may take twenty"),
        ],
    ),
    "calmer": Exercise(
        [{"client.backoff.cap_s": 15}],
        [
            ({"client.backoff.cap_s": 5}, "clients are still outside at the end"),
            ({"client.connect_timeout_s": 10}, "leave client.connect_timeout_s at 2 s"),
        ],
        given=hasty,
        marks=LONG,
    ),
    "gentle": Exercise(
        [{"client.backoff.base_s": 2}],
        [
            ({"client.backoff.base_s": 1}, "attempts of 10,000 clients"),
            ({"client.breaker.trip_after": 1}, "leave client.breaker.trip_after"),
        ],
        given=crowd,
        allowed="client.backoff.",
        marks=LONG,
    ),
    # 04
    "attempts_with_a_breaker": Exercise(
        [12],
        [
            (3, "what about the probes?"),
            (9, "what about those that trip it?"),
            (13, "when the outage is over"),
            (11, "too small"),
            (12.0, "is not a whole number"),
        ],
    ),
    "breakers_that_end": Exercise(
        [{"client.breaker.open_spread_fraction": 0.5}, {"client.breaker.open_s": 2}],
        [
            ({"client.breaker.trip_after": inf}, "leave client.breaker.trip_after at 3"),
            ({"client.breaker.probes": 2}, "55 clients are still outside"),
            ({"client.backoff.cap_s": 9}, "leave client.backoff.cap_s"),
        ],
        given=breakers_alike,
        allowed="client.breaker.",
    ),
    "calm_without_a_breaker": Exercise(
        [{"client.backoff.cap_s": 10}],
        [
            ({"client.backoff.cap_s": 6}, "not below 4,000"),
            ({"client.backoff.cap_s": 30}, "not within 15 s"),
            ({"client.backoff.max_attempts": 10}, "200 clients are still outside"),
            ({"client.breaker.trip_after": 3}, "leave client.breaker.trip_after"),
        ],
        given=minute_without_breaker,
        allowed="client.backoff.",
        marks=LONG,
    ),
    # 05
    "full_after": Exercise(
        [20, 20.0],
        [(7.5, "if nothing leaves"), (12, "what comes in meanwhile"), (1.5, "how fast it grows")],
    ),
    "asks_in_vain": Exercise(
        [{"client.rate.per_s": 2.5, "client.rate.burst": 5}],
        [
            ({"client.rate.per_s": 3, "client.rate.burst": 5}, "that the limit is passed"),
            ({"client.rate.per_s": 1}, "still wait at the end"),
            ({"client.outbox.max_in_flight": 1}, "leave client.outbox.max_in_flight"),
        ],
        given=limited,
        allowed="client.rate.",
    ),
    "low_messages_in_time": Exercise(
        [{"client.outbox.age_after_s": 1}],
        [
            ({"client.outbox.age_after_s": 3}, "half of the low messages are acknowledged after"),
            ({"client.outbox.capacity": 10}, "73 messages are lost"),
            ({"client.rate.per_s": 5}, "leave client.rate.per_s"),
        ],
        given=starving,
        allowed="client.outbox.",
    ),
    # 06
    "patience": Exercise(
        [0.9, np.float64(0.9)],
        [(0.8, "without the fault"), (0.4, "way there"), (0.3, "too small"), (2, "too large")],
    ),
    "kept_over_a_reload": Exercise(
        [{"client.outbox.persist": "all"}],
        [
            ({"client.outbox.persist": "urgent"}, "34 messages are lost"),
            ({"client.backoff.cap_s": 1}, "leave client.backoff.cap_s"),
        ],
        given=lambda: shipped("crash_and_reload", **{"client.outbox.persist": "none"}),
        allowed="client.outbox.",
    ),
    "once_in_effect": Exercise(
        [{"client.outbox.awaits_ack": True, "server.deduplicates": True}],
        [
            ({"client.outbox.awaits_ack": True}, "0 messages never count, and 27 count twice"),
            ({"server.deduplicates": True}, "30 messages never count, and 0 count twice"),
            ({"client.backoff.cap_s": 1}, "the answer is in client.outbox.* and server.dedup"),
        ],
        given=lambda: shipped("at_most_once"),
        allowed="client.outbox.",
    ),
    # 07
    "attempts_for_a_minute": Exercise(
        [19],
        [(11, "every wait is the longest"), (14, "on average"), (18, "59.75 s"), (20, "more"),
         (19.0, "is not a whole number")],
    ),
    "soon_by_polling": Exercise(
        [{"client.fallback.after_attempts": 1}],
        [
            ({"client.fallback.poll_interval_s": 0.2}, "are acknowledged within 0.64 s"),
            ({"client.fallback.after_attempts": inf}, "are acknowledged within 5.66 s"),
            ({"client.backoff.cap_s": 1}, "leave client.backoff.cap_s"),
        ],
        given=lambda: shipped("poor_network_fallback"),
        allowed="client.fallback.",
    ),
    "steady_in_the_train": Exercise(
        [{"client.fallback.return_after_s": 3}],
        [
            ({"client.fallback.dwell_s": 4}, "30 changes, and 95 in 100 messages within 1.45 s"),
            ({"client.fallback.after_attempts": inf}, "0 changes, and"),
            ({"client.fallback.poll_interval_s": 1}, "changes, and 95 in 100"),
        ],
        given=lambda: shipped("flapping_wifi", **{"client.fallback.dwell_s": 0}),
        allowed="client.fallback.",
    ),
    # 08
    "clients_in_patience": Exercise(
        [251], [(250, "the next one is not"), (400, "8 s"), (100, "small"), (251.0, "whole")]
    ),
    "loop_that_ends": Exercise(
        [{"client.stops.ends_on": [401, 4401]}, {"client.stops.ends_on": ["4400-4499"]}],
        [
            ({"client.stops.ends_on": [503]}, "238 attempts, and 40 are allowed"),
            ({"client.stops.suspends_on": [401, 4401]}, "0 of 20 clients have ended"),
            ({"client.backoff.max_attempts": 1}, "leave client.backoff.max_attempts"),
        ],
        given=lambda: shipped("session_expiry", **{"client.stops.suspends_on": []}),
        allowed="client.stops.",
    ),
    "renewals_apart": Exercise(
        [{"client.session.spread_s": 6}, {"client.session.spread_s": 4}],
        [
            ({"client.session.spread_s": 16}, "0 sign-ins are wasted, and the last client is"),
            ({"client.session.spread_s": 0.5}, "sign-ins are wasted"),
            ({"client.connect_timeout_s": 20}, "leave client.connect_timeout_s"),
        ],
        given=token_storm,
        allowed="client.session.",
    ),
    # 09
    "quick_enough": Exercise(
        [200 / 2.25, 89],
        [(100, "leaves out the waits"), (53.3, "fewer clients"), (800, "patient"), (10, "small")],
    ),
    "outage_that_ends": Exercise(
        [{"client.backoff.cap_s": 8}],
        [
            ({"client.backoff.cap_s": 2}, "105 clients are still outside"),
            ({"client.backoff.cap_s": 4}, "back after 79.3 s, not within 65 s"),
            ({"client.backoff.max_attempts": 5}, "105 clients are still outside"),
            ({"client.connect_timeout_s": 10}, "leave client.connect_timeout_s"),
        ],
        given=lambda: shipped("slow_server", duration_s=120),
        allowed="client.backoff.",
    ),
    "outage_prevented": Exercise(
        [{"server.backlog": 40}],
        [
            ({"server.backlog": 80}, "back after 49.4 s, not within 15 s"),
            ({"server.workers": 3}, "leave server.workers"),
            ({"server.handshake_service_s": 0.001}, "leave server.handshake_service_s"),
        ],
        given=lambda: shipped("slow_server", duration_s=120),
        allowed="server.",
    ),
    # 10
    "outside_by_chance": Exercise(
        [1.25, 25 * 0.05], [(25, "all of them"), (23.75, "inside"), (0.05, "share"), (2, "large")]
    ),
    "fitted_network": Exercise(
        [{"path.latency.mean_s": 0.06}, {"path.latency.mean_s": 0.059}],
        [
            ({"path.latency.mean_s": 0.03}, "round_trip_s_p50 is 0.1"),
            ({"path.latency.mean_s": 0.12}, "in the simulation"),
            ({"client.backoff.cap_s": 1}, "leave client.backoff.cap_s"),
        ],
        given=small_outage,
        allowed="path.latency.mean_s",
    ),
    "where_to_look": Exercise(
        ["server"],
        [
            ("machine", "its timers were in time"),
            ("client", "the replay matches"),
            ("network", "the round trips agree"),
            ("Server", "is none of"),
            (None, "put a word in place of None"),
        ],
    ),
    # 11
    "without_jitter": Exercise(
        [5],
        [(4, "as short as 4 s"), (6, "nor has the one before it"), (5.0, "not a whole number"),
         (10**400, "is not a number")],
    ),
    "mended": Exercise(
        [{"client.backoff.jitter_place": "after_cap"}],
        [
            ({"client.backoff.cap_s": 8}, "95 in 100 are back after"),
            ({"client.backoff.jitter": "full"}, "attempts, and there were"),
        ],
        given=lambda: real_storm().replace(client=real_client()),
        allowed="client.backoff.",
        after=lambda: (real_storm(), real_client()),
        marks=LONG,
    ),
    "clients_to_record": Exercise([2], [(1, "as if it had no jitter"), (8, "fewer"), (3, "large")]),
    # 12
    "spread": Exercise(
        [2_400 / 180, 13.3],
        [
            (13, "185 attempts a second, 180 are allowed"),
            (20, "120 attempts a second, and fewer seconds would do"),
        ],
        beside=lambda: (180.0,),
    ),
    "level_wait": Exercise(
        [e * 600 / 180],
        [(7, "180 are allowed"), (12, "a shorter wait keeps the bound too")],
        beside=lambda: (review_storm(), 180.0),
        marks=LONG,
    ),
    "doubled": Exercise(
        [{"client.backoff.base_s": 4, "client.backoff.add_most_s": 12}],
        [({"server.accept_per_s": 600}, "leave server.accept_per_s")],
        given=lambda: review_shipped().replace(clients=1_200),
        allowed="client.backoff.",
        after=lambda: (review_shipped(), 180.0),
        plays_given=True,
        marks=LONG,
    ),
    # 13
    "places": Exercise(
        [170, np.int64(170)],
        [
            (160, "clients in 100 lose a message"),
            (180, "170 do too"),
            (175, "is not a multiple of ten"),
            (170.0, "is not a whole number"),
        ],
    ),
    "back_under_5_s": Exercise(
        [{"client.breaker.trip_after": inf}],
        [
            ({"client.breaker.open_s": 25}, "not yet: the median client is back after"),
            ({"client.backoff.cap_s": 1}, "leave that as given"),
        ],
        given=report_claims,
        marks=LONG,
    ),
    "out_for_18_losses": Exercise(
        [23.6, 118 / 5],
        [(20, "nothing is lost yet"), (3.6, "before them the outbox fills"), (118, "how long")],
    ),
}  # fmt: skip
NUMBERS = {name: each for name, each in EXERCISES.items() if each.given is None}
SCENARIOS = {name: each for name, each in EXERCISES.items() if each.given is not None}


def each_of(named):
    return [pytest.param(name, marks=each.marks, id=name) for name, each in named.items()]


def each_answer(which):
    """Return the answers of all exercises; of those played, make test has one that is right."""
    slow, at_once = [pytest.mark.slow], {"right": 1, "wrong": 0}[which]
    return [
        pytest.param(
            name,
            answer,
            marks=exercise.marks + slow * (exercise.given is not None and i >= at_once),
            id=f"{name}-{i}",
        )
        for name, exercise in EXERCISES.items()
        for i, answer in enumerate(getattr(exercise, which))
    ]


def say(name, answer):
    """Return what a check says: one line, right or not yet."""
    if EXERCISES[name].marks:
        pytest.importorskip("numba")
    said = EXERCISES[name].ask(getattr(exercises, name), answer)
    assert "\n" not in said
    assert said.startswith(("right: ", "not yet: "))
    return said


def test_every_check_is_in_the_table():
    assert sorted([*EXERCISES, *NO_CHECKS]) == exercises.__all__


@pytest.mark.few(27)
@pytest.mark.parametrize(("name", "answer"), each_answer("right"))
def test_a_right_answer_is_right(name, answer):
    assert say(name, answer).startswith("right: ")


@pytest.mark.parametrize(("name", "answer"), each_answer("wrong"))
def test_a_typical_wrong_answer_gets_its_hint(name, answer):
    given, hint = answer
    said = say(name, given)
    assert said.startswith("not yet: ")
    assert hint in said


@pytest.mark.few(70)
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("answer", NO_NUMBERS, ids=repr)
def test_what_is_no_number_above_0_is_not_yet_right_and_no_error(name, answer):
    assert say(name, answer).startswith("not yet: ")


@pytest.mark.few(30)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("answer", NO_SCENARIOS, ids=repr)
def test_what_is_no_scenario_is_not_yet_right_and_no_error(name, answer):
    assert "is not a scenario" in say(name, answer)


@pytest.mark.few(60)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("way", OTHER_WAYS)
@pytest.mark.parametrize(
    "and_right",
    [
        pytest.param(False, marks=pytest.mark.slow, id="alone"),
        pytest.param(True, id="beside what is right"),
    ],
)
def test_another_way_to_be_right_is_refused_with_what_to_put_back(name, way, and_right):
    exercise = EXERCISES[name]
    [changed] = OTHER_WAYS[way]
    answer = OTHER_WAYS[way] | (exercise.right[0] if and_right else {})
    if exercise.given().replace(**OTHER_WAYS[way]) == exercise.given():
        pytest.skip("it is so already")
    if changed.startswith(exercise.allowed):
        pytest.skip("it is what is asked for")
    assert changed in say(name, answer).partition(" as given")[0]


@pytest.mark.parametrize("name", each_of({n: s for n, s in SCENARIOS.items() if not s.plays_given}))
def test_nothing_changed_is_said_as_such(name):
    given = EXERCISES[name].given()
    assert "not yet: nothing has been changed" == say(name, given)
    assert "not yet: nothing has been changed" == say(name, given.replace(name="other"))


@pytest.mark.long
def test_twice_the_clients_as_given_are_played_and_half_of_them_refused():
    pytest.importorskip("numba")
    given = review_shipped()
    said = exercises.doubled(given.replace(clients=1_200), given, 180.0)
    assert "180 attempts are allowed" in said
    assert "leave clients" in exercises.doubled(given, given, 180.0)


# --- guesses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guess", "said"),
    [
        (3.0, "you guessed 3 s, the run says 3.6 s: well guessed"),
        (1, "you guessed 1 s, the run says 3.6 s: 3.6 times as much"),
        (36, "you guessed 36 s, the run says 3.6 s: 0.1 of that"),
        (np.float64(3.6), "you guessed 3.6 s, the run says 3.6 s: well guessed"),
    ],
)
def test_a_guess_is_put_beside_the_result(guess, said):
    assert said == exercises.compare_guess(guess, 3.6, "s")


@pytest.mark.parametrize("guess", NO_NUMBERS, ids=repr)
def test_a_guess_that_is_missing_or_no_number_is_no_error(guess):
    assert exercises.compare_guess(guess, 3.6, "s").startswith("no guess yet: ")


def test_a_result_of_nothing_or_of_never_is_no_error():
    assert exercises.compare_guess(5, 0, "clients").endswith(": nothing at all")
    assert "the run says inf s" in exercises.compare_guess(5, inf, "s")


def test_a_guess_may_be_one_of_some_words():
    words = ("sooner", "later")
    said = 'you guessed "later", the run says "later": well guessed'
    assert said == exercises.compare_guess("later", "later", words=words)
    said = 'you guessed "sooner", the run says "later"'
    assert said == exercises.compare_guess("sooner", "later", words=words)
    for guess in ("Later", 3, None):
        assert exercises.compare_guess(guess, "later", words=words).startswith("no guess yet: ")
