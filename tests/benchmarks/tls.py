"""The processor time that TLS handshakes cost a server: in full, and resumed; prints milliseconds.

python tests/benchmarks/tls.py [HANDSHAKES]. Both ends are in this process, without sockets,
with the certificate and the settings of a live run. What the server's end takes is counted alone.
"""

import ssl
import sys
import tempfile
import time
from pathlib import Path

from simlib.core.tls import Tls
from simlib.engines.live.tls import TlsClients, make_certificate, server_context

_ROUNDS = 5


def handshake_s(server: ssl.SSLContext, clients: TlsClients) -> float:
    """Agree once; return the processor time of the server's end."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, taken_s, over = clients.begin(down, up), 0.0, False
    side = server.wrap_bio(up, down, server_side=True)
    while not over:
        agreed = is_agreed(client)
        began_s = time.process_time()
        over = is_agreed(side) and agreed
        taken_s += time.process_time() - began_s
    side.write(b"x")  # the tickets of TLS 1.3 come before it
    client.read(1)
    clients.note_agreed(client)
    clients.keep_session(client)
    return taken_s


def is_agreed(side: ssl.SSLObject) -> bool:
    """Go on with one end's handshake; return whether it is over."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def main(count: int) -> None:
    """Measure each kind in turn, several times, and print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        files = make_certificate(Path(folder))
        kinds = [Tls["1.2"], Tls["1.3"], Tls.RESUMED]
        pairs = [
            (server_context(tls, files.certificate, files.key), TlsClients(tls, files.authority))
            for tls in kinds
        ]
        rounds = [
            [sum(handshake_s(*pair) for _ in range(count)) / count for pair in pairs]
            for _ in range(_ROUNDS)
        ]
    for tls, times_s, (_, clients) in zip(kinds, zip(*rounds, strict=True), pairs, strict=True):
        middle_ms = 1000.0 * sorted(times_s)[_ROUNDS // 2]
        print(
            f"{tls.name.lower()}: {middle_ms:.2f} ms, {clients.resumed} of {clients.agreed} resumed"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
