"""The fallback explorer: when polling carries the messages, and what it costs to change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simlib.core.fallback import Transport
from simlib.core.link_table import State
from simlib.explorers.controls import LENGTH, make_controls
from simlib.explorers.kinds import ExplorerKind, begin_with
from simlib.explorers.panels import count_over_time, levels_panel
from simlib.explorers.picture import ChartPanel, Series
from simlib.explorers.playing import play_rows
from simlib.explorers.queue import latency_panel
from simlib.metrics.metrics import row
from simlib.metrics.run_columns import RunColumns
from simlib.metrics.words import format_number, format_share
from simlib.trace.trace import Trace


def transports_panel(run: Trace) -> ChartPanel:
    """Return how many clients are carried by WebSocket, by polling, and by nothing, over time."""
    spans = RunColumns(run).steps.spans(["transport", "available", "state", "left"])
    looks = spans.looks
    can, polls = looks["available"] == 1, looks["transport"] == Transport.POLL
    there = (looks["state"] != State.IDLE) & ~looks["left"]
    kinds = {"by WebSocket": can & ~polls, "by polling": can & polls, "cut off": there & ~can}
    series = [
        Series(
            name, *count_over_time(spans.start_s[which], spans.stop_s[which], run.end_s), colour=i
        )
        for i, (name, which) in enumerate(kinds.items())
    ]
    return levels_panel(run, "Clients by what carries their messages", _find_carried(run), series)


def _find_carried(run: Trace) -> str:
    metrics = row(run)
    can = format_share(metrics["availability_fraction"])
    polls = metrics["polling_fraction"]
    changes = count_changes(run)
    said = f"Clients can deliver {can} of the time"
    if not polls:
        return f"{said}; nobody polls"
    per_client = changes / run.scenario.clients
    times = f"{format_number(per_client)} changes of the transport per client"
    return f"{said}, and poll {format_share(polls)} of it; {times}"


def count_changes(run: Trace) -> int:
    """Return how often clients changed from WebSocket to polling, or back."""
    spans = RunColumns(run).steps.spans(["transport"])
    return int((np.diff(spans.client) == 0).sum())


def _draw(runs: Mapping[str, Trace]) -> tuple[ChartPanel, ...]:
    (run,) = runs.values()
    return transports_panel(run), latency_panel(run)


FALLBACK_EXPLORER = ExplorerKind(
    title="Fallback: when to poll, and when to return",
    default=begin_with("poor_network_fallback"),
    controls=make_controls(
        {
            "after_attempts": "client.fallback.after_attempts",
            "poll_interval_s": "client.fallback.poll_interval_s",
            "return_after_s": "client.fallback.return_after_s",
            "dwell_s": "client.fallback.dwell_s",
            "when_quality": "client.fallback.when_quality",
            "base_s": "client.backoff.base_s",
            "cap_s": "client.backoff.cap_s",
            "outage_s": LENGTH,
            "clients": "clients",
        }
    ),
    prepare=lambda scenario: scenario,
    play=lambda shown: {"": play_rows(shown.scenario)},
    draw=_draw,
    metrics=(
        "availability_fraction",
        "polling_fraction",
        "attempts",
        "latency_s_p50",
        "latency_s_p95",
        "delivered_fraction",
        "lost",
        "undelivered",
    ),
    scenarios=("poor_network_fallback", "flapping_wifi", "first_outage", "cell_handover"),
)
