"""Policies as bands: where their waits lie attempt by attempt, and what some clients draw."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from simlib.charts.client_findings import find_spread
from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import LABELLED, figure_of
from simlib.charts.multiples import multiples_grid
from simlib.charts.style import dress, style
from simlib.charts.titles import write_figure_titles
from simlib.core.backoff import Backoff
from simlib.core.settings import Settings
from simlib.metrics.policy_waits import sample_waits_s, waits_s
from simlib.support.arguments import check_arguments

_COLOUR, _SAMPLE, _GREY, _END = OTHER_COLOURS[0], "#333333", "#555555", "#D55E00"
_ATTEMPTS = 12
#: Spreads are compared after so many failures.
_FAILURES = 5
#: Shorter waits are drawn here: a log axis has no 0.
_LEAST_S = 0.002
_WHAT = "line: median; dark band: half of the waits; light: all"


@check_arguments
def backoff(
    policies: Backoff | Settings | Mapping[str, Backoff | Settings],
    clients: int = 5,
    axes: Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Draw where the waits of policies lie, attempt by attempt, and what some clients draw.

    Parameters
    ----------
    policies : Backoff, Settings, or mapping of str to one of them
        One policy, or several by name: a panel for each, all to the same scale. The bands of a
        Python function (`FunctionBackoff`) hold what a thousand clients draw.
    clients : int
        So many clients are drawn as dots.
    axes : sequence of Axes, optional
        Where to draw, one for each policy; a new figure by default.

    Returns
    -------
    sequence of Axes
        Attempts in a row across, waits in s up, on a log axis: the line is the median, the dark
        band holds half of the waits, the light one all. Where a client gives up, a cross ends it.

    Examples
    --------
    >>> import simlib as sl
    >>> panels = sl.plots.backoff({"full": sl.Backoff(), "none": sl.Backoff(jitter="none")})
    >>> [panel.get_title(loc="left") for panel in panels]
    ['full', 'none']
    """
    named = policies if isinstance(policies, Mapping) else {"": policies}
    rules = {
        name: each.backoff if isinstance(each, Settings) else each for name, each in named.items()
    }
    with style():
        panels = multiples_grid(len(rules)) if axes is None else axes
        draw_policies(panels, rules, clients)
        if axes is None:
            label_outer(panels, "attempts in a row", "wait, s")
            ends = {name: _ends(each) for name, each in rules.items()}
            what = f"{_WHAT}; dots: {clients} clients" if clients else _WHAT
            found = find_spread(ends, _FAILURES)
            write_figure_titles(figure_of(panels[0]), found, f"Waits by attempt; {what}")
        else:
            for panel in panels:
                dress(panel)
                panel.set(xlabel="attempts in a row", ylabel="wait, s")
    return panels


def draw_policies(panels: Sequence[Axes], rules: Mapping[str, Backoff], clients: int) -> None:
    """Draw each policy's waits on its panel, all to one scale, and some clients' as dots."""
    waits = [waits_s(each, _ATTEMPTS) for each in rules.values()]
    longest_s = max(float(np.nan_to_num(each, nan=1.0).max()) for each in waits)
    for (name, each), bands, panel in zip(rules.items(), waits, panels, strict=True):
        _scale(panel, bands.shape[1], longest_s)
        _draw_bands(panel, each, bands)
        _draw_samples(panel, each, clients)
        _name(panel, name, each)


def label_outer(panels: Sequence[Axes], across: str, up: str) -> None:
    """Name the axes of the lowest and the leftmost panels of a figure."""
    for panel in panels:
        spec = panel.get_subplotspec()
        below = [p for p in panels if p.get_subplotspec().colspan == spec.colspan]  # type: ignore[union-attr]
        if panel is below[-1]:
            panel.set_xlabel(across)
            panel.tick_params(labelbottom=True)
        if spec is not None and spec.is_first_col():
            panel.set_ylabel(up)


def _ends(rules: Backoff) -> tuple[float, float]:
    waits = waits_s(rules, _FAILURES)[:, -1]
    return float(waits[0]), float(waits[-1])


def _scale(axes: Axes, count: int, longest_s: float) -> None:
    axes.set_yscale("log")
    axes.set(xlim=(0.5, count + 0.5), ylim=(_LEAST_S / 1.6, longest_s * 2.0))
    axes.yaxis.set_major_locator(FixedLocator([_LEAST_S, *(10.0**k for k in range(-2, 7))]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda s, _: "0" if s <= _LEAST_S else f"{s:,.10g}")
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator([1, 4, 8, 12]))


def _draw_bands(axes: Axes, rules: Backoff, waits: Any) -> None:
    count = waits.shape[1]
    # Each wait is as wide as an attempt.
    x = np.repeat(np.arange(count + 1) + 0.5, 2)[1:-1]
    least, low, median, high, most = np.maximum(np.repeat(waits, 2, axis=1), _LEAST_S)
    axes.fill_between(x, least, most, color=_COLOUR, alpha=0.2, lw=0)
    axes.fill_between(x, low, high, color=_COLOUR, alpha=0.35, lw=0)
    axes.plot(x, median, color=_COLOUR, linewidth=1.5, label="median wait")
    if rules.max_attempts < count:
        last = int(rules.max_attempts)
        height = median[2 * last - 1] if last else 1.0
        axes.plot(last + 0.5, height, marker="x", color=_END, clip_on=False)
        look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 7.5}
        axes.annotate("gives up", (last + 0.5, height), (6, 0), color=_END, **look)


def _draw_samples(axes: Axes, rules: Backoff, clients: int) -> None:
    last = int(min(_ATTEMPTS, rules.max_attempts))
    if not clients or not last:
        return
    drawn = np.maximum(sample_waits_s(rules, last, clients), _LEAST_S)
    beside = np.linspace(-0.25, 0.25, clients)[:, None] if clients > 1 else np.zeros((1, 1))
    x = np.arange(1, last + 1) + beside
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2.2, "alpha": 0.8}
    axes.plot(x.ravel(), drawn.ravel(), color=_SAMPLE, gid=LABELLED, **look)


def _name(axes: Axes, name: str, rules: Backoff) -> None:
    words = textwrap.fill(rules.in_words, 46)
    axes.set_title(name, loc="left", fontsize=9, pad=4.0 + 9.0 * (words.count("\n") + 1))
    axes.annotate(words, (0.0, 1.0), (0, 3), xycoords="axes fraction", color=_GREY,
                  textcoords="offset points", fontsize=6.5, va="bottom")  # fmt: skip
