"""What a review asks: which policies, in which scenarios, within which bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.experiments.engine_choice import choose_engine
from simlib.experiments.objectives import Constraint, constraints
from simlib.experiments.replicate import FEWEST_REPLICATIONS
from simlib.scenario.functions import refuse_functions
from simlib.scenario.presets import PREFIX
from simlib.scenario.scenario import Scenario

#: The policy that each scenario has.
AS_GIVEN = "as given"
#: What decides, as a sentence or an axis has it.
METRIC_WORDS = {
    "time_to_recover_s_p99": "time until 99 % of the clients are back",
    "peak_after_fault_per_s": "attempts in the worst second after the fault",
    "downtime_s_p99": "time until 99 % of the losses are over",
    "peak_attempts_per_s": "attempts in the worst second",
}
TUNED = "tuned"
#: More policies than this fit on no chart, and into nobody's head.
MOST_POLICIES = 8
#: Runs of each policy in each scenario.
_MOST_REPLICATIONS = 10_000


def say_policy(name: str) -> str:
    """Return a policy's name as it stands in a sentence.

    Examples
    --------
    >>> say_policy("phoenix"), say_policy(AS_GIVEN)
    ('phoenix', 'the policy as given')
    """
    return f"the policy {AS_GIVEN}" if name == AS_GIVEN else name


#: Why a Python function is no policy of one.
_NOT_IN_A_REVIEW = "a review holds its scenarios as text: compare it with sl.paired or sl.diff"


@dataclass(frozen=True)
class Policy:
    """A policy that is compared, by a name for tables and charts."""

    name: str
    #: The clients' settings; None: those that each scenario has.
    client: Settings | None = None

    def in_scenario(self, scenario: Scenario) -> Scenario:
        """Return the scenario with this policy; cohorts with settings of their own go."""
        if self.client is None:
            return scenario
        return scenario.replace(client=self.client, cohorts=())


@dataclass(frozen=True)
class ReviewQuestion:
    """Everything that decides what a review plays and asks."""

    scenarios: tuple[Scenario, ...]
    #: The first one is the policy as given.
    policies: tuple[Policy, ...]
    #: What must hold: the bounds that were asked for, and that everybody comes back.
    bounds: tuple[Constraint, ...]
    replications: int
    on: str
    #: Why the fleet does not play, if it does not.
    engine_note: str = ""

    @property
    def given(self) -> Policy:
        """The policy as given."""
        return self.policies[0]


def frame_question(
    scenarios: Sequence[Scenario],
    against: Mapping[str, Settings | str],
    bounds: Sequence[str] = (),
    replications: int = 20,
    on: str | None = None,
) -> ReviewQuestion:
    """Return the question that the arguments of a review ask.

    Parameters
    ----------
    scenarios : sequence of Scenario
        Where the policies are played; their own policy is one of those compared.
    against : mapping
        The other policies by name: settings of a client, or ``preset:NAME``.
    bounds : sequence of str
        What must hold, such as ``time_to_recover_s_p95 <= 15``.
    replications : int
        Runs of each policy in each scenario.
    on : {"sim", "fleet"}, optional
        The engine; by default the fleet if it can play everything.

    Raises
    ------
    SettingsError
        If nothing is asked, a name stands twice, or a bound cannot be.

    Examples
    --------
    >>> question = frame_question([Scenario()], {"phoenix": "preset:phoenix"})
    >>> [policy.name for policy in question.policies]
    ['as given', 'phoenix']
    """
    if not scenarios:
        raise SettingsError("scenarios", list(scenarios), "must be at least one scenario")
    names = [scenario.name for scenario in scenarios]
    if len(set(names)) < len(names):
        rule = "must have names that differ: a review tells its scenarios apart by them"
        raise SettingsError("scenarios", names, rule)
    if not FEWEST_REPLICATIONS <= replications <= _MOST_REPLICATIONS:
        rule = f"must be a whole number from {FEWEST_REPLICATIONS} to {_MOST_REPLICATIONS:,}"
        raise SettingsError("replications", replications, rule)
    for scenario in scenarios:
        refuse_functions(scenario, _NOT_IN_A_REVIEW)
    policies = (Policy(AS_GIVEN), *(_policy(*each) for each in against.items()))
    if len(policies) > MOST_POLICIES:
        rule = f"are more than a review can show: {MOST_POLICIES - 1} beside the one as given"
        raise SettingsError("against", list(against), rule)
    _, checked = constraints(bounds, scenarios)
    played = [policy.in_scenario(scenario) for scenario in scenarios for policy in policies]
    metrics = [bound.metric for bound in checked]
    engine, note = choose_engine(on, played, metrics)
    return ReviewQuestion(tuple(scenarios), policies, checked, replications, engine, note)


def _policy(name: str, given: Settings | str) -> Policy:
    if name == AS_GIVEN:
        raise SettingsError("against", name, "is the name of the scenarios' own policy")
    if isinstance(given, Settings):
        refuse_functions(Scenario(client=given), _NOT_IN_A_REVIEW)
        return Policy(name, given)
    if not isinstance(given, str) or not given.startswith(PREFIX):
        rule = f"must be settings of a client, or a text such as {PREFIX}phoenix"
        raise SettingsError(f"against[{name!r}]", given, rule)
    return Policy(name, Scenario().replace("client", given).client)
