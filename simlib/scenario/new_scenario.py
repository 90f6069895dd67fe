"""The scenario that somebody begins with: it runs, and its comments say what to change."""

from __future__ import annotations

from pathlib import Path

from simlib.core.errors import FileError, SettingsError
from simlib.scenario.scenario import Scenario

#: The name of the JSON Schema beside a scenario.
SCHEMA_FILE = "simlib.schema.json"
_TEXT = """\
#:schema {schema}
# What happens to the clients of a WebSocket service while its server is away, and afterwards.
#
#     simlib run {file}
#     simlib lint {file}
#
# Every setting that is not here has its default. Times are in seconds, shares from 0 to 1; inf
# means never, or no limit.

name = "{name}"
# How many clients there are, how long the run is, and within which time the clients start.
clients = 200
duration_s = 60
ramp_s = 5
# All that is random is drawn from this seed: the same seed gives the same run.
seed = 1

# How a client waits before each attempt. In the place of all tables of client the policy of a real
# one may stand, above the first table: client = "preset:socket.io-client" (see simlib presets).
[client.backoff]
# none, full, equal, decorrelated, proportional, additive or below.
jitter = "full"
# The ceiling of the first wait, its growth with each attempt, and the longest wait.
base_s = 1
factor = 2
cap_s = 20
# A connection that was open for so long resets the count of attempts.
stable_after_s = 5

# How a client notices a connection that died silently.
[client.heartbeat]
interval_s = 25
timeout_s = 10

# What the server can do: its workers, the work of each handshake, the connections that it accepts.
[server]
workers = 2
handshake_service_s = 0.01
accept_per_s = 50

# One-way delay between client and server. In its place network = "lte_driving" may stand, above the
# first table: it sets all of the path.
[path.latency]
mean_s = 0.03

# Messages that each client's application sends.
[workload]
rate_per_s = 0.2

# What goes wrong, and when; each [[faults]] is one more. Kinds are outage, server_crash,
# black_hole, half_open, latency, loss, deploy, reject, close and others.
[[faults]]
kind = "outage"
start_s = 15
stop_s = 30
"""


def write_new_scenario(name: str) -> Path:
    """Write a commented scenario that runs, and return its file.

    Parameters
    ----------
    name : str
        The scenario's name, or its file: ``storm`` and ``storm.toml`` are the same.

    Raises
    ------
    SettingsError
        If it is no name of a scenario, there is such a file already, or no such folder.
    """
    file = Path(name if name.endswith(".toml") else f"{name}.toml")
    stem = file.name.removesuffix(".toml")
    try:
        Scenario(name=stem)
    except SettingsError as error:
        raise SettingsError("NAME", name, error.rule) from error
    if any(letter in stem for letter in '"\\') or not stem.isprintable():
        raise SettingsError("NAME", name, "must be of letters that stand in a name as they are")
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(_TEXT.format(schema=SCHEMA_FILE, file=file.name, name=stem))
    except FileExistsError as error:
        raise FileError(file, "is there already: name another, or remove it") from error
    except OSError as error:
        raise FileError(file, f"cannot be written: {error.strerror}") from error
    return file
