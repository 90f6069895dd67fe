"""Which named distribution describes measured round trips, and is it good enough?

Each distribution has a floor, as `Latency` has: a little below the smallest value. Fits are by
maximum likelihood, compared by Akaike's criterion (AIC, the smaller the better) and by the
Kolmogorov-Smirnov distance between the fit and the measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from simlib.core.path import Distribution, Latency, latency_s
from simlib.networks import quantiles, read_round_trips_s
from simlib.study.estimates import Floats

#: A fit further from the measurement than this is poor: the table itself is to be used.
POOR_DISTANCE = 0.1


@dataclass(frozen=True)
class Fit:
    """One distribution fitted to one-way delays."""

    latency: Latency
    aic: float
    #: The largest distance between the two distribution functions.
    distance: float

    @property
    def name(self) -> str:
        """The distribution's name."""
        return self.latency.distribution.name.lower()


@dataclass(frozen=True)
class Calibration:
    """What was made of a measurement: fits from the best to the worst, and the table."""

    source: str
    one_way_s: Floats
    fits: list[Fit]

    @property
    def best(self) -> Fit:
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
        table = quantiles([float(value) for value in self.one_way_s])
        return Latency(distribution=Distribution.TABLE, table_s=table)

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
        profile = {
            "source": self.source,
            "note": f"{len(self.one_way_s)} round trips, half of each; {word}, "
            f"KS distance {self.best.distance:.3f}",
            "latency": settings,
        }
        return tomli_w.dumps({name: profile})

    def to_json(self) -> dict[str, Any]:
        """Return the fits as plain values."""
        return {
            "source": self.source,
            "round_trips": len(self.one_way_s),
            "recommended": self.recommended.distribution.name.lower(),
            "fits": [
                {
                    "distribution": fit.name,
                    "mean_s": fit.latency.mean_s,
                    "floor_s": fit.latency.floor_s,
                    "shape": fit.latency.shape if fit.latency.distribution in _SHAPED else None,
                    "aic": fit.aic if np.isfinite(fit.aic) else None,
                    "distance": fit.distance,
                }
                for fit in self.fits
            ],
        }


_SHAPED = (Distribution.LOGNORMAL, Distribution.GAMMA, Distribution.PARETO)


def calibrate(path: str | Path) -> Calibration:
    """Fit every named distribution to the round trips in a CSV file.

    Parameters
    ----------
    path : str or path
        One column of round trips in seconds, at least 20.

    Returns
    -------
    Calibration
        The fits, the best first, to one-way delays (half of each round trip).

    Raises
    ------
    SettingsError
        If the file is not that, naming the row.
    """
    one_way_s = np.array(read_round_trips_s(path)) / 2.0
    fits = sorted(_fits(one_way_s), key=lambda fit: (fit.aic, fit.distance))
    return Calibration(Path(path).name, one_way_s, fits)


def _fits(values: Floats) -> list[Fit]:
    from scipy import stats

    mean_s, lowest, highest = float(values.mean()), float(values[0]), float(values[-1])
    if highest == lowest:
        return [Fit(Latency(mean_s=lowest), -inf, 0.0)]
    # Just below the smallest value, as if one more had been measured: at the value itself the
    # likelihood of a gamma or a lognormal has no bound.
    floor_s = max(0.0, lowest - (highest - lowest) / (2.0 * len(values)))
    middle_s = (highest + floor_s) / 2.0
    simple = [
        (Distribution.EXPONENTIAL, 2, mean_s, 2.0, stats.expon(floor_s, mean_s - floor_s)),
        (Distribution.UNIFORM, 2, middle_s, 2.0, stats.uniform(floor_s, highest - floor_s)),
    ]
    fits = [_fit(values, floor_s, *each) for each in simple]
    floors = np.linspace(0.0, floor_s, _FLOORS)
    fits.append(min((_lognormal(values, float(at)) for at in floors), key=lambda fit: fit.aic))
    fits.append(min((_gamma(values, float(at)) for at in floors), key=lambda fit: fit.aic))
    pareto = _pareto(values, lowest)
    return [*fits, pareto] if pareto is not None else fits


#: The floor of a lognormal or a gamma is sought among so many.
_FLOORS = 25


def _lognormal(values: Floats, floor_s: float) -> Fit:
    from scipy import stats

    logs = np.log(values - floor_s)
    sigma, scale = float(logs.std()), float(np.exp(logs.mean()))
    mean_s = floor_s + scale * float(np.exp(sigma * sigma / 2.0))
    law = stats.lognorm(sigma, floor_s, scale)
    return _fit(values, floor_s, Distribution.LOGNORMAL, 3, mean_s, sigma, law)


def _gamma(values: Floats, floor_s: float) -> Fit:
    from scipy import stats

    shape, _, scale = stats.gamma.fit(values - floor_s, floc=0.0)
    shape = min(100.0, max(0.1, float(shape)))
    law = stats.gamma(shape, floor_s, scale)
    return _fit(values, floor_s, Distribution.GAMMA, 3, floor_s + shape * scale, shape, law)


def _pareto(values: Floats, lowest: float) -> Fit | None:
    """Return the Pareto fit, whose scale is the smallest value; None without a mean."""
    from scipy import stats

    spread = float(np.log(values / lowest).sum()) if lowest > 0.0 else inf
    alpha = len(values) / spread
    if alpha <= 1.001:
        return None
    # Our Pareto begins at floor + scale: without a floor, at the smallest value.
    mean_s = lowest * alpha / (alpha - 1.0)
    law = stats.pareto(alpha, 0.0, lowest)
    return _fit(values, 0.0, Distribution.PARETO, 2, mean_s, alpha, law)


def _fit(
    values: Floats,
    floor_s: float,
    kind: Distribution,
    parameters: int,
    mean_s: float,
    shape: float,
    law: Any,
) -> Fit:
    from scipy import stats

    latency = Latency(distribution=kind, mean_s=float(mean_s), floor_s=floor_s, shape=float(shape))
    likelihood = float(law.logpdf(values).sum())
    aic = 2.0 * parameters - 2.0 * likelihood if likelihood > -inf else inf
    return Fit(latency, aic, float(stats.kstest(values, law.cdf).statistic))


def quantile_pairs(calibration: Calibration, fit: Fit) -> tuple[Floats, Floats]:
    """Return measured quantiles and the fit's at the same probabilities."""
    count = len(calibration.one_way_s)
    probabilities = (np.arange(count) + 0.5) / count
    fitted = np.array([latency_s(fit.latency, float(p)) for p in probabilities])
    return calibration.one_way_s, fitted
