"""By how much each metric changed between two versions, and whether that is beyond chance."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan

import numpy as np
import pandas as pd

from simlib.experiments.objectives import better_side
from simlib.experiments.replicate import Replications
from simlib.metrics.array_types import Floats
from simlib.metrics.description import GROUPS
from simlib.metrics.intervals import CONFIDENCE, Estimate, median, ratio_interval, t_interval
from simlib.metrics.meaning import MEANING, OF_MESSAGES, OF_SERVER

#: A difference below this share of the numbers is rounding.
_ROUNDING = 1e-9
#: The group of a metric that `simlib run` shows only with --all: the first start of its name.
_OTHER_GROUPS = {"last_back_": "Getting back", "open_connections_": "The server"}


@dataclass(frozen=True)
class MetricPairs:
    """One metric of both versions, pair by pair: each pair has one seed."""

    metric: str
    old: Floats
    new: Floats

    @property
    def differences(self) -> Floats:
        """New minus old; two that never end do not differ."""
        with np.errstate(invalid="ignore"):
            found = self.new - self.old
        size = np.maximum(np.abs(self.old), np.abs(self.new))
        is_rounding = np.isfinite(size) & (np.abs(found) <= _ROUNDING * size)
        found[(self.old == self.new) | is_rounding] = 0.0
        return found

    def beyond(self, factor: float, limit: float, confidence: float = CONFIDENCE) -> Estimate:
        """Return by how much new is above ``(1 + factor) * old + limit``, with its interval."""
        scaled = (1.0 + factor) * self.old
        return _center(MetricPairs(self.metric, scaled, self.new).differences - limit, confidence)

    @property
    def relative(self) -> Estimate:
        """The change as a share of old's mean, with its interval; NaN where there is none."""
        differences = self.differences
        if not np.isfinite(differences).all() or not np.isfinite(self.old).all():
            return Estimate(nan, nan, nan, differences.size)
        if not self.old.any():
            # From nothing: any change is beyond every percentage.
            side = float(np.sign(differences.mean())) * inf if differences.any() else 0.0
            return Estimate(side, -inf if side else 0.0, inf if side else 0.0, differences.size)
        return ratio_interval(differences, self.old)


def _center(differences: Floats, confidence: float) -> Estimate:
    """Return the mean of differences, or their median where one of them has no end."""
    if np.isfinite(differences).all():
        return t_interval(differences, confidence)
    return median(differences, confidence)


@dataclass(frozen=True)
class MetricChange:
    """How one metric changed.

    Attributes
    ----------
    metric, group : str
        Its name, a column of `summary`; its group, as `simlib run` has it.
    old, new : float
        The mean of each version, or the median where one run never ends; NaN: it has no value.
    difference : Estimate
        New minus old with its interval; the median of pairs if one of them never ends.
    relative : float
        The difference as a share of ``old``; NaN where there is none.
    is_sure : bool
        Whether the interval leaves 0 out, or the metric has a value in one version only.
    """

    metric: str
    group: str
    old: float
    new: float
    difference: Estimate
    relative: float
    is_sure: bool

    @property
    def direction(self) -> str:
        """Whether it became ``better`` or ``worse``; empty where neither side is better."""
        side = better_side(self.metric)
        if not side or isnan(self.difference.value):
            return ""
        return "better" if (self.difference.value > 0.0) == (side == "more") else "worse"

    @property
    def is_same(self) -> bool:
        """Whether it is the same in every pair."""
        ends = {self.difference.value, self.difference.low, self.difference.high}
        return {each for each in ends if not isnan(each)} == {0.0}

    @property
    def importance(self) -> float:
        """How large the change is beside both numbers: from 0 to 1; 1 from or to nothing."""
        old, new = self.old, self.new
        if isnan(old) or isnan(new) or isfinite(old) != isfinite(new):
            return 1.0
        if self.metric.endswith("_fraction") and better_side(self.metric) == "more":
            old, new = 1.0 - old, 1.0 - new  # from 1 % to 5 % of the time away, not 99 to 95 %
        most = max(abs(old), abs(new))
        return abs(new - old) / most if most and isfinite(most) else 0.0


def pairs_of(old: Replications, new: Replications) -> list[MetricPairs]:
    """Return every metric that has a value in one of the versions at least, pair by pair."""
    both = old.table.index.intersection(new.table.index) if len(old.table) > 1 else None
    first, second = (
        (old.table, new.table) if both is None else (old.table.loc[both], new.table.loc[both])
    )
    found = [
        MetricPairs(metric, _numbers(first, metric), _numbers(second, metric))
        for metric in MEANING
        if metric != "engine"
    ]
    return [
        pairs for pairs in found if not (np.isnan(pairs.old).all() and np.isnan(pairs.new).all())
    ]


def _numbers(table: pd.DataFrame, metric: str) -> Floats:
    return table[metric].to_numpy(np.float64)


def list_changes(all_pairs: list[MetricPairs]) -> list[MetricChange]:
    """Return how each metric changed: by groups, in each the most important first.

    All intervals hold together: each has the confidence that Bonferroni's inequality asks for. Of
    two single runs there is no interval, and every difference is one of these runs.
    """
    confidence = 1.0 - (1.0 - CONFIDENCE) / max(1, len(all_pairs))
    changes = [_change(pairs, confidence) for pairs in all_pairs]
    order = list(GROUPS)
    return sorted(changes, key=lambda each: (order.index(each.group), -each.importance))


def _change(pairs: MetricPairs, confidence: float) -> MetricChange:
    metric, group = pairs.metric, group_of(pairs.metric)
    known = ~(np.isnan(pairs.old) | np.isnan(pairs.new))
    if not known.any():
        nothing = Estimate(nan, nan, nan, 0)
        return MetricChange(
            metric, group, _middle(pairs.old), _middle(pairs.new), nothing, nan, True
        )
    shared = MetricPairs(metric, pairs.old[known], pairs.new[known])
    difference = _center(shared.differences, confidence)
    old, new = _middle(shared.old), _middle(shared.new)
    relative = difference.value / abs(old) if old and isfinite(old) else nan
    return MetricChange(metric, group, old, new, difference, relative, _is_sure(shared, difference))


def _is_sure(pairs: MetricPairs, difference: Estimate) -> bool:
    if pairs.old.size == 1:
        return difference.value != 0.0
    return difference.low > 0.0 or difference.high < 0.0


def _middle(values: Floats) -> float:
    """Return the mean of values, or their median where one of them has no end; NaN: none is."""
    values = values[~np.isnan(values)]
    return _center(values, CONFIDENCE).value if values.size else nan


def group_of(metric: str) -> str:
    """Return the group that `simlib run` shows a metric in.

    Examples
    --------
    >>> group_of("time_to_recover_s_p95"), group_of("goodput_per_s")
    ('Getting back', 'Messages')
    """
    for group, metrics in GROUPS.items():
        if metric in metrics or metric.partition("_p")[0] in metrics:
            return group
    for start, group in _OTHER_GROUPS.items():
        if metric.startswith(start):
            return group
    if metric in OF_MESSAGES:
        return "Messages"
    return "The server" if metric in OF_SERVER else "What clients did"
