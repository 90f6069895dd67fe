"""The fates of messages: a row for each, the outboxes over time, and a run's metrics of them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from simlib.core.events import Priority, Reason
from simlib.metrics import deliveries
from simlib.metrics.array_types import Bools, Floats, Ints
from simlib.metrics.run_columns import RunColumns, column_in_words, read_columns
from simlib.metrics.statistics import mean_of_known, named_quantiles, ratio
from simlib.trace.columns import Name
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


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
        why the outbox dropped it; ``delivered``, whether the server processed it, and ``counted``,
        how often it counted it. Times are inf where that never happened.
    """
    import pandas as pd

    fates = read_columns(trace).find_once(_find_fates)
    priority, reason = (column_in_words(name, fates[name]) for name in ("priority", "reason"))
    return pd.DataFrame({**fates, "priority": priority, "reason": reason.astype(str)})


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
    # A message whose answer nobody awaits leaves the outbox with its transmission.
    forgets = ~_awaits_ack(read_columns(trace), table["client"].to_numpy()) & ~table["edit"]
    gone_s = np.where(forgets, np.minimum(gone_s, table["left_s"]), gone_s)
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


def message_metrics(run: RunColumns) -> dict[str, Any]:
    """Return the columns of `summary` that are about messages."""
    from_s = run.scenario.warm_up_s
    fates = run.find_once(_find_fates)
    fates = fates | {"vanished": _find_vanished(run, fates)}
    is_early = fates["send_s"] < from_s
    processed = _count_processed(
        run.columns, {name: fate[is_early] for name, fate in fates.items()}
    )
    table = {name: fate[~is_early] for name, fate in fates.items()}
    return {
        **_counts(table, processed, run.end_s - from_s),
        **named_quantiles("staleness_s", deliveries.draft_staleness_s(table), 50, 95),
        **_latencies_s(table),
    }


def _find_fates(run: RunColumns) -> dict[str, Any]:
    return deliveries.deliveries(run.columns)


def _counts(table: deliveries.Columns, processed: int, length_s: float) -> dict[str, Any]:
    """Return how many messages had which end, and of how many."""
    sent, is_delivered, reason = len(table["send_s"]), table["delivered"], table["reason"]
    delivered = int(is_delivered.sum())
    superseded = int((~is_delivered & (reason == Reason.COALESCED)).sum())
    contested = int((reason == Reason.CONFLICT).sum())
    dropped = int((~is_delivered & (table["dropped_s"] < inf)).sum())
    lost = dropped - superseded - contested + int(table["vanished"].sum())
    due = sent - superseded - contested
    acknowledged = int((table["acknowledged_s"] < inf).sum())
    return {
        "sent": sent,
        "superseded": superseded,
        "contested": contested,
        "delivered_fraction": ratio(delivered, due),
        "lost": lost,
        "undelivered": due - delivered - lost,
        "duplicate_fraction": ratio(processed - delivered, processed),
        "doubled": int((table["counted"] > 1).sum()),
        "goodput_per_s": ratio(acknowledged, max(0.0, length_s)),
    }


def _find_vanished(run: RunColumns, fates: deliveries.Columns) -> Bools:
    """Return which messages were lost on their way, and nobody kept a copy to send again.

    Such a message was sent over a connection that has ended since, and never processed.
    """
    gone = (fates["left_s"] < inf) & ~fates["delivered"] & (fates["dropped_s"] == inf)
    gone &= ~fates["edit"]
    if not gone.any():
        return gone
    gone &= ~_awaits_ack(run, fates["client"])
    if not gone.any():
        return gone
    # Clients one after the other on one axis of time: the last connection that opened by then.
    opens, apart_s = run.opens, run.end_s + 1.0
    left = fates["client"] * apart_s + np.minimum(fates["left_s"], run.end_s)
    place = np.searchsorted(opens.client * apart_s + opens.start_s, left, side="right") - 1
    return np.asarray(gone & (place >= 0) & (opens.stop_s[place] < run.end_s))


def _awaits_ack(run: RunColumns, client: Ints) -> Bools:
    """Return for each client whether it keeps a message until it is acknowledged."""
    scenario = run.scenario
    policies = [*(cohort.client for cohort in scenario.cohorts), scenario.client]
    awaits = np.array([policy.outbox.awaits_ack for policy in policies])
    return np.full(client.size, awaits[0]) if awaits.all() else awaits[run.cohorts(client)]


def _latencies_s(table: deliveries.Columns) -> dict[str, float]:
    """Return how long messages took, all of them and those of each priority."""
    left = table["left_s"] < inf
    answered = table["acknowledged_s"] < inf
    round_trip_s, latency_s = table["round_trip_s"], table["latency_s"]
    numbers = {
        "head_of_line_s": mean_of_known(table["left_s"][left] - table["send_s"][left]),
        **named_quantiles("round_trip_s", round_trip_s[round_trip_s < inf], 50),
        **named_quantiles("latency_s", latency_s[answered], 50, 95, 99),
    }
    for priority in Priority:
        own = latency_s[answered & (table["priority"] == priority)]
        values = named_quantiles("latency_s", own, 50, 95)
        numbers |= {f"{name}_{priority.name.lower()}": value for name, value in values.items()}
    return numbers


def _count_processed(rows: deliveries.Columns, early: deliveries.Columns) -> int:
    """Return how often the server processed any message but the early ones."""
    processed = deliveries.keys(rows)[rows["name"] == Name.PROCESS]
    return int(np.isin(processed, deliveries.keys(early), invert=True).sum())
