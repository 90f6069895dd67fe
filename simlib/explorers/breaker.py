"""The breaker explorer: when breakers are open, what they spare a server, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simlib.core.breaker import BreakerState
from simlib.explorers.controls import LENGTH, POLICY_CONTROLS, make_controls, with_ending_fault
from simlib.explorers.kinds import OF_CONNECTIONS, ExplorerKind, begin_with
from simlib.explorers.panels import attempts_panel, count_over_time, levels_panel
from simlib.explorers.picture import ChartPanel, Series
from simlib.explorers.playing import leave_messages_out, play_storm
from simlib.metrics.array_types import Floats
from simlib.metrics.run_columns import RunColumns
from simlib.metrics.words import format_count, format_seconds
from simlib.trace.trace import Trace


def breakers_panel(run: Trace) -> ChartPanel:
    """Return how many breakers are open over time."""
    x, y = breakers_open(run)
    series = Series("", x, y, colour=2)
    return levels_panel(run, "Clients whose breaker is open", _find_open(run, x, y), [series])


def breakers_open(run: Trace) -> tuple[Floats, Floats]:
    """Return how many breakers are open, over the time of a run."""
    if run.tally is not None:
        tally = run.tally
        places = [tally.columns.index(name) for name in ("trips", "probes")]
        changes = tally.bins[:, places[0]] - tally.bins[:, places[1]]
        # By the end of each second; what opens and closes within it is not seen.
        return np.arange(changes.size + 1.0), np.maximum(changes.cumsum(), 0).astype(float)
    spans = RunColumns(run).steps.spans(["breaker"])
    is_open = spans.looks["breaker"] == BreakerState.OPEN
    return count_over_time(spans.start_s[is_open], spans.stop_s[is_open], run.end_s)


def _find_open(run: Trace, x: Floats, y: Floats) -> str:
    if not y.any():
        return "No breaker trips"
    last_s = float(x[np.flatnonzero(y)[-1] + 1])
    most = f"Up to {format_count(float(y.max()))} of {format_count(run.scenario.clients)} breakers"
    if y[-1]:
        return f"{most} are open at once, {format_count(float(y[-1]))} at the end of the run"
    return f"{most} are open at once, the last until {format_seconds(last_s)}"


def _draw(runs: Mapping[str, Trace]) -> tuple[ChartPanel, ...]:
    (run,) = runs.values()
    return attempts_panel(runs), breakers_panel(run)


BREAKER_EXPLORER = ExplorerKind(
    title="Breaker: when clients refuse to try",
    default=begin_with("breakers_together", {"client.breaker.open_spread_fraction": 0.0}),
    controls=make_controls(
        {
            "trip_after": "client.breaker.trip_after",
            "open_s": "client.breaker.open_s",
            "open_spread_fraction": "client.breaker.open_spread_fraction",
            "open_factor": "client.breaker.factor",
            "probes": "client.breaker.probes",
        }
        | POLICY_CONTROLS
        | {"clients": "clients", "outage_s": LENGTH, "accept_per_s": "server.accept_per_s"}
    ),
    prepare=lambda scenario: with_ending_fault(leave_messages_out(scenario)),
    play=lambda shown: {"": play_storm(shown.scenario)},
    draw=_draw,
    metrics=(*OF_CONNECTIONS, "breaker_open_fraction"),
)
