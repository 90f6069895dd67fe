"""Parts of a scenario in words: faults, and where in the run they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from simlib.core.faults import Fault, FaultKind, Route

#: Characters that a run is long on a timeline.
_LENGTH = 24


def describe_fault(fault: Fault) -> str:
    """Return what goes wrong, for whom, since when and until when, as far as it is known.

    Examples
    --------
    >>> describe_fault(Fault("latency", start_s=3, amount_s=0.5, clients_fraction=0.2))
    'latency +0.5 s for 0.2 of the clients since 3 s'
    """
    words = fault.kind.name.lower().replace("_", " ")
    if fault.kind == FaultKind.LATENCY:
        words += f" +{fault.amount_s:g} s"
    if fault.kind == FaultKind.REJECT:
        words += f" with {fault.status}"
    if fault.route != Route.ALL:
        words += f" of {fault.route.name.lower()}"
    if fault.clients_fraction < 1.0:
        words += f" for {fault.clients_fraction:g} of the clients"
    words += f" since {round(fault.start_s, 1):g} s"
    return words + (f" until {round(fault.stop_s, 1):g} s" if fault.stop_s < inf else "")


def draw_timeline(fault: Fault, duration_s: float) -> str:
    """Return the run as a line of characters, on which the fault stands out.

    Examples
    --------
    >>> draw_timeline(Fault("outage", start_s=10, stop_s=20), 40.0)
    '▁▁▁▁▁▁██████▁▁▁▁▁▁▁▁▁▁▁▁'
    """
    stop_s = min(fault.end_s, duration_s)
    first = min(_LENGTH - 1, int(_LENGTH * fault.start_s / duration_s))
    last = max(first + 1, round(_LENGTH * stop_s / duration_s))
    low, high = "\N{LOWER ONE EIGHTH BLOCK}", "\N{FULL BLOCK}"
    return low * first + high * (last - first) + low * (_LENGTH - last)


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the values of nested tables by their dotted paths.

    Examples
    --------
    >>> dict(flatten({"client": {"backoff": {"cap_s": 5.0}}, "clients": 3}))
    {'client.backoff.cap_s': 5.0, 'clients': 3}
    """
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
