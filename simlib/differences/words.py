"""A diff in words: the finding, its tables in Markdown, the verdicts on its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Any

from simlib.core.card import count_in_words
from simlib.differences.fail_rules import FailVerdict
from simlib.differences.metric_changes import MetricChange
from simlib.metrics.intervals import Estimate
from simlib.metrics.markdown import escape_markdown, markdown_table
from simlib.metrics.words import format_number, join_words, words_and_unit

if TYPE_CHECKING:
    from simlib.differences.diff import Diff

DIFF_HEADING = ("metric", "old", "new", "%", "change (95 % interval)", "")
#: What the finding says first, if it surely changed.
_HEADLINES = (
    "never_recovered", "gave_up", "lost", "doubled", "time_to_recover_s_p95",
    "peak_after_fault_per_s", "availability_fraction", "attempts", "latency_s_p95",
)  # fmt: skip
_MOST_NAMED = 3


def describe_finding(names: tuple[str, str], changes: Sequence[MetricChange], pairs: int) -> str:
    """Return what was found, in a sentence or two."""
    old, new = names
    sure = [change for change in changes if change.is_sure]
    runs = "the two runs" if pairs == 1 else f"{pairs} pairs of runs"
    if not sure:
        if all(change.is_same for change in changes):
            return f"{new} does exactly what {old} does: all metrics are equal in {runs}."
        count = count_in_words(len(changes), "metric")
        return f"Nothing surely changed from {old} to {new}: {count}, {runs}."
    clauses = [_clause(change) for change in _headlines(sure)]
    named = join_words(clauses)
    sides = [change.direction for change in sure]
    counts = ", ".join(
        f"{sides.count(side)} {word}"
        for side, word in (("better", "for the better"), ("worse", "for the worse"))
        if sides.count(side)
    )
    surely = "" if pairs == 1 else "surely "
    changed = count_in_words(len(sure), "metric")
    said = f"{changed} {surely}changed in {runs}" + (f", {counts}" if counts else "")
    return f"From {old} to {new}, {named}. {said[0].upper()}{said[1:]}."


def _headlines(sure: Sequence[MetricChange]) -> list[MetricChange]:
    by_name = {change.metric: change for change in sure}
    first = [by_name[metric] for metric in _HEADLINES if metric in by_name]
    others = sorted(sure, key=lambda change: -change.importance)
    return (first or others)[:_MOST_NAMED]


def _clause(change: MetricChange) -> str:
    name, unit = words_and_unit(change.metric)
    old, new = (format_metric(change.metric, value) for value in (change.old, change.new))
    unit = {"s": " s", "1/s": "/s"}.get(unit, "")
    old, new = (value + (unit if value[-1].isdigit() else "") for value in (old, new))
    words = name.replace(", ", " (", 1) + (")" if ", " in name else "")
    if isnan(change.old) or isnan(change.new):
        there, when = (new, "before") if isnan(change.old) else (old, "after")
        return f"{words} {'is' if when == 'before' else 'was'} {there}, and no number {when}"
    verb = "rise" if change.difference.value > 0.0 else "fall"
    if not name.split()[0].endswith("s"):  # attempts rise, a time rises
        verb += "s"
    share = format_relative(change.relative)
    return f"{words} {verb} from {old} to {new}" + (f" ({share})" if share else "")


def format_metric(metric: str, value: float) -> str:
    """Return a value of a metric: a time that never comes is never, a fraction a percentage.

    Examples
    --------
    >>> [format_metric("downtime_s_p95", value) for value in (2.5, float("inf"), float("nan"))]
    ['2.5', 'never', '-']
    >>> format_metric("availability_fraction", 0.98765)
    '98.77 %'
    """
    if isnan(value):
        return "-"
    if metric.endswith("_fraction") and isfinite(value):
        return f"{100.0 * value:.4g} %"
    return "never" if value == inf else format_number(value)


def format_change(metric: str, value: float) -> str:
    """Return a change with its sign, of a fraction in percentage points.

    Examples
    --------
    >>> format_change("attempts", 12.0), format_change("availability_fraction", -0.011)
    ('+12', '-1.1')
    """
    if isnan(value):
        return "-"
    if not isfinite(value):
        return "to never" if value > 0.0 else "from never"
    amount = 100.0 * value if metric.endswith("_fraction") else value
    return f"{'+' if value > 0.0 else ''}{format_number(amount)}"


def format_relative(share: float) -> str:
    """Return a change as a percentage with its sign; nothing where there is none."""
    return (
        f"{'+' if share > 0.0 else ''}{format_number(100.0 * share)} %" if isfinite(share) else ""
    )


def change_row(change: MetricChange) -> tuple[str, ...]:
    """Return a row of the table: metric, both means, change in % and in its unit, its side."""
    metric, difference = change.metric, change.difference
    old, new = (format_metric(metric, value) for value in (change.old, change.new))
    amount = _with_interval(difference, lambda value: format_change(metric, value))
    return metric, old, new, format_relative(change.relative), amount, change.direction


def _with_interval(change: Estimate, say: Callable[[float], str]) -> str:
    """Return a change with its interval, unless there is none, or none that can be seen."""
    low, high = say(change.low), say(change.high)
    if not (isfinite(change.low) and isfinite(change.high)) or low == high:
        return say(change.value)
    return f"{say(change.value)} ({low.removeprefix('+')} to {high.removeprefix('+')})"


def describe_intervals(metrics: int, pairs: int) -> str:
    """Return what the intervals are; nothing of two single runs, which have none."""
    if pairs == 1:
        return ""
    return (
        f"Means of {pairs} pairs of runs under the same seeds (medians, where a time never comes "
        "in one); changes of fractions in percentage points; all intervals hold together with "
        f"95 % (Bonferroni, {metrics} metrics)."
    )


def say_verdict(verdict: FailVerdict) -> str:
    """Return what the runs say of a rule."""
    rule = verdict.rule
    said = _with_interval(
        verdict.change, lambda value: _say_change(rule.metric, value, rule.is_share)
    )
    if verdict.is_exceeded:
        return f"FAILS {rule.text}: the change is {said}"
    if verdict.may_be_exceeded:
        return f"not sure {rule.text}: the change is {said}; more replications would tell"
    return f"passes {rule.text}: the change is {said}"


def _say_change(metric: str, value: float, is_share: bool) -> str:
    if not is_share:
        return format_change(metric, value) + (" points" if metric.endswith("_fraction") else "")
    if isnan(value):
        return "no percentage, since one of both is never"
    return format_relative(value) or "more than any percentage, since it was 0"


def verdict_json(verdict: FailVerdict) -> dict[str, Any]:
    """Return a verdict as values for JSON."""
    change = verdict.change
    return {
        "rule": verdict.rule.text,
        "is_exceeded": verdict.is_exceeded,
        "may_be_exceeded": verdict.may_be_exceeded,
        "change": change.value,
        "low": change.low,
        "high": change.high,
        "is_share": verdict.rule.is_share,
    }


def diff_markdown(found: Diff) -> str:
    """Return a diff as Markdown, for a pull request."""
    old, new = map(escape_markdown, found.names)
    parts = [f"### {old} → {new}", escape_markdown(found.finding)]
    parts += _list(say_verdict(verdict) for verdict in found.verdicts)
    for group, changes in groupby(found.changes, lambda change: change.group):
        rows = [change_row(change) for change in changes]
        parts.append(f"**{group}**\n\n{markdown_table(DIFF_HEADING, rows)}")
    if found.changes:
        parts += filter(None, [describe_intervals(len(found.all_changes), found.count)])
    if found.settings:
        rows = [tuple(each) for each in found.settings]
        table = markdown_table(("setting", "old", "new"), rows, numbers_from=3)
        count = count_in_words(len(rows), "setting")
        parts.append(f"<details><summary>{count} changed</summary>\n\n{table}\n\n</details>")
    parts += map(escape_markdown, found.notes)
    return "\n\n".join(parts) + "\n"


def _list(sentences: Iterable[str]) -> list[str]:
    lines = [f"- {escape_markdown(sentence)}" for sentence in sentences]
    return ["\n".join(lines)] if lines else []
