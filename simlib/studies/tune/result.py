"""The result of a tuning: trials, Pareto front, hold-out, and the policy as a scenario file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pandas as pd

from simlib.core.card import Card, ShowsCard
from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.experiments.objectives import Constraint, Objective
from simlib.experiments.space import Axis
from simlib.metrics.words import table_card
from simlib.scenario.origin import comment_origin, describe_origin
from simlib.scenario.scenario import Scenario, dump, setting
from simlib.studies.tune.holdout_result import HoldoutResult
from simlib.support.files import replacing
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY, current_command
from simlib.support.parquet import save_table

#: Rows of a table that prints itself.
_LINES = 12


@dataclass(frozen=True, repr=False)
class Tuning(ShowsCard):
    """The result of a tuning; prints itself as the sentence and the table of a design review.

    Attributes
    ----------
    scenarios : tuple of Scenario
        Where the policies were played.
    axes, objectives, bounds
        What varied, what was sought, what had to hold.
    on : str
        The engine.
    trials : DataFrame
        A row per trial: the settings, each objective's mean over scenarios and seeds, ``excess``
        (by which share of its bound the worst one is exceeded; 0 or less: all hold),
        ``replications``, ``outcome`` (full, discarded, refused) and ``is_front``.
    verdict : HoldoutResult
        What fresh seeds say of the recommended policy and of the others.
    note : str
        What else there is to say.
    made_by : str
        The command, or the call in Python, that made it.
    """

    scenarios: tuple[Scenario, ...]
    axes: tuple[Axis, ...]
    objectives: tuple[Objective, ...]
    bounds: tuple[Constraint, ...]
    on: str
    trials: pd.DataFrame
    verdict: HoldoutResult
    note: str = ""
    made_by: str = field(default_factory=current_command)

    @property
    def front(self) -> pd.DataFrame:
        """The trials that keep the bounds and that none beats in everything, on tuning seeds."""
        front = self.trials[self.trials["is_front"]]
        return front.sort_values(self.objectives[0].metric, kind="stable")

    @property
    def recommended(self) -> dict[str, Any]:
        """The settings that are recommended, by their keys.

        Those of the first scenario, where the policy as given is to stay; a whole ``client``, such
        as "preset:matrix-js-sdk", where a known policy is ahead of all that were tuned.
        """
        if self.verdict.keeps_given:
            return _as_given(self.scenarios[0], [axis.key for axis in self.axes])
        return self._settings

    @property
    def client(self) -> Settings:
        """The recommended policy as the settings of a client."""
        return self.scenarios[0].replace(self._settings).client

    @property
    def sentence(self) -> str:
        """The result in a sentence: what it gains, what it costs, where it stops being best."""
        return self.verdict.sentence

    def policy_toml(self) -> str:
        """Return the first scenario with the recommended policy, as TOML."""
        head = comment_origin(self.made_by, *self.scenarios)
        return f"{head}\n{dump(self.scenarios[0].replace(self._settings))}"

    @property
    def _settings(self) -> dict[str, Any]:
        """The changes of the recommended policy: none, if it is the given one."""
        return dict(self.verdict.recommended.settings)

    def save(self, folder: str | Path) -> None:
        """Write trials and candidates as Parquet, and the policy as a scenario."""
        place = Path(folder)
        tables = {"trials": self.trials, "candidates": self.verdict.table}
        origin = describe_origin(self.made_by, *self.scenarios)
        for name, table in tables.items():
            save_table(place / f"{name}.parquet", table, origin)
        with replacing(place / "policy.toml") as temporary:
            temporary.write_text(self.policy_toml(), encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """Return what was found as values for JSON."""
        document = {
            "scenarios": [scenario.name for scenario in self.scenarios],
            "engine": self.on,
            "objectives": [objective.metric for objective in self.objectives],
            "constraints": [bound.text for bound in self.bounds],
            "recommended": self.recommended,
            "keeps": self.verdict.keeps,
            "keeps_given": self.verdict.keeps_given,
            "sentence": self.sentence,
            "sentences": list(self.verdict.sentences),
            "note": self.note,
            "unplayed": dict(self.verdict.unplayed),
            "candidates": self.verdict.table,
            "limits": self.verdict.limits,
            "trials": self.trials.reset_index(),
            KEY: describe_origin(self.made_by, *self.scenarios),
        }
        return dict(jsonable(document))

    def card(self) -> Card:
        """Return what is shown: what to ship and why, and the candidates beside it."""
        names = ["name", "waits", *(objective.metric for objective in self.objectives), "keeps"]
        table = self.verdict.table[names].head(_LINES)
        first, *others = self.verdict.sentences
        return table_card(first, table, (*others, self.note))


def _as_given(scenario: Scenario, keys: Sequence[str]) -> dict[str, Any]:
    """Return settings as plain values; without whole parts, such as a client."""
    policy: dict[str, Any] = {}
    for key in keys:
        with suppress(SettingsError):  # such as a network, which is no setting of its own
            value, _ = setting(scenario, key)
            if isinstance(value, Enum):
                policy[key] = value.name.lower()
            elif isinstance(value, str | int | float | tuple):
                policy[key] = value
    return policy
