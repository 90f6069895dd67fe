"""The arrays of one gateway's run: prepared, and grown where full."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np

from simlib.core.arrivals import StartTimes, add_gap, random_start_s
from simlib.core.cohorts import ends
from simlib.core.errors import SettingsError
from simlib.core.faults import ON_THE_WAY, Fault, FaultKind, Route, Timeline
from simlib.core.levels import change_level
from simlib.core.server_settings import ServerSettings, accepts, advised_hint_s
from simlib.engines import reasons
from simlib.engines.fleet.records import flat
from simlib.engines.kernel import features as needs
from simlib.engines.kernel import state, wheel
from simlib.engines.no_time import most_at_once
from simlib.engines.operator import RESTART
from simlib.scenario.scenario import Scenario
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.disruptions import interrupting, noticed_by_s
from simlib.trace.server_counts import SERVER_COLUMNS, THERE, up_spans

#: Room at first for handshakes whose clients have gone, for those that wait, for times, for what
#: watched clients are told, for events of the current slot, for those whose time no client tells.
_ABANDONED, _WAITING, _TIMES, _LOGGED, _NEAR, _KEPT = 1024, 1024, 1024, 1024, 1024, 1024
#: Clients for each slot of the wheel: few enough for a small heap, enough to fill a block or two.
_PER_SLOT = 64
_MOST_SLOTS = 1 << 17


def bytes_per_client(scenario: Scenario) -> int:
    """Return what a client takes: its records, its next event, its returns before the last."""
    size_bytes = _size(state.CLIENT) + _size(wheel.FAR)
    # Its last return takes the place of its record, once the run is over (see `tallies.py`).
    size_bytes += 16 * max(0, len(interrupting(scenario)) - 1)
    if scenario.cohorts:
        size_bytes += _size(state.COHORT)
    if _keeps_events(scenario):
        size_bytes += _size(wheel.KEPT)
    if needs.needs_extras(scenario) or needs.meets(scenario):
        size_bytes += _size(state.EXTRA) + 8 + 8 * needs.is_timed(scenario)
    if needs.needs_lanes(scenario):
        size_bytes += _size(state.LANES)
    if scenario.arrivals == StartTimes.RECORDED:
        size_bytes += 8
    if needs.queues(scenario):
        # When its handshake is done, and how long it waits for that.
        size_bytes += 16
    return size_bytes


def _keeps_events(scenario: Scenario) -> bool:
    """Whether not only wakes are to come, whose times their clients tell."""
    return needs.tells(scenario) or not needs.plays_ahead(scenario)


def bytes_of_counts(scenario: Scenario) -> float:
    """Return what the counts of a run take."""
    of_tenths = 1 + SERVER_COLUMNS * needs.tells(scenario)
    return scenario.duration_s * (state.COUNT_COLUMNS + TENTHS_PER_S * of_tenths) * 8


def bytes_of_cohorts(scenario: Scenario) -> int:
    """Return what settings and waits of the cohorts take."""
    if not scenario.cohorts:
        return 0
    size_bytes = flat([scenario.client]).itemsize + state.MOST_ATTEMPTS * 4 * 8
    return len(scenario.cohorts) * size_bytes


def _size(record: Any) -> int:
    return int(np.dtype(record).itemsize)


def _find_outcome(fault: Fault, server: ServerSettings) -> tuple[int, int, float]:
    """Return why a fault's clients fail or lose their connections, with which code and hint."""
    own_s = float(fault.retry_after_s)
    if fault.kind == FaultKind.CLOSE:
        return reasons.of_code(fault.code).value, fault.code, advised_hint_s(server, own_s)
    if fault.kind == FaultKind.DEPLOY:
        return reasons.of_code(RESTART).value, RESTART, advised_hint_s(server, own_s)
    return reasons.of_status(fault.status).value, fault.status, own_s


def prepare(scenario: Scenario, gateway: int, watch: Sequence[int] = ()) -> state.Fleet:
    """Return the arrays for the clients of one gateway; ``watch``: the numbers of those watched."""
    clients = len(range(gateway, scenario.clients, scenario.gateways))
    server = scenario.server
    timeline = Timeline(scenario.faults, scenario.seed, scenario.gateways)
    acting, impairments = _faults(scenario, timeline, gateway)
    place = {i: k for k, i in enumerate(acting)}
    edges = [e for e in timeline.edges() if e[1] in place and e[0] < scenario.duration_s]
    run = _run(scenario, clients, gateway)
    run["faults"] = len(acting)
    run["gaps"], run["start_s"] = _first_start(scenario, gateway)
    mine = [
        client // scenario.gateways for client in watch if client % scenario.gateways == gateway
    ]
    if mine:
        # One watched client switches them on for all: no draw depends on it, so no result changes.
        run["has_lanes"], run["tracks"], run["watched"] = True, 2, len(mine)
        run["pings"] = needs.beats(scenario)
    own = _clients(clients)
    policies = [*(cohort.client for cohort in scenario.cohorts), scenario.client]
    rooms = clients + _ABANDONED if run["is_ordered"][0] or needs.orders(scenario) else 1
    marks = [(timeline.origins[i], *_find_outcome(timeline.faults[i], server), 0) for i in acting]
    return state.Fleet(
        run=run,
        clients=own,
        cohort=np.zeros(clients if scenario.cohorts else 1, state.COHORT),
        extras=np.zeros(clients if run["has_extras"][0] else 1, state.EXTRA),
        since_s=np.full(clients if run["is_timed"][0] else 1, inf),
        lanes=np.zeros(clients if run["has_lanes"][0] else 1, state.LANES),
        wheel=_wheel(clients, scenario.duration_s, _KEPT + clients * _keeps_events(scenario)),
        policies=flat(policies),
        cohorts=np.array(ends(scenario.cohorts)),
        recorded_s=np.array(scenario.arrivals_s[gateway :: scenario.gateways] or [inf]),
        server=flat([server]),
        accepts=flat([accepts(server.accept_per_s)]),
        path=flat([scenario.path]),
        free_s=_free_workers(server),
        queue_s=np.full(_WAITING if needs.queues(scenario) else 1, inf),
        abandoned=_make_abandoned(0, _ABANDONED),
        faults=flat([timeline.faults[i] for i in acting] or [Fault()]),
        marks=np.array(marks or [(0, 0, 0, 0.0, 0)], state.MARK),
        # An empty array of records still needs their type, so it is made of one and cut to none.
        impairments=flat([timeline.faults[i] for i in impairments] or [Fault()])[
            : len(impairments)
        ],
        impairment_origins=np.array([timeline.origins[i] for i in impairments], np.int64),
        edges=np.array([(time_s, place[i], starts) for time_s, i, starts in edges], state.EDGE),
        interruptions=_interruptions(scenario),
        recovery_s=np.empty(_TIMES),
        detection_s=np.empty(_TIMES),
        downtime_s=np.empty(_TIMES),
        bins=np.zeros((int(np.ceil(scenario.duration_s)) + 2, state.COUNT_COLUMNS), np.int64),
        tenths=np.zeros(int(np.ceil(scenario.duration_s * TENTHS_PER_S)) + 2, np.int64),
        waits=np.zeros((len(policies), state.MOST_ATTEMPTS, 4)),
        server_tenths=_server_tenths(scenario, gateway),
        done_s=np.full(clients if needs.queues(scenario) else 1, -1.0),
        backlog_waits_s=np.zeros(_WAITING),
        places=np.zeros(rooms, np.int64),
        watched=_mark_watched(clients, mine),
        log=np.zeros(_LOGGED + 4 * len(mine), state.LOG),
    )


def _free_workers(server: ServerSettings) -> Any:
    """Return when each worker is free; those that may come later, at infinity.

    `occupy` never takes these before `_scale` has called them.
    """
    scaling = server.scaling
    later = scaling.workers * scaling.most_steps if scaling.at_backlog < inf else 0
    free_s = np.full(server.workers + later, inf)
    free_s[: server.workers] = 0.0
    return free_s


def _mark_watched(clients: int, numbers: Sequence[int]) -> Any:
    is_watched = np.zeros(clients if numbers else 1, np.uint8)
    is_watched[numbers] = True
    return is_watched


def _clients(number: int) -> Any:
    """Return clients that have not come yet."""
    client = np.zeros((), state.CLIENT)
    client["lost_s"] = client["moment_s"] = inf
    clients = np.empty(number, state.CLIENT)
    # As bytes, in one pass: field by field a million take a tenth of a storm.
    as_bytes = f"V{client.itemsize}"
    clients.view(as_bytes)[:] = client.view(as_bytes)
    return clients


def _faults(scenario: Scenario, timeline: Timeline, gateway: int) -> tuple[list[int], list[int]]:
    """Return the faults of a gateway: those that act at moments, and those that act on frames."""
    # What lies on the way of polls alone concerns no connection.
    kept = [
        i
        for i, fault in enumerate(timeline.faults)
        if fault.route != Route.HTTP and timeline.concerns(i, gateway)
    ]
    acting = [i for i in kept if timeline.faults[i].kind not in ON_THE_WAY]
    if len(acting) > state.MOST_FAULTS:
        rule = f"are {len(acting):,} with each outage of a flap, above {state.MOST_FAULTS:,}"
        raise SettingsError("faults", len(scenario.faults), rule)
    return acting, [i for i in kept if timeline.faults[i].kind in ON_THE_WAY]


def _run(scenario: Scenario, clients: int, gateway: int) -> Any:
    server = scenario.server
    meets, stays = needs.meets(scenario), scenario.stay_s < inf
    values = {
        "seed": scenario.seed, "clients": clients, "first": gateway, "stride": scenario.gateways,
        "all_clients": scenario.clients, "duration_s": scenario.duration_s,
        "ramp_s": scenario.ramp_s, "arrivals": scenario.arrivals, "warm_up_s": scenario.warm_up_s,
        "latency_s": scenario.path.latency.mean_s, "slowness": 1.0,
        "even_s": needs.even_until_s(scenario),
        "cut_by": -1, "workers": server.workers,
        "leaves": stays, "stay_s": scenario.stay_s if stays else 0.0,
        "has_extras": meets or needs.needs_extras(scenario), "is_ordered": meets,
        "is_timed": needs.is_timed(scenario),
        "has_lanes": needs.needs_lanes(scenario), "is_plain": needs.is_plain(scenario),
        "plays_ahead": needs.plays_ahead(scenario), "tells": needs.tells(scenario),
        "server_until_s": next(up_spans(scenario, gateway), (0.0, 0.0))[1],
        "tracks": 2 if needs.orders(scenario) else server.max_connections < inf,
        "pings": needs.pings(scenario), "most_at_once": most_at_once(scenario, messages=False),
    }  # fmt: skip
    run = np.zeros(1, state.RUN)
    for name, value in values.items():
        run[name] = value
    return run


def _first_start(scenario: Scenario, gateway: int) -> tuple[float, float]:
    """Return the sum of the gaps up to the gateway's first client, and when that one starts."""
    kind, gaps = scenario.arrivals.value, 0.0
    if gateway >= scenario.clients or kind == StartTimes.EVEN:
        return 0.0, 0.0
    if kind == StartTimes.RECORDED:
        return 0.0, scenario.arrivals_s[gateway]
    for number in range(gateway + 1):
        gaps = add_gap(kind, gaps, scenario.seed, number, scenario.clients)
    return gaps, random_start_s(kind, scenario.ramp_s, gaps, scenario.clients)


def _server_tenths(scenario: Scenario, gateway: int) -> Any:
    """Return the counts of a server, with the workers that it has from each of its starts on."""
    if not needs.tells(scenario):
        return np.zeros((1, SERVER_COLUMNS), np.int64)
    rows = int(np.ceil(scenario.duration_s * TENTHS_PER_S)) + 2
    tenths = np.zeros((rows, SERVER_COLUMNS), np.int64)
    for start_s, stop_s in up_spans(scenario, gateway):
        change_level(tenths, THERE, start_s, scenario.server.workers)
        change_level(tenths, THERE, stop_s, -scenario.server.workers)
    return tenths


def _wheel(clients: int, duration_s: float, places: int) -> wheel.Wheel:
    # More slots would be emptier, and each costs 12 bytes whether it is used or not.
    slots = min(_MOST_SLOTS, max(64, clients // _PER_SLOT))
    blocks = clients // wheel.BLOCK + slots + 64
    counts = np.zeros(1, wheel.STATE)
    counts["spare"], counts["places"], counts["clients"] = blocks, places, clients
    counts["slots_per_s"], counts["end_s"] = slots / duration_s, duration_s
    return wheel.Wheel(
        state=counts,
        near=_endless(_NEAR),
        sorted=_endless(_NEAR),
        starts=np.empty(_NEAR, np.int32),
        far=np.empty(blocks * wheel.BLOCK, wheel.FAR),
        follower=np.arange(1, blocks + 1, dtype=np.int32),
        slots=np.zeros(slots + 1, wheel.SLOT),
        kept=_make_kept(0, places),
    )


def _endless(rooms: int) -> Any:
    """Return room for events near, of which there is none yet."""
    events = np.empty(rooms, wheel.NEAR)
    events[0]["time_s"] = inf
    return events


def _make_kept(first: int, rooms: int) -> Any:
    """Return places of events, each naming the next that is free; the last one names the end."""
    kept = np.empty(rooms, wheel.KEPT)
    kept["what"] = np.arange(first + 1, first + rooms + 1)
    return kept


def _make_abandoned(first: int, rooms: int) -> Any:
    """Return places for abandoned handshakes, each naming the next that is free."""
    abandoned = np.zeros(rooms, state.ABANDONED_TYPE)
    abandoned["client"] = -1
    abandoned["next"] = np.arange(first + 1, first + rooms + 1)
    abandoned["next"][-1] = -1
    return abandoned


def _interruptions(scenario: Scenario) -> Any:
    faults = sorted(interrupting(scenario), key=lambda fault: fault.end_s)
    if len(faults) > state.MOST_INTERRUPTIONS:
        rule = f"are more than the {state.MOST_INTERRUPTIONS:,} that the fleet can number"
        raise SettingsError("faults", len(faults), rule)
    rows = np.zeros(len(faults), state.INTERRUPTION)
    for row, fault in zip(rows, faults, strict=True):
        row["start_s"], row["end_s"] = fault.start_s, fault.end_s
        row["noticed_s"] = noticed_by_s(scenario, fault)
        row["ended"] = fault.end_s < scenario.duration_s
    return rows


def grow(w: state.Fleet) -> state.Fleet:
    """Return the same fleet with twice the room in every array that is nearly full."""
    run = w.run[0]
    changes: dict[str, Any] = {"wheel": _grow_wheel(w.wheel, int(run["wanted"]))}
    if run["abandoned_free"] < 0 or w.abandoned["next"][run["abandoned_free"]] < 0:
        more = _make_abandoned(w.abandoned.size, w.abandoned.size)
        if run["abandoned_free"] < 0:
            w.run["abandoned_free"] = w.abandoned.size
        else:
            w.abandoned["next"][run["abandoned_free"]] = w.abandoned.size
        changes["abandoned"] = np.concatenate([w.abandoned, more])
        if w.places.size > 1:
            # It may hold those who are being cut off.
            changes["places"] = np.concatenate([w.places, np.zeros(w.abandoned.size, np.int64)])
    if w.queue_s.size > 1 and run["queued"] + 1 >= w.queue_s.size:
        changes["queue_s"] = np.concatenate([w.queue_s, np.full(w.queue_s.size, inf)])
    # More than `room.is_short` asks for: whatever it found too short must grow here, or the loop
    # would stop again at once.
    several = 4 * len(w.interruptions)
    if run["recovered"] + several >= w.recovery_s.size:
        changes["recovery_s"] = _double(w.recovery_s)
    if run["detected"] + several >= w.detection_s.size:
        changes["detection_s"] = _double(w.detection_s)
    if run["returned"] + 2 >= w.downtime_s.size:
        changes["downtime_s"] = _double(w.downtime_s)
    if run["waited"] + 2 >= w.backlog_waits_s.size:
        changes["backlog_waits_s"] = _double(w.backlog_waits_s)
    if run["logged"] + 2 * run["watched"] + 8 >= w.log.size:
        changes["log"] = _double(w.log)
    return w._replace(**changes)


def _grow_wheel(old: wheel.Wheel, wanted: int) -> wheel.Wheel:
    counts, changes = old.state[0], dict[str, Any]()
    if counts["near"] + wanted >= old.near.size:
        changes["near"] = _enlarge(old.near, 2 * old.near.size + wanted)
    most = int(old.slots["held"].max())
    if most >= old.sorted.size:
        changes["sorted"] = _enlarge(old.sorted, most + _NEAR)
        changes["starts"] = np.empty(most + _NEAR, np.int32)
    if counts["spare"] <= wheel.blocks_for(old, wanted):
        blocks = old.follower.size
        # The chain of free blocks has its end in the first number beyond: it goes on there.
        more = np.arange(blocks + 1, 2 * blocks + 1, dtype=np.int32)
        changes["follower"] = np.concatenate([old.follower, more])
        changes["far"] = _enlarge(old.far, 2 * old.far.size)
        counts["spare"] += blocks
    if counts["places"] <= wanted:
        more_places = old.kept.size + wanted
        if old.kept.size + more_places > wheel.MOST_KEPT:
            rule = f"have more events to come than the {wheel.MOST_KEPT:,} that are numbered"
            raise SettingsError("clients", int(counts["clients"]), rule)
        # And so has that of free places.
        changes["kept"] = np.concatenate([old.kept, _make_kept(old.kept.size, more_places)])
        counts["places"] += more_places
    return old._replace(**changes)


def _double(values: Any) -> Any:
    return _enlarge(values, 2 * values.size)


def _enlarge(values: Any, size: int) -> Any:
    """Return the values with room for more, which takes no memory until it is used."""
    larger = np.zeros(size, values.dtype)
    larger[: values.size] = values
    return larger


def now_s(w: state.Fleet) -> float:
    """Return the moment of the next event, or of the last start."""
    first = w.wheel.sorted[w.wheel.state[0]["next"]], w.wheel.near[0]
    next_s = min(float(event["time_s"]) for event in first)
    if next_s < inf:
        return next_s
    run = w.run[0]
    if run["arrivals"] != StartTimes.EVEN:
        return float(run["start_s"])
    return float(run["ramp_s"] * run["started"] / max(1, run["clients"]))
