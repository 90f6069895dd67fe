"""The columns of `summary`: what each means, and which are of messages."""

from __future__ import annotations

from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.events import Priority
from simlib.core.validation import nearest

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
    "peak_after_fault_per_s": "the same after a fault's end, of attempts while no other is on: "
    "what the server meets",
    "amplification": "attempts per connection that was of use: not lost before it was stable",
    "mean_wait_s": "mean of the waits that clients set themselves after a failure or a loss",
    "mean_wait_fraction": "mean of waits over their ceilings, without those of breaker or hint, "
    "and those after more than 254 failures in a row if ceilings still change then; "
    "above 1 where jitter may pass the ceiling (of decorrelated jitter, which has none: the "
    "ceiling of its growth without jitter)",
    "gave_up": "clients that gave up, or that a code ended for good, at least once",
    "polling_fraction": "share of the clients' time in which polling carried their messages",
    "breaker_open_fraction": "share of the clients' time with an open breaker",
}
#: Those about the server. Of several gateways: the mean of fractions and means, the worst of
#: worsts, the sum of counts; `gateways` has each.
_OF_SERVER = {
    "server_busy_fraction": "share of the workers' time in which they worked on handshakes, or on "
    "the resynchronisation after them",
    "backlog_mean": "handshakes that waited for a worker of one server, mean over time",
    "backlog_worst": "the most handshakes that waited at one server at a time",
    "backlog_wait_s_p50": "half of the handshakes that a server took waited no longer for a worker",
    "backlog_wait_s_p95": "the same of 95 in 100",
    "backlog_wait_s_p99": "the same of 99 in 100",
    "handshakes_served": "handshakes that the server took, and was done with before a crash",
    "handshakes_abandoned": "of those, served in vain: their clients had gone by then",
    "refused_backlog": "handshakes refused because the backlog was full, or each time that a full "
    "one drops one",
    "refused_rate": "handshakes refused because the accept rate was passed",
    "refused_connections": "handshakes refused because all connections were taken",
    "refused_session": "handshakes refused because no session held",
    "refused_address": "handshakes refused because the limit of their address was passed",
    "open_connections_mean": "connections that clients had open, mean over time",
    "open_connections_worst": "the most of them, at the end of any tenth of a second",
}
#: And those about messages.
_OF_MESSAGES = {
    "sent": "messages that the application gave to its clients",
    "superseded": "of those, messages that a newer one of their key stood for",
    "contested": "of those, edits on a version that was not the newest, given back as conflicts",
    "delivered_fraction": "share of the others that the server processed at least once",
    "lost": "messages dropped (full, evicted, expired, dead letter, quota), gone with a client, or "
    "with a connection where no acknowledgement is awaited, and never processed",
    "undelivered": "messages still on their way, or in an outbox, at the end of the run",
    "duplicate_fraction": "share of what arrived at the server that had arrived before",
    "doubled": "messages that the server counted more than once: it keeps no ids, or lost them",
    "goodput_per_s": "distinct messages acknowledged per second of the run",
    "head_of_line_s": "mean time from send until a message first left, of those that left",
    "round_trip_s_p50": "half of the messages sent once, by WebSocket, were answered this soon",
    "latency_s_p50": "half of the acknowledged messages were so this soon after their send",
    "latency_s_p95": "the same of 95 in 100",
    "latency_s_p99": "the same of 99 in 100",
    "staleness_s_p50": "half of the edits, or newer ones for them, were acknowledged this soon",
    "staleness_s_p95": "the same of 95 in 100",
    "messages_served": "answers of the server to messages that it worked on, copies among them",
    "messages_limited": "answers of the server that a client's rate was passed",
    "sign_ins": "sessions that the server granted",
} | {
    f"latency_s_p{quantile}_{priority}": (
        f"{share} of the acknowledged {priority} messages were so this soon after their send"
    )
    for priority in (each.name.lower() for each in Priority)
    for quantile, share in ((50, "half"), (95, "95 in 100"))
}
#: What each column of `summary` means, in the order of the columns.
MEANING = {"engine": "what played the run"} | _OF_CONNECTIONS | _OF_SERVER | _OF_MESSAGES
#: What only a run that carries messages has numbers of; the fleet carries none.
OF_MESSAGES = frozenset(_OF_MESSAGES)
#: What only a run whose server has limits has numbers of.
OF_SERVER = frozenset(_OF_SERVER) - {"open_connections_mean"}


def check_metric(where: str, name: Any) -> None:
    """Refuse what is no number of `summary`.

    Raises
    ------
    SettingsError
        Naming where it was asked for, and the metric that may have been meant.
    """
    names = [metric for metric in MEANING if metric != "engine"]
    if name not in names:
        rule = f"is no metric{nearest(name, names)}; simlib run --all prints all of them"
        raise SettingsError(where, name, rule)
