"""Policies as small multiples of their waits."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import Panels, new_panels, save_figure
from simlib.charts.style import style
from simlib.core.backoff import Backoff
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.words import format_number
from simlib.studies.policy.benchmark import tabulate_storms, waits_s
from simlib.trace.trace import Trace

_COLOUR, _GREY, _END = OTHER_COLOURS[0], "#555555", "#D55E00"
_WIDTH_IN, _PANEL_IN = 10.0, 1.9
_ATTEMPTS = 12
#: Shorter waits are drawn here: a log axis has no 0.
_LEAST_S = 0.002


def policies_chart(known: Mapping[str, Backoff], axes: list[Axes] | None = None) -> list[Axes]:
    """Draw where the waits of policies lie, a panel each, all to the same scale.

    Parameters
    ----------
    known : mapping
        The policies by name.
    axes : list of Axes, optional
        Where to draw, one for each; a new figure by default.

    Returns
    -------
    list of Axes
        Attempts in a row across, waits in s up, on a log axis: the line is the median, the dark
        band holds half of the waits, the light one all. Where a client gives up, a cross ends it.

    Examples
    --------
    >>> panels = policies_chart({"mine": Backoff()})
    >>> panels[0].get_title(loc="left")
    'mine'
    """
    with style():
        panels = _grid(len(known)) if axes is None else axes
        waits = [waits_s(rules, _ATTEMPTS) for rules in known.values()]
        longest_s = max(float(np.nan_to_num(policy_waits, nan=1.0).max()) for policy_waits in waits)
        for (name, rules), policy_waits, panel in zip(known.items(), waits, panels, strict=True):
            _draw(panel, name, rules, policy_waits, longest_s)
    return panels


def _grid(count: int, across: str = "attempts in a row", up: str = "wait, s") -> Panels:
    columns = min(count, 4)
    rows = ceil(count / columns)
    size_in = (max(4.5, _WIDTH_IN * columns / 4), 0.6 + _PANEL_IN * rows)
    panels = new_panels(*size_in, rows, columns, sharex=True, sharey=True)
    for empty in panels[count:]:
        empty.set_axis_off()
    for i, panel in enumerate(panels[:count]):
        if i >= count - columns:
            panel.set_xlabel(across)
            panel.tick_params(labelbottom=True)
        if i % columns == 0:
            panel.set_ylabel(up)
    return Panels(panels[:count])


def _draw(axes: Axes, name: str, rules: Backoff, waits: Any, longest_s: float) -> None:
    count = waits.shape[1]
    # Each wait is as wide as an attempt.
    x = np.repeat(np.arange(count + 1) + 0.5, 2)[1:-1]
    least, low, median, high, most = np.maximum(np.repeat(waits, 2, axis=1), _LEAST_S)
    axes.set_yscale("log")
    axes.set(xlim=(0.5, count + 0.5), ylim=(_LEAST_S / 1.6, longest_s * 2.0))
    axes.yaxis.set_major_locator(FixedLocator([_LEAST_S, *(10.0**k for k in range(-2, 7))]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda s, _: "0" if s <= _LEAST_S else f"{s:,.10g}")
    )
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="minor", length=0)
    axes.xaxis.set_major_locator(FixedLocator([1, 4, 8, 12]))
    axes.fill_between(x, least, most, color=_COLOUR, alpha=0.2, lw=0)
    axes.fill_between(x, low, high, color=_COLOUR, alpha=0.35, lw=0)
    axes.plot(x, median, color=_COLOUR, linewidth=1.5)
    if rules.max_attempts < count:
        last = int(rules.max_attempts)
        height = median[2 * last - 1] if last else 1.0
        axes.plot(last + 0.5, height, marker="x", color=_END, clip_on=False)
        look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 7.5}
        axes.annotate("gives up", (last + 0.5, height), (6, 0), color=_END, **look)
    words = textwrap.fill(rules.in_words, 46)
    axes.set_title(name, loc="left", fontsize=9, pad=4.0 + 9.0 * (words.count("\n") + 1))
    axes.annotate(words, (0.0, 1.0), (0, 3), xycoords="axes fraction", color=_GREY,
                  textcoords="offset points", fontsize=6.5, va="bottom")  # fmt: skip


def save_policies_chart(known: Mapping[str, Backoff], folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    with style():
        return _save(policies_chart(known), Path(folder) / "waits.png")


def _save(panels: list[Axes], path: Path) -> Path:
    figure = panels[0].get_figure()
    assert isinstance(figure, Figure)
    return save_figure(figure, path)


def storms_chart(traces: Mapping[str, Trace], axes: list[Axes] | None = None) -> list[Axes]:
    """Draw the storms of policies, a panel each, all to the same scale.

    Parameters
    ----------
    traces : mapping
        The runs of `play_storms`, by the clients' names.
    axes : list of Axes, optional
        Where to draw, one for each; a new figure by default.

    Returns
    -------
    list of Axes
        Attempts per second against time since the outage began, on a log axis; the outage is
        shaded, and a line shows how many the server opens.

    Examples
    --------
    >>> from simlib.core.settings import Settings
    >>> from simlib.studies.policy.benchmark import play_storms
    >>> panels = storms_chart(play_storms({"mine": Settings()}, 20, 5.0, on="sim"))
    >>> panels[0].get_title(loc="left")
    'mine'
    """
    with style():
        panels = _grid(len(traces), "since the outage, s", "attempts/s") if axes is None else axes
        last_s = max(map(_shown_s, traces.values()))
        top = max(float(attempts_per_s(trace).max()) for trace in traces.values())
        for (name, trace), panel in zip(traces.items(), panels, strict=True):
            _draw_storm(panel, name, trace, last_s)
            panel.set(yscale="log", ylim=(0.7, 2.0 * top))
            panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
            panel.yaxis.set_minor_formatter(NullFormatter())
        rate_per_s = next(iter(traces.values())).scenario.server.accept_per_s
        panels[0].annotate(
            f"the server opens {rate_per_s:,g}/s",
            (last_s, rate_per_s),
            (0, 2),
            textcoords="offset points",
            ha="right",
            fontsize=6.5,
            color=_END,
        )
    return panels


def _shown_s(trace: Trace) -> float:
    """Return until when a storm is drawn: a little longer than it lasts, from the outage on."""
    (outage,) = trace.scenario.faults
    attempts = attempts_per_s(trace)
    return min(trace.end_s, 1.1 * (float(np.flatnonzero(attempts)[-1]) + 1.0)) - outage.start_s


def _draw_storm(axes: Axes, name: str, trace: Trace, last_s: float) -> None:
    (outage,) = trace.scenario.faults
    attempts = attempts_per_s(trace)
    seconds = np.arange(attempts.size) - outage.start_s
    axes.step(seconds, attempts, where="post", color=_COLOUR, linewidth=1.2)
    axes.axvspan(0.0, outage.end_s - outage.start_s, color="#000000", alpha=0.07, lw=0)
    axes.axhline(trace.scenario.server.accept_per_s, color=_END, linewidth=1.0, linestyle="--")
    axes.set_xlim(-5.0, last_s)
    axes.set_title(name, loc="left", fontsize=9)
    axes.annotate(_fate(trace), (1.0, 1.0), (0, 3), xycoords="axes fraction", color=_GREY,
                  textcoords="offset points", fontsize=6.5, va="bottom", ha="right")  # fmt: skip


def _fate(trace: Trace) -> str:
    """Return in a few words when most clients were back."""
    table = tabulate_storms({"": trace}).iloc[0]
    if table["never_back"]:
        return f"{table['never_back']:,.0f} never back"
    return f"95 % back after {format_number(float(table['back_s_p95']))} s"


def save_storms_chart(traces: Mapping[str, Trace], folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    with style():
        return _save(storms_chart(traces), Path(folder) / "storms.png")
