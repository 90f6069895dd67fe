"""What goes wrong in a soak, and when: drawn from a seed, so that it can be played again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import simlib as sl
from simlib.core.faults import FAULT_FIELDS, FaultKind

#: Every kind of fault: how long one lasts at most (0: a moment), and its other fields.
FAULTS: dict[str, tuple[float, Callable[[random.Random], dict[str, Any]]]] = {
    "outage": (2.0, lambda _: {}),
    "reset": (0.0, lambda _: {}),
    "black_hole": (3.0, lambda _: {}),
    "latency": (5.0, lambda draw: {"amount_s": draw.uniform(0.05, 0.5)}),
    "server_crash": (2.0, lambda _: {}),
    "reject": (3.0, lambda draw: {"status": draw.choice((429, 503)), "retry_after_s": 1.0}),
    "flap": (4.0, lambda _: {"period_s": 1.0}),
    "half_open": (3.0, lambda draw: {"direction": draw.choice(("up", "down"))}),
    "loss": (5.0, lambda draw: {"loss_fraction": draw.uniform(0.05, 0.4)}),
    "bandwidth": (5.0, lambda _: {"bandwidth_bytes_per_s": 20_000.0}),
    "handover": (0.0, lambda _: {}),
    "deploy": (4.0, lambda _: {}),
    "slow_server": (4.0, lambda _: {"factor": 20.0}),
    "session_expiry": (0.0, lambda _: {}),
    "close": (2.0, lambda draw: {"code": draw.choice((1001, 1012, 1013))}),
    "client_reload": (2.0, lambda _: {}),
    "client_sleep": (3.0, lambda _: {}),
    "client_throttle": (5.0, lambda _: {"timers_every_s": 2.0}),
}
#: Time between two faults of a kind is an eighth of the run, within these bounds, on average.
_SHORTEST_GAP_S, _LONGEST_GAP_S = 6.0, 40.0
#: What happens to a process of clients: it is killed; killed, and another process locks its store;
#: or the disk of its store fills up.
INCIDENTS = ("kill", "lock", "fill")
#: Time of day that a process begins with is wrong by up to so much: a week.
_MOST_CLOCK_STEP_S = 7 * 86_400.0


@dataclass(frozen=True)
class Incident:
    """What happens to a process of clients, and by how much the next one's time of day is wrong."""

    kind: str
    time_s: float
    clock_step_s: float


def draw_faults(length_s: float, seed: int, *, crashes: bool) -> list[sl.Fault]:
    """Return the faults of a run, several at the same time; all are over at its end.

    Examples
    --------
    >>> one, again = (draw_faults(60.0, 1, crashes=True) for _ in range(2))
    >>> one == again, {fault.kind.name.lower() for fault in one} == set(FAULTS)
    (True, True)
    """
    faults = []
    for kind, (longest_s, fields) in FAULTS.items():
        if kind == "server_crash" and not crashes:
            continue
        draw = random.Random(f"{seed} {kind}")
        faults += [
            _draw_fault(kind, start_s, longest_s, fields(draw), draw)
            for start_s in _draw_starts(length_s - longest_s, draw)
        ]
    return sorted(faults, key=lambda fault: fault.start_s)


def _draw_starts(length_s: float, draw: random.Random) -> Iterator[float]:
    gap_s = min(_LONGEST_GAP_S, max(_SHORTEST_GAP_S, length_s / 8.0))
    now_s = draw.uniform(0.2, 1.0) * gap_s
    while now_s < length_s:
        yield now_s
        now_s += draw.uniform(0.5, 1.5) * gap_s


def _draw_fault(
    kind: str, start_s: float, longest_s: float, more: dict[str, Any], draw: random.Random
) -> sl.Fault:
    taken = FAULT_FIELDS[FaultKind[kind.upper()]]
    if longest_s:
        more["stop_s"] = start_s + draw.uniform(0.3, 1.0) * longest_s
    if "clients_fraction" in taken:
        more["clients_fraction"] = draw.choice((0.2, 0.5, 1.0))
    if "route" in taken:
        more["route"] = draw.choice(("all", "all", "websocket", "http"))
    return sl.Fault(kind, start_s, **more)


def shift_faults(faults: list[sl.Fault], now_s: float) -> list[sl.Fault]:
    """Return the faults of a process that begins at a moment of the run, in its own time.

    Examples
    --------
    >>> shift_faults([sl.Fault("outage", 2.0, 4.0), sl.Fault("outage", 8.0, 9.0)], 5.0)
    [Fault(start_s=3, stop_s=4)]
    """
    return [
        replace(
            fault,
            start_s=max(0.0, fault.start_s - now_s),
            stop_s=fault.stop_s if fault.stop_s == inf else fault.stop_s - now_s,
        )
        for fault in faults
        # A moment that is over, an end that has come: nothing of it is left.
        if (fault.start_s if fault.stop_s == inf else fault.stop_s) > now_s
    ]


def draw_incidents(length_s: float, seed: int) -> list[Incident]:
    """Return what happens to one process of clients: every kind in turn, about every minute.

    Examples
    --------
    >>> [incident.kind for incident in draw_incidents(120.0, 1)]
    ['fill', 'lock', 'kill', 'fill']
    """
    draw = random.Random(f"{seed} incidents")
    kinds, incidents = draw.sample(INCIDENTS, len(INCIDENTS)), []
    gap_s = min(60.0, length_s / 4.0)
    now_s = draw.uniform(0.5, 1.0) * gap_s
    while now_s < length_s - 0.2 * gap_s:
        step_s = draw.uniform(-_MOST_CLOCK_STEP_S, _MOST_CLOCK_STEP_S)
        incidents.append(Incident(kinds[len(incidents) % len(kinds)], now_s, step_s))
        now_s += draw.uniform(0.7, 1.3) * gap_s
    return incidents
