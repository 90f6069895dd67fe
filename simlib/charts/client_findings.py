"""Findings on clients: how soon they are back, how their waits spread, what they did.

Each function takes names and numbers and returns a sentence without a full stop, or "" where there
is nothing to say. A name is "" where there is but one thing to speak of.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from simlib.charts.finding_words import (
    ENGINE_NAMES,
    Samples,
    add_name,
    capitalize_first,
    is_about_same,
    lower_first,
)
from simlib.core.card import count_in_words
from simlib.metrics.array_types import Floats
from simlib.metrics.words import format_count, format_seconds, format_share


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
    'Full jitter: everybody is back in 16 s; without it 1 is still out'
    >>> find_recovery({"sim": fast, "live": np.array([1.0, 15.0])})
    'Everybody is back after 16 s simulated, 15 s live'
    """
    known = {name: _Back.of(times) for name, times in times_s.items() if times.size}
    if not known:
        return ""
    if len(known) == 1:
        return _describe_back(next(iter(known.values())), runs)
    best, worst = (choose(known, key=lambda name: known[name].rank) for choose in (min, max))
    if set(known) <= set(ENGINE_NAMES):
        return _compare_engines(known, runs)
    if known[best].back and known[best].is_like(known[worst]):
        return f"No difference: {lower_first(_describe_back(known[best], runs))}"
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
        return self.rank[0] == other.rank[0] and is_about_same(self.last_s, other.last_s)

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
    # A label may be any words ("as given", "300 clients"), and a colon fits them all. "Without it"
    # where the worst has none of what the best has.
    kind = best.rpartition(" ")[2]
    first = f"{capitalize_first(best)}:"
    said = "without it" if worst == f"no {kind}" else f"{worst}:"
    out = f"{said} {other.count_never(runs)} {'is' if other.never == 1 else 'are'} still out"
    if not mine.back:
        return "Nobody comes back before the end of the run"
    if mine.never:
        return f"{first} {mine.count_never(runs)} never come back; {out}"
    start = f"{first} everybody is back in {format_seconds(mine.last_s)}"
    return f"{start}; {out if other.never else f'{said} it takes {format_seconds(other.last_s)}'}"


def _compare_engines(known: Mapping[str, _Back], runs: int) -> str:
    """Return the same of engines, which nobody chooses between."""
    if all(each.back and not each.never for each in known.values()):
        said = [f"{format_seconds(each.last_s)} {ENGINE_NAMES[n]}" for n, each in known.items()]
        return f"Everybody is back after {', '.join(said)}"
    said = [f"{format_share(each.rank[0])} {ENGINE_NAMES[n]}" for n, each in known.items()]
    return f"Never back in the run: {', '.join(said)}"


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
        return f"Nobody makes more than {count_in_words(failures, 'attempt')}"
    after = f"After {count_in_words(failures, 'failure')}"
    widest = max(known, key=lambda name: known[name][1] - known[name][0])
    narrow = min(known, key=lambda name: known[name][1] - known[name][0])
    low_s, high_s = known[widest]
    if len(known) == 1:
        if is_about_same(low_s, high_s):
            return f"{after} all clients wait {format_seconds(high_s)}: they come again together"
        return f"{after} clients wait {format_seconds(low_s)} to {format_seconds(high_s)}"
    if is_about_same(low_s, high_s):
        return f"{after} no policy spreads the waits: with each, clients come again together"
    said = f"{after} {widest} spreads the waits over {format_seconds(high_s - low_s)}"
    least_s, most_s = known[narrow]
    if is_about_same(least_s, most_s):
        return f"{said}; {add_name(narrow)} all wait {format_seconds(most_s)}"
    return f"{said}, {narrow} over {format_seconds(most_s - least_s)}"


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
