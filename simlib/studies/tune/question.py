"""The question of a tuning: scenarios, space, objectives and constraints, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import Rule, name_function
from simlib.experiments.engine_choice import choose_engine
from simlib.experiments.objectives import Constraint, Objective
from simlib.experiments.objectives import constraints as constraints_of
from simlib.experiments.objectives import objectives as objectives_of
from simlib.experiments.pool import Outcomes
from simlib.experiments.run_cache import RunCache
from simlib.experiments.space import POLICY, Axis, axes
from simlib.scenario.functions import refuse_functions
from simlib.scenario.scenario import Scenario, dump
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.variants import ensemble
from simlib.support.files import code_digest

_REPLICATIONS = Rule("", low=2, high=100_000, whole=True)


@dataclass(frozen=True)
class Question:
    """All that an answer depends on."""

    scenarios: tuple[Scenario, ...]
    axes: tuple[Axis, ...]
    objectives: tuple[Objective, ...]
    bounds: tuple[Constraint, ...]
    on: str
    replications: int
    note: str
    #: Whether somebody has set a bound: then the first objective decides among those that keep it.
    by_first: bool

    @property
    def in_full(self) -> str:
        """The question as a text, the code included that plays it."""
        said = [dump(scenario) for scenario in self.scenarios]
        said += [repr(self.axes), repr(self.objectives), repr(self.bounds)]
        return "\n".join([*said, self.on, str(self.replications), code_digest()])

    def refuse_functions(self) -> None:
        """Raise `SettingsError` if a policy is a Python function: its name is not all of it."""
        why = "what it gives cannot be kept under its name: leave out folder"
        for scenario in self.scenarios:
            refuse_functions(scenario, why)
        for axis in self.axes:
            for choice in filter(callable, axis.choices):
                raise SettingsError(axis.key, name_function(choice), f"is a function, and {why}")

    def evaluator(self, outcomes: Outcomes, store: RunCache | None) -> Evaluator:
        """Return the evaluator."""
        return Evaluator(
            self.scenarios,
            self.objectives,
            self.bounds,
            self.on,
            outcomes,
            store,
            replications=self.replications,
        )


def read_question(
    scenario: Scenario | Sequence[Scenario],
    space: Mapping[str, Any] | None,
    wanted: Sequence[str],
    constraints: Sequence[str],
    on: str | None,
    replications: int,
) -> Question:
    """Return the question, checked, with the engine that plays it."""
    scenarios = ensemble(scenario) if isinstance(scenario, Scenario) else tuple(scenario)
    if not scenarios:
        raise SettingsError("scenario", [], "must be at least one")
    _REPLICATIONS.validate("replications", replications)
    by_user, bounds = constraints_of(constraints, scenarios)
    sought = objectives_of(wanted)
    metrics = [objective.metric for objective in sought] + [bound.metric for bound in bounds]
    used, note = choose_engine(on, scenarios, metrics)
    ranges = POLICY if space is None else space
    for other_scenario in scenarios[1:]:
        axes(other_scenario, ranges)
    return Question(
        scenarios,
        axes(scenarios[0], ranges),
        sought,
        bounds,
        used,
        replications,
        note,
        bool(by_user),
    )
