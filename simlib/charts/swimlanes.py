"""Swimlanes: state, breaker and transport of a few clients, each in a lane of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from simlib.charts.client_findings import find_shares
from simlib.charts.figures import HEIGHT_IN
from simlib.charts.labels import AREA, Sample, text_width_points, write_key
from simlib.charts.stretches import draw_stretches
from simlib.charts.style import Group, drawing
from simlib.charts.timeline import STATE_COLOURS
from simlib.charts.times import time_axis
from simlib.core.errors import SettingsError
from simlib.metrics.metrics import spans
from simlib.support.arguments import check_arguments
from simlib.trace.trace import Trace

#: The lanes of a client, from the top down: the word for it, and the colour of each value.
LANE_COLOURS: dict[str, dict[str, str]] = {
    "state": STATE_COLOURS,
    "breaker": {"closed": "#E5E5E5", "open": "#D55E00", "half open": "#F0E442"},
    "transport": {"websocket": "#56B4E9", "poll": "#000000"},
}
_DARK = {"#4D4D4D", "#000000", "#D55E00"}
_HALF = 0.4


@check_arguments
def swimlanes(trace: Trace, clients: Sequence[int] = (0,), axes: Axes | None = None) -> Axes:
    """Draw state, breaker and transport of a few clients over time: what depended on what?

    Parameters
    ----------
    trace : Trace
        The run.
    clients : sequence of int
        Whom to draw, one below the other.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Three lanes for each client, over time in s; a stretch that is wide enough is named.

    Raises
    ------
    SettingsError
        If there is no such client.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.swimlanes(sl.run(sl.Scenario(clients=3, duration_s=5)), [1])
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['state', 'breaker', 'transport']
    """
    for client in clients:
        if not 0 <= client < trace.scenario.clients:
            rule = f"must be one of the run's clients, 0 to {trace.scenario.clients - 1}"
            raise SettingsError("clients", client, rule)

    def find(groups: Sequence[Group]) -> str:
        return find_shares(clients[0], _shares(groups[0].runs[0], clients[0])) if clients else ""

    height_in = max(HEIGHT_IN, 1.6 + 0.8 * len(clients))
    what = "State, breaker and transport"
    with drawing(what, trace, axes, find, height_in) as (canvas, _):
        _draw(canvas, trace, clients)
    return canvas


def _draw(axes: Axes, trace: Trace, clients: Sequence[int]) -> None:
    time_axis(axes, [trace])
    seen: dict[str, str] = {}
    ticks: dict[float, str] = {}
    for number, (lane, colours) in enumerate(LANE_COLOURS.items()):
        bars_of_all = spans(trace, [lane])
        for place, client in enumerate(clients):
            y = place * (len(LANE_COLOURS) + 0.7) + number
            ticks[y] = lane if len(clients) == 1 else f"client {client}: {lane}"
            bars = bars_of_all[bars_of_all["client"] == client]
            _draw_lane(axes, bars, lane, colours, y)
            if lane == "state":
                seen |= {name: colours[name] for name in _names(bars, lane)}
    heights = sorted(ticks)
    axes.set_yticks(heights, [ticks[y] for y in heights])
    axes.set_ylim(max(ticks, default=0.0) + 0.7, -0.7)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    write_key(axes, [Sample(colour, name, AREA) for name, colour in seen.items()])


def _names(bars: pd.DataFrame, lane: str) -> list[str]:
    return [str(name).replace("_", " ") for name in bars[lane].unique()]


def _draw_lane(
    axes: Axes, bars: pd.DataFrame, lane: str, colours: dict[str, str], y: float
) -> None:
    bars = bars[bars["stop_s"] > bars["start_s"]]
    first_s, last_s = axes.get_xlim()
    points_per_s = axes.bbox.width * 72.0 / axes.figure.dpi / (last_s - first_s)
    for name in _names(bars, lane):
        own = bars[bars[lane] == name.replace(" ", "_")]
        start_s, stop_s = own["start_s"].to_numpy(), own["stop_s"].to_numpy()
        colour = colours[name]
        # An edge, so that a stretch of a few milliseconds is wider than nothing.
        edge = 0.6 if name == "connecting" else 0.0
        draw_stretches(axes, start_s, stop_s, y, _HALF, color=colour, lw=edge, label=name)
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "clip_on": True}
        look |= {"color": "white" if colour in _DARK else "black"}
        for start, stop in zip(start_s, stop_s, strict=True):
            left, right = max(start, first_s), min(stop, last_s)
            if (right - left) * points_per_s > text_width_points(name, 8.0) + 4.0:
                axes.text((left + right) / 2.0, y, name, **look)


def _shares(trace: Trace, client: int) -> dict[str, float]:
    """Return the share of the run in each state, and in polling, the largest first."""
    bars, ways = (spans(trace, [look]) for look in ("state", "transport"))
    bars, ways = bars[bars["client"] == client], ways[ways["client"] == client]
    lengths_s = (bars["stop_s"] - bars["start_s"]).groupby(bars["state"], observed=True).sum()
    polls_s = (ways["stop_s"] - ways["start_s"])[ways["transport"] == "poll"].sum()
    if not trace.end_s:
        return {}
    shares = (lengths_s / trace.end_s).sort_values(ascending=False).to_dict()
    return {
        **{str(name): float(share) for name, share in shares.items()},
        "polling": float(polls_s / trace.end_s),
    }
