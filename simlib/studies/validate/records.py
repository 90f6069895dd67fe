"""The numbers after which the shipped scenarios are named, at full size on the fleet."""

from __future__ import annotations

from functools import partial

import numpy as np

from simlib.metrics.array_types import Floats
from simlib.metrics.metrics import summary
from simlib.scenario.scenario import load
from simlib.studies.validate.case import Known, KnownCase, Topic, play_quickly
from simlib.support.files import find_shipped
from simlib.trace.trace import Trace


def measure_column(column: str, trace: Trace) -> Floats:
    """Return a number of the run's summary."""
    return np.array([float(summary(trace)[column].iloc[0])])


def measure_attempts_per_s(start_s: int, stop_s: int, trace: Trace) -> Floats:
    """Return the mean rate of attempts between two seconds."""
    assert trace.tally is not None
    return np.array([float(trace.tally.attempts_per_s[start_s:stop_s].mean())])


def measure_outside(trace: Trace) -> Floats:
    """Return how many clients have no connection when the run ends."""
    assert trace.tally is not None
    left = sum(trace.tally.total(name) for name in ("ends", "left"))
    return np.array([float(trace.scenario.clients - trace.tally.total("opens") + left)])


def measure_open(trace: Trace) -> Floats:
    """Return how many connections are open when the run ends."""
    return trace.scenario.clients - measure_outside(trace)


def _case(scenario: str, *checks: Known) -> KnownCase:
    played = load(find_shipped("scenarios") / f"{scenario}.toml")
    return KnownCase(Topic.RECORD, play_quickly(played), checks, 1, 1.0, needs_fleet=True)


def record_cases() -> list[KnownCase]:
    """Return all of them; the scenarios' files tell whose numbers they are."""
    last_back = partial(measure_column, "last_back_s")
    churn = partial(measure_attempts_per_s, 900, 1500)
    peak = partial(measure_column, "peak_attempts_per_s")
    agents = partial(measure_attempts_per_s, 80, 230)
    return [
        _case(
            "bridge_restart",
            # The first one back has waited for a moment.
            Known("22,000 at 20/s: all are back", 1100.0, "22,000 / 20", last_back, "s",
                  leeway=1.0),
        ),
        _case(
            "connection_churn",
            # A hundredth of 1,000,000 connections, 3,333 handshakes a second.
            Known("10,000 for 300 s: handshakes/s", 10_000 / 300.0, "Little's law", churn,
                  leeway=0.1),
            # Three standard deviations of Poisson, and who is still missing after 1,500 s.
            Known("10,000 for 300 s: open", 10_000.0, "Little's law", measure_open,
                  leeway=3.0 * 10_000**0.5 + 67.0),
        ),
        _case(
            "watch_storm",
            Known("3,000 x 6 watches: attempts/s", 18_000.0, "3,000 x 6", peak),
        ),
        _case(
            "one_gateway_left",
            Known("1,300 for room of 1,000: outside", 300.0, "1,300 - 1,000", measure_outside),
        ),
        _case(
            "agents_return",
            Known("30,000 within 150 s: attempts/s", 200.0, "30,000 / 150", agents, leeway=1.0),
        ),
    ]  # fmt: skip
