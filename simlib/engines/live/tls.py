"""TLS of a live run: a certificate made for the run, and the connection of a client over it.

The proxy passes what is encrypted as it is, so the flights of the handshake take their time on the
path like all else.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from simlib.core.errors import EngineError
from simlib.core.tls import Tls
from simlib.engines.live.tcp import TcpConnection
from simlib.engines.sockets import READ_BYTES
from simlib.support.extras import load_extra

_HOST = "127.0.0.1"
_VERSIONS = {
    Tls["1.2"]: ssl.TLSVersion.TLSv1_2,
    Tls["1.3"]: ssl.TLSVersion.TLSv1_3,
    Tls.RESUMED: ssl.TLSVersion.TLSv1_3,
}


class CertificateFiles(NamedTuple):
    """Where a run's certificate is: what the server shows and signs with, what clients trust."""

    certificate: str
    key: str
    authority: str


def make_certificate(folder: Path) -> CertificateFiles:
    """Make a certificate for this machine's loopback address, and an authority that signs it."""
    purpose = "a live run with path.tls makes a certificate with trustme"
    trustme = load_extra("trustme", "tls", purpose, EngineError)
    # The keys that most servers have. To sign with one is the greater part of a handshake's work.
    rsa = trustme.KeyType.RSA
    authority = trustme.CA(key_type=rsa)
    issued = authority.issue_cert(_HOST, key_type=rsa)
    names = ("certificate.pem", "key.pem", "authority.pem")
    files = CertificateFiles(*(str(folder / name) for name in names))
    for content, path in zip(
        (issued.cert_chain_pems[0], issued.private_key_pem, authority.cert_pem), files, strict=True
    ):
        content.write_to_path(path)
    return files


def server_context(tls: Tls, certificate: str, key: str) -> ssl.SSLContext:
    """Return what a server speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.minimum_version = context.maximum_version = _VERSIONS[tls]
    return context


class TlsClients:
    """What all clients of a process speak TLS with, and the session that they resume, if any."""

    def __init__(self, tls: Tls, authority: str) -> None:
        self.context = ssl.create_default_context(cafile=authority)
        self.context.minimum_version = self.context.maximum_version = _VERSIONS[tls]
        #: Handshakes that were agreed, and how many of them resumed a session.
        self.agreed = self.resumed = 0
        self._resumes = tls == Tls.RESUMED
        self._session: ssl.SSLSession | None = None

    def begin(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """Return the client's side of a new connection."""
        return self.context.wrap_bio(
            incoming, outgoing, server_hostname=_HOST, session=self._session
        )

    def note_agreed(self, side: ssl.SSLObject) -> None:
        """Count a handshake."""
        self.agreed += 1
        self.resumed += bool(side.session_reused)

    def keep_session(self, side: ssl.SSLObject) -> None:
        """Keep a session for the connections to come: its ticket follows the handshake."""
        if self._resumes and self._session is None and (session := side.session) is not None:
            self._session = session if session.has_ticket else None


class TlsConnection:
    """A `TcpConnection` over which TLS is spoken; data written before it is agreed waits."""

    def __init__(
        self,
        clients: TlsClients,
        own: socket.socket,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._clients = clients
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._side = clients.begin(self._incoming, self._outgoing)
        self._on_data, self._on_end = on_data, on_end
        self._agreed = self._closed = False
        self._unsent = b""
        self._tcp = TcpConnection(own, self._receive, self._report_end, catch_up)
        self._agree()

    def write(self, data: bytes) -> None:
        """Send data, once TLS is agreed; nothing after `close`."""
        if self._closed:
            return
        if not self._agreed:
            self._unsent += data
            return
        self._side.write(data)
        self._flush()

    def close(self) -> None:
        """Close it once all written data is sent."""
        self._closed = True
        self._tcp.close()

    def _receive(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if not self._agreed:
                self._agree()
            if self._agreed:
                self._read()
        except ssl.SSLError:
            # Not TLS, not trusted, or its end: the connection is over.
            self._flush()
            self.close()

    def _report_end(self) -> None:
        on_end = self._on_end
        del self._on_data, self._on_end  # as in `TcpConnection`
        on_end()

    def _agree(self) -> None:
        try:
            self._side.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        self._agreed = True
        self._clients.note_agreed(self._side)
        if self._unsent:
            self._side.write(self._unsent)
            self._unsent = b""
        # The handshake's last flight and the request leave as one.
        self._flush()

    def _read(self) -> None:
        while not self._closed:
            try:
                data = self._side.read(READ_BYTES)
            except ssl.SSLWantReadError:
                break
            if not data:
                self.close()
                break
            self._clients.keep_session(self._side)
            self._on_data(data)
        self._flush()

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._tcp.write(data)
