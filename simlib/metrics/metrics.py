"""Metrics of a run from its trace: one row of `summary`, and what each client looked like.

What holds for all of them: a time that never comes is inf; a number for which there is too
little data is NaN; a client's time counts from its start until it leaves, or to the end of the run.

A row of metrics counts from the end of the scenario's warm-up on: time, attempts and waits since,
messages sent since, faults that start since. The attempts, spans and messages themselves are all
there, for whoever draws them; times to detect and to recover are of the faults that count.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from simlib.core.backoff import useful_after_s
from simlib.core.breaker import BreakerState
from simlib.core.errors import SettingsError
from simlib.core.events import Reason
from simlib.core.fallback import Transport
from simlib.core.link_table import State
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import (
    count_tenths,
    peak_after_faults,
    peak_attempts_per_s,
    peak_of_tenths,
)
from simlib.metrics.fault_times import detection_times_of, downtimes_of, recovery_times_of
from simlib.metrics.intervals import t_interval
from simlib.metrics.meaning import MEANING
from simlib.metrics.messages import message_metrics
from simlib.metrics.run_columns import RunColumns, column_in_words, read_columns
from simlib.metrics.server import answer_metrics, server_metrics
from simlib.metrics.spans import LOOKS
from simlib.metrics.statistics import mean_of_known, named_quantiles, ratio
from simlib.metrics.waits import add_up_fractions, list_backoffs, list_waits_s, wait_fractions
from simlib.support.arguments import check_arguments
from simlib.trace.counts import Tally
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


@check_arguments
def summary(traces: Trace | Sequence[Trace], *, intervals: bool = False) -> pd.DataFrame:
    """Return the metrics of runs, one row each, or one for runs that differ by their seed alone.

    `MEANING` defines every column. Quantiles are observed values: the smallest one that at
    least this share of the values does not pass. What happened before the scenario's ``warm_up_s``
    does not count. `markdown` makes the table a text that can be pasted.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        The runs.
    intervals : bool
        Whether runs of the same label and settings are one row: the mean of each metric over their
        seeds, and beside it ``low`` and ``high``, the ends of its 95 % interval (Student's t).

    Returns
    -------
    DataFrame
        A row per run, or per label; units are in the column names. NaN: too little data, such as a
        time to recover without a fault, or the interval of a single run.

    Raises
    ------
    SettingsError
        If a label stands for runs of several scenarios or engines, and intervals are asked for.

    Examples
    --------
    >>> import simlib as sl
    >>> reset = sl.Fault("reset", start_s=5)
    >>> storm = sl.Scenario(clients=3, duration_s=20, faults=[reset])
    >>> int(sl.summary(sl.run(storm))["attempts"].iloc[0])
    6
    >>> runs = [sl.run(storm.replace(seed=seed)) for seed in range(5)]
    >>> sl.summary(runs, intervals=True)[["runs", "attempts", "attempts low"]].values.tolist()
    [[5.0, 6.0, 6.0]]
    """
    runs = [traces] if isinstance(traces, Trace) else list(traces)
    import pandas as pd

    labels = pd.Index([trace.label for trace in runs], name="label", dtype=object)
    table = pd.DataFrame([row(trace) for trace in runs], index=labels, columns=list(MEANING))
    if not intervals:
        return table
    _check_labels(runs)
    rows = {label: _average(same) for label, same in table.groupby(level=0, sort=False)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("label")


def _check_labels(runs: Sequence[Trace]) -> None:
    """Refuse one label for several things: the mean of two policies is of no use."""
    first: dict[str, Trace] = {}
    for run in runs:
        other = first.setdefault(run.label, run)
        same = run.scenario.replace(seed=0) == other.scenario.replace(seed=0)
        if run.engine != other.engine or not same:
            rule = "stands for runs of several scenarios or engines: give each a label of its own"
            raise SettingsError("label", run.label, rule)


def _average(same: pd.DataFrame) -> dict[str, Any]:
    """Return the means of metrics over runs that differ by their seed, with their intervals."""
    averaged: dict[str, Any] = {"engine": same["engine"].iloc[0], "runs": len(same)}
    for metric in same.columns.drop("engine"):
        mean = t_interval(same[metric].to_numpy(np.float64))
        averaged |= {metric: mean.value, f"{metric} low": mean.low, f"{metric} high": mean.high}
    return averaged


def spans(trace: Trace, by: Sequence[str] = LOOKS) -> pd.DataFrame:
    """Return the stretches of time in which a client looked the same.

    Parameters
    ----------
    trace : Trace
        The run.
    by : sequence of str
        What must stay the same: any of state, transport, available, breaker; and left, whether
        the client has left for good.

    Returns
    -------
    DataFrame
        ``client``, the columns of ``by``, ``start_s`` and ``stop_s``, ordered by client and
        time; and ``wait_s``, the wait that the span began with, 0 if none. Each client begins
        idle at 0; the last span stops at the run's end. One of no length is kept.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = sl.run(sl.Scenario(clients=1, duration_s=5))
    >>> list(spans(trace, ["state"])["state"])
    ['idle', 'connecting', 'open']
    """
    import pandas as pd

    client_spans = read_columns(trace).steps.spans(by)
    columns = {look: column_in_words(look, values) for look, values in client_spans.looks.items()}
    times = {
        "start_s": client_spans.start_s,
        "stop_s": client_spans.stop_s,
        "wait_s": client_spans.wait_s,
    }
    return pd.DataFrame({"client": client_spans.client, **columns, **times})


def row(trace: Trace) -> dict[str, Any]:
    """Return the metrics of one run by name; those there is no data for are left out."""
    if trace.tally is not None:
        # It carries no messages, so of those there is too little data.
        tally = trace.tally
        times = tally.detection_s, tally.recovery_s, tally.downtime_s
        return {
            "engine": trace.engine,
            **_of_tally(trace, tally),
            **_of_faults(*times),
            **server_metrics(trace),
        }
    run = read_columns(trace)
    times = detection_times_of(run), recovery_times_of(run), downtimes_of(run)
    return {
        "engine": trace.engine,
        **_of_links(run),
        **_of_faults(*times),
        **server_metrics(trace),
        **message_metrics(run),
        **answer_metrics(run),
    }


def _of_links(run: RunColumns) -> dict[str, Any]:
    from_s, rows = run.scenario.warm_up_s, run.columns
    attempts_s = run.attempts_s[run.attempts_s >= from_s]
    tenths = count_tenths(attempts_s, from_s)
    gave_up = (rows["reason"] == Reason.GAVE_UP) & (rows["time_s"] >= from_s)
    return {
        **_shares_of_time(run),
        "attempts": attempts_s.size,
        "peak_attempts_per_s": peak_of_tenths(tenths),
        "peak_after_fault_per_s": peak_after_faults(tenths, run.scenario, run.end_s),
        "amplification": _amplification(attempts_s.size, _useful(run)),
        "mean_wait_s": mean_of_known(list_waits_s(run)),
        "mean_wait_fraction": mean_of_known(wait_fractions(run)),
        "gave_up": np.unique(rows["client"][gave_up]).size,
        "open_connections_mean": ratio(_open_s(run), max(0.0, run.end_s - from_s)),
    }


def _shares_of_time(run: RunColumns) -> dict[str, float]:
    from_s = run.scenario.warm_up_s
    client_spans = run.steps.spans([*LOOKS, "left"])
    looks = client_spans.looks
    counted_s = np.maximum(client_spans.stop_s, from_s) - np.maximum(client_spans.start_s, from_s)
    time_s = np.where((looks["state"] != State.IDLE) & ~looks["left"], counted_s, 0.0)
    shares = {
        "availability_fraction": looks["available"] == 1,
        "polling_fraction": looks["transport"] == Transport.POLL,
        "breaker_open_fraction": looks["breaker"] == BreakerState.OPEN,
    }
    return {name: ratio(time_s[where].sum(), time_s.sum()) for name, where in shares.items()}


def _open_s(run: RunColumns) -> float:
    """Return the time in OPEN of all clients together, since the warm-up."""
    from_s, opens = run.scenario.warm_up_s, run.opens
    return float((np.maximum(opens.stop_s, from_s) - np.maximum(opens.start_s, from_s)).sum())


def _of_tally(trace: Trace, tally: Tally) -> dict[str, Any]:
    attempts = int(tally.count_by_second("attempts").sum())
    number, sum_s, _, _ = tally.waits.sum(axis=0)
    return {
        "availability_fraction": ratio(tally.open_s, tally.there_s),
        "polling_fraction": 0.0,
        "breaker_open_fraction": ratio(tally.breaker_open_s, tally.there_s),
        "attempts": attempts,
        "peak_attempts_per_s": peak_attempts_per_s(trace),
        "peak_after_fault_per_s": peak_after_faults(
            np.asarray(tally.tenths), trace.scenario, trace.end_s
        ),
        "amplification": _amplification(
            attempts, tally.count_by_second("opens").sum() - tally.unstable
        ),
        "mean_wait_s": ratio(sum_s.sum(), number.sum()),
        "mean_wait_fraction": ratio(*add_up_fractions(trace, tally)),
        "gave_up": int(tally.count_by_second("gave_up").sum()),
        "open_connections_mean": ratio(
            tally.open_s, max(0.0, trace.end_s - trace.scenario.warm_up_s)
        ),
    }


def _useful(run: RunColumns) -> int:
    """Return how many connections, opened since the warm-up, were of use.

    Those that were lost before they were stable were not.
    """
    opens = run.opens
    counts = opens.start_s >= run.scenario.warm_up_s
    useful_s = np.array([useful_after_s(backoff) for backoff in list_backoffs(run.scenario)])
    unstable = opens.lost & (opens.stop_s < opens.start_s + useful_s[run.cohorts(opens.client)])
    return int((counts & ~unstable).sum())


def _amplification(attempts: int, useful: int) -> float:
    """Return attempts per connection of use; inf: all were in vain; NaN: there were none."""
    return inf if attempts and not useful else ratio(attempts, useful)


def _of_faults(detection_s: Floats, recovery_s: Floats, downtime_s: Floats) -> dict[str, Any]:
    return {
        **named_quantiles("time_to_detect_s", detection_s, 50, 95, 99),
        **named_quantiles("time_to_recover_s", recovery_s, 50, 95, 99),
        "last_back_s": recovery_s.max() if recovery_s.size else nan,
        "never_recovered": int(np.isinf(recovery_s).sum()),
        **named_quantiles("downtime_s", downtime_s, 50, 95, 99),
    }
