"""Metrics of a run from its trace: times, messages, and one row of `summary` for each run.

What holds for all of them: a time that never comes is inf; a number for which there is too
little data is NaN; a client's time counts from its start until it leaves, or to the end of the run.

A row of metrics counts from the end of the scenario's warm-up on: time, attempts and waits since,
messages sent since, faults that start since. The attempts, spans and messages themselves are all
there, for whoever draws them; times to detect and to recover are of the faults that count.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simlib.core.backoff import Backoff, ceiling, useful_after_s
from simlib.core.breaker import BreakerState
from simlib.core.errors import SettingsError
from simlib.core.events import Priority, Reason
from simlib.core.fallback import Transport
from simlib.core.faults import Fault
from simlib.core.link import State
from simlib.core.validation import nearest
from simlib.metrics import deliveries
from simlib.metrics.array_types import Floats, Ints
from simlib.metrics.intervals import observed_quantiles
from simlib.metrics.spans import LOOKS, Opens, Steps, is_last
from simlib.scenario.scenario import Scenario
from simlib.support.arguments import check_arguments
from simlib.trace.counts import TENTHS_PER_S, Tally
from simlib.trace.disruptions import interrupting, noticed_by_s
from simlib.trace.schema import Name
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


#: What the columns of `summary` about connections mean, in their order.
_OF_CONNECTIONS = {
    "availability_fraction": "share of the clients' time in which a message could leave at once; a "
    "connection that died silently counts as good until its client notices",
    "time_to_detect_s_p50": "half of the clients hit by a fault left OPEN this soon after it began",
    "time_to_detect_s_p95": "the same of 95 in 100",
    "time_to_detect_s_p99": "the same of 99 in 100",
    "time_to_recover_s_p50": "half of the clients hit were OPEN again this soon after the fault; "
    "0: before its end",
    "time_to_recover_s_p95": "the same of 95 in 100; inf: fewer were ever OPEN again in the run",
    "time_to_recover_s_p99": "the same of 99 in 100",
    "last_back_s": "the last of the clients hit was OPEN again this soon after the fault",
    "never_recovered": "recoveries that did not come before the end of the run",
    "downtime_s_p50": "half of the losses were over this soon: from leaving OPEN to OPEN again",
    "downtime_s_p95": "the same of 95 in 100; inf: fewer were over before the end of the run",
    "downtime_s_p99": "the same of 99 in 100",
    "attempts": "tries to open a connection",
    "peak_attempts_per_s": "most attempts in one second, which may begin at any tenth of a second",
    "amplification": "attempts per connection that was of use: not lost before it was stable",
    "mean_wait_s": "mean of the waits that clients set themselves after a failure or a loss",
    "mean_wait_fraction": "mean of waits over their ceilings, without those of breaker or hint; "
    "above 1 where jitter may pass the ceiling (of decorrelated jitter, which has none: the "
    "ceiling of its growth without jitter)",
    "gave_up": "clients that gave up, or that a code ended for good, at least once",
    "polling_fraction": "share of the clients' time in which polling carried their messages",
    "breaker_open_fraction": "share of the clients' time with an open breaker",
}
#: And those about messages.
_OF_MESSAGES = {
    "sent": "messages that the application gave to its clients",
    "superseded": "of those, messages that a newer one of their key stood for",
    "contested": "of those, edits on a version that was not the newest, given back as conflicts",
    "delivered_fraction": "share of the others that the server processed at least once",
    "lost": "messages dropped (full, evicted, expired, dead letter, quota), or gone with a client, "
    "and never processed",
    "undelivered": "messages still on their way, or in an outbox, at the end of the run",
    "duplicate_fraction": "share of what the server processed that it had processed before",
    "goodput_per_s": "distinct messages acknowledged per second of the run",
    "head_of_line_s": "mean time from send until a message first left, of those that left",
    "round_trip_s_p50": "half of the messages sent once, by WebSocket, were answered this soon",
    "latency_s_p50": "half of the acknowledged messages were so this soon after their send",
    "latency_s_p95": "the same of 95 in 100",
    "latency_s_p99": "the same of 99 in 100",
    "staleness_s_p50": "half of the edits, or newer ones for them, were acknowledged this soon",
    "staleness_s_p95": "the same of 95 in 100",
} | {
    f"latency_s_p{p}_{priority.name.lower()}": f"latency_s_p{p} of messages of this priority"
    for priority in Priority
    for p in (50, 95)
}
#: What each column of `summary` means, in the order of the columns.
MEANING = {"engine": "what played the run"} | _OF_CONNECTIONS | _OF_MESSAGES
#: What only a run that carries messages has numbers of; the fleet carries none.
OF_MESSAGES = frozenset(_OF_MESSAGES)


@check_arguments
def summary(traces: Trace | Sequence[Trace]) -> pd.DataFrame:
    """Return the metrics of runs, one row each.

    `MEANING` defines every column. Quantiles are observed values: the smallest one that at
    least this share of the values does not pass. What happened before the scenario's ``warm_up_s``
    does not count.

    Parameters
    ----------
    traces : Trace or sequence of Trace
        The runs.

    Returns
    -------
    DataFrame
        A row per run, by its label; units are in the column names. NaN: too little data, such
        as a time to recover without a fault.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = sl.run(sl.Scenario(clients=3, duration_s=20, faults=[sl.Fault("reset", start_s=5)]))
    >>> int(sl.summary(trace)["attempts"].iloc[0])
    6
    """
    runs = [traces] if isinstance(traces, Trace) else list(traces)
    import pandas as pd

    labels = pd.Index([trace.label for trace in runs], name="label", dtype=object)
    return pd.DataFrame([row(trace) for trace in runs], index=labels, columns=list(MEANING))


def check_metric(where: str, name: Any) -> None:
    """Refuse what is no number of `summary`.

    Raises
    ------
    SettingsError
        Naming where it was asked for, and the metric that may have been meant.
    """
    names = [each for each in MEANING if each != "engine"]
    if name not in names:
        rule = f"is no metric{nearest(name, names)}; simlib run prints all of them"
        raise SettingsError(where, name, rule)


class _Run:
    """The rows of a run as columns, and what several metrics need of them, each found once."""

    def __init__(self, trace: Trace) -> None:
        trace.need_all_rows()
        self.scenario, self.end_s = trace.scenario, trace.end_s
        self.columns = trace.columns()

    @cached_property
    def steps(self) -> Steps:
        """What each client looked like after each event."""
        return Steps(self.columns, self.scenario.clients, self.end_s)

    @cached_property
    def opens(self) -> Opens:
        """The spans in OPEN."""
        return self.steps.opens()

    @cached_property
    def attempts_s(self) -> Floats:
        """When each attempt was made, in ascending order."""
        return np.sort(self.columns["time_s"][self.columns["name"] == Name.OPEN])

    def cohorts(self, client: Ints) -> Ints:
        """Return the number of each client's cohort."""
        if not self.scenario.cohorts:
            return np.zeros(client.size, np.int64)
        known, place = np.unique(client, return_inverse=True)
        return np.array([self.scenario.cohort_of(each) for each in known.tolist()], np.int64)[place]


def attempt_times_s(trace: Trace) -> Floats:
    """Return when each attempt of any client was made, in ascending order."""
    return _Run(trace).attempts_s


def attempts_per_s(trace: Trace) -> Floats:
    """Return the number of attempts from each whole second of the run to the next."""
    if trace.tally is not None:
        return np.asarray(trace.tally.attempts_per_s, float)
    return _per_s(trace, attempt_times_s(trace))


def peak_attempts_per_s(trace: Trace, from_s: float = 0.0) -> float:
    """Return the most attempts in one second, of those from a moment on.

    The second may begin at any tenth of a second, so no burst is cut in two by where a whole second
    happens to end. Of a run with counts alone, attempts count from the end of its warm-up, and by
    whole tenths of a second.
    """
    if trace.tally is None:
        return _peak_per_s(_tenths(attempt_times_s(trace), from_s))
    return _peak_per_s(np.asarray(trace.tally.tenths)[int(from_s * TENTHS_PER_S) :])


def _tenths(times_s: Floats, from_s: float) -> Ints:
    """Return how many of some times, from a moment on, are in each tenth of a second."""
    return np.bincount((times_s[times_s >= from_s] * TENTHS_PER_S).astype(np.int64))


def _peak_per_s(tenths: Ints) -> float:
    until = np.append(np.zeros(TENTHS_PER_S, np.int64), np.append(tenths, 0).cumsum())
    return float((until[TENTHS_PER_S:] - until[:-TENTHS_PER_S]).max())


def _per_s(trace: Trace, times_s: Floats) -> Floats:
    seconds = max(1, int(np.ceil(trace.end_s)))
    counts, _ = np.histogram(times_s, np.arange(seconds + 1))
    return counts.astype(float)


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

    found = _Run(trace).steps.spans(by)
    columns = {look: _in_words(trace, look, values) for look, values in found.looks.items()}
    times = {"start_s": found.start_s, "stop_s": found.stop_s, "wait_s": found.wait_s}
    return pd.DataFrame({"client": found.client, **columns, **times})


def _in_words(trace: Trace, column: str, values: npt.NDArray[Any]) -> Any:
    """Return numbers of a column as its words, if it has any."""
    import pandas as pd

    kind = None if column == "left" else trace.frame()[column].dtype
    if isinstance(kind, pd.CategoricalDtype):
        return pd.Categorical.from_codes(values, dtype=kind)
    return values


def detection_times_s(trace: Trace) -> Floats:
    """Return how long clients took to leave OPEN, from the start of each fault that interrupts.

    One value for each fault and client that was OPEN when the fault started and left OPEN
    before its end (at most 1 s after the start of one that takes but a moment), other than for
    good.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.detection_s)
    return _detection_times_s(_Run(trace))


def _detection_times_s(run: _Run) -> Floats:
    opens, times = run.opens, []
    for fault in interrupting(run.scenario):
        hit = (opens.start_s < fault.start_s) & (opens.stop_s >= fault.start_s)
        hit &= opens.lost & (opens.stop_s <= noticed_by_s(run.scenario, fault))
        times.append(opens.stop_s[hit] - fault.start_s)
    return np.concatenate(times) if times else np.empty(0)


def recovery_times_s(trace: Trace) -> Floats:
    """Return how long clients took to be OPEN again, from the end of each fault that interrupts.

    One value for each fault that ended during the run and each client that it hit: one that had
    been OPEN before, and left OPEN while the fault lasted (or at most 1 s after the start of one
    that takes but a moment), or had left it earlier and was not back by its end. 0 if it was back
    before the end; of one that was hit several times, its last return counts. inf if it never was
    OPEN again in the run. Whoever left for good instead is not waited for.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.recovery_s)
    return _recovery_times_s(_Run(trace))


def _recovery_times_s(run: _Run) -> Floats:
    times = [
        _times_back_s(run.scenario, fault, run.opens)
        for fault in interrupting(run.scenario)
        if fault.end_s < run.end_s
    ]
    return np.concatenate(times) if times else np.empty(0)


def _times_back_s(scenario: Scenario, fault: Fault, opens: Opens) -> Floats:
    """Return how long after a fault's end each client that it hit was OPEN again."""
    hit = opens.lost & (opens.start_s < fault.end_s)
    hit &= opens.stop_s <= noticed_by_s(scenario, fault)
    hit &= (opens.stop_s >= fault.start_s) | (opens.again_s >= fault.end_s)
    again_s = opens.again_s[hit][is_last(opens.client[hit])]
    times_s = np.maximum(again_s - fault.end_s, 0.0)
    return times_s[~np.isnan(times_s)]


def downtimes_s(trace: Trace) -> Floats:
    """Return how long each loss lasted: from leaving OPEN until the client was OPEN again.

    One value for each loss from the end of the warm-up on, whatever caused it. inf if the client
    never was OPEN again in the run. Whoever left for good, while OPEN or before it was OPEN again,
    has no value.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.downtime_s)
    return _downtimes_s(_Run(trace))


def _downtimes_s(run: _Run) -> Floats:
    opens = run.opens
    counts = opens.lost & (opens.stop_s >= run.scenario.warm_up_s)
    times_s = opens.again_s[counts] - opens.stop_s[counts]
    return times_s[~np.isnan(times_s)]


def messages(trace: Trace) -> pd.DataFrame:
    """Return what became of each message that was sent.

    Returns
    -------
    DataFrame
        A row per message: ``client``, ``message``, ``key`` (-1: about nothing), ``priority``;
        ``edit``, whether it is an edit of a draft; ``send_s``, when the
        application gave it to its client; ``left_s``, when it was first transmitted or posted;
        ``acknowledged_s``, when the first answer (accepted or duplicate) came, and
        ``latency_s``, the time from send to there; ``round_trip_s``, the time from the only
        transmission to the first answer over WebSocket; ``dropped_s`` and ``reason``, when and
        why the outbox dropped it; ``delivered``, whether the server processed it. Times are inf
        where that never happened.
    """
    import pandas as pd

    found = deliveries.deliveries(_Run(trace).columns)
    priority, reason = (_in_words(trace, name, found[name]) for name in ("priority", "reason"))
    return pd.DataFrame({**found, "priority": priority, "reason": reason.astype(str)})


def outbox_depth(trace: Trace) -> pd.DataFrame:
    """Return how many messages all outboxes held, over time.

    Returns
    -------
    DataFrame
        A column per priority, most urgent first, indexed by ``time_s``, the moments of change:
        a row holds until the next one, and of rows at the same moment the last one counts.
    """
    import pandas as pd

    table = messages(trace)
    table = table[~table["reason"].isin(["full", "quota"])]
    gone_s = table[["acknowledged_s", "dropped_s"]].min(axis=1).to_numpy()
    priority, is_gone = table["priority"].cat.codes.to_numpy(), gone_s < inf
    time_s = np.concatenate([table["send_s"], gone_s[is_gone]])
    change = np.zeros((time_s.size, len(Priority)), np.int64)
    change[np.arange(len(table)), priority] = 1
    change[np.arange(len(table), time_s.size), priority[is_gone]] = -1
    order = np.argsort(time_s, kind="stable")
    depth = np.vstack([np.zeros((1, len(Priority)), np.int64), change[order].cumsum(axis=0)])
    index = pd.Index(np.concatenate([[0.0], time_s[order]]), name="time_s")
    return pd.DataFrame(depth, index=index, columns=[p.name.lower() for p in Priority])


def staleness_s(table: pd.DataFrame) -> Floats:
    """Return for how long the server's text of a draft was older than each edit, ascending.

    An edit is in the server's text once it, or a newer edit of the same client and draft, is
    acknowledged. Edits that never were are left out. ``table`` is that of `messages`.
    """
    return deliveries.draft_staleness_s({str(name): table[name].to_numpy() for name in table})


def row(trace: Trace) -> dict[str, Any]:
    """Return the metrics of one run by name; those there is no data for are left out."""
    if trace.tally is not None:
        # It carries no messages, so of those there is too little data.
        tally = trace.tally
        times = tally.detection_s, tally.recovery_s, tally.downtime_s
        return {"engine": trace.engine, **_of_tally(trace, tally), **_of_faults(*times)}
    run = _Run(trace)
    times = _detection_times_s(run), _recovery_times_s(run), _downtimes_s(run)
    return {"engine": trace.engine, **_of_links(run), **_of_faults(*times), **_of_messages(run)}


def _of_links(run: _Run) -> dict[str, Any]:
    from_s, rows = run.scenario.warm_up_s, run.columns
    attempts_s = run.attempts_s[run.attempts_s >= from_s]
    gave_up = (rows["reason"] == Reason.GAVE_UP) & (rows["time_s"] >= from_s)
    return {
        **_shares_of_time(run),
        "attempts": attempts_s.size,
        "peak_attempts_per_s": _peak_per_s(_tenths(attempts_s, from_s)),
        "amplification": _amplification(attempts_s.size, _useful(run)),
        "mean_wait_s": _mean(_waits_s(run)),
        "mean_wait_fraction": _mean(_wait_fractions(run)),
        "gave_up": np.unique(rows["client"][gave_up]).size,
    }


def _shares_of_time(run: _Run) -> dict[str, float]:
    from_s = run.scenario.warm_up_s
    found = run.steps.spans([*LOOKS, "left"])
    looks = found.looks
    counted_s = np.maximum(found.stop_s, from_s) - np.maximum(found.start_s, from_s)
    time_s = np.where((looks["state"] != State.IDLE) & ~looks["left"], counted_s, 0.0)
    shares = {
        "availability_fraction": looks["available"] == 1,
        "polling_fraction": looks["transport"] == Transport.POLL,
        "breaker_open_fraction": looks["breaker"] == BreakerState.OPEN,
    }
    return {name: _ratio(time_s[where].sum(), time_s.sum()) for name, where in shares.items()}


def _waits_s(run: _Run) -> Floats:
    """Return the waits that clients set themselves, from the end of the warm-up on."""
    states = run.steps.spans(["state"])
    waits = (states.looks["state"] == State.WAITING) & (states.start_s >= run.scenario.warm_up_s)
    return states.wait_s[waits]


def _of_tally(trace: Trace, tally: Tally) -> dict[str, Any]:
    attempts = int(tally.counted("attempts").sum())
    number, sum_s, _, _ = tally.waits.sum(axis=0)
    return {
        "availability_fraction": _ratio(tally.open_s, tally.there_s),
        "polling_fraction": 0.0,
        "breaker_open_fraction": _ratio(tally.breaker_open_s, tally.there_s),
        "attempts": attempts,
        "peak_attempts_per_s": peak_attempts_per_s(trace),
        "amplification": _amplification(attempts, tally.counted("opens").sum() - tally.unstable),
        "mean_wait_s": _ratio(sum_s.sum(), number.sum()),
        "mean_wait_fraction": _ratio(*_fractions(trace, tally)),
        "gave_up": int(tally.counted("gave_up").sum()),
    }


def _useful(run: _Run) -> int:
    """Return how many connections, opened since the warm-up, were of use.

    Those that were lost before they were stable were not.
    """
    opens = run.opens
    counts = opens.start_s >= run.scenario.warm_up_s
    useful_s = np.array([useful_after_s(backoff) for backoff in _backoffs(run.scenario)])
    unstable = opens.lost & (opens.stop_s < opens.start_s + useful_s[run.cohorts(opens.client)])
    return int((counts & ~unstable).sum())


def _amplification(attempts: int, useful: int) -> float:
    """Return attempts per connection of use; inf: all were in vain; NaN: there were none."""
    return inf if attempts and not useful else _ratio(attempts, useful)


def _backoffs(scenario: Scenario) -> list[Backoff]:
    """Return the backoff of each cohort, and then of all other clients."""
    return [*(cohort.client.backoff for cohort in scenario.cohorts), scenario.client.backoff]


def _fractions(trace: Trace, tally: Tally) -> tuple[float, float]:
    """Return the waits that the backoff alone decided over their ceilings, added up; how many."""
    total = count = 0.0
    for backoff, (_, _, alone, alone_s) in zip(_backoffs(trace.scenario), tally.waits, strict=True):
        for k in np.flatnonzero(alone).tolist():
            if height_s := _height_s(backoff, k):
                total += float(alone_s[k]) / height_s
                count += float(alone[k])
    return total, count


def _height_s(backoff: Backoff, attempt: int) -> float:
    """Return the ceiling of a wait; 0 if it has none: after a loss that does not count."""
    return ceiling(backoff, attempt) if attempt > 0 else 0.0


def _wait_fractions(run: _Run) -> Floats:
    """Return each wait that the backoff alone decided, over its ceiling."""
    rows = run.columns
    name = rows["name"]
    waits = ((name == Name.FAILED) | (name == Name.LOST)) & (rows["state"] == State.WAITING)
    waits &= (rows["breaker"] != BreakerState.OPEN) & (rows["hint_s"] == 0.0)
    waits &= rows["time_s"] >= run.scenario.warm_up_s
    # What a budget postponed says nothing of the backoff.
    rationed = rows["reason"] == Reason.BUDGET
    if rationed.any():
        moments = _moments(rows["client"], rows["time_s"])
        waits &= ~np.isin(moments, moments[rationed])
    backoffs = _backoffs(run.scenario)
    kinds = run.cohorts(rows["client"][waits]) * _ATTEMPTS + rows["attempt"][waits]
    known, place = np.unique(kinds, return_inverse=True)
    which = [divmod(kind, _ATTEMPTS) for kind in known.tolist()]
    heights_s = np.array([_height_s(backoffs[cohort], attempt) for cohort, attempt in which])
    # What has no ceiling is no fraction of it.
    heights_s[heights_s == 0.0] = nan
    return rows["wait_s"][waits] / heights_s[place]


def _moments(client: Ints, time_s: Floats) -> npt.NDArray[np.complex128]:
    """Return client and time of each row as one number."""
    found = np.empty(client.size, np.complex128)
    found.real, found.imag = client, time_s
    return found


#: More than a trace's column of attempts holds.
_ATTEMPTS = 1 << 16


def _of_faults(detection_s: Floats, recovery_s: Floats, downtime_s: Floats) -> dict[str, Any]:
    return {
        **_quantiles("time_to_detect_s", detection_s, 50, 95, 99),
        **_quantiles("time_to_recover_s", recovery_s, 50, 95, 99),
        "last_back_s": recovery_s.max() if recovery_s.size else nan,
        "never_recovered": int(np.isinf(recovery_s).sum()),
        **_quantiles("downtime_s", downtime_s, 50, 95, 99),
    }


def _of_messages(run: _Run) -> dict[str, Any]:
    from_s = run.scenario.warm_up_s
    found = deliveries.deliveries(run.columns)
    is_early = found["send_s"] < from_s
    processed = _count_processed(
        run.columns, {name: each[is_early] for name, each in found.items()}
    )
    table = {name: each[~is_early] for name, each in found.items()}
    return {
        **_counts(table, processed, run.end_s - from_s),
        **_quantiles("staleness_s", deliveries.draft_staleness_s(table), 50, 95),
        **_latencies_s(table),
    }


def _counts(table: deliveries.Columns, processed: int, length_s: float) -> dict[str, Any]:
    """Return how many messages had which end, and of how many."""
    sent, is_delivered, reason = len(table["send_s"]), table["delivered"], table["reason"]
    delivered = int(is_delivered.sum())
    superseded = int((~is_delivered & (reason == Reason.COALESCED)).sum())
    contested = int((reason == Reason.CONFLICT).sum())
    dropped = int((~is_delivered & (table["dropped_s"] < inf)).sum())
    lost = dropped - superseded - contested
    due = sent - superseded - contested
    acknowledged = int((table["acknowledged_s"] < inf).sum())
    return {
        "sent": sent,
        "superseded": superseded,
        "contested": contested,
        "delivered_fraction": _ratio(delivered, due),
        "lost": lost,
        "undelivered": due - delivered - lost,
        "duplicate_fraction": _ratio(processed - delivered, processed),
        "goodput_per_s": _ratio(acknowledged, max(0.0, length_s)),
    }


def _latencies_s(table: deliveries.Columns) -> dict[str, float]:
    """Return how long messages took, all of them and those of each priority."""
    left = table["left_s"] < inf
    answered = table["acknowledged_s"] < inf
    round_trip_s, latency_s = table["round_trip_s"], table["latency_s"]
    numbers = {
        "head_of_line_s": _mean(table["left_s"][left] - table["send_s"][left]),
        **_quantiles("round_trip_s", round_trip_s[round_trip_s < inf], 50),
        **_quantiles("latency_s", latency_s[answered], 50, 95, 99),
    }
    for priority in Priority:
        own = latency_s[answered & (table["priority"] == priority)]
        values = _quantiles("latency_s", own, 50, 95)
        numbers |= {f"{name}_{priority.name.lower()}": value for name, value in values.items()}
    return numbers


def _count_processed(rows: deliveries.Columns, early: deliveries.Columns) -> int:
    """Return how often the server processed any message but the early ones."""
    processed = deliveries.keys(rows)[rows["name"] == Name.PROCESS]
    return int(np.isin(processed, deliveries.keys(early), invert=True).sum())


def _quantiles(name: str, values: Floats, *percents: int) -> dict[str, float]:
    quantiles = observed_quantiles(values, [p / 100 for p in percents])
    return {f"{name}_p{p}": quantile for p, quantile in zip(percents, quantiles, strict=True)}


def _mean(values: Floats) -> float:
    """Return the mean of what is a number; NaN if nothing is."""
    known = ~np.isnan(values)
    # Zeros keep their places in the sum, so that it is rounded as that of a pandas column.
    return _ratio(np.where(known, values, 0.0).sum(), known.sum())


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else nan
