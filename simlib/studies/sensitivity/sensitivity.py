"""Sensitivity analysis: the share of a metric's variance that each setting explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from simlib.core.card import Card, ShowsCard
from simlib.core.errors import SettingsError, SimlibError
from simlib.experiments.engine_choice import choose_engine
from simlib.experiments.objectives import OBJECTIVES
from simlib.experiments.pool import Outcomes, open_pool
from simlib.experiments.replicate import seeds
from simlib.experiments.run_cache import Cell, RunCache, open_run_cache, play_cells
from simlib.experiments.space import POLICY, Axis, axes
from simlib.experiments.sweep import MOST_CELLS
from simlib.metrics.array_types import Floats
from simlib.metrics.connecting import AVAILABLE, nobody_connects
from simlib.metrics.meaning import OF_MESSAGES, check_metric
from simlib.metrics.words import table_card
from simlib.scenario.scenario import Scenario
from simlib.studies.sensitivity.design_points import Points, check_corners, points
from simlib.studies.sensitivity.sobol import check_samples, indices, varies
from simlib.support.arguments import accept_old_name, check_arguments
from simlib.support.files import replacing
from simlib.support.json_values import jsonable
from simlib.support.progress import Progress, show_progress
from simlib.trace.disruptions import interrupting

#: Less luck than this share of a variance is not worth a word.
_LITTLE = 0.05


@dataclass(frozen=True, repr=False)
class Sensitivity(ShowsCard):
    """Which setting decides a metric, as Sobol's indices; prints itself as a table.

    Attributes
    ----------
    scenario : Scenario
        The scenario as given.
    axes : tuple of Axis
        What was varied.
    on : str
        The engine that played.
    metrics : tuple of str
        What the settings are asked about.
    replications : int
        Seeds of each point.
    table : DataFrame
        A row per metric and setting, ``metric`` and ``key``, those that matter most first:
        ``first``, the share of the variance that the setting explains alone, and ``total``, the
        share it has a part in, alone or with others; each with its 95 % interval, as
        ``first_low``, ``first_high``, ``total_low``, ``total_high``. These are estimates, so few
        samples may put them below 0 or above 1. NaN: no variance at all.
    points : DataFrame
        A row per point: the settings; of each metric the mean over the seeds, NaN if a run
        failed; ``endless``, how many of its runs had a time that never came.
    failures : DataFrame
        A row per run that failed: the settings, ``seed``, ``failure``.
    resumed : int
        How many runs had been finished before, and were not played again.
    note : str
        What else there is to say.
    """

    scenario: Scenario
    axes: tuple[Axis, ...]
    on: str
    metrics: tuple[str, ...]
    replications: int
    table: pd.DataFrame
    points: pd.DataFrame
    failures: pd.DataFrame
    resumed: int = 0
    note: str = ""

    @property
    def samples(self) -> int:
        """How many samples there are, each of as many points as there are axes, and two."""
        return len(self.points) // (len(self.axes) + 2)

    @property
    def size(self) -> str:
        """How much was played, in words."""
        seeds_ = "1 seed" if self.replications == 1 else f"{self.replications} seeds"
        return f"{len(self.points):,} points, {seeds_} each"

    @property
    def headline(self) -> str:
        """The main results, a sentence per metric."""
        return " ".join(_sentence(self.of(metric)) for metric in self.metrics)

    def of(self, metric: str) -> pd.DataFrame:
        """Return the rows of one metric, the setting that matters most first."""
        return self.table[self.table["metric"] == metric]

    def save(self, folder: str | Path) -> None:
        """Write the points to ``points.parquet`` in a folder, atomically."""
        with replacing(Path(folder) / "points.parquet") as temporary:
            self.points.to_parquet(temporary)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the points as values for JSON."""
        document = {
            "scenario": self.scenario.name,
            "clients": self.scenario.clients,
            "seed": self.scenario.seed,
            "engine": self.on,
            "samples": self.samples,
            "points": len(self.points),
            "replications": self.replications,
            "space": {axis.key: axis.in_words for axis in self.axes},
            "headline": self.headline,
            "table": self.table,
            "failures": self.failures,
            "note": self.note,
        }
        return dict(jsonable(document))

    def card(self) -> Card:
        """Return what is shown: which setting decides what, with intervals."""
        title = f"Sensitivity of {self.scenario.name} on {self.on}: {self.size}"
        return table_card(title, self.table, (self.headline, self.note))


@accept_old_name("client", "scheduler")
@check_arguments
def sensitivity(
    scenario: Scenario,
    space: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = OBJECTIVES,
    *,
    samples: int = 64,
    replications: int = 3,
    on: str | None = None,
    workers: int | None = None,
    scheduler: Any = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Sensitivity:
    """Find which settings decide a metric: Sobol's indices over a space of settings.

    Every point of the space is played under the same seeds, so a metric at a point, the mean over
    them, depends on the settings and on nothing else, and its variance over the space can be
    shared out. What luck is left in the mean of few seeds looks like the settings' working
    together, and makes totals larger; the note says how much it is, if it is much.

    A time that never comes has no place in a variance. It counts as the time that the run went on
    after its last fault: the least that it can be, as it was longer; so what makes clients never
    come back matters more than is told. The note says at how many points that was so; a longer
    run has fewer of them. Where nobody connects, a time never comes either, and all attempts were
    made for nothing.

    Parameters
    ----------
    scenario : Scenario
        What is varied.
    space : mapping, optional
        By setting: a tuple of two numbers is a range, a list holds choices, each as likely as the
        others. By default the reconnect policy, `simlib.experiments.space.POLICY`. An answer is
        one for its space: what varies little cannot matter much. Every value of a setting must go
        with every value of the others, as the shares add up for settings that vary independently;
        to push those that do not to what can be would have one setting decide another's value.
    metrics : sequence of str
        Columns of `summary`.
    samples : int
        A power of two; there are as many points for each as there are axes, and two more.
    replications : int
        Runs of each point, under the seeds that follow the scenario's.
    on : {"fleet", "sim"}, optional
        The engine; by default the fleet if it can play all points, and sim otherwise.
    workers : int, optional
        So many processes; by default one per processor, 1: this one alone.
    scheduler : str or distributed.Client, optional
        A Dask scheduler's address, or a client connected to one, instead.
    folder : path, optional
        Where finished runs are kept, so that what was killed goes on; and the points are written.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Sensitivity
        The indices, the same to the bit wherever the runs are played. Of a run that failed the
        whole sample is left out.

    Raises
    ------
    SettingsError
        If the space names what cannot be, or a metric has no data.
    SimlibError
        If SALib is not there, or too few runs succeeded.

    Notes
    -----
    The indices are those of Saltelli et al. (2010), "Variance based sensitivity analysis of model
    output", Computer Physics Communications 181, as SALib estimates them.

    Examples
    --------
    >>> import simlib as sl
    >>> base = sl.Scenario(duration_s=2)
    >>> space = {"clients": (1, 8), "client.backoff.cap_s": (5, 60)}
    >>> found = sl.sensitivity(base, space, ["attempts"], samples=16, replications=1, workers=1)
    >>> found.table[["key", "total"]].round(2).values.tolist()
    [['clients', 1.0], ['client.backoff.cap_s', 0.0]]
    """
    varied = _check_space(scenario, POLICY if space is None else space)
    _check_numbers(metrics, samples, replications, len(varied))
    design = points(scenario, varied, samples)
    engine, why = choose_engine(on, design.scenarios, metrics)
    luck = seeds(scenario, replications)
    cells = [Cell(one.replace(seed=seed), engine) for one in design.scenarios for seed in luck]
    with (
        open_run_cache(folder) as store,
        open_pool(workers, scheduler) as outcomes,
        show_progress(progress, "playing") as moved,
    ):
        rows, failures, resumed = _play(cells, metrics, outcomes, store, moved)
        kept_note = "" if store is None else store.note
    if len(failures) == len(cells):
        raise SimlibError(f"all {len(cells)} runs failed, the first with {failures[0]}")
    known = _Known(design, tuple(dict.fromkeys(metrics)), _numbers(rows, cells, metrics, luck))
    dead = _of_dead(rows, cells)
    found = Sensitivity(
        scenario,
        varied,
        engine,
        known.metrics,
        replications,
        known.table(scenario.seed),
        known.points(),
        pd.DataFrame([_failure(design, cells, i, why_not) for i, why_not in failures.items()]),
        resumed,
        " ".join(filter(None, [why, dead, *known.notes(), kept_note])),
    )
    if folder is not None:
        found.save(folder)
    return found


# --- the question ------------------------------------------------------------------------


def _check_space(scenario: Scenario, space: Mapping[str, Any]) -> tuple[Axis, ...]:
    varied = axes(scenario, space)
    for axis in varied:
        if len(axis.choices) == 1:
            rule = "must have another choice: what never varies decides nothing"
            raise SettingsError(f"space {axis.key}", list(axis.choices), rule)
    check_corners(scenario, varied)
    return varied


def _check_numbers(metrics: Sequence[str], samples: int, replications: int, count: int) -> None:
    if isinstance(metrics, str) or not metrics:
        raise SettingsError("metrics", metrics, "must be a list of at least one metric")
    for metric in metrics:
        check_metric("metrics", metric)
    check_samples(samples)
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 1:
        raise SettingsError("replications", replications, "must be a whole number from 1")
    runs = samples * (count + 2) * replications
    if runs > MOST_CELLS:
        raise SettingsError("samples", samples, f"makes {runs:,} runs, more than {MOST_CELLS:,}")


# --- runs --------------------------------------------------------------------------------


def _play(
    cells: Sequence[Cell],
    metrics: Sequence[str],
    outcomes: Outcomes,
    store: RunCache | None,
    moved: Progress,
) -> tuple[dict[int, dict[str, Any]], dict[int, str], int]:
    """Play the first cell, and all others only if there are numbers in it."""
    rows, failures, resumed = play_cells(cells[:1], outcomes, store)
    _check_data(rows, cells, metrics)
    others, more, again = play_cells(cells[1:], outcomes, store, moved)
    rows |= {i + 1: row for i, row in others.items()}
    failures |= {i + 1: why for i, why in more.items()}
    _check_data(rows, cells, metrics)
    dead = [i for i, row in rows.items() if nobody_connects(row[AVAILABLE], cells[i].scenario)]
    if rows and len(dead) == len(rows):
        raise SimlibError(
            f"no client connects in any of {len(rows):,} runs, so no setting of the space decides "
            "anything: see client.connect_timeout_s and the server's limits"
        )
    return rows, failures, resumed + again


def _check_data(
    rows: Mapping[int, Mapping[str, Any]], cells: Sequence[Cell], metrics: Sequence[str]
) -> None:
    for metric in metrics:
        empty = [i for i, row in rows.items() if isnan(_number(row, metric, cells[i].scenario))]
        if empty:
            cell = cells[empty[0]]
            rule = f"has no data in {cell.scenario.name} on {cell.on}"
            if len(empty) < len(rows):
                rule += f", in {len(empty):,} of {len(rows):,} runs"
            raise SettingsError("metrics", metric, rule)


def _number(row: Mapping[str, Any], metric: str, scenario: Scenario) -> float:
    """Return a metric of a run; the worst value where nobody connects and it has none.

    All attempts in vain are as if one connection had been of use.
    """
    value = float(row[metric])
    if metric == "amplification" and value == inf:
        return float(row["attempts"])
    if not isnan(value) or not nobody_connects(row[AVAILABLE], scenario):
        return value
    if metric in OF_MESSAGES and not row["sent"] > 0.0:
        return value
    is_time = "_s_p" in metric or (metric.endswith("_s") and not metric.endswith("_per_s"))
    return inf if is_time else nan


def _numbers(
    rows: Mapping[int, Mapping[str, Any]],
    cells: Sequence[Cell],
    metrics: Sequence[str],
    luck: Sequence[int],
) -> Floats:
    """Return metric x scenario x seed; NaN where a run failed."""
    names = list(dict.fromkeys(metrics))
    found = np.full((len(names), len(cells)), np.nan)
    for i, row in rows.items():
        found[:, i] = [_number(row, name, cells[i].scenario) for name in names]
    return found.reshape(len(names), -1, len(luck))


def _of_dead(rows: Mapping[int, Mapping[str, Any]], cells: Sequence[Cell]) -> str:
    """Say in how many runs nobody connects: their numbers are of clients that are kept out."""
    dead = sum(nobody_connects(row[AVAILABLE], cells[i].scenario) for i, row in rows.items())
    if not dead:
        return ""
    return (
        f"In {dead:,} of {len(rows):,} runs no client ever connects: to be easy on the server is "
        "no merit there, and a narrower space leaves such settings out."
    )


def _failure(design: Points, cells: Sequence[Cell], i: int, why: str) -> dict[str, Any]:
    point = design.which.index(i * len(design.scenarios) // len(cells))
    return {**design.values[point], "seed": cells[i].scenario.seed, "failure": why}


# --- the answer --------------------------------------------------------------------------


class _Known:
    """The results at the points, and the indices that follow from them."""

    def __init__(self, design: Points, metrics: tuple[str, ...], numbers: Floats) -> None:
        self._design, self.metrics = design, metrics
        least_s = np.array([_went_on_s(scenario) for scenario in design.scenarios])
        endless = numbers == inf
        of_points = design.which
        #: Metric x point x seed.
        self._endless = endless[:, of_points]
        self._numbers = np.where(endless, least_s[:, None], numbers)[:, of_points]
        failed = np.isnan(self._numbers).any(axis=(0, 2))
        size = len(design.keys) + 2
        self._samples = len(of_points) // size
        whole = ~failed.reshape(-1, size).any(axis=1)
        self._left_out = int((~whole).sum())
        self._used = np.repeat(whole, size)
        if whole.sum() < 2:
            said = f"runs failed in {self._left_out} of {self._samples} samples: too few are left"
            raise SimlibError(said)

    def points(self) -> pd.DataFrame:
        """Return a row per point."""
        means = dict(zip(self.metrics, self._numbers.mean(axis=2), strict=True))
        endless = self._endless.any(axis=0).sum(axis=1)
        return pd.DataFrame(self._design.values).assign(**means, endless=endless)

    def table(self, seed: int) -> pd.DataFrame:
        """Return a row per metric and axis."""
        keys, parts = self._design.keys, []
        for metric, numbers in zip(self.metrics, self._numbers, strict=True):
            found = indices(keys, numbers.mean(axis=1)[self._used], seed)
            part = pd.DataFrame(found).assign(metric=metric, key=keys)
            parts.append(part.sort_values("total", ascending=False, kind="stable"))
        table = pd.concat(parts, ignore_index=True)
        return table[["metric", "key", *(c for c in table.columns if c not in ("metric", "key"))]]

    def notes(self) -> list[str]:
        """Return what else there is to say, a sentence each."""
        said = []
        if self._left_out:
            said.append(
                f"Runs failed, so {self._left_out} of {self._samples} samples are left out."
            )
        for metric, numbers, endless in zip(
            self.metrics, self._numbers, self._endless, strict=True
        ):
            said += [self._of_endless(metric, endless), self._of_luck(metric, numbers)]
        if self._numbers.shape[2] == 1:
            said.append("One seed does not tell how much of the variance is luck.")
        return said

    def _of_endless(self, metric: str, endless: npt.NDArray[np.bool_]) -> str:
        never = int(endless.any(axis=1).sum())
        if not never:
            return ""
        return (
            f"{metric} never came in some run of {never:,} of {endless.shape[0]:,} points: it "
            "counts there as the run's time after its last fault, the least it can be."
        )

    def _of_luck(self, metric: str, numbers: Floats) -> str:
        used = numbers[self._used]
        luck = _luck(used)
        if luck <= _LITTLE or not varies(used.mean(axis=1), len(self._design.keys)):
            return ""
        return (
            f"About {100 * luck:.0f} % of the variance of {metric} is the luck of the seeds, which "
            "makes totals larger: more replications take it away."
        )


def _went_on_s(scenario: Scenario) -> float:
    """Return for how long a run went on after its last fault that ended connections."""
    ends_s = [fault.end_s for fault in interrupting(scenario) if fault.end_s < scenario.duration_s]
    return scenario.duration_s - max(ends_s, default=scenario.duration_s)


def _luck(numbers: Floats) -> float:
    """Return the share of the variance of points' means that is due to few seeds.

    What a point and a seed each add alone is taken away; how far the rest is spread is by how
    much a point's mean is off.
    """
    points, runs = numbers.shape
    if runs < 2:
        return 0.0
    means = numbers.mean(axis=1)
    rest = numbers - means[:, None] - numbers.mean(axis=0) + numbers.mean()
    off = float((rest**2).sum()) / ((points - 1) * (runs - 1)) / runs
    variance = float(means.var(ddof=1))
    return off / variance if variance else 0.0


# --- words -------------------------------------------------------------------------------


def _sentence(rows: pd.DataFrame) -> str:
    top = rows.iloc[0]
    metric = top["metric"]
    if isnan(top["total"]):
        return f"{metric} is the same all over the space."
    said = (
        f"Of the variance of {metric}, {top['key']} explains {with_interval(top, 'total')}, "
        f"alone {as_share(top['first'])} %"
    )
    close = [row for _, row in rows.iloc[1:].iterrows() if row["total_high"] >= top["total_low"]]
    if close:
        also = " and ".join(f"{row['key']} ({as_share(row['total'])} %)" for row in close)
        said += f"; {also} may matter as much"
    return f"{said}."


def with_interval(row: Any, order: str) -> str:
    """Return an index in a row of the table, ``first`` or ``total``, with its interval.

    Examples
    --------
    >>> with_interval({"first": 0.604, "first_low": -0.02, "first_high": 1.1}, "first")
    '60 % (0 to 100)'
    """
    value, low, high = (as_share(row[f"{order}{end}"]) for end in ("", "_low", "_high"))
    return f"{value} % ({low} to {high})"


def as_share(index: float) -> int:
    """Return an index in hundredths: an estimate may be outside of 0 to 1, a share is not."""
    return round(100 * min(1.0, max(0.0, index)))
