"""Findings on the load of a server: attempts, admissions, workers, handshakes in vain.

Each function takes names and numbers and returns a sentence without a full stop, or "" where there
is nothing to say. A name is "" where there is but one thing to speak of.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import NamedTuple

from simlib.charts.finding_words import ENGINE_NAMES, add_name, capitalize_first, is_about_same
from simlib.metrics.words import format_count, format_share, say_count


def find_peaks(peaks_per_s: Mapping[str, float], limit_per_s: float = inf, when: str = "") -> str:
    """Return how many attempts come at worst, beside what the server can take.

    Examples
    --------
    >>> find_peaks({"no jitter": 1000.0, "full jitter": 230.0}, 200.0)
    'No jitter peaks at 1,000 attempts per second, full jitter at 230; the server can take 200'
    >>> find_peaks({"sim": 210.0, "live": 208.0})
    'Attempts peak at 210 per second simulated, 208 live'
    """
    known = {name: peak for name, peak in peaks_per_s.items() if isfinite(peak)}
    if not known or not any(known.values()):
        return ""
    can = f"; the server can take {format_count(limit_per_s)}" if limit_per_s < inf else ""
    if len(known) == 1:
        (peak,) = known.values()
        return f"{say_count(peak, 'attempt')} in the worst second{when}{can}"
    if set(known) <= set(ENGINE_NAMES):
        first, *others = (f"{format_count(peak)}" for peak in known.values())
        engines = [ENGINE_NAMES[name] for name in known]
        rest = [f"{value} {engine}" for value, engine in zip(others, engines[1:], strict=True)]
        peak_at = (
            "Attempts peak at" if not when else f"{when.strip().capitalize()} attempts peak at"
        )
        return f"{peak_at} {', '.join([f'{first} per second {engines[0]}', *rest])}{can}"
    worst, best = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    if is_about_same(known[worst], known[best]):
        return f"All peak at {format_count(known[worst])} attempts per second{when}{can}"
    said = (
        f"{capitalize_first(worst)} peaks at {format_count(known[worst])} attempts per second{when}"
    )
    return f"{said}, {best} at {format_count(known[best])}{can}"


def find_admissions(attempts: float, opened: float, *, after_fault: bool) -> str:
    """Return how many attempts there were for each connection that opened.

    Examples
    --------
    >>> find_admissions(4000, 1000, after_fault=True)
    '4,000 attempts after the fault for 1,000 connections: 3 of 4 were not let in'
    """
    if not attempts:
        return ""
    when = " after the fault" * after_fault
    said = f"{say_count(attempts, 'attempt')}{when} for {say_count(opened, 'connection')}"
    failed = 1.0 - opened / attempts
    if failed < 0.005:
        return f"{said}: all were let in"
    # Not all were turned away: some time out, and some still wait when the run ends.
    return f"{said}: {_in_words(failed)} were not let in" if opened else f"{said}: none was let in"


def _in_words(share: float) -> str:
    """Return a share as one of few parts, where it is nearly that, or as a percentage."""
    for parts in (2, 3, 4, 5, 10):
        for part in range(1, parts):
            if abs(share - part / parts) < 0.005:
                return f"{part} of {parts}"
    return format_share(share)


def find_busy(busy_fraction: Mapping[str, float]) -> str:
    """Return how much of its time the server works.

    Examples
    --------
    >>> find_busy({"": 0.96})
    'Workers are busy 96 % of the time'
    >>> find_busy({"a": 0.96, "b": 0.4})
    'Workers are busy 96 % of the time with a, 40 % with b'
    """
    known = {name: share for name, share in busy_fraction.items() if isfinite(share)}
    if not known:
        return ""
    said = [f"{format_share(share)}" for share in known.values()]
    if len(known) == 1:
        return f"Workers are busy {said[0]} of the time"
    first, *others = (
        f"{share}{' of the time' * (i == 0)} {add_name(name)}"
        for i, (name, share) in enumerate(zip(known, said, strict=True))
    )
    return f"Workers are busy {', '.join([first, *others])}"


def find_waiting(most: Mapping[str, float], room: float = inf) -> str:
    """Return how many handshakes wait for the server at worst.

    Examples
    --------
    >>> find_waiting({"": 40.0}, 40.0)
    'Up to 40 handshakes wait, as many as there is room for'
    >>> find_waiting({"a": 40.0, "b": 12.0})
    'Up to 40 handshakes wait with a, 12 with b'
    """
    known = {name: count for name, count in most.items() if isfinite(count)}
    if not known:
        return ""
    worst, best = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    if not known[worst]:
        return "No handshake waits"
    said = f"Up to {say_count(known[worst], 'handshake')} wait"
    if len(known) == 1:
        return f"{said}, as many as there is room for" if known[worst] >= room else said
    if is_about_same(known[worst], known[best]):
        return f"{said} with each"
    return f"{said} {add_name(worst)}, {format_count(known[best])} {add_name(best)}"


class Refused(NamedTuple):
    """Handshakes that a server refused, served in vain, and served in all."""

    refused: float
    abandoned: float
    served: float


def find_refused(handshakes: Mapping[str, Refused]) -> str:
    """Return how many handshakes were refused, and how much of the work was in vain.

    Examples
    --------
    >>> find_refused({"": Refused(0, 1322, 1400)})
    'No handshake is refused; 1,322 of the 1,400 that are served (94.4 %) are in vain'
    >>> find_refused({"a": Refused(0, 1322, 1400), "b": Refused(40, 0, 120)})
    'Refused: 0 with a, 40 with b; in vain: 94.4 % of the work with a, 0 % with b'
    """
    known = {name: each for name, each in handshakes.items() if isfinite(each.served)}
    if not known:
        return ""
    if len(known) > 1:
        refused = [f"{format_count(each.refused)} {add_name(name)}" for name, each in known.items()]
        if not any(each.abandoned for each in known.values()):
            return f"Refused: {', '.join(refused)}; no work is in vain"
        vain = [format_share(each.abandoned / max(each.served, 1.0)) for each in known.values()]
        work = [f"{share}{' of the work' * (i == 0)}" for i, share in enumerate(vain)]
        in_vain = [f"{share} {add_name(name)}" for share, name in zip(work, known, strict=True)]
        return f"Refused: {', '.join(refused)}; in vain: {', '.join(in_vain)}"
    (each,) = known.values()
    are = "is" if each.refused == 1 else "are"
    said = f"{say_count(each.refused, 'handshake')} {are} refused" if each.refused else ""
    said = said or "No handshake is refused"
    if not each.abandoned:
        return f"{said}; none is served in vain"
    share = format_share(each.abandoned / each.served)
    of = f"{format_count(each.abandoned)} of the {format_count(each.served)} that are served"
    return f"{said}; {of} ({share}) are in vain"
