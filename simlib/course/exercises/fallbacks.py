"""Exercises of 07: when to fall back, and when to give up."""

from __future__ import annotations

from simlib.api import run
from simlib.course.exercises.checks import NotYet, compare_number, exercise_check, only, play_seeds
from simlib.metrics.metrics import summary
from simlib.scenario.scenario import Scenario

_CHANGES = ("fell back", "(returned)")


@exercise_check
def attempts_for_a_minute(answer: object) -> str:
    """Check how many attempts surely last for 60 s, of equal jitter below 0.5 to 8 s."""
    hints = {
        "last so long only if every wait is the longest": 11.0,
        "last so long on average: some clients are done sooner": 14.0,
        "may be over after 59.75 s": 18.0,
        "are more than it takes": 20.0,
    }
    given = compare_number(answer, 19.0, whole=True, hints=hints)
    return f"{given:g} attempts last for 63.75 s at least"


@exercise_check
def soon_by_polling(answer: Scenario, given: Scenario) -> str:
    """Check that 95 in 100 messages take 0.4 s at most, by one setting of the fallback."""
    [key] = only(answer, given, "client.fallback.", one=True)
    late_s = play_seeds(answer)["latency_s_p95"].iloc[0]
    said = f"95 in 100 messages are acknowledged within {late_s:.2f} s"
    if not late_s <= 0.4:
        raise NotYet(said)
    return f"with this {key} {said}"


@exercise_check
def steady_in_the_train(answer: Scenario, given: Scenario) -> str:
    """Check for few changes and no late messages, by one setting of the fallback."""
    [key] = only(answer, given, "client.fallback.", one=True)
    trace = run(answer)
    stories = [line for client in range(answer.clients) for line in trace.story(client)]
    changes = sum(mark in line for line in stories for mark in _CHANGES)
    late_s = summary(trace)["latency_s_p95"].iloc[0]
    said = f"{changes} changes, and 95 in 100 messages within {late_s:.2f} s"
    if changes > 30 or not late_s <= 0.8:
        raise NotYet(f"{said}; 30 changes and 0.8 s are allowed")
    return f"with this {key} there are {said}"
