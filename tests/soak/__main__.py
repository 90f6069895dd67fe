"""Play a soak: python -m tests.soak [--minutes N] [--clients N] [--seed N] [--out FILE]."""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.soak.soak import play
from tests.soak.table import find_faults, print_table, save


def main() -> int:
    """Play a soak as the command line says; return its status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="of faults and messages")
    parser.add_argument("--clients", type=int, default=200, help="an even number of them")
    parser.add_argument("--seed", type=int, default=1, help="draws what happens, and when")
    parser.add_argument("--out", type=Path, default=Path("out/soak.json"), help="what was found")
    given = parser.parse_args()
    if not Path("/proc/self/fd").exists():
        parser.error("memory and sockets are read from /proc, which is Linux's")
    soak = asyncio.run(play(60.0 * given.minutes, given.clients, given.seed))
    save(soak, given.out)
    print_table(soak)
    if find_faults(soak):
        return 1
    return 130 if soak.interrupted.is_set() else 0


if __name__ == "__main__":
    sys.exit(main())
