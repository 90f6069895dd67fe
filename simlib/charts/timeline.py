"""The timeline: a row for each client, coloured by state."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from simlib.charts.client_findings import find_recovery
from simlib.charts.labels import AREA, HATCHED, LINE, Sample, text_width_points, write_key
from simlib.charts.stretches import draw_stretches
from simlib.charts.style import Group, empty
from simlib.charts.times import time_axis
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.metrics import spans
from simlib.trace.trace import Trace

#: In the order of drawing: an attempt is short and stays on top.
STATE_COLOURS = {
    "idle": "#E5E5E5",
    "open": "#56B4E9",
    "waiting": "#D55E00",
    "stopped": "#4D4D4D",
    "suspended": "#CC79A7",
    "connecting": "#F0E442",
}
#: Whoever has left for good has stopped too, but nothing is wrong: hardly darker than nothing.
_COLOURS = STATE_COLOURS | {"left": "#F3F3F3"}
#: What is hatched, and in which colour: colours that are alike in grey are told apart by it.
HATCHES = {"idle": ("////", "#FFFFFF"), "suspended": ("\\\\\\\\", "#FFFFFF")}
#: No more rows are drawn.
MOST_DRAWN_ROWS = 60
_POLLING_COLOUR = "#000000"


def draw_states(axes: Axes, groups: Sequence[Group]) -> None:
    """Draw the clients of each group's first run, one group below the other."""
    axes.set_ylabel("client")
    if not any(len(group.runs[0]) or group.runs[0].tally for group in groups):
        empty(axes, "nothing was played")
        return
    top, seen = 0, set()
    ticks: dict[int, str] = {}
    step = 1 if _rows_of(groups[0], len(groups)) * len(groups) <= 24 else 5
    for group in groups:
        rows = _rows_of(group, len(groups))
        seen |= _draw_clients(axes, group.runs[0], rows, top)
        ticks |= {top + client: str(client) for client in range(0, rows, step)}
        _name_clients(axes, group, rows, top + rows / 2.0 - 0.5, len(groups))
        top += rows + 1
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.set_ylim(top - 1.5, -0.5)
    axes.grid(False)
    axes.tick_params(axis="y", length=0)
    time_axis(axes, [group.runs[0] for group in groups])
    samples = [
        Sample(colour, state, HATCHED if state in HATCHES else AREA)
        for state, colour in _COLOURS.items()
        if state in seen
    ]
    samples += [Sample(_POLLING_COLOUR, "polling", LINE)] * ("polling" in seen)
    write_key(axes, samples)


def find_states(groups: Sequence[Group]) -> str:
    """Return who is back when, of the runs that are drawn."""
    return find_recovery({group.name: recovery_times_s(group.runs[0]) for group in groups})


def _rows_of(group: Group, blocks: int) -> int:
    return min(group.runs[0].scenario.clients, max(1, MOST_DRAWN_ROWS // blocks))


def _draw_clients(axes: Axes, run: Trace, rows: int, top: float) -> set[str]:
    """Draw one run's clients from a height downwards; return what was seen."""
    seen = set()
    looks = _choose_bars(spans(run, ["state", "left"]), rows)
    left = looks["left"].to_numpy(bool)
    for state, colour in _COLOURS.items():
        own = left if state == "left" else ~left & (looks["state"] == state).to_numpy()
        if own.any():
            seen.add(state)
            _draw_bars(axes, looks[own], top, 0.42, colour, state)
    ways = _choose_bars(spans(run, ["transport"]), rows)
    polls = ways[ways["transport"] == "poll"]
    if len(polls):
        seen.add("polling")
        _draw_bars(axes, polls, top, 0.08, _POLLING_COLOUR, "polling")
    return seen


def _choose_bars(bars: pd.DataFrame, rows: int) -> pd.DataFrame:
    return bars[(bars["client"] < rows) & (bars["stop_s"] > bars["start_s"])]


def _draw_bars(
    axes: Axes, bars: pd.DataFrame, top: float, half: float, colour: str, label: str
) -> None:
    # Without an edge, an attempt of a few milliseconds would be narrower than a pixel: not there.
    edge = 0.6 if label == "connecting" else 0.0
    # In grey some are as bright as others that lie beside them: these are hatched.
    hatch, lines = HATCHES.get(label, (None, colour))
    look: dict[str, Any] = {"facecolor": colour, "edgecolor": lines, "hatch": hatch, "lw": edge}
    start_s, stop_s = bars["start_s"].to_numpy(), bars["stop_s"].to_numpy()
    y = bars["client"].to_numpy() + top
    draw_stretches(axes, start_s, stop_s, y, half, label=label, **look)


def _name_clients(axes: Axes, group: Group, rows: int, middle: float, blocks: int) -> None:
    clients = group.runs[0].scenario.clients
    some = [f"the first {rows} of {clients:,}"] * (rows < clients)
    first = [f"first of {len(group.runs)} runs"] * (len(group.runs) > 1)
    if blocks == 1:
        words = [f"client ({some[0]})" if some else "client", *first]
        axes.set_ylabel(", ".join(words))
        return
    axes.set_ylabel("")
    # As long as the block is high, so that no name runs into the next one's.
    height_points = axes.bbox.height * 72.0 / axes.figure.dpi / blocks
    letters = int(height_points / text_width_points("x"))
    axes.annotate(
        textwrap.fill(", ".join([group.name, *first, *some]), max(8, letters)),
        (0.0, middle),
        (-24, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="center",
        multialignment="center",
        color=group.colour,
    )
