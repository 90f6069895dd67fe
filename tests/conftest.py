"""Settings that all tests share."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Charts go to files, never to a screen.
os.environ["MPLBACKEND"] = "Agg"

# The same examples every time; a busy machine is no failure.
settings.register_profile("simlib", derandomize=True, deadline=None)
settings.load_profile("simlib")


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
