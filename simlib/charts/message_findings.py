"""Findings on messages: what waits, how late they are, and where the slowest waited.

Each function takes names and numbers and returns a sentence without a full stop, or "" where there
is nothing to say. A name is "" where there is but one thing to speak of.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

import numpy as np

from simlib.charts.finding_words import Samples, add_name, agree_in_number, is_about_same
from simlib.metrics.words import format_count, format_seconds, format_share, say_count


class Backlog(NamedTuple):
    """What the outboxes of a run held."""

    most: float
    #: How long after the fault's end they held no more than before it; inf: not in the run, NaN:
    #: there was no fault.
    drained_s: float
    #: How many messages they held at the end, if that was still more.
    left: float


def find_outbox(held: Mapping[str, Backlog]) -> str:
    """Return how many messages wait at most, and when the outboxes have drained.

    Examples
    --------
    >>> find_outbox({"": Backlog(1401, 12.0, 0)})
    "Up to 1,401 messages wait; 12 s after the fault's end no more than before it"
    >>> from math import inf
    >>> find_outbox({"none": Backlog(1401, inf, 20), "full": Backlog(900, inf, 4)})
    'Up to 1,401 messages wait with none, 900 with full; 20 and 4 still wait at the end'
    """
    known = {name: each for name, each in held.items() if each.most}
    if not known:
        return ""
    worst = max(known, key=lambda name: known[name].most)
    best = min(known, key=lambda name: known[name].most)
    said = f"Up to {say_count(known[worst].most, 'message')} wait"
    if len(known) == 1:
        return "; ".join(filter(None, [said, _describe_drain(known[worst])]))
    if is_about_same(known[worst].most, known[best].most):
        drained = [
            f"{format_seconds(held.drained_s)} {add_name(name)}"
            for name, held in known.items()
            if isfinite(held.drained_s)
        ]
        after = f"; as few as before after {', '.join(drained)}" if drained else ""
        return f"{said} with each{after}"
    said += f" {add_name(worst)}, {format_count(known[best].most)} {add_name(best)}"
    left = [format_count(known[name].left) for name in (worst, best)]
    if left == ["0", "0"]:
        return said
    return f"{said}; {' and '.join(dict.fromkeys(left))} still wait at the end"


def _describe_drain(held: Backlog) -> str:
    if held.left:
        return f"{format_count(held.left)} still {agree_in_number(held.left, 'wait')} at the end"
    if isfinite(held.drained_s):
        return f"{format_seconds(held.drained_s)} after the fault's end no more than before it"
    return ""


def find_latency(latencies_s: Samples, of: str = "messages") -> str:
    """Return within what time nearly all acknowledgements come, of whom soonest and latest.

    Messages that are never acknowledged are not among them.

    Examples
    --------
    >>> find_latency({"": np.linspace(0.0, 1.0, 101)})
    '95 % of the acknowledgements come within 0.95 s'
    >>> find_latency({"critical": np.array([0.3]), "low": np.array([12.0])}, "priority")
    '95 % of the acknowledgements of critical messages come within 0.3 s, of low ones within 12 s'
    """
    quantiles = {
        name: float(np.quantile(values, 0.95, method="inverted_cdf"))
        for name, values in latencies_s.items()
        if values.size
    }
    if not quantiles:
        return ""
    soonest, latest = (choose(quantiles, key=quantiles.__getitem__) for choose in (min, max))
    soon, late = format_seconds(quantiles[soonest]), format_seconds(quantiles[latest])
    if len(quantiles) == 1 or soon == late:
        return f"95 % of the acknowledgements come within {late}"
    if of == "priority":
        said = f"95 % of the acknowledgements of {soonest} messages come within {soon}"
        return f"{said}, of {latest} ones within {late}"
    said = f"95 % of the acknowledgements come within {soon} {add_name(soonest)}"
    return f"{said}, {late} {add_name(latest)}"


def find_slowest(latency_s: float, outbox_s: float, of: int, undelivered: int) -> str:
    """Return how long the slowest message took, and how much of that it waited in the outbox.

    Examples
    --------
    >>> find_slowest(23.0, 22.5, 3516, 0)
    'The slowest of 3,516 messages took 23 s, 97.8 % of that in the outbox'
    """
    lost = f"; {undelivered:,} never arrived" if undelivered else ""
    if not isfinite(latency_s):
        return f"None of {of:,} messages arrived" if of else ""
    share = format_share(outbox_s / latency_s) if latency_s else "0 %"
    said = f"The slowest of {of:,} messages took {format_seconds(latency_s)}"
    return f"{said}, {share} of that in the outbox{lost}"
