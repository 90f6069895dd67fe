"""What a trace says in numbers: spans, times, messages, and one row of metrics for each run.

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
import numpy.typing as npt

from simlib.arguments import check_arguments
from simlib.core.backoff import Backoff, ceiling, useful_after_s
from simlib.core.errors import SettingsError
from simlib.core.events import Priority
from simlib.core.faults import Fault
from simlib.core.rules import nearest
from simlib.interruptions import interrupting, noticed_by_s
from simlib.scenario import Scenario
from simlib.tally import TENTHS_PER_S, Tally
from simlib.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

#: What a client's time is cut into spans by.
LOOKS = ("state", "transport", "available", "breaker")
#: What each column of `summary` means, in the order of the columns.
MEANING = {
    "engine": "what played the run",
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


def attempt_times_s(trace: Trace) -> Floats:
    """Return when each attempt of any client was made, in ascending order."""
    trace.need_all_rows()
    frame = trace.frame()
    return np.sort(frame["time_s"].to_numpy()[(frame["name"] == "open").to_numpy()])


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
        times_s = attempt_times_s(trace)
        tenths = np.bincount((times_s[times_s >= from_s] * TENTHS_PER_S).astype(np.int64))
    else:
        tenths = np.asarray(trace.tally.tenths)[int(from_s * TENTHS_PER_S) :]
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

    trace.need_all_rows()
    frame = trace.frame()
    # A client whose page was closed is idle from then on; nobody tells it.
    told = (frame["kind"] == "event") | frame["name"].isin(["gone", "stop"])
    events = frame[told.to_numpy()]
    clients = np.arange(trace.scenario.clients)
    # Idle, closed, websocket and not available are all 0, as a client begins.
    client = np.concatenate([clients, events["client"].to_numpy()])
    start_s = np.concatenate([np.zeros(clients.size), events["time_s"].to_numpy()])
    wait_s = np.concatenate([np.zeros(clients.size), events["wait_s"].to_numpy()])
    begin = np.zeros(clients.size, np.int8)
    looks = [np.concatenate([begin, _codes(events[name])]) for name in by if name != "left"]
    comes = np.concatenate([begin == 0, (events["name"] == "start").to_numpy()])
    leaves = np.concatenate([begin > 0, (events["name"] == "stop").to_numpy()])

    order = np.lexsort((start_s, client))
    client, start_s, wait_s = client[order], start_s[order], wait_s[order]
    looks = [look[order] for look in looks]
    if "left" in by:
        looks.insert(list(by).index("left"), _since(leaves[order], comes[order]).astype(np.int8))
    first = np.zeros(client.size, bool)
    for values in (client, *looks):
        first[1:] |= values[1:] != values[:-1]
    first[:1] = True

    client, start_s = client[first], start_s[first]
    stop_s = np.maximum(start_s, trace.end_s)
    same = client[1:] == client[:-1]
    stop_s[:-1][same] = start_s[1:][same]
    columns = {
        name: look[first] > 0 if name == "left" else _like(frame[name], look[first])
        for name, look in zip(by, looks, strict=True)
    }
    return pd.DataFrame(
        {"client": client, **columns, "start_s": start_s, "stop_s": stop_s, "wait_s": wait_s[first]}
    )


def detection_times_s(trace: Trace) -> Floats:
    """Return how long clients took to leave OPEN, from the start of each fault that interrupts.

    One value for each fault and client that was OPEN when the fault started and left OPEN
    before its end (at most 1 s after the start of one that takes but a moment), other than for
    good.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.detection_s)
    opens = _opens(trace)
    times = []
    for fault in interrupting(trace.scenario):
        hit = (opens["start_s"] < fault.start_s) & (opens["stop_s"] >= fault.start_s)
        hit &= opens["lost"] & (opens["stop_s"] <= noticed_by_s(trace.scenario, fault))
        times.append(opens.loc[hit, "stop_s"].to_numpy() - fault.start_s)
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
    opens = _opens(trace)
    times = [
        _times_back_s(trace.scenario, fault, opens)
        for fault in interrupting(trace.scenario)
        if fault.end_s < trace.end_s
    ]
    return np.concatenate(times) if times else np.empty(0)


def _times_back_s(scenario: Scenario, fault: Fault, opens: pd.DataFrame) -> Floats:
    """Return how long after a fault's end each client that it hit was OPEN again."""
    left_s, again_s = opens["stop_s"], opens["again_s"]
    hit = opens["lost"] & (opens["start_s"] < fault.end_s)
    hit &= left_s <= noticed_by_s(scenario, fault)
    hit &= (left_s >= fault.start_s) | (again_s >= fault.end_s)
    last = ~opens.loc[hit, "client"].duplicated(keep="last")
    times_s = (again_s[hit][last] - fault.end_s).clip(lower=0.0).to_numpy()
    return times_s[~np.isnan(times_s)]


def downtimes_s(trace: Trace) -> Floats:
    """Return how long each loss lasted: from leaving OPEN until the client was OPEN again.

    One value for each loss from the end of the warm-up on, whatever caused it. inf if the client
    never was OPEN again in the run. Whoever left for good, while OPEN or before it was OPEN again,
    has no value.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.downtime_s)
    opens = _opens(trace)
    lost = opens[opens["lost"] & (opens["stop_s"] >= trace.scenario.warm_up_s)]
    times_s = (lost["again_s"] - lost["stop_s"]).to_numpy()
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

    trace.need_all_rows()
    frame = trace.frame()
    frame = frame[(frame["message"] >= 0).to_numpy()]
    key = _keys(frame)
    name, reason = frame["name"], frame["reason"]
    answered = name.isin(["received", "posted"]) & reason.isin(["accepted", "duplicate"])

    def first_s(where: pd.Series) -> Floats:
        mask = where.to_numpy()
        times_s = frame["time_s"].to_numpy()[mask]
        found = pd.Series(times_s, index=key[mask]).groupby(level=0).min()
        return found.reindex(sent, fill_value=inf).to_numpy()

    begun = name.isin(["send", "edit"]).to_numpy()
    sent, send_s = key[begun], frame["time_s"].to_numpy()[begun]
    acknowledged_s = first_s(answered)
    transmit_s = first_s(name == "transmit")
    received_s = first_s(answered & (name == "received"))
    transmits = pd.Series(1, index=key[(name == "transmit").to_numpy()]).groupby(level=0).size()
    # There and back over WebSocket, and sent once: of two copies nobody knows which was answered.
    once = transmits.reindex(sent, fill_value=0).to_numpy() == 1
    over = once & (received_s < inf)
    dropped = (name == "drop").to_numpy()
    why = pd.Series(reason[dropped].to_numpy(), index=key[dropped]).reindex(sent)
    return pd.DataFrame(
        {
            "client": frame["client"].to_numpy()[begun],
            "message": frame["message"].to_numpy()[begun],
            "key": frame["key"].to_numpy()[begun],
            "edit": (name == "edit").to_numpy()[begun],
            "priority": frame["priority"].array[begun],
            "send_s": send_s,
            "left_s": first_s(name.isin(["transmit", "post"])),
            "acknowledged_s": acknowledged_s,
            "latency_s": acknowledged_s - send_s,
            "round_trip_s": np.where(over, received_s, inf) - np.where(over, transmit_s, 0.0),
            "dropped_s": first_s(name == "drop"),
            "reason": why.array.fillna("none"),
            # A server of the user's own leaves no rows: what it has acknowledged, it has.
            "delivered": (first_s(name == "process") < inf) | (acknowledged_s < inf),
        }
    )


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
    priority, is_gone = _codes(table["priority"]), gone_s < inf
    time_s = np.concatenate([table["send_s"], gone_s[is_gone]])
    change = np.zeros((time_s.size, len(Priority)), np.int64)
    change[np.arange(len(table)), priority] = 1
    change[np.arange(len(table), time_s.size), priority[is_gone]] = -1
    order = np.argsort(time_s, kind="stable")
    depth = np.vstack([np.zeros((1, len(Priority)), np.int64), change[order].cumsum(axis=0)])
    index = pd.Index(np.concatenate([[0.0], time_s[order]]), name="time_s")
    return pd.DataFrame(depth, index=index, columns=[p.name.lower() for p in Priority])


def staleness_s(table: pd.DataFrame) -> Floats:
    """Return for how long the server's text of a draft was older than each edit.

    An edit is in the server's text once it, or a newer edit of the same client and draft, is
    acknowledged. Edits that never were are left out. ``table`` is that of `messages`.
    """
    edits = table[table["edit"]].sort_values("message", kind="stable")
    newest_first = edits.iloc[::-1]
    in_text_s = newest_first.groupby(["client", "key"])["acknowledged_s"].cummin()
    stale_s = (in_text_s - newest_first["send_s"]).to_numpy(dtype=float)
    return np.sort(stale_s[np.isfinite(stale_s)])


def row(trace: Trace) -> dict[str, Any]:
    """Return the metrics of one run by name; those there is no data for are left out."""
    if trace.tally is not None:
        # It carries no messages, so of those there is too little data.
        return {"engine": trace.engine, **_of_tally(trace, trace.tally), **_of_faults(trace)}
    return {
        "engine": trace.engine,
        **_of_links(trace),
        **_of_faults(trace),
        **_of_messages(trace),
    }


def _of_links(trace: Trace) -> dict[str, Any]:
    from_s = trace.scenario.warm_up_s
    states = spans(trace, ["state"])
    states = states[states["start_s"] >= from_s]
    looks = spans(trace, [*LOOKS, "left"])
    there = (looks["state"] != "idle") & ~looks["left"]
    counted_s = looks["stop_s"].clip(lower=from_s) - looks["start_s"].clip(lower=from_s)
    time_s = counted_s.where(there, 0.0)
    rows = trace.frame()
    notices = rows[((rows["reason"] == "gave_up") & (rows["time_s"] >= from_s)).to_numpy()]
    attempts_s = attempt_times_s(trace)
    attempts_s = attempts_s[attempts_s >= from_s]
    return {
        "availability_fraction": _ratio(time_s[looks["available"] == 1].sum(), time_s.sum()),
        "polling_fraction": _ratio(time_s[looks["transport"] == "poll"].sum(), time_s.sum()),
        "breaker_open_fraction": _ratio(time_s[looks["breaker"] == "open"].sum(), time_s.sum()),
        "attempts": attempts_s.size,
        "peak_attempts_per_s": peak_attempts_per_s(trace, from_s),
        "amplification": _amplification(attempts_s.size, _useful(trace)),
        "mean_wait_s": states.loc[states["state"] == "waiting", "wait_s"].mean(),
        "mean_wait_fraction": _wait_fractions(trace).mean(),
        "gave_up": notices["client"].nunique(),
    }


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


def _useful(trace: Trace) -> int:
    """Return how many connections, opened since the warm-up, were of use.

    Those that were lost before they were stable were not.
    """
    opens = _opens(trace)
    opens = opens[opens["start_s"] >= trace.scenario.warm_up_s]
    backoffs = _backoffs(trace.scenario)
    useful_s = {
        client: useful_after_s(backoffs[trace.scenario.herd_of(client)])
        for client in opens["client"].unique().tolist()
    }
    unstable = opens["lost"] & (opens["stop_s"] < opens["start_s"] + opens["client"].map(useful_s))
    return len(opens) - int(unstable.sum())


def _amplification(attempts: int, useful: int) -> float:
    """Return attempts per connection of use; inf: all were in vain; NaN: there were none."""
    return inf if attempts and not useful else _ratio(attempts, useful)


def _backoffs(scenario: Scenario) -> list[Backoff]:
    """Return the backoff of each herd, and then of all other clients."""
    return [*(herd.client.backoff for herd in scenario.herds), scenario.client.backoff]


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


def _wait_fractions(trace: Trace) -> pd.Series:
    """Return each wait that the backoff alone decided, over its ceiling."""
    frame = trace.frame()
    waits = frame[
        frame["name"].isin(["failed", "lost"])
        & (frame["state"] == "waiting")
        & (frame["breaker"] != "open")
        & (frame["hint_s"] == 0.0)
        & (frame["time_s"] >= trace.scenario.warm_up_s)
    ]
    # What a budget postponed says nothing of the backoff.
    told = frame[(frame["reason"] == "budget").to_numpy()]
    rationed = set(zip(told["client"], told["time_s"], strict=True))
    pairs = zip(waits["client"], waits["time_s"], strict=True)
    waits = waits[np.array([pair not in rationed for pair in pairs], dtype=bool)]
    scenario = trace.scenario
    backoffs = _backoffs(scenario)
    herd = {client: scenario.herd_of(client) for client in waits["client"].unique().tolist()}
    kind = waits["client"].map(herd).astype(int) * _ATTEMPTS + waits["attempt"]
    herds = {each: divmod(each, _ATTEMPTS) for each in kind.unique().tolist()}
    ceilings_s = {each: _height_s(backoffs[i], attempt) for each, (i, attempt) in herds.items()}
    # What has no ceiling is no fraction of it.
    return waits["wait_s"] / kind.map(ceilings_s).replace(0.0, np.nan)


#: More than a trace's column of attempts holds.
_ATTEMPTS = 1 << 16


def _of_faults(trace: Trace) -> dict[str, Any]:
    recovery_s = recovery_times_s(trace)
    return {
        **_quantiles("time_to_detect_s", detection_times_s(trace), 50, 95, 99),
        **_quantiles("time_to_recover_s", recovery_s, 50, 95, 99),
        "last_back_s": recovery_s.max() if recovery_s.size else nan,
        "never_recovered": int(np.isinf(recovery_s).sum()),
        **_quantiles("downtime_s", downtimes_s(trace), 50, 95, 99),
    }


def _of_messages(trace: Trace) -> dict[str, Any]:
    from_s = trace.scenario.warm_up_s
    table = messages(trace)
    is_early = (table["send_s"] < from_s).to_numpy()
    processed = _processed(trace, table[is_early])
    table = table[~is_early]
    acknowledged = table[table["acknowledged_s"] < inf]
    delivered = int(table["delivered"].sum())
    superseded = int((~table["delivered"] & (table["reason"] == "coalesced")).sum())
    contested = int((table["reason"] == "conflict").sum())
    dropped = int((~table["delivered"] & (table["dropped_s"] < inf)).sum())
    lost = dropped - superseded - contested
    due = len(table) - superseded - contested
    left = table[table["left_s"] < inf]
    numbers = {
        "sent": len(table),
        "superseded": superseded,
        "contested": contested,
        "delivered_fraction": _ratio(delivered, due),
        "lost": lost,
        "undelivered": due - delivered - lost,
        "duplicate_fraction": _ratio(processed - delivered, processed),
        "goodput_per_s": _ratio(len(acknowledged), max(0.0, trace.end_s - from_s)),
        "head_of_line_s": (left["left_s"] - left["send_s"]).mean(),
        **_quantiles("round_trip_s", table.loc[table["round_trip_s"] < inf, "round_trip_s"], 50),
        **_quantiles("latency_s", acknowledged["latency_s"], 50, 95, 99),
        **_quantiles("staleness_s", staleness_s(table), 50, 95),
    }
    for priority in (each.name.lower() for each in Priority):
        own = acknowledged[acknowledged["priority"] == priority]
        values = _quantiles("latency_s", own["latency_s"], 50, 95)
        numbers |= {f"{name}_{priority}": value for name, value in values.items()}
    return numbers


def _processed(trace: Trace, early: pd.DataFrame) -> int:
    """Return how often the server processed any message but the early ones."""
    frame = trace.frame()
    processed = frame[(frame["name"] == "process").to_numpy()]
    return int(np.isin(_keys(processed), _keys(early), invert=True).sum())


def _keys(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return client and message of each row as one number."""
    return frame["client"].to_numpy().astype(np.int64) << 32 | frame["message"].to_numpy()


def _opens(trace: Trace) -> pd.DataFrame:
    """Return the spans in OPEN: whether it was lost, and when the client was OPEN again.

    ``again_s`` is NaN where the client has left for good instead.
    """
    states = spans(trace, ["state", "left"])
    client, left = states["client"].to_numpy(), states["left"].to_numpy()
    lost = np.append((client[1:] == client[:-1]) & ~left[1:], False)
    states = states.assign(lost=lost, leavings=left.cumsum())
    at_end = states.groupby("client")["leavings"].transform("last")
    is_open = (states["state"] == "open").to_numpy()
    opens = states[is_open]
    later = opens.groupby("client")[["start_s", "leavings"]].shift(-1)
    leaves = later["leavings"].fillna(at_end[is_open]) > opens["leavings"]
    return opens.assign(again_s=later["start_s"].fillna(inf).mask(leaves))


def _since(begins: npt.NDArray[np.bool_], ends: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return where something has begun and not ended since."""
    told = begins | ends
    last = np.maximum.accumulate(np.where(told, np.arange(told.size), 0))
    return begins[last]


def _quantiles(name: str, values: Floats | pd.Series, *percents: int) -> dict[str, float]:
    if not values.size:
        return {f"{name}_p{p}": nan for p in percents}
    # An observed value, never one in between: between a time and inf there is none.
    found = np.quantile(values, np.array(percents) / 100, method="inverted_cdf")
    return {f"{name}_p{p}": float(q) for p, q in zip(percents, found, strict=True)}


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else nan


def _codes(values: pd.Series) -> npt.NDArray[np.int8]:
    import pandas as pd

    codes = values.cat.codes if isinstance(values.dtype, pd.CategoricalDtype) else values
    return np.asarray(codes, np.int8)


def _like(values: pd.Series, codes: npt.NDArray[np.int8]) -> Any:
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Categorical.from_codes(codes, dtype=values.dtype)
    return codes
