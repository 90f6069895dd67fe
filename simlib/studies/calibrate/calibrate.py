"""Which named distribution describes measured round trips, and is it good enough?

Each distribution has a floor, as `Latency` has: a little below the smallest value. Fits are by
maximum likelihood, to at most 2,000 quantiles of the measurement, compared by Akaike's criterion
(AIC, the smaller the better) and by the Kolmogorov-Smirnov distance between the fit and the
measurement.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from simlib.core.card import Card, ShowsCard
from simlib.core.errors import FileError
from simlib.core.path import Distribution, Latency, latency_s
from simlib.metrics.array_types import Floats
from simlib.metrics.words import format_number, format_seconds
from simlib.scenario.measurements import read_round_trips
from simlib.scenario.networks import quantiles
from simlib.scenario.origin import comment_origin, describe_origin
from simlib.support.arguments import check_arguments
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY, current_command
from simlib.support.progress import Progress, show_progress

#: A fit further from the measurement than this is poor: the table itself is to be used.
POOR_DISTANCE = 0.1


@dataclass(frozen=True)
class LatencyFit:
    """One distribution fitted to one-way delays."""

    latency: Latency
    aic: float
    #: The largest distance between the two distribution functions.
    distance: float

    @property
    def name(self) -> str:
        """The distribution's name."""
        return self.latency.distribution.name.lower()


@dataclass(frozen=True, repr=False)
class Calibration(ShowsCard):
    """A calibration: the fits from the best to the worst, and the table."""

    source: str
    #: Half of each round trip, ascending.
    one_way_s: Floats
    fits: list[LatencyFit]
    #: Pings without an answer, and the share of packets that get lost each way.
    lost: int = 0
    loss_fraction: float = 0.0
    #: What was made of the file beside that, a sentence each.
    notes: tuple[str, ...] = ()
    #: The command, or the call in Python, that made it.
    made_by: str = field(default_factory=current_command)

    def card(self) -> Card:
        """Return what is shown: how each distribution fits, and which is recommended."""
        rows = tuple(
            (
                fit_row.name,
                format_number(1000.0 * fit_row.latency.mean_s),
                format_number(fit_row.aic),
                format_number(fit_row.distance),
            )
            for fit_row in self.fits
        )
        heading = ("one-way delay", "mean, ms", "AIC", "largest distance")
        pings = f"{len(self.one_way_s):,} round trips of {self.source}"
        best = self.recommended.distribution.name.lower()
        lost = f"{self.lost:,} pings without an answer" if self.lost else ""
        return Card(f"Calibration of {pings}: {best}", rows, heading, (lost, *self.notes))

    @property
    def best(self) -> LatencyFit:
        """The fit with the least AIC."""
        return self.fits[0]

    @property
    def is_poor(self) -> bool:
        """Whether even the best fit is poor, so that the table is recommended."""
        return self.best.distance > POOR_DISTANCE

    @property
    def recommended(self) -> Latency:
        """The best fit, or the table where that is poor."""
        if not self.is_poor:
            return self.best.latency
        return Latency(distribution=Distribution.TABLE, table_s=quantiles(self.one_way_s))

    def profile_toml(self, name: str) -> str:
        """Return the recommendation as a network profile, for ``network = "FILE.toml"``."""
        import tomli_w

        latency = self.recommended
        word = latency.distribution.name.lower()
        settings: dict[str, Any] = {"distribution": word}
        if latency.distribution == Distribution.TABLE:
            settings["table_s"] = list(latency.table_s)
        else:
            settings |= {"mean_s": latency.mean_s, "floor_s": latency.floor_s}
            if latency.distribution in _SHAPED:
                settings["shape"] = latency.shape
        profile: dict[str, Any] = {
            "source": self.source,
            "note": f"{len(self.one_way_s)} round trips, half of each, and {self.lost} lost "
            f"pings; {word}, KS distance {self.best.distance:.3f}",
            "latency": settings,
        }
        if self.lost:
            profile["loss_fraction"] = self.loss_fraction
        return f"{comment_origin(self.made_by)}\n{tomli_w.dumps({name: profile})}"

    def to_json(self) -> dict[str, Any]:
        """Return the fits as values for JSON."""
        document = {
            "source": self.source,
            "round_trips": len(self.one_way_s),
            "lost": self.lost,
            "loss_fraction": self.loss_fraction,
            "notes": list(self.notes),
            "recommended": self.recommended.distribution.name.lower(),
            "fits": [
                {
                    "distribution": fit.name,
                    "mean_s": fit.latency.mean_s,
                    "floor_s": fit.latency.floor_s,
                    "shape": fit.latency.shape if fit.latency.distribution in _SHAPED else None,
                    "aic": fit.aic,
                    "distance": fit.distance,
                }
                for fit in self.fits
            ],
            KEY: describe_origin(self.made_by),
        }
        return dict(jsonable(document))


_SHAPED = (Distribution.LOGNORMAL, Distribution.GAMMA, Distribution.PARETO)


@check_arguments
def calibrate(
    path: str | Path, unit: str | None = None, *, progress: Progress | None = None
) -> Calibration:
    """Fit every named distribution to the round trips in a file.

    Parameters
    ----------
    path : str or path
        Round trips, at least 20: a column of a table, or what ``ping`` printed. A lost one is an
        empty cell, or a word such as timeout.
    unit : {"s", "ms", "us"}, optional
        The unit of numbers that have none beside them or in their heading; by default seconds.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Calibration
        The fits, the best first, to one-way delays (half of each round trip).

    Raises
    ------
    SettingsError
        If the file is not that, naming the row.
    """
    with show_progress(progress, "fitting") as moved:
        moved(0.0, f"reading {Path(path).name}")
        measured = read_round_trips(path, unit)
        one_way_s = measured.values_s / 2.0
        moved(_READ, "fitting")
        positive_s, note = _above_zero(one_way_s)
        calibrated = _fits(positive_s, moved)
        moved(1.0)
    fits = sorted(calibrated, key=lambda fit: (fit.aic, fit.distance))
    loss_fraction = measured.loss_fraction
    if loss_fraction > MOST_LOSS:
        share = measured.lost / (measured.lost + len(one_way_s))
        rule = (
            f"has {100.0 * share:.2f} % of its pings lost: a path can lose "
            f"{100.0 * MOST_LOSS:.0f} % each way at most"
        )
        raise FileError(path, rule)
    notes = (*measured.notes, *filter(None, [note]))
    return Calibration(Path(path).name, one_way_s, fits, measured.lost, loss_fraction, notes)


#: The share of the work that is done when a file is read.
_READ = 0.3
#: A path loses no more.
MOST_LOSS = 0.99
#: Fits are to at most so many quantiles: a day of pings says no more than these do.
_MOST_FITTED = 2000
#: And so many are drawn.
_MOST_DRAWN = 500


def _above_zero(values: Floats) -> tuple[Floats, str]:
    """Return values with half of the smallest other one in the place of each zero, and a note.

    A zero is a round trip below the step of the clock; laws that begin at zero have no density
    there, or an infinite one.
    """
    zeros = int(np.searchsorted(values, 0.0, side="right"))
    if zeros in {0, len(values)}:
        return values, ""
    least_s = float(values[zeros]) / 2.0
    note = (
        f"{zeros} round trips of 0 are below the step of the clock: the fits take "
        f"{format_seconds(2.0 * least_s)} for each, half of the smallest other one."
    )
    return np.concatenate([np.full(zeros, least_s), values[zeros:]]), note


def _sample(values: Floats, most: int) -> Floats:
    """Return at most ``most`` quantiles, each for its equal share of the values."""
    count = min(len(values), most)
    places = ((np.arange(count) + 0.5) / count * len(values)).astype(np.int64)
    return values[places]


def _fits(all_values: Floats, moved: Progress) -> list[LatencyFit]:
    from scipy import stats

    mean_s, lowest, highest = (
        float(quantity) for quantity in (all_values.mean(), *all_values[[0, -1]])
    )
    values = _sample(all_values, _MOST_FITTED)
    weight = len(all_values) / len(values)
    if highest == lowest:
        return [LatencyFit(Latency(mean_s=lowest), -inf, 0.0)]
    # Just below the smallest value, as if one more had been measured: at the value itself the
    # likelihood of a gamma or a lognormal has no bound.
    floor_s = max(0.0, lowest - (highest - lowest) / (2.0 * len(all_values)))
    middle_s = (highest + floor_s) / 2.0
    simple = [
        (Distribution.EXPONENTIAL, mean_s, 2.0, stats.expon(floor_s, mean_s - floor_s)),
        (Distribution.UNIFORM, middle_s, 2.0, stats.uniform(floor_s, highest - floor_s)),
    ]
    fits = [_fit(values, floor_s, *family) for family in simple]
    floors = np.linspace(0.0, floor_s, _FLOORS)
    for i, fitted in enumerate((_lognormal, _gamma)):
        tried = []
        for j, at in enumerate(floors):
            tried.append(fitted(values, float(at)))
            moved(_READ + (1.0 - _READ) * (i * _FLOORS + j + 1) / (2 * _FLOORS))
        fits.append(min(tried, key=lambda fit: fit.aic))
    pareto = _pareto(values, lowest)
    return [_weight(fit, weight) for fit in [*fits, *filter(None, [pareto])]]


def _weight(fit: LatencyFit, weight: float) -> LatencyFit:
    """Return a fit to a sample as a fit to all values: each value of it stands for several."""
    free = 2.0 * _FREE[fit.latency.distribution]
    return replace(fit, aic=free + weight * (fit.aic - free))


#: Numbers that are free in a fit.
_FREE = {
    Distribution.EXPONENTIAL: 2,
    Distribution.UNIFORM: 2,
    Distribution.LOGNORMAL: 3,
    Distribution.GAMMA: 3,
    Distribution.PARETO: 2,
}
#: The floor of a lognormal or a gamma is sought among so many.
_FLOORS = 25


def _lognormal(values: Floats, floor_s: float) -> LatencyFit:
    from scipy import stats

    logs = np.log(values - floor_s)
    sigma, scale = float(logs.std()), float(np.exp(logs.mean()))
    mean_s = floor_s + scale * float(np.exp(sigma * sigma / 2.0))
    law = stats.lognorm(sigma, floor_s, scale)
    return _fit(values, floor_s, Distribution.LOGNORMAL, mean_s, sigma, law)


def _gamma(values: Floats, floor_s: float) -> LatencyFit:
    from scipy import stats

    shape, _, scale = stats.gamma.fit(values - floor_s, floc=0.0)
    shape = min(100.0, max(0.1, float(shape)))
    law = stats.gamma(shape, floor_s, scale)
    return _fit(values, floor_s, Distribution.GAMMA, floor_s + shape * scale, shape, law)


def _pareto(values: Floats, lowest: float) -> LatencyFit | None:
    """Return the Pareto fit, whose scale is the smallest value; None without a mean."""
    from scipy import stats

    spread = float(np.log(values / lowest).sum()) if lowest > 0.0 else inf
    alpha = len(values) / spread
    if alpha <= 1.001:
        return None
    # Our Pareto begins at floor + scale: without a floor, at the smallest value.
    mean_s = lowest * alpha / (alpha - 1.0)
    law = stats.pareto(alpha, 0.0, lowest)
    return _fit(values, 0.0, Distribution.PARETO, mean_s, alpha, law)


def _fit(
    values: Floats,
    floor_s: float,
    kind: Distribution,
    mean_s: float,
    shape: float,
    law: Any,
) -> LatencyFit:
    from scipy import stats

    latency = Latency(distribution=kind, mean_s=float(mean_s), floor_s=floor_s, shape=float(shape))
    likelihood = float(law.logpdf(values).sum())
    aic = 2.0 * _FREE[kind] - 2.0 * likelihood if likelihood > -inf else inf
    return LatencyFit(latency, aic, float(stats.kstest(values, law.cdf).statistic))


def quantile_pairs(calibration: Calibration, fit: LatencyFit) -> tuple[Floats, Floats]:
    """Return measured quantiles, as many as can be seen, and the fit's at the same places."""
    measured = _sample(calibration.one_way_s, _MOST_DRAWN)
    probabilities = (np.arange(len(measured)) + 0.5) / len(measured)
    fitted = np.array([latency_s(fit.latency, float(p)) for p in probabilities])
    return measured, fitted
