"""Do simulation and live run agree, metric by metric?

The simulated interval is a prediction interval for one more run: t-based over replications, and
so wide that all intervals together hold 99 % of the time if both worlds are the same. The live
value may lie outside it by a tolerance, for what the simulation leaves out: late timers, which
are measured in the live run itself, and the work of real programs.

A row that would disagree is judged a second time, beside simulated runs whose timers are as late
as the live ones were: so lateness is allowed for in every metric, in the way that it acts on it.
If the machine was so busy that even this may not be enough, the row has too little data.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simlib.api import run, run_live
from simlib.core.card import Card, ShowsCard
from simlib.core.draws import SEED_LIMIT
from simlib.core.errors import Disagreement, SettingsError
from simlib.engines.live.target import Target
from simlib.metrics.lateness import Lateness, play_as_late
from simlib.metrics.meaning import OF_SERVER
from simlib.metrics.metrics import summary
from simlib.metrics.words import table_card
from simlib.scenario.origin import describe_origin
from simlib.scenario.scenario import Scenario
from simlib.studies.compare.replay import Replay, replay
from simlib.studies.compare.tolerances import COMPARED_METRICS, Metric
from simlib.support.arguments import check_arguments
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY, current_command
from simlib.support.progress import Progress
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    from simlib.engines.world import Process

#: The joint confidence level of all intervals.
JOINT_CONFIDENCE = 0.99
#: The verdict on a live run of a machine that was too busy.
NOT_JUDGED = "could not be judged"
#: What two columns of the table mean.
COLUMNS_MEAN = (
    "A metric agrees if the live value lies outside the simulated interval by no more than allowed."
)
_SHOWN = ["metric", "unit", "sim_low", "sim_high", "live", "outside", "tolerance", "verdict"]
_SHOWN_AS = {"tolerance": "allowed"}
_FEWEST_REPLICATIONS = 5
_AS_LATE = "simulated again, with timers as late as the live ones were at the same moments"
_BY_NAME = {metric.name: metric for metric in COMPARED_METRICS}


@dataclass(frozen=True, repr=False)
class Comparison(ShowsCard):
    """The result of `compare`.

    Attributes
    ----------
    table : DataFrame
        A row per metric: ends and median of the simulated interval, live value, its difference
        from the median, how far it lies outside the interval, how far it may (the tolerance)
        and why that far; and the verdict: agree, disagree or too little data.
    replay : Replay
        The decision replay of the live run.
    simulated : list of Trace
        The replications; the first has the live run's seed.
    live : Trace
        The live run.
    lateness : Lateness
        How late the live run was.
    made_by : str
        The command, or the call in Python, that made it.
    """

    table: pd.DataFrame
    replay: Replay
    simulated: list[Trace]
    live: Trace
    lateness: Lateness
    made_by: str = field(default_factory=current_command)

    @property
    def verdict(self) -> str:
        """One word for all: agree, disagree, or could not be judged."""
        if self.disagreements or not self.replay.agreed:
            return "disagree"
        return NOT_JUDGED if self.not_judged else "agree"

    @property
    def agreed(self) -> bool:
        """Whether every metric that has data agrees and every decision was the same."""
        return self.verdict == "agree"

    @property
    def disagreed(self) -> bool:
        """Whether a metric disagrees or a decision was another; of a busy machine, not judged."""
        return self.verdict == "disagree"

    @property
    def disagreements(self) -> list[str]:
        """The metrics that disagree."""
        return list(self.table.loc[self.table["verdict"] == "disagree", "metric"])

    @property
    def not_judged(self) -> list[str]:
        """The metrics that have data, but of a machine that was too busy."""
        table = self.table
        has_data = np.isfinite(table["live"]) & table["sim_low"].notna()
        return list(table.loc[has_data & (table["verdict"] == "too little data"), "metric"])

    @property
    def headline(self) -> str:
        """The verdict as a sentence, with the metrics or the reason."""
        if self.verdict == NOT_JUDGED:
            return f"Whether simulation and live run agree {NOT_JUDGED}: {self.lateness.in_words}."
        if self.disagreements:
            return f"Simulation and live run disagree on {', '.join(self.disagreements)}."
        if self.disagreed:
            return (
                "Simulation and live run disagree: fed the same events, a client decided otherwise."
            )
        return "Simulation and live run agree."

    def require_agreement(self) -> None:
        """Raise `Disagreement`, naming the metrics, if simulation and live run disagree.

        A run that could not be judged passes: its machine was too busy, which is no fault of
        either side. Ask for ``agreed`` where that is not enough.
        """
        if self.disagreed:
            named = ", ".join(self.disagreements) or self.replay.first
            raise Disagreement(f"simulation and live run disagree on {named}")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict, the replay and the table as values for JSON."""
        document = {
            "scenario": self.live.scenario.name,
            "verdict": self.verdict,
            "agreed": self.agreed,
            "not_judged": self.not_judged,
            "timers_late_s": {
                "p50": self.lateness.p50_s,
                "p99": self.lateness.p99_s,
                "longest": self.lateness.longest_s,
            },
            "replications": len(self.simulated),
            "replay": {
                "matched": self.replay.matched,
                "total": self.replay.total,
                "first": self.replay.first,
            },
            "metrics": self.table,
            KEY: describe_origin(self.made_by, self.live.scenario),
        }
        return dict(jsonable(document))

    def card(self) -> Card:
        """Return what is shown: headline, each metric's verdict, why so much is allowed."""
        table = self.table[_SHOWN].rename(columns=_SHOWN_AS)
        reasons = [
            f"{why}: {', '.join(group['metric'])}"
            for why, group in self.table.groupby("why", sort=False)
        ]
        notes = (f"Replay: {self.replay}.", COLUMNS_MEAN, "Why so much is allowed:", *reasons)
        return table_card(self.headline, table, notes)


@check_arguments
def compare(
    scenario: Scenario,
    replications: int = 20,
    *,
    processes: Sequence[Process] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Play a scenario in simulation and on real WebSockets, and compare.

    Parameters
    ----------
    scenario : Scenario
        What to play. The live run takes its ``duration_s`` on the wall clock.
    replications : int
        Simulated runs, at least 5; each has a seed of its own, the first the live run's.
    processes : sequence of callable, optional
        The user's own SimPy processes, as in `run`.
    progress : callable, optional
        Called with the fraction done and a word.

    Returns
    -------
    Comparison
        The agreement table, the decision replay and all traces.

    Raises
    ------
    SettingsError
        If there are fewer than 5 replications, or the live engine cannot play the scenario.

    Examples
    --------
    >>> import simlib as sl
    >>> scenario = sl.Scenario(clients=5, duration_s=2, faults=[sl.Fault("reset", start_s=1)])
    >>> sl.compare(scenario, replications=5).replay.agreed
    True
    """
    tell = progress or _silent
    simulated = _replicate(scenario, replications, processes, tell)
    live = run(scenario, "live", processes=processes, progress=_live_part(tell))
    tell(1.0, "comparing")
    return compare_traces(simulated, live, processes)


@check_arguments
async def compare_live(
    scenario: Scenario,
    replications: int = 20,
    *,
    processes: Sequence[Process] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Compare simulation and live run where an event loop runs already, as in a notebook.

    Parameters
    ----------
    scenario, replications, processes, progress
        As `compare` takes them.

    Returns
    -------
    Comparison
        The agreement table, the decision replay and all traces.

    Raises
    ------
    SettingsError
        If there are fewer than 5 replications, or the live engine cannot play the scenario.

    Examples
    --------
    >>> comparison = await sl.compare_live(scenario)  # doctest: +SKIP
    """
    tell = progress or _silent
    simulated = await asyncio.to_thread(_replicate, scenario, replications, processes, tell)
    live = await run_live(scenario, processes=processes, progress=_live_part(tell))
    tell(1.0, "comparing")
    return await asyncio.to_thread(compare_traces, simulated, live, processes)


def compare_played(
    live: Trace, replications: int = 20, progress: Progress | None = None
) -> Comparison:
    """Compare a live run that was played already with simulated runs of its scenario.

    Of a run that was stopped, what was played is compared.

    Examples
    --------
    >>> import simlib as sl
    >>> scenario = sl.Scenario(clients=5, duration_s=5, faults=[sl.Fault("reset", start_s=2)])
    >>> compare_played(sl.run(scenario), replications=5).disagreements
    []
    """
    played = live
    if live.partial:
        played = copy.copy(live)
        played.scenario = _cut(live.scenario, live.end_s)
    return compare_traces(
        _replicate(played.scenario, replications, (), progress or _silent), played
    )


def compare_traces(
    simulated: Sequence[Trace], live: Trace, processes: Sequence[Process] = ()
) -> Comparison:
    """Compare simulated replications with one live run, both played with the same processes.

    Examples
    --------
    >>> import simlib as sl
    >>> scenario = sl.Scenario(clients=5, duration_s=5, faults=[sl.Fault("reset", start_s=2)])
    >>> runs = [sl.run(scenario.replace(seed=seed)) for seed in range(6)]
    >>> compare_traces(runs[:5], runs[5]).disagreements
    []
    """
    lateness = Lateness.of(live)
    # Both are judged by what was simulated: by its ceilings, its faults.
    judged = copy.copy(live)
    judged.scenario = simulated[0].scenario
    sims, numbers = summary(list(simulated)), summary(judged).iloc[0]
    rows = [
        _row(metric, sims, numbers, lateness)
        for metric in COMPARED_METRICS
        if metric.name not in OF_SERVER or _has_any(metric.name, sims, numbers)
    ]
    # Played again only if something would disagree: it costs another set of runs. Lateness may
    # excuse a disagreement, and never takes an agreement away.
    if lateness.longest_s and any(row["verdict"] == "disagree" for row in rows):
        late = None
        if not lateness.hides_times:
            late = summary(play_as_late(simulated, live, processes))
        rows = [_judge_again(row, late, lateness) for row in rows]
    return Comparison(pd.DataFrame(rows), replay(live), list(simulated), live, lateness)


def _replicate(
    scenario: Scenario, replications: int, processes: Sequence[Process], tell: Progress
) -> list[Trace]:
    if replications < _FEWEST_REPLICATIONS:
        rule = f"must be at least {_FEWEST_REPLICATIONS}: fewer give no interval"
        raise SettingsError("replications", replications, rule)
    # What a live run cannot play is refused before anything is simulated.
    Target().fit(scenario)
    traces = []
    for i in range(replications):
        tell(0.3 * i / replications, f"simulating, replication {i + 1} of {replications}")
        seed = (scenario.seed + i) % SEED_LIMIT
        traces.append(run(scenario.replace(seed=seed), processes=processes))
    return traces


def _cut(scenario: Scenario, end_s: float) -> Scenario:
    """Return a scenario that ends at a moment; what would begin after it is left out.

    Raises
    ------
    SettingsError
        If it ends before the clients have started, or before its warm-up is over.
    """
    starts = {
        name: [entry for entry in getattr(scenario, name) if entry.start_s < end_s]
        for name in ("faults", "hints")
    }
    return scenario.replace(duration_s=end_s, **starts)


def _live_part(tell: Progress) -> Callable[[float], None]:
    return lambda fraction: tell(0.3 + 0.7 * fraction, "playing live")


def _silent(fraction: float, word: str) -> None:
    """Report nothing."""


def _has_any(metric: str, sims: pd.DataFrame, numbers: pd.Series) -> bool:
    """Whether there is any data on a metric: on the server there is none if it has no limits."""
    return bool(sims[metric].notna().any() or np.isfinite(float(numbers[metric])))


def _row(
    metric: Metric, sims: pd.DataFrame, numbers: pd.Series, lateness: Lateness
) -> dict[str, Any]:
    low, high = _interval(sims[metric.name], metric)
    live, median = float(numbers[metric.name]), float(sims[metric.name].median())
    # The distance to the interval, not to its middle: the tolerance pays for what the simulation
    # leaves out, and chance has its room already.
    outside = max(0.0, low - live, live - high)
    tolerance = metric.tolerance(lateness, median, numbers)
    row = {
        "metric": metric.name,
        "unit": metric.unit,
        "sim_low": low,
        "sim_median": median,
        "sim_high": high,
        "live": live,
        "difference": live - median,
        "outside": outside,
        "tolerance": tolerance,
        "why": metric.why,
    }
    # A time without end says that somebody was not back by the end of the run. Whether that may be
    # is for `never_recovered` to say, which counts how many; so also if it was so in simulation.
    if not math.isfinite(live) or math.isnan(low):
        return row | {"outside": math.nan, "verdict": "too little data"}
    if metric.hops and lateness.hides_times:
        return row | _not_judged(lateness)
    return row | {"verdict": "agree" if outside <= tolerance else "disagree"}


def _judge_again(
    row: dict[str, Any], late: pd.DataFrame | None, lateness: Lateness
) -> dict[str, Any]:
    """Judge a row that would disagree beside simulated runs that are as late as the live one.

    Without them, if they have no interval, or after a long standstill, lateness may have done
    anything.
    """
    if row["verdict"] != "disagree":
        return row
    low = high = math.nan
    if late is not None:
        low, high = _interval(late[row["metric"]], _BY_NAME[row["metric"]])
    if math.isnan(low):
        return row | _not_judged(lateness)
    # Only as far as lateness moves the end on whose side the live value lies.
    moved = row["sim_low"] - low if row["live"] < row["sim_low"] else high - row["sim_high"]
    tolerance = row["tolerance"] + max(0.0, moved)
    if row["outside"] <= tolerance:
        return row | {"tolerance": tolerance, "why": _AS_LATE, "verdict": "agree"}
    return row | {"tolerance": tolerance} | (_not_judged(lateness) if lateness.is_too_late else {})


def _not_judged(lateness: Lateness) -> dict[str, Any]:
    why = f"{lateness.in_words}: the machine was too busy"
    return {"why": why, "verdict": "too little data"}


def _interval(sims: pd.Series, metric: Metric) -> tuple[float, float]:
    """Return the prediction interval for one more run (Student's t; Bonferroni over metrics)."""
    from scipy.special import stdtrit

    values = sims.to_numpy(dtype=float)
    n = len(values)
    if n < _FEWEST_REPLICATIONS or not np.isfinite(values).all():
        return math.nan, math.nan
    # Bonferroni: each of m metrics gets an m-th of the allowed error, split on two sides; so all
    # intervals hold together with `JOINT_CONFIDENCE`, however the metrics depend on each other.
    quantile = stdtrit(n - 1, 1.0 - (1.0 - JOINT_CONFIDENCE) / (2 * len(COMPARED_METRICS)))
    # The 1 under the root is the scatter of the one live run, 1/n that of the mean of the simulated
    # ones: a prediction interval, wider than a confidence interval, which would be of the mean
    # alone.
    half = float(quantile * values.std(ddof=1) * math.sqrt(1.0 + 1.0 / n))
    return max(0.0, values.mean() - half), min(metric.highest, values.mean() + half)
