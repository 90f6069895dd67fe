"""A run on the terminal: lines where there is none, keys and a restored screen where there is."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

import simlib as sl
from simlib.studies.watch.watch import FAULTS, WATCH_KEYS, watch
from simlib.trace.trace import Trace

ROOT = Path(sl.__file__).parents[1]


def test_without_a_terminal_a_line_is_written_per_second(capsys):
    scenario = sl.Scenario(
        clients=3,
        duration_s=2.5,
        ramp_s=0,
        workload=sl.Workload(rate_per_s=0),
        client=sl.Settings(backoff=sl.Backoff(base_s=0.9, cap_s=0.9, jitter="none")),
        faults=[sl.Fault("outage", 0.5, 1.2)],
    )
    trace = watch(scenario, "sim")
    nothing_sent, outage = "sent 0  acknowledged 0  dropped 0", "outage since 0.5 s until 1.2 s"
    assert [
        f"   1.0 s  waiting 3  in outbox 0  attempts 3  {nothing_sent}  [{outage}]",
        f"   2.0 s  open 3  in outbox 0  attempts 6  {nothing_sent}",
        f"   2.5 s  open 3  in outbox 0  attempts 6  {nothing_sent}",
    ] == capsys.readouterr().out.splitlines()
    assert sl.run(scenario).digest() == trace.digest()


def test_every_fault_has_a_key_that_is_named():
    assert FAULTS.keys() < WATCH_KEYS.keys()
    assert {"r", "q"} == WATCH_KEYS.keys() - FAULTS.keys()


class Terminal:
    """A terminal with `simlib watch` on it, in a session of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._keyboard, self._screen = os.openpty()
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.mode_before = self.mode
        self._text, self._more = "", threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from simlib.cli import main; main()", "watch", *arguments],
            stdin=self._screen,
            stdout=self._screen,
            stderr=self._screen,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def mode(self) -> list:
        return termios.tcgetattr(self._screen)

    def _read(self) -> None:
        while True:
            try:
                text = os.read(self._keyboard, 65536).decode(errors="ignore")
            except OSError:
                return
            with self._more:
                self._text += text
                self._more.notify_all()

    def press(self, key: str) -> None:
        os.write(self._keyboard, key.encode())

    def wait_for(self, words: str) -> None:
        """Wait until the terminal shows some words, and forget what it showed up to there."""
        with self._more:
            assert self._more.wait_for(lambda: re.search(words, self._text), 300), self._text
            self._text = self._text[re.search(words, self._text).end() :]

    def end(self) -> int:
        """Wait for the end; return the status."""
        status = self.process.wait(300)
        assert self.mode == self.mode_before
        left = subprocess.run(["pgrep", "-s", str(self.process.pid)], check=False)
        assert 1 == left.returncode, "a process is left"
        os.close(self._screen)
        os.close(self._keyboard)
        return status


SETTINGS = ("faults=[]", "duration_s=600", "ramp_s=0.1")
LONG = ("first_outage", "--out", "out", *(part for each in SETTINGS for part in ("--set", each)))


@pytest.mark.parametrize("on", ["sim", pytest.param("live", marks=pytest.mark.live)])
def test_keys_cut_restore_and_quit(tmp_path, on):
    terminal = Terminal(tmp_path, *LONG, "--on", on)
    terminal.wait_for(r"open +20")
    assert terminal.mode != terminal.mode_before
    terminal.press("c")
    terminal.wait_for(r"outage since")
    terminal.wait_for(r"open +0")
    terminal.press("r")
    terminal.wait_for(r"open +20")
    terminal.press("q")
    terminal.wait_for(r"\x1b\[\?1049l")  # back from the screen of its own
    terminal.wait_for(f"The {on} run is partial: what there is, is in out/{on}.partial.parquet")
    assert 0 == terminal.end()
    trace = Trace.load(tmp_path / "out" / f"{on}.partial.parquet")
    assert trace.partial
    (fault,) = trace.scenario.faults
    assert "OUTAGE" == fault.kind.name
    assert 0.0 < fault.start_s < fault.stop_s < trace.end_s


@pytest.mark.few(1)
@pytest.mark.parametrize(("ending", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_cleanly(tmp_path, ending, status):
    terminal = Terminal(tmp_path, *LONG, "--on", "sim")
    terminal.wait_for(r"open +20")
    terminal.process.send_signal(ending)
    terminal.wait_for(r"\x1b\[\?1049l")
    terminal.wait_for("The sim run is partial")
    assert status == terminal.end()


@pytest.mark.slow
@pytest.mark.live
def test_quitting_before_the_server_is_there_leaves_nothing(tmp_path):
    terminal = Terminal(tmp_path, *LONG)
    terminal.wait_for("starting")
    terminal.press("q")
    terminal.wait_for("The live run is partial")
    assert 0 == terminal.end()
