"""Cells of a course's notebook, run in the page: what needs numpy or Matplotlib has a stand-in.

The page's Python has neither, nor pandas. A cell is run as it stands in the notebook; a table, a
chart and an explorer are given to the page as data, and the page shows them.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import sys
from collections.abc import Iterator, Sequence
from math import inf
from types import ModuleType
from typing import Any

from simlib.core.errors import SimlibError
from simlib.core.events import NONE
from simlib.metrics.words import format_cell
from simlib.scenario.scenario import Scenario, loads
from simlib.site.counting import count_connections, find_quantile
from simlib.site.player import read_address, write_address
from simlib.trace.columns import Kind
from simlib.trace.disruptions import interrupting
from simlib.trace.schema import NAMES, ROW
from simlib.trace.trace import Trace

_MORE = 'simlib on your machine has it (in its folder: pip install -e ".[all]")'
_CLIENT, _KIND = NAMES.index("client"), NAMES.index("kind")


class PageTable:
    """Rows of numbers by run, which can be read as the notebook's tables are."""

    def __init__(self, labels: Sequence[str], rows: Sequence[dict[str, float]]) -> None:
        self.labels, self.iloc = list(labels), [_Row(row) for row in rows]

    def __getitem__(self, names: str | list[str]) -> Any:
        if isinstance(names, str):
            return _Column(row[names] for row in self.iloc)
        return PageTable(self.labels, [{name: row[name] for name in names} for row in self.iloc])

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows."""
        rows = [
            [label, *map(format_cell, row.values())]
            for label, row in zip(self.labels, self.iloc, strict=True)
        ]
        return {"kind": "table", "heads": list(self.iloc[0] if self.iloc else ()), "rows": rows}


class _Row(dict[str, float]):
    def __missing__(self, name: str) -> float:
        raise SimlibError(f"this page has no column {name!r}, only {', '.join(self)}: {_MORE}")


class _Column(list[float]):
    @property
    def iloc(self) -> _Column:
        return self

    def max(self) -> float:
        return max(self)


def summarise(runs: Trace | Sequence[Trace]) -> PageTable:
    """Return the numbers of connections that this page counts, a row for each run."""
    traces = [runs] if isinstance(runs, Trace) else list(runs)
    return PageTable([trace.label for trace in traces], [_count(trace) for trace in traces])


def _count(trace: Trace) -> dict[str, float]:
    counted = count_connections(trace)
    times_s = counted.recovery_times_s()
    return {
        "attempts": len(counted.attempts_s),
        "peak_attempts_per_s": counted.peak_attempts_per_s(),
        "peak_after_fault_per_s": counted.peak_after_fault_per_s(),
        "time_to_recover_s_p50": find_quantile(times_s, 0.5),
        "time_to_recover_s_p95": find_quantile(times_s, 0.95),
        "never_recovered": times_s.count(inf),
        "gave_up": len(counted.gave_up),
    }


class PageChart:
    """Attempts per second of some runs."""

    def __init__(self, traces: Trace | Sequence[Trace]) -> None:
        self.traces = [traces] if isinstance(traces, Trace) else list(traces)

    def as_json(self) -> dict[str, Any]:
        """Return what the page draws, and the same in words."""
        loads = [count_connections(trace).attempts_per_s() for trace in self.traces]
        highest = "; ".join(
            f"{trace.label}: highest {max(load):,} at {load.index(max(load))} s"
            for trace, load in zip(self.traces, loads, strict=True)
        )
        faults = [
            [fault.start_s, min(fault.end_s, self.traces[0].end_s)]
            for fault in interrupting(self.traces[0].scenario)
        ]
        curves = [[trace.label, load] for trace, load in zip(self.traces, loads, strict=True)]
        alt = f"Attempts per second. {highest}."
        return {"kind": "attempts", "curves": curves, "faults": faults, "alt": alt}


class _Plots:
    """The charts that this page draws: one."""

    attempts = PageChart

    def __getattr__(self, name: str) -> Any:
        raise SimlibError(f"this page draws sl.plots.attempts, not sl.plots.{name}: {_MORE}")


class PageExplorer:
    """Sliders over a scenario: the page with all of them, in a frame."""

    #: The address of what the sliders make now, as the frame's page writes it; "" before that.
    moved_to = ""

    def __init__(self, scenario: Scenario) -> None:
        self._given = scenario
        PageExplorer.moved_to = ""

    @property
    def scenario(self) -> Scenario:
        """The scenario that the sliders make now."""
        return loads(read_address(self.moved_to)) if self.moved_to else self._given

    def as_json(self) -> dict[str, Any]:
        """Return the address at which the page shows the scenario."""
        return {"kind": "explorer", "address": f"index.html#{write_address(self._given)}"}


def _rows_of(trace: Trace, client: int) -> Iterator[dict[str, Any]]:
    """Give one client's rows, and those of all clients' faults, one row after the other."""
    for row in ROW.iter_unpack(trace.packed_rows()):
        if row[_CLIENT] == client or (row[_CLIENT] == NONE and row[_KIND] == Kind.FAULT):
            yield dict(zip(NAMES, row, strict=True))


def _put_stand_ins() -> None:
    """Let the notebook's own imports find what the page has in the place of what it lacks."""
    stand_ins: dict[str, dict[str, Any]] = {
        "simlib.metrics.metrics": {"summary": summarise},
        "simlib.charts": {"plots": _Plots()},
        "simlib.charts.frames": {"readable": lambda table: table},
        "simlib.explorers.explore": {"explore": PageExplorer},
    }
    for name, parts in stand_ins.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(parts)
    Trace.rows_of = _rows_of  # type: ignore[assignment, method-assign]
    from simlib.course.exercises import first_steps, guesses

    exercises = sys.modules["simlib.course.exercises"]
    for module in (first_steps, guesses):
        for name, value in vars(module).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                setattr(exercises, name, value)


_NAMES: dict[str, Any] = {}


def run_cell(source: str, moved_to: str = "") -> str:
    """Run a cell as a notebook does; return in JSON what it shows, or its error in words.

    The sliders of the page have an address of their own, ``moved_to``.
    """
    PageExplorer.moved_to = moved_to
    if not _NAMES:
        _put_stand_ins()
        _NAMES["__name__"] = "__main__"
    said, shown = io.StringIO(), []
    try:
        with contextlib.redirect_stdout(said):
            shown = _show(_run(source))
    except Exception as error:  # noqa: BLE001 - whatever a reader wrote, the page says it
        shown = [{"kind": "error", "text": f"{type(error).__name__}: {error}"}]
    text = [{"kind": "text", "text": said.getvalue().rstrip("\n")}] if said.getvalue() else []
    return json.dumps([*text, *shown])


def _run(source: str) -> Any:
    """Run the statements of a cell; return the value of the last, if it is an expression."""
    asked = source.strip()
    if asked.endswith("?"):
        return _Words(inspect.getdoc(eval(asked[:-1], _NAMES)) or "It has no description.")
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), _NAMES)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), _NAMES)


class _Words(str):
    """A text that is shown as it is, not as Python writes a string."""

    __slots__ = ()
    __repr__ = str.__str__


def _show(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if isinstance(value, (PageTable, PageChart, PageExplorer)):
        return [value.as_json()]
    if hasattr(value, "_repr_html_"):
        return [{"kind": "html", "html": value._repr_html_()}]
    return [{"kind": "text", "text": repr(value)}]
