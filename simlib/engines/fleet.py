"""The fleet engine: a million clients, played by the core's own functions, compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from simlib.core.backoff import Jitter
from simlib.core.breaker import BreakerState
from simlib.core.errors import EngineError, SettingsError
from simlib.core.events import Reason
from simlib.core.faults import ON_THE_WAY, Fault, FaultKind, Route, Timeline
from simlib.core.link import State
from simlib.core.path import Distribution
from simlib.core.server import accepts
from simlib.engines import reasons
from simlib.engines.flat import flat
from simlib.engines.kernel import loop, state, wheel
from simlib.engines.orders import RESTART
from simlib.engines.twins import kept_in, twin
from simlib.interruptions import interrupting, noticed_by_s
from simlib.scenario import Scenario, setting
from simlib.tally import Tally
from simlib.trace import Interrupted, Trace
from simlib.workload import Arrivals

if TYPE_CHECKING:
    from simlib.engines.world import Process

#: Kinds of fault that it leaves out: what they do to sessions, or to the clients' platforms.
LEFT_OUT = (FaultKind.SESSION_EXPIRY, FaultKind.CLIENT_RELOAD, FaultKind.CLIENT_SLEEP)
#: Events between two looks at the keyboard: less than a tenth of a second.
_STRIDE = 100_000
#: Room at first for handshakes whose clients have gone, and for times to detect.
_GHOSTS, _DETECTIONS = 1024, 1024
#: Clients for each slot of the wheel: few enough for a small heap, enough to fill a block or two.
_PER_SLOT = 64
_MOST_SLOTS = 1 << 17
_OPEN, _TRIPPED = State.OPEN.value, BreakerState.OPEN.value


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
    advance = _kernel()
    trace = Trace("fleet", scenario, label)
    status = loop.MORE
    try:
        while status != loop.DONE:
            status = advance(fleet, _STRIDE)
            if status == loop.GROW:
                fleet = _grown(fleet)
            elif progress is not None:
                progress(min(1.0, _now_s(fleet) / scenario.duration_s))
    except KeyboardInterrupt:
        trace.partial = True
    trace.end_s = scenario.duration_s
    if trace.partial:
        trace.end_s = min(trace.end_s, _now_s(fleet))
    trace.tally = _tally(fleet, trace.end_s)
    if trace.partial:
        raise Interrupted(trace)
    return trace


def _now_s(w: state.Fleet) -> float:
    """Return the moment of the next event, or of the last start."""
    if w.wheel.state[0]["near"]:
        return float(w.wheel.near[0]["time_s"])
    run = w.run[0]
    return float(run["ramp_s"] * run["started"] / max(1, run["clients"]))


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

    Messages are left out too. They change nothing for the connections on a path of constant
    latency; on others, a scenario must send none.
    """
    client, server = scenario.client, scenario.server
    used = {
        "hints": bool(scenario.hints),
        "client.fallback.after_attempts": client.fallback.after_attempts < inf,
        "client.fallback.when_quality": client.fallback.when_quality > 0,
        "server.session_lifetime_s": server.session_lifetime_s < inf,
        "server.silence_timeout_s": server.silence_timeout_s < inf,
        "workload.rate_per_s": _sends(scenario) and not _is_plain(scenario),
    }
    keys = [key for key, is_used in used.items() if is_used]
    for i, fault in enumerate(scenario.faults):
        if fault.kind in LEFT_OUT:
            keys.append(f"faults.{i}.kind")
        elif fault.announced:
            keys.append(f"faults.{i}.announced")
        elif _reason(fault) == Reason.UNAUTHORIZED:
            keys.append(f"faults.{i}.{'status' if fault.kind == FaultKind.REJECT else 'code'}")
    return keys


def _sends(scenario: Scenario) -> bool:
    workload = scenario.workload
    typed = workload.arrivals in (Arrivals.TYPING, Arrivals.RECORDED)
    return workload.rate_per_s > 0.0 or workload.keys > 0 or typed


def _is_plain(scenario: Scenario) -> bool:
    """Whether a frame's way depends on nothing: neither on draws nor on what was sent before."""
    path = scenario.path
    return (
        path.latency.distribution == Distribution.CONSTANT
        and path.bandwidth_bytes_per_s == inf
        and path.loss_fraction == 0.0
        and path.blackout_every_s == inf
        and path.idle_timeout_s == inf
        and not any(fault.kind in ON_THE_WAY for fault in scenario.faults)
    )


def _reason(fault: Fault) -> Reason:
    """Return why a fault's clients fail or lose their connections, as they are told."""
    if fault.kind == FaultKind.CLOSE:
        return reasons.of_code(fault.code)
    return (
        reasons.of_code(RESTART)
        if fault.kind == FaultKind.DEPLOY
        else reasons.of_status(fault.status)
    )


def _value_at(scenario: Scenario, key: str) -> Any:
    value, _ = setting(scenario, key)
    return value.name.lower() if hasattr(value, "name") else value


def _check_memory(scenario: Scenario) -> None:
    needed = scenario.clients * _bytes_per_client(scenario)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if needed > there:
        rule = f"would take {needed / 2**30:.1f} GiB, and there are {there / 2**30:.1f} GiB"
        raise SettingsError("clients", scenario.clients, rule)
    if scenario.clients > state.MOST_CLIENTS:
        rule = f"are more than the {state.MOST_CLIENTS:,} that the fleet can number"
        raise SettingsError("clients", scenario.clients, rule)


def _bytes_per_client(scenario: Scenario) -> int:
    """Return what a client takes: its records, its next event, a time to recover of each fault."""
    each = _size(state.CLIENT) + 16 + 8 * len(interrupting(scenario))
    if _needs_extras(scenario) or _meets(scenario):
        each += _size(state.EXTRA) + 8
    if _needs_lanes(scenario):
        each += _size(state.LANES)
    return each


def _size(record: Any) -> int:
    return int(np.dtype(record).itemsize)


@cache
def _kernel() -> Any:
    return twin(loop.advance, kept=True)


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


def _needs_lanes(scenario: Scenario) -> bool:
    """Whether what was sent on a connection, and when, matters for what is sent next."""
    return not _is_plain(scenario) or _orders(scenario) or _pings_in_vain(scenario)


def _orders(scenario: Scenario) -> bool:
    """Whether the server ends connections on its own."""
    return any(fault.kind in (FaultKind.DEPLOY, FaultKind.CLOSE) for fault in scenario.faults)


def _pings_in_vain(scenario: Scenario) -> bool:
    """Whether pings matter on a plain path: only if the answer can come too late."""
    heartbeat, latency_s = scenario.client.heartbeat, scenario.path.latency.mean_s
    return heartbeat.interval_s < inf and heartbeat.timeout_s <= 2.0 * latency_s + 1e-6


def _meets(scenario: Scenario) -> bool:
    """Whether clients can act at the same moment, in an order that the server can tell."""
    backoff = scenario.client.backoff
    spread = backoff.jitter in (Jitter.FULL, Jitter.EQUAL) and backoff.first_s == inf
    alone = spread and not _needs_extras(scenario) and scenario.ramp_s > 0.0
    drawn = scenario.path.latency.distribution != Distribution.CONSTANT
    return _tells(scenario) and not alone and not drawn


def _tells(scenario: Scenario) -> bool:
    """Whether the server tells clients apart: by what it can do at a time."""
    server = scenario.server
    return (
        server.accept_per_s < inf
        or server.handshake_service_s > 0.0
        or server.max_connections < inf
    )


def _fuses(scenario: Scenario) -> bool:
    """Whether a client can be played ahead while it is alone."""
    # What is rejected after its client has gone draws an answer, between others of that client.
    draws = _needs_lanes(scenario) and any(f.kind == FaultKind.REJECT for f in scenario.faults)
    return not (_meets(scenario) or _orders(scenario) or draws)


def _prepared(scenario: Scenario) -> state.Fleet:
    clients, server = scenario.clients, scenario.server
    timeline = Timeline(scenario.faults, scenario.seed)
    # What lies on the way of polls alone concerns no connection.
    kept = [i for i, fault in enumerate(timeline.faults) if fault.route != Route.HTTP]
    acting = [i for i in kept if timeline.faults[i].kind not in ON_THE_WAY]
    ways = [i for i in kept if timeline.faults[i].kind in ON_THE_WAY]
    if len(acting) > state.MOST_FAULTS:
        rule = (
            f"are {len(acting):,} with each outage of a flap; the fleet takes {state.MOST_FAULTS}"
        )
        raise SettingsError("faults", len(scenario.faults), rule)
    place = {i: k for k, i in enumerate(acting)}
    edges = [e for e in timeline.edges() if e[1] in place and e[0] < scenario.duration_s]
    meets, has_lanes = _meets(scenario), _needs_lanes(scenario)
    tracks = 2 if _orders(scenario) else int(server.max_connections < inf)
    run = np.zeros(1, state.RUN)
    values = {
        "seed": scenario.seed, "clients": clients, "stride": 1, "all_clients": clients,
        "duration_s": scenario.duration_s, "ramp_s": scenario.ramp_s,
        "latency_s": scenario.path.latency.mean_s, "slowness": 1.0, "cut_by": -1,
        "has_extras": meets or _needs_extras(scenario), "is_ordered": meets,
        "has_lanes": has_lanes, "is_plain": _is_plain(scenario), "fuses": _fuses(scenario),
        "tells": _tells(scenario), "tracks": tracks, "faults": len(acting),
        "pings": has_lanes and scenario.client.heartbeat.interval_s < inf,
    }  # fmt: skip
    for name, value in values.items():
        run[name] = value
    interruptions = _interruptions(scenario)
    seconds = int(np.ceil(scenario.duration_s)) + 1
    own = np.zeros(clients, state.CLIENT)
    own["lost_s"] = inf
    own["deadline_s"] = inf
    backlog = int(min(server.backlog, clients)) if server.backlog < inf else 0
    faults = [timeline.faults[i] for i in acting] or [Fault()]
    return state.Fleet(
        run=run,
        clients=own,
        extras=np.zeros(clients if run["has_extras"][0] else 1, state.EXTRA),
        lanes=np.zeros(clients if has_lanes else 1, state.LANES),
        wheel=_wheel(clients, scenario.duration_s),
        rules=flat([scenario.client]),
        server=flat([server]),
        accepts=flat([accepts(server.accept_per_s)]),
        path=flat([scenario.path]),
        free_s=np.zeros(server.workers),
        queue_s=np.zeros(backlog + 16),
        ghosts=_ghosts(0, _GHOSTS),
        faults=flat(faults),
        marks=np.array(
            [(timeline.origins[i], int(_reason(timeline.faults[i])), 0) for i in acting] or [(0, 0, 0)],
            state.MARK,
        ),
        ways=flat([timeline.faults[i] for i in ways] or [Fault()])[: len(ways)],
        way_origins=np.array([timeline.origins[i] for i in ways], np.int64),
        edges=np.array([(time_s, place[i], starts) for time_s, i, starts in edges], state.EDGE),
        interruptions=interruptions,
        recovery_s=np.empty(clients + _DETECTIONS),
        detection_s=np.empty(_DETECTIONS),
        bins=np.zeros((seconds, state.COLUMNS), np.int64),
        waits=np.zeros((state.MOST_ATTEMPTS, 4)),
        found=np.zeros(clients + _GHOSTS if meets or _orders(scenario) else 1, np.int64),
        log=np.zeros(1, state.LOG),
    )  # fmt: skip


def _wheel(clients: int, duration_s: float) -> wheel.Wheel:
    slots = min(_MOST_SLOTS, max(64, clients // _PER_SLOT))
    blocks = clients // wheel.BLOCK + slots + 64
    counts = np.zeros(1, wheel.STATE)
    counts["spare"] = blocks
    counts["slots_per_s"] = slots / duration_s
    counts["end_s"] = duration_s
    return wheel.Wheel(
        state=counts,
        near=np.empty(4 * _PER_SLOT + 64, wheel.NEAR),
        far=np.empty(blocks * wheel.BLOCK, wheel.FAR),
        follower=np.arange(1, blocks + 1),
        slots=np.zeros(slots + 1, wheel.SLOT),
    )


def _ghosts(first: int, rooms: int) -> Any:
    """Return places for ghosts, each naming the next that is free."""
    ghosts = np.zeros(rooms, state.GHOST_TYPE)
    ghosts["client"] = -1
    ghosts["next"] = np.arange(first + 1, first + rooms + 1)
    ghosts["next"][-1] = -1
    return ghosts


def _interruptions(scenario: Scenario) -> Any:
    faults = interrupting(scenario)
    rows = np.zeros(len(faults), state.INTERRUPTION)
    for row, fault in zip(rows, faults, strict=True):
        row["start_s"], row["end_s"] = fault.start_s, fault.end_s
        row["noticed_s"] = noticed_by_s(scenario, fault)
        row["ended"] = fault.end_s < scenario.duration_s
    return rows


def _grown(w: state.Fleet) -> state.Fleet:
    """Return the same fleet with twice the room in every array that is nearly full."""
    run = w.run[0]
    changes: dict[str, Any] = {"wheel": _grown_wheel(w.wheel)}
    if run["ghost_free"] < 0 or w.ghosts["next"][run["ghost_free"]] < 0:
        more = _ghosts(w.ghosts.size, w.ghosts.size)
        if run["ghost_free"] < 0:
            w.run["ghost_free"] = w.ghosts.size
        else:
            w.ghosts["next"][run["ghost_free"]] = w.ghosts.size
        changes["ghosts"] = np.concatenate([w.ghosts, more])
        if w.found.size > 1:
            changes["found"] = np.zeros(w.found.size + w.ghosts.size, np.int64)
    if run["queue_size"] + 1 >= w.queue_s.size:
        changes["queue_s"] = _doubled(np.roll(w.queue_s, -run["queue_first"]))
        w.run["queue_first"] = 0
    several = 4 * len(w.interruptions)
    if run["recovered"] + several >= w.recovery_s.size:
        changes["recovery_s"] = _doubled(w.recovery_s)
    if run["detected"] + several >= w.detection_s.size:
        changes["detection_s"] = _doubled(w.detection_s)
    return w._replace(**changes)


def _grown_wheel(old: wheel.Wheel) -> wheel.Wheel:
    changes: dict[str, Any] = {}
    if max(old.state["near"][0], old.slots["held"].max()) + 2 * wheel.BLOCK >= old.near.size:
        changes["near"] = _doubled(old.near)
    if old.state["spare"][0] <= 4:
        blocks = old.follower.size
        # The chain of free blocks has its end in the first number beyond: it goes on there.
        changes["follower"] = np.arange(1, 2 * blocks + 1)
        changes["follower"][:blocks] = old.follower
        changes["far"] = _doubled(old.far)
        old.state["spare"] += blocks
    return old._replace(**changes)


def _doubled(values: Any) -> Any:
    return np.concatenate([values, np.zeros_like(values)])


def _tally(w: state.Fleet, end_s: float) -> Tally:
    run, clients = w.run[0], w.clients
    _check(w)
    recovery_s = w.recovery_s[: run["recovered"]]
    away = (clients["state"] != _OPEN) & (clients["lost_s"] < inf)
    never = sum(
        int(
            (
                away & (clients["opened_s"] < f["end_s"]) & (clients["lost_s"] <= f["noticed_s"])
            ).sum()
        )
        for f in w.interruptions
        if f["ended"] and f["end_s"] < end_s
    )
    is_open = clients["state"] == _OPEN
    refused = w.extras["breaker"] == _TRIPPED
    return Tally(
        bins=w.bins[: max(1, int(np.ceil(end_s)))],
        columns=_COLUMNS,
        recovery_s=np.sort(np.concatenate([recovery_s, np.full(never, inf)])),
        detection_s=np.sort(
            np.concatenate([np.zeros(run["detected_at_once"]), w.detection_s[: run["detected"]]])
        ),
        waits=np.concatenate([w.waits.T[:2] + w.waits.T[2:], w.waits.T[2:]]),
        open_s=float(run["open_s"]) + float((end_s - clients["opened_s"][is_open]).sum()),
        breaker_open_s=float(run["tripped_s"])
        + float((end_s - w.extras["tripped_s"][refused]).sum()),
    )


def _check(w: state.Fleet) -> None:
    if not 0 <= w.wheel.state["near"][0] <= w.wheel.near.size or w.wheel.state["spare"][0] < 0:
        raise EngineError("the fleet's events overran their arrays")


_COLUMNS = (
    "attempts", "opens", "ends", "queued", "served", "trips", "probes", "mends", "gave_up", "left",
    *(reason.name.lower() for reason in Reason),
)  # fmt: skip
