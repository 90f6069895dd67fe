"""`simlib serve` from the outside: its moments, its errors, what it prints at its end."""

import socket

import pytest
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import simlib as sl
from simlib import cli
from tests.lab.fault_proxy.proxy_process import LIMIT_S, running

pytestmark = pytest.mark.live

SCRIPT = """
[[moments]]
at_s = 2
kind = "close"
code = 4401

[[moments]]
at_s = 2.5
kind = "status"
status = 429
retry_after_s = 9
"""


def test_moments_come_by_the_clock_and_ctrl_c_prints_what_was_seen(tmp_path):
    (tmp_path / "trouble.toml").write_text(SCRIPT, encoding="utf-8")
    arguments = ("--script", str(tmp_path / "trouble.toml"), "--out", str(tmp_path / "o.parquet"))
    with running(*arguments, command="serve") as process:
        url = process.find(r"Listening on (\S+)")
        with connect(url) as client, pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=LIMIT_S)
        process.find(r" s  status 429 retry_after=9$")
        with pytest.raises(InvalidStatus) as refused:
            connect(url)
        status, printed = process.end()
    assert 4401 == closed.value.rcvd.code
    assert (429, "9") == (
        refused.value.response.status_code,
        refused.value.response.headers["Retry-After"],
    )
    assert 0 == status
    assert "2 attempts of 1 client, 1 wait" == printed[0]
    assert "status 429 retry_after=9: 1 attempt" in printed[-1]
    kept = sl.Observation.load(tmp_path / "o.parquet")
    assert ["4401", "429 retry_after=9"] == [each.detail for each in kept.attempts]


def run(*arguments):
    result = CliRunner().invoke(cli.main, ["serve", *arguments])
    return result.exit_code, result.stderr.strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "moments = None: must be a list of tables"),
        ('[[phases]]\nkind = "stay"', "phases = [{'kind': 'stay'}]: is not a setting"),
        ('[[moments]]\nkind = "stay"', "moments[0].at_s = None: must be there"),
        ('[[moments]]\nat_s = 1\nkind = "stray"', 'moments[0].kind = "stray": must be one of'),
        ('[[moments]]\nat_s = -1\nkind = "stay"', "moments[0].at_s = -1: must be a number"),
        ('[[moments]]\nat_s = 1\nkind = "stay"\nattempts = 3', "the next moment ends it"),
        ('[[moments]]\nat_s = 1\nkind = "several"', "is for simlib observe"),
        (
            '[[moments]]\nat_s = 2\nkind = "stay"\n[[moments]]\nat_s = 2\nkind = "silent"',
            "moments[1].at_s = 2.0: must be after the moment before it (2)",
        ),
        ("= 3", "is not TOML"),
    ],
)
def test_a_bad_script_is_named_with_file_key_value_and_rule(tmp_path, text, words):
    file = tmp_path / "trouble.toml"
    file.write_text(text, encoding="utf-8")
    status, said = run("--script", str(file))
    assert 2 == status
    assert said.startswith(f"Error: {file}: ")
    assert words in said
    assert 1 == len(said.splitlines())


def test_a_port_in_use_is_named(tmp_path):
    (tmp_path / "trouble.toml").write_text(SCRIPT, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = run("--script", str(tmp_path / "trouble.toml"), "--port", port)
    assert 2 == status
    assert f"port = {port}: is in use" in said
