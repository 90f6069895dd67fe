"""The options of lint, from a scenario or pyproject.toml: what is ignored, and thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from simlib.core.errors import FileError, SettingsError
from simlib.core.validation import ValidatedSettings, nearest, number, seconds
from simlib.scenario.build import build
from simlib.scenario.json_schema import settings_schema
from simlib.support.toml_errors import describe_toml_error
from simlib.support.toml_files import parse_toml, read_toml_text

#: The table of a scenario's file, and that of a project.
SCENARIO_TABLE, PROJECT_TABLE = "lint", "tool.simlib.lint"
PROJECT_FILE = "pyproject.toml"
#: Names that rules had in earlier versions, and what they are called now.
RENAMED_RULES = {"hammers-unauthorized": "stops-on-401-never"}
_KEYS = ("ignore", "thresholds")


@dataclass(frozen=True, kw_only=True)
class Thresholds(ValidatedSettings):
    """The numbers from which on rules find something.

    Examples
    --------
    >>> Thresholds(outage_s=300)
    Thresholds(outage_s=300)
    """

    #: gives-up, outbox-small: an outage that a client should outlast, where its scenario has none.
    outage_s: float = seconds(60.0, above=True)
    #: storm-peak, breaker-slows: the outage of the storm, where the scenario has none.
    storm_outage_s: float = seconds(30.0, above=True)
    #: heartbeat-slow: proxies end a connection that was idle for so long, where the scenario says
    #: nothing. Of those in common use the first does after 55 s (a router of Heroku's), others
    #: after 60 s (AWS load balancers, nginx).
    idle_timeout_s: float = seconds(55.0, above=True)
    #: jitter-narrow: the middle half of the waits spans less of a wait than this.
    narrow_fraction: float = number(0.1, "", high=1.0)
    #: stops-on-401-never: from so many attempts of each client on, a warning and not an info.
    unauthorized_per_s: float = number(0.5, "1/s", above=True)
    #: flapping: a slower loop of opens and closes is not named.
    flapping_per_s: float = number(0.5, "1/s", above=True)
    #: breaker-slows: the breaker may make recovery longer by this share.
    slower_fraction: float = number(0.2, "")
    #: breaker-trips-together: fewer of the clients that trip within a second are no crowd.
    together_fraction: float = number(0.5, "", above=True, high=1.0)
    #: hint-uncapped: from so long a hint of the scenario's own on, a warning and not an info.
    hint_s: float = seconds(300.0, above=True)


@dataclass(frozen=True)
class LintOptions:
    """Rules that are ignored, and the thresholds of the others."""

    ignore: tuple[str, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)


def lint_options(
    ignore: Sequence[str],
    thresholds: Mapping[str, Any],
    rules: Sequence[str],
    defaults: Thresholds | None = None,
) -> LintOptions:
    """Return options, checked: each ignored rule is one of the rules, each threshold has its rule.

    Raises
    ------
    SettingsError
        Naming the key, its value and the rule it breaks.

    Examples
    --------
    >>> lint_options(["no-jitter"], {"outage_s": 300}, ["no-jitter"]).thresholds.outage_s
    300.0
    """
    if isinstance(ignore, str) or not isinstance(ignore, Sequence):
        raise SettingsError("ignore", ignore, 'must be a list of rules, such as ["no-jitter"]')
    for i, rule in enumerate(ignore):
        if rule in RENAMED_RULES:
            raise SettingsError(f"ignore[{i}]", rule, f"is now called {RENAMED_RULES[rule]}")
        if rule not in rules:
            meant = nearest(rule, list(rules))
            raise SettingsError(f"ignore[{i}]", rule, f"is no rule of lint{meant}")
    try:
        given = build(Thresholds, thresholds)
    except SettingsError as error:
        raise error.inside("thresholds") from error
    named = {item.name: getattr(given, item.name) for item in fields(given)}
    changed = {name: value for name, value in named.items() if name in thresholds}
    return LintOptions(tuple(dict.fromkeys(ignore)), replace(defaults or Thresholds(), **changed))


def options_schema(rules: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of the table that holds the options.

    Examples
    --------
    >>> list(options_schema(["no-jitter"])["properties"])
    ['ignore', 'thresholds']
    """
    ignore = {
        "type": "array",
        "items": {"enum": list(rules)},
        "description": "Rules that find nothing in this file.",
    }
    properties = {"ignore": ignore, "thresholds": settings_schema(Thresholds)}
    said = "What simlib lint ignores in this file, and from which numbers on it finds something."
    return {
        "type": "object",
        "description": said,
        "additionalProperties": False,
        "properties": properties,
    }


def read_options(file: Path | None, rules: Sequence[str]) -> LintOptions:
    """Return the options for a scenario's file: its own, over those of the project around it.

    The project is the nearest folder upwards whose pyproject.toml has a ``[tool.simlib.lint]``;
    without a file, from the working folder. What either ignores is ignored.

    Raises
    ------
    FileError
        If an option is wrong: names file, key, value and rule.
    """
    project, options = _project_table(file), LintOptions()
    if project is not None:
        options = _read(*project, rules, options)
    if file is not None:
        data = _load(file)
        if SCENARIO_TABLE in data:
            options = _read(file, SCENARIO_TABLE, data[SCENARIO_TABLE], rules, options)
    return options


def _project_table(file: Path | None) -> tuple[Path, str, Any] | None:
    folder = Path.cwd() if file is None else file.resolve().parent
    for place in (folder, *folder.parents):
        project = place / PROJECT_FILE
        if project.is_file():
            part: Any = _load(project)
            for name in PROJECT_TABLE.split("."):
                part = part.get(name) if isinstance(part, dict) else None
            if part is not None:
                return project, PROJECT_TABLE, part
    return None


def _load(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_toml_text(file))
    except (OSError, ValueError) as error:
        raise FileError(file, describe_toml_error(error)) from error


def _read(
    file: Path, table: str, given: Any, rules: Sequence[str], before: LintOptions
) -> LintOptions:
    if not isinstance(given, dict):
        raise FileError(file, "must be a table", table, given)
    for key, value in given.items():
        if key not in _KEYS:
            rule = (
                f"is not an option of lint{nearest(key, list(_KEYS))}; known are ignore, thresholds"
            )
            raise FileError(file, rule, f"{table}.{key}", value)
    try:
        own = lint_options(
            given.get("ignore", ()), given.get("thresholds", {}), rules, before.thresholds
        )
    except SettingsError as error:
        raise FileError(file, error.rule, f"{table}.{error.key}", error.value) from error
    return replace(own, ignore=tuple(dict.fromkeys((*before.ignore, *own.ignore))))
