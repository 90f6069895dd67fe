"""The storm explorer: many clients, one server that comes back, and who gets in when."""

from __future__ import annotations

from simlib.explorers.controls import LENGTH, POLICY_CONTROLS, make_controls, with_ending_fault
from simlib.explorers.kinds import ExplorerKind, begin_with, draw_storm
from simlib.explorers.playing import leave_messages_out, play_storm

STORM_EXPLORER = ExplorerKind(
    title="Storm: everybody comes back at once",
    default=begin_with("fleet_storm", {"client.backoff.jitter": "none"}),
    controls=make_controls(
        {
            "clients": "clients",
            "outage_s": LENGTH,
            "seed": "seed",
            "accept_per_s": "server.accept_per_s",
        }
        | POLICY_CONTROLS
        | {"trip_after": "client.breaker.trip_after", "open_s": "client.breaker.open_s"}
    ),
    prepare=lambda scenario: with_ending_fault(leave_messages_out(scenario)),
    play=lambda shown: {"": play_storm(shown.scenario)},
    draw=draw_storm,
    animates=True,
)
