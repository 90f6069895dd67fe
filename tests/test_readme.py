"""What the README tells a newcomer to type runs: its ten lines, and each of its commands."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from simlib import cli
from simlib.studies.compare.chart import CHARTS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
#: The echo server that a command connects to has a free port in place of this one.
PORT = "8000"
#: What makes a command's run short: the same work, less of it. Later values win.
SHORT = {
    "story first_outage": "--set duration_s=8",
    "compare": "--replications 5 --clients 5 --set duration_s=6",
    "watch": "--set duration_s=4",
    "run fleet_storm": "--clients 1000",
    "claims": "--replications 20",
    "capacity": "--clients 100",
    "sweep": "--replications 2 --clients 5 --workers 1",
    "tune": "--trials 2 --replications 2 --clients 20 --workers 1",
    "sensitivity": "--samples 2 --replications 1 --clients 10 --workers 1",
    "presets compare": "--clients 100",
    "run black_hole": "--set duration_s=2 --set faults=[]",
}
#: Statuses that are findings.
STATUSES = {"compare": {0, 1}, "lint": {0, 1, 3}}
#: One phase, so that a client is observed for a moment.
SCRIPT = '[[phases]]\nkind = "refuse"\nattempts = 2\nlongest_s = 5\n'
LIVE = ("story", "compare", "watch", "observe", "run black_hole")
SLOW = ("claims", "tune", "sensitivity", "sweep", "presets compare")


def commands() -> list[str]:
    """Every simlib command of the README's console blocks, as it is typed, without comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    lines = (
        "\n".join(block for kind, block in blocks if kind in ("", "console"))
        .replace("\\\n", " ")
        .splitlines()
    )
    typed = [line.removeprefix("$ simlib ") for line in lines if line.startswith("$ simlib ")]
    # A cluster of one's own: tests/experiments/test_pool.py plays on one.
    return [
        shlex.join(shlex.split(each, comments=True)) for each in typed if "--scheduler" not in each
    ]


def marks(command: str) -> list[pytest.MarkDecorator]:
    found = [pytest.mark.live] * command.startswith(LIVE)
    return found + [pytest.mark.slow] * command.startswith(SLOW)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what a reader has after the commands before, and files of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    recording = ROOT / "data" / "recordings" / "socket_io.parquet"
    for folder in (tmp_path / "out", tmp_path):
        folder.mkdir(exist_ok=True)
        shutil.copy(recording, folder / "obs.parquet")
    (tmp_path / "pings.csv").write_text("".join(f"0.0{20 + i % 9}\n" for i in range(60)))
    return tmp_path


@pytest.fixture(scope="module")
def echo_port() -> Iterator[str]:
    """The port of a WebSocket server that sends back what it gets."""
    from websockets.asyncio.server import serve

    async def echo(connection) -> None:
        async for message in connection:
            await connection.send(message)

    async def serving() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            found.append(str(server.sockets[0].getsockname()[1]))
            loops.append(asyncio.get_running_loop())
            stops.append(asyncio.Event())
            ready.set()
            await stops[0].wait()

    found, loops, stops, ready = [], [], [], threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(serving(),))
    thread.start()
    assert ready.wait(60)
    yield found[0]
    loops[0].call_soon_threadsafe(stops[0].set)
    thread.join()


def arguments(command: str, port: str) -> list[str]:
    """A command's arguments, its run made short."""
    given = shlex.split(command.replace(PORT, port))
    if given[0] == "observe":
        client = ROOT / "tests" / "lab" / "clients" / "websockets_python.py"
        Path("short.toml").write_text(SCRIPT)
        return ["observe", "--script", "short.toml", "--", sys.executable, str(client), "{url}"]
    short = next((more for name, more in SHORT.items() if command.startswith(name)), "")
    return [*given, *shlex.split(short)]


def test_the_commands_of_the_readme_are_found():
    assert 20 <= len(commands())


@pytest.mark.parametrize("command", [pytest.param(each, marks=marks(each)) for each in commands()])
def test_a_command_of_the_readme_runs(here, command, echo_port):
    if "fleet" in command or command.startswith(("tune", "sensitivity", "presets compare")):
        for module in ("numba", "optuna", "SALib"):
            pytest.importorskip(module)
    result = CliRunner().invoke(cli.main, arguments(command, echo_port))
    allowed = STATUSES.get(command.split()[0], {0})
    assert result.exit_code in allowed, result.output
    assert result.stdout


# --- make demo ---------------------------------------------------------------------------


def test_make_demo_says_what_it_does_how_long_it_takes_and_names_a_chart_that_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for said in ("one to five minutes", "1 of 2", "2 of 2", "simlib scenarios"):
        assert said in makefile
    named = set(re.findall(r"out/first_outage/(\w+\.\w+)", makefile))
    assert {"attempts.png", "agreement.csv"} == named
    assert "attempts" in CHARTS


# --- the ten lines -----------------------------------------------------------------------

(TEN_LINES,) = re.findall(r"## In ten lines\n\n```python\n(.*?)```", TEXT, re.DOTALL)
SAID = ("waiting 0.500 s (attempt 1)", "never_recovered", "Replay: ")


@pytest.mark.live
@pytest.mark.slow
def test_the_ten_lines_run_as_a_script_that_says_little_and_keeps_its_chart(tmp_path):
    (tmp_path / "storm.py").write_text(TEN_LINES)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "storm.py"], cwd=tmp_path, env=env, capture_output=True, text=True,
        check=False, timeout=900,
    )  # fmt: skip
    assert 0 == ran.returncode, ran.stderr
    assert [] == [part for part in SAID if part not in ran.stdout]
    assert ran.stdout.count("\n") < 120
    assert (tmp_path / "storm.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_ten_lines_run_as_a_cell_of_a_notebook_and_show_chart_and_sliders(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TEN_LINES)])
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    outputs = notebook.cells[0].outputs
    printed = "".join(each["text"] for each in outputs if each.get("name") == "stdout")
    assert [] == [part for part in SAID if part not in printed]
    kinds = [kind for each in outputs for kind in each.get("data", {})]
    assert "image/png" in kinds
    assert "application/vnd.jupyter.widget-view+json" in kinds
