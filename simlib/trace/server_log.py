"""The server's log: what each server decided on handshakes, and when it started and stopped.

A server without limits decides nothing, so its log holds no handshakes. The log is no part of a
trace's rows, nor of its digest: sim writes it beside them, and a live run takes it from the log
that its server process wrote.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from struct import Struct
from typing import Any
from zlib import compress, decompressobj, error

from simlib.core.admission import Decision, HandshakeVerdict
from simlib.core.events import NONE

#: Field name and type code of `struct`.
_FIELDS = (
    ("time_s", "d"), ("begin_s", "d"), ("done_s", "d"), ("free_s", "d"),
    ("gateway", "i"), ("decision", "i"), ("client", "i"), ("connection", "i"),
)  # fmt: skip
#: Of a file, unpacked: eleven million decisions.
MOST_LOG_BYTES = 2**29
_RECORD = Struct("<" + "".join(code for _, code in _FIELDS))


class ServerLog:
    """A server's log, or that of several: a record for each decision."""

    def __init__(self, packed: bytes = b"") -> None:
        self._packed = bytearray(packed)

    def __len__(self) -> int:
        return len(self._packed) // _RECORD.size

    def note(self, now: float, gateway: int, verdict: HandshakeVerdict) -> None:
        """Note what a gateway's server decided now."""
        decision, client, connection, begin_s, done_s, free_s = verdict
        self._packed += _RECORD.pack(
            now, begin_s, done_s, free_s, gateway, decision, client, connection
        )

    def note_all(self, now: float, gateway: int, verdicts: list[HandshakeVerdict]) -> None:
        """Note what a gateway's server has decided now, and take it off the server's list."""
        for verdict in verdicts:
            self.note(now, gateway, verdict)
        verdicts.clear()

    def note_start(self, now: float, gateway: int, workers: int) -> None:
        """Note that a server starts, with so many workers."""
        self.note(now, gateway, HandshakeVerdict(Decision.STARTED, NONE, workers))

    def note_stop(self, now: float, gateway: int) -> None:
        """Note that a server is gone, with all that it was at."""
        self.note(now, gateway, HandshakeVerdict(Decision.STOPPED, NONE, 0))

    def records(self) -> Any:
        """Return the records as a structured array; the fields are those of `HandshakeVerdict`.

        ``connection`` is the number of workers in records of a start, or of a call for more.
        """
        import numpy as np

        return np.frombuffer(bytes(self._packed), np.dtype([(n, f"<{c}") for n, c in _FIELDS]))

    def to_text(self) -> str:
        """Return the log as text, to be kept in a file."""
        return b64encode(compress(bytes(self._packed))).decode()

    @classmethod
    def from_text(cls, text: str) -> ServerLog:
        """Return what `to_text` gave.

        Raises
        ------
        ValueError
            If it is no log of any server.
        """
        unpacking = decompressobj()
        try:
            packed = unpacking.decompress(b64decode(text), MOST_LOG_BYTES)
        except error as damaged:
            raise ValueError("its server's log is damaged") from damaged
        if not unpacking.eof or len(packed) % _RECORD.size:
            raise ValueError("its server's log is damaged, or too long")
        log = cls(packed)
        if not set(log.records()["decision"].tolist()) <= set(Decision):
            raise ValueError("its server's log has decisions that no server makes")
        return log
