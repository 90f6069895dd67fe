"""The fleet engine: a million clients, played by the core's own functions, compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from simlib.core.backoff import Jitter
from simlib.core.errors import EngineError, SettingsError
from simlib.core.events import Reason
from simlib.core.faults import ALL_GATEWAYS, Fault, FaultKind, Route, Timeline
from simlib.core.path import Distribution
from simlib.core.server import UNAUTHORIZED, accepts
from simlib.engines import reasons, storm
from simlib.engines.flat import flat
from simlib.engines.heap import Heap
from simlib.engines.twins import kept_in, twin
from simlib.interruptions import interrupting, noticed_by_s
from simlib.scenario import Scenario
from simlib.tally import Tally
from simlib.trace import Interrupted, Trace

if TYPE_CHECKING:
    from simlib.engines.world import Process

#: Kinds of fault that it plays.
KINDS = (
    FaultKind.OUTAGE,
    FaultKind.RESET,
    FaultKind.FLAP,
    FaultKind.SERVER_CRASH,
    FaultKind.REJECT,
    FaultKind.SLOW_SERVER,
)
#: Events between two looks at the keyboard: less than a tenth of a second.
_STRIDE = 200_000
#: Bytes of a client: its own, and the event that it waits for.
_CLIENT_BYTES, _EXTRA_BYTES, _EVENT_BYTES = 40, 80, 24
#: Room at first for handshakes whose clients have gone.
_GHOSTS = 1024


def play(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
) -> Trace:
    """Play a scenario with compiled code; see `simlib.run`."""
    if processes:
        raise SettingsError("processes", len(processes), "are not for the fleet: use on='sim'")
    refuse_what_is_left_out(scenario)
    _check_memory(scenario)
    fleet = _prepared(scenario)
    kernels = _kernels()
    trace = Trace("fleet", scenario, label)
    status = storm.MORE
    kernels["begin"](fleet)
    try:
        while status != storm.DONE:
            status = kernels["advance"](fleet, _STRIDE)
            if status == storm.GROW:
                fleet = _grown(fleet)
            elif progress is not None and fleet.heap.size[0]:
                progress(min(1.0, float(fleet.heap.time_s[0]) / scenario.duration_s))
    except KeyboardInterrupt:
        trace.partial = True
    trace.end_s = scenario.duration_s
    if trace.partial and fleet.heap.size[0]:
        trace.end_s = float(fleet.heap.time_s[0])
    trace.tally = _tally(fleet, trace.end_s)
    if trace.partial:
        raise Interrupted(trace)
    return trace


def first_compile() -> bool:
    """Whether the next run has to compile first, which takes some seconds."""
    return not kept_in().exists()


def refuse_what_is_left_out(scenario: Scenario) -> None:
    """Raise `SettingsError` with every key that the fleet does not play."""
    keys = left_out(scenario)
    if keys:
        also = f"; nor are {', '.join(keys[1:])}" if len(keys) > 1 else ""
        rule = f"is not played by the fleet{also}: play this scenario on sim"
        raise SettingsError(keys[0], _value_at(scenario, keys[0]), rule)


def left_out(scenario: Scenario) -> list[str]:
    """Return the keys of what a scenario uses and the fleet leaves out.

    Messages are left out too, but change nothing for the connections that it plays: there is no
    fallback, and the path delays no frame because of another.
    """
    client, server, path = scenario.client, scenario.server, scenario.path
    used = {
        "hints": bool(scenario.hints),
        "herds.0.name": bool(scenario.herds),
        "stay_s": scenario.stay_s < inf,
        "gateways": scenario.gateways > 1,
        "client.heartbeat.interval_s": client.heartbeat.interval_s < inf,
        "client.fallback.after_attempts": client.fallback.after_attempts < inf,
        "client.fallback.when_quality": client.fallback.when_quality > 0,
        "server.session_lifetime_s": server.session_lifetime_s < inf,
        "server.silence_timeout_s": server.silence_timeout_s < inf,
        "server.resync_service_s": server.resync_service_s > 0.0,
        "server.scaling.at_backlog": server.scaling.at_backlog < inf,
        "path.latency.distribution": path.latency.distribution != Distribution.CONSTANT,
        "path.bandwidth_bytes_per_s": path.bandwidth_bytes_per_s < inf,
        "path.loss_fraction": path.loss_fraction > 0.0,
        "path.idle_timeout_s": path.idle_timeout_s < inf,
        "path.blackout_every_s": path.blackout_every_s < inf,
    }
    keys = [key for key, is_used in used.items() if is_used]
    for i, fault in enumerate(scenario.faults):
        if fault.kind not in KINDS:
            keys.append(f"faults.{i}.kind")
        elif fault.announced:
            keys.append(f"faults.{i}.announced")
        elif fault.gateway != ALL_GATEWAYS:
            keys.append(f"faults.{i}.gateway")
        elif fault.kind == FaultKind.REJECT and _ends_session(fault):
            keys.append(f"faults.{i}.status")
    return keys


def _ends_session(fault: Fault) -> bool:
    return reasons.of_status(fault.status) == reasons.of_status(UNAUTHORIZED)


def _value_at(scenario: Scenario, key: str) -> Any:
    place: Any = scenario
    for name in key.split("."):
        place = place[int(name)] if name.isdecimal() else getattr(place, name)
    return place.name.lower() if hasattr(place, "name") else place


def _check_memory(scenario: Scenario) -> None:
    # A place in the order of a cut, and of each fault a time to detect and one to recover.
    each = _CLIENT_BYTES + _EVENT_BYTES + 8 + 16 * len(interrupting(scenario))
    each += _EXTRA_BYTES * (_needs_extras(scenario) or _meets(scenario))
    needed = scenario.clients * each
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if needed > there:
        rule = f"would take {needed / 2**30:.1f} GiB, and there are {there / 2**30:.1f} GiB"
        raise SettingsError("clients", scenario.clients, rule)


@cache
def _kernels() -> dict[str, Any]:
    return {
        "begin": twin(storm.begin, kept=True),
        "advance": twin(storm.advance, kept=True),
    }


# --- the arrays of a run -----------------------------------------------------------------


def _needs_extras(scenario: Scenario) -> bool:
    client = scenario.client
    return (
        client.breaker.trip_after < inf
        or client.breaker.failure_fraction < inf
        or client.attempt_budget.per_s < inf
        or client.connect_budget.per_s < inf
        or client.backoff.jitter == Jitter.DECORRELATED
    )


def _meets(scenario: Scenario) -> bool:
    """Whether clients can act at the same moment, in an order that the server can tell."""
    server, backoff = scenario.server, scenario.client.backoff
    tells = (
        server.accept_per_s < inf
        or server.handshake_service_s > 0.0
        or server.max_connections < inf
    )
    spread = backoff.jitter in (Jitter.FULL, Jitter.EQUAL) and backoff.first_s == inf
    alone = spread and not _needs_extras(scenario) and scenario.ramp_s > 0.0
    return tells and not alone


def _prepared(scenario: Scenario) -> storm.Fleet:
    clients, server = scenario.clients, scenario.server
    timeline = Timeline(scenario.faults, scenario.seed)
    # What lies on the way of polls alone concerns no connection.
    faults = [f if f.route != Route.HTTP else None for f in timeline.faults]
    kept = [i for i, fault in enumerate(faults) if fault is not None]
    if len(kept) > storm.MOST_FAULTS:
        rule = f"are {len(kept):,} with each outage of a flap; the fleet takes {storm.MOST_FAULTS}"
        raise SettingsError("faults", len(scenario.faults), rule)
    place = {i: k for k, i in enumerate(kept)}
    edges = [e for e in timeline.edges() if e[1] in place and e[0] < scenario.duration_s]
    meets = _meets(scenario)
    run = np.zeros(1, storm.RUN)
    values = {
        "seed": scenario.seed, "clients": clients, "stride": 1, "all_clients": clients,
        "duration_s": scenario.duration_s, "ramp_s": scenario.ramp_s, "bin_s": 1.0,
        "latency_s": scenario.path.latency.mean_s, "slowness": 1.0,
        "has_extras": meets or _needs_extras(scenario), "fuses": not meets,
        "counts_ends": server.max_connections < inf, "faults": len(kept),
    }  # fmt: skip
    for name, value in values.items():
        run[name] = value
    interruptions = _interruptions(scenario)
    seconds = int(np.ceil(scenario.duration_s)) + 1
    ghosts = np.zeros(_GHOSTS, storm.GHOST_TYPE)
    ghosts["client"] = -1
    ghosts["next"] = np.arange(1, ghosts.size + 1)
    ghosts["next"][-1] = -1
    own = np.zeros(clients, storm.CLIENT)
    own["lost_s"] = inf
    own["deadline_s"] = inf
    rooms = clients + 64
    return storm.Fleet(
        run=run,
        clients=own,
        extras=np.zeros(clients if run["has_extras"][0] else 1, storm.EXTRA),
        heap=Heap(
            np.zeros(rooms), np.zeros(rooms, np.int64), np.zeros(rooms, np.int64),
            np.zeros(2, np.int64),
        ),
        rules=flat([scenario.client]),
        server=flat([server]),
        accepts=flat([accepts(server.accept_per_s)]),
        free_s=np.zeros(server.workers),
        queue_s=np.zeros(int(min(server.backlog, clients) + 16) if server.backlog < inf else 16),
        ghosts=ghosts,
        faults=flat([timeline.faults[i] for i in kept] or [Fault()]),
        origins=np.array([timeline.origins[i] for i in kept] or [0], np.int64),
        edges_s=np.array([time_s for time_s, _, _ in edges]),
        edges=np.array([(place[i], int(starts)) for _, i, starts in edges] or [(0, 0)], np.int64),
        interruptions=interruptions,
        recovery_s=np.zeros(rooms * max(1, len(interruptions))),
        detection_s=np.zeros(rooms * max(1, len(interruptions))),
        bins=np.zeros((seconds, storm.COLUMNS), np.int64),
        per_s=np.zeros(seconds, np.int64),
        waits=np.zeros((4, storm.MOST_ATTEMPTS)),
        found=np.zeros(clients, np.int64),
    )  # fmt: skip


def _interruptions(scenario: Scenario) -> Any:
    faults = interrupting(scenario)
    rows = np.zeros(len(faults), storm.INTERRUPTION)
    for row, fault in zip(rows, faults, strict=True):
        row["start_s"], row["end_s"] = fault.start_s, fault.end_s
        row["noticed_s"] = noticed_by_s(scenario, fault)
        row["ended"] = fault.end_s < scenario.duration_s
    return rows


def _grown(w: storm.Fleet) -> storm.Fleet:
    """Return the same fleet with twice the room in every array that fills up."""
    ghosts = w.ghosts
    if w.run["ghost_free"][0] < 0:
        new = np.zeros(ghosts.size, storm.GHOST_TYPE)
        new["client"] = -1
        new["next"] = np.arange(ghosts.size + 1, 2 * ghosts.size + 1)
        new["next"][-1] = -1
        w.run["ghost_free"] = ghosts.size
        ghosts = np.concatenate([ghosts, new])
    first, size = int(w.run["queue_first"][0]), int(w.run["queue_size"][0])
    queue_s = np.zeros(2 * w.queue_s.size)
    queue_s[:size] = np.roll(w.queue_s, -first)[:size]
    w.run["queue_first"] = 0
    old = w.heap
    return w._replace(
        heap=Heap(_doubled(old.time_s), _doubled(old.number), _doubled(old.what), old.size),
        ghosts=ghosts,
        queue_s=queue_s,
        recovery_s=_doubled(w.recovery_s),
        detection_s=_doubled(w.detection_s),
    )


def _doubled(values: Any) -> Any:
    return np.concatenate([values, np.zeros_like(values)])


def _tally(w: storm.Fleet, end_s: float) -> Tally:
    run, clients = w.run[0], w.clients
    _check(w)
    recovery_s = w.recovery_s[: run["recovered"]]
    away = (clients["state"] != storm._OPEN) & (clients["lost_s"] < inf)
    never = sum(
        int(
            (
                away & (clients["opened_s"] < f["end_s"]) & (clients["lost_s"] <= f["noticed_s"])
            ).sum()
        )
        for f in w.interruptions
        if f["ended"] and f["end_s"] < end_s
    )
    is_open = clients["state"] == storm._OPEN
    refused = w.extras["breaker"] == storm._TRIPPED
    return Tally(
        bin_s=float(run["bin_s"]),
        bins=w.bins[: max(1, int(np.ceil(end_s / run["bin_s"])))],
        columns=_COLUMNS,
        attempts_per_s=w.per_s[: max(1, int(np.ceil(end_s)))],
        recovery_s=np.sort(np.concatenate([recovery_s, np.full(never, inf)])),
        detection_s=np.sort(w.detection_s[: run["detected"]]),
        waits=w.waits,
        open_s=float(run["open_s"]) + float((end_s - clients["opened_s"][is_open]).sum()),
        breaker_open_s=float(run["tripped_s"])
        + float((end_s - w.extras["tripped_s"][refused]).sum()),
    )


def _check(w: storm.Fleet) -> None:
    if w.heap.size[0] < 0 or w.heap.size[0] > w.heap.time_s.size:
        raise EngineError("the fleet's events overran their arrays")


_COLUMNS = (
    "attempts", "opens", "ends", "queued", "served", "trips", "probes", "mends", "gave_up",
    *(reason.name.lower() for reason in Reason),
)  # fmt: skip
