"""Limits on what others give: what is just at one works, one more is refused, or cut and told.

What strangers do over sockets is in `test_bounds.py`. `tests/test_limits_are_tested.py` finds a
limit that no test names.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from math import inf, nan, nextafter
from typing import Any, NamedTuple

import numpy as np
import pytest

import simlib as sl
from simlib.core import errors, faults, server_settings
from simlib.core import events as ev
from simlib.core.breaker import LONGEST_WINDOW
from simlib.core.client import Client
from simlib.core.draws import INDEX_BITS, PER_LIFE, SEED_LIMIT
from simlib.core.errors import EngineError, FileError, SettingsError
from simlib.core.faults import MOST_GATEWAYS, Fault, Timeline
from simlib.core.quality import QualityRules
from simlib.core.server import Server
from simlib.core.server_messages import MOST_CHANNELS
from simlib.core.server_settings import MOST_WORKERS, Scaling, ServerSettings
from simlib.core.validation import ValidatedSettings
from simlib.engines import url_port, world
from simlib.engines.kernel import state
from simlib.engines.live import codec
from simlib.engines.live.target import MOST_HOST_CHARACTERS, MOST_SERVERS, Target
from simlib.experiments import replicate, sweep
from simlib.lab.fault_proxy.fault_script import check_seed
from simlib.lab.fault_proxy.target import proxy_target
from simlib.lab.observe import attempt_columns, endpoint, observation, ports, session, text
from simlib.lab.observe.identity import ObservedClient
from simlib.lab.observe.observation import Attempt
from simlib.lab.observe.session import MOST_OBSERVED_CLIENTS, LabSession
from simlib.logs import attempts, har, lines, requests
from simlib.review import grid, question
from simlib.review.grid import MOST_GRID_POINTS
from simlib.review.question import MOST_POLICIES
from simlib.scenario import measurements
from simlib.scenario import scenario as scenarios
from simlib.scenario.measurements import FEWEST_ROWS, read_messages, read_round_trips
from simlib.scenario.networks import MOST_QUANTILES, quantiles
from simlib.scenario.workload import MOST_MESSAGE_BYTES, Workload
from simlib.site import player
from simlib.studies.policy.imports import (
    grpc,
    kubernetes,
    options,
    plain_source,
    policy_from,
    proxies,
    texts,
)
from simlib.studies.policy.imports.kind import DEEPEST_OPTIONS
from simlib.studies.sensitivity import sensitivity
from simlib.support import text_tables
from simlib.trace import schema, trace
from simlib.trace.columns import STATE_COLUMNS
from tests.security.sockets import MADE, upgraded

CALM = sl.Scenario(clients=2, duration_s=3, workload=Workload(rate_per_s=0.0))


class Limit(NamedTuple):
    """A limit of a key."""

    key: str
    most: int
    #: Gives so many, and returns what shows that they were taken: ``most`` itself, where it counts.
    give: Callable[[int], Any]
    #: What the error of one more says.
    said: str


def url_of(characters: int) -> str:
    return f"ws://{'a' * characters}:80/ws"


def play_servers(count: int) -> int:
    return Target().fit(CALM.replace(gateways=count)).gateways


def name_host(characters: int) -> int:
    return len(Target(url_of(characters), allow_host="a" * characters).address[0])


def flap(count: int) -> int:
    fault = Fault("flap", start_s=0.0, stop_s=float(count), period_s=1.0)
    return len(Timeline([fault], 1).faults)


def deploy(gateways: int) -> int:
    scenario = CALM.replace(gateways=gateways)
    rolling = Fault("deploy", start_s=0.0, stop_s=10.0, rolling=True)
    return len(Timeline([rolling], 1, scenario.gateways).faults)


def record(size_bytes: int) -> int:
    return Workload(arrivals="recorded", recorded=[(0.0, "high", size_bytes)]).recorded[0][2]


def compare_policies(count: int) -> int:
    named = {f"policy {i}": sl.Settings() for i in range(count - 1)}
    return len(question.frame_question([CALM], named, on="sim").policies)


def vary(count: int) -> int:
    asked = question.frame_question([CALM], {}, on="sim")
    (axis,) = grid.grid_axes(asked, {"ramp_s": np.linspace(0.1, 1.0, count).tolist()})
    return len(axis.values)


def frame(replications: int) -> int:
    return question.frame_question([CALM], {}, replications=replications, on="sim").replications


WHOLE = "must be a whole number, from"
KEYS = [
    Limit("gateways", MOST_GATEWAYS, deploy, f"{WHOLE} 1 to {MOST_GATEWAYS:,}"),
    Limit("gateway", MOST_GATEWAYS - 1, lambda n: Fault("deploy", stop_s=1, gateway=n).gateway,
          f"{WHOLE} -1 to {MOST_GATEWAYS - 1:,}"),
    Limit("period_s", faults._MOST_FLAPS, flap,
          f"makes more than {faults._MOST_FLAPS:,} outages: choose a longer one"),
    Limit("clients", scenarios._MOST_CLIENTS, lambda n: CALM.replace(clients=n).clients,
          f"{WHOLE} 1 to {scenarios._MOST_CLIENTS:,}"),
    Limit("seed", SEED_LIMIT - 1, lambda n: CALM.replace(seed=n).seed,
          f"{WHOLE} 0 to {SEED_LIMIT - 1:,}"),
    Limit("seed", SEED_LIMIT - 1, lambda n: check_seed("seed", n),
          f"must be a whole number from 0 to {SEED_LIMIT - 1:,}"),
    Limit("workers", MOST_WORKERS, lambda n: ServerSettings(workers=n).workers,
          f"{WHOLE} 1 to {MOST_WORKERS:,}"),
    Limit("workers", MOST_WORKERS, lambda n: Scaling(workers=n).workers,
          f"{WHOLE} 1 to {MOST_WORKERS:,}"),
    Limit("most_steps", server_settings._MOST_STEPS, lambda n: Scaling(most_steps=n).most_steps,
          f"{WHOLE} 1 to {server_settings._MOST_STEPS:,}"),
    Limit("window", LONGEST_WINDOW, lambda n: sl.Breaker(window=n).window,
          f"{WHOLE} 1 to {LONGEST_WINDOW}"),
    Limit("least", LONGEST_WINDOW, lambda n: sl.Breaker(least=n, window=60).least,
          f"{WHOLE} 1 to {LONGEST_WINDOW}"),
    Limit("window", LONGEST_WINDOW, lambda n: QualityRules(window=n).window,
          f"{WHOLE} 1 to {LONGEST_WINDOW}"),
    Limit("size_bytes", MOST_MESSAGE_BYTES, lambda n: Workload(size_bytes=n).size_bytes,
          f"{WHOLE} 1 to {MOST_MESSAGE_BYTES:,}"),
    Limit("recorded[0]", MOST_MESSAGE_BYTES, record,
          f"whole bytes, from 1 to {MOST_MESSAGE_BYTES:,}"),
    Limit("gateways", MOST_SERVERS, play_servers,
          f"must be at most {MOST_SERVERS} in a live run, .*: play this scenario on sim"),
    Limit("url", MOST_HOST_CHARACTERS, name_host,
          f"has a host of {MOST_HOST_CHARACTERS + 1} characters; no name has more than 253"),
    Limit("url", url_port._LARGEST_PORT, lambda n: Target(f"ws://127.0.0.1:{n}/").address[1],
          "must name a port from 1 to 65,535, or none"),
    Limit("to", url_port._LARGEST_PORT, lambda n: proxy_target(f"ws://127.0.0.1:{n}/").port,
          "must name a port from 1 to 65,535, or none"),
    Limit("port", ports._LARGEST_PORT, lambda n: ports.Ports("127.0.0.1", n, 1).numbers[0],
          "must be a port up to 65,535, or 0 for a free one"),
    Limit("clients", MOST_OBSERVED_CLIENTS, lambda n: LabSession(clients=n)._expected,
          f"must be a whole number from 1 to {MOST_OBSERVED_CLIENTS}"),
    Limit("against", MOST_POLICIES, compare_policies,
          f"are more than a review can show: {MOST_POLICIES - 1} beside the one as given"),
    Limit("vary", MOST_GRID_POINTS, vary,
          f"make {MOST_GRID_POINTS + 1} points .*, more than {MOST_GRID_POINTS}: choose fewer"),
    Limit("replications", question._MOST_REPLICATIONS, frame,
          f"must be a whole number from 2 to {question._MOST_REPLICATIONS:,}"),
]  # fmt: skip


@pytest.mark.parametrize("limit", KEYS, ids=[f"{i} {each.key}" for i, each in enumerate(KEYS)])
def test_the_most_is_taken_and_one_more_is_refused_by_its_key(limit):
    assert limit.most == limit.give(limit.most)
    with pytest.raises(SettingsError, match=rf"^{re.escape(limit.key)} = .*: .*{limit.said}"):
        limit.give(limit.most + 1)


RULES = sorted(
    (f"{kind.__module__}.{kind.__name__}.{item.name}", item.metadata["rule"])
    for kind in ValidatedSettings.__subclasses__()
    for item in fields(kind)
    if "rule" in item.metadata and item.metadata["rule"].high < inf
)


@pytest.mark.parametrize(("where", "rule"), RULES, ids=[where for where, _ in RULES])
def test_each_setting_takes_its_bounds_and_nothing_beyond(where, rule):
    key, step = where.rpartition(".")[2], 1 if rule.whole else 0
    assert rule.high == rule.validate(key, rule.high)
    beyond = [rule.high + step if step else nextafter(rule.high, inf)]
    if rule.above:
        beyond.append(rule.low)
    else:
        assert rule.low == rule.validate(key, rule.low)
        beyond.append(rule.low - step if step else nextafter(rule.low, -inf))
    for value in (*beyond, nan):
        with pytest.raises(SettingsError) as told:
            rule.validate(key, value)
        assert str(told.value).startswith(f"{key} = {value!r}: must be a")
        assert f"{rule.high:,.15g}" in str(told.value)


# --- runs and their numbers ---------------------------------------------------------------


def test_the_largest_seed_plays_and_those_after_it_begin_anew():
    last = CALM.replace({"seed": SEED_LIMIT - 1, "arrivals": "uniform"})
    starts = [sl.run(each).digest() for each in (last, last.replace(seed=0), last)]
    assert starts[0] == starts[2] != starts[1]
    assert [SEED_LIMIT - 1, 0] == sl.replicate(last, 2).table.index.tolist()


@pytest.mark.parametrize("play", [sl.replicate, lambda given, n: sl.paired(given, given, n).one])
def test_as_many_replications_as_allowed_are_played(play, monkeypatch):
    monkeypatch.setattr(replicate, "_MOST_REPLICATIONS", 3)
    assert 3 == len(play(CALM, 3).table)
    with pytest.raises(SettingsError, match="n = 4: must be a whole number from 2 to 3"):
        play(CALM, 4)
    with pytest.raises(SettingsError, match="n = 1: must be a whole number from 2 to 3"):
        play(CALM, replicate.FEWEST_REPLICATIONS - 1)


def test_replications_until_a_number_is_known_are_bounded_too(monkeypatch):
    monkeypatch.setattr(replicate, "_MOST_REPLICATIONS", replicate._FIRST)
    asked = {"until": "ci", "metric": "attempts", "within": 0.5}
    assert replicate._FIRST == len(sl.replicate(CALM, **asked, most=replicate._FIRST).table)
    with pytest.raises(SettingsError, match="most = 11: must be a whole number from 10 to 10"):
        sl.replicate(CALM, **asked, most=replicate._FIRST + 1)


def test_as_many_cells_as_allowed_are_played(monkeypatch):
    monkeypatch.setattr(sweep, "MOST_CELLS", 4)
    assert 2 == len(
        sl.sweep(CALM, {"clients": [1, 2]}, replications=2, workers=1).means("attempts")
    )
    with pytest.raises(SettingsError, match="makes 5 runs, more than 4: choose fewer values"):
        sl.sweep(CALM, {"clients": [1, 2, 3, 4, 5]}, workers=1)


def test_a_sweep_of_more_cells_than_memory_holds_is_refused_at_once():
    grid_of_all = {key: range(1, 1001) for key in ("clients", "seed", "server.workers", "gateways")}
    with pytest.raises(SettingsError, match="makes 1,000,000,000,000 runs, more than 1,000,000"):
        sl.sweep(CALM, grid_of_all)


def test_as_many_samples_as_allowed_are_taken(monkeypatch):
    monkeypatch.setattr(sensitivity, "MOST_CELLS", 4 * (2 + 2))
    sensitivity._check_numbers(["attempts"], 4, 1, count=2)
    rule = "samples = 4: makes 20 runs, more than 16: choose fewer samples, replications"
    with pytest.raises(SettingsError, match=rule):
        sensitivity._check_numbers(["attempts"], 4, 1, count=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "backoff",
    [
        {"base_s": 0.05, "cap_s": 0.05},
        {"growth": "linear", "base_s": 0.001, "rise_s": 0.0005, "cap_s": 10.0},
        {"steps_s": (*[0.05] * 300, 0.1, 0.05), "base_s": 0.05, "cap_s": 0.1},
    ],
    ids=["the same", "rising", "a table"],
)
def test_failures_that_the_fleet_counts_as_one_give_the_numbers_of_sim(backoff):
    pytest.importorskip("numba")
    outage = Fault("outage", start_s=2.0, stop_s=90.0)
    policy = sl.Settings(backoff=sl.Backoff(**backoff))
    asked = CALM.replace({"client": policy, "duration_s": 95.0}).replace("faults", [outage])
    runs = [sl.run(asked, on=on) for on in ("sim", "fleet")]
    assert runs[0].frame()["attempt"].max() > state.MOST_ATTEMPTS
    expected, found = (sl.summary(each).iloc[0] for each in runs)
    for name in ("attempts", "mean_wait_s", "mean_wait_fraction"):
        assert expected[name] == pytest.approx(found[name], rel=1e-9), name
    assert 0.4 < found["mean_wait_fraction"] < 0.6


KEEPS = CALM.replace({"client.outbox.persist": "all", "clients": 1})


def test_a_client_has_so_many_lives_at_most(monkeypatch):
    monkeypatch.setattr(world, "MOST_LIVES", 3)
    reloads = [Fault("client_reload", start_s=at_s, stop_s=at_s + 0.1) for at_s in (1.2, 1.6, 2.0)]
    played = sl.run(KEEPS.replace("faults", reloads[:2]))
    assert 2 == played.counts()["reloaded"]
    with pytest.raises(
        SettingsError, match="lives = 4: of a client, with its reloads, are more than 3"
    ):
        sl.run(KEEPS.replace("faults", reloads))


def test_the_last_life_has_draws_and_messages_of_its_own():
    last = world.MOST_LIVES - 1
    assert (last + 1) * PER_LIFE == 1 << INDEX_BITS
    assert (last + 1) * world.NUMBERS_PER_LIFE <= codec.NUMBER_LIMIT


@pytest.mark.live
@pytest.mark.slow
def test_a_store_serves_so_many_lives_and_then_says_so(tmp_path):
    store = tmp_path / "saved.sqlite"
    asked = KEEPS.replace("workload", Workload(rate_per_s=2.0, arrivals="constant"))
    for lives, plays in ((0, True), (world.MOST_LIVES - 1, True), (world.MOST_LIVES, False)):
        if lives:
            with closing(sqlite3.connect(store)) as database:
                database.execute("UPDATE life SET lives = ?", (lives,))
                database.commit()
        if plays:
            trace_of_life = sl.run(asked, on="live", target=Target(store=store))
            assert lives * world.NUMBERS_PER_LIFE in trace_of_life.frame()["message"].tolist()
            continue
        with pytest.raises(
            SettingsError, match=r"lives = 1025: .* more than 1,024, .*: begin a new store"
        ):
            sl.run(asked, on="live", target=Target(store=store))


def test_a_life_numbers_so_many_messages_at_most(monkeypatch):
    def send(count: int) -> Any:
        recorded = [(1.0 + 0.1 * i, "high", 100) for i in range(count)]
        return sl.run(KEEPS.replace("workload", Workload(arrivals="recorded", recorded=recorded)))

    monkeypatch.setattr(world, "NUMBERS_PER_LIFE", 4)
    assert 4 == send(4).counts()["process"]
    with pytest.raises(
        SettingsError, match="messages = 5: of client 0 in one life are more than 4"
    ):
        send(5)


def test_a_trace_keeps_the_most_failures_that_its_column_holds():
    client, most = Client(sl.Settings()), schema._MOST_ATTEMPTS
    place = [column for column in schema.NAMES if column in STATE_COLUMNS].index("attempt")
    for failures in (most, most + 1):
        client.link = client.link._replace(attempt=failures)
        assert most == schema.state_cells(client, 0.0)[place]
        schema.pack_state(client, 0.0)


# --- what a server is sent ----------------------------------------------------------------


def test_as_many_channels_as_allowed_are_followed_and_one_more_ends_the_connection():
    server = Server(ServerSettings())
    server.handle(ev.HandshakeArrived(0, 1), 0.0)
    for channel in (*range(MOST_CHANNELS), 0):
        assert [] == server.handle(ev.Subscribed(0, 1, channel, 0), 1.0)
    published = server.handle(ev.MessageArrived(0, 1, 1, MOST_CHANNELS - 1), 2.0)
    assert ev.Push(0, 1, MOST_CHANNELS - 1, 1) in published
    (closed,) = server.handle(ev.Subscribed(0, 1, MOST_CHANNELS, 0), 3.0)
    assert (0, 1, 1008) == (closed.client, closed.connection, closed.code)


def test_numbers_in_frames_are_below_a_limit():
    most = codec.NUMBER_LIMIT - 1
    parsed = codec.parse_client_frame(f'{{"subscribe": {most}, "after": {most}}}', 0, 1)
    assert (most, most) == (parsed.channel, parsed.version)
    answer = '{{"message": 1, "answer": "limited", "retry_after_s": {}}}'
    assert most == codec.answer_of(answer.format(most))[2]
    for key, said in (
        ("message", '{"message": %d}'),
        ("subscribe", '{"subscribe": %d}'),
        ("fetch", '{"fetch": %d}'),
        ("key", '{"message": 1, "key": %d}'),
    ):
        with pytest.raises(EngineError, match=f"{key} is out of bounds"):
            codec.parse_client_frame(said % codec.NUMBER_LIMIT, 0, 1)
    with pytest.raises(EngineError, match="retry_after_s is not a number of seconds"):
        codec.answer_of(answer.format(codec.NUMBER_LIMIT))
    assert float(codec.NUMBER_LIMIT) == codec.close_hint_s(
        f"retry_after_s={codec.NUMBER_LIMIT + 1}"
    )


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("polls", [False, True], ids=["sent", "posted"])
def test_the_largest_message_arrives_simulated_and_live(polls):
    outage = Fault("outage", start_s=0.0, stop_s=6.0, route="websocket")
    asked = CALM.replace(
        {
            "duration_s": 6.0,
            "workload": Workload(arrivals="recorded", recorded=[(2.0, "high", MOST_MESSAGE_BYTES)]),
            "faults": [outage] if polls else [],
            "client.fallback.after_attempts": 1,
            "client.fallback.poll_interval_s": 1.0,
        }
    )
    for on in ("sim", "live"):
        counts = sl.run(asked, on=on).counts()
        assert (2, polls) == (counts["process"], "posted" in counts), on


# --- observations -------------------------------------------------------------------------


def test_what_strangers_ask_for_is_noted_up_to_a_bound_and_keeps_nothing_else_out():
    lab = LabSession()
    for i in range(session._MOST_NOTES):
        lab.odd(f"path /{i}", f"a client asked for /{i}")
    assert session._MOST_NOTES == len(lab._notes)
    for i in range(3):
        lab.odd(f"gone {i}", "left out")
    lab.odd("flood", "a flood")
    more = f"more than {session._MOST_NOTES} such notes: the others were left out"
    assert [more, "a flood"] == list(lab._notes.values())[session._MOST_NOTES :]


def test_a_note_names_so_many_clients_and_counts_the_others():
    short = [ObservedClient(i, 0, "h", ended=1) for i in range(session._MOST_NAMED + 2)]
    named = session._describe_short(short[: session._MOST_NAMED], "of 3 within 9 s")
    assert named.endswith("client 3 made 1, client 4 made 1 of 3 within 9 s")
    more = session._describe_short(short, "of 3 within 9 s")
    assert f"{named}, and 2 more clients too few" == more


def test_what_a_server_says_is_noted_up_to_a_bound_and_keeps_nothing_else_out():
    played = trace.Trace("live", CALM)
    for i in range(trace._MOST_NOTES):
        played.add_foreign_note(f"A server sent {i}.")
    assert trace._MOST_NOTES == len(played.notes)
    for i in range(3):
        played.add_foreign_note(f"left out {i}")
    played.add_note("A worker was killed.")
    more = f"More than {trace._MOST_NOTES} odd things were seen: the others were not noted."
    assert [more, "A worker was killed."] == played.notes[trace._MOST_NOTES :]


def test_traces_and_observations_of_others_have_so_many_rows_at_most(tmp_path, monkeypatch):
    played = sl.run(CALM)
    played.save(tmp_path / "trace.parquet")
    seen = observation.Observation([ended(float(i), i + 0.5) for i in range(3)])
    seen.save(tmp_path / "seen.parquet")
    for module, name, load, rows in (
        (
            trace,
            "MOST_TRACE_ROWS",
            lambda: trace.Trace.load(tmp_path / "trace.parquet"),
            len(played),
        ),
        (observation, "MOST_OBSERVED_ROWS", lambda: type(seen).load(tmp_path / "seen.parquet"), 3),
    ):
        monkeypatch.setattr(module, name, rows)
        assert load()
        monkeypatch.setattr(module, name, rows - 1)
        with pytest.raises(sl.SimlibError, match=f"it has more than {rows - 1} rows"):
            load()


def test_counts_of_an_observation_are_below_a_limit(tmp_path):
    def save_and_load(bytes_in: int) -> int:
        attempt = ended(0.0, 0.5)
        attempt.bytes_in = bytes_in
        sl.Observation([attempt]).save(tmp_path / "seen.parquet")
        return sl.Observation.load(tmp_path / "seen.parquet").attempts[0].bytes_in

    for count in (attempt_columns._COUNT_LIMIT - 1, 1 - attempt_columns._COUNT_LIMIT):
        assert count == save_and_load(count)
    for count in (attempt_columns._COUNT_LIMIT, -(2**63)):
        with pytest.raises(sl.SimlibError, match="bytes_in"):
            save_and_load(count)


@pytest.mark.live
def test_what_a_client_calls_itself_and_asks_for_is_kept_up_to_a_bound_and_dots_say_so():
    agents = ["a" * endpoint._LONGEST_AGENT, "b" * (endpoint._LONGEST_AGENT + 1)]
    paths = ["/" + "c" * (endpoint._LONGEST_PATH - 1), "/" + "d" * endpoint._LONGEST_PATH]
    with sl.BadServer() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        for agent, path in zip(agents, paths, strict=True):
            upgraded(port, path, f"User-Agent: {agent}\r\n".encode())
        server.wait_for_attempts(2)
        seen = server.observation()
        while MADE:
            MADE.pop().close()
    assert [agents[0], f"{agents[1][:-1]}..."] == [each.user_agent for each in seen.attempts]
    asked = [note.removeprefix("a client asked for ").split(",")[0] for note in seen.notes]
    assert [paths[0], f"{paths[1][:-1]}..."] == asked


def ended(accept_s: float, ended_s: float = nan) -> Attempt:
    return Attempt(0, "status", "503", 0, "h:1", accept_s, ended_s=ended_s)


def test_as_many_attempts_of_a_second_as_allowed_are_told_and_of_the_others_how_many():
    told: list[str] = []
    most = text._MOST_LINES_PER_S
    listener = text.Lines(told.append)
    # Attempts of many seconds, which end within one.
    for i in range(most):
        listener.on_end(ended(float(i), 100.5))
    listener.on_finish()
    assert most == len(told)
    for i in (1, 2):
        listener.on_end(ended(50.0 + i, 100.9))
    listener.on_end(ended(101.0))
    assert most == len(told)
    listener.on_finish()
    assert "and 3 more attempts in that second" in told[most]


# --- logs ---------------------------------------------------------------------------------


def write(tmp_path, *rows):
    (tmp_path / "log").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "log"


def test_a_line_is_read_up_to_a_bound_and_longer_ones_are_told_of(tmp_path):
    row = "2.5,503,".ljust(lines._LONGEST_BYTES - 4, "x") + ",404"
    assert lines._LONGEST_BYTES == len(row)
    columns, head = {"time": "time_s", "status": "last"}, "time_s,status,what,last"
    for end in ("\n", ""):
        file = tmp_path / "log"
        file.write_text(f"{head}\n1.5,101,,101\n{row}{end}", encoding="utf-8")
        whole = sl.read_attempts(file, columns=columns)
        assert ([101, 404], ()) == (whole.statuses.tolist(), whole.notes)
    # One letter more, and its last is not read; what follows is a row of its own.
    longer = row.replace("x", "xx", 1)
    file = write(tmp_path, head, "1.5,101,,101", longer, "3.5,101,,101", longer)
    cut = sl.read_attempts(file, columns=columns)
    assert [101, 0, 0, 101] == cut.statuses[[0, 1, 2, 3]].tolist()
    (note,) = cut.notes
    most = f"Longer than {lines._LONGEST_BYTES:,} bytes, and read up to there: 2 rows"
    assert f"{most}, the first is row 3 of {file}." == note


def test_half_of_a_log_may_be_unreadable_and_no_more(tmp_path):
    good = '::1 - - [31/Jan/2026:10:00:00 +0000] "GET /ws HTTP/1.1" 503 0 "-" "-"'
    assert 0.5 == requests._MOST_UNREADABLE
    seen = sl.read_attempts(write(tmp_path, good, "?", good, "?"))
    assert 2 == len(seen.times_s)
    assert "2 of 4 rows could not be read" in seen.notes[0]
    with pytest.raises(
        FileError, match=r"row 2 = .*: must be a line of nginx's .*3 of 5 rows are not"
    ):
        sl.read_attempts(write(tmp_path, good, "?", good, "?", "?"))


def test_as_many_paths_as_allowed_are_told_apart_and_that_there_are_more_is_told(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(requests, "_MOST_PATHS", 3)
    row = '::1 - - [31/Jan/2026:10:00:{:02d} +0000] "GET {} HTTP/1.1" {} 0 "-" "-"'
    asked = [row.format(0, "/a", 200), row.format(1, "/b", 200), row.format(2, "/ws", 503)]
    opened = row.format(3, "/ws", 101)
    at_it = sl.read_attempts(write(tmp_path, *asked, opened))
    assert [503] == at_it.statuses.tolist()
    assert "Left out: 2 requests not to /ws." == at_it.notes[0]
    assert 2 == len(at_it.notes)
    # The fourth path is not told apart from the fifth.
    more = [row.format(4, "/c", 404), row.format(5, "/d", 500)]
    left_out = sl.read_attempts(write(tmp_path, *asked, opened, *more))
    words = "Of more than 3 paths only the first are told apart: all requests to others "
    assert f"{words}are left out. Name the endpoint." in left_out.notes
    assert [503] == left_out.statuses.tolist()
    counted = sl.read_attempts(write(tmp_path, *asked, *more, row.format(6, "/c", 101)))
    assert f"{words}are counted. Name the endpoint." in counted.notes
    assert [404, 500] == counted.statuses.tolist()
    assert "Left out: 3 requests not to paths of WebSockets." == counted.notes[-2]
    named = sl.read_attempts(write(tmp_path, *asked, *more, opened), endpoint="/d")
    assert [500] == named.statuses.tolist()


def test_paths_are_told_apart_by_so_many_characters(tmp_path):
    row = '::1 - - [31/Jan/2026:10:00:00 +0000] "GET {} HTTP/1.1" {} 0 "-" "-"'
    most = requests._MOST_PATH_CHARACTERS
    for length, counted in ((most, 1), (most + 1, 2)):
        one, other = (("/".ljust(length - 1, "x") + end) for end in "ab")
        file = write(tmp_path, row.format(one, 503), row.format(other, 500), row.format(one, 101))
        assert counted == len(sl.read_attempts(file).times_s)


def test_statuses_that_are_not_shown_are_counted(tmp_path):
    statuses = range(500, 500 + attempts._SHOWN_STATUSES)
    most = sl.read_attempts(
        write(tmp_path, *(f"{i},{status}" for i, status in enumerate(statuses)))
    )
    assert "others" not in repr(most)
    more = (*statuses, 599, 598)
    seen = sl.read_attempts(write(tmp_path, *(f"{i},{status}" for i, status in enumerate(more))))
    assert re.search(r"^ *others +2$", repr(seen), re.MULTILINE)


@pytest.mark.parametrize("more", [0, 1])
def test_a_url_of_a_har_is_kept_up_to_a_bound(tmp_path, more):
    url = "wss://h/".ljust(har._KEPT_CHARACTERS + more, "x")
    entry = {"startedDateTime": "2026-01-31T10:00:00Z", "request": {"url": url}}
    file = write(tmp_path, json.dumps({"log": {"entries": [entry]}}))
    assert 1 == len(sl.read_attempts(file).times_s)
    (kept,) = har.Har(lines.Source(file, lambda _: None)).websockets()
    assert url[: har._KEPT_CHARACTERS] == kept.request


def test_a_status_of_a_har_has_three_digits_at_most(tmp_path):
    entry = (
        '{"startedDateTime": "2026-01-31T10:00:00Z", "_resourceType": "websocket", '
        '"request": {"url": "wss://h/"}, "response": {"status": %d}}'
    )
    both = ", ".join((entry % har._MOST_STATUS, entry % (har._MOST_STATUS + 1)))
    seen = sl.read_attempts(write(tmp_path, f'{{"log": {{"entries": [{both}]}}}}'))
    assert [har._MOST_STATUS] == seen.statuses.tolist()
    assert any("could not be read: 1" in note for note in seen.notes)


# --- measurements -------------------------------------------------------------------------


def test_as_many_quantiles_as_allowed_are_kept_as_they_are():
    values = np.sort(np.random.default_rng(1).uniform(size=MOST_QUANTILES + 1))
    assert tuple(values[1:]) == quantiles(values[1:])
    kept = quantiles(values)
    assert MOST_QUANTILES == len(kept)
    assert (values[0], values[-1]) == (kept[0], kept[-1])


def test_fewer_round_trips_than_needed_are_refused(tmp_path):
    file = write(tmp_path, "rtt_ms", *map(str, range(FEWEST_ROWS)))
    assert FEWEST_ROWS == len(read_round_trips(file).values_s)
    file = write(tmp_path, "rtt_ms", *map(str, range(FEWEST_ROWS - 1)))
    with pytest.raises(FileError, match=f"has {FEWEST_ROWS - 1} round trips: must have at least"):
        read_round_trips(file)


def test_the_largest_message_of_a_file_is_read_and_a_larger_one_refused_by_its_row(tmp_path):
    head = "time_s,priority,size_bytes"
    file = write(tmp_path, head, f"0.5,high,{MOST_MESSAGE_BYTES}")
    assert [[0.5, "high", MOST_MESSAGE_BYTES]] == read_messages(file)
    file = write(tmp_path, head, "0.1,low,1", f"0.5,high,{MOST_MESSAGE_BYTES + 1}")
    with pytest.raises(FileError, match=r"row 3 = .*a size is from 1 to 1,000,000"):
        read_messages(file)


def test_a_size_has_so_many_digits_at_most(tmp_path):
    size = "7".zfill(measurements._MOST_DIGITS)
    assert [[0.5, "high", 7]] == read_messages(write(tmp_path, f"0.5,high,{size}"))
    with pytest.raises(FileError, match="a size is from 1 to"):
        read_messages(write(tmp_path, f"0.5,high,0{size}"))


def test_a_table_of_a_file_has_so_many_bytes_at_most(tmp_path, monkeypatch):
    file = write(tmp_path, "rtt_ms", *map(str, range(FEWEST_ROWS)))
    monkeypatch.setattr(text_tables, "MOST_TABLE_BYTES", file.stat().st_size)
    assert FEWEST_ROWS == len(read_round_trips(file).values_s)
    file.write_text(f"{file.read_text(encoding='utf-8')}\n", encoding="utf-8")
    with pytest.raises(FileError, match="cannot be read: it is larger than"):
        read_round_trips(file)


def test_a_size_of_half_a_byte_is_refused():
    with pytest.raises(SettingsError, match=r"recorded\[0\] = .*whole bytes"):
        record(1.5)


# --- options of other clients -------------------------------------------------------------


def test_a_text_of_options_is_read_up_to_a_bound(tmp_path):
    said = '{"reconnectionDelay": 700}'
    whole = said.ljust(texts.MOST_CHARACTERS)
    (tmp_path / "o.json").write_text(whole, encoding="utf-8")
    (tmp_path / "more.json").write_text(f"{whole} ", encoding="utf-8")
    for given in (whole, tmp_path / "o.json"):
        assert 0.7 == sl.policy_from(given, "socket.io-client").client.backoff.base_s
    for given in (f"{whole} ", tmp_path / "more.json"):
        with pytest.raises(FileError, match="is longer than 64,000 characters: leave the options"):
            sl.policy_from(given, "socket.io-client")


def test_yaml_is_read_up_to_so_many_levels():
    def nested(levels: int) -> str:
        return "\n".join("  " * i + f"k{i}:" for i in range(levels)) + " 1"

    assert texts.read_values(nested(texts.MOST_LEVELS), "o", ".yaml")
    with pytest.raises(
        FileError, match=f"line 101: is nested deeper than {texts.MOST_LEVELS} levels"
    ):
        texts.read_values(nested(texts.MOST_LEVELS + 1), "o", ".yaml")


def test_options_are_found_up_to_so_many_levels_deep():
    def inside(levels: int) -> dict[str, Any]:
        given: dict[str, Any] = {"reconnectionDelay": 700}
        for _ in range(levels - 1):
            given = {"in": given}
        return given

    assert 0.7 == sl.policy_from(inside(DEEPEST_OPTIONS)).client.backoff.base_s
    with pytest.raises(
        FileError, match=f"no kind that is known .*sought {DEEPEST_OPTIONS} levels deep"
    ):
        sl.policy_from(inside(DEEPEST_OPTIONS + 1))


@pytest.mark.parametrize("more", [-1, 0, 1, 1000])
def test_options_that_stand_far_to_the_right_are_read_as_others(more):
    margin = "\n" + " " * (plain_source._DEEPEST_INDENT + more)
    given = f"io('wss://h', {{{margin}reconnectionDelay: 700,{margin}timeout: 8000}});"
    client = sl.policy_from(given, "socket.io-client").client
    assert (0.7, 8.0) == (client.backoff.base_s, client.connect_timeout_s)


def test_a_name_of_a_file_is_so_long_at_most(tmp_path):
    (tmp_path / "o.json").write_text('{"reconnectionDelay": 700}', encoding="utf-8")
    missing = policy_from._LONGEST_PATH - len(f"{tmp_path}/o.json")
    name = f"{tmp_path}/{'./' * (missing // 2)}{'/' * (missing % 2)}o.json"
    assert policy_from._LONGEST_PATH == len(name)
    assert 0.7 == sl.policy_from(name, "socket.io-client").client.backoff.base_s
    with pytest.raises(FileError):
        sl.policy_from(name.replace("o.json", "/o.json"), "socket.io-client")


def test_a_time_has_so_many_letters_at_most():
    longest = "1s".rjust(options._LONGEST_DURATION, "0")
    assert 1.0 == options.parse_duration(longest)
    assert options.parse_duration(f"0{longest}") is None


def test_the_largest_int_of_a_language_is_no_limit():
    def attempts(count: int) -> float:
        given = {"reconnectionAttempts": count}
        return sl.policy_from(given, "socket.io-client").client.backoff.max_attempts

    assert options._NO_LIMIT - 1 == attempts(options._NO_LIMIT - 1)
    assert inf == attempts(options._NO_LIMIT)


def test_never_is_how_grpc_says_its_largest_int():
    def interval_s(value_s: float) -> float:
        given = {"grpc.keepalive_time_ms": int(1000 * value_s)}
        return sl.policy_from(given, "grpc-channel").client.heartbeat.interval_s

    assert grpc._NEVER_S - 1.0 == interval_s(grpc._NEVER_S - 1.0)
    assert inf == interval_s(grpc._NEVER_S)


def test_a_table_of_waits_has_so_many_steps_at_most():
    def import_limiter(count: int) -> sl.Settings:
        said = "workqueue.NewItemFastSlowRateLimiter(5*time.Millisecond, 10*time.Second, %d)"
        return sl.policy_from(said % count).client

    steps_s = import_limiter(kubernetes._MOST_STEPS).backoff.steps_s
    assert (kubernetes._MOST_STEPS + 1, 0.005, 10.0) == (len(steps_s), steps_s[-2], steps_s[-1])
    rule = "maxFastAttempts = 1001: must be 1,000 or less"
    with pytest.raises(FileError, match=rule):
        import_limiter(kubernetes._MOST_STEPS + 1)


def test_the_tries_of_a_backoff_end_at_its_cap_however_slowly_it_grows():
    said = "wait.Backoff{Duration: 1*time.Millisecond, Factor: %s, Steps: %d, Cap: %d*time.Second}"
    for factor, cap_s, most in ((2, 16, 14), (1.001, 10, 9215), (10, 10, 5)):
        for steps, made in ((most, most), (most + 1, most), (10**9, most)):
            client = sl.policy_from(said % (factor, steps, cap_s)).client
            assert made - 1 == client.backoff.max_attempts, (factor, steps)


def test_a_count_that_has_no_word_for_no_limit_is_a_large_one():
    given = "&workqueue.BucketRateLimiter{Limiter: rate.NewLimiter(rate.Limit(10), %d)}"
    for burst in (1, options._NO_LIMIT - 1, options._NO_LIMIT):
        assert burst == sl.policy_from(given % burst).client.connect_budget.burst


GRPC = (
    '{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": %d, "initialBackoff": "0.1s", '
    '"maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}'
)


def test_grpc_takes_no_more_attempts_than_its_own_and_that_is_noted():
    most = grpc._MOST_GRPC_ATTEMPTS
    assert most == proxies._MOST_GRPC_ATTEMPTS
    for count, notes in ((most, 0), (most + 1, 1)):
        imported = sl.policy_from(GRPC % count)
        assert most - 1 == imported.client.backoff.max_attempts
        assert notes == sum("take 5 for any number above it" in note for note in imported.notes)


# --- a page, and errors -------------------------------------------------------------------


def test_a_page_plays_as_much_as_a_browser_can():
    most_s = player.MOST_CLIENT_SECONDS / player.MOST_BROWSER_CLIENTS
    at_it = {"clients": player.MOST_BROWSER_CLIENTS, "duration_s": most_s}
    assert player.MOST_BROWSER_CLIENTS == player._change(player.START, at_it).clients
    with pytest.raises(
        SettingsError, match=r"duration_s = 301.0: must be at most 300 with so many"
    ):
        player._change(player.START, at_it | {"duration_s": most_s + 1})
    with pytest.raises(SettingsError, match=r"clients = 1001: must be at most 1,000 in a browser"):
        player._change(player.START, at_it | {"clients": player.MOST_BROWSER_CLIENTS + 1})


def test_an_address_that_is_made_can_be_read_again(monkeypatch):
    toml, address = sl.dump(player.START), player.write_address(player.START)
    bounds = {"_MOST_BYTES": len(toml.encode()), "_MOST_LETTERS": len(address) - len("s=1.")}
    for name, most in bounds.items():
        with monkeypatch.context() as patched:
            patched.setattr(player, name, most)
            assert toml == player.read_address(player.write_address(player.START))
            patched.setattr(player, name, most - 1)
            with pytest.raises(SettingsError, match='scenario = "storm": is too long for the addr'):
                player.write_address(player.START)
            with pytest.raises(
                SettingsError, match="was cut or changed on its way, or is too long"
            ):
                player.read_address(address)


def test_an_error_shows_a_value_and_a_rule_up_to_a_bound():
    for most, given in (
        (errors.MOST_SHOWN_CHARACTERS, lambda said: SettingsError("key", said, "rule")),
        (errors.MOST_RULE_CHARACTERS, lambda said: SettingsError("key", 1, said)),
    ):
        assert "x" * most in str(given("x" * most))
        assert "..." not in str(given("x" * most))
        assert f"{'x' * most}..." in str(given("x" * (most + 1)))


def test_a_secret_that_begins_in_what_is_shown_is_masked_however_long_it_is():
    begins = "x" * (errors.MOST_SHOWN_CHARACTERS - 20) + "?token="
    for length in (0, 1, errors.MOST_SHOWN_CHARACTERS):
        secret = "s" * (errors._MOST_SEARCHED_CHARACTERS - len(begins) + length)
        said = str(SettingsError("url", f"ws://h/{begins}{secret}", "rule"))
        assert "ss" not in said
