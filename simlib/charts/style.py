"""Shared chart code: style sheet, axes, groups of runs, labels, shaded faults."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import as_file, files
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    StrMethodFormatter,
)

from simlib.charts.colours import LIVE_COLOURS, colours_of
from simlib.charts.figures import Panels, new_panels
from simlib.core.faults import Fault, Route
from simlib.metrics import lateness
from simlib.metrics.array_types import Floats
from simlib.scenario.scenario import Scenario
from simlib.trace.trace import Trace

#: Samples in a key.
AREA, LINE = "\u25a0", "\u2501"
#: No line has many more points.
MOST_POINTS = 600
_WIDTH_IN = 8.0
_LINE_POINTS = 12.5
_NAME_CHARACTERS = 24
_GREY = "#555555"
_FAULT = "fault"


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seed alone: drawn as one, a median and a band."""

    name: str
    colour: str
    runs: list[Trace]

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


@contextmanager
def drawing(
    title: str, traces: Trace | Sequence[Trace], axes: Axes | None, height_in: float = 4.0
) -> Iterator[tuple[Axes, list[Group]]]:
    """Give axes to draw on, the caller's or those of a new figure, and the groups to draw."""
    groups = group_traces(traces)
    with style():
        axes = new_axes(height_in)[0] if axes is None else axes
        yield axes, groups
        # Last: it stands above the names of the faults.
        _title(axes, title, groups)
        _note_lateness(axes, groups)


def new_axes(height_in: float, panels: int = 1) -> Panels:
    """Return the axes of a new chart, one below the other."""
    return new_panels(_WIDTH_IN, height_in, panels)


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
        Group(name, colour, by_group[key])
        for name, colour, key in zip(_names(keys), colours, keys, strict=False)
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


def _title(axes: Axes, title: str, groups: Sequence[Group]) -> None:
    """Say what is seen, and of whom as far as it is the same for all."""
    runs = [run for group in groups for run in group.runs]
    labels, clients = {run.label for run in runs}, {run.scenario.clients for run in runs}
    words = [*labels] * (len(labels) == 1)
    if len(clients) == 1:
        words += ["1 client" if clients == {1} else f"{min(clients):,} clients"]
    words += ["cut short"] * any(run.partial for run in runs)
    faults = [
        note for note in axes.texts if isinstance(note, Annotation) and note.get_gid() == _FAULT
    ]
    pad = max((note.xyann[1] for note in faults), default=-6.0) + 14.0
    axes.set_title(title, pad=pad)
    look: dict[str, Any] = {"fontsize": 9, "fontweight": "normal", "color": _GREY}
    axes.set_title(", ".join(words), loc="right", pad=pad, **look)


def _note_lateness(axes: Axes, groups: Sequence[Group]) -> None:
    """Say under the axes that a machine was too busy to keep time, so nobody blames the model."""
    late = [lateness.excuse(run) for group in groups for run in group.runs]
    if any(late):
        text = f"live: {next(filter(None, late))}, the machine was too busy"
        look: dict[str, Any] = {"color": LIVE_COLOURS[0], "ha": "right", "va": "top", "fontsize": 9}
        axes.annotate(text, (1.0, 0.0), (0, -36), "axes fraction", "offset points", **look)


def empty(axes: Axes, message: str) -> None:
    """Say why nothing is drawn."""
    axes.set(xticks=[], yticks=[])
    middle: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, message, color=_GREY, fontsize=11, **middle)


class SideLabel(NamedTuple):
    """A name to write beside the axes."""

    #: Where it belongs, as a fraction of the height of the axes.
    height: float
    colour: str
    text: str
    #: A sample of what it names, drawn in its colour; the text is then grey.
    sample: str = ""


def write_names(axes: Axes, names: Sequence[SideLabel]) -> None:
    """Write names beside the axes, each near its height, none over another."""
    line = _LINE_POINTS / (axes.bbox.height * 72.0 / axes.figure.dpi)
    texts, middles, halves = [], [], []
    names = sorted(names, key=lambda name: -name.height)
    top = 1.0 + line / 2.0
    for name in names:
        texts.append(textwrap.fill(name.text, _NAME_CHARACTERS))
        halves.append(line * (texts[-1].count("\n") + 1) / 2.0)
        middles.append(min(name.height, top - halves[-1]))
        top = middles[-1] - halves[-1]
    # What was pushed below the axes pushes what is above it up again.
    bottom = -line / 2.0
    for i in reversed(range(len(names))):
        middles[i] = max(middles[i], bottom + halves[i])
        bottom = middles[i] + halves[i]
    place: dict[str, Any] = {
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "va": "center",
    }
    for name, text, middle in zip(names, texts, middles, strict=True):
        colour, indent = name.colour, 6
        if name.sample:
            axes.annotate(name.sample, (1.0, middle), (6, 0), color=colour, fontsize=12, **place)
            colour, indent = "#333333", 20
        axes.annotate(text, (1.0, middle), (indent, 0), color=colour, **place)


def key(names: Sequence[tuple[str, str, str]]) -> list[SideLabel]:
    """Return the names of a key, from the top down: colour, text and sample of each."""
    return [SideLabel(1.0 - 1e-6 * i, *name) for i, name in enumerate(names)]


def time_axis(axes: Axes, groups: Sequence[Group], *, names: bool = True) -> None:
    """Set the time axis of runs, and shade their faults, with their names above."""
    end_s = max(group.end_s for group in groups)
    axes.set_xlim(0.0, end_s)
    axes.set_xlabel("time, s")
    faults = {fault: None for group in groups for fault in group.runs[0].scenario.faults}
    rows = [0.0]
    for fault in sorted(faults, key=lambda fault: fault.start_s):
        if fault.start_s < end_s:
            _shade(axes, fault.start_s, min(fault.end_s, end_s))
            if not names:
                continue
            text = _fault_text(fault)
            # On the lowest row that is free; a letter is about 1/90 of the width.
            row = next((i for i, until in enumerate(rows) if until <= fault.start_s), len(rows))
            rows[row : row + 1] = [fault.start_s + end_s * (len(text) + 1) / 90.0]
            axes.annotate(
                text,
                (fault.start_s, 1.0),
                (0, 3 + 10 * row),
                xycoords=axes.get_xaxis_transform(),
                textcoords="offset points",
                color=_GREY,
                fontsize=8,
                gid=_FAULT,
            )


def _shade(axes: Axes, start_s: float, stop_s: float) -> None:
    axes.axvspan(start_s, stop_s, color="#000000", alpha=0.07, lw=0, zorder=0)
    for edge_s in {start_s, stop_s}:
        axes.axvline(edge_s, color="#000000", alpha=0.5, lw=0.8, zorder=3)


def _fault_text(fault: Fault) -> str:
    words = [_word(fault.kind)]
    if fault.route != Route.ALL:
        words.append("WebSocket only" if fault.route == Route.WEBSOCKET else "HTTP only")
    if fault.clients_fraction < 1.0:
        words.append(f"for {fault.clients_fraction:g} of the clients")
    return ", ".join(words)


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
    axes.xaxis.set_minor_formatter(NullFormatter())


def whole_numbers() -> MaxNLocator:
    """Return what places the ticks of counts."""
    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])


def draw_steps(axes: Axes, group: Group, x: Floats, runs: Floats) -> Floats:
    """Draw runs (runs x points) as steps: the median, and a band from lowest to highest.

    Returns the median, the height of the line at each point.
    """
    median: Floats = np.median(runs, axis=0)
    if len(runs) > 1:
        low, high = runs.min(axis=0), runs.max(axis=0)
        axes.fill_between(x, low, high, step="post", color=group.colour, alpha=0.25, lw=0)
    axes.step(x, median, where="post", color=group.colour, label=group.name)
    return median
