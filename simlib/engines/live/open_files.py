"""The limit of open files, and how many the processes of a live run need."""

from __future__ import annotations

import resource

from simlib.core.errors import SimlibError

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
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SimlibError(
            f"{clients} live clients need {needed} open files{_in_each(workers)} and this machine "
            f"allows {hard}: play fewer clients, share them among more processes "
            f"(workers = {2 * workers}), or raise the limit with ulimit -n"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _in_each(workers: int) -> str:
    return f" in each of {workers} processes" if workers > 1 else ""
