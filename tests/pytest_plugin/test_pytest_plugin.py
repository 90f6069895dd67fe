"""The pytest plugin, used as somebody else's project uses it: in a pytest of its own."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(__file__).parent / "example"
LAB = ROOT / "tests" / "lab"
#: No test waits longer for what must happen.
LIMIT_S = 600.0

# A client that does nothing that it should: no jitter, no stop, and it gives up.
BAD_CLIENT = """
import asyncio
import contextlib
import time

from websockets.asyncio.client import connect


async def attempt(url):
    with contextlib.suppress(Exception):
        async with connect(url, open_timeout=5) as connection:
            await connection.wait_closed()


async def test_it_keeps_to_our_rules(bad_server, assert_policy):
    bad_server.status(401)
    for _ in range(11):
        await attempt(bad_server.url)
        await asyncio.sleep(0.5)
    assert_policy(
        bad_server.observation(),
        no_wait_above_s=0.25,
        stops_on=[401, 4401],
    )
"""


def pytest_of_a_stranger(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder; the plugin is named if the installation does not."""
    is_installed = any(each.value == "simlib.pytest_plugin" for each in entry_points(name="simlib"))
    plugin = () if is_installed else ("-p", "simlib.pytest_plugin")
    node = LAB / "clients" / "reconnecting-websocket.mjs"
    has_node = (LAB / "node_modules").is_dir() and shutil.which("node")
    given = {"PYTHONPATH": str(ROOT), "NODE_CLIENT": str(node) if has_node else ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *options],
        cwd=folder,
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.live
@pytest.mark.long
def test_a_project_tests_its_clients_in_asyncio_in_threads_and_in_node(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "project")
    done = pytest_of_a_stranger(tmp_path / "project")
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "5 passed" in done.stdout or "4 passed, 1 skipped" in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.long
def test_a_failure_says_each_rule_that_is_broken_and_by_what(tmp_path):
    shutil.copy(EXAMPLE / "pyproject.toml", tmp_path)
    (tmp_path / "test_bad.py").write_text(BAD_CLIENT, encoding="utf-8")
    done = pytest_of_a_stranger(tmp_path)
    assert 1 == done.returncode, done.stdout + done.stderr
    # Not the last lines, which pytest prints whole where CI is set.
    lines = [line for line in done.stdout.splitlines() if line.startswith("E ")]
    said = [line.removeprefix("E ").strip() for line in lines]
    [head] = [line for line in said if "does not do what is expected" in line]
    assert "(11 attempts of 1 client):" in head
    [longest] = [line for line in said if line.startswith("no_wait_above_s=0.25: it waited")]
    assert "after status 401, and 9 more waits are above" in longest
    stops = [line for line in said if line.startswith("stops_on=[401, 4401]: ")]
    assert "status 401: it came back 10 times, first after" in stops[0]
    assert "4401 was not seen: bad_server.close(4401) lets it meet one" in stops[1]
    # The traceback ends at the test's own line, not inside simlib.
    assert "assert_policy.py" not in done.stdout


def test_the_plugin_imports_nothing_of_simlib_that_is_heavy():
    code = "import sys, simlib.pytest_plugin; print(*sys.modules)"
    given = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.startswith("simlib")}
    assert {"simlib", "simlib.pytest_plugin"} == ours
    assert not loaded & {"numpy", "pandas", "websockets", "click"}


def test_the_package_declares_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"simlib": "simlib.pytest_plugin"} == project["entry-points"]["pytest11"]


def test_what_a_test_leaves_behind_is_ended(tmp_path):
    (tmp_path / "test_left.py").write_text(
        "import threading\n"
        "def test_it(bad_server, fault_proxy):\n"
        "    fault_proxy(bad_server.url)\n"
        "    assert 2 == sum(each.name.startswith('simlib-') for each in threading.enumerate())\n"
        "def test_then():\n"
        "    assert 0 == sum(each.name.startswith('simlib-') for each in threading.enumerate())\n",
        encoding="utf-8",
    )
    done = pytest_of_a_stranger(tmp_path, "-W", "error::ResourceWarning")
    assert "2 passed" in done.stdout, done.stdout + done.stderr
