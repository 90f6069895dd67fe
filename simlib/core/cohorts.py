"""Cohorts: fractions of the clients that have settings of their own.

A client's cohort is one draw of its own, so it does not depend on how many other clients there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.core.validation import ValidatedSettings, number


@dataclass(frozen=True, kw_only=True)
class Cohort(ValidatedSettings):
    """A share of the clients, with settings of its own.

    Examples
    --------
    >>> Cohort(name="phones", clients_fraction=0.2).clients_fraction
    0.2
    """

    #: What the cohort is called; no two cohorts of a scenario have one name.
    name: str = "cohort"
    #: Its share of the clients, drawn by client.
    clients_fraction: float = number(1.0, "", high=1.0)
    client: Settings = field(default_factory=Settings)

    def check(self) -> None:
        """Raise `SettingsError` if the name is none."""
        if not isinstance(self.name, str) or not self.name:
            raise SettingsError("name", self.name, "must be a text")


def ends(cohorts: Sequence[Cohort]) -> tuple[float, ...]:
    """Return where each cohort's share ends, laid one after the other from 0.

    Examples
    --------
    >>> ends([Cohort(clients_fraction=0.25), Cohort(clients_fraction=0.5)])
    (0.25, 0.75)
    """
    return tuple(accumulate(cohort.clients_fraction for cohort in cohorts))


def cohort_at(ends: Sequence[float], u: float) -> int:
    """Return the index of the cohort that a draw falls into, or ``len(ends)`` if in none.

    Examples
    --------
    >>> [cohort_at((0.25, 0.75), u) for u in (0.0, 0.25, 0.75)]
    [0, 1, 2]
    """
    cohort = 0
    while cohort < len(ends) and u >= ends[cohort]:
        cohort += 1
    return cohort
