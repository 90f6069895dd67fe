"""The result of a hold-out evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from simlib.studies.tune.variants import Candidate


@dataclass(frozen=True)
class HoldoutResult:
    """The result of the hold-out evaluation.

    Attributes
    ----------
    recommended : Candidate
        The policy that is recommended: a tuned one, the one as given, or a known one, such as a
        preset, that is ahead of both.
    keeps : bool
        Whether it keeps every bound on fresh seeds.
    table : DataFrame
        A row per candidate, the recommended one first: ``name``, ``kind`` (tuned, given, report,
        preset), ``waits`` in words, of each objective the mean with ``low`` and ``high``, what else
        a policy may cost, ``excess`` of the worst bound, ``keeps``, ``worse on`` and ``better on``
        (objectives on which it is surely so than the recommended one), ``replications``. Where
        runs are much work, who surely breaks a bound in one scenario is not played in the others,
        and so has no means: NaN.
    limits : DataFrame
        A row per step beyond: ``axis`` (clients, length of faults), ``factor``, ``is_best``
        (whether the recommended one still is), ``why`` not.
    sentences : tuple of str
        What to ship, what it buys and costs, which bounds it keeps, where it stops being best.
    unplayed : mapping
        Rivals that the engine does not play, or that would be too much work, and why.
    """

    recommended: Candidate
    keeps: bool
    table: pd.DataFrame
    limits: pd.DataFrame
    sentences: tuple[str, ...]
    unplayed: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """The sentences as a paragraph."""
        return " ".join(self.sentences)

    @property
    def keeps_given(self) -> bool:
        """Whether the policy as given is what is recommended."""
        return self.recommended.kind == "given"
