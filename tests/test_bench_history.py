"""The record of ratios: a loss is told, a busy machine proves nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmarks' own modules, which import each other by their bare names."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    import figure
    import history
    import machine

    yield figure.Figure, history, machine
    for name in ("figure", "history", "machine"):
        sys.modules.pop(name, None)


def test_a_ratio_that_got_worse_is_told_in_red(bench: Any, tmp_path: Path) -> None:
    figure, history, _ = bench
    file = tmp_path / "history.csv"
    history.append([figure("a", "times", (2.0,), at_most=3.0)], file)
    history.append([figure("b", "share", (0.8,), at_least=0.7)], file)
    same, worse = history.compare(
        [figure("a", "times", (2.1,), at_most=3.0), figure("b", "share", (0.4,), at_least=0.7)],
        file,
    )
    assert ("", "red") == (same.style, worse.style)
    assert "2.00 times worse" in worse.plain


def test_the_last_line_of_a_figure_is_the_one_compared_with(bench: Any, tmp_path: Path) -> None:
    figure, history, _ = bench
    file = tmp_path / "history.csv"
    for ratio in (9.0, 2.0):
        history.append([figure("a", "times", (ratio,))], file)
    assert 2.0 == history.last_medians(file)["a"][1]


def test_only_ratios_of_a_quiet_machine_are_recorded(bench: Any, tmp_path: Path) -> None:
    figure, history, machine = bench
    busy = figure("a", "times", (2.0,)).beside(machine.Busyness(load=4.0, others_share=0.5))
    assert 1 == history.append([busy, figure("b", "s", (2.0,)), figure("c", "times", (2.0,))],
                               tmp_path / "history.csv")  # fmt: skip


def test_nothing_is_called_met_on_a_busy_machine(bench: Any) -> None:
    figure, _, machine = bench
    met = figure("a", "times", (2.0,), at_most=3.0)
    assert "met" == met.verdict
    assert "busy" == met.beside(machine.Busyness(load=4.0, others_share=0.5)).verdict
