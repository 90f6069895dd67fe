"""Controls: each shows one setting of a scenario, and says what a new value changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.faults import Fault, FaultKind
from simlib.core.validation import Rule, word
from simlib.explorers.fields import SettingField, field_of
from simlib.explorers.ladder import round_values
from simlib.metrics.words import format_count
from simlib.scenario.presets import presets
from simlib.scenario.scenario import Scenario, setting

#: The length of the first fault that ends, which is no setting: its stop is.
LENGTH = "length_s"
#: Between which values a slider moves; the rule of the setting may be wider.
_SPANS: dict[str, tuple[float, float]] = {
    "clients": (1, 1_000_000),
    "seed": (1, 20),
    LENGTH: (0.5, 120),
    "server.accept_per_s": (1, 100_000),
    "server.session_lifetime_s": (5, 3600),
    "server.sign_in_service_s": (0, 1),
    "server.message_service_s": (0, 1),
    "server.rate.per_s": (0.5, 100),
    "client.backoff.base_s": (0.05, 20),
    "client.backoff.cap_s": (0.5, 120),
    "client.backoff.factor": (1, 4),
    "client.backoff.max_attempts": (1, 100),
    "client.backoff.spread_fraction": (0, 1),
    "client.breaker.trip_after": (1, 20),
    "client.breaker.open_s": (0.5, 120),
    "client.breaker.factor": (1, 4),
    "client.breaker.probes": (1, 10),
    "client.breaker.open_spread_fraction": (0, 1),
    "client.fallback.after_attempts": (1, 10),
    "client.fallback.poll_interval_s": (0.2, 60),
    "client.fallback.return_after_s": (0, 10),
    "client.fallback.dwell_s": (0, 10),
    "client.outbox.capacity": (1, 1000),
    "client.outbox.max_in_flight": (1, 100),
    "client.outbox.age_after_s": (0.5, 60),
    "client.rate.per_s": (0.5, 100),
    "client.rate.burst": (1, 50),
    "client.session.sign_in_after_s": (0, 10),
    "client.session.spread_s": (0, 10),
    "client.session.renew_before_s": (0.5, 60),
    "client.session.again_after_s": (0.5, 60),
    "workload.rate_per_s": (0, 10),
    "workload.expires_after_s": (1, 60),
}
_FLAG_TEXTS = {True: "yes", False: "no"}
#: The policy of the scenario itself, and no policy, where several are compared.
OWN, NO_POLICY = "as given", "none"


@dataclass(frozen=True)
class Shown:
    """What an explorer is about: a scenario, and the policies that are compared in it."""

    scenario: Scenario
    policies: tuple[str, ...] = ()

    def with_changes(self, changes: Mapping[str, Any]) -> Shown:
        """Return it with settings changed by path, and ``policies.0`` and so on."""
        policies = list(self.policies)
        settings = dict(changes)
        for place in range(len(policies)):
            policies[place] = settings.pop(f"policies.{place}", policies[place])
        scenario = self.scenario.replace(settings) if settings else self.scenario
        return Shown(scenario, tuple(policies))


@dataclass(frozen=True)
class PolicyControl:
    """A list of the policies that can be compared: that of the scenario, and the presets."""

    name: str
    place: int

    def applies(self, _: Shown) -> bool:
        """Whether there is something to control: always."""
        return True

    def value(self, shown: Shown) -> str:
        """Return the policy that is compared now."""
        return shown.policies[self.place]

    def changes(self, shown: Shown, value: Any) -> dict[str, Any]:
        """Return what a new choice changes."""
        return {f"policies.{self.place}": value}

    def check(self, shown: Shown, value: Any) -> str:
        """Return a policy's name, or raise `SettingsError`."""
        if value not in (known := _policies(self.place)):
            raise SettingsError(self.name, value, f"must be one of {', '.join(known)}")
        return str(value)

    def view(self, shown: Shown, value: Any) -> dict[str, Any]:
        """Return what the page shows of it."""
        values = _policies(self.place)
        return {
            "name": self.name,
            "group": "policies",
            "label": ("first", "second", "third", "fourth")[self.place],
            "help": "The reconnect policy of a real client, or the scenario's own.",
            "kind": "choice",
            "values": values,
            "texts": values,
            "place": values.index(value),
        }


def _policies(place: int) -> list[str]:
    # There is a first one always: nothing would be left to draw.
    return [OWN, *([NO_POLICY] if place else []), *presets]


@dataclass(frozen=True)
class SettingControl:
    """A control of one setting: a slider over round values, or a list of words.

    Attributes
    ----------
    name : str
        What it is called in Python: ``explorer.controls[name]``.
    key : str
        The setting's path in the scenario, or `LENGTH`.
    """

    name: str
    key: str

    def applies(self, shown: Shown) -> bool:
        """Whether the scenario has what is controlled."""
        return self.key != LENGTH or any(fault.stop_s < inf for fault in shown.scenario.faults)

    def value(self, shown: Shown) -> Any:
        """Return what the scenario has now; a word for one out of a few."""
        scenario = shown.scenario
        if self.key == LENGTH:
            fault = scenario.faults[ending_fault(scenario)]
            return fault.stop_s - fault.start_s
        value, _ = setting(scenario, self.key)
        return value.name.lower() if self.field(scenario).words else value

    def changes(self, shown: Shown, value: Any) -> dict[str, Any]:
        """Return the settings that a new value changes, by path."""
        scenario = shown.scenario
        if self.key != LENGTH:
            return {self.key: value}
        place = ending_fault(scenario)
        start_s = scenario.faults[place].start_s
        length_s = self.field(scenario).rule.validate("length_s", value)  # type: ignore[union-attr]
        if start_s + length_s > scenario.duration_s:
            rule = f"must be at most {scenario.duration_s - start_s:g}: then the run ends"
            raise SettingsError("length_s", value, rule)
        return {f"faults.{place}.stop_s": start_s + length_s}

    def values(self, scenario: Scenario, value: Any) -> tuple[Any, ...]:
        """Return what can be chosen, the given value among it."""
        known = self.field(scenario)
        if known.words is not None:
            return tuple(each.name.lower() for each in known.words)
        if known.is_flag:
            return (False, True)
        assert known.rule is not None
        low, high = _SPANS[self.key]
        if self.key == LENGTH:
            fault = scenario.faults[ending_fault(scenario)]
            high = min(high, scenario.duration_s - fault.start_s)
        return round_values(low, high, known.rule, value)

    def check(self, shown: Shown, value: Any) -> Any:
        """Return a value as the setting's own, or raise `SettingsError`."""
        known = self.field(shown.scenario)
        if known.words is not None:
            return word(self.key, value, known.words).name.lower()
        return known.rule.validate(self.key, value) if known.rule else value

    def field(self, scenario: Scenario) -> SettingField:
        """Return what is known of the setting."""
        if self.key != LENGTH:
            return field_of(scenario, self.key)
        fault = scenario.faults[ending_fault(scenario)]
        kind = fault.kind.name.lower().replace("_", " ")
        help_ = f"How long the {kind} lasts; it begins {fault.start_s:g} s after the run begins."
        rule = Rule("seconds", above=True)
        return SettingField(f"{kind} lasts", "run", "s", help_, rule, None, is_flag=False)

    def view(self, shown: Shown, value: Any) -> dict[str, Any]:
        """Return what the page shows of it."""
        scenario = shown.scenario
        known = self.field(scenario)
        values = self.values(scenario, value)
        rule = f" It {known.rule}." if known.rule else ""
        return {
            "name": self.name,
            "group": known.group,
            "label": known.label,
            "help": (known.help + rule).strip(),
            "kind": "choice" if known.words is not None or known.is_flag else "slider",
            "values": [as_json(each) for each in values],
            "texts": [
                _format_endless(known) if each == inf else format_choice(each, known.unit)
                for each in values
            ],
            "place": values.index(value),
        }


def ending_fault(scenario: Scenario) -> int:
    """Return the place of the first fault that ends."""
    return next(i for i, fault in enumerate(scenario.faults) if fault.stop_s < inf)


def with_ending_fault(scenario: Scenario) -> Scenario:
    """Return a scenario with an outage, unless it has a fault that ends."""
    if any(fault.stop_s < inf for fault in scenario.faults):
        return scenario
    from_s = scenario.warm_up_s  # before it no fault counts
    third_s = (scenario.duration_s - from_s) / 3
    outage = Fault(FaultKind.OUTAGE, from_s + third_s, from_s + 1.5 * third_s)
    return scenario.replace(faults=(*scenario.faults, outage))


def format_choice(value: Any, unit: str = "") -> str:
    """Return a value with its unit, exactly.

    Examples
    --------
    >>> format_choice(7.92, "s"), format_choice(float("inf"), "s"), format_choice(50_000)
    ('7.92 s', 'no limit', '50,000')
    """
    if isinstance(value, bool):
        return _FLAG_TEXTS[value]
    if isinstance(value, str):
        return value.replace("_", " ")
    if value == inf:
        return "no limit"
    text = f"{value:,.10g}" if value < 1e10 else format_count(value)
    return f"{text} {unit}".strip()


def _format_endless(known: SettingField) -> str:
    """Return what infinity means for a setting, as the comment beside it says."""
    return "never" if "inf: never" in known.help else format_choice(inf)


def as_json(value: Any) -> Any:
    """Return a value as JSON has it: no limit as a word."""
    return "inf" if isinstance(value, float) and value == inf else value


def make_controls(names: Mapping[str, str]) -> tuple[SettingControl, ...]:
    """Return controls by name and path of their settings."""
    return tuple(SettingControl(name, key) for name, key in names.items())


#: The controls of a reconnect policy, which several explorers have.
POLICY_CONTROLS = {
    "jitter": "client.backoff.jitter",
    "base_s": "client.backoff.base_s",
    "factor": "client.backoff.factor",
    "cap_s": "client.backoff.cap_s",
}
