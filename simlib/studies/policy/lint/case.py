"""The input of a lint rule (a policy in its scenario), and the finding that it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from simlib.core.backoff import Backoff, delay_after_loss_s
from simlib.core.backoff_kinds import CountedFrom
from simlib.core.backoff_words import grows
from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.settings import Settings
from simlib.core.stops import Effect, effect
from simlib.metrics.array_types import Floats
from simlib.metrics.policy_waits import waits_s
from simlib.scenario.rates import handshakes_per_s
from simlib.scenario.scenario import Scenario
from simlib.studies.policy.lint.options import Thresholds
from simlib.studies.policy.lint.outages import Outage, outages
from simlib.support.json_values import jsonable

#: An attempt takes at least so long, whatever it waits.
ROUND_TRIP_S = 0.1
#: Attempts in a row that rules look at.
LINTED_ATTEMPTS = 24


@dataclass(frozen=True)
class LintFinding:
    """The finding of a rule.

    Attributes
    ----------
    rule, severity : str
        The rule's id; error, warning or info.
    where : str
        The part of the scenario: ``client``, or ``cohorts.0.client``.
    sentence : str
        What is wrong, with the number in it.
    number : float
        The number behind it.
    unit : str
        What it is a number of.
    remedy : str
        What to do.
    """

    rule: str
    severity: str
    where: str
    sentence: str
    number: float
    unit: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return dict(jsonable(vars(self)))


class LintFindings(ShowsCard, list[LintFinding]):
    """The findings of all rules: a list, the worst first, that shows itself as a table."""

    def card(self) -> Card:
        """Return what is shown: each finding with its remedy."""
        rows = tuple(
            (finding.severity, finding.rule, f"{finding.sentence} What to do: {finding.remedy}.")
            for finding in self
        )
        return Card(f"Lint: {count_in_words(len(self), 'finding')}", rows)


@dataclass(frozen=True)
class Case:
    """One policy in its scenario, with numbers that several rules use."""

    where: str
    client: Settings
    scenario: Scenario
    #: What resets the count of failures, where it is known of a real client: see `Preset`.
    resets: str = ""
    #: Whether its protocol has statuses and close codes, which those of some presets have not.
    has_codes: bool = True
    #: Whether it is the default of a real client, as that is known.
    is_preset: bool = False
    #: From which numbers on rules find something.
    thresholds: Thresholds = field(default_factory=Thresholds)

    @property
    def rules(self) -> Backoff:
        """Its backoff."""
        return self.client.backoff

    @property
    def never(self) -> bool:
        """Whether it never reconnects."""
        return self.rules.max_attempts == 0

    @property
    def clients(self) -> int:
        """How many clients behave like this."""
        for i, cohort in enumerate(self.scenario.cohorts):
            if self.where == f"cohorts.{i}.client":
                return round(cohort.clients_fraction * self.scenario.clients)
        others = 1.0 - sum(cohort.clients_fraction for cohort in self.scenario.cohorts)
        return round(others * self.scenario.clients)

    @cached_property
    def waits(self) -> Floats:
        """Shortest, quartiles and longest of the waits before attempts in a row."""
        return waits_s(self.rules, LINTED_ATTEMPTS)[
            :, : int(min(LINTED_ATTEMPTS, self.rules.max_attempts))
        ]

    @property
    def lost_s(self) -> float:
        """The wait after the loss of a connection that was open for long; inf: as any other.

        Where it is spread, its middle.
        """
        # Counted from the attempt that opened it, any wait is long over.
        is_over = self.rules.counted_from == CountedFrom.START
        return min(delay_after_loss_s(self.rules, 0.5), 0.0 if is_over else inf)

    @property
    def lost_together(self) -> bool:
        """Whether all clients that were lost together wait equally long after it."""
        if self.rules.after_loss_s == inf:
            return self.lost_s < inf or self.spans_s[0] == 0.0
        return delay_after_loss_s(self.rules, 0.0) == delay_after_loss_s(self.rules, 1.0)

    @property
    def most_attempts(self) -> float:
        """Attempts in a row after which it gives up: by its count, or as its budget is spent."""
        budget = self.client.attempt_budget
        return min(self.rules.max_attempts, budget.burst if budget.per_s == 0.0 else inf)

    @property
    def spans_s(self) -> Floats:
        """How far the middle half of the waits before each attempt spans."""
        return np.asarray(self.waits[3] - self.waits[1])

    @property
    def grows(self) -> bool:
        """Whether waits differ from attempt to attempt, before their jitter."""
        if not self.rules.has_function:
            return grows(self.rules)
        # By how much the middle of a thousand draws may differ by chance is far less.
        return bool(self.waits[2].max() > 1.5 * self.waits[2].min())

    @property
    def jitters(self) -> bool:
        """Whether any wait is spread."""
        return bool((self.spans_s > 0.0).any())

    @cached_property
    def own_outage(self) -> Outage | None:
        """The longest time in which the scenario's own faults let no client in, or None."""
        stops = self.client.stops
        own = [
            outage
            for outage in outages(self.scenario, self.rules.stable_after_s > 0.0)
            # What ends it, or suspends it, is no outage for it: `codes` has a rule for that.
            if effect(stops, outage.code) == Effect.GOES_ON
        ]
        return max(own, key=lambda outage: outage.lasts_s, default=None)

    @property
    def outage_s(self) -> float:
        """How long an outage lasts that should be outlasted: the scenario's own longest, or any."""
        return self._outage_s(self.thresholds.outage_s)

    @property
    def storm_s(self) -> float:
        """How long the outage before a storm lasts: the scenario's own longest, or any."""
        return self._outage_s(self.thresholds.storm_outage_s)

    def _outage_s(self, default_s: float) -> float:
        return default_s if self.own_outage is None else self.own_outage.lasts_s

    def say_outage(self, lasts_s: float) -> str:
        """Return in words which outage that is."""
        whose = "an" if self.own_outage is None else "its own"
        return f"{whose} outage of {lasts_s:g} s"

    @property
    def serves_per_s(self) -> float:
        """How many handshakes the servers can do each second, all gateways together."""
        return handshakes_per_s(self.scenario)

    def finding(
        self, severity: str, sentence: str, number: float, unit: str, remedy: str
    ) -> LintFinding:
        """Return what a rule has found here; its id is put in by `lint`."""
        return LintFinding("", severity, self.where, sentence, number, unit, remedy)


Check = Callable[[Case], LintFinding | None]
