"""Two clients of a chat: one for asyncio, one for threads. Both come back after failures."""

import asyncio
import contextlib
import random
import threading

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect as connect_sync

BASE_S, CAP_S = 0.1, 0.4
FATAL = {401, 403}


def wait_s(failures, *, jitter=True):
    ceiling_s = min(CAP_S, BASE_S * 2 ** (failures - 1))
    return random.uniform(0, ceiling_s) if jitter else ceiling_s


async def stay_connected(url, *, jitter=True):
    """Connect, and come back until the server says that nobody may."""
    failures = 0
    while True:
        try:
            async with connect(url, open_timeout=5) as connection:
                failures = 0
                async for _ in connection:
                    pass
        except InvalidStatus as refusal:
            if refusal.response.status_code in FATAL:
                return
        except (OSError, WebSocketException):
            pass
        failures += 1
        await asyncio.sleep(wait_s(failures, jitter=jitter))


class ThreadClient:
    """Comes back from a thread; it gives up after some failures."""

    def __init__(self, url, most_failures):
        self._url, self._most = url, most_failures
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def _run(self):
        failures = 0
        while failures < self._most and not self._over.is_set():
            try:
                with connect_sync(self._url, open_timeout=5, close_timeout=1) as connection:
                    failures = 0
                    self._listen(connection)
            except (OSError, WebSocketException):
                failures += 1
            self._over.wait(wait_s(failures + 1))

    def _listen(self, connection):
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                connection.recv(timeout=0.1)
