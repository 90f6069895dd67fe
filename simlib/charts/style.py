"""Shared chart code: style sheet, axes, and groups of runs that are drawn as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    StrMethodFormatter,
)

from simlib.charts.colours import DASHES, LIVE_COLOURS, colours_of
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, ChartAxes, Panels, new_panels
from simlib.charts.labels import Curve
from simlib.charts.titles import write_titles
from simlib.metrics import lateness
from simlib.metrics.array_types import Floats
from simlib.scenario.scenario import Scenario
from simlib.trace.trace import Trace

#: No line has many more points.
MOST_POINTS = 600
#: More groups than this are drawn as small multiples, where there is room for them.
MOST_ON_ONE = 3
_GREY = "#555555"


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seed alone: drawn as one, a median and a band."""

    name: str
    colour: str
    runs: list[Trace]
    #: The dashes of its line: curves are told apart without their colours, too.
    dashes: Any = "-"

    def describe_drawing(self, what: str = "median and range") -> str:
        """Return the name, and what the drawing shows of several runs."""
        if len(self.runs) == 1:
            return self.name
        of_runs = f"{what} of {len(self.runs)} runs"
        return f"{self.name} ({of_runs})" if self.name else of_runs

    @property
    def end_s(self) -> float:
        """When the longest run ended."""
        return max(run.end_s for run in self.runs)


@contextmanager
def style() -> Iterator[None]:
    """Draw by simlib's style sheet inside, and leave the global one alone."""
    sheet = _sheet()
    if all(mpl.rcParams[name] == value for name, value in sheet.items()):
        yield
        return
    # Not style.context, which puts back everything: also what a notebook's display has set, since
    # it is loaded with the first figure, and no later figure would be shown.
    before = {name: mpl.rcParams[name] for name in sheet}
    mpl.rcParams.update(sheet)
    try:
        yield
    finally:
        mpl.rcParams.update(before)


@cache
def _sheet() -> mpl.RcParams:
    with as_file(files("simlib.charts") / "simlib.mplstyle") as path:
        return mpl.rc_params_from_file(path, use_default_template=False)


#: From what is drawn to the sentence on top; "" if there is nothing to say.
FindingOfGroups = Callable[[Sequence[Group]], str]


@contextmanager
def drawing(
    what: str,
    traces: Trace | Sequence[Trace],
    axes: Axes | None,
    finding: FindingOfGroups = lambda _: "",
    height_in: float = HEIGHT_IN,
) -> Iterator[tuple[Axes, list[Group]]]:
    """Give axes to draw on, the caller's or those of a new figure, and the groups to draw.

    The title says what was found; what is drawn, and of whom, stands below it.
    """
    groups = group_traces(traces)
    with style():
        if axes is None:
            axes = new_axes(height_in)[0]
        else:
            dress(axes)
        yield axes, groups
        # Last: it stands above the names of the faults.
        found = finding(groups)
        write_titles(axes, found or what, describe_groups(groups, what if found else ""))
        _note_lateness(axes, groups)


def new_axes(height_in: float = HEIGHT_IN, panels: int = 1) -> Panels:
    """Return the axes of a new chart, one below the other."""
    return new_panels(WIDTH_IN, height_in, panels)


def apportion(panels: Sequence[Axes], heights_in: Sequence[float]) -> None:
    """Give panels one below the other their heights, if they are of one grid."""
    grid = panels[0].get_gridspec()
    if grid is not None:
        grid.set_height_ratios(heights_in)


def dress(axes: Axes) -> None:
    """Give axes that a caller has made the look of those that simlib makes."""
    if isinstance(axes, ChartAxes):
        return  # it has made these
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(mpl.rcParams["axes.edgecolor"])
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="y", color=mpl.rcParams["grid.color"], linewidth=0.6)
    look: dict[str, Any] = {"labelsize": 9, "labelcolor": "#333333"}
    axes.tick_params(color=mpl.rcParams["xtick.color"], **look)


def describe_groups(groups: Sequence[Group], what: str = "") -> str:
    """Say what is seen, of whom as far as it is the same for all, and what a band is."""
    runs = [run for group in groups for run in group.runs]
    labels, clients = {run.label for run in runs}, {run.scenario.clients for run in runs}
    words = [what] * bool(what) + [*labels] * (len(labels) == 1)
    if len(clients) == 1:
        words += ["1 client" if clients == {1} else f"{min(clients):,} clients"]
    words += ["cut short"] * any(run.partial for run in runs)
    counts = sorted({len(group.runs) for group in groups if len(group.runs) > 1})
    if counts:
        several = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        words.append(f"median and range of {several} runs")
    return ", ".join(words)


def group_traces(traces: Trace | Sequence[Trace]) -> list[Group]:
    """Return the groups in order of appearance, the live ones last: they are drawn on top."""
    traces = [traces] if isinstance(traces, Trace) else list(traces)
    by_group: dict[tuple[str, str, Scenario], list[Trace]] = {}
    for trace in traces:
        key = (trace.engine, trace.label, trace.scenario.replace(seed=0))
        by_group.setdefault(key, []).append(trace)
    keys = sorted(by_group, key=lambda key: key[0] == "live")
    # A run without a label of its own has its scenario's name.
    labels = [
        label if label != scenario.name else ""
        for engine, label, scenario in keys
        if engine != "live"
    ]
    colours = [*colours_of(labels), *(LIVE_COLOURS * len(keys))]
    return [
        Group(name, colour, by_group[key], "-" if key[0] == "live" else DASHES[i % len(DASHES)])
        for i, (name, colour, key) in enumerate(zip(_names(keys), colours, keys, strict=False))
    ]


def _names(keys: Sequence[tuple[str, str, Scenario]]) -> list[str]:
    """Name each group by what tells it from the others: engine, label, settings; no more."""
    if len(keys) == 1:
        return [""]
    engines, labels, scenarios = zip(*keys, strict=True) if keys else ((), (), ())
    parts = [_settings(scenario) for scenario in scenarios]
    shared = [path for path in parts[0] if all(path in part for part in parts)] if parts else []
    differing = [path for path in shared if len({part[path] for part in parts}) > 1]
    names = []
    for engine, label, part in zip(engines, labels, parts, strict=True):
        words = [engine] * (len(set(engines)) > 1) + [label] * (len(set(labels)) > 1)
        if len(set(labels)) == 1:
            words += [f"{path.rpartition('.')[2]} {part[path]}" for path in differing]
        names.append(", ".join(words))
    return names


def _settings(settings: Any, where: str = "") -> dict[str, str]:
    """Return every setting as text, by its path."""
    differing: dict[str, str] = {}
    for item in fields(settings):
        value, path = getattr(settings, item.name), f"{where}{item.name}"
        if is_dataclass(value):
            differing |= _settings(value, f"{path}.")
        elif item.name == "faults":
            differing[path] = " and ".join(_word(fault.kind) for fault in value) or "none"
            for i, fault in enumerate(value):
                differing |= _settings(fault, f"{path}.{i}.")
        elif item.init:
            differing[path] = _word(value) if isinstance(value, IntEnum) else _text(value)
    return differing


def _word(value: IntEnum) -> str:
    return value.name.lower().replace("_", " ")


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_lateness(groups: Sequence[Group]) -> list[str]:
    """Return that a machine was too busy to keep time, if it was, so nobody blames the model."""
    late = filter(None, (lateness.excuse(run) for group in groups for run in group.runs))
    return [f"live: {why}, the machine was too busy" for why in late][:1]


def _note_lateness(axes: Axes, groups: Sequence[Group]) -> None:
    look: dict[str, Any] = {"color": LIVE_COLOURS[0], "ha": "right", "va": "top", "fontsize": 9}
    for text in describe_lateness(groups):
        axes.annotate(text, (1.0, 0.0), (0, -36), "axes fraction", "offset points", **look)


def empty(axes: Axes, message: str) -> None:
    """Say why nothing is drawn."""
    axes.set(xticks=[], yticks=[])
    middle: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, message, color=_GREY, fontsize=11, **middle)


def count_axis(axes: Axes) -> None:
    """Set the axis of counts: ticks at whole numbers, written out, from one to millions."""
    if axes.get_autoscaley_on():  # else the caller has set them
        axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_locator(whole_numbers())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def logarithmic(axes: Axes) -> None:
    """Make the x axis logarithmic, its numbers written out."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.10g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def whole_numbers() -> MaxNLocator:
    """Return what places the ticks of counts."""
    return MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10])


class LineStyle(Protocol):
    """The part of what is drawn that says how its line looks."""

    @property
    def name(self) -> str:
        """What it is called; "" if there is but one."""

    @property
    def colour(self) -> str:
        """Its colour."""

    @property
    def dashes(self) -> Any:
        """Its dashes."""


def draw_steps(axes: Axes, look: LineStyle, x: Floats, runs: Floats) -> Curve:
    """Draw runs (runs x points) as steps: the median, and a band from lowest to highest.

    Returns the median's curve, with its name.
    """
    median: Floats = np.median(runs, axis=0)
    if len(runs) > 1:
        low, high = runs.min(axis=0), runs.max(axis=0)
        axes.fill_between(x, low, high, step="post", color=look.colour, alpha=0.25, lw=0)
    axes.step(x, median, where="post", color=look.colour, label=look.name, linestyle=look.dashes)
    return Curve(x, median, look.colour, look.name)
