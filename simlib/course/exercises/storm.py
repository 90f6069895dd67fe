"""Exercises of 03: how a million clients come back."""

from __future__ import annotations

from math import isclose

from simlib.api import run
from simlib.course.exercises.checks import NotYet, all_back, exercise_check, only, read_number
from simlib.metrics.metrics import summary
from simlib.scenario.scenario import Scenario


@exercise_check
def door(answer: object) -> str:
    """Check how many connections a second let a million in within 20 s."""
    given_per_s, clients, within_s = read_number(answer), 1_000_000, 20.0
    takes_s = clients / given_per_s
    if isclose(takes_s, within_s, rel_tol=1e-3):
        return f"a million take {takes_s:g} s"
    rest = "which is too slow" if takes_s > within_s else "and they may take twenty"
    raise NotYet(f"at {given_per_s:,.10g} a second a million take {takes_s:,.3g} s, {rest}")


@exercise_check
def calmer(answer: Scenario, given: Scenario) -> str:
    """Check that everybody gets in, by one of the client's settings beside its patience."""
    [key] = only(answer, given, "client.", one=True)
    if key == "client.connect_timeout_s":
        raise NotYet(f"leave {key} at {given.client.connect_timeout_s:g} s")
    all_back(answer, "fleet")
    return f"with this {key} everybody is in"


@exercise_check
def gentle(answer: Scenario, given: Scenario) -> str:
    """Check a peak below one attempt for each client, by one setting of the backoff."""
    [key] = only(answer, given, "client.backoff.", one=True)
    metrics = summary(run(answer, "fleet")).iloc[0]
    peak, back_s = metrics["peak_attempts_per_s"], metrics["time_to_recover_s_p95"]
    said = f"the worst second has {peak:,.0f} attempts of {answer.clients:,} clients"
    if peak >= answer.clients:
        raise NotYet(said)
    if not back_s < 9.0:
        raise NotYet(f"{said}, but 95 in 100 are back after {back_s:.2f} s, not within 9 s")
    return f"with this {key} {said}, and 95 in 100 are back after {back_s:.2f} s"
