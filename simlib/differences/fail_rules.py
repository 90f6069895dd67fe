"""Rules that say which change of a metric is too much, and what runs say of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np

from simlib.core.errors import SettingsError
from simlib.differences.metric_changes import MetricPairs
from simlib.experiments.objectives import better_side
from simlib.metrics.intervals import Estimate
from simlib.metrics.meaning import check_metric

#: METRIC > +5%, METRIC > +0.5, METRIC < -5% ...
_RULE = re.compile(
    r"\s*(?P<metric>\w+)\s*(?P<sign>[<>])\s*"
    r"(?P<limit>[+-]\s*(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*(?P<percent>%?)\s*"
)
#: Where the error says that a rule was given.
_WHERE = "fail_if"


@dataclass(frozen=True)
class FailRule:
    """A change that is too much: a metric, the side that is worse, and a limit.

    Attributes
    ----------
    text, metric : str
        As it was written; its metric.
    rises : bool
        Whether a rise is too much, or a fall.
    limit : float
        How much of a change is allowed: in the metric's unit, or as a share of the old mean.
    is_share : bool
        Whether the limit was a percentage.
    """

    text: str
    metric: str
    rises: bool
    limit: float
    is_share: bool


class FailVerdict(NamedTuple):
    """What a diff says of one rule: whether it is surely exceeded, and the change with interval."""

    rule: FailRule
    #: Whether the whole 95 % interval of the change lies beyond the limit.
    is_exceeded: bool
    #: Whether the mean lies beyond the limit, surely or not.
    may_be_exceeded: bool
    #: In the rule's unit: the metric's, or a share of the old mean.
    change: Estimate


def fail_rule(text: str) -> FailRule:
    """Return the rule that a text says.

    Parameters
    ----------
    text : str
        A metric, ``>`` and a limit with a plus, or ``<`` and one with a minus: a rise or a fall.
        With ``%`` the limit is a share of the old mean, else it is in the metric's unit.

    Raises
    ------
    SettingsError
        If it is no rule, there is no such metric, or it would fail on a change for the better.

    Examples
    --------
    >>> rule = fail_rule("time_to_recover_s_p95 > +5%")
    >>> rule.limit, rule.is_share, rule.rises
    (0.05, True, True)
    """
    # Blanks of any kind, such as line ends, are one blank.
    match = _RULE.fullmatch(" ".join(text.split()))
    if match is None:
        rule = (
            'must be METRIC > +LIMIT or METRIC < -LIMIT, as "time_to_recover_s_p95 > +5%", '
            '"lost > +0" or "delivered_fraction < -0.01" is'
        )
        raise SettingsError(_WHERE, text, rule)
    try:
        check_metric(_WHERE, match["metric"])
    except SettingsError as error:
        raise SettingsError(_WHERE, text, f"{match['metric']} {error.rule}") from error
    rises, limit = match["sign"] == ">", match["limit"].replace(" ", "")
    if rises != limit.startswith("+"):
        rule = "must have a plus after >, for a rise, or a minus after <, for a fall"
        raise SettingsError(_WHERE, text, rule)
    side = better_side(match["metric"])
    if side and rises == (side == "more"):
        change = f"{'<' if rises else '>'} {'-' if rises else '+'}{limit[1:]}{match['percent']}"
        rule = (
            f"would fail on a change for the better, since {side} of it is better: "
            f'write "{match["metric"]} {change}"'
        )
        raise SettingsError(_WHERE, text, rule)
    share = bool(match["percent"])
    amount = abs(float(limit)) / (100.0 if share else 1.0)
    return FailRule(" ".join(text.split()), match["metric"], rises, amount, share)


def judge(rule: FailRule, pairs: MetricPairs | None) -> FailVerdict:
    """Return what runs say of a rule.

    It is exceeded only if the whole 95 % interval of the change lies beyond the limit. For a share
    that is the interval of ``new - (1 + limit) * old``, pair by pair, so the old mean may be
    uncertain, or 0. Of two single runs there is no interval, and their difference itself counts.

    Raises
    ------
    SettingsError
        If the metric has no value in these runs.
    """
    known = None if pairs is None else ~(np.isnan(pairs.old) | np.isnan(pairs.new))
    if pairs is None or known is None or not known.any():
        rule_text = f"{rule.metric} has no value in these runs, so it cannot be judged"
        raise SettingsError(_WHERE, rule.text, rule_text)
    shared = MetricPairs(rule.metric, pairs.old[known], pairs.new[known])
    limit = rule.limit if rule.rises else -rule.limit
    beyond = shared.beyond(limit, 0.0) if rule.is_share else shared.beyond(0.0, limit)
    side = 1.0 if rule.rises else -1.0
    end = beyond.low if rule.rises else beyond.high
    surest = beyond.value if isnan(end) else end
    change = shared.relative if rule.is_share else shared.beyond(0.0, 0.0)
    return FailVerdict(rule, side * surest > 0.0, side * beyond.value > 0.0, change)
