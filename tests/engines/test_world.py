from itertools import pairwise
from math import inf, sqrt

import pytest
import simpy

import simlib as sl
from simlib.core import events as ev
from simlib.core.errors import SettingsError
from simlib.core.events import Admit, Answer, Priority, Reason, Refuse
from simlib.core.faults import FaultKind
from simlib.core.link_table import State
from simlib.engines.driver import Driver
from simlib.engines.sim_clock import SimClock
from simlib.engines.store import MemoryStore
from simlib.engines.world import World
from simlib.trace.columns import COLUMNS, Kind, Name
from simlib.trace.notes import note, pack_arrival, pack_server_command
from simlib.trace.schema import ROW
from simlib.trace.trace import Trace

# --- the clock ---------------------------------------------------------------------------


def test_calls_come_at_their_moment_in_the_order_they_were_asked_for():
    clock, called = SimClock(), []
    for moment_s in (3.0, 1.0, 3.0, inf, 2.0):
        clock.at(moment_s, lambda asked: called.append((asked, clock.now_s)), moment_s)
    clock.run(until=10)
    assert [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (3.0, 3.0)] == called


def test_a_moment_that_has_passed_is_now():
    clock, called = SimClock(), []
    clock.at(5.0, clock.at, 1.0, lambda: called.append(clock.now_s))
    clock.run(until=10)
    assert [5.0] == called


def test_calls_and_simpy_processes_share_one_time():
    clock, seen = SimClock(), []

    def process():
        yield clock.timeout(2)
        seen.append(("process", clock.now))

    clock.process(process())
    clock.at(1.0, lambda: seen.append(("call", clock.now)))
    clock.at(3.0, lambda: seen.append(("call", clock.now)))
    clock.run(until=10)
    assert [("call", 1.0), ("process", 2), ("call", 3.0)] == seen
    assert isinstance(clock, simpy.Environment)


def test_an_alarm_rings_once_at_its_last_setting():
    clock, rung = SimClock(), []
    alarm = clock.alarm(lambda of: of.append(clock.now_s), rung)
    alarm.set(5.0)
    alarm.set(3.0)
    alarm.set(3.0)
    clock.run(until=4)
    assert [3.0] == rung
    alarm.set(8.0)
    alarm.set(inf)
    clock.run(until=20)
    assert [3.0] == rung


def test_an_alarm_moved_away_and_back_rings_once():
    clock, rung = SimClock(), []
    alarm = clock.alarm(lambda of: of.append(clock.now_s), rung)
    for moment_s in (5.0, 7.0, 5.0):
        alarm.set(moment_s)
    clock.run(until=20)
    assert [5.0] == rung


def test_an_alarm_rings_in_the_place_of_its_last_setting_whatever_it_was_set_to_before():
    clock, rung = SimClock(), []
    alarms = [clock.alarm(lambda i: rung.append((i, clock.now_s)), i) for i in range(4)]
    for i, moments_s in enumerate([(9, 2, 5), (3, 4, inf, 5), (5,), (8, 6, 4, 5)]):
        for moment_s in moments_s:
            alarms[i].set(moment_s)
        clock.at(5, rung.append, (i, "call"))
    alarms[0].set(7)
    alarms[0].set(5)
    clock.run(until=20)
    expected = [(0, "call"), (1, 5.0), (1, "call"), (2, 5.0), (2, "call"), (3, 5.0), (3, "call")]
    assert [*expected, (0, 5.0)] == rung


def test_an_alarm_that_only_moves_to_later_stands_in_the_queue_once():
    clock, rung = SimClock(), []
    alarm = clock.alarm(lambda of: of.append(clock.now_s), rung)
    for moment_s in range(1, 100):
        alarm.set(moment_s)
    assert 1 == len(clock._queue)
    clock.run(until=200)
    assert [99.0] == rung


def test_a_run_ends_before_what_is_due_at_its_end():
    clock, called = SimClock(), []
    for moment_s in (1.0, 2.0, 3.0):
        clock.at(moment_s, called.append, moment_s)
    clock.run(until=2)
    assert ([1.0], 2.0) == (called, clock.now)
    with pytest.raises(ValueError, match="must be greater"):
        clock.run(until=2)
    clock.run()
    assert [1.0, 2.0, 3.0] == called


# --- a world whose host does nothing -----------------------------------------------------


class Nothing:
    """A host that notes what it is asked for and never answers."""

    def __init__(self):
        self.asked = []
        self.faults = []

    def perform(self, driver: Driver, command: ev.Command) -> None:
        self.asked.append((driver.client.number, command))

    def fault_starts(self, index: int) -> None:
        self.faults.append((index, True))

    def fault_stops(self, index: int) -> None:
        self.faults.append((index, False))

    def vanish(self, driver: Driver) -> None:
        self.asked.append((driver.client.number, "vanish"))

    def session_s(self, client: int) -> float:
        return -inf


def played(scenario: sl.Scenario, *processes) -> tuple[World, Nothing]:
    """A world played to its end."""
    host, clock = Nothing(), SimClock()
    world = World(scenario, clock, host, Trace("sim", scenario), MemoryStore())
    world.begin(processes)
    clock.run(until=scenario.duration_s)
    return world, host


def rows(world: World, name: Name) -> list[dict]:
    columns = world.trace.columns()
    every = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [row for row in every if row["name"] == name]


def sends(world: World, client: int = 0) -> list[dict]:
    return [row for row in rows(world, Name.SEND) if row["client"] == client]


def sending(rate_per_s: float, **workload) -> sl.Scenario:
    return sl.Scenario(
        clients=1,
        duration_s=2000,
        ramp_s=0,
        workload=sl.Workload(rate_per_s=rate_per_s, **workload),
        client=sl.Settings(outbox=sl.OutboxLimits(capacity=inf)),
    )


def test_the_clients_start_evenly_spread_over_the_ramp():
    world, host = played(sl.Scenario(clients=4, duration_s=9, ramp_s=2))
    assert [(0.0, 0), (0.5, 1), (1.0, 2), (1.5, 3)] == [
        (row["time_s"], row["client"]) for row in rows(world, Name.START)
    ]
    assert [(i, ev.Open(1)) for i in range(4)] == host.asked


def test_constant_messages_are_equally_spaced_from_a_random_phase():
    world, _ = played(sending(2, arrivals="constant", start_s=100))
    times = [row["time_s"] for row in sends(world)]
    assert 100.0 <= times[0] < 100.5
    assert {0.5} == {round(b - a, 9) for a, b in pairwise(times)}
    assert list(range(len(times))) == [row["message"] for row in sends(world)]


def test_poisson_messages_come_at_their_rate_and_forget():
    world, _ = played(sending(2))
    gaps = [b["time_s"] - a["time_s"] for a, b in pairwise(sends(world))]
    mean_s = sum(gaps) / len(gaps)
    deviation_s = sqrt(sum((gap - mean_s) ** 2 for gap in gaps) / len(gaps))
    # An exponential's mean and deviation are equal; four standard errors of either.
    assert mean_s == pytest.approx(0.5, abs=4 * 0.5 / sqrt(len(gaps)))
    assert deviation_s == pytest.approx(0.5, abs=8 * 0.5 / sqrt(len(gaps)))


def test_no_message_after_the_workload_s_stop():
    world, _ = played(sending(5, start_s=10, stop_s=20))
    times = [row["time_s"] for row in sends(world)]
    assert 10.0 <= min(times)
    assert max(times) < 20.0
    assert 20 < len(times) < 80


def test_a_rate_of_zero_sends_nothing():
    assert [] == sends(played(sending(0))[0])


def test_the_priorities_have_their_shares():
    world, _ = played(sending(2, critical_fraction=0.1, high_fraction=0.2, low_fraction=0.3))
    got = [row["priority"] for row in sends(world)]
    for priority, share in zip(Priority, (0.1, 0.2, 0.4, 0.3), strict=True):
        error = sqrt(share * (1 - share) / len(got))
        assert got.count(priority) / len(got) == pytest.approx(share, abs=4 * error)


def test_messages_have_their_size_and_their_expiry():
    world, _ = played(sending(1, size_bytes=321, expires_after_s=7))
    row = sends(world)[0]
    assert (321, row["time_s"] + 7.0) == (row["size_bytes"], row["expires_s"])


def test_a_user_s_message_is_numbered_with_those_of_the_workload():
    numbers = []

    def speak(world):
        while True:
            yield world.clock.timeout(3)
            numbers.append(world.send(0, Priority.CRITICAL, 50, expires_after_s=4))

    world, _ = played(sending(1).replace(duration_s=20), speak)
    own = [row for row in sends(world) if row["size_bytes"] == 50]
    assert numbers == [row["message"] for row in own]
    assert [3.0, 6.0, 9.0, 12.0, 15.0, 18.0] == [row["time_s"] for row in own]
    assert {Priority.CRITICAL} == {row["priority"] for row in own}
    assert {4.0} == {row["expires_s"] - row["time_s"] for row in own}
    assert list(range(len(sends(world)))) == [row["message"] for row in sends(world)]


def test_the_script_of_faults_is_played_and_noted_up_to_the_end():
    faults = [sl.Fault("outage", 2, 30), sl.Fault("reset", 3), sl.Fault("black_hole", 1, 3)]
    world, host = played(sl.Scenario(clients=1, duration_s=10, faults=faults))
    assert [(2, True), (0, True), (2, False), (1, True)] == host.faults
    noted = [
        (row["time_s"], row["fault"], row["fault_kind"], row["client"])
        for row in rows(world, Name.FAULT_START)
    ]
    assert [
        (1.0, 2, FaultKind.BLACK_HOLE, -1),
        (2.0, 0, FaultKind.OUTAGE, -1),
        (3.0, 1, FaultKind.RESET, -1),
    ] == noted
    assert [3.0] == [row["time_s"] for row in rows(world, Name.FAULT_STOP)]


# --- faults by hand ----------------------------------------------------------------------


def by_hand(*steps):
    """A process that waits and acts on the world, step by step."""

    def hand(world):
        for wait_s, act in steps:
            yield world.clock.timeout(wait_s)
            act(world)

    return hand


SCRIPTED_AT_5 = sl.Scenario(clients=1, duration_s=10, faults=[sl.Fault("outage", 5, 6)])


def test_a_fault_begins_and_ends_by_hand_and_is_noted_like_a_scripted_one():
    struck = []
    world, host = played(
        SCRIPTED_AT_5,
        by_hand(
            (2, lambda world: struck.append(world.strike(sl.Fault("black_hole", 7, 8)))),
            (1, lambda world: world.lift(1)),
        ),
    )
    assert [1] == struck
    assert [(1, True), (1, False), (0, True), (0, False)] == host.faults
    edges = [*rows(world, Name.FAULT_START), *rows(world, Name.FAULT_STOP)]
    assert [
        (2.0, 1, FaultKind.BLACK_HOLE),
        (5.0, 0, FaultKind.OUTAGE),
        (3.0, 1, FaultKind.BLACK_HOLE),
        (6.0, 0, FaultKind.OUTAGE),
    ] == [(row["time_s"], row["fault"], row["fault_kind"]) for row in edges]


def test_the_trace_s_scenario_has_the_faults_by_hand_and_the_played_one_has_not():
    world, _ = played(SCRIPTED_AT_5, by_hand((2, lambda world: world.strike(sl.Fault("reset")))))
    expected = SCRIPTED_AT_5.replace(faults=[*SCRIPTED_AT_5.faults, sl.Fault("reset", 2)])
    assert expected == world.trace.scenario
    assert SCRIPTED_AT_5 == world.scenario


def test_a_fault_that_is_not_lifted_lasts_to_the_end_of_the_run():
    world, host = played(SCRIPTED_AT_5, by_hand((8, lambda world: world.strike(sl.Fault()))))
    assert sl.Fault("outage", start_s=8) == world.trace.scenario.faults[1]
    assert (1, False) not in host.faults


def test_a_fault_lifted_at_the_moment_it_was_struck_was_there_for_a_moment():
    def both(world):
        world.lift(world.strike(sl.Fault("server_crash")))

    world, host = played(sl.Scenario(clients=1, duration_s=10), by_hand((2, both)))
    assert [(0, True), (0, False)] == host.faults
    (fault,) = world.trace.scenario.faults
    assert 2.0 == fault.start_s < fault.stop_s < 2.0 + 1e-9
    assert not world.timeline.is_crashed(fault.stop_s)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda world: world.lift(0), "fault 0 cannot be lifted"),  # a scripted one
        (lambda world: world.lift(7), "fault 7 cannot be lifted"),
        (lambda world: world.lift(world.strike(sl.Fault("reset"))), "fault 1 cannot be lifted"),
        (
            lambda world: [world.lift(index) for index in [world.strike(sl.Fault())] * 2],
            "fault 1 cannot be lifted: it was not struck, or is over",
        ),
    ],
)
def test_only_what_was_struck_can_be_lifted_and_only_once(act, message):
    with pytest.raises(sl.MisuseError, match=message):
        played(SCRIPTED_AT_5, by_hand((1, act)))


def test_nothing_is_struck_after_the_end():
    world, host = played(sl.Scenario(clients=1, duration_s=10))
    with pytest.raises(sl.MisuseError, match="the run is over"):
        world.strike(sl.Fault("outage"))
    assert [] == host.faults


# --- observers ---------------------------------------------------------------------------


def test_an_observer_is_told_of_each_step_after_it_was_made():
    told = []

    def observe(driver, event, commands, now):
        told.append((driver.client.number, event, commands, now, driver.client.link.state))

    def attach(world):
        world.observers.append(observe)
        yield world.clock.timeout(5)
        world.observers.remove(observe)

    quiet = sl.Scenario(
        clients=2, duration_s=20, ramp_s=2, workload=sl.Workload(rate_per_s=0)
    ).replace("client.connect_timeout_s", 1.5)
    played(quiet, attach)
    started = [each for each in told if each[1] == ev.Start()]
    assert [
        (0, ev.Start(), [ev.Open(1)], 0.0, State.CONNECTING),
        (1, ev.Start(), [ev.Open(1)], 1.0, State.CONNECTING),
    ] == started
    assert (0, ev.Wake(), [ev.Close(1, Reason.TIMEOUT)], 1.5, State.WAITING) in told
    assert max(now for *_, now, _ in told) < 5.0


# --- rows --------------------------------------------------------------------------------


def test_a_note_has_a_cell_for_every_column():
    assert len(COLUMNS) == len(note(1.0, 0, Kind.SERVER, Name.ADMIT))


@pytest.mark.parametrize(
    ("command", "cells"),
    [
        (Admit(3, 1), (Name.ADMIT, 1, -1, Reason.NONE)),
        (Refuse(3, 1, 503, 5.0), (Name.REFUSE, 1, -1, Reason.REJECTED)),
        (Answer(3, 1, 7, Reason.ACCEPTED), (Name.PROCESS, 1, 7, Reason.ACCEPTED)),
        (Answer(3, 1, 7, Reason.DUPLICATE), (Name.PROCESS, 1, 7, Reason.DUPLICATE)),
        (Answer(3, 1, 7, Reason.LIMITED, 2.0), (Name.LIMIT, 1, 7, Reason.LIMITED)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_server_asked_for_is_a_row(command, cells):
    row = note(9.0, 3, Kind.SERVER, *cells)
    assert row == ROW.unpack(pack_server_command(9.0, command))


def test_a_handshake_that_reached_the_server_is_a_row():
    row = note(9.0, 3, Kind.SERVER, Name.ARRIVED, 2)
    assert row == ROW.unpack(pack_arrival(9.0, 3, 2))


def test_an_error_in_a_process_of_the_users_own_comes_as_it_was_raised():
    """SimPy raises a copy, made of the error's arguments."""

    def send_too_much(world):
        yield world.clock.timeout(1)
        raise SettingsError("size_bytes", -1, "must be positive")

    with pytest.raises(SettingsError, match="size_bytes = -1: must be positive"):
        sl.run(sl.Scenario(clients=1, duration_s=5), processes=[send_too_much])


def test_a_page_that_is_not_open_yet_is_not_reloaded():
    """It would be started twice: by the reload, and at its own time."""
    scenario = sl.Scenario(
        clients=3,
        duration_s=8,
        ramp_s=6,
        client=sl.Settings(session=sl.SessionRules(sign_in_after_s=0.5)),
        faults=[sl.Fault("client_reload", 0.5, 1.0), sl.Fault("client_reload", 3.0, 5.0)],
    )
    rows = sl.run(scenario).frame().query("name in ('start', 'gone', 'reloaded')")
    told = [list(rows.loc[rows["client"] == client, "name"]) for client in range(3)]
    # They begin at 0, 2 and 4 s.
    again = ["gone", "reloaded", "start"]
    assert [["start", *again, *again], ["start", *again], ["start"]] == told
