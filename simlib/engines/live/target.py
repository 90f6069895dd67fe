"""A server of the user's own as the target of a live run: its address and what it supports."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from enum import IntEnum
from math import inf
from pathlib import Path
from urllib.parse import urlsplit

from simlib.core.errors import SettingsError
from simlib.core.faults import FaultKind
from simlib.core.outbox import Persist
from simlib.core.quality import Quality
from simlib.core.tls import Tls
from simlib.core.validation import word
from simlib.engines.url_port import url_port
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload


class Codec(IntEnum):
    """How messages are acknowledged: by the server's answers, by their echo, or there are none."""

    SIMLIB = 0
    ECHO = 1
    NONE = 2


#: Server processes of a run, beside those that wait for a crash: each takes a second to start.
MOST_SERVERS = 16
#: No name of a host is longer (RFC 1035).
MOST_HOST_CHARACTERS = 253
#: How long a user's server may take to accept, before the run.
_REACH_TIMEOUT_S = 5.0
#: What only a server of simlib's own can be told to do.
_OF_THE_SERVER = (
    FaultKind.SERVER_CRASH,
    FaultKind.DEPLOY,
    FaultKind.SLOW_SERVER,
    FaultKind.SESSION_EXPIRY,
    FaultKind.CLOSE,
)


@dataclass(frozen=True)
class Target:
    """Where a live run's clients connect to, and where they keep what must survive.

    Attributes
    ----------
    url : str
        ``ws://HOST:PORT/PATH`` of a server of the user's own; empty: simlib starts one.
    codec : str
        simlib, echo or none.
    allow_host : str
        The one host beside loopback that may be connected to.
    store : path, optional
        The SQLite file of saved messages; a run that finds one goes on with what it holds.

    Examples
    --------
    >>> Target("ws://127.0.0.1:8000/chat", "echo").address
    ('127.0.0.1', 8000)
    """

    url: str = ""
    codec: str = "simlib"
    allow_host: str = ""
    store: Path | None = None

    def __post_init__(self) -> None:
        word("codec", self.codec, Codec)
        if not self.url:
            if self.codec != "simlib":
                raise SettingsError(
                    "codec", self.codec, "is for a server of your own: name its url"
                )
            return
        rule = (
            "must be ws://HOST:PORT/PATH (not wss: the fault proxy stands between, and cannot "
            "read what is encrypted)"
        )
        try:
            parts = urlsplit(self.url)
        except ValueError as error:
            raise SettingsError("url", self.url, f"{rule}: {error}") from error
        host = parts.hostname or ""
        if parts.scheme != "ws" or not host:
            raise SettingsError("url", self.url, rule)
        if len(host) > MOST_HOST_CHARACTERS:
            rule = f"has a host of {len(host):,} characters; no name has more than "
            raise SettingsError("url", self.url, f"{rule}{MOST_HOST_CHARACTERS}")
        url_port("url", self.url)
        if not _is_loopback(host) and host != self.allow_host:
            rule = (
                f"is not on this machine: faults are only played against others if you say so "
                f"outright, with allow_host = {host} (--allow-host {host})"
            )
            raise SettingsError("url", self.url, rule)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the user's server."""
        port = url_port("url", self.url)
        return str(urlsplit(self.url).hostname), 80 if port is None else port

    async def reach(self) -> tuple[str, int]:
        """Return the address that answers, as numbers.

        That nobody listens is so said before the run, not in every attempt of it.

        Raises
        ------
        SettingsError
            If the user's server accepts no connection.
        """
        host, port = self.address
        try:
            async with asyncio.timeout(_REACH_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port)
            answering: tuple[str, int] = writer.get_extra_info("peername")[:2]
            writer.close()
            await writer.wait_closed()
        except (OSError, TimeoutError, UnicodeError) as error:  # UnicodeError: no name of a host
            rule = f"cannot be reached: {error or 'no answer'}; start your server"
            raise SettingsError("url", f"{host}:{port}", rule) from error
        return answering

    @property
    def speaks_simlib(self) -> bool:
        """Whether the server understands simlib's frames and requests."""
        return self.codec == "simlib"

    def fit(self, scenario: Scenario) -> Scenario:
        """Return the scenario as this target can play it.

        Raises
        ------
        SettingsError
            If it asks for something that the target cannot do; nothing is skipped silently.
        """
        if scenario.gateways > MOST_SERVERS:
            rule = (
                f"must be at most {MOST_SERVERS} in a live run, which starts a process for each: "
                "play this scenario on sim"
            )
            raise SettingsError("gateways", scenario.gateways, rule)
        self._fit_tls(scenario)
        saves = any(client.outbox.persist != Persist.NONE for client in scenario.policies)
        if self.store is not None and not saves:
            rule = "keeps nothing: set client.outbox.persist to urgent or all"
            raise SettingsError("store", str(self.store), rule)
        if not self.url:
            return scenario
        if scenario.gateways > 1:
            rule = "must be 1 on a server of your own, which has one address"
            raise SettingsError("gateways", scenario.gateways, rule)
        self._refuse_what_is_of_the_server(scenario)
        if not self.speaks_simlib:
            self._refuse_requests(scenario)
        if self.codec == "none":
            return scenario.replace("workload", Workload(rate_per_s=0.0))
        return scenario

    def _fit_tls(self, scenario: Scenario) -> None:
        """Refuse what a proxy would have to read, or to write, inside of TLS."""
        if scenario.path.tls == Tls.NONE:
            return
        why = "in a live run with path.tls, whose proxy cannot look inside: play this on sim"
        if self.url:
            rule = "is for simlib's own server: what encrypts yours is said by its url"
            raise SettingsError("path.tls", scenario.path.tls.name.lower(), rule)
        for i, fault in enumerate(scenario.faults):
            if fault.kind == FaultKind.REJECT:
                raise SettingsError(f"faults[{i}].kind", "reject", f"is not played {why}")
        for client in scenario.policies:
            if client.fallback.after_attempts < inf or client.fallback.when_quality > 0:
                raise SettingsError(
                    "client.fallback.after_attempts",
                    client.fallback.after_attempts,
                    f"must be inf, and when_quality offline, {why}",
                )
            if client.session.sign_in_after_s < inf:
                raise SettingsError(
                    "client.session.sign_in_after_s",
                    client.session.sign_in_after_s,
                    f"must be inf {why}",
                )

    def _refuse_what_is_of_the_server(self, scenario: Scenario) -> None:
        for i, fault in enumerate(scenario.faults):
            if fault.kind in _OF_THE_SERVER:
                rule = "cannot be played on a server that simlib did not start"
                raise SettingsError(f"faults[{i}].kind", fault.kind.name.lower(), rule)
        sign_in_s = min(client.session.sign_in_after_s for client in scenario.policies)
        if sign_in_s < inf:
            rule = "must be inf: simlib cannot sign in to a server of your own"
            raise SettingsError("client.session.sign_in_after_s", sign_in_s, rule)

    def _refuse_requests(self, scenario: Scenario) -> None:
        work = scenario.workload
        unknown = f"with codec = {self.codec}: the server knows no such requests"
        for fallback in (client.fallback for client in scenario.policies):
            if fallback.after_attempts < inf or fallback.when_quality > Quality.OFFLINE:
                rule = f"must be inf, and when_quality offline, {unknown}"
                raise SettingsError("client.fallback.after_attempts", fallback.after_attempts, rule)
        if work.key_of(0) >= 0:
            rule = f"must be 0, and arrivals not typing, {unknown}"
            raise SettingsError("workload.keys", work.keys, rule)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
