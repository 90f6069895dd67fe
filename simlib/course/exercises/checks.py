"""What the checks of exercises have in common: an answer is right, or something is missing.

A check refuses what reaches the goal by another way than the one that was asked for, such as fewer
clients or no fault. It says so in one line, which begins with "right" or with "not yet".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from math import isclose
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

from simlib.api import run
from simlib.metrics.metrics import summary
from simlib.metrics.words import join_words
from simlib.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

_Check = TypeVar("_Check", bound=Callable[..., str])


#: No answer is so large; NaN is not below it either.
_MOST = 1e12


class NotYet(Exception):
    """What is missing, in words."""


def exercise_check(judge: _Check) -> _Check:
    """Make a verdict of what a function says, or of what it finds missing."""

    @functools.wraps(judge)
    def verdict(*given: Any) -> str:
        try:
            return f"right: {judge(*given)}"
        except NotYet as missing:
            return f"not yet: {missing}"

    return verdict  # type: ignore[return-value]


def title_of(answer: Any) -> str:
    """Return an answer in one line, of a scenario or a result its title."""
    return (repr(answer).splitlines() or [""])[0]


def read_number(answer: Any, *, whole: bool = False) -> float:
    """Return an answer that is a number above 0."""
    if answer is None:
        raise NotYet("put a number in place of None")
    is_number = isinstance(answer, Real) and not isinstance(answer, bool)
    if not is_number or not abs(answer) < _MOST:
        raise NotYet(f"{title_of(answer)} is not a number")
    if whole and not hasattr(answer, "__index__"):
        raise NotYet(f"{answer!r} is not a whole number: write it without a point")
    if answer <= 0:
        raise NotYet(f"{answer!r} is not above 0")
    return float(answer)


def only(
    answer: object, given: Scenario, allowed: str | tuple[str, ...], *, one: bool = False
) -> list[str]:
    """Return which settings an answer changes: those, or the one, whose paths begin as allowed."""
    if not isinstance(answer, Scenario):
        raise NotYet(f"{title_of(answer)} is not a scenario: scenario.replace(...) returns one")
    changed = _list_changes(answer, given)
    others = [key for key in changed if not key.startswith(allowed)]
    if others:
        places = [allowed] if isinstance(allowed, str) else allowed
        where = join_words([f"{place}*" if place[-1] == "." else place for place in places])
        raise NotYet(f"leave {join_words(others)} as given: the answer is in {where}")
    if not changed:
        raise NotYet("nothing has been changed")
    if one and len(changed) > 1:
        raise NotYet(f"{join_words(changed)} are {len(changed)} settings: change one alone")
    return changed


def _list_changes(one: Any, other: Any, where: str = "") -> list[str]:
    """Return the paths of the settings that differ; names are no settings."""
    if not is_dataclass(one) or type(one) is not type(other):
        return [] if one == other else [where]
    inside = f"{where}." if where else ""
    parts = [item.name for item in fields(one) if item.init and f"{inside}{item.name}" != "name"]
    pairs = ((getattr(one, name), getattr(other, name), f"{inside}{name}") for name in parts)
    return [path for pair in pairs for path in _list_changes(*pair)]


def play_seeds(scenario: Scenario, on: str = "sim", runs: int = 1) -> pd.DataFrame:
    """Return the summary of a scenario under one seed after the other."""
    return summary([run(scenario.replace(seed=scenario.seed + i), on) for i in range(runs)])


def all_back(scenario: Scenario, on: str = "sim", runs: int = 1) -> pd.DataFrame:
    """Return the summary of runs after which no client is still outside."""
    table = play_seeds(scenario, on, runs)
    outside = int(table["never_recovered"].max())
    if outside:
        raise NotYet(f"{outside:,} clients are still outside at the end")
    return table


def compare_number(
    answer: Any,
    right: float,
    *,
    whole: bool = False,
    within: float = 0.01,
    hints: Mapping[str, float] | None = None,
) -> float:
    """Return a number that is right, but for a share of it; of others say what they are instead.

    Examples
    --------
    >>> compare_number(8.05, 8)
    8.05
    """
    given = read_number(answer, whole=whole)
    if isclose(given, right, rel_tol=within):
        return given
    for hint, wrong in (hints or {}).items():
        if isclose(given, wrong, rel_tol=within):
            raise NotYet(f"{given:,.10g} {hint}")
    raise NotYet(f"{given:,.10g} is too {'small' if given < right else 'large'}")
