"""What the servers of a run have to do at a moment, while it is played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simlib.core.admission import Decision
from simlib.trace.server_log import ServerLog

#: Handshakes are counted over the second before the moment.
_OVER_S = 1.0


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """What the servers have to do at a moment; a server without limits counts no handshakes."""

    #: Servers that listen.
    servers: int = 0
    #: Workers that are there, and those that work on a handshake.
    workers: int = 0
    busy: int = 0
    #: Handshakes that wait for a worker.
    waiting: int = 0
    #: Handshakes of the last second that were let in, and that were refused.
    taken_per_s: int = 0
    refused_per_s: int = 0


def load_at(log: ServerLog, now_s: float) -> ServerLoad:
    """Return what the servers have to do at a moment, from their log so far.

    Examples
    --------
    >>> import simlib as sl
    >>> server = sl.ServerSettings(workers=2, handshake_service_s=0.5)
    >>> trace = sl.run(sl.Scenario(clients=6, ramp_s=0, duration_s=5, server=server))
    >>> load = load_at(trace.server_log, 0.3)
    >>> load.busy, load.waiting
    (2, 4)
    """
    records = log.records()
    records = records[records["time_s"] <= now_s]
    alive = records[_since_last_start(records)]
    decision = alive["decision"]
    taken = alive[decision == Decision.TAKEN]
    recent = records[records["time_s"] > now_s - _OVER_S]["decision"]
    refused = (recent > Decision.TAKEN) & (recent <= Decision.ADDRESS)
    started = decision == Decision.STARTED
    come = started | ((decision == Decision.CALLED) & (alive["begin_s"] <= now_s))
    return ServerLoad(
        servers=int(started.sum()),
        workers=int(alive["connection"][come].sum()),
        busy=int(((taken["begin_s"] <= now_s) & (now_s < taken["free_s"])).sum()),
        waiting=int((taken["begin_s"] > now_s).sum()),
        taken_per_s=int((recent == Decision.TAKEN).sum()),
        refused_per_s=int(refused.sum()),
    )


def _since_last_start(records: Any) -> Any:
    """Return which records are of a server that is up: none of those before its last start.

    A live log has starts and stops in the order in which it was read, so times decide.
    """
    alive = np.zeros(records.size, bool)
    for gateway in np.unique(records["gateway"]):
        own = records["gateway"] == gateway
        starts_s = records["time_s"][own & (records["decision"] == Decision.STARTED)]
        stops_s = records["time_s"][own & (records["decision"] == Decision.STOPPED)]
        last_s = np.append(starts_s, -np.inf).max()
        if last_s > np.append(stops_s, -np.inf).max():
            alive |= own & (records["time_s"] >= last_s)
    return alive
