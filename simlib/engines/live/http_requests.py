"""The HTTP requests of live clients: polls, posts, sign-ins and their session cookies."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from math import inf
from typing import Any

import httpx

from simlib.core import events as ev
from simlib.core.errors import EngineError
from simlib.core.events import NONE, Reason
from simlib.engines import reasons
from simlib.engines import retry_after as hints
from simlib.engines.live import codec

#: A client and the number of its connection, which a request carries in its address.
ConnectionKey = tuple[int, int]


class HttpRequests:
    """The HTTP side of all clients: each request returns the events that it leads to.

    No connection is kept alive after its request: the proxy reads from the first line that comes
    over a connection whose it is, so the next request over it would seem to be the same client's.
    """

    def __init__(
        self,
        password: str,
        now_s: Callable[[], float],
        odd: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._password = password
        self._now_s = now_s
        self._odd = odd
        self._scheme = "http" if tls is None else "https"
        self._http = httpx.AsyncClient(
            timeout=None,
            verify=True if tls is None else tls,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        #: The port of the proxy, once it listens.
        self.port = 0
        self._cookies: dict[int, str] = {}
        self._sessions_s: dict[int, float] = {}

    async def check_health(self, port: int) -> None:
        """See that the server process on a port is well, past the proxy."""
        health = await self._fetch("GET", f"{self._scheme}://127.0.0.1:{port}/health")
        if health.status_code != 200:
            raise EngineError(f"the server process is not well: HTTP {health.status_code}")

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def cookie(self, client: int) -> str:
        """Return a client's cookie; empty before its first sign-in."""
        return self._cookies.get(client, "")

    def session_s(self, client: int) -> float:
        """Return when the session of a client's cookie ends."""
        return self._sessions_s.get(client, -inf)

    def url(self, scheme: str, path: str, key: ConnectionKey) -> str:
        """Return the address of a request through the proxy."""
        client, connection = key
        return f"{scheme}://127.0.0.1:{self.port}/{path}?client={client}&connection={connection}"

    async def poll(self, key: ConnectionKey, command: ev.Poll) -> list[ev.Event]:
        """Fetch what a client's channels missed."""
        response = await self._request("GET", "poll", key, channels=command.channels)
        (reason, code), hint_s = _outcome(response), self._hint_s(response)
        updates: list[ev.Event] = []
        if response is not None and reason == Reason.ACCEPTED:
            try:
                updates = [*codec.updates_of(response.content, key[1])]
            except EngineError:
                reason = Reason.PROTOCOL
        return [*updates, ev.Polled(key[1], reason, hint_s, code)]

    async def post(self, key: ConnectionKey, command: ev.Post) -> list[ev.Event]:
        """Send a message without a WebSocket."""
        text = codec.message_text(command.message)
        response = await self._request("POST", "messages", key, text)
        (reason, code), hint_s, version = _outcome(response), self._hint_s(response), NONE
        if response is not None and reason in (Reason.ACCEPTED, Reason.LIMITED):
            try:
                _, reason, hint_s, version = codec.answer_of(response.content)
            except EngineError:
                reason = Reason.PROTOCOL
        return [ev.Posted(key[1], command.message.id, reason, hint_s, version, code)]

    async def sign_in(self, key: ConnectionKey) -> list[ev.Event]:
        """Sign a client in, and keep its cookie."""
        response = await self._request("POST", "login", key, self._password)
        reason = _outcome(response)[0]
        if response is None or reason != Reason.ACCEPTED:
            return [ev.SignedIn(key[1], reason)]
        lifetime_s = response.json()["lifetime_s"]
        lifetime_s = inf if lifetime_s is None else float(lifetime_s)
        self._cookies[key[0]] = response.headers.get("set-cookie", "").partition(";")[0]
        self._sessions_s[key[0]] = self._now_s() + lifetime_s
        return [ev.SignedIn(key[1], Reason.ACCEPTED, lifetime_s)]

    async def _request(
        self,
        method: str,
        path: str,
        key: ConnectionKey,
        text: str | None = None,
        channels: tuple[tuple[int, int], ...] = (),
    ) -> httpx.Response | None:
        """Return the response; None if the request failed on its way."""
        url = self.url("http", path, key)
        if channels:
            url += f"&channels={codec.channels_text(channels)}"
        headers = {"Cookie": self._cookies[key[0]]} if key[0] in self._cookies else {}
        try:
            return await self._fetch(method, url, content=text, headers=headers)
        except httpx.TransportError:
            return None

    async def _fetch(self, method: str, url: str, **more: Any) -> httpx.Response:
        response = await self._http.request(method, url, **more)
        # All is read, and it holds its response: a circle, which would wait for the collector.
        del response.stream
        return response

    def _hint_s(self, response: httpx.Response | None) -> float:
        headers = [] if response is None else response.headers.multi_items()
        # A window is advised for attempts: a poll and a message have times of their own.
        return max(0.0, hints.read_hint_s(headers, self._odd))


def _outcome(response: httpx.Response | None) -> tuple[Reason, int]:
    """Return what came of a request, and the status that refused it, or 0."""
    if response is None:
        return Reason.REFUSED, 0
    if response.status_code == 200:
        return Reason.ACCEPTED, 0
    is_answer = response.headers.get("content-type") == "application/json"
    if response.status_code == 429 and is_answer:
        return Reason.LIMITED, 0
    return reasons.of_status(response.status_code), response.status_code
