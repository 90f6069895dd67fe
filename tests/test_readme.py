"""What README and the pages of `docs/` tell a reader to type runs, each distinct command once."""

import asyncio
import dataclasses
import doctest
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.cli import report
from simlib.studies.claims import claims
from simlib.studies.compare.chart import CHARTS
from tests.studies.small import with_few_rivals

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: The echo server that a command connects to has a free port in place of this one.
PORT = "8000"
RECORDING = "data/recordings/socket_io.parquet"
#: What makes a command's run short: the same work, less of it. Later values win.
SHORT = {
    "gallery": "state_diagram backoff",
    "story first_outage": "--set duration_s=8",
    "compare": "--replications 5 --clients 5 --set duration_s=9",
    "watch": "--set duration_s=4",
    "run reconnect_storm": "--clients 100",
    "run fleet_storm": "--clients 1000",
    "claims": "--replications 20",
    "capacity": "--clients 100",
    "sweep": "--replications 2 --clients 5 --workers 1",
    "tune": "--trials 2 --replications 2 --clients 20 --workers 1",
    "sensitivity": "--samples 2 --replications 1 --clients 10 --workers 1",
    "presets compare": "--clients 100",
    "diff reconnect_storm": "--clients 20 --replications 3",
    "diff preset:": "--clients 50 --replications 3",
    "diff first_outage": "--replications 2",
    "report socket_io_storm": "--clients 200 --set server.accept_per_s=8 --replications 2",
    "validate": "--only handshakes --workers 1",
    "run black_hole": "--set duration_s=2 --set faults=[]",
}
#: The same of Python.
SHORTER = {"1_000_000": "10_000", "999_999": "9_999"}
#: A log of a server, one attempt in three opened.
LOG = [
    f'10.0.0.{n} - - [31/Jan/2026:10:00:{n:02d} +0000] "GET /ws HTTP/1.1" {status} 0 "-" "-"'
    for n, status in enumerate((502, 502, 101) * 5)
]
#: Statuses that are findings.
STATUSES = {"compare": {0, 1}, "diff": {0, 1}, "lint": {0, 1, 3}}
#: One phase, so that a client is observed for a moment.
SCRIPT = '[[phases]]\nkind = "refuse"\nattempts = 2\nlongest_s = 5\n'
#: Their runs last an hour, or have many messages; tests/studies/claims/ plays them.
LONG_CLAIMS = ("99.9 % delivered", "99.9 % at any rate", "nothing lost")
LIVE = ("story", "compare", "watch", "observe", "run black_hole")
#: They go on until Ctrl-C; tests/app/ and tests/lab/ play them.
SERVES = ("app", "proxy", "serve")
#: They take seconds: only make test-all types them.
LONG = (
    "gallery", "claims", "tune", "sensitivity", "sweep", "presets compare", "report",
    "infer", "validate", "compare poor_network", "compare tls_storm", "watch first_outage --set",
    "run first_outage --observed",
)  # fmt: skip


def blocks(page: Path, *kinds: str) -> list[str]:
    """The blocks of code of a page that are of some kinds."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```([\w{}-]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for kind, block in found if kind in kinds]


def commands(pages: Sequence[Path] = PAGES) -> dict[str, list[str]]:
    """Every simlib command of the pages' console blocks, with its arguments, made short."""
    lines = [
        line
        for page in pages
        for block in blocks(page, "", "console")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    typed = [line.removeprefix("$ simlib ") for line in lines if line.startswith("$ simlib ")]
    words = [shlex.split(each, comments=True) for each in typed]
    # A cluster of one's own: tests/experiments/test_pool.py plays on one.
    once: dict[tuple[str, ...], list[str]] = {}
    for each in words:
        if "--scheduler" not in each:
            once.setdefault(tuple(shortened(each)), each)
    return {shlex.join(each): list(short) for short, each in once.items()}


def shortened(words: list[str]) -> list[str]:
    """A command's arguments, its run made short."""
    if words[0] == "observe":
        client = ROOT / "tests" / "lab" / "clients" / "websockets_python.py"
        return ["observe", "--script", "short.toml", "--", sys.executable, str(client), "{url}"]
    if words[0] == "infer":  # every recording is the same one here
        return ["infer", RECORDING]
    command = shlex.join(words)
    short = next((more for name, more in SHORT.items() if command.startswith(name)), "")
    return [*words, *shlex.split(short)]


def marks(command: str) -> list[pytest.MarkDecorator]:
    found = [pytest.mark.live] * command.startswith(LIVE)
    if command.startswith(LONG):
        found += [pytest.mark.long, pytest.mark.slow]
    return found


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what a reader has after the commands before, and files of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "pings.csv").write_text("".join(f"0.0{20 + i % 9}\n" for i in range(60)))
    (tmp_path / "short.toml").write_text(SCRIPT)
    (tmp_path / "access.log").write_text("".join(f"{line}\n" for line in LOG))
    (tmp_path / "timed.log").write_text("".join(f"{line} 0.250\n" for line in LOG))
    [options] = blocks(ROOT / "docs" / "guide" / "import.md", "text")
    (tmp_path / "options.js").write_text(options)
    (tmp_path / "policy.toml").write_text(sl.policy_from(options).policy_toml())
    sl.run(sl.Scenario(clients=3, duration_s=5)).save("out/first_outage/trace.parquet")
    return tmp_path


@pytest.fixture
def small_studies(monkeypatch):
    """Make short what no option does: crowds that claims are tried on, and a tuning's rivals."""
    if find_spec("optuna") is not None:
        with_few_rivals(monkeypatch)
    monkeypatch.setattr(report, "_TRIALS", 2)
    tried = [
        dataclasses.replace(each, low=each.low / 10, high=each.high / 10, at=each.at / 10)
        if each.axis == "clients"
        else each
        for each in claims.CLAIMS
        if each.name not in LONG_CLAIMS
    ]
    monkeypatch.setattr(claims, "CLAIMS", tried)


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
    assert ready.wait(300)
    yield found[0]
    loops[0].call_soon_threadsafe(stops[0].set)
    thread.join()


COMMANDS = commands()


def test_the_pages_have_every_command_of_simlib():
    assert set(cli.main.list_commands(click.Context(cli.main))) == {
        command.split()[0] for command in COMMANDS
    }


@pytest.mark.few(24)
@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=marks(each)) for each in COMMANDS if not each.startswith(SERVES)],
)
@pytest.mark.usefixtures("small_studies")
def test_a_command_of_the_pages_runs(here, command, echo_port):
    studies = ("tune", "sensitivity", "presets compare", "report")
    if "fleet" in command or command.startswith(studies):
        for module in ("numba", "optuna", "SALib"):
            pytest.importorskip(module)
    if "storm.toml" in command:  # the command before it writes it
        CliRunner().invoke(cli.main, ["new", "storm"])
    arguments = [each.replace(PORT, echo_port) for each in COMMANDS[command]]
    result = CliRunner().invoke(cli.main, arguments)
    allowed = STATUSES.get(command.split()[0], {0})
    assert result.exit_code in allowed, result.output
    assert result.stdout


GUIDE = [page for page in PAGES[1:] if blocks(page, "python", "pycon")]


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.few(3)
@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(here, page):
    pytest.importorskip("numba")
    namespace: dict[str, object] = {}
    for block in blocks(page, "python"):
        for long, short in SHORTER.items():
            block = block.replace(long, short)  # noqa: PLW2901 - the same block, less of it
        exec(compile(block, page.name, "exec"), namespace)
    session = "".join(blocks(page, "pycon"))
    example = doctest.DocTestParser().get_doctest(session, namespace, page.name, None, None)
    assert 0 == doctest.DocTestRunner().run(example).failed


# --- make demo ---------------------------------------------------------------------------


def test_make_demo_says_what_it_does_how_long_it_takes_and_names_a_chart_that_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for said in ("one to five minutes", "1 of 2", "2 of 2", "simlib scenarios"):
        assert said in makefile
    named = set(re.findall(r"out/first_outage/(\w+\.\w+)", makefile))
    assert {"attempts.png", "agreement.csv"} == named
    assert "attempts" in CHARTS


# --- the ten lines -----------------------------------------------------------------------

TEN_LINES = blocks(PAGES[0], "python")[0]
SAID = ("waiting 0.500 s (attempt 1)", "never_recovered", "Replay: ")


@pytest.mark.live
@pytest.mark.long
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
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_ten_lines_run_as_a_cell_of_a_notebook_and_show_chart_and_sliders(
    tmp_path, monkeypatch
):
    from nbclient import NotebookClient  # these two take four seconds
    from nbformat import v4

    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = v4.new_notebook(cells=[v4.new_code_cell(TEN_LINES)])
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    outputs = notebook.cells[0].outputs
    printed = "".join(each["text"] for each in outputs if each.get("name") == "stdout")
    assert [] == [part for part in SAID if part not in printed]
    kinds = [kind for each in outputs for kind in each.get("data", {})]
    assert "image/png" in kinds
    assert "application/vnd.jupyter.widget-view+json" in kinds
