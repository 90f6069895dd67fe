"""A trace as Chrome trace events: the form, the lanes, the counters, the bound."""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

import simlib as sl
from simlib.exports import perfetto
from simlib.metrics.attempts import attempts_per_s
from simlib.trace.trace import Trace

STORM = sl.Scenario(
    name="storm",
    clients=6,
    duration_s=30,
    client=sl.Settings(
        breaker=sl.Breaker(trip_after=2, open_s=3),
        fallback=sl.Fallback(after_attempts=2, poll_interval_s=1, return_after_s=2),
    ),
    server=sl.ServerSettings(handshake_service_s=0.2, workers=1),
    faults=[sl.Fault("outage", 5, 15, route="websocket"), sl.Fault("reset", 20)],
)


def write(trace: Trace, folder: Path) -> dict:
    written = trace.to_perfetto(folder / "run.json")
    text = (folder / "run.json").read_text(encoding="utf-8")
    document = json.loads(text, parse_constant=pytest.fail)
    assert text.startswith('{"traceEvents":[')
    assert (len(document["traceEvents"]), len(text.encode())) == (
        written.events,
        written.size_bytes,
    )
    check_form(document["traceEvents"])
    return document


def check_form(events: list[dict]) -> None:
    """Hold events to the Trace Event Format: fields by phase, and slices that nest in a lane."""
    lanes, named = defaultdict(list), set()
    for event in events:
        assert event["ph"] in "XiCM"
        assert isinstance(event["name"], str)
        assert all(isinstance(event[key], int) for key in ("pid", "tid", "ts"))
        assert event["ts"] >= 0
        if event["ph"] == "X":
            assert isinstance(event["dur"], int)
            assert event["dur"] > 0
            lanes[event["pid"], event["tid"]].append((event["ts"], event["dur"]))
        elif event["ph"] == "i":
            assert event["s"] in "gpt"
        elif event["ph"] == "C":
            assert all(isinstance(value, float) for value in event["args"].values())
        elif event["name"].startswith("thread"):
            named.add((event["pid"], event["tid"]))
    for lane, slices in lanes.items():
        assert lane in named
        slices.sort()
        ends = [start + length for start, length in slices]
        assert all(end <= start for end, (start, _) in zip(ends, slices[1:], strict=False)), lane


def named(events: list[dict], name: str) -> list[dict]:
    return [event for event in events if event["name"] == name]


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> list[dict]:
    return write(sl.run(STORM), tmp_path_factory.mktemp("perfetto"))["traceEvents"]


def lane_names(events: list[dict]) -> set[str]:
    return {event["args"]["name"] for event in named(events, "thread_name")}


def test_no_two_processes_share_the_number_of_a_thread(events):
    # Perfetto's reader takes the name of a thread for every thread of its number.
    processes = defaultdict(set)
    for each in events:
        processes[each["tid"]].add(each["pid"])
    assert {1} == {len(which) for which in processes.values()}
    assert 0 not in processes


def test_faults_and_server_stand_above_the_clients(events):
    order = {
        each["args"]["sort_index"]: each["pid"] for each in named(events, "process_sort_index")
    }
    names = {each["pid"]: each["args"]["name"] for each in named(events, "process_name")}
    assert ["faults", "server", "clients of storm"] == [names[order[n]] for n in sorted(order)]


def test_a_client_s_lane_has_its_states_from_its_first_attempt_to_the_end(events):
    (lane,) = [each["tid"] for each in events if each.get("args") == {"name": "client 3"}]
    slices = [
        each for each in events if each["ph"] == "X" and (each["pid"], each["tid"]) == (3, lane)
    ]
    trace = sl.run(STORM)
    rows = trace.frame().query("client == 3 and kind == 'event'")
    assert {"CONNECTING", "OPEN", "WAITING"} <= {each["name"] for each in slices}
    assert round(rows["time_s"].iloc[0] * 1e6) == slices[0]["ts"]
    assert 30_000_000 == slices[-1]["ts"] + slices[-1]["dur"]
    waits = [each for each in slices if each["name"] == "WAITING"]
    assert waits
    assert all(each["args"]["wait_s"] > 0 for each in waits)


def test_breaker_and_transport_have_lanes_where_they_say_something(events, tmp_path):
    assert {"client 0", "client 0 breaker", "client 0 transport"} <= lane_names(events)
    assert named(events, "breaker open")
    assert named(events, "polling")
    quiet = write(sl.run(STORM.replace(faults=[])), tmp_path)["traceEvents"]
    assert {f"client {n}" for n in range(6)} == lane_names(quiet)


def test_why_an_attempt_failed_or_a_connection_ended_is_an_instant(events):
    told = {each["name"] for each in events if each["ph"] == "i"}
    assert "lost: reset" in told
    assert "failed: refused" in told


def test_faults_are_slices_and_those_of_a_moment_instants(events):
    (outage,) = [each for each in events if each["ph"] == "X" and each["pid"] == 1]
    assert ("outage", 5_000_000, 10_000_000) == (outage["name"], outage["ts"], outage["dur"])
    assert "websocket" == outage["args"]["route"]
    (reset,) = [each for each in events if each["ph"] == "i" and each["pid"] == 1]
    assert ("reset", 20_000_000) == (reset["name"], reset["ts"])


def test_counters_are_what_the_server_was_busy_with(events):
    counters = defaultdict(list)
    for each in events:
        if each["ph"] == "C":
            ((unit, value),) = each["args"].items()
            counters[f"{each['name']} {unit}"].append((each["ts"] / 1e6, value))
    load = sl.server_load(sl.run(STORM))
    assert load["backlog"].max() == max(value for _, value in counters["backlog handshakes"])
    assert load["open"].iloc[-1] == counters["open connections"][-1][1]
    attempts = attempts_per_s(sl.run(STORM))
    assert attempts.max() == max(value for _, value in counters["attempts per second"])
    # A counter holds until its next value, so what does not change is written once.
    for values in counters.values():
        assert all(a[1] != b[1] for a, b in pairwise(values))


def test_of_many_clients_the_first_have_lanes_and_the_file_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(perfetto, "MOST_CLIENT_LANES", 4)
    trace = sl.run(STORM)
    assert "lanes of the first 4 of 6 clients" in repr(trace.to_perfetto(tmp_path / "a.json"))
    document = write(trace, tmp_path)
    assert "lanes of the first 4 of 6 clients" == document["otherData"]["lanes"]
    (label,) = named(document["traceEvents"], "process_labels")
    assert "lanes of the first 4 of 6 clients" == label["args"]["labels"]
    assert "client 4" not in lane_names(document["traceEvents"])


def test_a_run_of_the_fleet_has_counters_and_the_lanes_of_watched_clients(tmp_path):
    pytest.importorskip("numba")
    storm = sl.Scenario(
        clients=50, duration_s=20, workload=sl.Workload(rate_per_s=0), faults=[sl.Fault("reset", 5)]
    )
    document = write(sl.run(storm, on="fleet"), tmp_path)
    assert "counters without lanes" in document["otherData"]["lanes"]
    assert named(document["traceEvents"], "attempts")
    watched = write(sl.run(storm, on="fleet", watch=[7, 49]), tmp_path)["traceEvents"]
    assert {"client 7", "client 49"} == lane_names(watched) - {"reset"}


def test_an_empty_run_is_a_file_without_slices(tmp_path):
    events = write(Trace("sim", STORM), tmp_path)["traceEvents"]
    assert not [each for each in events if each["ph"] == "X"]
