"""Exercises of 09: why an outage outlives its cause."""

from __future__ import annotations

from simlib.course.exercises.checks import (
    NotYet,
    all_back,
    compare_number,
    exercise_check,
    only,
)
from simlib.scenario.scenario import Scenario


@exercise_check
def quick_enough(answer: object) -> str:
    """Check how many handshakes a second 200 clients ask for, at one in 2.25 s each."""
    hints = {
        "leaves out the waits": 100.0,
        "counts the waits alone: a client is patient for two seconds, too": 800.0,
        "was enough for fewer clients": 120 / 2.25,
    }
    return f"{compare_number(answer, 200 / 2.25, hints=hints):.1f} attempts a second"


@exercise_check
def outage_that_ends(answer: Scenario, given: Scenario) -> str:
    """Check that all are back within 65 s, by one setting of the backoff."""
    [key] = only(answer, given, "client.backoff.", one=True)
    return f"with this {key} {_within(answer, 65.0)}"


@exercise_check
def outage_prevented(answer: Scenario, given: Scenario) -> str:
    """Check that all are back within 15 s, by one setting of a server that is as quick as given."""
    [key] = only(answer, given, "server.", one=True)
    if key in ("server.workers", "server.handshake_service_s"):
        raise NotYet(f"leave {key}: the server is as quick as it is")
    return f"with this {key} {_within(answer, 15.0)}"


def _within(answer: Scenario, most_s: float) -> str:
    last_s = all_back(answer).iloc[0]["last_back_s"]
    said = f"the last client is back after {last_s:.1f} s"
    if last_s > most_s:
        raise NotYet(f"{said}, not within {most_s:g} s")
    return said
