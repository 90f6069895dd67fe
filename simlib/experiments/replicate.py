"""Replications: one scenario under many seeds, and two under common random numbers.

A draw depends on its seed and address alone, so two scenarios with the same seed run under common
random numbers. Then their difference is known much better than either of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isfinite, nan

import numpy as np
import pandas as pd

from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.draws import SEED_LIMIT
from simlib.core.errors import SettingsError
from simlib.experiments.run_cache import Cell, play_cell
from simlib.metrics.array_types import Floats
from simlib.metrics.intervals import Estimate, quantile, t_interval
from simlib.metrics.meaning import check_metric
from simlib.metrics.words import format_number
from simlib.scenario.scenario import Scenario
from simlib.support.arguments import check_arguments
from simlib.support.progress import Progress, show_progress

#: Replications that a sequential stop begins with, and adds at a time; and the most by default.
_FIRST, _MORE, MOST = 10, 5, 1000
FEWEST_REPLICATIONS = 2
_MOST_REPLICATIONS = 1_000_000
#: Below this, a variance's gain from pairing may as well be luck.
_LITTLE_GAIN = 1.2


@dataclass(frozen=True, repr=False)
class Replications(ShowsCard):
    """One scenario under many seeds: a row of metrics for each."""

    scenario: Scenario
    on: str
    #: A row per replication, by its seed; the columns are those of `summary`.
    table: pd.DataFrame
    #: What a sequential stop said; empty without one.
    note: str = ""

    def values(self, metric: str) -> Floats:
        """Return a metric of each replication, in the order of the seeds."""
        return _numbers(self.table, metric)

    def mean(self, metric: str) -> Estimate:
        """Return the mean of a metric, with Student's interval.

        Examples
        --------
        >>> runs = replicate(Scenario(clients=3, duration_s=5), 3)
        >>> runs.mean("attempts").value
        3.0
        """
        return t_interval(self.values(metric))

    def quantile(self, metric: str, share: float) -> Estimate:
        """Return a quantile of a metric over the replications, with its bootstrap interval."""
        if not 0.0 < share < 1.0:
            raise SettingsError("share", share, "must be between 0 and 1")
        return quantile(self.values(metric), share)

    @property
    def means(self) -> pd.DataFrame:
        """A row per metric: its mean, and the interval of that."""
        names = [name for name in self.table.columns if name != "engine"]
        rows = {name: self.mean(name) for name in names}
        return pd.DataFrame.from_dict(
            {
                name: (estimate.value, estimate.low, estimate.high)
                for name, estimate in rows.items()
            },
            orient="index",
            columns=["mean", "low", "high"],
        )

    def card(self) -> Card:
        """Return what is shown: each metric's mean with its interval."""
        rows = tuple(
            (str(name), *(format_number(float(row[column])) for column in ("mean", "low", "high")))
            for name, row in self.means.iterrows()
        )
        played = count_in_words(len(self.table), "replication")
        title = f"{played} of {self.scenario.name} on {self.on}"
        heading = ("metric", "mean", "low", "high")
        return Card(title, rows, heading, (self.note, "low to high: 95 % interval of the mean"))


@dataclass(frozen=True, repr=False)
class Paired(ShowsCard):
    """Two scenarios under the same seeds: by how much a metric differs, and what pairing gained."""

    metric: str
    one: Replications
    other: Replications

    def of(self, metric: str) -> Paired:
        """Return the same runs compared by another metric: nothing is played again.

        Raises
        ------
        SettingsError
            If there is no such metric.

        Examples
        --------
        >>> calm = Scenario(clients=3, duration_s=5)
        >>> pair = paired(calm, calm.replace(clients=4), 3, metric="attempts")
        >>> pair.of("peak_attempts_per_s").difference.value
        1.0
        """
        check_metric("metric", metric)
        return replace(self, metric=metric)

    @cached_property
    def difference(self) -> Estimate:
        """The mean of other minus one, with the interval of the pairs' differences."""
        return t_interval(self._differences)

    @property
    def variance_gain(self) -> float:
        """How many times as many unpaired replications the same interval would take."""
        if not np.isfinite(self._differences).all():
            return nan
        paired = float(self._differences.var(ddof=1))
        # What the variance would be without common random numbers: of two independent runs it adds
        # up.
        apart = sum(float(run.values(self.metric).var(ddof=1)) for run in (self.one, self.other))
        return apart / paired if paired else (inf if apart else 1.0)

    @property
    def _differences(self) -> Floats:
        with np.errstate(invalid="ignore"):  # two that never end have no difference
            return self.other.values(self.metric) - self.one.values(self.metric)

    @property
    def in_words(self) -> str:
        """The difference in a sentence."""
        difference = self.difference
        pairs = count_in_words(difference.observations, "pair")
        if not isfinite(difference.value):
            endless = int((~np.isfinite(self._differences)).sum())
            return (
                f"{self.metric}: no mean difference, since it is not finite in {endless} of {pairs}"
            )
        one, other = self.one.scenario.name, self.other.scenario.name
        names = f"{other} minus {one}" if one != other else "the second minus the first"
        return (
            f"{self.metric}, {names}: {format_number(difference.value)} "
            f"({format_number(difference.low)} to {format_number(difference.high)}) "
            f"from {pairs}\ncommon random numbers: {self._gain}"
        )

    @property
    def _gain(self) -> str:
        """Say what pairing gained, as little as that may be."""
        gain = self.variance_gain
        if gain == inf:
            return "no variance at all, the difference is the same in every pair"
        if gain < _LITTLE_GAIN:
            return f"little gain here, variance {1.0 / gain:.3g} times the unpaired one"
        return f"variance {gain:.3g} times less than unpaired"

    def card(self) -> Card:
        """Return what is shown: the difference, and what pairing gained."""
        return Card(self.in_words)


def seeds(scenario: Scenario, count: int, first: int = 0) -> list[int]:
    """Return the seeds of so many replications; the first one's is the scenario's."""
    return [(scenario.seed + first + i) % SEED_LIMIT for i in range(count)]


@check_arguments
def replicate(
    scenario: Scenario,
    n: int | None = None,
    *,
    until: str | None = None,
    metric: str = "time_to_recover_s_p95",
    within: float = 0.05,
    most: int = MOST,
    on: str = "sim",
    progress: Progress | None = None,
) -> Replications:
    """Play a scenario under many seeds.

    Every run starts empty, so for numbers of the steady state (latency of a queue, availability
    without faults) and for a storm's peak, which the clients' own start may exceed, give the
    scenario a ``warm_up_s``; times to recover need none.

    Parameters
    ----------
    scenario : Scenario
        What to play; the first replication has its seed, the others the next ones.
    n : int, optional
        How many replications, at least 2; 30 by default.
    until : {"ci"}, optional
        In the place of n: go on until the 95 % interval of the metric's mean is narrow enough.
    metric : str
        The metric that decides, a column of `summary`.
    within : float
        With ``until``: half of the interval is at most this share of the mean.
    most : int
        With ``until``: stop after so many replications in any case; ``note`` says so.
    on : {"sim", "fleet"}
        The engine.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Replications
        A row of metrics for each seed, and means with 95 % intervals.

    Raises
    ------
    SettingsError
        If a number is out of range, or there is no such metric.

    Examples
    --------
    >>> storm = Scenario(clients=20, duration_s=20)
    >>> runs = replicate(storm, until="ci", metric="attempts", within=0.1)
    >>> runs.note
    'attempts is known within 0 % after 10 replications'
    """
    check_metric("metric", metric)
    if until is None:
        count = 30 if n is None else n
        _check_count("n", count, FEWEST_REPLICATIONS)
        with show_progress(progress, f"playing {scenario.name}") as move:
            return Replications(scenario, on, _play(scenario, count, 0, on, move, count))
    if until != "ci" or n is not None:
        raise SettingsError("until", until, 'must be "ci", in the place of n')
    if not 0.0 < within < inf:
        raise SettingsError("within", within, "must be a share of the mean, above 0")
    _check_count("most", most, _FIRST)
    with show_progress(progress, f"playing {scenario.name}") as move:
        table = _play(scenario, _FIRST, 0, on, move, most)
        while (off := _relative(t_interval(_numbers(table, metric)))) > within:
            if len(table) >= most:
                break
            count = min(_MORE, most - len(table))
            table = pd.concat([table, _play(scenario, count, len(table), on, move, most)])
    known = "is not known" if off == inf else f"is known within {100 * off:.3g} %"
    why = "" if off <= within else f", the most that was asked for ({100 * within:g} % was)"
    played = count_in_words(len(table), "replication")
    return Replications(scenario, on, table, f"{metric} {known} after {played}{why}")


@check_arguments
def paired(
    one: Scenario,
    other: Scenario,
    n: int = 30,
    *,
    metric: str = "time_to_recover_s_p95",
    on: str = "sim",
    progress: Progress | None = None,
) -> Paired:
    """Compare two scenarios under common random numbers.

    Both are played under the same seeds, those of the first, so random effects that they share
    cancel in the difference. The interval is that of a paired t-test.

    Parameters
    ----------
    one, other : Scenario
        What to compare.
    n : int
        Replications of each, at least 2.
    metric : str
        The metric that is compared, a column of `summary`.
    on : {"sim", "fleet"}
        The engine.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Paired
        The replications of both, and their difference with its 95 % interval. `Paired.of` compares
        the same runs by another metric.

    Raises
    ------
    SettingsError
        If there are too few replications, or there is no such metric.

    References
    ----------
    A. M. Law, Simulation Modeling and Analysis, 5th ed., 2015, sections 10.2 and 11.2.

    Examples
    --------
    >>> calm = Scenario(clients=3, duration_s=5)
    >>> paired(calm, calm.replace(clients=4), 3, metric="attempts").difference.value
    1.0
    """
    _check_count("n", n, FEWEST_REPLICATIONS)
    check_metric("metric", metric)
    # Draws have addresses (client, purpose, index), so under one seed both scenarios give a client
    # the same draws even where one of them asks for more: the random numbers are common, not just
    # of one seed.
    same = other.replace(seed=one.seed)
    with show_progress(progress, f"playing {one.name} and {other.name}") as move:
        first = _play(one, n, 0, on, lambda done: move(done / 2.0), n)
        second = _play(same, n, 0, on, lambda done: move(0.5 + done / 2.0), n)
    return Paired(metric, Replications(one, on, first), Replications(same, on, second))


def _check_count(key: str, count: int, fewest: int) -> None:
    if not fewest <= count <= _MOST_REPLICATIONS:
        rule = f"must be a whole number from {fewest} to {_MOST_REPLICATIONS:,}"
        raise SettingsError(key, count, rule)


def _play(
    scenario: Scenario, count: int, first: int, on: str, move: Progress, of: int
) -> pd.DataFrame:
    rows = []
    for i, seed in enumerate(seeds(scenario, count, first), first + 1):
        rows.append({"seed": seed, **play_cell(Cell(scenario.replace(seed=seed), on))})
        move(i / of)
    return pd.DataFrame(rows).set_index("seed")


def _numbers(table: pd.DataFrame, metric: str) -> Floats:
    check_metric("metric", metric)
    return table[metric].to_numpy(np.float64)


def _relative(estimate: Estimate) -> float:
    """Return half of an interval as a share of its middle."""
    half = (estimate.high - estimate.low) / 2.0
    if not isfinite(half):
        return inf
    return half / abs(estimate.value) if estimate.value else (0.0 if half == 0.0 else inf)
