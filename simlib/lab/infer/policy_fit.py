"""The result of a fit: each family at its best, and the best one's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from simlib.core.backoff import Backoff
from simlib.lab.infer.families import Family
from simlib.lab.infer.family_names import name_family
from simlib.lab.infer.goodness import Goodness
from simlib.lab.infer.waits import Waits


@dataclass(frozen=True)
class Parameter:
    """A fitted setting with its interval; ``note`` names what is unknown about it."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class FamilyFit:
    """One family at its best."""

    family: Family
    values: dict[str, float]
    rules: Backoff
    log_likelihood: float
    bic: float
    goodness: Goodness
    #: Whether some wait would be another one without the cap.
    is_capped: bool = False

    @property
    def name(self) -> str:
        """The family in words, as far as the waits tell it."""
        return name_family(self.rules, capped=self.is_capped)

    @property
    def price(self) -> float:
        """What its free numbers cost of the BIC."""
        return self.bic + 2.0 * self.log_likelihood


@dataclass(frozen=True)
class PolicyFit:
    """The fitted policy: all families, the best first, and the best one's parameters."""

    waits: Waits
    candidates: list[FamilyFit]
    parameters: list[Parameter]
    #: Those of attempts that were never timed well.
    unsure: Waits

    @property
    def best(self) -> FamilyFit:
        """The family with the least BIC among those that agree with the waits, or among all."""
        return self.candidates[0]

    @property
    def is_none(self) -> bool:
        """Whether no family agrees with the waits."""
        return not self.best.goodness.is_good
