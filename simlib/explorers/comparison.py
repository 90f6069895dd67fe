"""The explorer of several policies: the same outage, one curve for each."""

from __future__ import annotations

from simlib.explorers.controls import (
    LENGTH,
    NO_POLICY,
    OWN,
    PolicyControl,
    Shown,
    make_controls,
    with_ending_fault,
)
from simlib.explorers.kinds import ExplorerKind, begin_with, draw_storm
from simlib.explorers.playing import leave_messages_out, play_storm
from simlib.scenario.presets import PREFIX
from simlib.trace.trace import Trace

_NAMES = ("first", "second", "third", "fourth")


def _play(shown: Shown) -> dict[str, Trace]:
    chosen = dict.fromkeys(name for name in shown.policies if name != NO_POLICY)
    return {
        name: play_storm(
            shown.scenario
            if name == OWN
            else shown.scenario.replace({"client": f"{PREFIX}{name}", "name": name})
        )
        for name in chosen
    }


COMPARISON_EXPLORER = ExplorerKind(
    title="Compare: the same outage under several policies",
    default=begin_with("fleet_storm"),
    controls=(
        *(PolicyControl(name, place) for place, name in enumerate(_NAMES)),
        *make_controls(
            {
                "clients": "clients",
                "outage_s": LENGTH,
                "accept_per_s": "server.accept_per_s",
                "seed": "seed",
            }
        ),
    ),
    prepare=lambda scenario: with_ending_fault(leave_messages_out(scenario)),
    play=_play,
    draw=draw_storm,
    policies=(OWN, "socket.io-client", "phoenix", NO_POLICY),
)
