"""What makes one explorer: its controls, what it plays, what it draws, what it begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simlib.explorers.controls import PolicyControl, SettingControl, Shown
from simlib.explorers.panels import attempts_panel, recovery_panel
from simlib.explorers.picture import ChartPanel, ShownPicture
from simlib.metrics.metrics import row
from simlib.metrics.run_sentences import describe_numbers
from simlib.scenario.scenario import Scenario, load
from simlib.support.files import find_shipped
from simlib.trace.trace import Trace

#: Numbers of connections, as `simlib.summary` has them.
OF_CONNECTIONS = (
    "attempts",
    "peak_attempts_per_s",
    "peak_after_fault_per_s",
    "time_to_recover_s_p50",
    "time_to_recover_s_p95",
    "last_back_s",
    "never_recovered",
    "gave_up",
)


@dataclass(frozen=True, kw_only=True)
class ExplorerKind:
    """What makes one explorer."""

    title: str
    #: What it begins with, if no scenario is given.
    default: Callable[[], Scenario]
    controls: tuple[SettingControl | PolicyControl, ...]
    #: Makes a scenario fit: with a fault to make longer, without messages that are not drawn.
    prepare: Callable[[Scenario], Scenario]
    #: Plays, and returns runs by name; "" is the name of the only one.
    play: Callable[[Shown], Mapping[str, Trace]]
    draw: Callable[[Mapping[str, Trace]], tuple[ChartPanel, ...]]
    metrics: tuple[str, ...] = OF_CONNECTIONS
    #: Scenarios that can be chosen from a list; without any, real clients' policies can be.
    scenarios: tuple[str, ...] = ()
    #: Policies that are compared at first.
    policies: tuple[str, ...] = ()
    #: Whether clients can be shown as dots.
    animates: bool = False

    def picture(self, shown: Shown) -> tuple[ShownPicture, str]:
        """Play, and return what is drawn, and the name of the engine."""
        runs = self.play(shown)
        numbers = {name: row(run) for name, run in runs.items()}
        panels = self.draw(runs)
        if len(runs) == 1:
            (name, run), *_ = runs.items()
            sentence = describe_numbers(run, numbers[name])
        else:
            sentence = " ".join(f"{panel.finding}." for panel in panels if panel.finding)
        kept = {
            name: {metric: float(values[metric]) for metric in self.metrics if metric in values}
            for name, values in numbers.items()
        }
        engines = {run.engine for run in runs.values()}
        return ShownPicture(panels, sentence, kept), " and ".join(sorted(engines))


def begin_with(name: str, changes: Mapping[str, Any] | None = None) -> Callable[[], Scenario]:
    """Return what loads a scenario that comes with simlib, with some settings changed."""

    def load_it() -> Scenario:
        return load(find_shipped(f"scenarios/{name}.toml")).replace(changes or {})

    return load_it


def draw_storm(runs: Mapping[str, Trace]) -> tuple[ChartPanel, ...]:
    """Return the panels of a storm: attempts, and who is back."""
    return attempts_panel(runs), recovery_panel(runs)
