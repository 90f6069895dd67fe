"""Settings that all tests share."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# A project of somebody else, which has a pytest of its own.
# The second is read by nox, which the tests do not need.
collect_ignore = ["pytest_plugin/example", "packaging/noxfile.py"]

# Charts go to files, never to a screen.
os.environ["MPLBACKEND"] = "Agg"

# A shell ignores Ctrl-C for what it starts in the background; tests interrupt what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time; a busy machine is no failure.
settings.register_profile("simlib", derandomize=True, deadline=None)
settings.register_profile("few", settings.get_profile("simlib"), max_examples=25)


def pytest_configure(config: pytest.Config) -> None:
    """Leave more examples of each property to the runs that have the slow tests."""
    leaves_slow = "not slow" in config.getoption("markexpr")
    settings.load_profile("few" if leaves_slow else "simlib")


#: Compiles the fleet's kernels, or reads those that are kept.
_COMPILE = (
    "import simlib as sl; quiet = sl.Workload(rate_per_s=0); "
    "sl.run(sl.Scenario(clients=1, duration_s=2, workload=quiet), on='fleet')"
)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Let a process of its own compile the fleet's kernels while several workers test.

    A worker that needs them waits for that process, which takes no processor time; the others do
    tests that need no kernels, and none compiles what another one compiles already.
    """
    config = session.config
    has_workers = bool(config.getoption("numprocesses", None))  # not so in a worker itself
    plays_fleet = config.args == config.getini("testpaths") and find_spec("numba") is not None
    if not has_workers or not plays_fleet:
        return (yield)
    with subprocess.Popen(
        [sys.executable, "-c", _COMPILE],
        cwd=Path(__file__).parents[1],
    ) as compiling:
        try:
            return (yield)
        finally:
            compiling.kill()


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is marked
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that at the end no worker waits for one that began late."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    _leave_a_few(items)


def _leave_a_few(items: list[pytest.Item]) -> None:
    """Mark as slow all but a few cases, spread evenly, of each test that is marked so."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few"):
            cases.setdefault(item.nodeid.split("[")[0], []).append(item)
    for of_one in cases.values():
        marker = of_one[0].get_closest_marker("few")
        assert marker is not None
        count = min(marker.args[0], len(of_one))
        kept = {i * len(of_one) // count for i in range(count)}
        for i, item in enumerate(of_one):
            if i not in kept:
                item.add_marker("slow")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The machine's Chromium; without one a test is skipped, but not where CI promises one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("CI has no chromium: .ci/run installs it")
    if path is None:
        pytest.skip("no chromium on this machine")
    return path


@pytest.fixture(scope="session")
def oracles():
    """A function: the known answers whose id begins so, each with params, expected and source."""
    document = json.loads((Path(__file__).parent / "theory" / "oracles.json").read_text("utf-8"))

    def begin(prefix: str) -> list[dict]:
        found = [case for case in document["cases"] if case["id"].startswith(prefix)]
        assert found, f"no case begins with {prefix}"
        return [case | {"source": document["sources"][case["source"]]} for case in found]

    return begin
