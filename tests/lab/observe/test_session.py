"""The lab on real sockets: each phase does what it says, and its rows hold what happened."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from websockets.asyncio.client import connect

import simlib as sl
from simlib import cli
from simlib.lab.observe import endpoint
from simlib.lab.observe import session as observe
from simlib.lab.observe import subprocesses as commands
from simlib.lab.observe.script import ABRUPT, Phase, PhaseKind, Script
from tests.lab.puppets import LIMIT_S, attempt, outcomes_of, played

pytestmark = pytest.mark.live

# --- what the client sees -----------------------------------------------------------------

ONCE = {"attempts": 1, "longest_s": 5.0}
CODES = (1000, 1001, 1008, 1011, 1012, 1013, 4401)


def test_a_retry_after_may_be_a_date():
    phase = Phase(status=429, retry_after_s=7, as_date=True, **ONCE)
    [outcome, *_], seen = outcomes_of([phase])
    # The puppet says what it was sent, word for word.
    assert re.fullmatch(r"status 429 retry \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", outcome)
    [row] = seen.frame().head(1).to_dict("records")
    assert "429 retry_after=7 as a date" == row["detail"]
    assert 7.0 <= row["retry_after_s"] < 8.0


def test_each_kind_of_phase_does_what_it_says():
    phases = [
        Phase(kind=PhaseKind.REFUSE, **ONCE),
        Phase(kind=PhaseKind.SILENT, **ONCE),
        Phase(kind=PhaseKind.SLOW, delay_s=0.05, open_s=0.01, **ONCE),
        Phase(status=401, **ONCE),
        Phase(status=429, retry_after_s=7, **ONCE),
        Phase(kind=PhaseKind.RESET, open_s=0.01, **ONCE),
        Phase(kind=PhaseKind.CLOSE, code=ABRUPT, open_s=0.01, **ONCE),
        *(Phase(kind=PhaseKind.CLOSE, code=code, open_s=0.01, **ONCE) for code in CODES),
    ]
    outcomes, seen = outcomes_of(phases)
    expected = [
        "ended before it was open",
        "no answer in time",
        "open, then 1006",
        "status 401",
        "status 429 retry 7",
        "open, then 1006",
        "open, then 1006",
        *(f"open, then {code}" for code in CODES),
    ]
    assert expected == outcomes[: len(expected)]
    rows = seen.frame().iloc[: len(expected)]
    assert [phase.kind.name.lower() for phase in phases] == rows["kind"].tolist()
    assert ["us", "client", *["us"] * 12] == rows["ended_by"].tolist()
    assert [-1] * 7 + list(CODES) == rows["close_code"].tolist()
    assert rows["opened"].tolist() == ["open" in outcome.split(",") for outcome in expected]
    assert (rows["ended_s"] >= rows["accept_s"]).all()
    assert [7.0] == rows["retry_after_s"].dropna().tolist()
    assert rows["user_agent"].iloc[1:].str.contains("websockets").all()


def test_connections_are_open_for_one_time_after_another():
    opens_s = (0.0, 0.05, 0.1)
    phase = Phase(kind=PhaseKind.OPEN_THEN_CUT, opens_s=opens_s, attempts=3, longest_s=5.0)
    outcomes, seen = outcomes_of([phase])
    assert ["open, then 1006"] * 3 == outcomes[:3]
    open_s = [each.open_s for each in seen.attempts[:3]]
    assert all(least <= each for least, each in zip(opens_s, open_s, strict=True))
    assert open_s == sorted(open_s)


def test_pings_are_answered_unless_the_phase_is_not_to():
    beating = {"ping_interval": 0.02, "ping_timeout": 0.1}
    phases = [
        Phase(kind=PhaseKind.CLOSE, code=1012, open_s=0.3, **ONCE),
        Phase(kind=PhaseKind.NO_PONG, **ONCE),
    ]
    outcomes, seen = outcomes_of(phases, **beating)
    answered, unanswered = seen.attempts[:2]
    assert "open, then 1012" == outcomes[0]
    assert ("us", 1012) == (answered.ended_by, answered.close_code)
    assert answered.pings >= 2
    assert answered.ping_interval_s >= 0.015
    assert ("client", 1011) == (unanswered.ended_by, unanswered.close_code)
    assert unanswered.first_ping_s >= 0.015


def test_a_closed_port_refuses_and_is_open_again_after_it():
    closed = Phase(kind=PhaseKind.REFUSE, closed=True, longest_s=0.1)
    outcomes, seen = outcomes_of([Phase(**ONCE), closed, Phase(status=403, **ONCE)])
    assert outcomes[0] == "status 503"
    assert "refused" in outcomes
    assert "status 403" in outcomes[outcomes.index("refused") :]
    assert [0, 2] == sorted({each.phase for each in seen.attempts})
    assert any("attempts at a closed port are not seen" in note for note in seen.notes)


def test_several_clients_are_cut_at_the_same_moment():
    async def three(url):
        await asyncio.gather(*(keep(url) for _ in range(3)))

    async def keep(url):
        while True:
            await attempt(url, open_timeout=LIMIT_S)
            await asyncio.sleep(0.01)

    phases = [
        Phase(kind=PhaseKind.RESET, open_s=0.2, **ONCE),
        Phase(kind=PhaseKind.SEVERAL, attempts=2),
    ]
    seen = asyncio.run(played(phases, three, clients=3))
    together = [each for each in seen.attempts if each.kind == "several" and each.opened]
    assert {0, 1, 2} == {each.client for each in together}
    cuts_s = [each.ended_s for each in together]
    after = [each for each in seen.attempts if each.kind == "several" and not each.opened]
    assert len(after) >= 3
    assert min(each.accept_s for each in after) >= max(cuts_s)


def test_attempts_that_fail_before_all_clients_are_there_do_not_end_the_phase():
    async def three(url):
        host, port = url.removeprefix("ws://").partition("/")[0].split(":")
        for _ in range(3):
            # All are seen to come before the first goes, so that each is a client.
            opened = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
            await asyncio.gather(*(attempt_and_break_off(writer) for _, writer in opened))
        await asyncio.gather(*(keep(url) for _ in range(3)))

    async def attempt_and_break_off(writer):
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()

    async def keep(url):
        while True:
            await attempt(url, open_timeout=LIMIT_S)
            await asyncio.sleep(0.01)

    seen = asyncio.run(played([Phase(kind=PhaseKind.SEVERAL, attempts=2)], three, clients=3))
    cuts_s = [each.ended_s for each in seen.attempts if each.opened]
    assert 3 == len(cuts_s)
    after = [each for each in seen.attempts if each.accept_s >= max(cuts_s)]
    assert {0, 1, 2} == {each.client for each in after}


def test_an_attempt_follows_the_end_of_the_one_before():
    _, seen = outcomes_of([Phase(attempts=5, longest_s=5.0)])
    rows = seen.attempts[:5]
    assert all(after.accept_s >= before.ended_s for before, after in pairwise(rows))
    waits = seen.waits()
    assert [1, 2, 3, 4] == waits["attempt"].tolist()[:4]
    assert (waits["wait_s"] >= 0.0).all()


# --- bad input ----------------------------------------------------------------------------


async def say(url, data, then=b""):
    """Send bytes that need not be HTTP, and read until the end."""
    host, port = url.removeprefix("ws://").partition("/")[0].split(":")
    while True:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(data)
            await reader.read(100)
            writer.write(then)
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()
        await asyncio.sleep(0.01)


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
#: A text frame that claims to be of 2 MB.
HUGE = b"\x81\xff" + (2_000_000).to_bytes(8, "big") + b"mask" + b"x" * 1000


@pytest.mark.parametrize(
    ("data", "then", "note", "detail"),
    [
        (b"\x16\x03\x01\x02\x00\x01" + b"x" * 100, b"", "the client speaks TLS", "tls"),
        (b"\x00\xffnonsense\r\n\r\n", b"", "sent what is not HTTP", "garbage"),
        (
            b"GET /ws HTTP/1.1\r\n" + b"A: b\r\n" * 300,
            b"",
            "sent what is not HTTP",
            "garbage",
        ),
        (b"GET /ws HTTP/1.1\r\nHost: lab\r\n\r\n", b"", "plain HTTP", "http"),
        (
            b"GET /ws HTTP/1.1\r\nHost: lab\r\n\r\n" + b"\xff" * 20,
            b"",
            "sent what is not HTTP",
            "garbage",
        ),
        (UPGRADE + b"\xff" * 20, b"", "sent what is not HTTP", "garbage"),
        (UPGRADE.replace(b"/ws", b"/chat"), b"", "asked for /chat, not /ws", "1000"),
        (UPGRADE, HUGE, "", "1000"),
        (UPGRADE, b"\x81\x82mask" + bytes([0xFF ^ 109, 0xFE ^ 97]), "", "1000"),
    ],
    ids=[
        *("TLS", "garbage", "endless header", "plain HTTP", "plain HTTP and more"),
        *("upgrade and more", "other path", "huge", "not UTF-8"),
    ],
)
def test_the_lab_stays_up_whatever_it_is_sent(data, then, note, detail, monkeypatch):
    monkeypatch.setattr(endpoint, "CLOSE_TIMEOUT_S", 0.05)
    phase = Phase(kind=PhaseKind.CLOSE, code=1000, open_s=0.02, attempts=2, longest_s=5.0)
    seen = asyncio.run(played([phase], lambda url: say(url, data, then)))
    assert len(seen.attempts) >= 2
    assert [detail] * 2 == [each.detail for each in seen.attempts[:2]]
    assert ["us"] * 2 == [each.ended_by for each in seen.attempts[:2]]
    assert note in " ".join(seen.notes)


def test_nobody_comes_is_said():
    seen = asyncio.run(played([Phase()], lambda _: asyncio.sleep(LIMIT_S), wait_s=0.1))
    assert ([], True) == (seen.attempts, "nobody connected to ws://127.0.0.1" in seen.notes[0])


def test_that_it_was_stopped_before_anybody_came_is_said():
    async def stopped():
        session = observe.LabSession(Script(phases=(Phase(),)), wait_s=600)
        playing = asyncio.ensure_future(session.play())
        session.stop()
        await asyncio.wait_for(playing, 300)
        return session.observation().notes

    [note] = asyncio.run(stopped())
    assert re.fullmatch(r"nobody connected to ws://127.0.0.1:\d+/ws until it was stopped", note)


def test_who_comes_once_and_leaves_is_not_enough():
    phases = [Phase(attempts=3, longest_s=0.2)]
    seen = asyncio.run(played(phases, attempt))
    assert 1 == len(seen.attempts)
    assert "not enough attempts in phase 0 (status 503): client 0 made 1 of 3" in seen.notes[0]


def test_a_flood_is_counted_and_not_kept(monkeypatch):
    monkeypatch.setattr(observe, "MOST_ROWS", 50)
    monkeypatch.setattr(observe, "FLOOD_PER_S", 40)

    async def flood(url):
        host, port = url.removeprefix("ws://").partition("/")[0].split(":")
        while True:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()

    seen = asyncio.run(played([Phase(attempts=200, longest_s=10.0)], flood))
    assert 50 == len(seen.attempts)
    assert seen.not_kept >= 150
    assert any("a flood: more than 40 attempts" in note for note in seen.notes)
    assert any("more than 50 attempts: the others were not kept" in note for note in seen.notes)


def taken():
    held = socket.create_server(("127.0.0.1", 0))
    return held, held.getsockname()[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": 70_000}, "port = 70000: must be a port up to 65,535"),
        ({"host": "203.0.113.9"}, 'host = "203.0.113.9": is no address of this machine'),
        ({"path": "ws"}, 'path = "ws": must begin with "/"'),
        ({"clients": 0}, "clients = 0: must be a whole number from 1 to 100"),
        ({"wait_s": 0.0}, "wait_s = 0.0: must be a number of seconds, above 0"),
        ({"greeting": "stmp"}, 'greeting = "stmp": must be one of .*did you mean'),
        ({"script": "quik"}, 'script = "quik": is neither standard nor quick.*did you mean'),
        ({"command": ["no-such-client"]}, 'command = "no-such-client": cannot be started'),
    ],
)
def test_bad_options_are_refused_with_key_value_and_rule(options, said):
    with pytest.raises(sl.SettingsError, match=said):
        sl.observe(**options)


def test_a_port_in_use_is_refused():
    held, port = taken()
    with held, pytest.raises(sl.SettingsError, match=f"port = {port}: is in use"):
        sl.observe("quick", port=port)


# --- commands -----------------------------------------------------------------------------


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


STUBBORN = """
import os, signal, socket, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
host, port = sys.argv[1].removeprefix("ws://").partition("/")[0].split(":")
assert sys.argv[1] == os.environ["SIMLIB_URL"]
open(sys.argv[2], "w").write(f"{os.getpid()} {child.pid}")
while True:
    with socket.create_connection((host, int(port))):
        time.sleep(0.01)
"""


def test_nothing_of_a_stubborn_command_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "END_TIMEOUT_S", 0.1)
    file = tmp_path / "pids"
    command = [sys.executable, "-c", STUBBORN, "{url}", str(file)]
    seen = sl.observe(Script(phases=(Phase(attempts=2),)), command=command)
    assert len(seen.attempts) >= 2
    until = time.monotonic() + LIMIT_S
    while any(map(is_running, file.read_text().split())):
        assert time.monotonic() < until


def test_each_client_of_a_command_has_a_port_and_so_a_number_of_its_own():
    program = (
        "import sys, socket\n"
        "host, port = sys.argv[1][5:].partition('/')[0].split(':')\n"
        "while True: socket.create_connection((host, int(port))).recv(1)\n"
    )
    command = [sys.executable, "-c", program, "{url}"]
    refused = Phase(kind=PhaseKind.REFUSE, attempts=3, longest_s=10.0)
    seen = sl.observe(Script(phases=(refused,)), command=command, clients=2)
    assert {0, 1} == {each.client for each in seen.attempts}


# --- the command line ---------------------------------------------------------------------


def simlib(*arguments):
    return CliRunner().invoke(cli.main, arguments)


def test_a_recording_is_made_and_told(tmp_path):
    script = tmp_path / "mine.toml"
    script.write_text('[[phases]]\nkind = "status"\nattempts = 12\n')
    program = (
        "import sys, time, socket\n"
        "host, port = sys.argv[1][5:].partition('/')[0].split(':')\n"
        "while True:\n"
        f"    s = socket.create_connection((host, int(port))); s.send({UPGRADE!r})\n"
        "    while s.recv(1000): pass\n"
        "    time.sleep(0.05)\n"
    )
    out = str(tmp_path / "obs.parquet")
    options = ("--script", str(script), "--out", out, "--", sys.executable, "-c", program, "{url}")
    result = simlib("observe", *options)
    assert (0, "") == (result.exit_code, result.exception or "")
    assert "attempts of 1 client" in result.stdout
    told = json.loads(simlib("infer", out, "--json").stdout)
    # Which family depends on how busy the machine is, and whether anything can be said.
    assert 12 == told["attempts"]
    if told["fit"] is None:
        assert told["verdict"].startswith("could not be judged")
    else:
        assert told["fit"]["waits"] >= 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("phases = 3", "phases = 3: must be a list of tables"),
        ('[[phases]]\nkind = "clos"', "phases[0].kind"),
        ('[[phases]]\nkind = "close"\ncode = 1005', "phases[0].code = 1005: must be a code"),
        ("[[phases]]\nstatus = 503", "phases[0].kind"),
        ('longest = 3\n[[phases]]\nkind = "close"', "longest = 3: is not a setting"),
        ("[[phases", "is not TOML"),
    ],
)
def test_a_bad_script_names_its_file_and_key(text, said, tmp_path):
    script = tmp_path / "bad.toml"
    script.write_text(text)
    result = simlib("observe", "--script", str(script))
    assert (2, "") == (result.exit_code, result.stdout)
    assert "bad.toml" in result.stderr
    assert said in result.stderr


def test_an_out_that_cannot_be_written_is_refused_at_once(tmp_path):
    result = simlib("observe", "--out", str(tmp_path))
    assert 2 == result.exit_code
    assert "is a folder: name a file in it" in result.stderr
    (tmp_path / "file").write_text("")
    assert 2 == simlib("observe", "--out", str(tmp_path / "file" / "obs.parquet")).exit_code


def test_ctrl_c_keeps_what_was_seen_and_leaves_nothing_behind(tmp_path):
    out = tmp_path / "obs.parquet"
    command = [sys.executable, "-m", "simlib", "observe", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        url = process.stderr.readline().split()[-1]
        assert "status 503" == asyncio.run(attempt(url, open_timeout=5))
        while "client 0" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=LIMIT_S)
    assert 130 == process.returncode
    assert "obs.parquet (partial)" in rest
    seen = sl.Observation.load(out)
    assert (1, True) == (len(seen.attempts), seen.partial)
    assert [out] == list(tmp_path.iterdir())


def test_what_a_client_says_is_echoed():
    heard = []

    async def client(url):
        async with connect(url) as connection:
            await connection.send("hello")
            heard.append(await connection.recv())
            await connection.wait_closed()

    asyncio.run(played([Phase(kind=PhaseKind.CLOSE, open_s=0.2, **ONCE)], client))
    assert ["hello"] == heard
