"""Retry-After: seconds or a date, by WebSocket and HTTP; anything else is ignored and noted."""

import time
from contextlib import asynccontextmanager
from email.utils import formatdate
from importlib import import_module
from types import SimpleNamespace

import httpx
import pytest
from click.testing import CliRunner
from websockets.asyncio.server import serve

import simlib as sl
from simlib.api import engine
from simlib.cli import main
from simlib.engines import retry_after as hints
from simlib.engines.live.http_requests import HttpRequests
from simlib.engines.live.target import Target
from tests.batteries import with_slow

NOW_S = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


def read(value, *, date=None, now_s=NOW_S):
    """What a header says, and what is noted of it."""
    headers = [("retry-after", value)] + ([("date", date)] if date else [])
    notes = []
    return hints.read_hint_s(headers, notes.append, now_s), notes


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:49:42 GMT",
        "Sunday, 06-Nov-94 08:49:42 GMT",
        "Sun Nov  6 08:49:42 1994",
        "5",
        " 5 ",
        "005",
    ],
)
def test_every_form_of_five_seconds_is_five_seconds(value):
    assert (5.0, []) == read(value)


def test_a_date_counts_from_the_server_s_own_clock():
    slow = "Sun, 06 Nov 1994 07:00:00 GMT"
    assert (5.0, []) == read("Sun, 06 Nov 1994 07:00:05 GMT", date=slow)
    assert (5.0, []) == read("Sun, 06 Nov 1994 08:49:42 GMT", date="yesterday")


def test_a_moment_that_has_passed_is_no_wait():
    assert (0.0, []) == read("Sun, 06 Nov 1994 08:49:36 GMT")
    assert (0.0, []) == read("0")


def test_a_wait_without_end_is_cut():
    assert (hints.LONGEST_S, []) == read("9" * 400)
    assert (hints.LONGEST_S, []) == read("Fri, 31 Dec 9999 23:59:59 GMT")


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "",
        "-3",
        "5.5",
        "5s",
        "5, 6",
        "inf",
        "\u0663",
        "2024-05-01T10:00:00Z",
        "12:00",
        "\x00",
        "Sun, 99 Nov 1994 08:49:37 GMT",
    ],
)
def test_a_value_that_says_nothing_is_ignored_and_noted(value):
    wait_s, [note] = read(value)
    assert 0.0 == wait_s
    assert f"the Retry-After {value!a}, which is neither seconds nor a date" in note


def test_of_several_values_the_first_that_says_something_counts():
    headers = [("Retry-After", "soon"), ("RETRY-AFTER", "7"), ("Retry-After", "9")]
    assert 7.0 == hints.read_hint_s(headers, lambda _: None)
    assert 0.0 == hints.read_hint_s([], lambda _: None)


@pytest.mark.parametrize("hint_s", [1, 7, 0.2, 2e6])
def test_what_is_written_is_read_and_never_shorter(hint_s):
    assert (-(-hint_s // 1), []) == read(hints.format_header(hint_s))
    read_s, _ = read(hints.format_as_date(hint_s, NOW_S + 0.4), now_s=NOW_S + 0.4)
    assert hint_s <= read_s < hint_s + 1.0


@pytest.mark.parametrize("hint_s", [7.0, -7.0, -0.25, -1e6])
def test_a_hint_s_header_says_the_same_hint(hint_s):
    assert hint_s == hints.read_hint_s([*hints.hint_headers(hint_s).items()], lambda _: None)
    assert {} == hints.hint_headers(0.0)


@pytest.mark.parametrize("value", ["soon", "", "-3", "1e3", "inf", "5s"])
def test_a_window_that_is_no_number_is_ignored_and_noted(value):
    notes = []
    headers = [("Retry-Within", value), ("Retry-After", "9")]
    assert 9.0 == hints.read_hint_s(headers, notes.append)
    assert [
        f"A server sent the Retry-Within {value!a}, which is no number: it was ignored."
    ] == notes


# --- against a real server ---------------------------------------------------------------


@asynccontextmanager
async def refusing(value, times=2):
    """A server that answers the first attempts with 429 and a Retry-After."""
    left = [times]

    def refuse(connection, _):
        if not left[0]:
            return None
        left[0] -= 1
        response = connection.respond(429, "later\n")
        response.headers["Retry-After"] = value()
        return response

    async def echo(websocket):
        async for text in websocket:
            await websocket.send(text)

    async with serve(echo, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


ONE = sl.Scenario(
    clients=1,
    duration_s=6,
    ramp_s=0.0,
    client=sl.Settings(backoff=sl.Backoff(jitter="none", base_s=0.05, cap_s=0.05)),
    path=sl.Path(latency=sl.Latency(distribution="constant", mean_s=0.0)),
)


async def played(value):
    async with refusing(value) as url:
        trace = await engine("live").play_async(ONE, target=Target(url, "echo"))
    failed = trace.frame().query("name == 'failed'")
    return failed, trace


def date_in_two_seconds():
    return formatdate(time.time() + 2.0, usegmt=True)


@pytest.mark.live
@pytest.mark.parametrize(
    "value", with_slow([date_in_two_seconds], [lambda: "2"]), ids=["date", "seconds"]
)
async def test_a_real_client_waits_as_long_as_a_header_asks(value):
    failed, trace = await played(value)
    # A date has whole seconds, and so has the server's own Date: a second may end between them.
    assert set(failed["hint_s"]) <= {2.0, 3.0}
    assert (failed["wait_s"] >= 2.0).all()
    assert (2, []) == (len(failed), trace.notes)


@pytest.mark.live
async def test_a_real_client_notes_a_value_that_says_nothing_once(tmp_path):
    failed, trace = await played(lambda: "soon")
    assert [0.0, 0.0] == failed["hint_s"].tolist()
    [note] = trace.notes
    assert "'soon'" in note
    trace.save(tmp_path / "a.parquet")
    assert [note] == sl.Trace.load(tmp_path / "a.parquet").notes


def test_http_requests_read_the_same_headers():
    notes = []
    requests = SimpleNamespace(_odd=notes.append)
    value = formatdate(NOW_S + 5.0, usegmt=True)
    headers = {"Date": formatdate(NOW_S, usegmt=True), "Retry-After": value}
    assert 5.0 == HttpRequests._hint_s(requests, httpx.Response(429, headers=headers))
    assert 0.0 == HttpRequests._hint_s(requests, None)
    assert 0.0 == HttpRequests._hint_s(
        requests, httpx.Response(429, headers={"Retry-After": "soon"})
    )
    assert 1 == len(notes)


def test_the_command_line_says_what_was_ignored(monkeypatch):
    trace = sl.run(sl.Scenario(clients=1, duration_s=2))
    trace.notes.append("A server sent something.")
    monkeypatch.setattr(import_module("simlib.api"), "run", lambda *_, **__: trace)
    result = CliRunner().invoke(main, ["run", "first_outage"])
    assert "A server sent something.\n" in result.stderr
