"""Exercises of 13: whether a report's claims are true."""

from __future__ import annotations

from simlib.course.exercises.checks import NotYet, compare_number, exercise_check, only, read_number
from simlib.scenario.scenario import Scenario


@exercise_check
def places(answer: object) -> str:
    """Check the least places, in tens, so that 5 in 100 lose a message in 30 s at 5 a second."""
    from scipy import stats

    given = read_number(answer, whole=True)
    if given % 10:
        raise NotYet(f"{given:g} is not a multiple of ten")
    losing = [100.0 * float(stats.poisson.sf(p, 5.0 * 30.0)) for p in (given, given - 10)]
    if losing[0] > 5.0:
        raise NotYet(f"with {given:g} places {losing[0]:.0f} clients in 100 lose a message")
    if losing[1] <= 5.0:
        raise NotYet(f"{given:g} places would do, but {given - 10:g} do too")
    return f"with {given:g} places {losing[0]:.1f} clients in 100 lose a message"


@exercise_check
def back_under_5_s(answer: Scenario, given: Scenario) -> str:
    """Check that the median is below 5 s after 20 s, by one setting beside the backoff."""
    from simlib.studies.claims.claims import claims

    [key] = only(answer, given, "client.", one=True)
    if key.startswith("client.backoff."):
        raise NotYet(f"{key} is a setting of the backoff: leave that as given")
    [finding] = claims(answer, 40, names=["reconnects under 5 s"])
    back_s = finding.estimate.value
    if not back_s < 5.0:
        raise NotYet(f"the median client is back after {back_s:.1f} s")
    return f"the median client is back after {back_s:.1f} s"


@exercise_check
def out_for_18_losses(answer: object) -> str:
    """Check after how many seconds 18 messages do not fit into 100 places, at 5 a second."""
    hints = {
        "s fill the outbox, and nothing is lost yet": 20.0,
        "s bring 18 messages: before them the outbox fills": 3.6,
        "is the number of messages: how long do they take?": 118.0,
    }
    return f"{compare_number(answer, 23.6, hints=hints):g} s"
