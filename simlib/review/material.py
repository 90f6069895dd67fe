"""Everything that the sections of a review are written from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simlib.review.question import ReviewQuestion
from simlib.review.recommendation import Recommendation
from simlib.review.results import PlayedPolicy, Results

if TYPE_CHECKING:
    from simlib.lab.infer.inference import Inference
    from simlib.review.grid import Grid
    from simlib.studies.compare.compare import Comparison
    from simlib.studies.sensitivity.result import Sensitivity


@dataclass(frozen=True)
class Material:
    """What was played and found out; what could not be has its reason in ``missing``."""

    results: Results
    verdict: Recommendation
    grid: Grid | None = None
    sensitivity: Sensitivity | None = None
    comparison: Comparison | None = None
    inference: Inference | None = None
    #: The key of a section, and why it has nothing to say.
    missing: dict[str, str] = field(default_factory=dict)
    #: The command, or the call, that makes this review again.
    command: str = ""

    @property
    def question(self) -> ReviewQuestion:
        """What was asked."""
        return self.results.question

    @property
    def chosen(self) -> PlayedPolicy:
        """What is recommended, or else the policy as given, in the first scenario."""
        policy = self.verdict.recommended or self.question.given
        return self.results.of(policy)[0]

    def by_scenario(self, key: str, caption: str, index: int) -> tuple[str, str]:
        """Return a block's name and caption, with the scenario's name if there are several."""
        if len(self.question.scenarios) == 1:
            return key, caption
        name = self.question.scenarios[index].name
        # A name may hold anything but a slash; the block's name is one of files and of ids.
        return f"{key}-{re.sub('[^A-Za-z0-9]+', '-', name)}-{index + 1}", f"{caption}, in {name}"
