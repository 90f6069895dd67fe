"""`simlib proxy` from the outside: its timeline, its control, its errors, its end."""

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import simlib as sl
from simlib import cli
from simlib.lab.fault_proxy import control as control_requests
from tests.lab.fault_proxy.proxy_process import LIMIT_S, ROOT, running

pytestmark = pytest.mark.live


@pytest.fixture
def server():
    with sl.BadServer() as made:
        yield made


def url_of(process):
    return process.find(r"Listening on (\S+),")


def echoes(client, text):
    client.send(text)
    return client.recv(timeout=LIMIT_S)


SCRIPT = """
seed = 7

[[faults]]
kind = "reset"
start_s = 1.5

[[faults]]
kind = "outage"
start_s = 3
stop_s = 4
"""


def test_a_script_cuts_and_refuses_at_its_times_and_ctrl_c_prints_what_passed(server, tmp_path):
    (tmp_path / "faults.toml").write_text(SCRIPT, encoding="utf-8")
    with running("--to", server.url, "--script", str(tmp_path / "faults.toml")) as process:
        url = url_of(process)
        with connect(url) as client:
            assert "hello" == echoes(client, "hello")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=LIMIT_S)
        process.find("outage begins")
        process.find("outage ends")
        with connect(url) as client:
            assert "again" == echoes(client, "again")
        status, printed = process.end()
    assert 0 == status
    assert printed[0].startswith("2 connections")
    assert "1 cut" in printed[0]
    said = [line.split("  ", 1)[1].strip() for line in process.lines if " s  " in line]
    assert ["reset", "outage begins", "outage ends"] == [line.split(" s  ")[-1] for line in said]


def test_a_target_that_is_not_there_is_told_once_and_again_when_it_is(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with running("--to", f"ws://127.0.0.1:{port}/ws") as process:
        for _ in range(3):
            with pytest.raises((OSError, EOFError, sl.SimlibError, Exception)):
                connect(url_of(process))
        process.find(f"the target 127.0.0.1:{port} is not there: clients are reset until it is")
        with sl.BadServer(port=port), connect(url_of(process)) as client:
            assert "there" == echoes(client, "there")
        process.find("is there again")
        status, printed = process.end(signal.SIGTERM)
    assert 0 == status
    assert "3 without a server" in printed[0]
    assert 1 == sum("is not there" in line for line in process.lines)


@pytest.fixture
def steered(server):
    with running("--to", server.url, "--control", "0") as process:
        base = process.find(r"Control on (\S+)")
        with httpx.Client(base_url=base, timeout=LIMIT_S) as control:
            yield control, url_of(process), process


def test_a_client_of_toxiproxy_adds_a_toxic_and_removes_it(steered):
    control, url, _ = steered
    assert {"simlib"} == set(control.get("/proxies").json())
    toxic = {"type": "latency", "attributes": {"latency": 300}}
    made = control.post("/proxies/simlib/toxics", json=toxic)
    assert 200 == made.status_code
    assert {
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1.0,
        "attributes": {"latency": 300.0, "jitter": 0.0},
    } == made.json()
    assert [made.json()] == control.get("/proxies/simlib/toxics").json()
    with connect(url) as client:
        begun_s = time.monotonic()
        echoes(client, "hello")
        assert time.monotonic() - begun_s >= 0.3
    assert 409 == control.post("/proxies/simlib/toxics", json=toxic).status_code
    change = {"attributes": {"jitter": 10}}
    changed = control.post("/proxies/simlib/toxics/latency_downstream", json=change)
    assert {"latency": 300.0, "jitter": 10.0} == changed.json()["attributes"]
    assert 204 == control.delete("/proxies/simlib/toxics/latency_downstream").status_code
    assert [] == control.get("/proxies/simlib/toxics").json()
    assert 404 == control.delete("/proxies/simlib/toxics/latency_downstream").status_code


def test_a_disabled_proxy_refuses_and_a_reset_enables_it(steered):
    control, url, _ = steered
    with connect(url) as client:
        assert not control.post("/proxies/simlib", json={"enabled": False}).json()["enabled"]
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=LIMIT_S)
    assert 204 == control.post("/reset").status_code
    assert control.get("/proxies/simlib").json()["enabled"]
    with connect(url) as client:
        assert "again" == echoes(client, "again")
    assert 1 == control.get("/statistics").json()["cut"]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "toxic",
    [
        {"type": "reset_peer", "attributes": {"timeout": 0}},
        {"type": "timeout", "attributes": {"timeout": 50}},
        {"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 1}},
    ],
    ids=lambda toxic: toxic["type"],
)
def test_toxics_that_end_connections_end_them(steered, toxic):
    control, url, _ = steered
    with connect(url) as client:
        control.post("/proxies/simlib/toxics", json=toxic)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=LIMIT_S)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Origin": "https://evil.example"}, "no other page may steer the proxy"),
        ({"Origin": "null"}, "no other page may steer the proxy"),
        ({"Host": "evil.example"}, "must be this machine"),
    ],
)
def test_a_page_of_another_origin_cannot_steer_it(steered, headers, words):
    control, url, _ = steered
    refused = control.post("/proxies/simlib", json={"enabled": False}, headers=headers)
    assert 403 == refused.status_code
    assert words in refused.json()["error"]
    assert 403 == control.get("/proxies", headers=headers).status_code
    with connect(url) as client:
        assert "still" == echoes(client, "still")


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"type": "latency", ', "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"type": "latncy"}', 'did you mean "latency"?'),
        ('{"type": "slicer"}', "must be one of latency, bandwidth, timeout"),
        ('{"type": "latency", "attributes": {"latency": "1s"}}', "attributes.latency"),
        ('{"type": "latency", "attributes": {"latency": -1}}', "must be a number, 0 or more"),
        (
            f'{{"type": "latency", "attributes": {{"latency": 1{"0" * 400}}}}}',
            "must be a number, 0 or more",
        ),
        ('{"type": "latency", "attributes": {"rate": 1}}', "which has latency, jitter"),
        ('{"type": "latency", "stream": "both"}', "must be upstream or downstream"),
        ('{"type": "latency", "toxicity": 2}', "from 0 to 1"),
        ('{"type": "latency", "colour": 2}', "is no key of a toxic"),
    ],
)
def test_a_bad_toxic_is_refused_with_its_key_and_rule(steered, body, words):
    control, _, _ = steered
    refused = control.post("/proxies/simlib/toxics", content=body)
    assert 400 == refused.status_code
    assert words in refused.json()["error"]


def test_a_request_to_the_control_is_read_up_to_a_bound(steered):
    control, _, _ = steered
    longest = '{"type": "latency"}'.ljust(control_requests._LONGEST_BODY_BYTES)
    assert 200 == control.post("/proxies/simlib/toxics", content=longest).status_code
    refused = control.post("/proxies/simlib/toxics", content=f"{longest} ")
    assert 400 == refused.status_code
    assert "must have 100,000 bytes or less" in refused.json()["error"]


def test_another_proxy_is_not_there(steered):
    control, _, _ = steered
    assert 'this command has one, "simlib"' in control.get("/proxies/redis/toxics").json()["error"]
    assert 404 == control.get("/proxies/redis").status_code
    assert 405 == control.post("/proxies", json={"name": "redis"}).status_code


def run(*arguments):
    result = CliRunner().invoke(cli.main, ["proxy", *arguments])
    return result.exit_code, result.stderr.strip()


def test_a_port_in_use_is_named_by_its_option():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = run("--to", "ws://127.0.0.1:1", "--listen", port)
        assert (2, f"Error: --listen = {port}: is in use: name another, or 0 for a free one") == (
            status,
            said,
        )
        status, said = run("--to", "ws://127.0.0.1:1", "--control", port)
        assert (2, f"Error: --control = {port}: is in use: name another, or 0 for a free one") == (
            status,
            said,
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "faults = None: must be a list of tables"),
        ("speed = 1", "speed = 1: is not a setting (did you mean"),
        ('[[faults]]\nkind = "outrage"', 'faults[0].kind = "outrage": must be one of'),
        ('[[faults]]\nkind = "reject"', "is no fault that a proxy can cause; it can: bandwidth"),
        ('[[faults]]\nkind = "outage"\nannounced = true', "cannot tell a client's platform"),
        ('[[faults]]\nkind = "outage"\nroute = "http"', "a proxy carries one route"),
        ('[[faults]]\nkind = "latency"', "faults[0].amount_s = 0.0: must be given for latency"),
        ('seed = -1\n[[faults]]\nkind = "reset"', "seed = -1: must be a whole number from 0"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_bad_script_is_named_with_file_key_value_and_rule(tmp_path, text, words):
    file = tmp_path / "faults.toml"
    file.write_text(text, encoding="utf-8")
    status, said = run("--to", "ws://127.0.0.1:1", "--script", str(file))
    assert 2 == status
    assert said.startswith(f"Error: {file}: ")
    assert words in said
    assert 1 == len(said.splitlines())


def test_a_script_that_is_not_there_is_named(tmp_path):
    status, said = run("--to", "ws://127.0.0.1:1", "--script", str(tmp_path / "no.toml"))
    assert 2 == status
    assert "cannot be read: No such file" in said


def test_keys_cut_and_end_it_in_a_terminal(server):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "simlib", "proxy", "--to", server.url],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(theirs)
    lines = []
    seen = threading.Event()

    def read():
        for line in process.stderr:
            lines.append(line)
            if "keys:" in line:
                seen.set()

    reading = threading.Thread(target=read)
    reading.start()
    try:
        assert seen.wait(LIMIT_S)
        [url] = [line.split()[2].strip(",") for line in lines if line.startswith("Listening")]
        with connect(url) as client:
            assert "hello" == echoes(client, "hello")
            os.write(ours, b"c")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=LIMIT_S)
        os.write(ours, b"dr")
        os.write(ours, b"q")
        assert 0 == process.wait(LIMIT_S)
        assert "1 cut" in process.stdout.read()
    finally:
        process.kill()
        process.wait()
        reading.join()
        process.stdout.close()
        process.stderr.close()
        os.close(ours)
    said = [line.split(" s  ")[1].strip() for line in lines if " s  " in line]
    assert ["cut: 1 connection", "down: attempts are reset", "restored"] == said
