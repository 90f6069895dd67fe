"""Findings: the sentence on top of a chart, made from the numbers that are drawn.

Each function takes names and numbers and returns a sentence without a full stop, or "" where there
is nothing to say. A name is "" where there is but one thing to speak of.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from simlib.metrics.array_types import Floats
from simlib.metrics.words import format_count, format_seconds, format_share

#: Values by name, such as times to recover by policy.
Samples = Mapping[str, Floats]
#: Numbers that differ by less than this share are called the same.
_SAME = 0.02
_ENGINES = {"sim": "simulated", "live": "live", "fleet": "on the fleet"}


def find_recovery(times_s: Samples, runs: int = 1) -> str:
    """Return who is back when, and who is not.

    Parameters
    ----------
    times_s : mapping of str to array of float
        Times to recover of the clients that were hit, by policy; inf: never.
    runs : int
        Of several runs together, shares are said in the place of counts.

    Examples
    --------
    >>> fast, slow = np.array([1.0, 16.0]), np.array([2.0, np.inf])
    >>> find_recovery({"": fast})
    "Everybody is back 16 s after the fault's end"
    >>> find_recovery({"full jitter": fast, "no jitter": slow})
    'Full jitter brings everybody back in 16 s; without it 1 is still out'
    >>> find_recovery({"sim": fast, "live": np.array([1.0, 15.0])})
    'Everybody is back after 16 s simulated, 15 s live'
    """
    known = {name: _Back.of(times) for name, times in times_s.items() if times.size}
    if not known:
        return ""
    if len(known) == 1:
        return _describe_back(next(iter(known.values())), runs)
    best, worst = (choose(known, key=lambda name: known[name].rank) for choose in (min, max))
    if set(known) <= set(_ENGINES):
        return _compare_engines(known, runs)
    if known[best].back and known[best].is_like(known[worst]):
        return f"No difference: {_lower(_describe_back(known[best], runs))}"
    return _compare_back(best, worst, known, runs)


class _Back(NamedTuple):
    """How many are back by when, and how many never."""

    last_s: float
    back: int
    never: int

    @classmethod
    def of(cls, times_s: Floats) -> _Back:
        back = times_s[np.isfinite(times_s)]
        return cls(float(back.max()) if back.size else inf, back.size, times_s.size - back.size)

    @property
    def rank(self) -> tuple[float, float]:
        return self.never / (self.back + self.never), self.last_s

    def is_like(self, other: _Back) -> bool:
        return self.rank[0] == other.rank[0] and _same(self.last_s, other.last_s)

    def count_never(self, runs: int) -> str:
        return format_count(self.never) if runs == 1 else format_share(self.rank[0])


def _describe_back(back: _Back, runs: int) -> str:
    """Return when they were back, of one policy."""
    if not back.back:
        return "Nobody comes back before the end of the run"
    if not back.never:
        if back.last_s == 0.0:
            return "Everybody is back before the fault ends"
        return f"Everybody is back {format_seconds(back.last_s)} after the fault's end"
    of = back.back + back.never
    some = (
        f"{format_count(back.back)} of {format_count(of)}"
        if runs == 1
        else (format_share(back.back / of))
    )
    are = "is" if back.back == 1 else "are"
    after = format_seconds(back.last_s)
    return f"{some} {are} back after {after}, {back.count_never(runs)} never in the run"


def _compare_back(best: str, worst: str, known: Mapping[str, _Back], runs: int) -> str:
    mine, other = known[best], known[worst]
    # "Without it" where the worst has none of what the best has.
    kind = best.rpartition(" ")[2]
    without = f"without {'it' if worst == f'no {kind}' else ''}".strip()
    said = without if worst == f"no {kind}" else f"with {worst}"
    out = f"{said} {other.count_never(runs)} {'is' if other.never == 1 else 'are'} still out"
    if not mine.back:
        return "Nobody comes back before the end of the run"
    if mine.never:
        return f"With {best} {mine.count_never(runs)} never come back; {out}"
    start = f"{_capital(best)} brings everybody back in {format_seconds(mine.last_s)}"
    return f"{start}; {out if other.never else f'{said} it takes {format_seconds(other.last_s)}'}"


def _compare_engines(known: Mapping[str, _Back], runs: int) -> str:
    """Return the same of engines, which nobody chooses between."""
    if all(each.back and not each.never for each in known.values()):
        said = [f"{format_seconds(each.last_s)} {_ENGINES[n]}" for n, each in known.items()]
        return f"Everybody is back after {', '.join(said)}"
    said = [f"{format_share(each.rank[0])} {_ENGINES[n]}" for n, each in known.items()]
    return f"Never back in the run: {', '.join(said)}"


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
        attempts = "1 attempt" if peak == 1 else f"{format_count(peak)} attempts"
        return f"{attempts} in the worst second{when}{can}"
    if set(known) <= set(_ENGINES):
        first, *others = (f"{format_count(peak)}" for peak in known.values())
        engines = [_ENGINES[name] for name in known]
        rest = [f"{value} {engine}" for value, engine in zip(others, engines[1:], strict=True)]
        peak_at = (
            "Attempts peak at" if not when else f"{when.strip().capitalize()} attempts peak at"
        )
        return f"{peak_at} {', '.join([f'{first} per second {engines[0]}', *rest])}{can}"
    worst, best = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    if _same(known[worst], known[best]):
        return f"All peak at {format_count(known[worst])} attempts per second{when}{can}"
    said = f"{_capital(worst)} peaks at {format_count(known[worst])} attempts per second{when}"
    return f"{said}, {best} at {format_count(known[best])}{can}"


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
    >>> find_outbox({"none": Backlog(1401, inf, 20), "full": Backlog(900, inf, 4)})
    'Up to 1,401 messages wait with none, 900 with full; 20 and 4 still wait at the end'
    """
    known = {name: each for name, each in held.items() if each.most}
    if not known:
        return ""
    worst = max(known, key=lambda name: known[name].most)
    best = min(known, key=lambda name: known[name].most)
    said = f"Up to {format_count(known[worst].most)} messages wait"
    if len(known) == 1:
        return "; ".join(filter(None, [said, _describe_drain(known[worst])]))
    if _same(known[worst].most, known[best].most):
        drained = [
            f"{format_seconds(held.drained_s)} {_with(name)}"
            for name, held in known.items()
            if isfinite(held.drained_s)
        ]
        after = f"; as few as before after {', '.join(drained)}" if drained else ""
        return f"{said} with each{after}"
    said += f" {_with(worst)}, {format_count(known[best].most)} {_with(best)}"
    left = [format_count(known[name].left) for name in (worst, best)]
    if left == ["0", "0"]:
        return said
    return f"{said}; {' and '.join(dict.fromkeys(left))} still wait at the end"


def _describe_drain(held: Backlog) -> str:
    if held.left:
        return f"{format_count(held.left)} still {_verb(held.left, 'wait')} at the end"
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
    said = f"95 % of the acknowledgements come within {soon} {_with(soonest)}"
    return f"{said}, {late} {_with(latest)}"


def _with(name: str) -> str:
    return _ENGINES.get(name, f"with {name}")


def _verb(count: float, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb


def _same(one: float, other: float) -> bool:
    return one == other or abs(one - other) <= _SAME * max(abs(one), abs(other))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


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
        f"{share}{' of the time' * (i == 0)} {_with(name)}"
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
    said = f"Up to {format_count(known[worst])} handshakes wait"
    if len(known) == 1:
        return f"{said}, as many as there is room for" if known[worst] >= room else said
    if _same(known[worst], known[best]):
        return f"{said} with each"
    return f"{said} {_with(worst)}, {format_count(known[best])} {_with(best)}"


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
        refused = [f"{format_count(each.refused)} {_with(name)}" for name, each in known.items()]
        if not any(each.abandoned for each in known.values()):
            return f"Refused: {', '.join(refused)}; no work is in vain"
        vain = [format_share(each.abandoned / max(each.served, 1.0)) for each in known.values()]
        work = [f"{share}{' of the work' * (i == 0)}" for i, share in enumerate(vain)]
        in_vain = [f"{share} {_with(name)}" for share, name in zip(work, known, strict=True)]
        return f"Refused: {', '.join(refused)}; in vain: {', '.join(in_vain)}"
    (each,) = known.values()
    said = f"{format_count(each.refused)} handshakes are refused" if each.refused else ""
    said = said or "No handshake is refused"
    if not each.abandoned:
        return f"{said}; none is served in vain"
    share = format_share(each.abandoned / each.served)
    of = f"{format_count(each.abandoned)} of the {format_count(each.served)} that are served"
    return f"{said}; {of} ({share}) are in vain"


def find_admissions(attempts: float, opened: float, *, after_fault: bool) -> str:
    """Return how many attempts there were for each connection that opened.

    Examples
    --------
    >>> find_admissions(4000, 1000, after_fault=True)
    '4,000 attempts after the fault for 1,000 connections: 3 of 4 were turned away'
    """
    if not attempts:
        return ""
    when = " after the fault" * after_fault
    said = f"{format_count(attempts)} attempts{when} for {format_count(opened)} connections"
    failed = 1.0 - opened / attempts
    if failed < 0.005:
        return f"{said}: all were let in"
    return f"{said}: {_in_words(failed)} were turned away"


def _in_words(share: float) -> str:
    """Return a share as one of few parts, where it is nearly that, or as a percentage."""
    for parts in (2, 3, 4, 5, 10):
        for part in range(1, parts):
            if abs(share - part / parts) < 0.005:
                return f"{part} of {parts}"
    return format_share(share)


def find_spread(ranges_s: Mapping[str, tuple[float, float]], failures: int) -> str:
    """Return how far apart the waits of clients lie after so many failures.

    Parameters
    ----------
    ranges_s : mapping of str to (float, float)
        The shortest and the longest wait of each policy.
    failures : int
        After how many failures in a row.

    Examples
    --------
    >>> find_spread({"": (0.0, 16.0)}, 5)
    'After 5 failures clients wait 0 s to 16 s'
    >>> find_spread({"full jitter": (0.0, 16.0), "no jitter": (16.0, 16.0)}, 5)
    'After 5 failures full jitter spreads the waits over 16 s; with no jitter all wait 16 s'
    """
    known = {name: ends for name, ends in ranges_s.items() if isfinite(ends[1])}
    if not known:
        return f"Nobody makes more than {failures} attempts"
    after = f"After {failures} failures"
    widest = max(known, key=lambda name: known[name][1] - known[name][0])
    narrow = min(known, key=lambda name: known[name][1] - known[name][0])
    low_s, high_s = known[widest]
    if len(known) == 1:
        if _same(low_s, high_s):
            return f"{after} all clients wait {format_seconds(high_s)}: they come again together"
        return f"{after} clients wait {format_seconds(low_s)} to {format_seconds(high_s)}"
    if _same(low_s, high_s):
        return f"{after} no policy spreads the waits: with each, clients come again together"
    said = f"{after} {widest} spreads the waits over {format_seconds(high_s - low_s)}"
    least_s, most_s = known[narrow]
    if _same(least_s, most_s):
        return f"{said}; {_with(narrow)} all wait {format_seconds(most_s)}"
    return f"{said}, {narrow} over {format_seconds(most_s - least_s)}"


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


def find_shares(client: int, shares: Mapping[str, float]) -> str:
    """Return how a client spent its time.

    Examples
    --------
    >>> find_shares(3, {"open": 0.86, "waiting": 0.12, "polling": 0.0})
    'Client 3 was open 86 % of the time, waiting 12 %'
    """
    known = [(name, share) for name, share in shares.items() if share >= 0.0005]
    if not known:
        return ""
    (first, most), *others = known
    said = [f"Client {client} was {first} {format_share(most)} of the time"]
    return ", ".join([*said, *(f"{name} {format_share(share)}" for name, share in others)])


def find_difference(quantiles: Mapping[str, Floats], of: str) -> str:
    """Return how far the quantiles of two samples are apart at most.

    Examples
    --------
    >>> find_difference({"sim": np.array([1.0, 2.0]), "live": np.array([1.1, 2.4])}, "time")
    'Each quantile of the time differs by at most 0.4 s between sim and live'
    """
    (one, values), (other, beside) = quantiles.items()
    if not values.size or not beside.size:
        return ""
    apart = format_seconds(float(np.abs(values - beside).max()))
    return f"Each quantile of the {of} differs by at most {apart} between {one} and {other}"
