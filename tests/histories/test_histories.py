"""Whatever happens, what is accepted counts once and in order; and what is broken is told."""

import random

import pytest
from hypothesis import given, settings

import simlib as sl
from simlib.trace.columns import Name
from tests.batteries import examples
from tests.histories.broken import BROKEN, breaking
from tests.histories.checker import Deed, find_violations
from tests.histories.schedules import SCHEDULES, draw_schedules, find_smallest, judge


@pytest.mark.long
@settings(max_examples=examples(200))
@given(SCHEDULES)
def test_any_schedule_has_the_history_of_exactly_once(schedule):
    said = judge(schedule)
    assert not said, said


#: The server's process is killed, and a client's page: with all that was not saved.
KILLS = [
    sl.Fault("server_crash", 3, 4.5),
    sl.Fault("client_reload", 5, 6),
    sl.Fault("server_crash", 8, 8.5),
]


@pytest.mark.live
@pytest.mark.long
@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(4))
def test_real_sockets_and_killed_processes_have_the_same_history(seed):
    [drawn] = draw_schedules(1, seed)
    schedule = drawn.replace(duration_s=35, faults=[*drawn.faults, *KILLS])
    said = judge(schedule, on="live")
    assert not said, said


@pytest.mark.few(1)
@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_told_with_the_smallest_schedule_that_shows_it(what):
    with breaking(what) as sentence:
        schedule = find_smallest(lambda schedule: sentence in judge(schedule), most=400)
        assert schedule is not None
        said = judge(schedule)
    assert sentence in said
    assert said.endswith(sl.dump(schedule))
    # It is the smallest: one client, and no more faults than it takes.
    assert (1, True) == (schedule.clients, len(schedule.faults) <= 2)
    assert not judge(schedule)


@pytest.mark.slow
def test_ids_in_memory_are_told_to_count_twice():
    def judge_memory(schedule):
        return judge(schedule.replace("server.remember", "memory"))

    schedule = find_smallest(lambda schedule: bool(judge_memory(schedule)), most=1000)
    assert schedule is not None
    assert "counted 2 times" in judge_memory(schedule)
    assert ["server_crash"] == [fault.kind.name.lower() for fault in schedule.faults]


GIVEN = [Deed(1.0, "given", 0, 0, 5), Deed(2.0, "given", 0, 1, 5)]
FINE = [*GIVEN, Deed(1.5, "counted", 0, 0), Deed(2.5, "counted", 0, 1)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], []),
        ([Deed(3.0, "counted", 0, 1)], ["message 1: counted 2 times, at 2.500 s and 3.000 s"]),
        (
            [Deed(2.0, "acknowledged", 0, 1)],
            ["message 1: acknowledged at 2.000 s, and not counted"],
        ),
        (
            [Deed(2.0, "acknowledged", 0, 9)],
            ["message 9: acknowledged at 2.000 s, and not counted"],
        ),
        ([Deed(3.0, "counted", 0, 9)], ["message 9: counted at 3.000 s, and no application sent"]),
        ([Deed(0.5, "given", 1, 0)], ["client 1, message 0: accepted at 0.500 s, and never"]),
        ([Deed(0.5, "given", 1, 0), Deed(0.5, "dropped", 1, 0)], []),
        (
            [Deed(0.5, "given", 0, 2, 5), Deed(1.7, "counted", 0, 2)],
            ["key 5: message 0 was counted"],
        ),
        ([Deed(0.5, "given", 0, 2, 6), Deed(1.7, "counted", 0, 2)], []),
        (
            [Deed(1.7, "acknowledged", 0, 0), Deed(1.8, "sent", 0, 0)],
            ["message 0: sent at 1.800 s, though acknowledged at 1.700 s"],
        ),
    ],
)
def test_each_violation_has_its_sentence(more, said):
    found = find_violations(random.Random(1).sample([*FINE, *more], len(FINE) + len(more)))
    assert len(said) == len(found)
    for part, sentence in zip(said, found, strict=True):
        assert part in sentence


def test_schedules_are_nasty():
    """Each kind of fault comes, and they come together."""
    schedules = draw_schedules(200)
    assert set(sl.core.faults.FaultKind) == {f.kind for s in schedules for f in s.faults}
    assert sum(len(schedule.faults) for schedule in schedules) > 400
    trace = sl.run(next(s for s in schedules if len(s.faults) > 2 and s.clients > 1))
    assert trace.counts()[Name.TRANSMIT.name.lower()] > 20
