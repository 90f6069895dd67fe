"""The two sides of a diff: scenarios, policies or options of a client, or saved runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from simlib.core.errors import SettingsError
from simlib.core.settings import Settings
from simlib.scenario.presets import Preset
from simlib.scenario.scenario import Scenario, load
from simlib.studies.policy.benchmark import storm
from simlib.studies.policy.imports.imported import ImportedPolicy
from simlib.studies.policy.imports.policy_from import policy_from
from simlib.support.toml_files import parse_toml, read_toml_text
from simlib.trace.trace import Trace

#: Clients of the storm in which two policies are compared that came without a scenario.
STORM_CLIENTS = 1000
#: A file with nothing else holds a policy, as `infer` and `tune` write it.
_OF_POLICY = {"name", "teaches", "client", "lint"}
_TRACE_SUFFIX = ".parquet"

Side = Scenario | Settings | Preset | ImportedPolicy | Trace


class Sides(NamedTuple):
    """Both scenarios that are played, and where they are played if they came as policies."""

    old: Scenario
    new: Scenario
    #: A sentence; empty: both came as scenarios.
    note: str = ""


def put_in_scenarios(old: Side, new: Side, clients: int | None = None) -> Sides:
    """Return both sides as scenarios: a policy is put into the other side's, or into a storm."""
    if isinstance(old, Scenario) and isinstance(new, Scenario):
        return Sides(_resize(old, clients), _resize(new, clients))
    if isinstance(old, Scenario):
        given = _resize(old, clients)
        return Sides(given, _with_policy(given, new), _where(given, "new"))
    if isinstance(new, Scenario):
        given = _resize(new, clients)
        return Sides(_with_policy(given, old), given, _where(given, "old"))
    played = storm(Settings(), STORM_CLIENTS if clients is None else clients)
    (fault,) = played.faults
    note = (
        f"Both policies are played in a storm: {played.clients:,} clients, an outage of "
        f"{fault.stop_s - fault.start_s:g} s, then {played.server.accept_per_s:,.10g} connections "
        "a second."
    )
    return Sides(_with_policy(played, old), _with_policy(played, new), note)


def _resize(scenario: Scenario, clients: int | None) -> Scenario:
    return scenario if clients is None else scenario.replace(clients=clients)


def _where(scenario: Scenario, side: str) -> str:
    cohorts = "; its cohorts keep their own policies" if scenario.cohorts else ""
    return f"The {side} policy is played as client of {scenario.name}{cohorts}."


def _with_policy(scenario: Scenario, policy: Side) -> Scenario:
    client = policy.client if isinstance(policy, Preset | ImportedPolicy) else policy
    return scenario.replace(client=client)


def read_side(file: Path) -> Scenario | Settings | ImportedPolicy | Trace:
    """Return what a file holds: a scenario or a policy alone (TOML), a saved run, or options.

    What is neither TOML nor a trace has a real client's own options, as `policy_from` reads them.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a setting breaks its rule.
    """
    if file.suffix == _TRACE_SUFFIX:
        return Trace.load(file)
    if file.suffix not in ("", ".toml"):
        return policy_from(file)
    scenario = load(file)
    keys = set(parse_toml(read_toml_text(file)))
    return scenario.client if "client" in keys and keys <= _OF_POLICY else scenario


def describe_lacks(name: str, side: Side) -> list[str]:
    """Return what of a client's own options simlib cannot say, a sentence each."""
    if not isinstance(side, ImportedPolicy):
        return []
    return [f"{name}: cannot be said: {lack}." for lack in side.lacks]


def check_kinds(old: Side, new: Side) -> None:
    """Refuse a saved run beside what is still to be played."""
    for name, one, other in (("old", old, new), ("new", new, old)):
        if isinstance(one, Trace) and not isinstance(other, Trace):
            rule = "is a saved run, so the other side must be one too, not something to be played"
            raise SettingsError(name, one.label, rule)
