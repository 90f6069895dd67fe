"""What reads foreign data, with what it is fed: each says a clear error or gives a right answer."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

import simlib as sl
from simlib.core.errors import EngineError, SettingsError, SimlibError
from tests.fuzz.mutations import PIECES, mutated, replaced_words

ROOT = Path(__file__).parents[2]
#: A message of an error is for a reader: a line, and not a page.
MOST_CHARACTERS = 2000


class Target(NamedTuple):
    """What is fed, and what reads it."""

    examples: Callable[[], st.SearchStrategy[Any]]
    read: Callable[[Any], object]
    #: What it may raise.
    errors: tuple[type[Exception], ...] = (SettingsError,)


def play(target: Target, example: Any) -> None:
    """Feed one example; anything but a result or a clear error is a fault."""
    try:
        target.read(example)
    except target.errors as error:
        said = str(error)
        assert said, "an error without a word"
        assert 1 == len(said.splitlines()), said
        assert said.isprintable() or "\t" in said, ascii(said)
        assert len(said) <= MOST_CHARACTERS, said[:200]


@cache
def folder() -> Path:
    """A folder of this process for what is read from files."""
    return Path(tempfile.mkdtemp(prefix="simlib-fuzz-"))


def in_file(name: str, content: bytes) -> Path:
    path = folder() / name
    path.write_bytes(content)
    return path


# --- scenarios --------------------------------------------------------------------------------


@cache
def scenarios() -> list[bytes]:
    files = sorted((ROOT / "data" / "scenarios").glob("*.toml"))
    return [file.read_bytes() for file in files if file.stat().st_size < 4000]


def read_scenario(content: bytes) -> None:
    scenario = sl.load(in_file("scenario.toml", content))
    assert scenario == sl.loads(sl.dump(scenario)), "it is not what was written of it"


def change_setting(given: tuple[str, str]) -> None:
    from simlib.cli.arguments import scenario_of

    scenario_of("first_outage", [f"{given[0]}={given[1]}"], None, None)


def settings() -> st.SearchStrategy[tuple[str, str]]:
    from simlib.cli.completion import complete_setting

    known = [item.value.rstrip("=") for item in complete_setting(None, None, "")]
    values = [piece.decode(errors="replace") for piece in PIECES]
    values += ["preset:phoenix", "{base_s = 1}", "[1, 2]", "full", "3", "0.5", '"x"', "true"]
    keys = st.sampled_from(known or ["clients"]) | st.sampled_from(values)
    keys |= st.builds("{}.{}".format, keys, st.sampled_from([*known[:50], "0", "-1", "x", ""]))
    joined = st.lists(st.sampled_from(values), max_size=3).map("".join)
    return st.tuples(keys, joined)


# --- tables, logs, archives -------------------------------------------------------------------

TABLES = [
    b"rtt_ms\n12.5\n13\n40\n11\n",
    b"time_s,rtt_s\n0,0.1\n1,0.2\n2,lost\n",
    (
        b"64 bytes from 1.1.1.1: icmp_seq=1 ttl=55 time=12.3 ms\n--- 1.1.1.1 ping statistics ---\n"
        b"2 packets transmitted, 1 received, 50% packet loss, time 1001ms\n"
    ),
    b"time_s,priority,size_bytes\n0.5,high,100\n1.5,low,2000\n",
    b"time_ms;priority;size_bytes\n5;high;1\n",
    b"start_s\n0\n0.5\n1\n",
    b"0,1\n0,5\n2,0\n",
    b"client,start_s\n0,1.5\n1,2\n",
    b"time,status\n2026-01-31T10:00:00Z,503\n2026-01-31T10:00:01Z,101\n",
]


def read_tables(content: bytes) -> None:
    from simlib.scenario.measurements import read_messages, read_round_trips
    from simlib.scenario.start_times import read_starts

    path = in_file("table.csv", content)
    refused = []
    for read in (read_round_trips, read_messages, read_starts, sl.read_attempts):
        try:
            read(path)
        except SettingsError as error:
            refused.append(error)
    if refused:
        raise refused[0]


LOGS = [
    b'10.0.0.1 - - [31/Jan/2026:10:00:05 +0000] "GET /ws?a=1 HTTP/1.1" 503 12 "-" "A"\n' * 3,
    b'10.0.0.1 - - [31/Jan/2026:10:00:05 +0000] "GET /ws HTTP/1.1" 101 12 "-" "A" 1.5\n' * 3,
    (
        b"Jan 31 10:00:00 lb haproxy[14389]: 10.0.1.2:33317 [31/Jan/2026:10:00:03.655] http-in "
        b"static/srv1 10/0/30/69/109 503 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "
        b'"GET /ws HTTP/1.1"\n'
    ),
    (
        b"wss 2026-01-31T10:09:59.000000Z app/my-lb/50dc6c495c0c9188 192.168.131.39:2817 "
        b"10.0.0.1:80 "
        b'0.086 0.048 0.037 101 101 0 57 "GET https://example.com:443/ws?room=1 HTTP/1.1" '
        b'"curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
        b"arn:aws:x:targetgroup/t/73e2d6bc24d8a067 "
        b'"Root=1-58337281-1d84f3d73c47ec4e58577259" "example.com" "-" 1 '
        b'2026-01-31T10:00:03.250000Z "forward" "-" "-" "10.0.0.1:80" "101" "-" "-"\n'
    ),
    b"time,status\n100,503\n101.5,101\n",
    b"1769853600 503\n1769853601 101\n",
]


def read_log(content: bytes) -> None:
    seen = sl.read_attempts(in_file("access.log", content))
    _check_attempts(seen)


def _check_attempts(seen: Any) -> None:
    assert (seen.times_s[:-1] <= seen.times_s[1:]).all()
    assert len(seen.times_s) == len(seen.statuses)
    assert repr(seen)
    assert seen._repr_html_()


HARS = [
    json.dumps(
        {
            "log": {
                "version": "1.2",
                "pages": [{"id": "[{"}],
                "entries": [
                    {
                        "startedDateTime": f"2026-01-31T10:00:0{s}.5Z",
                        "time": 12.5,
                        "request": {"method": "GET", "url": "wss://h/ws", "headers": []},
                        "response": {"status": status, "content": {"text": ']}\\" \u00e9'}},
                        "_webSocketMessages": [
                            {"type": "send", "time": 1.5, "data": '{"n": [[]]}'}
                        ],
                    }
                    for s, status in enumerate([101, 503, 0])
                ],
            }
        }
    ).encode()
]


def read_har(content: bytes) -> None:
    _check_attempts(sl.read_attempts(in_file("page.har", content)))


@cache
def parquets() -> list[bytes]:
    from simlib.lab.observe.observation import Attempt, Observation

    small = sl.Scenario(clients=2, duration_s=3, workload=sl.Workload(rate_per_s=0.5))
    sl.run(small).save(folder() / "good.parquet")
    rows = [Attempt(0, "status", "503", 0, "h:1", float(i), ended_s=i + 0.5) for i in range(5)]
    Observation(rows).save(folder() / "seen.parquet")
    return [(folder() / name).read_bytes() for name in ("good.parquet", "seen.parquet")]


def read_parquet(content: bytes) -> None:
    path = in_file("foreign.parquet", content)
    refused: list[SimlibError] = []
    for read in (sl.Trace.load, sl.Observation.load):
        try:
            repr(read(path))
        except SimlibError as error:
            refused.append(error)
    if refused:
        raise refused[0]


# --- what clients, servers and scripts say ----------------------------------------------------


def read_options(text: str) -> None:
    from simlib.studies.policy.imports.policy_from import policy_from

    found = policy_from(text)
    assert found.client == sl.loads(found.policy_toml()).client


OPTIONS = [
    'io("wss://h", {reconnectionDelay: 2 * 250, randomizationFactor: 0.25, auth: {token: f()}})',
    (
        '{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, '
        '"initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2}}]}'
    ),
    (
        "resilience4j:\n  retry:\n    instances:\n      a:\n        max-attempts: 5\n"
        "        wait-duration: 250ms\n"
    ),
    "@retry(wait=wait_exponential(multiplier=2, min=4, max=60), stop=stop_after_attempt(7))",
    "retry_policy: {num_retries: 3, retry_back_off: {base_interval: 0.25s}}",
    "wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2.0, Jitter: 1.0, Steps: 6}",
    "new RetryStrategyOptions { MaxRetryAttempts = 4, Delay = TimeSpan.FromMilliseconds(500) }",
    "[default]\nretry_mode = standard\nmax_attempts = 4",
    "reconnectAfterMs: (tries) => { return [100, 500][tries - 1] || 4000; }",
]


def options() -> st.SearchStrategy[str]:
    words = [piece.decode(errors="replace") for piece in PIECES]
    edited = mutated([text.encode() for text in OPTIONS]).map(lambda b: b.decode(errors="replace"))
    return edited | replaced_words(OPTIONS, words)


ADDRESSES = [
    b"ws://127.0.0.1:8000/chat?room=1",
    b"wss://user:pw@example.org",
    b"ws://[::1]:80/x#y",
    b"http://h",
    b"ws://127.0.0.1:65536",
    b"ws://\xe2\x84\xaa.example",
    b"//h:1",
    b"ws:///x",
    b"ws://[fe80::1%25eth0]:1/",
]


def read_address(content: bytes) -> None:
    from simlib.engines.live.target import Target as LiveTarget
    from simlib.lab.fault_proxy.target import proxy_target

    text = content.decode(errors="surrogateescape")
    refused = []
    for read in (LiveTarget, proxy_target):
        try:
            made: Any = read(text)
            if text:
                assert made.address if read is LiveTarget else made.through("127.0.0.1", 1)
        except SettingsError as error:
            refused.append(error)
    if refused:
        raise refused[0]


HEADERS = [
    b"Retry-After: 7",
    b"Retry-After: Sun, 06 Nov 1994 08:49:42 GMT",
    b"Retry-Within: 30.5",
    b"Date: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06-Nov-94 08:49:42 GMT",
    b"retry_after_s=5",
]


def read_hint(content: bytes) -> None:
    from simlib.engines.live.codec import close_hint_s
    from simlib.engines.retry_after import LONGEST_S, read_hint_s

    text = content.decode("latin-1")
    lines = (line.partition(":") for line in text.split("\n"))
    hint_s = read_hint_s([(name, value) for name, _, value in lines], lambda _: None)
    assert -LONGEST_S <= hint_s <= LONGEST_S
    assert abs(close_hint_s(text)) <= LONGEST_S


SCHEDULES = [
    b'seed = 7\n[[faults]]\nkind = "reset"\nstart_s = 1.5\n',
    b'[[faults]]\nkind = "outage"\nstart_s = 3\nstop_s = 4\n',
    b'[[moments]]\nat_s = 2\nkind = "close"\ncode = 4401\n',
    b'[[moments]]\nat_s = 2.5\nkind = "status"\nstatus = 429\n',
    b'[[phases]]\nkind = "status"\nattempts = 2\nlongest_s = 5\n',
    b'[[phases]]\nkind = "slow"\ndelay_s = 1\n',
]


def read_schedule(content: bytes) -> None:
    from simlib.lab.bad_server.moments import read_moments
    from simlib.lab.fault_proxy.fault_script import fault_script
    from simlib.lab.observe.script import script

    path = in_file("schedule.toml", content)
    refused = []
    for read in (fault_script, read_moments, script):
        try:
            made: Any = read(path)
            if read is script:
                assert made.dump()
        except SettingsError as error:
            refused.append(error)
    if len(refused) > 2:
        raise refused[0]


FRAMES = [
    b'{"message": 0}',
    b'{"message": 3, "key": 1, "base": 0}',
    b'{"subscribe": [[0, 3]]}',
    b'{"fetch": 0}',
    b'{"subscribe": 1, "version": 3}',
    b'{"answer": "accepted", "message": 1}',
    b'{"updates": []}',
    b'{"channel": 1, "version": 2, "whole": true}',
    b'{"answer": "limited", "message": 1, "retry_after_s": 2.5}',
    b"3:17,4:0",
]


def read_frame(content: bytes) -> None:
    from simlib.engines.live import codec

    text = content.decode(errors="replace")
    refused = []
    reads: list[Callable[[], object]] = [
        lambda: codec.parse_client_frame(content, 0, 1),
        lambda: codec.parse_server_frame(text, 1),
        lambda: codec.parse_echo(content, 1),
        lambda: codec.answer_of(content),
        lambda: list(codec.updates_of(content, 1)),
        lambda: codec.channels_of(text),
    ]
    for read in reads:
        try:
            read()
        except EngineError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def toxics() -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["name", "type", "stream", "toxicity", "attributes", "latency", "rate",
                            "jitter", "timeout", "bytes", "x"])  # fmt: skip
    kinds = ["latency", "bandwidth", "timeout", "reset_peer", "limit_data", "upstream", "slicer"]
    leaves = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
    leaves |= st.sampled_from(kinds)
    return st.recursive(
        leaves, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=9
    )


def read_toxic(given: Any) -> None:
    from simlib.lab.fault_proxy.named_effects import parse_named_effect

    named = parse_named_effect(given)
    with suppress(ValueError):
        json.dumps(named.to_json(), allow_nan=False)
    assert named == parse_named_effect(named.to_json())


# --- what simlib saved, and somebody changed ----------------------------------------------------

#: Cells and notes of a table that nobody expects.
ODD: list[Any] = [
    *(None, "x", "", "y\n" * 2000, -1.5, -1, 0, 99, True, 2**63 - 1, 1e300, [1, 2], b"\xff"),
    *({"a": 1}, float("nan"), float("inf"), [[1], "x"], "clients = 0x" + "f" * 5000, "eJw=", []),
]


def odd_edits() -> st.SearchStrategy[Any]:
    """Edits of a table: in which column or note, what stands there, and whether in all rows."""
    edit = st.tuples(st.integers(0, 50), st.sampled_from(ODD), st.booleans())
    return st.tuples(st.integers(0, 1), st.lists(edit, min_size=1, max_size=3))


def read_edited(given: tuple[int, list[tuple[int, Any, bool]]]) -> None:
    import pyarrow.parquet as pq

    which, edits = given
    parquets()
    table = pq.read_table(folder() / ("good.parquet", "seen.parquet")[which])
    for place, value, in_all in edits:
        table = _edit(table, place, value, in_all)
    pq.write_table(table, folder() / "edited.parquet")
    if which:
        sl.Observation.load(folder() / "edited.parquet").waits()
        sl.infer(folder() / "edited.parquet").to_json()
        return
    trace = sl.Trace.load(folder() / "edited.parquet")
    assert repr(trace)
    trace.story(0)
    sl.summary([trace])
    trace.to_csv(folder() / "edited.csv")
    trace.to_perfetto(folder() / "edited.json")


def _edit(table: Any, place: int, value: Any, in_all: bool) -> Any:
    import pyarrow as pa

    key = next(key for key in (b"simlib", b"simlib.observation") if key in table.schema.metadata)
    notes = json.loads(table.schema.metadata[key])
    names = [*table.column_names, *notes]
    name = names[place % len(names)]
    with suppress(pa.ArrowException, OverflowError, TypeError, ValueError):
        if name in notes:
            metadata = {**table.schema.metadata, key: json.dumps(notes | {name: value}).encode()}
            return table.replace_schema_metadata(metadata)
        cells = [value] * len(table) if in_all else [value, *table[name].to_pylist()[1:]]
        return table.set_column(table.column_names.index(name), name, pa.array(cells))
    return table


@cache
def saved_messages() -> bytes:
    from simlib.core.events import Message, Priority
    from simlib.engines.store import SqliteStore

    store = SqliteStore(folder() / "good.sqlite")
    store.begin_life(0)
    store.save(0, Message(3, Priority.HIGH, 200, 1.5))
    store.close()
    return (folder() / "good.sqlite").read_bytes()


def saved_edits() -> st.SearchStrategy[Any]:
    cells = st.sampled_from([value for value in ODD if not isinstance(value, list | dict)])
    columns = ["id", "priority", "size_bytes", "created_unix_s", "expires_unix_s", "key", "lives"]
    return mutated([saved_messages()]) | st.tuples(st.sampled_from(columns), cells)


def read_store(given: bytes | tuple[str, Any]) -> None:
    from simlib.engines.store import SqliteStore

    for old in folder().glob("foreign.sqlite*"):
        old.unlink()
    path = in_file("foreign.sqlite", given if isinstance(given, bytes) else saved_messages())
    if not isinstance(given, bytes):
        _update(path, "life" if given[0] == "lives" else "message", *given)
    store = SqliteStore(path)
    try:
        store.restore(0)
        store.begin_life(0)
    finally:
        store.close()


def _use_runs(path: Path) -> None:
    from simlib.experiments.run_cache import RunCache

    runs = RunCache(path)
    try:
        runs.rows(["key"])
        runs.keep("key", {"attempts": 2})
        runs.flush()
    finally:
        runs.close()


def _use_trials(path: Path) -> None:
    from simlib.experiments.space import axes
    from simlib.studies.tune.optuna_store import open_trials

    varied = axes(sl.Scenario(), {"client.backoff.cap_s": (5, 60)})
    with open_trials(path, "question", varied, 1, "random") as trials:
        trials.ask(1)
        trials.tell(0, [1.0], {"lost <= 0": 0.5}, 3, "played")
        trials.list_finished()


@cache
def kept_files() -> list[bytes]:
    """What a study keeps: finished runs, and the trials of a tuning."""
    kept = []
    for name, use in (("cells.sqlite", _use_runs), ("trials.sqlite", _use_trials)):
        use(folder() / name)
        kept.append((folder() / name).read_bytes())
    return kept


def kept_edits() -> st.SearchStrategy[Any]:
    columns = ["trials.state", "trials.number", "trials.datetime_start", "trial_values.value"]
    columns += ["trial_params.distribution_json", "trial_user_attributes.value_json"]
    cells = st.sampled_from([value for value in ODD if not isinstance(value, list | dict)])
    bytewise = st.one_of(*(st.tuples(st.just(i), mutated([kept_files()[i]])) for i in (0, 1)))
    return bytewise | st.tuples(st.sampled_from(columns), cells)


def read_kept(given: tuple[int | str, Any]) -> None:
    which, change = given
    for old in folder().glob("foreign.sqlite*"):
        old.unlink()
    if isinstance(which, int):
        path = in_file("foreign.sqlite", change)
    else:
        path = in_file("foreign.sqlite", kept_files()[1])
        _update(path, *which.split("."), change)
    (_use_runs if which == 0 else _use_trials)(path)


def _update(path: Path, table: str, column: str, value: Any) -> None:
    import sqlite3

    base = sqlite3.connect(path)
    with base, suppress(sqlite3.Error, OverflowError):
        base.execute(f"UPDATE {table} SET {column} = ?", (value,))
    base.close()


@cache
def page_addresses() -> list[bytes]:
    from simlib.site.player import START, write_address

    return [write_address(START).encode()]


def read_page_address(content: bytes) -> None:
    from simlib.site.player import read_address

    sl.loads(read_address(content.decode(errors="replace")))


# --- what stands beside a scenario, and in options ----------------------------------------------

BESIDE = [
    ("network.toml", b'[slow]\nsource = "x"\nlatency = {mean_s = 0.1}\nloss_fraction = 0.1\n'),
    ("policy.toml", b'[client]\npreset = "phoenix"\nbackoff.cap_s = 3\n'),
    ("rtt.csv", b"rtt_ms\n" + b"12.5\n13\n" * 12),
    ("messages.csv", TABLES[3]),
    ("starts.csv", TABLES[5]),
    ("lint.toml", b'clients = 3\n[lint]\nignore = ["no-jitter"]\nthresholds = {clients = 5}\n'),
]
_NAMES_THEM = """network = "network.toml"
client = "policy.toml"
path.latency.csv = "rtt.csv"
workload.csv = "messages.csv"
arrivals_csv = "starts.csv"
"""


def beside() -> st.SearchStrategy[tuple[str, bytes]]:
    return st.one_of(*(st.tuples(st.just(name), mutated([good])) for name, good in BESIDE))


def read_beside(given: tuple[str, bytes]) -> None:
    from simlib.scenario.lines import key_lines
    from simlib.studies.policy.lint.options import read_options

    name, content = given
    path = in_file(name, content)
    line = next((line for line in _NAMES_THEM.splitlines() if name in line), "")
    if line:
        sl.load(in_file("names.toml", line.encode()))
        return
    read_options(path, ["no-jitter"])
    key_lines(content.decode(errors="replace"))
    sl.lint(sl.load(path))


SAID = [
    *("lost > +5%", "peak_attempts_per_s <= 3 * server.accept_per_s", "phoenix=40,sockette=60"),
    *("client.backoff.cap_s=5..60", "client.backoff.jitter=none,full", "seed=[1, 2]"),
    *("2026-01-31T10:00:00Z", "31/Jan/2026:10:00:05 +0000", "1.5"),
]


def read_said(content: bytes) -> None:
    """Read what options say, each as any of them: most refuse it."""
    from simlib.cli.arguments import read_settings, space_of
    from simlib.differences.fail_rules import fail_rule
    from simlib.experiments.objectives import constraint
    from simlib.scenario.mix import mix, read_mix

    text = content.decode(errors="replace")
    attempts = sl.read_attempts(in_file("dated.csv", TABLES[8]))
    reads: list[Callable[[], object]] = [
        lambda: fail_rule(text),
        lambda: constraint(text, [sl.Scenario()]),
        lambda: mix(read_mix(text)),
        lambda: space_of([text]),
        lambda: read_settings([text]),
        lambda: attempts.place(0.0, start=text),
    ]
    refused = []
    for read in reads:
        try:
            read()
        except SettingsError as error:
            refused.append(error)
    if refused:
        raise refused[0]


HEARD = [
    *(b'40/chat,{"sid": 1}', b'{"type":"connection_init"}', b"CONNECT\naccept-version:1.2\n\n\0"),
    *(b'["1","2","room","phx_join",{}]', b'{"topic":"t","event":"heartbeat","ref":1}'),
    *(b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x3c\x00", b"\x82\x08\x00\x01\x00\x03a/b\x00"),
]


def read_heard(content: bytes) -> None:
    from simlib.lab.observe.protocols import GREETINGS, greeting

    for name in GREETINGS:
        for data in (content, content.decode(errors="replace")):
            greeting(name).heard(data)


TARGETS: dict[str, Target] = {
    "scenarios in TOML": Target(lambda: mutated(scenarios()), read_scenario),
    "settings of the command line": Target(settings, change_setting),
    "tables in CSV": Target(lambda: mutated(TABLES), read_tables),
    "access logs": Target(lambda: mutated(LOGS) | mutated(LOGS).map(gzip.compress), read_log),
    "archives (HAR)": Target(lambda: mutated(HARS), read_har),
    "Parquet": Target(lambda: mutated(parquets(), 3), read_parquet, (SimlibError,)),
    "options of other clients": Target(options, read_options),
    "addresses": Target(lambda: mutated(ADDRESSES), read_address),
    "headers with hints": Target(lambda: mutated(HEADERS), read_hint),
    "schedules": Target(lambda: mutated(SCHEDULES), read_schedule),
    "frames": Target(lambda: mutated(FRAMES), read_frame, (EngineError,)),
    "toxics": Target(toxics, read_toxic),
    "tables with odd cells": Target(odd_edits, read_edited, (SimlibError,)),
    "saved messages": Target(saved_edits, read_store, (SimlibError,)),
    "runs and trials kept": Target(kept_edits, read_kept, (SimlibError,)),
    "addresses of pages": Target(lambda: mutated(page_addresses()), read_page_address),
    "files beside a scenario": Target(beside, read_beside),
    "words of options": Target(lambda: mutated([each.encode() for each in SAID]), read_said),
    "messages to the lab": Target(lambda: mutated(HEARD), read_heard),
}
