"""Validation: everything that is known, played, in one table with a verdict for each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.errors import SettingsError
from simlib.core.validation import nearest
from simlib.experiments.pool import Outcome, open_pool
from simlib.metrics.array_types import Floats
from simlib.studies.validate import (
    attempt_limits,
    aws,
    breakers,
    collapse,
    failing_calls,
    liveness,
    outboxes,
    queues,
    records,
    recovery,
    wait_rules,
)
from simlib.studies.validate.case import KnownCase, Topic
from simlib.studies.validate.judge import FAMILY_ERROR, ValidationRow, judge_number, skip_number
from simlib.support.arguments import check_arguments
from simlib.support.progress import Progress, show_progress

#: Where cases come from; each is asked when they are needed.
_SOURCES: tuple[Callable[[], list[KnownCase]], ...] = (
    queues.queue_cases, outboxes.outbox_cases, recovery.recovery_cases, wait_rules.wait_cases,
    attempt_limits.limit_cases, breakers.breaker_cases, liveness.liveness_cases, aws.aws_cases,
    failing_calls.call_cases, collapse.collapse_cases, records.record_cases,
)  # fmt: skip
_NEEDS_FLEET = "needs the fleet"


@dataclass(frozen=True, repr=False)
class Validation(ShowsCard):
    """The table: a row for each number that is known, in the order of the groups.

    Examples
    --------
    >>> validate(["handshakes"], workers=1).headline
    '5 of 5 rows hold, none fail.'
    """

    rows: tuple[ValidationRow, ...]
    #: How many rows the whole table has, whichever groups were asked for.
    rows_in_all: int

    @property
    def failures(self) -> list[ValidationRow]:
        """The rows that fail."""
        return [row for row in self.rows if row.verdict == "fails"]

    @property
    def headline(self) -> str:
        """How many rows hold, in a sentence."""
        count = dict.fromkeys(("holds", "fails", "skipped"), 0)
        for row in self.rows:
            count[row.verdict] += 1
        missing = count["skipped"]
        holding = "holds" if count["holds"] == 1 else "hold"
        said = f"{count['holds']} of {count_in_words(len(self.rows), 'row')} {holding}, "
        failing = f"{count['fails'] or 'none'} {'fails' if count['fails'] == 1 else 'fail'}"
        return f"{said}{failing}{f', {missing} skipped' if missing else ''}."

    @property
    def explanation(self) -> str:
        """What the intervals mean, in a sentence."""
        return (
            f"A row holds if the reference is within its interval. The {self.rows_in_all} intervals"
            f" are so wide that a right model fails in any of them with a chance of"
            f" {100.0 * FAMILY_ERROR:.0f} %."
        )

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table.

        Examples
        --------
        >>> list(Validation((), 0).frame().columns)[:4]
        ['group', 'name', 'unit', 'source']
        """
        columns = ["group", "name", "unit", "source", "reference", "value", "low", "high",
                   "difference", "observations", "verdict"]  # fmt: skip
        return pd.DataFrame([row.to_json() for row in self.rows], columns=columns)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "rows_in_all": self.rows_in_all,
            "family_error": FAMILY_ERROR,
            "failures": [row.name for row in self.failures],
        }

    def card(self) -> Card:
        """Return what is shown: the rows that fail, or all if none does."""
        shown = self.failures or self.rows
        rows = tuple((row.name, *cells(row)) for row in shown)
        heading = ("what", "reference", "simlib, interval", "off by", "verdict")
        return Card(self.headline, rows, heading, (self.explanation,))


def cells(row: ValidationRow) -> tuple[str, str, str, str]:
    """Return what a table shows of a row: reference, simlib and interval, difference, verdict.

    Examples
    --------
    >>> cells(ValidationRow(Topic.QUEUES, "wait", "s", "theory", 2.0, 2.1, 0.2, 24))
    ('2 s', '2.1 +- 0.2', '+5 %', 'holds')
    """
    reference = f"{_number(row.reference)} {row.unit}".strip()
    if not row.observations:
        return reference, row.skipped or row.failure, "", row.verdict
    return reference, _with_interval(row), _difference(row), row.verdict


def _number(value: float) -> str:
    if abs(value) >= 10_000.0:
        return f"{value:,.0f}"
    # The noughts behind the point take the place of a digit, or the line would be too long.
    return f"{value:.3g}" if abs(value) < 0.01 else f"{value:,.4g}"


def _with_interval(row: ValidationRow) -> str:
    value = _number(row.value)
    if row.half_width < 1e-6 * max(1.0, abs(row.reference)):
        return value
    return f"{value} +- {_number(float(f'{row.half_width:.2g}'))}"


def _difference(row: ValidationRow) -> str:
    if abs(row.difference) < 1e-9 * max(1.0, abs(row.reference)):
        return "0"
    if row.reference == 0.0:
        return f"{row.difference:+.2g}"
    share = 100.0 * row.difference / row.reference
    return f"{share:+.1g} %" if abs(share) < 0.01 else f"{share:+.2g} %"


# --- playing -----------------------------------------------------------------------------


class _Task(NamedTuple):
    """One replication of one case."""

    number: int
    case: KnownCase
    seed: int
    has_fleet: bool


def _measure(task: _Task) -> list[Floats]:
    """Play a replication and return the samples of each check."""
    played = task.case.play(task.seed, task.has_fleet)
    return [np.asarray(check.measure(played), dtype=float) for check in task.case.checks]


def all_cases() -> list[KnownCase]:
    """Return the cases of the whole table, in the order of their groups."""
    order = list(Topic)
    found = [case for source in _SOURCES for case in source()]
    return sorted(found, key=lambda case: order.index(case.group))


@check_arguments
def validate(
    only: Sequence[str] | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Play what theory and published studies know, and compare.

    The seeds are fixed, so the same simlib gives the same table.

    Parameters
    ----------
    only : list of str, optional
        Only these groups: queues, bounded, priorities, buckets, waits, recovery, breaker,
        handshakes, liveness, retrial, aws, calls, metastable, record.
    workers : int, optional
        So many processes of this machine; by default one per processor.
    progress : callable, optional
        Called with the fraction done and a word.

    Returns
    -------
    Validation
        A row for each number that is known, with the verdict.

    Raises
    ------
    SettingsError
        If there is no such group.

    Examples
    --------
    >>> table = validate(["handshakes"], workers=1)
    >>> table.failures
    []
    >>> table.rows[1].reference, round(table.rows[1].value, 6)  # TLS 1.3: three round trips
    (0.24, 0.24)
    """
    known = all_cases()
    rows_in_all = sum(len(case.checks) for case in known)
    chosen = [case for case in known if case.group in _chosen_groups(only)]
    has_fleet = find_spec("numba") is not None
    played = [i for i, case in enumerate(chosen) if has_fleet or not case.needs_fleet]
    tasks = [_Task(i, chosen[i], 1 + k, has_fleet) for i in played for k in _seeds(chosen[i])]
    # The longest first, so that at the end no worker waits for one that began late.
    tasks.sort(key=lambda task: -task.case.cost_s)
    with show_progress(progress, "validating") as move, open_pool(workers) as outcomes:
        measured = list(_follow(outcomes(_measure, tasks), tasks, move))
    rows = _rows(chosen, tasks, measured, rows_in_all)
    return Validation(tuple(rows), rows_in_all)


def _seeds(case: KnownCase) -> range:
    return range(case.replications)


def _chosen_groups(only: Sequence[str] | None) -> list[Topic]:
    known = [group.value for group in Topic]
    for name in only or ():
        if name not in known:
            rule = f"is no group{nearest(name, known)}; the groups are {', '.join(known)}"
            raise SettingsError("only", name, rule)
    return [group for group in Topic if not only or group.value in only]


def _follow(
    outcomes: Iterator[Outcome], tasks: Sequence[_Task], move: Progress
) -> Iterator[Outcome]:
    """Yield outcomes, and show how much of the work is done."""
    whole_s = sum(task.case.cost_s for task in tasks) or 1.0
    done_s, count = 0.0, 0
    for outcome in outcomes:
        yield outcome
        done_s, count = done_s + tasks[outcome.index].case.cost_s, count + 1
        move(done_s / whole_s, f"validating: {count} of {len(tasks)} runs")


def _rows(
    cases: Sequence[KnownCase],
    tasks: Sequence[_Task],
    measured: Sequence[Outcome],
    rows_in_all: int,
) -> Iterator[ValidationRow]:
    # By task, not by when each was done: a sum of floats depends on its order.
    ordered = sorted(measured, key=lambda outcome: outcome.index)
    for i, case in enumerate(cases):
        mine = [outcome for outcome in ordered if tasks[outcome.index].number == i]
        failure = next((outcome.failure for outcome in mine if outcome.failure), "")
        for k, check in enumerate(case.checks):
            if not mine:
                yield skip_number(case.group, check, skipped=_NEEDS_FLEET)
            elif failure:
                yield skip_number(case.group, check, failure=failure)
            else:
                samples = np.concatenate([outcome.value[k] for outcome in mine])
                yield judge_number(case.group, check, samples, rows_in_all)
