"""From the metrics at the design points to indices with intervals, and notes on their data."""

from __future__ import annotations

from math import inf

import numpy as np
import numpy.typing as npt
import pandas as pd

from simlib.core.errors import SimlibError
from simlib.metrics.array_types import Floats
from simlib.scenario.scenario import Scenario
from simlib.studies.sensitivity.design_points import Points
from simlib.studies.sensitivity.sobol import indices, varies
from simlib.trace.disruptions import interrupting

#: Less luck than this share of a variance is not worth a word.
_LITTLE = 0.05


class PointResults:
    """The results at the points, and the indices that follow from them."""

    def __init__(self, design: Points, metrics: tuple[str, ...], numbers: Floats) -> None:
        self._design, self.metrics = design, metrics
        least_s = np.array([time_after_faults_s(scenario) for scenario in design.scenarios])
        endless = numbers == inf
        of_points = design.which
        #: Metric x point x seed.
        self._endless = endless[:, of_points]
        # A variance of infinities is none. The least that the time can have been keeps the order of
        # points, and understates rather than invents.
        self._numbers = np.where(endless, least_s[:, None], numbers)[:, of_points]
        failed = np.isnan(self._numbers).any(axis=(0, 2))
        size = len(design.keys) + 2
        self._samples = len(of_points) // size
        # A sample is a block of axes + 2 points that belong together: Sobol's estimators need all
        # of them or none.
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
            sobol_indices = indices(keys, numbers.mean(axis=1)[self._used], seed)
            part = pd.DataFrame(sobol_indices).assign(metric=metric, key=keys)
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


def time_after_faults_s(scenario: Scenario) -> float:
    """Return for how long a run went on after its last fault that ended connections."""
    ends_s = [fault.end_s for fault in interrupting(scenario) if fault.end_s < scenario.duration_s]
    return scenario.duration_s - max(ends_s, default=scenario.duration_s)


def _luck(numbers: Floats) -> float:
    """Return the share of the variance of points' means that is due to few seeds.

    What a point and a seed each add alone is taken away; how far the rest is spread is by how
    much a point's mean is off.
    """
    points, runs = numbers.shape
    # One seed cannot be told from the point's own effect.
    if runs < 2:
        return 0.0
    means = numbers.mean(axis=1)
    rest = numbers - means[:, None] - numbers.mean(axis=0) + numbers.mean()
    # Two-way analysis of variance without replicates: what is left after the effects of point and
    # seed has (points - 1)(runs - 1) degrees of freedom; a mean of `runs` has a `runs`-th of that
    # variance.
    off = float((rest**2).sum()) / ((points - 1) * (runs - 1)) / runs
    variance = float(means.var(ddof=1))
    return off / variance if variance else 0.0
