"""The queue explorer: what waits in the outboxes, what is dropped, and which priority pays."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np

from simlib.charts.message_findings import find_latency, find_outbox
from simlib.charts.outbox import describe_backlog
from simlib.core.events import Priority
from simlib.explorers.controls import LENGTH, make_controls, with_ending_fault
from simlib.explorers.kinds import ExplorerKind, begin_with
from simlib.explorers.panels import levels_panel
from simlib.explorers.picture import ChartPanel, Series, round_limit
from simlib.explorers.playing import play_rows
from simlib.metrics.messages import messages, outbox_depth
from simlib.trace.trace import Trace

_POINTS = 250


def backlog_panel(run: Trace) -> ChartPanel:
    """Return the messages in all outboxes over time, by priority and together."""
    depth = outbox_depth(run)
    x = np.linspace(0.0, run.end_s, _POINTS + 1)
    rows = np.searchsorted(depth.index.to_numpy(), x[:-1], side="right") - 1
    heights = depth.to_numpy()[rows].astype(float)
    series = [Series("all", x, heights.sum(axis=1))]
    series += [
        Series(name, x, heights[:, i], colour=i + 1)
        for i, name in enumerate(depth.columns)
        if heights[:, i].any()
    ]
    finding = find_outbox({"": describe_backlog(run, depth)}) or "No outbox ever held a message"
    return levels_panel(run, "Messages in all outboxes", finding, series)


def latency_panel(run: Trace) -> ChartPanel:
    """Return which share of each priority's messages was acknowledged how soon."""
    table = messages(run)
    answered = table["acknowledged_s"].to_numpy() < inf
    latency_s, codes = table["latency_s"].to_numpy(), table["priority"].cat.codes.to_numpy()
    of_priority = {
        each.name.lower(): np.sort(latency_s[(codes == each.value) & answered])
        for each in Priority
        if (codes == each.value).any()
    }
    sent = {each.name.lower(): int((codes == each.value).sum()) for each in Priority}
    high = round_limit(np.concatenate([np.empty(0), *of_priority.values()]), least=0.1)
    x = np.linspace(0.0, high, _POINTS + 1)
    series = tuple(
        Series(
            name, x, np.searchsorted(values, x, side="right") / sent[name], colour=1 + i, lasts=True
        )
        for i, (name, values) in enumerate(of_priority.items())
    )
    return ChartPanel(
        finding=find_latency(of_priority, "priority") or "No message was acknowledged",
        what="Share of the messages sent that are acknowledged",
        x_label="time since the message was sent, s",
        series=series,
        x_range=(0.0, high),
        top=1.0,
    )


def _draw(runs: Mapping[str, Trace]) -> tuple[ChartPanel, ...]:
    (run,) = runs.values()
    return backlog_panel(run), latency_panel(run)


QUEUE_EXPLORER = ExplorerKind(
    title="Queue: what waits while nobody answers, and what leaves first",
    default=begin_with("flush_storm", {"clients": 4, "server.message_service_s": 0.05}),
    controls=make_controls(
        {
            "capacity": "client.outbox.capacity",
            "when_full": "client.outbox.when_full",
            "max_in_flight": "client.outbox.max_in_flight",
            "age_after_s": "client.outbox.age_after_s",
            "per_s": "client.rate.per_s",
            "burst": "client.rate.burst",
            "rate_per_s": "workload.rate_per_s",
            "expires_after_s": "workload.expires_after_s",
            "message_service_s": "server.message_service_s",
            "server_per_s": "server.rate.per_s",
            "outage_s": LENGTH,
            "clients": "clients",
        }
    ),
    prepare=with_ending_fault,
    play=lambda shown: {"": play_rows(shown.scenario)},
    draw=_draw,
    metrics=(
        "sent",
        "delivered_fraction",
        "lost",
        "undelivered",
        "latency_s_p50",
        "latency_s_p95",
        "latency_s_p95_critical",
        "latency_s_p95_low",
        "head_of_line_s",
        "duplicate_fraction",
    ),
    scenarios=("flush_storm", "rate_limited", "busy_connection", "duplicate_after_resend"),
)
