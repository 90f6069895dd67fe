"""Objectives and constraints of a study, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan

from simlib.core.errors import SettingsError
from simlib.metrics.intervals import Estimate
from simlib.metrics.meaning import check_metric
from simlib.scenario.scenario import Scenario, setting

#: Of these metrics more is better; of those less.
_MORE = ("availability_fraction", "delivered_fraction", "goodput_per_s")
_LESS = (
    "time_to_", "last_back_", "never_recovered", "downtime_", "attempts", "peak_", "amplification",
    "gave_up", "polling_", "breaker_open_", "lost", "undelivered", "duplicate_", "doubled",
    "head_of_line_", "round_trip_", "latency_", "staleness_",
)  # fmt: skip
#: What is sought unless somebody asks for something else.
OBJECTIVES = ("time_to_recover_s_p99", "peak_attempts_per_s")
#: What must always hold, unless a constraint bounds the same metric.
CONSTRAINTS = ("never_recovered <= 0",)
#: A mean of equal numbers is off by less than this share; where it lies on a strict bound, that is
#: exceeded by as little as there is.
_ROUNDING, _AT_A_STRICT_BOUND = 1e-12, 1e-12


@dataclass(frozen=True)
class Objective:
    """A metric to be made as small, or as large, as it gets."""

    metric: str
    larger: bool

    def loss(self, value: float) -> float:
        """Return a value so that less is better."""
        return -value if self.larger else value


@dataclass(frozen=True)
class Constraint:
    """A bound of a metric: so much, or so many times a setting of the scenario."""

    text: str
    metric: str
    at_most: bool
    factor: float
    #: A setting that the factor multiplies; empty for none.
    key: str = ""
    #: Whether the bound itself is too much already: ``<`` and ``>``, not ``<=`` and ``>=``.
    strict: bool = False

    def bound(self, scenario: Scenario) -> float:
        """Return the bound in one scenario."""
        return self.factor * float(setting(scenario, self.key)[0]) if self.key else self.factor

    def excess(self, estimate: Estimate, scenario: Scenario, *, surely: bool = False) -> float:
        """Return by which share of the bound the metric's mean is beyond it; 0 or less: it holds.

        The end of the mean's interval counts that lies beyond, or with ``surely`` the other one.
        A mean that is not a number keeps no bound.
        """
        end = estimate.high if self.at_most != surely else estimate.low
        end = end if isfinite(end) else estimate.value
        beyond = end - self.bound(scenario) if self.at_most else self.bound(scenario) - end
        share = beyond / (abs(self.bound(scenario)) or 1.0)
        if isnan(share):
            return inf
        if abs(share) > _ROUNDING:
            return share
        return _AT_A_STRICT_BOUND if self.strict else 0.0


def better_side(metric: str) -> str:
    """Return which side of a metric is better: ``more`` or ``less``; empty for neither.

    Examples
    --------
    >>> [better_side(metric) for metric in ("delivered_fraction", "lost", "sent")]
    ['more', 'less', '']
    """
    if metric in _MORE:
        return "more"
    return "less" if metric.startswith(_LESS) else ""


def objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """Return objectives by the names of their metrics.

    Examples
    --------
    >>> objectives(["delivered_fraction"])[0].larger
    True
    """
    if isinstance(names, str) or not names:
        raise SettingsError("objectives", names, "must be a list of at least one metric")
    for name in names:
        check_metric("objectives", name)
        if not better_side(name):
            rule = "has no better side: neither less of it nor more is what anybody wants"
            raise SettingsError("objectives", name, rule)
    return tuple(Objective(name, name in _MORE) for name in dict.fromkeys(names))


def constraints(
    texts: Sequence[str], scenarios: Sequence[Scenario]
) -> tuple[tuple[Constraint, ...], tuple[Constraint, ...]]:
    """Return the bounds that texts say, and all that must hold: these and the built-in ones.

    Raises
    ------
    SettingsError
        If one is no bound.

    Examples
    --------
    >>> asked, everything = constraints(["peak_attempts_per_s <= 9"], [Scenario()])
    >>> [objective.text for objective in everything]
    ['never_recovered <= 0', 'peak_attempts_per_s <= 9']
    """
    if isinstance(texts, str):
        raise SettingsError("constraints", texts, "must be a list of texts")
    asked = tuple(constraint(text, scenarios) for text in dict.fromkeys(texts))
    bounded = {constraint.metric for constraint in asked}
    always = (constraint(text, scenarios) for text in CONSTRAINTS)
    return asked, (*(objective for objective in always if objective.metric not in bounded), *asked)


#: METRIC <= NUMBER, METRIC <= NUMBER * SETTING, METRIC >= SETTING ...
_BOUND = re.compile(
    r"\s*(?P<metric>\w+)\s*(?P<sign><=?|>=?)\s*"
    r"(?:(?P<factor>\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)\s*\*?\s*)?(?P<key>[a-z]\w*(?:\.\w+)+)?\s*"
)


def constraint(text: str, scenarios: Sequence[Scenario]) -> Constraint:
    """Return the bound that a text says.

    Parameters
    ----------
    text : str
        A metric, ``<=``, ``<``, ``>=`` or ``>``, and a number, a setting, or a number of times a
        setting.
    scenarios : sequence of Scenario
        Those in which it is to hold.

    Raises
    ------
    SettingsError
        If it is no bound, or names a metric or a setting that is not there, or without limit.

    Examples
    --------
    >>> from simlib.core.server_settings import ServerSettings
    >>> storm = Scenario(server=ServerSettings(accept_per_s=50))
    >>> constraint("peak_attempts_per_s <= 3 * server.accept_per_s", [storm]).bound(storm)
    150.0
    """
    match = _BOUND.fullmatch(text)
    if match is None or not (match["factor"] or match["key"]):
        rule = 'must be as "peak_attempts_per_s <= 3 * server.accept_per_s" or "lost <= 0" is'
        raise SettingsError("constraint", text, rule)
    check_metric("constraint", match["metric"])
    constraint = Constraint(
        text=" ".join(text.split()),
        metric=match["metric"],
        at_most=match["sign"].startswith("<"),
        factor=float(match["factor"] or 1.0),
        key=match["key"] or "",
        strict="=" not in match["sign"],
    )
    for scenario in scenarios:
        _check_bound(constraint, scenario)
    return constraint


def _check_bound(constraint: Constraint, scenario: Scenario) -> None:
    try:
        bound = constraint.bound(scenario)
    except SettingsError as error:
        raise SettingsError("constraint", constraint.text, f"{error.key} {error.rule}") from error
    except (TypeError, ValueError):
        rule = f"{constraint.key} is no number"
        raise SettingsError("constraint", constraint.text, rule) from None
    if not isfinite(bound):
        rule = f"{constraint.key} has no limit in {scenario.name}, so it bounds nothing: set it"
        raise SettingsError("constraint", constraint.text, rule)
