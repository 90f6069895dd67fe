"""A child process that has ended by itself keeps its status, whenever it is killed."""

import subprocess

import pytest

from simlib.engines.live.child_process import ChildProcess

pytestmark = pytest.mark.live


async def test_a_kill_leaves_it_to_asyncio_to_reap(tmp_path, monkeypatch):
    """A process that was just ending was reaped by the kill: it had status 255, and a warning."""
    child = await ChildProcess.launch("this", "the poem", tmp_path / "errors")
    polls = []
    monkeypatch.setattr(subprocess.Popen, "poll", lambda _: polls.append("reaped"))
    child.kill()
    child.kill()
    await child.end()
    assert [] == polls
    assert child.status in (0, -9)
