"""Compare two versions of a scenario, a policy or a run: every metric that surely changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Any

import pandas as pd

from simlib.core.card import Card, ShowsCard
from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.differences.fail_rules import FailRule, FailVerdict, fail_rule, judge
from simlib.differences.metric_changes import MetricChange, MetricPairs, list_changes, pairs_of
from simlib.differences.setting_changes import SettingChange, list_setting_changes
from simlib.differences.sides import Sides, check_kinds, describe_lacks, put_in_scenarios
from simlib.differences.words import (
    DIFF_HEADING,
    change_row,
    describe_finding,
    describe_intervals,
    diff_markdown,
    say_verdict,
    verdict_json,
)
from simlib.experiments.engine_choice import choose_engine
from simlib.experiments.replicate import Paired, Replications, paired
from simlib.metrics.meaning import MEANING, OF_MESSAGES
from simlib.metrics.metrics import row
from simlib.scenario.origin import describe_origin
from simlib.scenario.presets import Preset
from simlib.scenario.scenario import Scenario
from simlib.studies.policy.imports.imported import ImportedPolicy
from simlib.support.arguments import check_arguments
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY, current_command
from simlib.support.progress import Progress
from simlib.trace.trace import Trace


@dataclass(frozen=True, repr=False)
class Diff(ShowsCard):
    """What changed between two versions, which shows itself in a terminal and in a notebook.

    Attributes
    ----------
    names : tuple of str
        How both versions are called.
    pair : Paired
        The runs of both, under the same seeds.
    settings : list of SettingChange
        The settings that differ.
    rules : tuple of FailRule
        Those of ``fail_if``; ``verdicts`` has what the runs say of each.
    notes : tuple of str
        What was played, and where.

    Examples
    --------
    >>> import simlib as sl
    >>> calm = sl.Scenario(name="calm", clients=3, duration_s=5, workload=sl.Workload(rate_per_s=0))
    >>> print(sl.diff(calm, calm.replace(name="calmer"), 2, on="sim").finding)
    calmer does exactly what calm does: all metrics are equal in 2 pairs of runs.
    """

    names: tuple[str, str]
    pair: Paired
    settings: list[SettingChange]
    rules: tuple[FailRule, ...] = ()
    notes: tuple[str, ...] = ()
    made_by: str = ""

    @cached_property
    def _pairs(self) -> list[MetricPairs]:
        return pairs_of(self.pair.one, self.pair.other)

    @cached_property
    def all_changes(self) -> list[MetricChange]:
        """How each metric with a value changed, surely or not."""
        return list_changes(self._pairs)

    @property
    def changes(self) -> list[MetricChange]:
        """The metrics that surely changed: by groups, in each the most important first."""
        return [change for change in self.all_changes if change.is_sure]

    @property
    def count(self) -> int:
        """How many pairs of runs there are."""
        return min(len(self.pair.one.table), len(self.pair.other.table))

    @property
    def finding(self) -> str:
        """What was found, in a sentence or two."""
        return describe_finding(self.names, self.all_changes, self.count)

    @cached_property
    def verdicts(self) -> list[FailVerdict]:
        """What the runs say of each rule."""
        by_metric = {pairs.metric: pairs for pairs in self._pairs}
        return [judge(rule, by_metric.get(rule.metric)) for rule in self.rules]

    @property
    def fails(self) -> bool:
        """Whether a rule is surely exceeded."""
        return any(verdict.is_exceeded for verdict in self.verdicts)

    @property
    def table(self) -> pd.DataFrame:
        """A row per metric that surely changed: both means, the difference and its interval."""
        rows = [_values(change) for change in self.changes]
        return pd.DataFrame(rows, columns=list(_COLUMNS)).set_index("metric")

    def card(self) -> Card:
        """Return what is shown: the finding, the metrics that surely changed, the settings."""
        rows = [change_row(change) for change in self.changes]
        settings = [f"{each.key}: {each.old} -> {each.new}" for each in self.settings]
        verdicts = [say_verdict(verdict) for verdict in self.verdicts]
        intervals = describe_intervals(len(self.all_changes), self.count) if rows else ""
        return Card(
            f"{self.names[0]} -> {self.names[1]}",
            tuple(rows),
            heading=DIFF_HEADING if rows else (),
            notes=(intervals, *settings, *self.notes, *verdicts),
            lead=self.finding,
        )

    def to_markdown(self) -> str:
        """Return it as Markdown, for a pull request."""
        return diff_markdown(self)

    def to_json(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return {
            "old": self.names[0],
            "new": self.names[1],
            "engine": self.pair.one.on,
            "replications": self.count,
            "finding": self.finding,
            "changes": jsonable([_values(change) for change in self.changes]),
            "unchanged": len(self.all_changes) - len(self.changes),
            "settings": [change._asdict() for change in self.settings],
            "fail_if": jsonable([verdict_json(verdict) for verdict in self.verdicts]),
            "fails": self.fails,
            "notes": list(self.notes),
            KEY: describe_origin(self.made_by, self.pair.one.scenario, self.pair.other.scenario),
        }


#: The columns of `Diff.table`.
_COLUMNS = (
    "metric", "group", "old", "new", "difference", "low", "high", "relative", "direction",
)  # fmt: skip


def _values(change: MetricChange) -> dict[str, Any]:
    difference = change.difference
    return {
        "metric": change.metric,
        "group": change.group,
        "old": change.old,
        "new": change.new,
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "relative": change.relative,
        "direction": change.direction,
    }


@check_arguments
def diff(
    old: Scenario | Settings | Preset | ImportedPolicy | Trace,
    new: Scenario | Settings | Preset | ImportedPolicy | Trace,
    replications: int = 20,
    *,
    on: str | None = None,
    clients: int | None = None,
    settings: Mapping[str, Any] | None = None,
    fail_if: Sequence[str] = (),
    names: tuple[str, str] | None = None,
    progress: Progress | None = None,
) -> Diff:
    """Compare two versions of a scenario or a policy under the same seeds, or two saved runs.

    Two policies are played in a storm, as ``simlib presets compare`` does; a policy beside a
    scenario is played as its client.

    Parameters
    ----------
    old, new : Scenario, Settings, Preset, ImportedPolicy or Trace
        What is compared. A trace goes with a trace: nothing is played then.
    replications : int
        How many seeds, at least 2; the first is that of ``old``.
    on : {"sim", "fleet"}, optional
        The engine; by default the fleet if it can play all of both, else sim.
    clients : int, optional
        The number of clients, in both.
    settings : mapping, optional
        Settings that both get, by their paths, as `Scenario.replace` takes them.
    fail_if : sequence of str
        Changes that are too much, such as ``"time_to_recover_s_p95 > +5%"``.
    names : tuple of two str, optional
        How the versions are called; by default by their own names.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Diff
        The settings and the metrics that surely changed, with 95 % intervals that hold together,
        and whether a rule of ``fail_if`` is surely exceeded.

    Raises
    ------
    SettingsError
        If a rule or a number is wrong, or one side is a saved run and the other is not.

    Examples
    --------
    >>> import simlib as sl
    >>> outage = sl.Fault("outage", start_s=2, stop_s=6)
    >>> old = sl.Scenario(clients=5, duration_s=30, faults=[outage])
    >>> found = sl.diff(old, old.replace("faults.0.stop_s", 8), 5, on="sim")
    >>> [(each.key, each.old, each.new) for each in found.settings]
    [('faults.0.stop_s', '6', '8')]
    """
    rules = tuple(fail_rule(text) for text in fail_if)
    check_kinds(old, new)
    if isinstance(old, Trace) and isinstance(new, Trace):
        for name, value in (("clients", clients), ("settings", settings or None)):
            if value is not None:
                raise SettingsError(name, value, "changes nothing in runs that are over")
        return _diff_runs(old, new, rules, names)
    sides = put_in_scenarios(old, new, clients)
    if settings:
        sides = _change(sides, settings)
    engine, why = _choose_engine(on, sides, rules)
    pair = paired(sides.old, sides.new, replications, on=engine, progress=progress)
    names = names or _names_of(old, new)
    lacks = describe_lacks(names[0], old) + describe_lacks(names[1], new)
    return _check_rules(
        Diff(
            names,
            pair,
            list_setting_changes(sides.old, sides.new),
            rules,
            tuple(filter(None, (sides.note, why, *lacks))),
            current_command(),
        )
    )


def _change(sides: Sides, settings: Mapping[str, Any]) -> Sides:
    """Return both sides with settings changed."""
    try:
        return Sides(sides.old.replace(settings), sides.new.replace(settings), sides.note)
    except SettingsError as error:
        raise error.after("settings") from error


def _check_rules(found: Diff) -> Diff:
    """Return a diff all of whose rules can be judged."""
    assert len(found.verdicts) == len(found.rules)
    return found


def _choose_engine(on: str | None, sides: Sides, rules: Sequence[FailRule]) -> tuple[str, str]:
    """Return the engine: one that has numbers of messages where there are any to compare."""
    both = (sides.old, sides.new)
    sends = any(each.workload.rate_per_s > 0.0 or each.workload.recorded for each in both)
    for rule in rules:
        if rule.metric in OF_MESSAGES and (on == "fleet" or not sends):
            why = "the fleet carries none" if sends else "no messages are sent"
            raise SettingsError("fail_if", rule.text, f"{rule.metric} is of messages, and {why}")
    if on is None and sends:
        return "sim", "Played on sim, which carries the messages."
    return choose_engine(on, both)


def _names_of(*sides: Any) -> tuple[str, str]:
    first, second = (_name_of(side) for side in sides)
    return (first, second) if first != second else ("the old", "the new")


def _name_of(side: Any) -> str:
    if isinstance(side, Trace):
        return side.label
    if isinstance(side, ImportedPolicy):
        return side.source
    return "a policy" if isinstance(side, Settings) else str(side.name)


def _diff_runs(
    old: Trace, new: Trace, rules: tuple[FailRule, ...], names: tuple[str, str] | None
) -> Diff:
    one, other = (
        Replications(trace.scenario, trace.engine, _one_row(trace)) for trace in (old, new)
    )
    note = (
        "One run each: every difference is that of these two runs, and another seed may give "
        "another. Scenarios in the place of runs are played under many seeds."
    )
    notes = [note]
    if old.engine != new.engine:
        notes.append(f"The old run was played on {old.engine}, the new one on {new.engine}.")
    notes += [
        f"{trace.label} is partial: it was interrupted." for trace in (old, new) if trace.partial
    ]
    return _check_rules(
        Diff(
            names or _names_of(old, new),
            Paired("attempts", one, other),
            list_setting_changes(old.scenario, new.scenario),
            rules,
            tuple(notes),
            current_command(),
        )
    )


def _one_row(trace: Trace) -> pd.DataFrame:
    metrics = row(trace)
    numbers = {name: float(metrics.get(name, nan)) for name in MEANING if name != "engine"}
    return pd.DataFrame([numbers], index=pd.Index([trace.scenario.seed], name="seed"))
