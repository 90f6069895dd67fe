"""TLS: which version a connection speaks, and the flights of its handshake.

Rules of TLS:
- After TCP has connected, TLS 1.3 takes one round trip, TLS 1.2 two, and a session of TLS 1.3 that
  is resumed one; its server signs nothing, so it costs less work (``server.tls_service_s``).
- Early data (0-RTT) would save that round trip; it is not played.
- The client's last flight of TLS 1.3 goes with the request, so it takes no time of its own.
"""

from __future__ import annotations

from enum import IntEnum

#: What a connection is encrypted with. Written out by name since versions are no identifiers.
Tls = IntEnum("Tls", {"NONE": 0, "1.2": 1, "1.3": 2, "RESUMED": 3})
Tls.__doc__ = """What a connection is encrypted with: none, 1.2, 1.3 or resumed."""

_TLS_1_2, _TLS_1_3, _RESUMED = Tls["1.2"].value, Tls["1.3"].value, Tls.RESUMED.value
# Measured of OpenSSL 3.0 with a certificate for an RSA key of 2,048 bits: up and down.
_HELLO_BYTES, _CERTIFICATE_BYTES = 225, 1354
_OLD_HELLO_BYTES, _OLD_CERTIFICATE_BYTES, _KEY_BYTES, _FINISHED_BYTES = 162, 1197, 93, 242
_TICKET_BYTES, _ANSWER_BYTES = 517, 241
#: No flight is longer.
LONGEST_FLIGHT_BYTES = _CERTIFICATE_BYTES


def round_trips(tls: int) -> int:
    """Return how many round trips a handshake takes after TCP has connected.

    Examples
    --------
    >>> [round_trips(Tls[name]) for name in ("NONE", "1.2", "1.3", "RESUMED")]
    [0, 2, 1, 1]
    """
    if tls == _TLS_1_2:
        return 2
    return 1 if tls in (_TLS_1_3, _RESUMED) else 0


def up_bytes(tls: int, trip: int) -> int:
    """Return the size of what the client sends in a round trip, counted from 0."""
    if tls == _TLS_1_2:
        return _OLD_HELLO_BYTES if trip == 0 else _KEY_BYTES
    return _HELLO_BYTES if tls == _TLS_1_3 else _TICKET_BYTES


def down_bytes(tls: int, trip: int) -> int:
    """Return the size of what the server answers in a round trip, counted from 0."""
    if tls == _TLS_1_2:
        return _OLD_CERTIFICATE_BYTES if trip == 0 else _FINISHED_BYTES
    return _CERTIFICATE_BYTES if tls == _TLS_1_3 else _ANSWER_BYTES
