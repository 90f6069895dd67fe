"""What is exported is run, or read again: the policy that went in comes out.

The clients of Node and Python that install here run the exported text on a clock that jumps, and
their waits are inferred. The others (C#, Java, Go, gRPC) have no run: their text is imported again.
"""

import json
import random
import shutil
import subprocess
import types
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.lab.infer.fit import fit
from simlib.metrics.policy_waits import waits_s
from simlib.studies.policy.export import EXPORTERS, export

LAB = Path(__file__).parents[2] / "lab"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (LAB / "node_modules").is_dir(),
    reason="needs node, and the clients: npm install --prefix tests/lab",
)
ATTEMPTS, CONNECTIONS = 10, 20
NO_STOPS = sl.Stops(suspends_on=[])


def play_in_node(client: str, text: str) -> np.ndarray:
    """The waits in s of a client of Node with options as they were exported (connection, wait)."""
    program = LAB / "clients" / "virtual_time.mjs"
    command = ["node", str(program), client, text, str(ATTEMPTS), str(CONNECTIONS)]
    played = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return np.array(json.loads(played.stdout)) / 1000.0


def infer_policy(waits: np.ndarray) -> sl.Backoff:
    """The policy of waits, with the timing errors of an observation."""
    rng = np.random.default_rng(1)
    connections, attempts = waits.shape
    rows = pd.DataFrame({
        "attempt": np.tile(np.arange(1, attempts + 1), connections),
        "wait_s": np.maximum(0.0, waits.ravel() + rng.normal(0.0, 0.002, waits.size)),
        "client": np.repeat(np.arange(connections), attempts),
    })  # fmt: skip
    return fit(rows, intervals=False).best.rules


#: What is asked of each client of Node, of its own kind.
ASKED = {
    "reconnecting-websocket": sl.Backoff(
        jitter="none", base_s=0.7, factor=1.5, cap_s=12, stable_after_s=3, heeds_hint=False
    ),
    "partysocket": sl.Backoff(
        jitter="none", base_s=0.4, factor=2.5, cap_s=9, stable_after_s=3, heeds_hint=False
    ),
    "socket.io-client": sl.Backoff(jitter="none", base_s=0.3, cap_s=7, heeds_hint=False),
    "phoenix": sl.Backoff(jitter="none", steps_s=[0.2, 0.9, 4, 11], heeds_hint=False),
}


@needs_node
@pytest.mark.parametrize("client", ASKED)
def test_a_client_of_node_waits_as_was_exported_for_it(client):
    asked = ASKED[client]
    exported = export(sl.Settings(backoff=asked, stops=NO_STOPS), client)
    assert not any(lack.startswith("waits") for lack in exported.lacks)
    waits = play_in_node(client, exported.text)
    assert waits_s(asked, ATTEMPTS)[2] == pytest.approx(waits[0], rel=1e-6, abs=0.001)
    found = infer_policy(waits)
    assert waits_s(asked, ATTEMPTS)[2] == pytest.approx(
        waits_s(found, ATTEMPTS)[2], rel=0.02, abs=0.005
    )


@pytest.mark.slow
@needs_node
def test_socket_io_s_jitter_is_what_was_asked_for():
    asked = sl.Backoff(jitter="proportional", spread_fraction=0.3, jitter_place="before_cap",
                       base_s=1, cap_s=300, heeds_hint=False)  # fmt: skip
    exported = export(sl.Settings(backoff=asked, stops=NO_STOPS), "socket.io-client")
    shares = play_in_node("socket.io-client", exported.text)[:, :8] / 2.0 ** np.arange(8)
    assert 0.69 <= shares.min() <= 0.8
    assert 1.2 <= shares.max() <= 1.31
    # Its client draws the sign by the parity of a decimal: so the inferred spread is nearly that.
    found = infer_policy(shares * 2.0 ** np.arange(8))
    assert (1.0, 2.0) == pytest.approx((found.base_s, found.factor), rel=0.05)


# --- tenacity and stamina -----------------------------------------------------------------


def play_in_python(text: str) -> None:
    """Run an exported text of Python with a call that always fails, until it gives up."""
    scope: dict = {"connect": fail}
    lines = text.splitlines()
    if lines[-1].startswith("Retrying("):  # its last line is the call
        lines[-1] = f"reconnect = lambda: {lines[-1]}"
    exec("\n".join(lines), scope)
    with pytest.raises(Exception):  # noqa: B017, PT011 - each library has an error of its own
        scope["reconnect"]()


def fail():
    raise ConnectionError


PYTHON = {
    "no jitter": sl.Backoff(jitter="none", base_s=0.5, cap_s=20),
    "full": sl.Backoff(base_s=0.5, cap_s=20),
    "on top": sl.Backoff(jitter="additive", add_most_s=0.8, jitter_place="after_cap", base_s=0.3),
    "a table": sl.Backoff(jitter="none", steps_s=[0.2, 0.9, 4]),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", PYTHON)
def test_tenacity_waits_as_was_exported_for_it(name, monkeypatch):
    pytest.importorskip("tenacity")
    asked = replace(PYTHON[name], max_attempts=ATTEMPTS + 1, heeds_hint=False)
    random.seed(3)
    rows = []
    for _ in range(30):
        slept: list[float] = []
        monkeypatch.setattr("tenacity.nap.time", types.SimpleNamespace(sleep=slept.append))
        exported = export(sl.Settings(backoff=asked, stops=NO_STOPS), "tenacity")
        play_in_python(exported.text)
        rows.append(slept)
    assert {ATTEMPTS} == {len(row) for row in rows}
    assert_policies_alike(replace(asked, max_attempts=inf), infer_policy(np.array(rows)))


def test_stamina_waits_as_was_exported_for_it(monkeypatch):
    stamina = pytest.importorskip("stamina")
    asked = sl.Backoff(jitter="additive", add_most_s=0.8, jitter_place="before_cap", base_s=0.3,
                       cap_s=9, max_attempts=ATTEMPTS + 1, heeds_hint=False)  # fmt: skip
    exported = export(sl.Settings(backoff=asked, stops=NO_STOPS), "stamina")
    assert not any(lack.startswith("waits") for lack in exported.lacks)
    assert stamina.is_active()
    random.seed(3)
    rows = []
    for _ in range(30):
        slept: list[float] = []
        monkeypatch.setattr("tenacity.nap.time", types.SimpleNamespace(sleep=slept.append))
        play_in_python(exported.text)
        rows.append(slept)
    assert {ATTEMPTS} == {len(row) for row in rows}
    assert_policies_alike(replace(asked, max_attempts=inf), infer_policy(np.array(rows)))


def assert_policies_alike(asked: sl.Backoff, found: sl.Backoff) -> None:
    """Two policies wait alike, from the shortest to the longest, attempt by attempt."""
    wanted, given = (waits_s(rules, ATTEMPTS)[[0, 2, -1]] for rules in (asked, found))
    assert wanted == pytest.approx(given, rel=0.12, abs=0.12)


# --- read again -----------------------------------------------------------------------------

#: What an exported text is imported as; a loop of Python is run above and in test_export.py.
KINDS = {name: name for name in EXPORTERS} | {
    "grpc": "grpc-channel",
    "client-go": "client-go-backoff",
}
KINDS.pop("websockets-python")


@pytest.mark.few(60)
@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("preset", [name for name, preset in sl.presets.items()
                                    if preset.client.backoff.max_attempts > 0])  # fmt: skip
def test_an_exported_text_is_read_as_what_it_gives(preset, to):
    exported = export(sl.presets[preset].client, to)
    if "def waits" in exported.text:
        return
    found = sl.policy_from(exported.text, KINDS[to]).client
    given = exported.gives
    count = int(min(10, given.backoff.max_attempts))
    assert given.backoff.max_attempts == found.backoff.max_attempts
    assert waits_s(given.backoff, count) == pytest.approx(
        waits_s(found.backoff, count), rel=0.01, abs=0.0025
    )
    for name in ("after_loss_s", "give_up_after_s", "counted_from", "drawn_once"):
        assert getattr(given.backoff, name) == getattr(found.backoff, name), name
    if to != "tenacity":  # whose text has no time-out
        assert given.connect_timeout_s == pytest.approx(found.connect_timeout_s, abs=0.001)


#: A policy of each kind that is configured by a text, which it can express.
EXPRESSIBLE = {
    "signalr": "[0, 1500, 7000, 7000]",
    "phoenix": "{reconnectAfterMs: n => [10, 400][n - 1] || 9000, heartbeatIntervalMs: 20000}",
    "stamina": "stamina.retry(on=OSError, attempts=7, timeout=80, wait_initial=0.3, wait_max=8)",
    "polly": '{"MaxRetryAttempts": 6, "Delay": "00:00:00.3", "BackoffType": "Linear", '
    '"MaxDelay": "00:00:01.5"}',
    "resilience4j": "{maxAttempts: 5, waitDuration: 300ms, enableExponentialBackoff: true, "
    "exponentialBackoffMultiplier: 3}",
    "grpc-service-config": '{"retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.3s", '
    '"maxBackoff": "5s", "backoffMultiplier": 1.7}}',
    "client-go": "wait.Backoff{Duration: 200 * time.Millisecond, Factor: 3, Jitter: 0.5, Steps: 6}",
}


def test_polly_s_own_jitter_is_said_not_to_be_full():
    exported = export(sl.presets["aws-full"].client, "polly")
    assert not exported.exact
    assert any("full jitter is the nearest" in lack for lack in exported.lacks)


@pytest.mark.parametrize("to", EXPRESSIBLE)
def test_a_policy_of_a_client_goes_out_and_comes_in_again(to):
    asked = sl.policy_from(EXPRESSIBLE[to], KINDS[to]).client
    exported = export(asked, to)
    found = sl.policy_from(exported.text, KINDS[to]).client
    assert not any(lack.startswith(("waits", "attempts")) for lack in exported.lacks)
    count = int(min(10, asked.backoff.max_attempts))
    assert waits_s(asked.backoff, count) == pytest.approx(
        waits_s(found.backoff, count), rel=0.01, abs=0.0025
    )
    assert asked.backoff.max_attempts == found.backoff.max_attempts
    assert asked.connect_timeout_s == found.connect_timeout_s
