"""Interrupting a cell of a notebook: one line that says what was kept, and nothing left behind."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.batteries import with_slow

pytest.importorskip("ipykernel")
manager = pytest.importorskip("jupyter_client.manager")

ROOT = Path(__file__).parents[2]
#: Bounds a hang; a busy machine takes its time.
LIMIT_S = 300.0
#: Says when the work has begun, so that it can be interrupted in its middle.
HEAD = """
import sys
import simlib as sl
said = []
def tell(fraction, word=""):
    if fraction > 0.0 and not said:
        said.append(fraction)
        print("begun", flush=True)
long = sl.Scenario(clients=3, duration_s=200_000)
calm = sl.Scenario(clients=3, duration_s=600)
# Many enough to be interrupted, few enough to have begun soon on the slowest machine.
each = sl.Scenario(clients=3, duration_s=2_000)
grid = {"client.backoff.cap_s": [5, 9]}
"""
CELLS = {
    "sim": ("sl.run(long, progress=tell)", r"scenario was played on sim for .* of 200,000 s\."),
    "live": ("sl.run(calm, on='live', progress=tell)", r"played on live for .* of 600 s\."),
    "awaited": (
        "await sl.run_live(calm, progress=tell)", r"played on live for .* of 600 s\. What there is",
    ),
    "sweep": (
        "sl.sweep(each, grid, 400, workers=1, folder='kept', progress=tell)",
        r"what was finished is kept in kept, (no|\d+) runs?\. The same call",
    ),
    "sweep by processes": (
        "sl.sweep(each, grid, 400, workers=2, progress=tell)",
        r"nothing is kept\. With a folder",
    ),
    "replications": (
        "sl.replicate(each, 800, progress=tell)", r"playing scenario was stopped",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel and its client; the cells of all tests are run in it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    folder = tmp_path_factory.mktemp("notebook")
    running, client = manager.start_new_kernel(
        startup_timeout=LIMIT_S, env=environment, cwd=str(folder)
    )
    client.execute_interactive(HEAD, timeout=LIMIT_S)
    yield running, client, folder
    client.stop_channels()
    running.shutdown_kernel(now=True)


def interrupted(kernel, cell):
    """Run a cell, interrupt it once it has said that it began; return its error."""
    running, client, _ = kernel
    errors = []

    def hear(message):
        if message["content"].get("text", "").startswith("begun"):
            running.interrupt_kernel()
        if message["msg_type"] == "error":
            errors.append(message["content"])

    client.execute_interactive("said.clear()", timeout=LIMIT_S)
    client.execute_interactive(cell, timeout=LIMIT_S, output_hook=hear)
    [error] = errors
    return error


@pytest.mark.live
@pytest.mark.parametrize(
    "what",
    with_slow([name for name in CELLS if name != "sweep by processes"], ["sweep by processes"]),
)
def test_an_interrupted_cell_shows_one_line_that_says_what_was_kept(kernel, what):
    cell, said = CELLS[what]
    [line] = interrupted(kernel, cell)["traceback"]
    assert line.startswith("Interrupted: ")
    assert "\n" not in line
    assert re.search(said, line)


@pytest.mark.few(1)
@pytest.mark.live
@pytest.mark.parametrize("what", ["sim", "live", "awaited"])
def test_what_was_played_is_there_afterwards_and_no_process_is(kernel, what):
    interrupted(kernel, CELLS[what][0])
    running, client, folder = kernel
    client.execute_interactive(
        "sys.last_value.trace.save('partial.parquet')", timeout=LIMIT_S, output_hook=print
    )
    from simlib.trace.trace import Trace

    trace = Trace.load(folder / "partial.parquet")
    assert trace.partial
    assert len(trace) > 0
    left = subprocess.run(
        ["pgrep", "-P", str(running.provisioner.pid), "-f", "simlib.engines.live.service"],
        check=False,
    )
    assert 1 == left.returncode


def test_a_script_still_gets_a_keyboard_interrupt():
    from simlib.core.errors import Interruption
    from simlib.lab.observe.listener import ObservationInterrupted as Observing
    from simlib.trace.trace import Interrupted

    for kind in (Interruption, Interrupted, Observing):
        assert issubclass(kind, KeyboardInterrupt)
