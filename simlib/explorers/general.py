"""The explorer of any scenario: its policy, its fault and its clients."""

from __future__ import annotations

from simlib.explorers.controls import LENGTH, POLICY_CONTROLS, make_controls, with_ending_fault
from simlib.explorers.kinds import ExplorerKind, begin_with, draw_storm
from simlib.explorers.playing import play_storm

GENERAL_EXPLORER = ExplorerKind(
    title="What do clients do after an outage?",
    default=begin_with("first_outage"),
    controls=make_controls(
        POLICY_CONTROLS
        | {
            "outage_s": LENGTH,
            "clients": "clients",
            "seed": "seed",
            "accept_per_s": "server.accept_per_s",
            "trip_after": "client.breaker.trip_after",
            "open_s": "client.breaker.open_s",
        }
    ),
    prepare=with_ending_fault,
    play=lambda shown: {"": play_storm(shown.scenario)},
    draw=draw_storm,
)
