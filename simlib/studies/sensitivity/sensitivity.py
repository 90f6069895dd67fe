"""Sensitivity analysis: the share of a metric's variance that each setting explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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
from simlib.scenario.scenario import Scenario
from simlib.studies.sensitivity.design_points import Points, check_corners, points
from simlib.studies.sensitivity.estimates import PointResults
from simlib.studies.sensitivity.result import Sensitivity
from simlib.studies.sensitivity.sobol import check_samples
from simlib.support.arguments import accept_old_name, check_arguments
from simlib.support.progress import Progress, show_progress


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
    >>> result = sl.sensitivity(base, space, ["attempts"], samples=16, replications=1, workers=1)
    >>> result.table[["key", "total"]].round(2).values.tolist()
    [['clients', 1.0], ['client.backoff.cap_s', 0.0]]
    """
    varied = _check_space(scenario, POLICY if space is None else space)
    _check_numbers(metrics, samples, replications, len(varied))
    design = points(scenario, varied, samples)
    engine, why = choose_engine(on, design.scenarios, metrics)
    luck = seeds(scenario, replications)
    # The same seeds at every point (common random numbers): what differs between points is then the
    # settings' doing. The price: a seed's own effect is shared, which `_luck` takes away.
    cells = [Cell(point.replace(seed=seed), engine) for point in design.scenarios for seed in luck]
    with (
        open_run_cache(folder) as store,
        open_pool(workers, scheduler) as outcomes,
        show_progress(progress, "playing") as moved,
    ):
        rows, failures, resumed = _play(cells, metrics, outcomes, store, moved)
        kept_note = "" if store is None else store.note
    if len(failures) == len(cells):
        raise SimlibError(f"all {len(cells)} runs failed, the first with {failures[0]}")
    known = PointResults(
        design, tuple(dict.fromkeys(metrics)), _numbers(rows, cells, metrics, luck)
    )
    dead = _of_dead(rows, cells)
    result = Sensitivity(
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
        result.save(folder)
    return result


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
        fewer = "choose fewer samples, replications or settings"
        rule = f"makes {runs:,} runs, more than {MOST_CELLS:,}: {fewer}"
        raise SettingsError("samples", samples, rule)


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
    numbers = np.full((len(names), len(cells)), np.nan)
    for i, row in rows.items():
        numbers[:, i] = [_number(row, name, cells[i].scenario) for name in names]
    return numbers.reshape(len(names), -1, len(luck))


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
