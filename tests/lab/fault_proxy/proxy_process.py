"""`simlib proxy` as a user starts it, in a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
LIMIT_S = 120.0


class ProxyProcess:
    """A running command; what it said so far is in `lines`."""

    def __init__(self, *arguments: str, command: str = "proxy") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simlib", command, *arguments],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def find(self, pattern: str) -> str:
        """Wait for a line, and return the first group of the pattern in it."""
        until_s = time.monotonic() + LIMIT_S
        while time.monotonic() < until_s:
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found[1] if found.groups() else found[0]
            time.sleep(0.02)
        raise AssertionError(f"{pattern} was not said: {self.lines}")

    def end(self, with_signal: signal.Signals = signal.SIGINT) -> tuple[int, list[str]]:
        """End it as Ctrl-C does; return its status and what it printed."""
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        assert self._process.stdout is not None
        printed = self._process.stdout.read().splitlines()
        status = self._process.wait(LIMIT_S)
        self._reading.join(LIMIT_S)
        return status, printed

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))

    def close(self) -> None:
        """End it in any case."""
        self._process.kill()
        self._process.wait()
        self._reading.join()
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()


@contextlib.contextmanager
def running(*arguments: str, command: str = "proxy") -> Iterator[ProxyProcess]:
    """Run the command as long as the block runs."""
    process = ProxyProcess(*arguments, command=command)
    try:
        yield process
    finally:
        process.close()
