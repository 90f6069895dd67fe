"""The backoff explorer: where a policy's waits lie, and what they do to a server."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simlib.charts.client_findings import find_spread
from simlib.core.backoff import Backoff
from simlib.explorers.controls import LENGTH, POLICY_CONTROLS, make_controls, with_ending_fault
from simlib.explorers.kinds import ExplorerKind, begin_with
from simlib.explorers.panels import attempts_panel
from simlib.explorers.picture import ChartPanel, Series, round_limit
from simlib.explorers.playing import leave_messages_out, play_storm
from simlib.metrics.array_types import Floats
from simlib.metrics.policy_waits import sample_waits_s, waits_s
from simlib.trace.trace import Trace

_ATTEMPTS, _CLIENTS = 12, 20
#: Spreads are told after so many failures.
_FAILURES = 5
#: A dot stands beside those of other clients.
_BESIDE = np.linspace(0.2, 0.8, _CLIENTS)


def waits_panel(rules: Backoff) -> ChartPanel:
    """Return the waits before each attempt: all, half of them, the median, and some clients'."""
    waits = waits_s(rules, _ATTEMPTS)
    x = np.arange(0.5, _ATTEMPTS + 1.0)
    least, low, median, high, most = waits
    ends = waits[[0, -1], min(_FAILURES, _ATTEMPTS) - 1]
    return ChartPanel(
        finding=find_spread({"": (float(ends[0]), float(ends[1]))}, _FAILURES),
        what="Wait in s before an attempt: all, half of them (dark), the median, 20 clients (dots)",
        x_label="attempts in a row",
        series=(
            Series("", x, most, "band", low=least),
            Series("", x, high, "band", low=low),
            _dots(rules),
            Series("median", x, median),
        ),
        x_range=(0.5, _ATTEMPTS + 0.5),
        top=round_limit(most[np.isfinite(most)]),
    )


def _dots(rules: Backoff) -> Series:
    last = int(min(_ATTEMPTS, rules.max_attempts))
    drawn = sample_waits_s(rules, last, _CLIENTS) if last else np.empty((_CLIENTS, 0))
    x: Floats = np.arange(0.5, last + 0.4) + _BESIDE[:, None]
    return Series("", x.ravel(), drawn.ravel(), "dots")


def _draw(runs: Mapping[str, Trace]) -> tuple[ChartPanel, ...]:
    (run,) = runs.values()
    return waits_panel(run.scenario.client.backoff), attempts_panel(runs)


BACKOFF_EXPLORER = ExplorerKind(
    title="Backoff: how long clients wait, and what that does to a server",
    default=begin_with("fleet_storm"),
    controls=make_controls(
        POLICY_CONTROLS
        | {
            "spread_fraction": "client.backoff.spread_fraction",
            "max_attempts": "client.backoff.max_attempts",
            "outage_s": LENGTH,
            "clients": "clients",
            "accept_per_s": "server.accept_per_s",
        }
    ),
    prepare=lambda scenario: with_ending_fault(leave_messages_out(scenario)),
    play=lambda shown: {"": play_storm(shown.scenario)},
    draw=_draw,
)
