"""Checks of the notebooks' exercises: each says what is right or what is missing.

A check refuses what reaches the goal by another way than the one that was asked for, such as fewer
clients or no fault. It says so in one line, which begins with "right" or with "not yet".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from math import e, inf, isclose
from numbers import Real
from typing import Any, TypeVar

from simlib.api import run
from simlib.core.backoff import Backoff, ceiling
from simlib.core.backoff_kinds import Jitter
from simlib.core.settings import Settings
from simlib.metrics.metrics import summary
from simlib.scenario.scenario import Scenario

_Check = TypeVar("_Check", bound=Callable[..., str])


#: No answer is so large; NaN is not below it either.
_MOST = 1e12


class _NotYet(Exception):
    """What is missing, in words."""


def _check(judge: _Check) -> _Check:
    """Make a verdict of what a function says, or of what it finds missing."""

    @functools.wraps(judge)
    def verdict(*given: Any) -> str:
        try:
            return f"right: {judge(*given)}"
        except _NotYet as missing:
            return f"not yet: {missing}"

    return verdict  # type: ignore[return-value]


# --- what answers have in common ---------------------------------------------------------


def _title(answer: Any) -> str:
    """Return an answer in one line, of a scenario or a result its title."""
    return (repr(answer).splitlines() or [""])[0]


def _number(answer: Any, *, whole: bool = False) -> float:
    """Return an answer that is a number above 0."""
    if answer is None:
        raise _NotYet("put a number in place of None")
    is_number = isinstance(answer, Real) and not isinstance(answer, bool)
    if not is_number or not abs(answer) < _MOST:
        raise _NotYet(f"{_title(answer)} is not a number")
    if whole and not hasattr(answer, "__index__"):
        raise _NotYet(f"{answer!r} is not a whole number: write it without a point")
    if answer <= 0:
        raise _NotYet(f"{answer!r} is not above 0")
    return float(answer)


def _only(answer: object, given: Scenario, allowed: str, *, one: bool = False) -> list[str]:
    """Return which settings an answer changes: those, or the one, below a path that is allowed."""
    if not isinstance(answer, Scenario):
        raise _NotYet(f"{_title(answer)} is not a scenario: scenario.replace(...) returns one")
    changed = _list_changes(answer, given)
    others = [key for key in changed if not key.startswith(allowed)]
    if others:
        raise _NotYet(f"leave {_join_words(others)} as given: the answer is in {allowed}*")
    if not changed:
        raise _NotYet("nothing has been changed")
    if one and len(changed) > 1:
        raise _NotYet(f"{_join_words(changed)} are {len(changed)} settings: change one alone")
    return changed


def _list_changes(one: Any, other: Any, where: str = "") -> list[str]:
    """Return the paths of the settings that differ; names are no settings."""
    if not is_dataclass(one) or type(one) is not type(other):
        return [] if one == other else [where]
    inside = f"{where}." if where else ""
    parts = [item.name for item in fields(one) if item.init and f"{inside}{item.name}" != "name"]
    pairs = ((getattr(one, name), getattr(other, name), f"{inside}{name}") for name in parts)
    return [path for pair in pairs for path in _list_changes(*pair)]


def _join_words(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + [words[-1]])


def _all_back(scenario: Scenario, on: str = "sim", runs: int = 1) -> Any:
    """Return the summary of runs after which no client is still outside."""
    table = summary([run(scenario.replace(seed=scenario.seed + i), on) for i in range(runs)])
    outside = int(table["never_recovered"].max())
    if outside:
        raise _NotYet(f"{outside:,} clients are still outside at the end")
    return table


# --- 01: the first outage ----------------------------------------------------------------


@_check
def longest_wait(answer: object, backoff: Backoff) -> str:
    """Check the longest wait before attempt 3, in s.

    Examples
    --------
    >>> longest_wait(2, Backoff(base_s=1, factor=2))
    'not yet: 2 s is the longest wait before attempt 2'
    """
    given_s, right_s = _number(answer), ceiling(backoff, 3)
    if isclose(given_s, right_s):
        return f"{right_s:g} s"
    for attempt in (1, 2, 4, 5):
        if isclose(given_s, ceiling(backoff, attempt)):
            raise _NotYet(f"{given_s:g} s is the longest wait before attempt {attempt}")
    raise _NotYet(f"{given_s:g} s is too {'short' if given_s < right_s else 'long'}")


@_check
def never_polls(answer: Scenario, given: Scenario) -> str:
    """Check that no client polls, by one of its settings."""
    [key] = _only(answer, given, "client.", one=True)
    polled = _all_back(answer, runs=5)["polling_fraction"].max()
    if polled > 0:
        raise _NotYet(f"with this {key} clients still poll, {polled:.2%} of the time")
    return f"{key} it is; nobody polls in five runs"


@_check
def back_in_half_a_second(answer: Scenario, given: Scenario) -> str:
    """Check that the median client is back within 0.5 s, by settings of the client."""
    _only(answer, given, "client.")
    back_s = _median_back_s(answer)
    if back_s > 0.5:
        raise _NotYet(f"the median client is back after {back_s:.2f} s, not within 0.5 s")
    spent, before = (_attempts_each(candidate) for candidate in (answer, given))
    return f"{back_s:.2f} s, for {spent:.1f} attempts of each client instead of {before:.1f}"


def _median_back_s(scenario: Scenario) -> float:
    runs = [run(scenario.replace(seed=seed)) for seed in range(10)]
    return float(summary(runs)["time_to_recover_s_p50"].median())


def _attempts_each(scenario: Scenario) -> float:
    return float(summary(run(scenario))["attempts"].iloc[0]) / scenario.clients


# --- 13: the claims ----------------------------------------------------------------------


@_check
def places(answer: object) -> str:
    """Check the least places, in tens, so that 5 in 100 lose a message in 30 s at 5 a second."""
    from scipy import stats

    given = _number(answer, whole=True)
    if given % 10:
        raise _NotYet(f"{given:g} is not a multiple of ten")
    losing = [100.0 * float(stats.poisson.sf(p, 5.0 * 30.0)) for p in (given, given - 10)]
    if losing[0] > 5.0:
        raise _NotYet(f"with {given:g} places {losing[0]:.0f} clients in 100 lose a message")
    if losing[1] <= 5.0:
        raise _NotYet(f"{given:g} places would do, but {given - 10:g} do too")
    return f"with {given:g} places {losing[0]:.1f} clients in 100 lose a message"


@_check
def back_under_5_s(answer: Scenario, given: Scenario) -> str:
    """Check that the median is below 5 s after 20 s, by one setting beside the backoff."""
    from simlib.studies.claims.claims import claims

    [key] = _only(answer, given, "client.", one=True)
    if key.startswith("client.backoff."):
        raise _NotYet(f"{key} is a setting of the backoff: leave that as given")
    [finding] = claims(answer, 40, names=["reconnects under 5 s"])
    back_s = finding.estimate.value
    if not back_s < 5.0:
        raise _NotYet(f"the median client is back after {back_s:.1f} s")
    return f"the median client is back after {back_s:.1f} s"


# --- 03: a million -----------------------------------------------------------------------


@_check
def door(answer: object) -> str:
    """Check how many connections a second let a million in within 20 s."""
    given_per_s, clients, within_s = _number(answer), 1_000_000, 20.0
    takes_s = clients / given_per_s
    if isclose(takes_s, within_s, rel_tol=1e-3):
        return f"a million take {takes_s:g} s"
    rest = "which is too slow" if takes_s > within_s else "and they may take twenty"
    raise _NotYet(f"at {given_per_s:,.10g} a second a million take {takes_s:,.3g} s, {rest}")


@_check
def calmer(answer: Scenario, given: Scenario) -> str:
    """Check that everybody gets in, by one of the client's settings beside its patience."""
    [key] = _only(answer, given, "client.", one=True)
    if key == "client.connect_timeout_s":
        raise _NotYet(f"leave {key} at {given.client.connect_timeout_s:g} s")
    _all_back(answer, "fleet")
    return f"with this {key} everybody is in"


@_check
def gentle(answer: Scenario, given: Scenario) -> str:
    """Check a peak below one attempt for each client, by one setting of the backoff."""
    [key] = _only(answer, given, "client.backoff.", one=True)
    metrics = summary(run(answer, "fleet")).iloc[0]
    peak, back_s = metrics["peak_attempts_per_s"], metrics["time_to_recover_s_p95"]
    said = f"the worst second has {peak:,.0f} attempts of {answer.clients:,} clients"
    if peak >= answer.clients:
        raise _NotYet(said)
    if not back_s < 9.0:
        raise _NotYet(f"{said}, but 95 in 100 are back after {back_s:.2f} s, not within 9 s")
    return f"with this {key} {said}, and 95 in 100 are back after {back_s:.2f} s"


# --- 11: a real client -------------------------------------------------------------------


@_check
def without_jitter(answer: object) -> str:
    """Check from which attempt on the shortest wait, 0.5 s doubled each time, is at the cap."""
    attempt = int(_number(answer, whole=True))
    least_s = [0.5 * 2.0 ** min(k - 1, 60) for k in (attempt - 1, attempt)]
    if least_s[1] < 5.0:
        said = f"before attempt {attempt} a wait may be as short as {least_s[1]:g} s"
        raise _NotYet(f"{said}, and the cap is 5 s")
    if least_s[0] >= 5.0:
        raise _NotYet(f"attempt {attempt} has none left, but nor has the one before it")
    return f"before attempt {attempt} the shortest wait would be {least_s[1]:g} s, above the cap"


@_check
def mended(answer: Scenario, storm: Scenario, inferred: Settings) -> str:
    """Check a jitter that does not die, by one setting of the inferred client's backoff."""
    given = storm.replace(client=inferred)
    [key] = _only(answer, given, "client.backoff.", one=True)
    now, before = (summary(run(candidate, "fleet")).iloc[0] for candidate in (answer, given))
    if not now["time_to_recover_s_p95"] < 12.0:
        raise _NotYet(f"95 in 100 are back after {now['time_to_recover_s_p95']:.2f} s, not 12 s")
    for metric, words in (
        ("attempts", "attempts"),
        ("peak_attempts_per_s", "attempts at the peak"),
    ):
        more = now[metric] > before[metric] or (
            metric == "attempts" and now[metric] == before[metric]
        )
        if more:
            raise _NotYet(
                f"there are {now[metric]:,.0f} {words}, and there were {before[metric]:,.0f}"
            )
    return f"with this {key} 95 in 100 are back after {now['time_to_recover_s_p95']:.2f} s"


# --- 12: the design review ---------------------------------------------------------------


@_check
def spread(answer: object, bound_per_s: float) -> str:
    """Check over how many seconds the first waits of 2,400 clients must be spread."""
    given_s, clients = _number(answer), 2_400
    per_s, least_s = clients / given_s, clients / bound_per_s
    if abs(given_s - least_s) < 0.1:
        return f"that is {per_s:.0f} attempts a second"
    rest = "and fewer seconds would do" if per_s < bound_per_s else f"{bound_per_s:g} are allowed"
    raise _NotYet(f"{given_s:g} s make {per_s:,.0f} attempts a second, {rest}")


@_check
def level_wait(answer: object, storm: Scenario, bound_per_s: float) -> str:
    """Check the shortest w of waits of 0 to w seconds that keeps the bound in a long outage."""
    from simlib.experiments.replicate import replicate
    from simlib.studies.tune.variants import ensemble

    given_s, by_hand_s = _number(answer), e * storm.clients / bound_per_s
    flat = Backoff(jitter=Jitter.FULL, base_s=given_s, factor=1, cap_s=max(60.0, given_s))
    long = ensemble(storm.replace("client.backoff", flat))[2]
    peak = replicate(long, 20, on="fleet").mean("peak_attempts_per_s")
    said = f"the worst second has {peak.value:.0f} attempts"
    if peak.high > bound_per_s:
        raise _NotYet(f"{said}, and {bound_per_s:g} are allowed")
    if given_s > by_hand_s + 0.4:
        raise _NotYet(f"{said}: a shorter wait keeps the bound too")
    return said


@_check
def doubled(answer: Scenario, shipped: Scenario, bound_per_s: float) -> str:
    """Check waits that keep the bound with twice the clients, with 99 in 100 back within 26 s."""
    from simlib.experiments.replicate import replicate

    given = shipped.replace(clients=2 * shipped.clients)
    if answer != given:  # as given it is played, and the number says what is missing
        _only(answer, given, "client.backoff.")
    runs = replicate(answer, 20, on="fleet")
    back_s, peak = (
        runs.mean(metric) for metric in ("time_to_recover_s_p99", "peak_attempts_per_s")
    )
    said = f"{peak.value:.0f} attempts in the worst second, 99 in 100 back after "
    said += "the run's end" if back_s.value == inf else f"{back_s.value:.1f} s"
    if peak.high > bound_per_s:
        raise _NotYet(f"{said}; {bound_per_s:g} attempts are allowed")
    if not back_s.high <= 26.0:
        raise _NotYet(f"{said}; that must be 26 s at most")
    return said
