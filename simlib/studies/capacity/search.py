"""Find the threshold value of one setting by doubling and bisection.

For a setting that helps (a count or a rate) it is the least value that suffices; for one that harms
(clients, times, shares, factors) the largest. Doubling or halving finds a bracket and bisection
narrows it to three digits. Some values on both sides are then played too, since recovery need not
be monotonic in a setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil, floor, inf, log10, nan
from typing import NamedTuple

import pandas as pd

from simlib.core.errors import SettingsError
from simlib.core.validation import Rule
from simlib.metrics.intervals import bracket
from simlib.metrics.words import format_seconds
from simlib.scenario.scenario import Scenario, setting

#: A value is looked for so far away from the one as given, in doublings or halvings.
_MOST_STEPS = 14
#: What is played beside the value found, as shares of it.
_BESIDE = (0.25, 0.5, 0.7, 1.4, 2.0, 4.0)
#: Parts of a scenario of which more is harder.
_BORNE = ("clients", "faults", "workload", "hints")


class Point(NamedTuple):
    """The result of one run: how soon the clients were back, and at what price."""

    #: From a fault's end until so many of the clients are OPEN again; inf: not in the run.
    time_to_recover_s: float
    #: Most attempts in a second since the first fault began.
    peak_attempts_per_s: float
    attempts: int
    #: Clients that were OPEN and that a fault threw out, added up over the faults.
    thrown_out: int


@dataclass(frozen=True)
class Knob:
    """The result for one setting.

    Attributes
    ----------
    key, unit : str
        The setting and its unit, as its rule has it; empty for a count.
    wants_least : bool
        Whether the least value that suffices is sought, or the largest.
    given : float
        Its value in the scenario.
    needed : float or None
        The least, or largest, value that suffices, to three digits; None: there is none, or it
        makes no difference.
    time_to_recover_s, peak_attempts_per_s : float
        At the needed value; NaN without one.
    outcome : str
        ``edge``: beyond the needed value it fails. ``everywhere``: it suffices as far as it was
        tried. ``nowhere``: it never does. ``no difference``: every run was the same.
    points : DataFrame
        Every value that was played, ascending: ``value``, the fields of `Point`, ``suffices``.
    """

    key: str
    unit: str
    wants_least: bool
    given: float
    needed: float | None
    time_to_recover_s: float
    peak_attempts_per_s: float
    outcome: str
    points: pd.DataFrame

    def in_words(self, value: float) -> str:
        """Return a value of this setting with its unit."""
        if value == inf:
            return "no limit"
        short = {"": "", "seconds": " s"}.get(self.unit, "/s")
        return f"{value:,.10g}{short}"

    @property
    def answer(self) -> str:
        """The needed value in a few words."""
        if self.needed is None:
            return {"nowhere": "no value will do"}.get(self.outcome, "makes no difference")
        value = self.in_words(self.needed)
        if self.outcome == "everywhere":
            return f"even {value} will do"
        return f"at {'least' if self.wants_least else 'most'} {value}"

    @property
    def exceptions(self) -> list[float]:
        """The values played that fail although they are on the sufficing side."""
        return self._against(suffices=False)

    @property
    def note(self) -> str:
        """A further note; may be empty."""
        if self.outcome == "nowhere":
            return self._best()
        if self.needed is None:
            return ""
        said = [
            f"{word} at {', '.join(map(self.in_words, values))}"
            for word, values in (
                ("also fails", self.exceptions),
                ("also suffices", self._against(suffices=True)),
            )
            if values
        ]
        return f"not monotone: {'; '.join(said)}" if said else ""

    def _against(self, suffices: bool) -> list[float]:
        """Return the values on either side of the needed one that are not like their side."""
        if self.needed is None:
            return []
        value = self.points["value"]
        on_good_side = value > self.needed if self.wants_least else value < self.needed
        side = ~on_good_side & (value != self.needed) if suffices else on_good_side
        return list(value[side & (self.points["suffices"] == suffices)])

    def _best(self) -> str:
        value, time_s = self.points["value"], self.points["time_to_recover_s"]
        tried = f"played from {self.in_words(value.min())} to {self.in_words(value.max())}"
        if time_s.min() == inf:
            return f"{tried}: they are not all back by the run's end"
        best = self.in_words(float(value.iloc[time_s.argmin()]))
        return f"{tried}: the best is {best}, after {format_seconds(time_s.min())}"


def setting_number(scenario: Scenario, key: str) -> tuple[float, Rule]:
    """Return the value of a numeric setting, and its rule.

    Raises
    ------
    SettingsError
        If there is no such setting, or it is no number.
    """
    try:
        value, rule = setting(scenario, key)
    except SettingsError as error:
        raise SettingsError("keys", key, error.rule) from error
    if rule is None:
        raise SettingsError("keys", key, "must name a number, as server.workers does")
    return float(value), rule


def find_threshold(
    scenario: Scenario,
    key: str,
    played: Callable[[float], Point],
    allowed: Callable[[float], bool],
    within_s: float,
    *,
    both_ways: bool,
) -> Knob:
    """Find the value of one setting beside which the clients are no longer back in time.

    ``played`` plays the scenario with another value, if that is ``allowed``. What should help may
    do harm: a low cap or a high accept rate overloads the server. With ``both_ways`` a value that
    suffices is looked for in that direction too, if there is none in the other.
    """
    given, rule = setting_number(scenario, key)
    values, least = _Values(played, within_s), _wants_least(key, rule)
    limit = _limit(scenario, rule, given, least)
    helpful, harmful = (
        _ladder(allowed, rule, given, limit, doubled=up) for up in (least, not least)
    )
    outcome, good, bad = _bracket(values, given, helpful, harmful, both_ways)
    if values.all_the_same():
        outcome, good = "no difference", None
    elif good is not None and bad is not None:
        good = _narrow(values.suffices, good, bad, rule)
        beside = (_tidy(good * factor, rule) for factor in _BESIDE if good < inf)
        values.look_at(x for x in beside if x <= limit and allowed(x))
    at = values.points[good] if good is not None else Point(nan, nan, 0, 0)
    return Knob(
        key=key,
        unit=rule.unit,
        wants_least=least,
        given=given,
        needed=good,
        time_to_recover_s=at.time_to_recover_s,
        peak_attempts_per_s=at.peak_attempts_per_s,
        outcome=outcome,
        points=values.table(),
    )


class _Values:
    """The values of one setting that were played, and what they did."""

    def __init__(self, played: Callable[[float], Point], within_s: float) -> None:
        self._played, self._within_s = played, within_s
        self.points: dict[float, Point] = {}

    def suffices(self, value: float) -> bool:
        """Whether the clients are back in time with this value."""
        if value not in self.points:
            self.points[value] = self._played(value)
        return self.points[value].time_to_recover_s <= self._within_s

    def fails(self, value: float) -> bool:
        """Whether they are not."""
        return not self.suffices(value)

    def look_at(self, values: Iterable[float]) -> None:
        """Play more values, where the scenario allows them."""
        for value in values:
            with suppress(SettingsError):
                self.suffices(value)

    def while_let_in(self, values: Sequence[float]) -> Iterator[float]:
        """Yield values up to one with which not even the clients' start is done by the fault."""
        expected = max(point.thrown_out for point in self.points.values())
        for value in values:
            yield value
            if self.points[value].thrown_out < expected:
                return

    def all_the_same(self) -> bool:
        """Whether every run was the same."""
        return len(set(self.points.values())) == 1 and len(self.points) > 1

    def table(self) -> pd.DataFrame:
        """Return the points, in the order of their values."""
        rows = [
            {"value": value, **self.points[value]._asdict(), "suffices": self.suffices(value)}
            for value in sorted(self.points)
        ]
        return pd.DataFrame(rows)


def _bracket(
    values: _Values, given: float, helpful: list[float], harmful: list[float], both_ways: bool
) -> tuple[str, float | None, float | None]:
    """Return the outcome, and a sufficing and a failing value with nothing played in between."""
    if not values.suffices(given):
        values.look_at(helpful[-1:])
        # Whatever the limit: more of it changes nothing.
        rising = [] if values.all_the_same() else helpful
        bad, good = _first(values.suffices, given, rising)
        if good is not None:
            return "edge", good, bad
        harming = values.while_let_in(harmful) if both_ways else []
        _, good = _first(values.suffices, given, harming)
        if good is None:
            return "nowhere", None, None
        given, harmful = good, harmful[harmful.index(good) + 1 :]
    last, failing = _first(values.fails, given, harmful)
    return "everywhere" if failing is None else "edge", last, failing


def _first(
    holds: Callable[[float], bool], before: float, values: Iterable[float]
) -> tuple[float, float | None]:
    """Return the first value for which something holds, None if for none, and the one before."""
    for value in values:
        try:
            held = holds(value)
        except SettingsError:
            # It cannot be played: more clients than memory holds.
            break
        if held:
            return before, value
        before = value
    return before, None


def _narrow(suffices: Callable[[float], bool], good: float, bad: float, rule: Rule) -> float:
    """Return the value next to the edge that suffices, to three digits."""
    low, high = min(good, bad), max(good, bad)
    if high == inf:
        return good
    digits = 2 - floor(log10(high))
    digits = min(0, digits) if rule.whole else digits
    scale = 10.0**digits
    first, last = float(floor(round(low * scale, 6))), float(ceil(round(high * scale, 6)))
    # The ends are what they are, whatever their digits.
    ends = {first: low, last: high}

    def value(step: float) -> float:
        return ends.get(step, round(step / scale, digits))

    def like_low(step: float) -> bool:
        return suffices(value(step)) == (low == good)

    below, above = bracket(like_low, first, last, 1.0, whole=True)
    return value(below if low == good else above)


def _ladder(
    allowed: Callable[[float], bool], rule: Rule, given: float, limit: float, *, doubled: bool
) -> list[float]:
    """Return the values to look at from the given one on, each twice or half of the one before."""
    values, start = [], given
    if given == inf:
        # A limit as high as this is as good as none.
        values = [limit]
    if given == 0.0:
        start = limit / 2.0**_MOST_STEPS
    if doubled and given == inf:
        return []
    for _ in range(_MOST_STEPS):
        last = values[-1] if values else start
        value = min(_tidy(2.0 * last, rule), limit) if doubled else _tidy(last / 2.0, rule)
        if value == last:
            break
        if not allowed(value):
            bound = _narrow(allowed, last, value, rule)
            return values if bound == last else [*values, bound]
        values.append(value)
    return values


def _wants_least(key: str, rule: Rule) -> bool:
    """Whether more of it helps, as of capacities and rates, but not of load."""
    is_count = rule.whole and not rule.unit
    return key.partition(".")[0] not in _BORNE and (is_count or rule.unit.endswith("per second"))


def _limit(scenario: Scenario, rule: Rule, given: float, wants_least: bool) -> float:
    """Return a value above which no more is to be expected of a setting."""
    own = given if given < inf else 0.0
    if wants_least:
        return max(own, float(scenario.clients))
    if rule.unit == "seconds":
        return max(own, scenario.duration_s)
    return max(own, 1.0) * 2.0**_MOST_STEPS


def _tidy(value: float, rule: Rule) -> float:
    """Return a value with three digits, whole where it must be."""
    return float(round(float(f"{value:.3g}"))) if rule.whole else float(f"{value:.3g}")
