"""Child processes of a live run, which exchange lines with it and are always reaped."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from simlib.core.errors import EngineError
from simlib.engines.live.run_parts import explain_no_room

#: One that ends without a word is told at once; only one that hangs is waited for this long.
START_TIMEOUT_S = 120.0


class ChildProcess:
    """One process, from its start to its end; it exits when its standard input is closed."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, errors: Path) -> None:
        self._process = process
        self.name = name
        self._errors = errors
        self._killed = False

    @classmethod
    async def launch(cls, module: str, name: str, errors: Path, *more: Any) -> Self:
        """Start a module of simlib's as a process; its errors go to a file."""
        with errors.open("wb") as error_file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=error_file,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        return cls(process, name, errors, *more)

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The status that it ended with, negative for a signal; None while it runs."""
        return self._process.returncode

    def send_line(self, line: str) -> None:
        """Write a line to its standard input, unless it has ended."""
        assert self._process.stdin is not None
        if not self._killed and self.status is None:
            self._process.stdin.write(line.encode() + b"\n")

    async def read_line(self, what: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """Return the next line of its standard output.

        Raises
        ------
        EngineError
            If it writes none within the time, or ends.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = (await self._process.stdout.readline()).decode().strip()
        except TimeoutError:
            raise EngineError(f"{self.name} did not say {what} within {timeout_s:g} s") from None
        if not line:
            raise EngineError(f"{self.name} ended before it said {what}: {self.last_error()}")
        return line

    def last_error(self) -> str:
        """Return the last line that it wrote to standard error."""
        told = self._errors.read_text(errors="replace").strip().splitlines()
        if not told and shutil.disk_usage(self._errors.parent).free == 0:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return str(explain_no_room("its error", full))
        return told[-1] if told else "it wrote no error"

    async def wait(self) -> int:
        """Wait until it has ended; return its status."""
        return await self._process.wait()

    def describe_own_end(self) -> str:
        """Return how it ended, which nobody here wanted: by a signal, or with its last error."""
        assert self.status is not None
        if self.status < 0:
            return f"{self.name} was killed ({signal.Signals(-self.status).name})"
        return f"{self.name} failed: {self.last_error()}"

    @property
    def was_killed_here(self) -> bool:
        """Whether it was this process that killed it."""
        return self._killed

    def kill(self) -> None:
        """Kill it outright (SIGKILL)."""
        self._killed = True
        # Not by its Popen, which would reap a process that is just ending before asyncio's watcher
        # does, and so lose its status.
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.communicate()
