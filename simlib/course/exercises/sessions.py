"""Exercises of 08: what a lost session costs."""

from __future__ import annotations

from simlib.course.exercises.checks import (
    NotYet,
    all_back,
    compare_number,
    exercise_check,
    only,
    play_seeds,
)
from simlib.scenario.scenario import Scenario


@exercise_check
def clients_in_patience(answer: object) -> str:
    """Check from how many clients on one gives up: 5 s of patience, 20 ms each."""
    hints = {
        "are all served in time: the next one is not": 250.0,
        "would be right if a sign-in took 100 ms": 51.0,
        "is what 8 s are enough for": 400.0,
    }
    given = compare_number(answer, 251.0, whole=True, within=0.001, hints=hints)
    return f"the server signs in 250 in five seconds, and number {given:g} has given up"


@exercise_check
def loop_that_ends(answer: Scenario, given: Scenario) -> str:
    """Check that clients end at 401 and 4401, by one setting of the stops."""
    [key] = only(answer, given, "client.stops.", one=True)
    metrics = play_seeds(answer).iloc[0]
    attempts, ended = metrics["attempts"], metrics["gave_up"]
    if attempts > 40:
        raise NotYet(f"there are {attempts:g} attempts, and 40 are allowed")
    if ended < answer.clients:
        raise NotYet(f"{ended:g} of {answer.clients} clients have ended: the others rest")
    return f"with this {key} {attempts:g} attempts, and {metrics['undelivered']:g} messages wait"


@exercise_check
def renewals_apart(answer: Scenario, given: Scenario) -> str:
    """Check that no sign-in is wasted and nobody late, by one setting of the session."""
    [key] = only(answer, given, "client.session.", one=True)
    metrics = all_back(answer).iloc[0]
    wasted, last_s = int(metrics["sign_ins"]) - 2 * answer.clients, metrics["last_back_s"]
    said = f"{wasted} sign-ins are wasted, and the last client is back after {last_s:.1f} s"
    if wasted != 0 or last_s > 10.0:
        raise NotYet(said)
    return f"with this {key} {said}"
