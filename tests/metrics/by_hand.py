"""A Dask cluster as somebody starts it by hand."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0


class ByHand:
    """A scheduler and workers as somebody starts them in a shell, each a process of its own."""

    def __init__(self, folder):
        self._folder, self._started = folder, []

    def __enter__(self):
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _begin(self):
        place = self._folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", place)
        until_s = time.monotonic() + LIMIT_S
        self.address = None
        while self.address is None:
            assert time.monotonic() < until_s
            time.sleep(0.02)
            # The file is there before all of it is written.
            with suppress(FileNotFoundError, json.JSONDecodeError):
                self.address = json.loads(place.read_text())["address"]

    def worker(self, sources=ROOT):
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", self._folder)
        return self._start("worker", self.address, *options, sources=sources)

    def _start(self, what, *arguments, sources=ROOT):
        any_port = ("--dashboard-address", "127.0.0.1:0")
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, *any_port],
            env=os.environ | {"PYTHONPATH": str(sources)},
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def _end(self):
        for process in self._started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
