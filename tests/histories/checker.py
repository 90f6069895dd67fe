"""Judge the history of a run by what each message may do, in the manner of Jepsen.

A history is what was seen from outside: what an application gave to its client, what the client was
told, what the server counted. It knows nothing of the rules by which client and server decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from simlib.core.events import Reason
from simlib.metrics.run_columns import read_columns
from simlib.trace.columns import Name
from simlib.trace.trace import Trace

#: Clocks of two processes of one machine, read one after the other, may differ by so much.
CLOCK_S = 0.002
_TOLD = (Reason.ACCEPTED, Reason.DUPLICATE)


class Deed(NamedTuple):
    """What was done with a message, by whom and when."""

    time_s: float
    #: given (to its client), sent, acknowledged, dropped (and its application told) or counted.
    what: str
    client: int
    message: int
    key: int = -1


def read_history(trace: Trace) -> list[Deed]:
    """Return what was done with messages in a run, of the sim or of the live engine."""
    columns = read_columns(trace).columns
    named = ("time_s", "name", "client", "message", "key", "reason")
    rows = zip(*(columns[name].tolist() for name in named), strict=True)
    return [
        Deed(time_s, what, client, message, key)
        for time_s, name, client, message, key, reason in rows
        if message >= 0 and (what := _name_deed(name, reason))
    ]


def _name_deed(name: int, reason: int) -> str:
    if name in (Name.RECEIVED, Name.POSTED):
        return "acknowledged" if reason in _TOLD else ""
    if name == Name.PROCESS:
        return "counted" if reason == Reason.ACCEPTED else ""
    return _DEEDS.get(name, "")


_DEEDS: dict[int, str] = {
    Name.SEND: "given",
    Name.TRANSMIT: "sent",
    Name.POST: "sent",
    Name.DROP: "dropped",
}


def find_violations(history: Iterable[Deed]) -> list[str]:
    """Return a sentence for each way in which a history is not that of exactly once, in order.

    The run must have been quiet at its end for long enough that whatever waited could arrive.

    Examples
    --------
    >>> given, counted = Deed(1.0, "given", 0, 7), Deed(1.2, "counted", 0, 7)
    >>> find_violations([given, counted])
    []
    >>> find_violations([given])
    ['client 0, message 7: accepted at 1.000 s, and never counted nor given up']
    """
    of_one: dict[tuple[int, int], dict[str, list[float]]] = {}
    keys: dict[tuple[int, int], int] = {}
    for time_s, what, client, message, key in sorted(history):
        of_one.setdefault((client, message), {}).setdefault(what, []).append(time_s)
        if what == "given":
            keys[client, message] = key
    found = [
        f"client {client}, message {message}: {said}"
        for (client, message), times_s in of_one.items()
        for said in _judge(times_s)
    ]
    lines: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
    for (client, message), key in keys.items():
        times_s = of_one[client, message]
        if key >= 0 and "counted" in times_s:
            place = times_s["given"][0], times_s["counted"][0], message
            lines.setdefault((client, key), []).append(place)
    for (client, key), line in lines.items():
        found += [f"client {client}, key {key}: {said}" for said in _judge_order(sorted(line))]
    return found


def _judge(times_s: dict[str, list[float]]) -> Iterator[str]:
    """Yield what is wrong with one message, of whose deeds the times are given, ascending."""
    given, counted, told = (times_s.get(each) for each in ("given", "counted", "acknowledged"))
    if given and not counted and "dropped" not in times_s:
        yield f"accepted at {given[0]:.3f} s, and never counted nor given up"
    if counted and not given:
        yield f"counted at {counted[0]:.3f} s, and no application sent it"
    if counted and len(counted) > 1:
        moments = " and ".join(f"{time_s:.3f} s" for time_s in counted)
        yield f"counted {len(counted)} times, at {moments}"
    if told and (not counted or told[0] < counted[0] - CLOCK_S):
        yield f"acknowledged at {told[0]:.3f} s, and not counted before"
    if told and "sent" in times_s and times_s["sent"][-1] > told[0]:
        yield f"sent at {times_s['sent'][-1]:.3f} s, though acknowledged at {told[0]:.3f} s"


def _judge_order(line: list[tuple[float, float, int]]) -> Iterator[str]:
    """Yield what was counted before an earlier message: when given, when counted, its number."""
    for (_, before_s, earlier), (_, after_s, later) in pairwise(line):
        if after_s < before_s:
            yield (
                f"message {later} was counted at {after_s:.3f} s, before message {earlier} at "
                f"{before_s:.3f} s, which was accepted before it"
            )
