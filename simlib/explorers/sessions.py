"""The sessions explorer: sessions that end together, and the storm of those who sign in again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simlib.core.link_table import State
from simlib.explorers.controls import make_controls
from simlib.explorers.kinds import ExplorerKind, begin_with
from simlib.explorers.panels import count_over_time, levels_panel, moments_in_steps
from simlib.explorers.picture import ChartPanel, Series
from simlib.explorers.playing import leave_messages_out, play_rows
from simlib.metrics.run_columns import RunColumns
from simlib.metrics.words import format_count
from simlib.trace.columns import Name
from simlib.trace.trace import Trace


def sign_ins_panel(run: Trace) -> ChartPanel:
    """Return sign-ins that are asked for and granted, and attempts, in each second."""
    columns = RunColumns(run).columns
    times_s = {
        name: columns["time_s"][columns["name"] == which]
        for name, which in (
            ("sign-ins", Name.SIGN_IN),
            ("signed in", Name.SIGNED_IN),
            ("attempts", Name.OPEN),
        )
    }
    series = [
        moments_in_steps(name, each, run, i) for i, (name, each) in enumerate(times_s.items())
    ]
    asked, granted = times_s["sign-ins"].size, times_s["signed in"].size
    finding = "Nobody signs in"
    if asked:
        worst = format_count(float(series[0].y.max()))
        finding = f"Up to {worst} sign-ins in one second; {_say_granted(asked, granted)}"
    return levels_panel(run, "In each second", finding, series)


def _say_granted(asked: int, granted: int) -> str:
    if asked == granted:
        return f"all {format_count(asked)} are granted"
    return f"{format_count(granted)} of {format_count(asked)} are granted"


def states_panel(run: Trace) -> ChartPanel:
    """Return how many clients are open, suspended or on their way, over time."""
    spans = RunColumns(run).steps.spans(["state", "left"])
    state = np.where(spans.looks["left"], -1, spans.looks["state"])
    kinds = {
        "open": state == State.OPEN,
        "suspended": state == State.SUSPENDED,
        "waiting or connecting": (state == State.WAITING) | (state == State.CONNECTING),
    }
    series = [
        Series(
            name, *count_over_time(spans.start_s[which], spans.stop_s[which], run.end_s), colour=i
        )
        for i, (name, which) in enumerate(kinds.items())
    ]
    return levels_panel(run, "Clients by state", _find_suspended(run, series[1], series[0]), series)


def _find_suspended(run: Trace, suspended: Series, opened: Series) -> str:
    most = float(suspended.y.max())
    still = float(suspended.y[-1])
    of = format_count(run.scenario.clients)
    if not most:
        return (
            f"Nobody is suspended; {format_count(float(opened.y[-1]))} of {of} are open at the end"
        )
    said = f"Up to {format_count(most)} of {of} are suspended at once"
    return f"{said}, {format_count(still) if still else 'none'} at the end"


def _draw(runs: Mapping[str, Trace]) -> tuple[ChartPanel, ...]:
    (run,) = runs.values()
    return sign_ins_panel(run), states_panel(run)


SESSIONS_EXPLORER = ExplorerKind(
    title="Sessions: what ends together is renewed together",
    default=begin_with("token_refresh_storm"),
    controls=make_controls(
        {
            "session_lifetime_s": "server.session_lifetime_s",
            "sign_in_service_s": "server.sign_in_service_s",
            "sign_in_after_s": "client.session.sign_in_after_s",
            "spread_s": "client.session.spread_s",
            "renew_before_s": "client.session.renew_before_s",
            "again_after_s": "client.session.again_after_s",
            "base_s": "client.backoff.base_s",
            "cap_s": "client.backoff.cap_s",
            "clients": "clients",
        }
    ),
    prepare=leave_messages_out,
    play=lambda shown: {"": play_rows(shown.scenario)},
    draw=_draw,
    metrics=(
        "availability_fraction",
        "attempts",
        "peak_attempts_per_s",
        "time_to_recover_s_p50",
        "time_to_recover_s_p95",
        "last_back_s",
        "never_recovered",
    ),
    scenarios=("token_refresh_storm", "session_expiry", "stale_session_on_reconnect"),
)
