"""The arrays of one gateway's run: prepared, grown where full, counted at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

import numpy as np

from simlib.core.breaker import BreakerState
from simlib.core.cohorts import ends
from simlib.core.errors import EngineError, SettingsError
from simlib.core.events import Reason
from simlib.core.faults import ON_THE_WAY, Fault, FaultKind, Route, Timeline
from simlib.core.link_table import State
from simlib.core.server import accepts
from simlib.engines import reasons
from simlib.engines.fleet.records import flat
from simlib.engines.kernel import features as needs
from simlib.engines.kernel import state, wheel
from simlib.engines.no_time import most_at_once
from simlib.engines.operator import RESTART
from simlib.scenario.scenario import Scenario
from simlib.trace.counts import TENTHS_PER_S, Tally
from simlib.trace.disruptions import interrupting, noticed_by_s

#: Room at first for handshakes whose clients have gone, for those that wait, for times to
#: detect, for what watched clients are told.
_ABANDONED, _WAITING, _DETECTIONS, _LOGGED = 1024, 1024, 1024, 1024
#: Clients for each slot of the wheel: few enough for a small heap, enough to fill a block or two.
_PER_SLOT = 64
_MOST_SLOTS = 1 << 17
#: Clients that are counted at a time.
_AT_A_TIME = 1 << 18
_OPEN, _TRIPPED = State.OPEN.value, BreakerState.OPEN.value
_COLUMNS = (
    "attempts", "opens", "ends", "queued", "served", "trips", "probes", "mends", "gave_up", "left",
    *(reason.name.lower() for reason in Reason),
)  # fmt: skip


def bytes_per_client(scenario: Scenario) -> int:
    """Return what a client takes: its records, its next event, its times away and to recover."""
    # A client has one event to come, as a rule; those that are added when it is cut off are few.
    each = _size(state.CLIENT) + _size(wheel.FAR) + 8 + 8 * len(interrupting(scenario))
    if needs.needs_extras(scenario) or needs.meets(scenario):
        each += _size(state.EXTRA) + 8
    if needs.needs_lanes(scenario):
        each += _size(state.LANES)
    return each


def bytes_of_counts(scenario: Scenario) -> float:
    """Return what the counts of a run take."""
    return scenario.duration_s * (state.COUNT_COLUMNS + TENTHS_PER_S) * 8


def bytes_of_cohorts(scenario: Scenario) -> int:
    """Return what settings and waits of the cohorts take."""
    if not scenario.cohorts:
        return 0
    each = flat([scenario.client]).itemsize + state.MOST_ATTEMPTS * 4 * 8
    return len(scenario.cohorts) * each


def _size(record: Any) -> int:
    return int(np.dtype(record).itemsize)


def _find_outcome(fault: Fault) -> tuple[int, int]:
    """Return why a fault's clients fail or lose their connections, and with which code."""
    if fault.kind == FaultKind.CLOSE:
        return reasons.of_code(fault.code).value, fault.code
    if fault.kind == FaultKind.DEPLOY:
        return reasons.of_code(RESTART).value, RESTART
    return reasons.of_status(fault.status).value, fault.status


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
    mine = [
        client // scenario.gateways for client in watch if client % scenario.gateways == gateway
    ]
    if mine:
        # All that a client sends and what becomes of it, also after it has gone.
        # One watched client switches them on for all: the draws do not depend on it, so no result
        # changes.
        run["has_lanes"], run["tracks"], run["watched"] = True, 2, len(mine)
        run["pings"] = needs.beats(scenario)
    own = _clients(clients)
    is_watched = np.zeros(clients if mine else 1, np.uint8)
    is_watched[mine] = True
    policies = [*(cohort.client for cohort in scenario.cohorts), scenario.client]
    most_workers = server.workers + server.scaling.workers * server.scaling.most_steps
    # Workers that may come later are free at infinity: `occupy` never takes them before `_scale`.
    free_s = np.full(most_workers if server.scaling.at_backlog < inf else server.workers, inf)
    free_s[: server.workers] = 0.0
    rooms = clients + _ABANDONED if run["is_ordered"][0] or needs.orders(scenario) else 1
    marks = [(timeline.origins[i], *_find_outcome(timeline.faults[i]), 0) for i in acting]
    return state.Fleet(
        run=run,
        clients=own,
        extras=np.zeros(clients if run["has_extras"][0] else 1, state.EXTRA),
        lanes=np.zeros(clients if run["has_lanes"][0] else 1, state.LANES),
        wheel=_wheel(clients, scenario.duration_s),
        policies=flat(policies),
        cohorts=np.array(ends(scenario.cohorts)),
        server=flat([server]),
        accepts=flat([accepts(server.accept_per_s)]),
        path=flat([scenario.path]),
        free_s=free_s,
        queue_s=np.full(_WAITING if needs.queues(scenario) else 1, inf),
        abandoned=_make_abandoned(0, _ABANDONED),
        faults=flat([timeline.faults[i] for i in acting] or [Fault()]),
        marks=np.array(marks or [(0, 0, 0, 0)], state.MARK),
        # An empty array of records still needs their type, so it is made of one and cut to none.
        impairments=flat([timeline.faults[i] for i in impairments] or [Fault()])[
            : len(impairments)
        ],
        impairment_origins=np.array([timeline.origins[i] for i in impairments], np.int64),
        edges=np.array([(time_s, place[i], starts) for time_s, i, starts in edges], state.EDGE),
        interruptions=_interruptions(scenario),
        recovery_s=np.empty(clients + _DETECTIONS),
        detection_s=np.empty(_DETECTIONS),
        downtime_s=np.empty(clients + _DETECTIONS),
        bins=np.zeros((int(np.ceil(scenario.duration_s)) + 2, state.COUNT_COLUMNS), np.int64),
        tenths=np.zeros(int(np.ceil(scenario.duration_s * TENTHS_PER_S)) + 2, np.int64),
        waits=np.zeros((len(policies), state.MOST_ATTEMPTS, 4)),
        found=np.zeros(rooms, np.int64),
        watched=is_watched,
        log=np.zeros(_LOGGED + 4 * len(mine), state.LOG),
    )


def _clients(number: int) -> Any:
    """Return clients that have not come yet."""
    one = np.zeros((), state.CLIENT)
    one["lost_s"], one["opened_s"], one["deadline_s"] = inf, -inf, inf
    clients = np.empty(number, state.CLIENT)
    # As bytes, in one pass: field by field a million take a tenth of a storm.
    whole = f"V{one.itemsize}"
    clients.view(whole)[:] = one.view(whole)
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
        "ramp_s": scenario.ramp_s, "warm_up_s": scenario.warm_up_s,
        "latency_s": scenario.path.latency.mean_s, "slowness": 1.0,
        "even_s": needs.even_until_s(scenario),
        "cut_by": -1, "workers": server.workers,
        "leaves": stays, "stay_s": scenario.stay_s if stays else 0.0,
        "has_extras": meets or needs.needs_extras(scenario), "is_ordered": meets,
        "has_lanes": needs.needs_lanes(scenario), "is_plain": needs.is_plain(scenario),
        "plays_ahead": needs.plays_ahead(scenario), "tells": needs.tells(scenario),
        "tracks": 2 if needs.orders(scenario) else server.max_connections < inf,
        "pings": needs.pings(scenario), "most_at_once": most_at_once(scenario, messages=False),
    }  # fmt: skip
    run = np.zeros(1, state.RUN)
    for name, value in values.items():
        run[name] = value
    return run


def _wheel(clients: int, duration_s: float) -> wheel.Wheel:
    # More slots would be emptier, and each costs 16 bytes whether it is used or not.
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


def _make_abandoned(first: int, rooms: int) -> Any:
    """Return places for abandoned handshakes, each naming the next that is free."""
    abandoned = np.zeros(rooms, state.ABANDONED_TYPE)
    abandoned["client"] = -1
    abandoned["next"] = np.arange(first + 1, first + rooms + 1)
    abandoned["next"][-1] = -1
    return abandoned


def _interruptions(scenario: Scenario) -> Any:
    faults = interrupting(scenario)
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
        if w.found.size > 1:
            # It may hold those who are being cut off.
            changes["found"] = np.concatenate([w.found, np.zeros(w.abandoned.size, np.int64)])
    if w.queue_s.size > 1 and run["queued"] + 1 >= w.queue_s.size:
        changes["queue_s"] = np.concatenate([w.queue_s, np.full(w.queue_s.size, inf)])
    several = 4 * len(w.interruptions)
    if run["recovered"] + several >= w.recovery_s.size:
        changes["recovery_s"] = _double(w.recovery_s)
    if run["detected"] + several >= w.detection_s.size:
        changes["detection_s"] = _double(w.detection_s)
    if run["returned"] + 2 >= w.downtime_s.size:
        changes["downtime_s"] = _double(w.downtime_s)
    if run["logged"] + 2 * run["watched"] + 8 >= w.log.size:
        changes["log"] = _double(w.log)
    return w._replace(**changes)


def _grow_wheel(old: wheel.Wheel, wanted: int) -> wheel.Wheel:
    changes: dict[str, Any] = {}
    # The fullest slot must find room in an empty heap, whenever it comes up.
    most = max(old.state["near"][0] + wanted, old.slots["held"].max())
    if most + 2 * wheel.BLOCK >= old.near.size:
        changes["near"] = _double(old.near)
    if old.state["spare"][0] <= wheel.blocks_for(old, wanted):
        blocks = old.follower.size
        # The chain of free blocks has its end in the first number beyond: it goes on there.
        changes["follower"] = np.arange(1, 2 * blocks + 1)
        changes["follower"][:blocks] = old.follower
        changes["far"] = _double(old.far)
        old.state["spare"] += blocks
    return old._replace(**changes)


def _double(values: Any) -> Any:
    return np.concatenate([values, np.zeros_like(values)])


def now_s(w: state.Fleet) -> float:
    """Return the moment of the next event, or of the last start."""
    if w.wheel.state[0]["near"]:
        return float(w.wheel.near[0]["time_s"])
    run = w.run[0]
    return float(run["ramp_s"] * run["started"] / max(1, run["clients"]))


def tally(w: state.Fleet, end_s: float) -> Tally:
    """Return what was counted up to a moment."""
    run = w.run[0]
    _check(w)
    waits = w.waits.transpose(0, 2, 1)
    bins, early = _bins(w, max(1, int(np.ceil(end_s))))
    # Of a run that ends before its warm-up no time counts.
    last_s = max(end_s, float(run["warm_up_s"]))
    return Tally(
        bins=bins,
        columns=_COLUMNS,
        recovery_s=_ascending(
            _back_before(w, end_s), w.recovery_s[: run["recovered"]], _never_back(w, end_s)
        ),
        detection_s=_ascending(run["detected_at_once"], w.detection_s[: run["detected"]], 0),
        downtime_s=_ascending(0, w.downtime_s[: run["returned"]], _away(w)),
        unstable=int(run["unstable"]),
        tenths=w.tenths[: TENTHS_PER_S * len(bins)],
        waits=np.concatenate([waits[:, :2] + waits[:, 2:], waits[:, 2:]], axis=1),
        there_s=_there_s(w, last_s),
        open_s=float(run["open_s"] + _since(w, w.clients, "state", _OPEN, "opened_s", last_s)),
        breaker_open_s=float(
            run["tripped_s"] + _since(w, w.extras, "breaker", _TRIPPED, "tripped_s", last_s)
        ),
        early=early,
    )


def _bins(w: state.Fleet, seconds: int) -> tuple[Any, Any]:
    """Return the counts by second, and what of them came before the warm-up's end."""
    warm_up_s = float(w.run[0]["warm_up_s"])
    if warm_up_s == 0.0:
        return w.bins[1 : seconds + 1], w.bins[:0]
    # Its end cuts a second in two, of which the first part is empty if it is whole.
    cut = int(warm_up_s)
    bins = np.concatenate([w.bins[: cut + 1], w.bins[cut + 2 :]])
    bins[cut] += w.bins[cut + 1]
    return bins[:seconds], w.bins[: min(cut + 1, seconds)]


def _ascending(zeros: int, times_s: Any, endless: int) -> Any:
    """Return times in ascending order, with zeros before and infinities after them.

    Of a million there is no second copy, and zeros take no memory until somebody looks at them.
    """
    # In place: the loop is over, and nobody looks at its array again.
    times_s.sort()
    if not zeros and not endless:
        return times_s
    ordered = np.zeros(zeros + times_s.size + endless)
    ordered[zeros : zeros + times_s.size] = times_s
    ordered[zeros + times_s.size :] = inf
    return ordered


def _slices(size: int) -> Iterator[slice]:
    """Return the clients a part at a time, so that what is worked out takes no second memory."""
    return (slice(first, first + _AT_A_TIME) for first in range(0, size, _AT_A_TIME))


def _back_before(w: state.Fleet, end_s: float) -> int:
    """Return how many that a fault hit were back before its end, of the faults that are over."""
    return int(sum(f["back"] for f in w.interruptions if f["end_s"] < end_s))


def _away(w: state.Fleet) -> int:
    """Return how many have lost their connection, and are not OPEN again."""
    away = 0
    for part in _slices(w.clients.size):
        lost_s = w.clients["lost_s"][part][w.clients["state"][part] != _OPEN]
        away += int(((lost_s >= w.run[0]["warm_up_s"]) & (lost_s < inf)).sum())
    return away


def _never_back(w: state.Fleet, end_s: float) -> int:
    """Return how many times to recover never came: of clients that a fault put out for good."""
    ended = [f for f in w.interruptions if f["ended"] and f["end_s"] < end_s]
    never = 0
    for part in _slices(w.clients.size):
        clients = w.clients[part]
        away = clients[(clients["state"] != _OPEN) & (clients["lost_s"] < inf)]
        for fault in ended:
            hit = (away["opened_s"] < fault["end_s"]) & (away["lost_s"] <= fault["noticed_s"])
            never += int(hit.sum())
    return never


def _there_s(w: state.Fleet, end_s: float) -> float:
    """Return the time from each client's start until it left, or to the end, together.

    What lies before the end of the warm-up is not counted, here and in `_since`.
    """
    run = w.run[0]
    there_s = 0.0
    for part in _slices(int(run["clients"])):
        places = np.arange(part.start, min(part.stop, run["clients"]))
        starts_s = run["ramp_s"] * (run["first"] + places * run["stride"]) / run["all_clients"]
        counted_s = end_s - np.maximum(starts_s, run["warm_up_s"])
        there_s += float(np.maximum(counted_s, 0.0).sum())
    return there_s - float(run["left"] * end_s - run["left_s"])


def _since(
    w: state.Fleet, records: Any, field: str, value: int, began_s: str, end_s: float
) -> float:
    """Return the total time spent so far in the current state; clients that left are excluded."""
    total_s = 0.0
    for part in _slices(records.size):
        began = records[began_s][part][records[field][part] == value]
        spans_s = end_s - np.maximum(began, w.run[0]["warm_up_s"])
        total_s += float(spans_s[spans_s > -inf].sum())
    return total_s


def _check(w: state.Fleet) -> None:
    counts = w.wheel.state[0]
    if not 0 <= counts["near"] <= w.wheel.near.size or counts["spare"] < 0:
        raise EngineError("the fleet's events overran their arrays")
