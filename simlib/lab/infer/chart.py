"""An inferred policy as a chart: observed waits over their predicted range."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, save_figure
from simlib.charts.style import new_axes, style
from simlib.charts.titles import write_titles
from simlib.lab.infer.likelihood import wait_spans
from simlib.lab.infer.policy_fit import PolicyFit
from simlib.lab.infer.waits import Waits
from simlib.support.arguments import check_arguments

_COLOUR, _DOT = OTHER_COLOURS[0], "#D55E00"
#: More attempts in a row are not drawn: a policy has long reached its cap.
_MOST_ATTEMPTS = 20


@check_arguments
def waits_chart(policy_fit: PolicyFit, axes: Axes | None = None) -> Axes:
    """Draw the observed waits by attempt over the band that the fitted policy allows.

    Parameters
    ----------
    policy_fit : PolicyFit
        What `fit` returned, as in ``infer(...).fit``.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        A dot per wait in s, by the attempt in a row that followed; on a log axis where the waits
        differ by more than a factor of 30.

    Examples
    --------
    >>> sl.waits_chart(sl.infer("obs.parquet").fit)  # doctest: +SKIP
    """
    with style():
        canvas = new_axes()[0] if axes is None else axes
        shown = int(min(_MOST_ATTEMPTS, policy_fit.waits.attempts[-1]))
        chosen = policy_fit.waits.where(policy_fit.waits.attempt <= shown)
        _draw_band(policy_fit, shown, canvas)
        # Spread a little, always in the same way, so that equal waits are seen as many.
        beside = 0.5 * (np.random.default_rng(1).random(len(chosen)) - 0.5)
        canvas.plot(
            chosen.attempt + beside,
            np.maximum(chosen.wait_s, _least_s(policy_fit)),
            linestyle="none",
            marker="o",
            markersize=2.5,
            alpha=0.6,
            color=_DOT,
        )
        if policy_fit.best.rules.drawn_once:
            _draw_clients(chosen, canvas)
        _scale(canvas, policy_fit, chosen.wait_s)
        canvas.set_xlim(0.5, shown + 0.5)
        canvas.xaxis.set_major_locator(MaxNLocator(integer=True))
        canvas.set_xlabel("attempt in a row")
        canvas.set_ylabel("wait before it, s")
        _name(canvas, policy_fit)
    return canvas


def _draw_clients(chosen: Waits, axes: Axes) -> None:
    """Draw a line for each client: what it drew once shows in all its waits."""
    for client in np.unique(chosen.client):
        own = chosen.where(chosen.client == client)
        axes.plot(own.attempts, own.by_attempt(np.median), color=_DOT, linewidth=0.8, alpha=0.4)


def _draw_band(policy_fit: PolicyFit, shown: int, axes: Axes) -> None:
    """Draw for each attempt the waits that the policy allows, and their middle."""
    low_s, middle_s, high_s = wait_spans(policy_fit.best.rules, shown)
    thin_s = 0.006 * float(high_s.max())
    for i in range(shown):
        bottom_s, top_s = float(low_s[i]), float(high_s[i])
        wide = top_s - bottom_s > thin_s
        edges = (i + 0.65, i + 1.35)
        if wide:
            least_s = max(bottom_s, _least_s(policy_fit))
            axes.fill_between(edges, least_s, top_s, color=_COLOUR, alpha=0.2, linewidth=0)
        axes.hlines(float(middle_s[i]), *edges, color=_COLOUR, linewidth=1.2 if wide else 2.0)


def _least_s(policy_fit: PolicyFit) -> float:
    """Return the least wait that is drawn: a log axis has no zero."""
    return max(0.001, policy_fit.waits.blur_s / 2.0)


def _scale(axes: Axes, policy_fit: PolicyFit, wait_s: Any) -> None:
    middle_s = policy_fit.waits.by_attempt(np.median)
    if middle_s.max() > 30.0 * max(_least_s(policy_fit), middle_s.min()):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        low_s = max(_least_s(policy_fit), 0.5 * float(np.quantile(wait_s, 0.01)))
        axes.set_ylim(low_s * 0.8, 1.5 * float(wait_s.max()))
    else:
        axes.set_ylim(0.0, 1.1 * float(wait_s.max()))


def _name(axes: Axes, policy_fit: PolicyFit) -> None:
    said = (
        f"none of these; nearest: {policy_fit.best.name}"
        if policy_fit.is_none
        else policy_fit.best.name
    )
    shown = f"{len(policy_fit.waits):,} waits, attempt by attempt; shaded: where the policy's lie"
    write_titles(axes, said[0].upper() + said[1:], shown)


def save_waits_chart(policy_fit: PolicyFit, folder: str | os.PathLike[str]) -> Path:
    """Write the chart as PNG; return the file."""
    path = Path(folder) / "waits.png"
    with style():
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN))
        waits_chart(policy_fit, figure.subplots())
        return save_figure(figure, path)


# --- in words ----------------------------------------------------------------------------
