"""Exercises of 06: whether every message counts once."""

from __future__ import annotations

from simlib.course.exercises.checks import (
    NotYet,
    compare_number,
    exercise_check,
    only,
    play_seeds,
)
from simlib.scenario.scenario import Scenario


@exercise_check
def patience(answer: object) -> str:
    """Check how long to wait for an acknowledgement, 0.42 s each way, up to a tenth."""
    hints = {
        "s is the way there: the acknowledgement has to come back": 0.4,
        "s is one way, rounded up: the acknowledgement has to come back": 0.5,
        "s leaves out what the network takes without the fault": 0.8,
        "s is what it takes: round it up to a tenth": 0.84,
    }
    return f"{compare_number(answer, 0.9, hints=hints, within=0.005):g} s, and not sooner"


@exercise_check
def kept_over_a_reload(answer: Scenario, given: Scenario) -> str:
    """Check that a reload loses nothing, by one setting of the outbox."""
    [key] = only(answer, given, "client.outbox.", one=True)
    lost = int(play_seeds(answer)["lost"].iloc[0])
    if lost:
        raise NotYet(f"with this {key} {lost} messages are lost")
    return f"with this {key} none is lost"


@exercise_check
def once_in_effect(answer: Scenario, given: Scenario) -> str:
    """Check that nothing is lost and nothing doubled, by the outbox and the server's ids."""
    only(answer, given, ("client.outbox.", "server.deduplicates"))
    metrics = play_seeds(answer).iloc[0]
    lost, doubled = int(metrics["lost"] + metrics["undelivered"]), int(metrics["doubled"])
    if lost or doubled:
        raise NotYet(f"{lost} messages never count, and {doubled} count twice")
    return f"{metrics['messages_served']:,.0f} copies, and each message counts once"
