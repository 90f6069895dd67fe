"""One client's run as a sequence diagram: what went between client and server, and what between.

Messages, pings and polls are left out: what is to be seen is how a connection was lost and found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from simlib.core.backoff_words import say_seconds
from simlib.core.events import Reason
from simlib.core.link_table import State
from simlib.core.notices import WORDINGS
from simlib.trace.columns import Kind, Name
from simlib.trace.schema import describe_fault_row, is_of_all
from simlib.trace.trace import Trace


class Arrow(Enum):
    """What a step is drawn as."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"
    #: An answer that did not let the client in, or a connection's end.
    CROSS = "cross"
    #: What the client does by itself.
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True)
class Step:
    """One line of the diagram."""

    time_s: float
    arrow: Arrow
    text: str


def list_sequence_steps(trace: Trace, client: int, most: int = 60) -> list[Step]:
    """Return the steps of one client's run, in order; what is more than ``most`` is counted.

    Raises
    ------
    SimlibError
        If there is no such client, or it was not watched.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = sl.run(sl.Scenario(clients=1, duration_s=5))
    >>> [step.text for step in list_sequence_steps(trace, 0)][:2]
    ['opens connection 1', 'connection 1 is open']
    """
    trace.story(client)  # says what is wrong with the client's number, if anything is
    steps = list(_steps(trace, client))
    if len(steps) <= most:
        return steps
    rest = len(steps) - most + 1
    last = f"and {rest:,} steps more, until {steps[-1].time_s:.1f} s"
    return [*steps[: most - 1], Step(steps[most - 1].time_s, Arrow.NOTE, last)]


def _steps(trace: Trace, client: int) -> Iterator[Step]:
    numbers: dict[int, int] = {}
    for row in trace.rows_of(client):
        time_s, name = row["time_s"], Name(row["name"])
        if is_of_all(row):
            text = describe_fault_row(row, trace.scenario.faults[row["fault"]]).strip("- ")
            yield Step(time_s, Arrow.FAULT, text)
        elif row["kind"] == Kind.COMMAND and name == Name.OPEN:
            numbers[row["connection"]] = len(numbers) + 1
            yield Step(time_s, Arrow.TO_SERVER, f"opens connection {len(numbers)}")
        elif row["kind"] == Kind.COMMAND and name == Name.NOTIFY:
            text = WORDINGS[Reason(row["reason"])].text
            yield Step(time_s, Arrow.NOTE, f"tells its user: {text.rstrip('.')}")
        elif row["kind"] == Kind.EVENT:
            yield from _event_steps(row, name, numbers.get(row["connection"], 0))


def _event_steps(row: dict[str, Any], name: Name, number: int) -> Iterator[Step]:
    time_s = row["time_s"]
    if name == Name.OPENED:
        yield Step(time_s, Arrow.TO_CLIENT, f"connection {number} is open")
    elif name in (Name.FAILED, Name.LOST):
        what = "is lost" if name == Name.LOST else "fails"
        code = f" {row['code']}" if row["code"] else ""
        yield Step(
            time_s, Arrow.CROSS, f"connection {number} {what}: {_words(row['reason'])}{code}"
        )
    elif name in (Name.ONLINE, Name.OFFLINE):
        yield Step(time_s, Arrow.NOTE, f"is told: {name.name.lower()}")
    elif name != Name.WAKE:
        return
    if row["state"] == State.WAITING and name in (Name.FAILED, Name.LOST):
        wait = f"waits {say_seconds(row['wait_s'])}"
        yield Step(time_s, Arrow.NOTE, f"{wait}, after {_times(row['attempt'])}")
    if row["state"] == State.STOPPED and name in (Name.FAILED, Name.LOST):
        yield Step(time_s, Arrow.NOTE, "gives up")


def _times(failures: int) -> str:
    return "1 failure in a row" if failures == 1 else f"{failures} failures in a row"


def _words(reason: int) -> str:
    return Reason(reason).name.lower().replace("_", " ")


_MERMAID = {Arrow.TO_SERVER: "C->>S", Arrow.TO_CLIENT: "S->>C", Arrow.CROSS: "S--xC"}


def to_mermaid(steps: list[Step], client: int) -> str:
    """Return steps as a Mermaid sequence diagram, which code hosts draw in Markdown.

    Examples
    --------
    >>> print(to_mermaid([Step(1.0, Arrow.TO_SERVER, "opens connection 1")], 3))
    sequenceDiagram
        participant C as client 3
        participant S as server
        C->>S: 1.0 s: opens connection 1
    """
    lines = [
        "sequenceDiagram",
        f"    participant C as client {client}",
        "    participant S as server",
    ]
    for step in steps:
        # A semicolon would end the statement, a hash begin a character's number.
        text = f"{step.time_s:.1f} s: {step.text}".replace(";", ",").replace("#", "no. ")
        if step.arrow == Arrow.FAULT:
            lines.append(f"    Note over C,S: {text}")
        elif step.arrow == Arrow.NOTE:
            lines.append(f"    Note over C: {text}")
        else:
            lines.append(f"    {_MERMAID[step.arrow]}: {text}")
    return "\n".join(lines)
