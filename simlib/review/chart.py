"""The charts of a review: one figure each, 16 to 9, under a title that says what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, NullFormatter

from simlib.charts import plots
from simlib.charts.colours import DASHES, colours_of
from simlib.charts.figures import HEIGHT_IN, LABELLED, WIDTH_IN, figure_of, new_panels
from simlib.charts.labels import Curve, name_curves
from simlib.charts.sequence import draw_sequence
from simlib.charts.style import count_axis, style
from simlib.charts.times import time_window_s
from simlib.lab.infer.chart import waits_chart
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.intervals import Estimate
from simlib.metrics.words import format_number
from simlib.review.grid import Grid
from simlib.review.question import METRIC_WORDS
from simlib.review.results import PlayedPolicy
from simlib.scenario.rates import handshakes_per_s
from simlib.studies.sensitivity.chart import sensitivity_chart
from simlib.trace.disruptions import interrupting

if TYPE_CHECKING:
    from simlib.lab.infer.policy_fit import PolicyFit
    from simlib.studies.compare.compare import Comparison
    from simlib.studies.sensitivity.result import Sensitivity
    from simlib.trace.sequence import Step

_GREY, _LIMIT = "#555555", "#D55E00"


def policy_colours(names: Sequence[str]) -> dict[str, str]:
    """Return the colour of each policy, the same on all charts of a review."""
    return dict(zip(names, colours_of(list(names)), strict=True))


def load_chart(row: Sequence[PlayedPolicy]) -> Figure:
    """Draw attempts per second, a panel for each policy to one scale, with the server's rate."""
    with style():
        panels = new_panels(WIDTH_IN, HEIGHT_IN, len(row), 1, sharex=True, sharey=True)
        colours = policy_colours([each.name for each in row])
        for panel, each in zip(panels, row, strict=True):
            _draw_load(panel, each, colours[each.name])
        panels[0].set_xlim(*time_window_s([each.trace for each in row]))
        # The loads of policies differ by powers of ten, and the server's rate is small beside them.
        top = max(float(attempts_per_s(each.trace).max()) for each in row)
        panels[0].set(yscale="log", ylim=(0.7, 2.5 * max(top, 1.0)))
        for panel in panels:
            panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
            panel.yaxis.set_minor_formatter(NullFormatter())
        panels[-1].set_xlabel("time, s")
        _name_limit(panels[0], handshakes_per_s(row[0].scenario))
        panels[0].figure.supylabel("attempts per second", fontsize=9)
    return figure_of(panels[0])


def _draw_load(panel: Axes, played: PlayedPolicy, colour: str) -> None:
    load = attempts_per_s(played.trace)
    seconds = np.arange(load.size + 1.0)
    panel.step(seconds, np.append(load, load[-1:]), where="post", color=colour, linewidth=1.2,
               label=played.name)  # fmt: skip
    panel.fill_between(seconds, 0.7, np.maximum(np.append(load, load[-1:]), 0.7), step="post",
                       color=colour, alpha=0.2, lw=0)  # fmt: skip
    for fault in interrupting(played.scenario):
        stop_s = min(fault.end_s, played.trace.end_s)
        panel.axvspan(fault.start_s, stop_s, color="#000000", alpha=0.07, lw=0)
    limit = handshakes_per_s(played.scenario)
    if limit < inf:
        panel.axhline(limit, color=_LIMIT, linewidth=1.0, linestyle="--")
    peak = played.mean("peak_after_fault_per_s")
    worst = f"; worst second after the fault: {format_number(peak.value)}" * isfinite(peak.value)
    panel.set_title(f"{played.name}{worst}", fontsize=9, fontweight="normal")


def _name_limit(panel: Axes, limit: float) -> None:
    """Say what the dashed line is, above the panel: on it, attempts would run through the words."""
    if limit < inf:
        panel.set_title(
            f"dashed: the server can take {format_number(limit)} per second",
            loc="right", fontsize=8, fontweight="normal", color=_LIMIT,
        )  # fmt: skip


def recovery_chart(row: Sequence[PlayedPolicy]) -> Figure:
    """Draw which share of the clients hit was back how soon after the fault, of all seeds."""
    curves = {each.name: recovery_times_s(each.trace) for each in row}
    axes_label = "time since the fault's end, s"
    return _draw_shares(curves, axes_label, "share of the clients that were hit")


def _draw_shares(curves: dict[str, Floats], across: str, up: str) -> Figure:
    with style():
        (axes,) = panels = new_panels(WIDTH_IN, HEIGHT_IN)
        colours = policy_colours(list(curves))
        finite = [values[np.isfinite(values)] for values in curves.values()]
        last = 1.08 * max((float(values.max()) for values in finite if values.size), default=1.0)
        drawn = []
        for i, (name, values) in enumerate(curves.items()):
            ordered = np.sort(values[np.isfinite(values)])
            x = np.concatenate([[0.0], ordered, [last or 1.0]])
            y = np.concatenate([[0.0], np.arange(1, ordered.size + 1), [ordered.size]])
            share = y / max(values.size, 1)
            keep = _thin(x.size)
            axes.step(x[keep], share[keep], where="post", color=colours[name], label=name,
                      linestyle=DASHES[i % len(DASHES)])  # fmt: skip
            never = int(np.isinf(values).sum())
            after = _mark_share(axes, ordered, values.size, colours[name])
            text = f"{name}{after}" + f"; {never:,} of {values.size:,} never" * bool(never)
            drawn.append(Curve(x[keep], share[keep], colours[name], text))
        axes.set(xlim=(0.0, last or 1.0), ylim=(0.0, 1.02), xlabel=across, ylabel=up)
        axes.grid(visible=True, axis="both")
        name_curves(axes, drawn)
    return figure_of(panels[0])


def _thin(count: int, most: int = 600) -> Any:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def _mark_share(axes: Axes, ordered: Floats, of: int, colour: str) -> str:
    """Mark where 99 % are back; return that in words, empty if they never are."""
    needed = int(np.ceil(0.99 * of)) - 1
    if not of or needed >= ordered.size:
        return ""
    at_s = float(ordered[needed])
    axes.plot([at_s], [0.99], "o", color=colour, markersize=4, clip_on=False)
    return f": 99 % after {format_number(at_s)} s"


def tradeoff_chart(
    row: Sequence[PlayedPolicy], across: str, up: str, bounds: dict[str, float]
) -> Figure:
    """Draw two metrics of each policy against each other, with intervals and bounds."""
    with style():
        (axes,) = panels = new_panels(WIDTH_IN, HEIGHT_IN)
        colours = policy_colours([each.name for each in row])
        markers = "osD^vP*X"
        for i, each in enumerate(row):
            x, y = each.mean(across), each.mean(up)
            if not (isfinite(x.value) and isfinite(y.value)):
                continue
            mark, *_ = axes.errorbar(
                x.value, y.value, xerr=_half(x), yerr=_half(y), color=colours[each.name],
                marker=markers[i], markersize=7, capsize=3, linestyle="none",
            )  # fmt: skip
            say = f"{each.name}: {format_number(x.value)} s, {format_number(y.value)}"
            mark.set(label=say, gid=LABELLED)
        axes.margins(0.2)
        axes.set(xlabel=f"{METRIC_WORDS[across]}, s", ylabel=METRIC_WORDS[up])
        count_axis(axes)
        axes.grid(visible=True, axis="both")
        _draw_bounds(axes, across, up, bounds)
        name_curves(axes, [_point(axes, each, across, up, colours[each.name]) for each in row])
    return figure_of(panels[0])


def _point(axes: Axes, played: PlayedPolicy, across: str, up: str, colour: str) -> Curve:
    """Return a policy's mark as a short curve, to be named beside it."""
    x, y = played.mean(across).value, played.mean(up).value
    left, right = axes.get_xlim()
    half = 0.01 * (right - left)
    return Curve(np.array([x - half, x + half]), np.array([y, y]), colour, played.name)


def _half(mean: Estimate) -> Any:
    if not isfinite(mean.low):
        return None
    return [[mean.value - mean.low], [mean.high - mean.value]]


def _draw_bounds(axes: Axes, across: str, up: str, bounds: dict[str, float]) -> None:
    if across in bounds:
        axes.axvline(bounds[across], color=_LIMIT, linestyle="--", linewidth=1.0)
        axes.annotate("bound", (bounds[across], 1.0), (3, -10), color=_LIMIT, fontsize=8,
                      xycoords=axes.get_xaxis_transform(), textcoords="offset points")  # fmt: skip
    if up in bounds:
        axes.axhline(bounds[up], color=_LIMIT, linestyle="--", linewidth=1.0)
        axes.annotate("bound", (1.0, bounds[up]), (0, 3), color=_LIMIT, fontsize=8, ha="right",
                      xycoords=axes.get_yaxis_transform(), textcoords="offset points")  # fmt: skip


def quantiles_chart(row: Sequence[PlayedPolicy], prefix: str, across: str) -> Figure:
    """Draw 50, 95 and 99 % of a time for each policy, a line of dots each."""
    with style():
        (axes,) = panels = new_panels(WIDTH_IN, 0.8 + 0.5 * len(row))
        colours = policy_colours([each.name for each in row])
        for i, each in enumerate(reversed(row)):
            values = [each.mean(f"{prefix}_p{q}").value for q in (50, 95, 99)]
            _draw_quantiles(axes, i, each.name, values, colours[each.name])
        names = [each.name for each in reversed(row)]
        axes.set_yticks(range(len(row)), names)
        axes.set(ylim=(-0.6, len(row) - 0.4), xlabel=across)
        axes.margins(x=0.12)
        axes.set_xlim(left=0.0)
        axes.grid(visible=True, axis="x")
    return figure_of(panels[0])


def _draw_quantiles(axes: Axes, y: int, name: str, values: Sequence[float], colour: str) -> None:
    shown = [value for value in values if isfinite(value)]
    half = f"50 %: {format_number(shown[0])} s" if shown else ""
    most = f"99 %: {format_number(values[-1])} s"
    most = most if isfinite(values[-1]) else "99 %: not in the run"
    look: dict[str, Any] = {"color": colour, "linewidth": 2, "markersize": 5, "gid": LABELLED}
    look["label"] = f"{name}, {half}, {most}" if half else f"{name}, {most}"
    axes.plot(shown, [y] * len(shown), "-o", **look)
    look = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    if shown:
        axes.annotate(half, (shown[0], y), (-8, 0), ha="right", **look)
    axes.annotate(most, (max(shown, default=0.0), y), (8, 0), ha="left", **look)


def best_chart(grid: Grid) -> Figure:
    """Draw which policy has 99 % of the clients back soonest, at each point of the grid."""
    across, up = grid.axes[0], grid.axes[1] if len(grid.axes) > 1 else None
    rows = len(up.values) if up else 1
    with style():
        (axes,) = panels = new_panels(WIDTH_IN, min(HEIGHT_IN, 1.4 + 0.9 * rows))
        colours = policy_colours(grid.policies)
        for place in grid.places:
            x, y = place[0], place[1] if len(place) > 1 else 0
            if len(place) > 2 and place[2:] != grid.given_place[2:]:
                continue
            best = grid.best_at(place)
            axes.fill_between([x - 0.49, x + 0.49], y - 0.47, y + 0.47, lw=0, alpha=0.25,
                              color=colours.get(best, "#999999"))  # fmt: skip
            time_s = min((p.numbers["time_to_recover_s_p99"] for p in grid.points
                          if p.place == place and p.policy == best), default=inf)  # fmt: skip
            text = f"{best}\n{format_number(time_s)} s" if best else "none in time"
            axes.annotate(text, (x, y), ha="center", va="center", fontsize=8)
            if place == grid.given_place:
                left, right, low, high = x - 0.49, x + 0.49, y - 0.47, y + 0.47
                frame = [left, right, right, left, left], [low, low, high, high, low]
                axes.plot(*frame, color="#333333", gid=LABELLED)
        axes.set_xticks(range(len(across.values)), [_tick(each) for each in across.values])
        axes.set(
            xlim=(-0.5, len(across.values) - 0.5), ylim=(-0.5, rows - 0.5), xlabel=across.label
        )
        axes.set_yticks(range(rows), [_tick(each) for each in up.values] if up else [""])
        axes.set_ylabel(up.label if up else "")
        axes.grid(visible=False)
    return figure_of(panels[0])


def _tick(value: Any) -> str:
    return (
        f"{value:,.10g}"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(value)
    )


def attempts_figure(comparison: Comparison) -> Figure:
    """Draw the attempts of a live run over those of the simulated ones."""
    return _resize(plots.attempts([*comparison.simulated, comparison.live]))


def latency_figure(row: Sequence[PlayedPolicy]) -> Figure:
    """Draw the latency of messages, a curve for each policy."""
    return _resize(plots.latency([each.trace for each in row]))


def sensitivity_figure(found: Sensitivity) -> Figure:
    """Draw which setting decides each metric."""
    return figure_of(sensitivity_chart(found)[0])


def waits_figure(fit: PolicyFit) -> Figure:
    """Draw the waits of an observed client, and the policy that fits them."""
    return _resize(waits_chart(fit))


def story_figure(steps: Sequence[Step], client: int) -> Figure:
    """Draw one client's sequence diagram."""
    return figure_of(draw_sequence(steps, client))


def _resize(axes: Axes) -> Figure:
    """Return the figure as large as the others, without its title: the review has a better one."""
    figure, title = figure_of(axes), axes.get_title(loc="left")
    # Not by set_title, which would put the subtitle where titles usually are: onto a fault's name.
    for artist in axes.get_children():
        if isinstance(artist, Text) and artist.get_text() == title:
            artist.set_text("")
    figure.set_size_inches(WIDTH_IN, HEIGHT_IN)
    return figure
