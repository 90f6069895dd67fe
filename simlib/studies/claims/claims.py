"""Test the claims of the report as hypotheses: confidence, and where they stop holding.

Clients are independent where the server has no limits, so the clients of one run are the
replications: each claim is judged by one value per client. `catalogue.py` defines the claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from simlib.api import run
from simlib.core.card import Card, ShowsCard
from simlib.core.errors import SettingsError
from simlib.core.validation import nearest
from simlib.metrics.array_types import Floats
from simlib.metrics.intervals import Estimate, edge
from simlib.metrics.words import format_number
from simlib.scenario.scenario import Scenario
from simlib.studies.claims.catalogue import CLAIMS, Claim
from simlib.studies.claims.time_scaling import scale_time, unscale_trace
from simlib.support.arguments import check_arguments
from simlib.support.json_values import jsonable
from simlib.support.progress import Progress
from simlib.trace.trace import Trace

_FEWEST = 20


@dataclass(frozen=True)
class ClaimResult:
    """The result for one claim."""

    claim: Claim
    estimate: Estimate
    verdict: str
    edge: float
    #: The estimate along the axis: a row per point.
    curve: pd.DataFrame
    #: The estimate of a live run, and how many times faster it was played; None: there was none.
    live: Estimate | None = None
    pace: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Return the finding as values for JSON."""
        claim, estimate = self.claim, self.estimate
        row = {
            "claim": claim.name,
            "sentence": claim.sentence,
            "verdict": self.verdict,
            "estimate": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "replications": estimate.observations,
            "required": claim.required,
            "unit": claim.unit,
            "test": claim.test,
            "axis": claim.axis,
            "at": claim.at,
            "edge": self.edge,
            "theory": claim.theory,
        }
        if self.live is not None:
            row |= {"live": self.live.value, "live_pace": self.pace}
        return dict(jsonable(row))


class ClaimResults(ShowsCard, list[ClaimResult]):
    """The results for the claims: a list, in their order, that shows itself as a table."""

    def card(self) -> Card:
        """Return what is shown: each claim, what was required and what was found."""
        rows = tuple(
            (finding.claim.name, finding.verdict, _requirement(finding.claim), _interval(finding))
            for finding in self
        )
        held = sum(finding.verdict == "holds" for finding in self)
        return Card(f"{held} of {len(self)} claims hold", rows, ("claim", "", "required", "found"))


def _requirement(claim: Claim) -> str:
    bound = "at least" if claim.at_least else "at most"
    return f"{bound} {format_number(claim.required)} {claim.unit}"


def _interval(finding: ClaimResult) -> str:
    estimate = finding.estimate
    value, low, high = map(format_number, (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


@check_arguments
def claims(
    scenario: Scenario,
    replications: int = 200,
    *,
    names: Sequence[str] | None = None,
    live: bool = False,
    progress: Progress | None = None,
) -> ClaimResults:
    """Test the claims on a scenario's client.

    Parameters
    ----------
    scenario : Scenario
        Whose client and network are tested; its faults and workload are replaced.
    replications : int
        Clients of each run, at least 20.
    names : list of str, optional
        Only these claims of `CLAIMS`.
    live : bool
        Play each claim at its point once on real WebSockets too, with 20 clients and in a pace
        that makes it 15 s long.
    progress : callable, optional
        Called with the fraction done and a word.

    Returns
    -------
    ClaimResults
        A list of `ClaimResult`, in the order of `CLAIMS`.

    Raises
    ------
    SettingsError
        If there are too few replications, or there is no claim of a name.

    Examples
    --------
    >>> import simlib as sl
    >>> [result] = claims(sl.Scenario(), 20, names=["queue bound"])
    >>> result.verdict
    'holds'
    """
    if replications < _FEWEST:
        rule = f"must be at least {_FEWEST}: fewer give no interval worth the name"
        raise SettingsError("replications", replications, rule)
    chosen = _chosen(names)
    runs = _Runs(scenario.replace(clients=replications))
    findings = ClaimResults()
    for i, claim in enumerate(chosen):
        if progress is not None:
            progress(i / len(chosen), f"testing: {claim.name}")
        findings.append(_test(claim, runs, live))
    return findings


def _chosen(names: Sequence[str] | None) -> list[Claim]:
    known = [claim.name for claim in CLAIMS]
    if names is None:
        return list(CLAIMS)
    for name in names:
        if name not in known:
            rule = f"is no claim{nearest(name, known)}; the claims are {', '.join(known)}"
            raise SettingsError("names", name, rule)
    return [claim for claim in CLAIMS if claim.name in names]


class _Runs:
    """Plays each scenario once, for all the claims that look at it."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._values: dict[tuple[Scenario, str], Floats] = {}
        self._lived: dict[tuple[Scenario, str], Floats] = {}

    def estimate(self, claim: Claim, at: float) -> Estimate:
        """Return the estimate of a claim at a point of its axis."""
        scenario = claim.vary(self._scenario, at)
        if (scenario, claim.name) not in self._values:
            _measure(self._values, claim, scenario, run(scenario))
        return claim.estimate(self._values[scenario, claim.name])

    def live(self, claim: Claim) -> tuple[Estimate, float]:
        """Return the estimate of a claim from a live run at its point, and the run's pace."""
        scenario = claim.vary(self._scenario, claim.at)
        scenario = scenario.replace(clients=min(LIVE_CLIENTS, scenario.clients))
        pace = max(1.0, scenario.duration_s / LIVE_S)
        if (scenario, claim.name) not in self._lived:
            trace = run(scale_time(scenario, pace), "live")
            _measure(self._lived, claim, scenario, unscale_trace(trace, scenario, pace))
        return claim.estimate(self._lived[scenario, claim.name]), pace


def _measure(
    values: dict[tuple[Scenario, str], Floats], claim: Claim, scenario: Scenario, trace: Trace
) -> None:
    """Note what a trace says of every claim that is tested in the same way."""
    for other in CLAIMS:
        if other.vary is claim.vary:
            measured = other.measure(trace)
            values[scenario, other.name] = measured[~np.isnan(measured)]


#: A live run has so many clients, and takes so long.
LIVE_CLIENTS, LIVE_S = 20, 15.0


def _test(claim: Claim, runs: _Runs, live: bool) -> ClaimResult:
    at_claim = runs.estimate(claim, claim.at)
    curve: dict[float, Estimate] = {}

    def holds(at: float) -> bool:
        curve[at] = runs.estimate(claim, at)
        return _meets(claim, curve[at].value)

    points = [float(x) for x in np.linspace(claim.low, claim.high, _POINTS)]
    met = [holds(x) for x in points]
    stops = met.index(False) if False in met else None
    if stops is None:
        at = inf
    elif stops == 0:
        at = -inf
    else:
        at = edge(holds, points[stops - 1], points[stops])
    rows = [
        (x, estimate.value, estimate.low, estimate.high) for x, estimate in sorted(curve.items())
    ]
    table = pd.DataFrame(rows, columns=["at", "value", "low", "high"])
    lived, pace = runs.live(claim) if live else (None, 1.0)
    return ClaimResult(claim, at_claim, _verdict(claim, at_claim), at, table, lived, pace)


_POINTS = 8


def _meets(claim: Claim, value: float) -> bool:
    return value >= claim.required if claim.at_least else value <= claim.required


def _verdict(claim: Claim, estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return "undecided"
    # Of a claim without exceptions no sample can prove it: it holds while there is no exception.
    if claim.required in {0.0, 1.0} and estimate.value == claim.required:
        return "holds"
    if _meets(claim, estimate.low) and _meets(claim, estimate.high):
        return "holds"
    if not _meets(claim, estimate.low) and not _meets(claim, estimate.high):
        return "fails"
    return "undecided"
