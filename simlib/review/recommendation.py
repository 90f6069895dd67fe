"""What a review recommends, by rules: bounds first, then the time to come back, then the load.

Rules of the recommendation:
- A policy keeps a bound in a scenario if the whole interval of the metric's mean does; it breaks it
  surely if the whole interval is beyond; between the two it is not certain.
- Candidates are the policies that keep every bound in every scenario.
- A candidate replaces the policy as given if that one does not keep a bound, or if it is better:
  - sooner: clients are surely back sooner in some scenario and surely later in none; and it does
    not surely load the server more, unless a bound on that load was set, which then says what is
    too much;
  - or gentler: it surely loads the server less in some scenario and surely more in none, and
    clients are surely back later in none.
  Surely: the interval of the differences under the same seeds leaves out zero.
- Of several candidates, the one is recommended that has clients back soonest, unless another is
  better than that by the same rule. If no policy keeps every bound, none is recommended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, isnan, log

from simlib.experiments.bound_words import bound_in_words
from simlib.experiments.objectives import Constraint
from simlib.metrics.intervals import Estimate
from simlib.metrics.words import format_number, join_words, metric_in_words, say_mean
from simlib.review.changes import describe_changes
from simlib.review.question import Policy, say_policy
from simlib.review.results import PlayedPolicy, Results
from simlib.scenario.scenario import Scenario

#: What decides, where a fault ends in the run, and where none does.
AFTER_FAULT = ("time_to_recover_s_p99", "peak_after_fault_per_s")
_WITHOUT_FAULT = ("downtime_s_p99", "peak_attempts_per_s")
KEEPS, BREAKS, UNCERTAIN = "keeps", "breaks", "not certain"
_NO_LONGER = 1e-9


@dataclass(frozen=True)
class BoundVerdict:
    """Whether one policy keeps one bound in one scenario."""

    policy: Policy
    scenario: str
    bound: Constraint
    limit: float
    mean: Estimate
    word: str

    @property
    def margin(self) -> float:
        """By which share of the bound the mean stays within it; negative: it is beyond."""
        if not isfinite(self.mean.value):
            return -inf if self.bound.at_most else inf
        within = (
            self.limit - self.mean.value if self.bound.at_most else self.mean.value - self.limit
        )
        return within / (abs(self.limit) or 1.0)


def judge_bound(played: PlayedPolicy, bound: Constraint) -> BoundVerdict:
    """Return whether a policy keeps a bound in a scenario."""
    mean = played.mean(bound.metric)
    word = UNCERTAIN
    if isnan(mean.value) or bound.excess(mean, played.scenario, surely=True) > 0.0:
        word = BREAKS
    elif bound.excess(mean, played.scenario) <= 0.0:
        word = KEEPS
    limit = bound.bound(played.scenario)
    return BoundVerdict(played.policy, played.scenario.name, bound, limit, mean, word)


@dataclass(frozen=True)
class Recommendation:
    """What is recommended, and why."""

    results: Results

    @cached_property
    def bounds(self) -> tuple[BoundVerdict, ...]:
        """Every policy, in every scenario, by every bound."""
        return tuple(
            judge_bound(played, bound)
            for row in self.results.by_scenario
            for played in row
            for bound in self.results.question.bounds
        )

    @cached_property
    def recommended(self) -> Policy | None:
        """The policy to ship; None: no policy keeps every bound."""
        kept = [policy for policy in self.results.question.policies if self.keeps(policy)]
        if not kept:
            return None
        given = self.results.question.given
        chosen = given if given in kept else min(kept, key=self._score)
        left = {chosen}  # whoever was left once does not come back
        while better := [each for each in kept if each not in left and self._beats(each, chosen)]:
            chosen = min(better, key=self._score)
            left.add(chosen)
        return chosen

    def keeps(self, policy: Policy) -> bool:
        """Whether a policy keeps every bound in every scenario, as far as the runs say."""
        return all(each.word == KEEPS for each in self.bounds if each.policy == policy)

    @cached_property
    def metrics(self) -> tuple[str, str]:
        """The time to come back, and the load on the server, as far as there are such numbers."""
        played = self.results.by_scenario[0][0]
        has_fault = not isnan(played.mean(AFTER_FAULT[0]).value)
        return AFTER_FAULT if has_fault else _WITHOUT_FAULT

    def pairs(self, policy: Policy) -> list[tuple[PlayedPolicy, PlayedPolicy]]:
        """Return the policy as given and another one, in each scenario."""
        return self._pairs(self.results.question.given, policy)

    def _pairs(self, one: Policy, other: Policy) -> list[tuple[PlayedPolicy, PlayedPolicy]]:
        return list(zip(self.results.of(one), self.results.of(other), strict=True))

    def _beats(self, policy: Policy, other: Policy) -> bool:
        return self._is_sooner(policy, other) or self._is_gentler(policy, other)

    def _is_sooner(self, policy: Policy, other: Policy) -> bool:
        time, load = (self._signs(metric, policy, other) for metric in self.metrics)
        bounded = any(bound.metric.startswith("peak_") for bound in self.results.question.bounds)
        return -1 in time and 1 not in time and (bounded or 1 not in load)

    def _is_gentler(self, policy: Policy, other: Policy) -> bool:
        time, load = (self._signs(metric, policy, other) for metric in self.metrics)
        return -1 in load and 1 not in load and 1 not in time

    def _sooner_but_heavier(self) -> list[str]:
        """Return who is surely sooner than the policy as given, at a price nobody was asked about.

        Only what loads the server surely more keeps such a policy from being recommended.
        """
        given, time = self.results.question.given, self.metrics[0]
        others = [each for each in self.results.question.policies if each != given]
        signs = {each: self._signs(time, each, given) for each in others if self.keeps(each)}
        return [each.name for each, found in signs.items() if -1 in found and 1 not in found]

    def _signs(self, metric: str, policy: Policy, other: Policy) -> set[int]:
        return {self._sign(metric, *pair) for pair in self._pairs(other, policy)}

    def _sign(self, metric: str, one: PlayedPolicy, other: PlayedPolicy) -> int:
        """Return 1 where the other is surely larger, -1 where it surely is smaller."""
        found = self.results.difference(metric, one, other)
        if isnan(found.value):
            return 0
        if found.low > 0.0:
            return 1
        return -1 if found.high < 0.0 else 0

    def _score(self, policy: Policy) -> float:
        """Return how late clients are back, on a scale that all scenarios share: less is better."""
        time, _ = self.metrics
        means = [played.mean(time).value for played in self.results.of(policy)]
        return sum(log(max(mean, _NO_LONGER)) if mean < inf else inf for mean in means)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The recommendation in two sentences: what to do, and what it costs."""
        chosen, question = self.recommended, self.results.question
        if chosen is None:
            return (self._say_none(), self._say_load(self._nearest().policy))
        if chosen != question.given:
            return (self._say_change(chosen), self._say_load(chosen))
        return (self._say_keep(), self._say_load(chosen))

    def _say_change(self, chosen: Policy) -> str:
        before, after = self.pairs(chosen)[0]
        changes = describe_changes(before.scenario.client, after.scenario.client)
        name = f"{chosen.name} ({changes})" if changes else chosen.name
        why = ""
        if broken := self._broken(self.results.question.given):
            bounds = "bound" if len(broken) == 1 else "bounds"
            why = f" The policy as given does not keep the {bounds} that {_join(broken)}."
        given = self.results.question.given
        if self._is_gentler(chosen, given) and not self._is_sooner(chosen, given):
            said = f"it is gentler on the server, and as soon: {self._say_time(chosen)}"
        else:
            said = self._say_time(chosen)
        return f"Change to {name}: {said}.{why}"

    def _say_keep(self) -> str:
        others = len(self.results.question.policies) - 1
        if not others:
            given = self.results.question.given
            return f"The policy as given was played alone: {self._say_time(given)}."
        if sooner := self._sooner_but_heavier():
            has, loads = ("has", "loads") if len(sooner) == 1 else ("have", "load")
            return (
                f"Keep the policy as given: {join_words(sooner)} {has} clients back sooner, but "
                f"surely {loads} the server more, and no bound says what would be too much; "
                f"{self._say_time(self.results.question.given)}."
            )
        alone = "the other policy is not surely better"
        many = f"none of the {others} other policies is surely better"
        why = (alone if others == 1 else many) + " within the bounds"
        return f"Keep the policy as given: {why}; {self._say_time(self.results.question.given)}."

    def _say_none(self) -> str:
        count = len(self.results.question.policies)
        which = "The policy does not keep" if count == 1 else f"None of the {count} policies keeps"
        near = self._nearest()
        bound = bound_in_words(near.bound, self._scenarios_named(near.scenario))
        value = format_number(near.mean.value) if isfinite(near.mean.value) else "never"
        return (
            f"{which} every bound, so nothing is recommended: the nearest is "
            f"{say_policy(near.policy.name)}, "
            f"with {metric_in_words(near.bound.metric)} of {value}, "
            f"where the bound is that {bound}."
        )

    def _nearest(self) -> BoundVerdict:
        """Return the worst bound of the policy whose worst bound is exceeded least."""
        worst = {
            policy: min(
                (each for each in self.bounds if each.policy == policy and each.word != KEEPS),
                key=lambda each: each.margin,
            )
            for policy in self.results.question.policies
        }
        return max(worst.values(), key=lambda each: each.margin)

    def _broken(self, policy: Policy) -> list[str]:
        scenarios = self.results.question.scenarios
        found = {e.bound: None for e in self.bounds if e.policy == policy and e.word != KEEPS}
        return [bound_in_words(bound, scenarios) for bound in found]

    def _scenarios_named(self, name: str) -> list[Scenario]:
        return [each for each in self.results.question.scenarios if each.name == name]

    def _say_time(self, policy: Policy) -> str:
        """Return when 99 % were back, beside the policy as given, in each scenario."""
        time, _ = self.metrics
        parts = []
        for given, chosen in self.pairs(policy):
            where = f" in {given.scenario.name}" if len(self.results.by_scenario) > 1 else ""
            mean = chosen.mean(time)
            if isnan(mean.value):
                parts.append(f"no client loses its connection{where}")
                continue
            if mean.value == inf:
                parts.append(f"fewer than 99 % of the clients come back in the run{where}")
                continue
            is_after = time == AFTER_FAULT[0]
            what = "99 % of the clients hit are back" if is_after else "99 % of the losses are over"
            after = " after the fault" if is_after else ""
            text = f"{what} {say_mean(mean, ' s')}{after}{where}"
            if policy != self.results.question.given:
                before = given.mean(time)
                never = "never" if before.value == inf else say_mean(before, " s")
                text += f" instead of {never}"
            parts.append(text)
        return "; ".join(parts)

    def _say_load(self, policy: Policy) -> str:
        _, load = self.metrics
        parts = []
        for given, chosen in self.pairs(policy):
            mean = chosen.mean(load)
            if isnan(mean.value):
                continue
            where = f" of {given.scenario.name}" if len(self.results.by_scenario) > 1 else ""
            after = " after the fault" if load == AFTER_FAULT[1] else ""
            text = f"In the worst second{after}{where} the server meets {say_mean(mean)} attempts"
            if policy != self.results.question.given:
                text += f" instead of {say_mean(given.mean(load))}"
            limit = handshake_limit(given)
            parts.append(text + (f"; it can take {format_number(limit)}." if limit < inf else "."))
        return " ".join(parts)


def handshake_limit(played: PlayedPolicy) -> float:
    """Return how many handshakes the servers of a scenario can do each second."""
    from simlib.scenario.rates import handshakes_per_s

    return handshakes_per_s(played.scenario)


def _join(words: Sequence[str]) -> str:
    return " and that ".join(words)
