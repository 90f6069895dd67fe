from array import array
from math import inf
from pathlib import Path

import pandas as pd
import pytest

import simlib as sl
from simlib.core import events as ev
from simlib.core.events import Message, Priority, Reason
from simlib.trace.columns import COLUMNS, Kind, Name
from simlib.trace.schema import NAMES, command_cells, event_cells, event_of
from simlib.trace.trace import Standstill, Trace

SCENARIOS = sorted((Path(__file__).parents[2] / "data" / "scenarios").glob("*.toml"))
SMALL = sl.Scenario(
    name="small",
    clients=5,
    duration_s=20,
    client=sl.Settings(
        backoff=sl.Backoff(jitter="equal", cap_s=4),
        fallback=sl.Fallback(after_attempts=1, poll_interval_s=1, return_after_s=1),
    ),
    faults=[
        sl.Fault("outage", 5, 9, route="websocket"),
        sl.Fault("reject", 8, 10, retry_after_s=1),
    ],
)


@pytest.fixture(scope="module")
def small() -> Trace:
    return sl.run(SMALL)


# --- rows and columns --------------------------------------------------------------------


def test_rows_that_are_taken_are_kept_no_longer(small):
    whole, trace = small.packed_rows(), Trace("sim", SMALL)
    trace.append_packed(whole)
    assert (whole, b"", 0) == (trace.take_rows(), trace.take_rows(), len(trace))


def test_a_row_costs_little_more_than_a_hundred_bytes(small):
    assert sum(memoryview(column).nbytes for column in small.columns().values()) < 110 * len(small)


def test_rows_are_counted_before_and_after_they_are_stored():
    trace = Trace("sim", SMALL)
    row = (1.0, 0, Kind.EVENT, Name.START, *event_cells(ev.Start())[1:], 1, 0, 0, 0, 0, 0.0, 0)
    for _ in range(10_000):
        trace.append(row)
    assert 10_000 == len(trace)
    assert {10_000} == {len(column) for column in trace.columns().values()}
    assert 10_000 == len(trace)
    assert "10,000 rows, to 0 s" in repr(trace)
    trace.partial = True
    assert repr(trace).endswith("10,000 rows, to 0 s, partial")


def test_the_label_is_the_scenario_s_name_unless_set():
    assert ("small", "other") == (Trace("sim", SMALL).label, Trace("sim", SMALL, "other").label)


def test_a_frame_has_words_for_words_and_numbers_for_numbers(small):
    frame = small.frame()
    assert list(NAMES) == list(frame.columns)
    first = frame.iloc[0]
    assert (0.0, 0, "event", "start", "connecting") == tuple(
        first[["time_s", "client", "kind", "name", "state"]]
    )
    for column in COLUMNS:
        is_of_words = isinstance(frame[column.name].dtype, pd.CategoricalDtype)
        assert is_of_words == (column.words is not None)
    # No client, no message, no priority.
    assert frame["priority"].isna().any()
    assert (frame["message"] == -1).any()
    assert small.frame() is frame


def test_a_frame_is_made_anew_when_rows_have_come():
    trace = sl.run(SMALL.replace(duration_s=11))
    before = len(trace.frame())
    trace.append((11.0, 0, Kind.EVENT, *event_cells(ev.Wake()), 1, 0, 0, 0, 0, 0.0, 0))
    assert before + 1 == len(trace.frame())


def test_counts_are_of_what_happened(small):
    counts = small.counts()
    assert 5 == counts["start"]
    assert counts["fault_start"] == counts["fault_stop"] == 2
    assert "stop" not in counts
    assert len(small) == counts.sum()


# --- digest, save, load ------------------------------------------------------------------


def rows(trace: Trace) -> list[tuple]:
    return list(zip(*trace.columns().values(), strict=True))


def of_rows(scenario: sl.Scenario, every: list[tuple]) -> Trace:
    """A trace of given rows."""
    trace = Trace("sim", scenario)
    for row in every:
        trace.append(row)
    return trace


def test_a_digest_depends_on_every_column(small):
    every = rows(small)
    assert small.digest() == of_rows(SMALL, every).digest()
    digests = {small.digest()}
    for place in range(len(COLUMNS)):
        changed = list(every[7])
        changed[place] = 1 if changed[place] != 1 else 2
        digests.add(of_rows(SMALL, [*every[:7], tuple(changed), *every[8:]]).digest())
    assert 1 + len(COLUMNS) == len(digests)


def test_a_trace_survives_a_file(small, tmp_path):
    small.label, small.partial = "mine", True
    small.late_s = array("d", [0.001, 0.002])
    small.standstills = [Standstill("server", 1.5, 0.03)]
    file = tmp_path / "deep" / "trace.parquet"
    small.save(file)
    again = Trace.load(file)
    assert small.digest() == again.digest()
    assert (small.scenario, small.story(3)) == (again.scenario, again.story(3))
    assert ("sim", "mine", True, 20.0) == (again.engine, again.label, again.partial, again.end_s)
    assert small.late_s == again.late_s
    assert small.standstills == again.standstills
    pd.testing.assert_frame_equal(small.frame(), again.frame())
    assert [file] == list(file.parent.iterdir())


def test_a_trace_of_another_version_is_refused_and_says_so(small, tmp_path, monkeypatch):
    file = tmp_path / "trace.parquet"
    monkeypatch.setattr("simlib.trace.trace.FILE_VERSION", 1)
    small.save(file)
    monkeypatch.undo()
    with pytest.raises(sl.SimlibError, match="its file has layout 1, and this simlib reads 2"):
        Trace.load(file)


def test_a_column_means_one_thing():
    hint = sl.Hint(start_s=3, rtt_s=0.3, downlink_bytes_per_s=90_000, save_data=True)
    faults = [sl.Fault("outage", 5, 10), sl.Fault("reset", 2)]
    frame = sl.run(SMALL.replace(faults=faults, hints=[hint])).frame()
    assert {-inf} == set(frame.loc[frame["priority"].isna(), "created_s"])
    sends = frame[frame["name"] == "send"]
    assert sends["created_s"].tolist() == sends["time_s"].tolist() != []
    assert {(0.3, 90_000, 1)} == {
        tuple(each) for each in frame.loc[frame["name"] == "hinted", NETWORK].to_numpy().tolist()
    }
    assert [(1, "reset"), (0, "outage")] == list(
        frame.loc[frame["name"] == "fault_start", ["fault", "fault_kind"]].itertuples(index=False)
    )
    assert {-1} == set(frame.loc[frame["kind"] == "event", "fault"])
    assert {0.0} == set(frame["hint_s"])


NETWORK = ["rtt_s", "downlink_bytes_per_s", "save_data"]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 but not really", b"time_s,client\n"])
def test_what_is_not_a_trace_is_refused(tmp_path, content):
    file = tmp_path / "trace.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(sl.SimlibError, match="is not a trace"):
        Trace.load(file)


def test_a_parquet_file_of_something_else_is_refused(tmp_path):
    file = tmp_path / "other.parquet"
    pd.DataFrame({"time_s": [1.0]}).to_parquet(file)
    with pytest.raises(sl.SimlibError, match="is not a trace"):
        Trace.load(file)


# --- story -------------------------------------------------------------------------------


def test_a_story_in_words():
    trace = sl.run(
        SMALL.replace(clients=1)
        .replace("client.backoff.jitter", "none")
        .replace("workload.arrivals", "constant")
        .replace("workload.rate_per_s", 0.2)
    )
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.080 s  opened -> open",
        "   2.062 s  send 0 (normal); transmit 0",
        "   2.102 s  received 0: accepted",
        "   5.000 s  -- outage begins --",
        "   5.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
    ] == trace.story(0)[:6]


@pytest.mark.parametrize("client", [-1, 5])
def test_there_is_no_story_of_nobody(small, client):
    message = f"there is no client {client}: the run has clients 0 to 4"
    with pytest.raises(sl.SimlibError, match=message):
        small.story(client)


# --- events and commands as rows ---------------------------------------------------------

EVENTS = [
    ev.Start(),
    ev.Stop(),
    ev.Wake(),
    ev.Send(Message(7, Priority.HIGH, 300, 2.5, 9.0)),
    ev.Opened(3),
    ev.Failed(3, Reason.REJECTED, 5.0),
    ev.Lost(3, Reason.RESET),
    ev.Received(3, 7, Reason.LIMITED, 2.0),
    ev.Ponged(3),
    ev.Posted(4, 7, Reason.DUPLICATE),
    ev.Polled(5, Reason.ACCEPTED, 1.0),
    ev.Edit(Message(8, Priority.NORMAL, 300, 2.5, inf, 3, 17)),
    ev.Restored(Message(8, Priority.CRITICAL, 300, 1.5, 9.0, 3, -1)),
    ev.Follow(3, 17),
    ev.Online(),
    ev.Offline(),
    ev.Hinted(0.3, 90_000, True),
    ev.Test(),
    ev.SignedIn(6, Reason.ACCEPTED, 60.0),
    ev.Pushed(3, 4, 17, Reason.SNAPSHOT),
]


def test_every_event_has_a_row_here():
    assert set(ev.Event.__args__) == {type(event) for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_back_from_its_row(event):
    cells = (2.5, 0, Kind.EVENT, *event_cells(event))
    row = dict(zip(NAMES, cells, strict=False))
    assert event == event_of(row)


EDIT = Message(7, key=2, base=5)


@pytest.mark.parametrize(
    ("command", "cells"),
    [
        (ev.Open(3), (Name.OPEN, 3, -1, Reason.NONE, -1, -1)),
        (ev.Close(3, Reason.TIMEOUT), (Name.CLOSE, 3, -1, Reason.TIMEOUT, -1, -1)),
        (ev.Transmit(3, EDIT), (Name.TRANSMIT, 3, 7, Reason.NONE, 2, 5)),
        (ev.Ping(3), (Name.PING, 3, -1, Reason.NONE, -1, -1)),
        (ev.Subscribe(3, 2, 5), (Name.SUBSCRIBE, 3, -1, Reason.NONE, 2, 5)),
        (ev.Fetch(3, 2), (Name.FETCH, 3, -1, Reason.NONE, 2, -1)),
        (ev.Poll(3, ((2, 5),)), (Name.POLL, 3, -1, Reason.NONE, -1, -1)),
        (ev.Post(3, EDIT), (Name.POST, 3, 7, Reason.NONE, 2, 5)),
        (ev.SignIn(3), (Name.SIGN_IN, 3, -1, Reason.NONE, -1, -1)),
        (ev.Save(EDIT), (Name.SAVE, 0, 7, Reason.NONE, 2, 5)),
        (ev.Forget(EDIT), (Name.FORGET, 0, 7, Reason.NONE, 2, 5)),
        (ev.Deliver(2, 5, Reason.SNAPSHOT), (Name.DELIVER, 0, -1, Reason.SNAPSHOT, 2, 5)),
        (ev.Drop(EDIT, Reason.FULL), (Name.DROP, 0, 7, Reason.FULL, 2, 5)),
        (ev.Notify(Reason.TRIPPED), (Name.NOTIFY, 0, -1, Reason.TRIPPED, -1, -1)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_command_is_written_as_its_cells(command, cells):
    assert cells == command_cells(command)


# --- replay ------------------------------------------------------------------------------


def replayed(trace: Trace, client: int) -> list[list[tuple]]:
    return [commands for _, commands in trace.replay(client)]


@pytest.mark.few(12)
@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_replay_gives_the_recorded_decisions(file):
    scenario = sl.load(file)
    trace = sl.run(scenario.replace(clients=min(10, scenario.clients)))
    for client in range(trace.scenario.clients):
        recorded = trace.recorded_decisions(client)
        # A client that leaves without ever losing its connection decides twice.
        assert len(recorded) > 1
        assert recorded == replayed(trace, client)


def test_a_client_with_another_wait_is_found_out(small):
    changed = of_rows(SMALL.replace("client.backoff.base_s", 0.7), rows(small))
    assert any(
        changed.recorded_decisions(client) != replayed(changed, client) for client in range(5)
    )
