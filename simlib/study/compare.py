"""One scenario in simulation and on real WebSockets: do they agree, metric by metric?

The simulated interval is a prediction interval for one more run: t-based over replications, and
so wide that all intervals together hold 99 % of the time if both worlds are the same. Beyond it
the live value may lie by a tolerance that stands for what the simulation leaves out: timers that
ring late, which is measured in the live run itself, and the work of real programs.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simlib.core.draws import SEED_LIMIT
from simlib.core.errors import Disagreement, SettingsError
from simlib.engines.target import Target
from simlib.run import run, run_live
from simlib.scenario import Scenario
from simlib.study.metrics import summary
from simlib.study.replay import Replay, replay
from simlib.trace import Trace

if TYPE_CHECKING:
    from simlib.engines.world import Process

#: Called with the fraction done and a word for what is being done.
Progress = Callable[[float, str], None]

#: All intervals together hold with this probability.
CONFIDENCE = 0.99
#: Beyond this, a machine's timers are too late to judge times.
TOO_LATE_S = 0.05
#: Work of real programs on one message's way that the simulation gives no time: measured as the
#: round trip through proxy and server with no modelled network, and doubled.
WORK_S = 0.005
_FEWEST_REPLICATIONS = 5


@dataclass(frozen=True, slots=True)
class Instrument:
    """How exact a live run's times are: measured in the run itself."""

    #: How late timers rang, in the middle and in the tail.
    late_p50_s: float
    late_p99_s: float
    #: When all clients act at the same moment, the last is served this much later than the first.
    turn_s: float

    @classmethod
    def of(cls, trace: Trace) -> Instrument:
        """Measure a trace; in virtual time nothing is late."""
        late_s = np.array(trace.late_s) if len(trace.late_s) else np.zeros(1)
        events = int((trace.frame()["kind"] == "event").sum())
        turn_s = trace.scenario.clients * trace.work_s / max(1, events)
        late_p50_s, late_p99_s = (float(q) for q in np.quantile(late_s, [0.5, 0.99]))
        return cls(late_p50_s, late_p99_s, turn_s)


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of the summary that is compared, and what difference is no disagreement."""

    name: str
    #: Timers between cause and effect; their lateness adds up. 0: not a time.
    hops: int = 0
    #: Times that all clients may act at the same moment between cause and effect.
    turns: int = 0
    #: Whether it is a tail, which the latest timers shape, or a middle.
    tail: bool = False
    #: What else may differ, in the metric's own unit, and as a share of the simulated value.
    absolute: float = 0.0
    relative: float = 0.0
    #: The column whose number one more or one less is allowed for, of a share of it.
    share_of: str = ""
    why: str = ""

    @property
    def unit(self) -> str:
        """The unit, read off the name."""
        for part, unit in _UNITS:
            if part in self.name:
                return unit
        return ""

    def tolerance(self, instrument: Instrument, value: float, numbers: pd.Series) -> float:
        """Return the tolerance beside a simulated value, given the live run and its numbers."""
        if self.hops:
            late_s = instrument.late_p99_s if self.tail else instrument.late_p50_s
            return WORK_S + self.hops * late_s + self.turns * instrument.turn_s
        one = 1.0 / max(1.0, float(numbers[self.share_of])) if self.share_of else 0.0
        return self.absolute + self.relative * abs(value) + one


_UNITS = (("_per_s", "1/s"), ("_fraction", "share"), ("_s_", "s"), ("_s", "s"))
_TIMERS = "timers ring late at each hop (measured), and programs take time"
_TURNS = "timers ring late, and one process serves all clients in turn (both measured)"
_EDGE = "an attempt at the very edge of a fault falls on either side"
_SHARE = "every transition is a few milliseconds late"
_END = "a message at the end of the run is just in time or not"

#: What is compared. On its way back a client makes two attempts or so, each a wake and an answer.
METRICS = (
    Metric("attempts", absolute=1.0, relative=0.02, why=_EDGE),
    Metric(
        "peak_attempts_per_s",
        absolute=2.0,
        relative=0.05,
        why="an attempt falls into the next second",
    ),
    Metric("amplification", absolute=0.1, relative=0.02, why=_EDGE),
    Metric("mean_wait_s", absolute=0.01, relative=0.02, why=_EDGE),
    Metric("mean_wait_fraction", absolute=0.01, why=_EDGE),
    Metric("time_to_detect_s_p50", hops=1, turns=1, why=_TURNS),
    Metric("time_to_recover_s_p50", hops=6, turns=4, why=_TURNS),
    Metric("time_to_recover_s_p95", hops=6, turns=4, tail=True, why=_TURNS),
    Metric("never_recovered", absolute=1.0, why=_EDGE),
    Metric("gave_up", absolute=1.0, why=_EDGE),
    Metric("availability_fraction", absolute=0.01, why=_SHARE),
    Metric("polling_fraction", absolute=0.01, why=_SHARE),
    Metric("breaker_open_fraction", absolute=0.01, why=_SHARE),
    Metric("round_trip_s_p50", hops=2, why=_TIMERS),
    Metric("latency_s_p50", hops=2, why=_TIMERS),
    Metric("latency_s_p95", hops=6, turns=4, tail=True, why=_TURNS),
    Metric("delivered_fraction", absolute=0.005, share_of="sent", why=_END),
    Metric("lost", absolute=1.0, relative=0.02, why="a message just meets a full outbox or not"),
    Metric(
        "duplicate_fraction",
        absolute=0.005,
        share_of="sent",
        why="an acknowledgement is just lost or not",
    ),
    Metric("goodput_per_s", absolute=0.1, relative=0.01, why=_END),
)


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    table : DataFrame
        A row per metric: simulated interval and median, live value, difference, tolerance and
        why it is that, verdict (agree, disagree, too little data).
    replay : Replay
        The decision replay of the live run.
    simulated : list of Trace
        The replications; the first has the live run's seed.
    live : Trace
        The live run.
    """

    table: pd.DataFrame
    replay: Replay
    simulated: list[Trace]
    live: Trace

    @property
    def agreed(self) -> bool:
        """Whether no metric disagrees and every decision was the same."""
        return self.replay.agreed and not self.disagreements

    @property
    def disagreements(self) -> list[str]:
        """The metrics that disagree."""
        return list(self.table.loc[self.table["verdict"] == "disagree", "metric"])

    def require_agreement(self) -> None:
        """Raise `Disagreement`, naming the metrics, unless both worlds agree."""
        if not self.agreed:
            named = ", ".join(self.disagreements) or self.replay.first
            raise Disagreement(f"simulation and live run disagree on {named}")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict, the replay and the table as plain values; NaN becomes None."""
        rows = self.table.to_dict(orient="records")
        return {
            "scenario": self.live.scenario.name,
            "agreed": self.agreed,
            "replications": len(self.simulated),
            "replay": {
                "matched": self.replay.matched,
                "total": self.replay.total,
                "first": self.replay.first,
            },
            "metrics": [{key: _plain(value) for key, value in row.items()} for row in rows],
        }

    def __str__(self) -> str:
        word = "agree" if self.agreed else "disagree"
        shown = self.table.drop(columns="why").to_string(index=False, float_format="{:.4g}".format)
        return f"Simulation and live run {word}.\n{shown}\nReplay: {self.replay}"

    def _repr_html_(self) -> str:
        colours = {"agree": "#0072b2", "disagree": "#d55e00", "too little data": "#777777"}
        styled = (
            self.table.drop(columns=["sim_median", "why"])
            .style.hide(axis="index")
            .format("{:.3g}", subset=["sim_low", "sim_high", "live", "difference", "tolerance"])
            .map(lambda word: f"color: {colours[word]}; font-weight: bold", subset=["verdict"])
        )
        word = "agree" if self.agreed else "disagree"
        headline = f"<b>Simulation and live run {word}.</b> Replay: {self.replay}."
        reasons = "".join(
            f"<li>{why}: {', '.join(group['metric'])}</li>"
            for why, group in self.table.groupby("why", sort=False)
        )
        return f"<p>{headline}</p>{styled.to_html()}<p>Why these tolerances:</p><ul>{reasons}</ul>"


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
    return compare_traces(simulated, live)


async def compare_live(
    scenario: Scenario,
    replications: int = 20,
    *,
    processes: Sequence[Process] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Do what `compare` does where an event loop runs already, as in a notebook.

    Examples
    --------
    >>> comparison = await sl.compare_live(scenario)  # doctest: +SKIP
    """
    tell = progress or _silent
    simulated = await asyncio.to_thread(_replicate, scenario, replications, processes, tell)
    live = await run_live(scenario, processes=processes, progress=_live_part(tell))
    return compare_traces(simulated, live)


def compare_traces(simulated: Sequence[Trace], live: Trace) -> Comparison:
    """Compare simulated replications with one live run.

    Examples
    --------
    >>> import simlib as sl
    >>> scenario = sl.Scenario(clients=5, duration_s=5, faults=[sl.Fault("reset", start_s=2)])
    >>> runs = [sl.run(scenario.replace(seed=seed)) for seed in range(6)]
    >>> compare_traces(runs[:5], runs[5]).disagreements
    []
    """
    instrument = Instrument.of(live)
    # Both are judged by what was simulated: by its ceilings, its faults.
    judged = copy.copy(live)
    judged.scenario = simulated[0].scenario
    sims, numbers = summary(list(simulated)), summary(judged).iloc[0]
    rows = [_row(metric, sims[metric.name], numbers, instrument) for metric in METRICS]
    return Comparison(pd.DataFrame(rows), replay(live), list(simulated), live)


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


def _live_part(tell: Progress) -> Callable[[float], None]:
    return lambda fraction: tell(0.3 + 0.7 * fraction, "playing live")


def _silent(fraction: float, word: str) -> None:
    """Say nothing."""


def _row(
    metric: Metric, sims: pd.Series, numbers: pd.Series, instrument: Instrument
) -> dict[str, Any]:
    low, high = _interval(sims, metric)
    live, median = float(numbers[metric.name]), float(sims.median())
    tolerance = metric.tolerance(instrument, median, numbers)
    verdict, why = "agree", metric.why
    if math.isnan(live) or math.isnan(low):
        verdict = "too little data"
    elif metric.hops and instrument.late_p99_s > TOO_LATE_S:
        verdict = "too little data"
        why = f"timers rang {instrument.late_p99_s:.3f} s late: the machine was too busy"
    elif not low - tolerance <= live <= high + tolerance:
        verdict = "disagree"
    return {
        "metric": metric.name,
        "unit": metric.unit,
        "sim_low": low,
        "sim_median": median,
        "sim_high": high,
        "live": live,
        "difference": live - median,
        "tolerance": tolerance,
        "why": why,
        "verdict": verdict,
    }


def _interval(sims: pd.Series, metric: Metric) -> tuple[float, float]:
    """Return the prediction interval for one more run (Student's t; Bonferroni over metrics)."""
    from scipy import stats

    values = sims.to_numpy(dtype=float)
    n = len(values)
    if n < _FEWEST_REPLICATIONS or not np.isfinite(values).all():
        return math.nan, math.nan
    quantile = stats.t.ppf(1.0 - (1.0 - CONFIDENCE) / (2 * len(METRICS)), n - 1)
    half = float(quantile * values.std(ddof=1) * math.sqrt(1.0 + 1.0 / n))
    highest = 1.0 if metric.name.endswith("_fraction") else math.inf
    return max(0.0, values.mean() - half), min(highest, values.mean() + half)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
