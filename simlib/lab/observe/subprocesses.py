"""Clients that the lab starts: each in its own process group, always ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from simlib.core.errors import SettingsError
from simlib.lab.observe.lateness import cpu_wait_s

#: The environment of a client has its URL and its number under these names.
URL, NUMBER = "SIMLIB_URL", "SIMLIB_CLIENT"
#: After a polite word a client has this long.
END_TIMEOUT_S = 2.0
_KEPT_BYTES = 4000


class ClientProcess:
    """A running client, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = b""
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def start(cls, command: Sequence[str], url: str, number: int) -> ClientProcess:
        """Start a client; ``{url}`` in its arguments is its URL.

        Raises
        ------
        SettingsError
            If there is no such program.
        """
        arguments = [argument.replace("{url}", url) for argument in command]
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                env=os.environ | {URL: url, NUMBER: str(number)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # a group of its own; Ctrl-C is ours to handle
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SettingsError("command", command[0], f"cannot be started: {reason}") from error
        return cls(process)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.returncode

    @property
    def waited_for_cpu_s(self) -> float:
        """How long it was ready to run without running; NaN if the system does not say."""
        return cpu_wait_s(self._process.pid)

    async def last_words(self) -> str:
        """Return the last line of its output; of a client that has ended, of all its output."""
        if self.status is not None:
            # The end of a process may be known before what it printed was read; whatever it
            # started may keep the pipe open.
            await asyncio.wait({self._reading}, timeout=END_TIMEOUT_S)
        lines = self._said.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    async def end(self) -> None:
        """End the whole group, politely and then not, and wait until it is gone."""
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._process.wait()
        # Whatever it started may outlive it.
        self._signal(signal.SIGKILL)
        await self._process.wait()
        # With the last of them the pipe ends too.
        with suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._reading

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _read(self) -> None:
        """Drain the output (keep the tail) so that the child never blocks on a full pipe."""
        assert self._process.stdout is not None
        while said := await self._process.stdout.read(_KEPT_BYTES):
            self._said = (self._said + said)[-_KEPT_BYTES:]
