"""Exercises of 12: which backoff is brought to the design review."""

from __future__ import annotations

from math import e, inf

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.course.exercises.checks import NotYet, exercise_check, only, read_number
from simlib.scenario.scenario import Scenario


@exercise_check
def spread(answer: object, bound_per_s: float) -> str:
    """Check over how many seconds the first waits of 2,400 clients must be spread."""
    given_s, clients = read_number(answer), 2_400
    per_s, least_s = clients / given_s, clients / bound_per_s
    if abs(given_s - least_s) < 0.1:
        return f"that is {per_s:.0f} attempts a second"
    rest = "and fewer seconds would do" if per_s < bound_per_s else f"{bound_per_s:g} are allowed"
    raise NotYet(f"{given_s:g} s make {per_s:,.0f} attempts a second, {rest}")


@exercise_check
def level_wait(answer: object, storm: Scenario, bound_per_s: float) -> str:
    """Check the shortest w of waits of 0 to w seconds that keeps the bound in a long outage."""
    from simlib.experiments.replicate import replicate
    from simlib.studies.tune.variants import ensemble

    given_s, by_hand_s = read_number(answer), e * storm.clients / bound_per_s
    flat = Backoff(jitter=Jitter.FULL, base_s=given_s, factor=1, cap_s=max(60.0, given_s))
    long = ensemble(storm.replace("client.backoff", flat))[2]
    peak = replicate(long, 20, on="fleet").mean("peak_attempts_per_s")
    said = f"the worst second has {peak.value:.0f} attempts"
    if peak.high > bound_per_s:
        raise NotYet(f"{said}, and {bound_per_s:g} are allowed")
    if given_s > by_hand_s + 0.4:
        raise NotYet(f"{said}: a shorter wait keeps the bound too")
    return said


@exercise_check
def doubled(answer: Scenario, shipped: Scenario, bound_per_s: float) -> str:
    """Check waits that keep the bound with twice the clients, with 99 in 100 back within 26 s."""
    from simlib.experiments.replicate import replicate

    given = shipped.replace(clients=2 * shipped.clients)
    if answer != given:  # as given it is played, and the number says what is missing
        only(answer, given, "client.backoff.")
    runs = replicate(answer, 20, on="fleet")
    back_s, peak = (
        runs.mean(metric) for metric in ("time_to_recover_s_p99", "peak_attempts_per_s")
    )
    said = f"{peak.value:.0f} attempts in the worst second, 99 in 100 back after "
    said += "the run's end" if back_s.value == inf else f"{back_s.value:.1f} s"
    if peak.high > bound_per_s:
        raise NotYet(f"{said}; {bound_per_s:g} attempts are allowed")
    if not back_s.high <= 26.0:
        raise NotYet(f"{said}; that must be 26 s at most")
    return said
