"""Expectations of a policy: each is broken by the client that breaks it, and says how."""

import pytest

import simlib as sl
from simlib.lab.observe.observation import Attempt


def seen(answers, waits_s, *, watched_s=0.0):
    """The observation of a client that waits so after each answer; (kind, detail) each."""
    rows, now_s = [], 0.0
    for phase, ((kind, detail), wait_s) in enumerate(zip(answers, [*waits_s, 0.0], strict=True)):
        rows.append(
            Attempt(
                min(phase, 1),
                kind,
                detail,
                0,
                "127.0.0.1:1",
                now_s,
                now_s,
                now_s,
                opened=kind == "close",
                ended_s=now_s,
                ended_by="us",
                late_s=0.0,
                end_late_s=0.0,
            )
        )
        now_s += wait_s
    return sl.Observation(rows, observed_s=now_s + watched_s)


def failures(waits_s, **options):
    return seen([("status", "503")] * (len(waits_s) + 1), waits_s, **options)


def broken(observation, **expected):
    with pytest.raises(sl.Unexpected) as raised:
        sl.assert_policy(observation, **expected)
    return str(raised.value).splitlines()[1:]


DOUBLING = [min(30.0, 0.5 * 2.0**i) for i in range(10)]
#: Full jitter of the same ceilings, with fixed draws.
JITTERED = [
    ceiling * draw
    for ceiling, draw in zip(
        DOUBLING * 2, [0.9, 0.1, 0.7, 0.3, 0.95, 0.2, 0.6, 0.5, 0.05, 0.8] * 2, strict=True
    )
]


@pytest.mark.slow
def test_waits_without_jitter_break_jitter_and_the_policy_is_named():
    [line] = broken(failures(DOUBLING), jitter=True)
    assert line.startswith("  jitter=True: the waits say: exponential, no jitter")
    assert "its first: 0.5 s, 1 s, 2 s" in line
    sl.assert_policy(failures(DOUBLING), jitter=False)


def test_jittered_waits_have_jitter():
    assert sl.assert_policy(failures(JITTERED), jitter=True).attempts == 21
    assert 1 == len(broken(failures(JITTERED), jitter=False))


def test_too_few_waits_to_tell_fail_and_say_so():
    [line] = broken(failures([0.5, 1.0]), jitter=True)
    assert "cannot be told: not enough attempts in a row: 2 of at least 8 waits" in line


def test_a_few_waits_that_shrink_have_jitter_without_a_fit():
    sl.assert_policy(failures([1.0, 0.3]), jitter=True)
    [line] = broken(failures([1.0, 0.3]), jitter=False)
    assert "its waits vary: 1 s, then 0.3 s in one row of failures" in line


def test_a_wait_that_is_too_long_is_named_with_what_came_before_it():
    assert ["  no_wait_above_s=30: it waited 45 s after status 503"] == broken(
        failures([1.0, 45.0]), no_wait_above_s=30
    )


def test_a_wait_that_the_server_asked_for_may_be_longer():
    observation = failures([1.0, 45.0])
    observation.attempts[1].retry_after_s = 45.0
    sl.assert_policy(observation, no_wait_above_s=30)


def test_a_client_that_comes_back_after_401_breaks_stops_on():
    answers = [("status", "503")] * 3 + [("status", "401")] * 2 + [("status", "503")]
    assert ["  stops_on=[401]: status 401: it came back 2 times, first after 1.5 s"] == broken(
        seen(answers, [1.0, 1.0, 1.0, 1.5, 1.0]), stops_on=[401]
    )


def test_a_client_that_stays_away_holds_stops_on_and_a_short_look_cannot_tell():
    answers = [("status", "503"), ("close", "1012"), ("status", "401")]
    sl.assert_policy(seen(answers, [1.0, 1.0], watched_s=10.0), stops_on=[401])
    [line] = broken(seen(answers, [1.0, 1.0], watched_s=0.5), stops_on=[401])
    assert "status 401 cannot be told" in line


def test_a_code_that_was_not_met_is_named_with_how_to_meet_it():
    assert [
        "  stops_on=[401, 4401]: 401 was not seen: bad_server.status(401) lets it meet one",
        "  stops_on=[401, 4401]: 4401 was not seen: bad_server.close(4401) lets it meet one",
    ] == broken(failures([1.0, 1.0]), stops_on=[4401, 401])


def test_a_client_that_stops_after_something_else_breaks_stops_on():
    answers = [("status", "401"), ("status", "503"), ("status", "503"), ("close", "1012")]
    lines = broken(seen(answers, [1.0, 1.0, 1.0], watched_s=20.0), stops_on=[401])
    assert "  stops_on=[401]: it does not come back after close 1012 either" in lines


def test_a_client_that_gives_up_does_not_survive():
    [line] = broken(failures([1.0, 1.0, 1.0], watched_s=60.0), survives_outage_s=600)
    assert "it gives up after 4 failures in a row, 3 s into an outage" in line
    sl.assert_policy(failures([1.0, 1.0, 1.0], watched_s=60.0), survives_outage_s=2)


def test_one_that_met_no_failure_cannot_be_told():
    answers = [("close", "1012"), ("close", "1012")]
    [line] = broken(seen(answers, [1.0]), survives_outage_s=600)
    assert "cannot be told: it met no failure" in line


def test_every_broken_rule_has_its_line():
    lines = broken(
        failures([1.0, 45.0, 1.0], watched_s=200.0),
        no_wait_above_s=30,
        stops_on=[401],
        survives_outage_s=600,
    )
    assert ["no_wait_above_s=30", "stops_on=[401]", "survives_outage_s=600"] == [
        line.strip().partition(":")[0] for line in lines
    ]


def test_an_observation_may_be_a_file(tmp_path):
    failures([1.0, 45.0]).save(tmp_path / "seen.parquet")
    with pytest.raises(sl.Unexpected, match="it waited 45 s"):
        sl.assert_policy(tmp_path / "seen.parquet", no_wait_above_s=30)
