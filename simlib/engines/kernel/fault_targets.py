"""Does a fault hit a client, and which fault is active?"""

from __future__ import annotations

from simlib.core.faults import is_hit
from simlib.engines.kernel.state import Fleet, number_of


def hits(w: Fleet, fault: int, i: int) -> bool:
    """Whether a fault affects a client."""
    # By the fault's number in the scenario (`origin`): a flap's outages, which are faults of their
    # own here, hit the same clients each time.
    fraction = w.faults[fault].clients_fraction
    return is_hit(fraction, w.marks[fault].origin, w.run[0].seed, number_of(w, i))


def strikes(w: Fleet, kind: int, i: int, now: float) -> int:
    """Return the first fault of a kind that acts on a client now; -1: none does."""
    for k in range(w.run[0].faults):
        f = w.faults[k]
        if f.kind == kind and f.start_s <= now < f.stop_s and hits(w, k, i):
            return k
    return -1
