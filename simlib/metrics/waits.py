"""The waits that clients set themselves, and their shares of the ceilings."""

from __future__ import annotations

from math import nan

import numpy as np
import numpy.typing as npt

from simlib.core.backoff import Backoff, ceiling
from simlib.core.breaker import BreakerState
from simlib.core.events import Reason
from simlib.core.link_table import State
from simlib.engines.kernel.state import MOST_ATTEMPTS
from simlib.metrics.array_types import Floats, Ints
from simlib.metrics.run_columns import RunColumns
from simlib.scenario.scenario import Scenario
from simlib.trace.columns import Name
from simlib.trace.counts import Tally
from simlib.trace.trace import Trace


def list_waits_s(run: RunColumns) -> Floats:
    """Return the waits that clients set themselves, from the end of the warm-up on."""
    states = run.steps.spans(["state"])
    waits = (states.looks["state"] == State.WAITING) & (states.start_s >= run.scenario.warm_up_s)
    return states.wait_s[waits]


def list_backoffs(scenario: Scenario) -> list[Backoff]:
    """Return the backoff of each cohort, and then of all other clients."""
    return [*(cohort.client.backoff for cohort in scenario.cohorts), scenario.client.backoff]


def add_up_fractions(trace: Trace, tally: Tally) -> tuple[float, float]:
    """Return the waits that the backoff alone decided over their ceilings, added up; how many."""
    total = count = 0.0
    for backoff, (_, _, alone, alone_s) in zip(
        list_backoffs(trace.scenario), tally.waits, strict=True
    ):
        for k in np.flatnonzero(alone).tolist():
            if height_s := _height_s(backoff, k):
                total += float(alone_s[k]) / height_s
                count += float(alone[k])
    return total, count


def _height_s(backoff: Backoff, attempt: int) -> float:
    """Return the ceiling of a wait; 0 if it has none: a function's, or after an uncounted loss.

    Nor is it known of late attempts, which the fleet counts as one, while ceilings still change.
    """
    if attempt <= 0 or backoff.has_function:
        return 0.0
    height_s, last = ceiling(backoff, attempt), MOST_ATTEMPTS - 1
    if attempt >= last:
        # Ceilings never fall; but those of a table may, up to its end, which repeats.
        later = (*range(last, len(backoff.steps_s) + 1), _ATTEMPTS)
        return height_s if {height_s} == {ceiling(backoff, each) for each in later} else 0.0
    return height_s


def wait_fractions(run: RunColumns) -> Floats:
    """Return each wait that the backoff alone decided, over its ceiling."""
    rows = run.columns
    name = rows["name"]
    waits = ((name == Name.FAILED) | (name == Name.LOST)) & (rows["state"] == State.WAITING)
    waits &= (rows["breaker"] != BreakerState.OPEN) & (rows["hint_s"] == 0.0)
    waits &= rows["time_s"] >= run.scenario.warm_up_s
    # What a budget postponed says nothing of the backoff.
    rationed = rows["reason"] == Reason.BUDGET
    if rationed.any():
        moments = _moments(rows["client"], rows["time_s"])
        waits &= ~np.isin(moments, moments[rationed])
    backoffs = list_backoffs(run.scenario)
    # Cohort and attempt as one number: a run has few different ones, so few ceilings are computed.
    kinds = run.cohorts(rows["client"][waits]) * _ATTEMPTS + rows["attempt"][waits]
    known, place = np.unique(kinds, return_inverse=True)
    which = [divmod(kind, _ATTEMPTS) for kind in known.tolist()]
    heights_s = np.array([_height_s(backoffs[cohort], attempt) for cohort, attempt in which])
    # What has no ceiling is no fraction of it.
    heights_s[heights_s == 0.0] = nan
    return rows["wait_s"][waits] / heights_s[place]


def _moments(client: Ints, time_s: Floats) -> npt.NDArray[np.complex128]:
    """Return client and time of each row as one number."""
    moments = np.empty(client.size, np.complex128)
    moments.real, moments.imag = client, time_s
    return moments


#: More than a trace's column of attempts holds.
_ATTEMPTS = 1 << 16
