"""The limit of open files, and how many the processes of a live run need."""

from __future__ import annotations

import sys

from simlib.core.errors import SimlibError

if sys.platform != "win32":  # which has no such limit
    import resource

#: Sockets per client in the process that plays it, its own and two of the proxy's, and in the
#: server's; each twice, for overlaps.
_PER_CLIENT, _PER_CLIENT_OF_SERVER = 6, 2
#: What a process has open besides.
_OTHERS = 100


def allow_sockets(clients: int, workers: int = 1) -> None:
    """Raise the limit of open files as far as the clients need; the children inherit it.

    Raises
    ------
    SimlibError
        If the machine does not allow so many.
    """
    most = -(-clients // workers)
    needed = max(most * _PER_CLIENT, clients * _PER_CLIENT_OF_SERVER) + _OTHERS
    allowed = allow_files(needed)
    if allowed < needed:
        raise SimlibError(
            f"{clients} live clients need {needed} open files{_in_each(workers)} and this machine "
            f"allows {allowed}: play fewer clients, share them among more processes "
            f"(workers = {2 * workers}), or raise the limit with ulimit -n"
        )


def allow_files(wanted: int) -> int:
    """Raise the limit of open files as far as wanted and allowed; return how many may be open."""
    if sys.platform == "win32":
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # What is infinite is below 0 on some systems.
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return wanted if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _in_each(workers: int) -> str:
    return f" in each of {workers} processes" if workers > 1 else ""
