"""A bound in words, as a reader of a review or a tuning meets it."""

from __future__ import annotations

from collections.abc import Sequence

from simlib.experiments.objectives import Constraint
from simlib.metrics.words import format_count, format_number, format_share, words_and_unit
from simlib.scenario.scenario import Scenario

#: What the reader would not guess from the metric's name.
_SUBJECTS = {
    "last_back_s": "the time until the last client is back",
    "peak_attempts_per_s": "the worst second",
    "peak_after_fault_per_s": "the worst second after the fault",
    "amplification": "the number of attempts per useful connection",
    "mean_wait_fraction": "the mean wait as a share of its ceiling",
    "availability_fraction": "the time available",
    "polling_fraction": "the time on polling",
    "breaker_open_fraction": "the time with an open breaker",
    "server_busy_fraction": "the workers' time at work",
    "delivered_fraction": "the share of messages delivered",
    "duplicate_fraction": "the share of messages that arrived twice",
    "backlog_mean": "the mean backlog",
    "backlog_worst": "the longest backlog",
    "open_connections_mean": "the mean number of connections open",
    "open_connections_worst": "the largest number of connections open",
    "head_of_line_s": "the wait behind other messages",
}
#: What is counted. Of these there may be none.
_COUNTS = {
    "never_recovered": "clients that never come back",
    "attempts": "attempts",
    "gave_up": "clients that give up",
    "handshakes_served": "handshakes served",
    "handshakes_abandoned": "handshakes served in vain",
    "refused_backlog": "handshakes refused by a full backlog",
    "refused_rate": "handshakes refused by the accept rate",
    "refused_connections": "handshakes refused for want of a connection",
    "refused_session": "handshakes refused for want of a session",
    "refused_address": "handshakes refused by the limit of an address",
    "sent": "messages sent",
    "superseded": "messages superseded",
    "contested": "contested edits",
    "lost": "lost messages",
    "undelivered": "messages still under way at the end",
    "doubled": "messages counted twice",
    "messages_served": "messages served",
    "messages_limited": "messages over a client's rate",
    "sign_ins": "sign-ins",
}
_SETTINGS = {"server.accept_per_s": "what the server admits"}
_OWNERS = {"server": "the server's", "client": "the client's", "path": "the path's"}
_TIMES = {1.0: "", 2.0: "twice ", 3.0: "three times ", 0.5: "half of "}
_UNITS = ("_per_s", "_s", "_bytes", "_fraction")


def bound_in_words(bound: Constraint, scenarios: Sequence[Scenario] = ()) -> str:
    """Return a bound as a clause: what stays where.

    Parameters
    ----------
    bound : Constraint
        The bound.
    scenarios : sequence of Scenario
        Those in which it is to hold: a bound that is taken from a setting is said as a number, too.

    Examples
    --------
    >>> from simlib.core.server_settings import ServerSettings
    >>> from simlib.experiments.objectives import constraint
    >>> storm = Scenario(server=ServerSettings(accept_per_s=2000))
    >>> texts = "peak_after_fault_per_s < 3 * server.accept_per_s", "never_recovered <= 0"
    >>> for text in texts:
    ...     print(bound_in_words(constraint(text, [storm]), [storm]))
    the worst second after the fault stays below three times what the server admits (6,000/s)
    everybody comes back
    """
    if bound.metric in _COUNTS and bound.at_most and not (bound.strict or bound.factor):
        is_return = bound.metric == "never_recovered"
        return "everybody comes back" if is_return else f"there are no {_COUNTS[bound.metric]}"
    side = "below" if bound.at_most else "above"
    side = side if bound.strict else f"at or {side}"
    return f"{_subject(bound.metric)} stays {side} {_limit(bound, scenarios)}"


def bounds_in_words(bounds: Sequence[Constraint], scenarios: Sequence[Scenario] = ()) -> str:
    """Return several bounds, one after the other."""
    return "; ".join(bound_in_words(bound, scenarios) for bound in bounds)


def _subject(metric: str) -> str:
    if metric in _SUBJECTS:
        return _SUBJECTS[metric]
    if metric in _COUNTS:
        return f"the number of {_COUNTS[metric]}"
    name, _, share = words_and_unit(metric)[0].partition(", ")
    name += " messages" if " of " in name else ""  # of a priority
    return f"the {name} ({share})" if share else f"the {name}"


def _limit(bound: Constraint, scenarios: Sequence[Scenario]) -> str:
    if not bound.key:
        return _value(bound.metric, bound.factor)
    times = _TIMES.get(bound.factor, f"{format_number(bound.factor)} times ")
    said = {each.name: _value(bound.metric, bound.bound(each)) for each in scenarios}
    if len(set(said.values())) > 1:
        numbers = ", ".join(f"{value} in {name}" for name, value in said.items())
    else:
        numbers = next(iter(said.values()), "")
    return f"{times}{_setting(bound.key)}{f' ({numbers})' if numbers else ''}"


def _value(metric: str, value: float) -> str:
    if metric.endswith("_fraction"):
        return format_share(value)
    unit = words_and_unit(metric)[1]
    number = format_number(value) if unit == "s" else format_count(value)
    return number + {"s": " s", "1/s": "/s"}.get(unit, "")


def _setting(key: str) -> str:
    if key in _SETTINGS:
        return _SETTINGS[key]
    owner, *rest = key.split(".")
    unit = next((unit for unit in _UNITS if rest[-1].endswith(unit)), "")
    rest[-1] = rest[-1].removesuffix(unit)
    return f"{_OWNERS.get(owner, f'the {owner}')} {' '.join(rest).replace('_', ' ')}"
