"""What a run shows: sentences and numbers, its attempts as bars, and what lint says of it."""

from __future__ import annotations

from simlib.charts.bars import attempt_bars
from simlib.metrics.description import RunDescription, describe_metrics
from simlib.studies.policy.lint import lint
from simlib.support.arguments import check_arguments
from simlib.trace.trace import Trace


@check_arguments
def describe_run(trace: Trace) -> RunDescription:
    """Describe a run: a few sentences made from its numbers, and those numbers that say something.

    Parameters
    ----------
    trace : Trace
        The run, of any engine.

    Returns
    -------
    RunDescription
        Shows itself in a terminal and in a notebook, as ``simlib run`` does. `summary` has all
        numbers.

    Examples
    --------
    >>> import simlib as sl
    >>> outage = sl.Fault("outage", start_s=5, stop_s=8)
    >>> trace = sl.run(sl.Scenario(clients=3, duration_s=20, faults=[outage]))
    >>> description = sl.describe_run(trace)
    >>> description.sentences.split(":")[0]
    'All 3 clients were hit by the outage of 3 s'
    """
    worst = next(iter(lint(trace.scenario)), None)
    hint = "" if worst is None else f"lint, {worst.severity}: {worst.sentence}"
    return describe_metrics(trace, attempt_bars(trace), hint)
