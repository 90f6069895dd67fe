"""Policies in words, starts at random, and levels by tenths of a second."""

from math import exp, inf, log

import numpy as np
import pytest

from simlib.core.arrivals import StartTimes, has_ties, random_start_s, random_starts_s
from simlib.core.backoff import Backoff
from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.heartbeat import Heartbeat, HeartbeatRules, next_ping_s
from simlib.core.levels import TENTH_US, change_level, count_in_tenth
from simlib.core.outbox import OutboxLimits
from simlib.core.server_settings import ServerSettings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_attempts": 0}, "never reconnects"),
        ({"first_s": 0.5}, "first 0.5 s, 1 s x 2 to 30 s, full jitter"),
        (
            {"first_s": 0.5, "first_jitter": "full"},
            "first 0 to 0.5 s, 1 s x 2 to 30 s, full jitter",
        ),
        ({"first_s": 2, "first_jitter": "equal"}, "first 1 to 2 s, 1 s x 2 to 30 s, full jitter"),
        ({"steps_s": [3]}, "3 s always, full jitter"),
        ({"steps_s": [1, 2, 5]}, "1, 2, 5 s, full jitter"),
        ({"steps_s": [1, 2, 3, 4]}, "1, 2, 3, 4 s, full jitter"),
        ({"steps_s": [1, 2, 3, 4, 5]}, "1, 2, 3 ... 5 s, full jitter"),
        (
            {"steps_s": [2, 2, 2], "jitter_place": "after_cap", "jitter": "proportional"},
            "2, 2, 2 s, +-50 %",
        ),
        (
            {"steps_s": [2, 2, 3], "jitter_place": "after_cap", "jitter": "proportional"},
            "2, 2, 3 s, +-50 % after the cap",
        ),
        ({"cap_s": 1000000.0}, "1 s x 2, full jitter"),
        ({"cap_s": 999999}, "1 s x 2 to 999,999 s, full jitter"),
        (
            {"cap_s": 1000000.0, "jitter_place": "after_cap", "jitter": "proportional"},
            "1 s x 2, +-50 %",
        ),
        ({"cap_s": 999.9}, "1 s x 2 to 1,000 s, full jitter"),
        ({"cap_s": 1000}, "1 s x 2 to 1,000 s, full jitter"),
        ({"jitter": "decorrelated"}, "1 s to 30 s, decorrelated jitter"),
        ({"jitter": "decorrelated", "cap_s": 10000000.0}, "1 s and more, decorrelated jitter"),
        ({"growth": "linear", "rise_s": 2}, "1 s + 2 s to 30 s, full jitter"),
        ({"growth": "linear", "rise_s": 0}, "1 s + 0 s to 30 s, full jitter"),
        ({"growth": "power", "exponent": 1.5}, "1 s x attempt^1.5 to 30 s, full jitter"),
        ({"growth": "power", "exponent": 0}, "1 s always, full jitter"),
        ({"factor": 1}, "1 s always, full jitter"),
        ({"factor": 1.05}, "1 s x 1.05 to 30 s, full jitter"),
        ({"cap_s": 1}, "1 s always, full jitter"),
        ({"after_loss_s": 2}, "2 s after a loss, 1 s x 2 to 30 s, full jitter"),
        (
            {"after_loss_s": 2, "after_loss_jitter": "below"},
            "2 s, up to 50 % less, after a loss, 1 s x 2 to 30 s, full jitter",
        ),
        ({"after_loss_s": 0}, "0 s after a loss, 1 s x 2 to 30 s, full jitter"),
        ({"jitter": "proportional", "spread_fraction": 0.333}, "1 s x 2 to 30 s, +-33.3 %"),
        ({"jitter": "below", "spread_fraction": 0.2}, "1 s x 2 to 30 s, up to 20 % less"),
        (
            {"jitter": "additive", "add_least_s": -0.5, "add_most_s": 2},
            "1 s x 2 to 30 s, -0.5 to +2 s",
        ),
        ({"jitter": "none", "jitter_place": "after_cap"}, "1 s x 2 to 30 s, no jitter"),
        (
            {"jitter": "equal", "jitter_place": "before_cap"},
            "1 s x 2 to 30 s, equal jitter before the cap",
        ),
        (
            {"jitter": "equal", "jitter_place": "after_cap"},
            "1 s x 2 to 30 s, equal jitter after the cap",
        ),
        ({"factor": 1, "jitter_place": "after_cap"}, "1 s always, full jitter"),
        ({"compounding": True}, "1 s x 2 to 30 s, full jitter, compounding"),
        (
            {"compounding": True, "drawn_once": True},
            "1 s x 2 to 30 s, full jitter, compounding, drawn once",
        ),
        ({"drawn_once": True}, "1 s x 2 to 30 s, full jitter, drawn once"),
        ({"compounding": True, "jitter": "none"}, "1 s x 2 to 30 s, no jitter"),
        (
            {"floor_s": 0.25, "jitter": "none", "drawn_above_floor": True},
            "1 s x 2 to 30 s, no jitter, at least 0.25 s",
        ),
        (
            {"floor_s": 0.25, "drawn_above_floor": True},
            "1 s x 2 to 30 s, full jitter, drawn above 0.25 s",
        ),
        ({"floor_s": 0.25}, "1 s x 2 to 30 s, full jitter, at least 0.25 s"),
        (
            {"counted_from": "start"},
            "1 s x 2 to 30 s, full jitter, from the start of the attempt before",
        ),
        ({"growth": "power", "exponent": 2}, "1 s x attempt^2 to 30 s, full jitter"),
        ({"factor": 1, "base_s": 3, "cap_s": 9}, "3 s always, full jitter"),
        ({"max_attempts": 7}, "1 s x 2 to 30 s, full jitter, 7 attempts"),
        ({"give_up_after_s": 90}, "1 s x 2 to 30 s, full jitter, none later than 90 s"),
        ({"give_up_after_s": 7200}, "1 s x 2 to 30 s, full jitter, none later than 7,200 s"),
        ({"hint_cap_s": 60}, "1 s x 2 to 30 s, full jitter, hints of at most 60 s"),
        ({"hint_cap_s": 60, "heeds_hint": False}, "1 s x 2 to 30 s, full jitter"),
        ({"stable_after_s": 10}, "1 s x 2 to 30 s, full jitter, counts on until open for 10 s"),
    ],
)
def test_a_policy_says_in_words_what_it_does(settings, words):
    assert words == Backoff(**settings).in_words


@pytest.mark.parametrize("kind", [1, 2])
def test_random_starts_ascend_and_no_two_are_the_same(kind):
    starts_s = tuple(random_starts_s(kind, 10.0, 3, 200))
    assert list(starts_s) == sorted(starts_s)
    assert not has_ties(starts_s)
    assert 200 == len(starts_s)
    assert has_ties((1.0, 2.0, 2.0))


def test_random_starts_add_up_one_drawn_gap_per_client():
    gaps = [-log(1.0 - uniform(7, client, Stream.JOIN, 0)) for client in range(3)]
    # Poisson: gaps of mean ramp / clients. Uniform: by Renyi's representation of order statistics.
    sums = [sum(gaps[: client + 1]) for client in range(3)]
    poisson = random_starts_s(StartTimes.POISSON, 6.0, 7, 3)
    assert [2.0 * each for each in sums] == pytest.approx(list(poisson))
    sums = [gaps[0] / 3, gaps[0] / 3 + gaps[1] / 2, gaps[0] / 3 + gaps[1] / 2 + gaps[2]]
    even = random_starts_s(StartTimes.UNIFORM, 6.0, 7, 3)
    assert [6.0 * (1.0 - exp(-each)) for each in sums] == pytest.approx(list(even))


def test_a_start_however_late_it_is_drawn_lies_within_the_ramp():
    for gaps in (700.0, 800.0, 1e6):
        assert 6.0 == random_start_s(StartTimes.UNIFORM, 6.0, gaps, 3)


def test_a_level_and_a_count_beyond_the_last_tenth_are_not_kept():
    tenths = np.zeros((3, 2), np.int64)
    change_level(tenths, 0, 0.05, 2)
    count_in_tenth(tenths, 1, 0.05)
    before = tenths.copy()
    change_level(tenths, 0, 9.0, 2)
    count_in_tenth(tenths, 1, 9.0)
    assert (before == tenths).all()
    assert 2 * TENTH_US == tenths[:, 0].sum()
    assert [1, 0, 0] == tenths[:, 1].tolist()


def test_a_level_is_shared_between_the_tenth_it_begins_in_and_the_next():
    tenths = np.zeros((3, 2), np.int64)
    change_level(tenths, 0, 0.025, 1)
    assert [75_000, 25_000, 0] == tenths[:, 0].tolist()
    change_level(tenths, 0, 0.175, -2)
    assert [75_000, 25_000 - 50_000, -150_000] == tenths[:, 0].tolist()
    # From the last tenth on there is none for it to go on in.
    change_level(tenths, 0, 0.2, 7)
    assert [75_000, -25_000, -150_000] == tenths[:, 0].tolist()
    for time_s in (0.0, 0.0999, 0.1, 0.2999, 0.3):
        count_in_tenth(tenths, 1, time_s)
    count_in_tenth(tenths, 1, 0.15, -3)
    assert [2, 1 - 3, 1] == tenths[:, 1].tolist()


def test_any_traffic_puts_off_the_next_ping_where_it_counts_as_life():
    rules = HeartbeatRules(interval_s=10, timeout_s=4, any_traffic=True)
    assert 15.0 == next_ping_s(5.0, 8.0, rules)
    beats = Heartbeat(rules)
    beats.begin(0.0)
    beats.hear(3.0)
    assert 13.0 == beats.deadline_s
    beats.end()
    beats.hear(4.0)
    assert inf == beats.deadline_s


def test_settings_that_say_two_things_at_once_are_refused():
    for max_resends in (1, 3, inf):
        with pytest.raises(SettingsError, match="max_resends"):
            OutboxLimits(awaits_ack=False, max_resends=max_resends)
    assert not OutboxLimits(awaits_ack=False, max_resends=0).awaits_ack
    with pytest.raises(SettingsError, match="either is the hint"):
        ServerSettings(advises_window_s=5, retry_after_s=3)
