"""From what is given on the command line to what is played."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlib.core.errors import SettingsError

if TYPE_CHECKING:
    from simlib.core.cohorts import Cohort
    from simlib.scenario.scenario import Scenario


def scenario_of(
    given: str,
    settings: Sequence[str],
    seed: int | None,
    clients: int | None,
    clients_mix: str | None = None,
) -> Scenario:
    """Return the scenario of a file or a name, with settings changed."""
    from simlib.scenario.scenario import load

    return _with_options(load(file_of(given)), settings, seed, clients, clients_mix)


def _with_options(
    scenario: Scenario,
    settings: Sequence[str],
    seed: int | None,
    clients: int | None,
    clients_mix: str | None,
) -> Scenario:
    if settings or clients_mix is not None:
        scenario = _apply_settings(scenario, settings, clients_mix)
    if seed is not None:
        scenario = scenario.replace(seed=seed)
    if clients is not None:
        scenario = scenario.replace(clients=clients)
    return scenario


def policy_of(
    given: str, settings: Sequence[str], clients: int | None, clients_mix: str | None = None
) -> tuple[Scenario, str]:
    """Return a scenario, or one around a preset; and what resets the count of failures there."""
    from simlib.scenario.presets import PREFIX, presets

    if not given.startswith(PREFIX):
        return scenario_of(given, settings, None, clients, clients_mix), ""
    from simlib.studies.policy.lint import alone

    preset = presets[given.removeprefix(PREFIX)]
    return _with_options(alone(preset), settings, None, clients, clients_mix), preset.resets


def file_of(given: str) -> Path:
    """Return the file that is meant by a path or by the name of a shipped scenario."""
    path = Path(given)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    from simlib.core.validation import nearest

    shipped = shipped_scenarios()
    if given not in shipped:
        rule = f"is no file, and no scenario of this name is shipped{nearest(given, list(shipped))}"
        raise SettingsError("scenario", given, f"{rule}; simlib scenarios lists them")
    return shipped[given]


def shipped_scenarios() -> dict[str, Path]:
    """Return the files of the shipped scenarios and of those of plug-ins, by name."""
    from simlib.support.files import find_shipped
    from simlib.support.plugins import load_plugins

    shipped = {file.stem: file for file in sorted(find_shipped("scenarios").glob("*.toml"))}
    return {**shipped, **load_plugins("scenarios", list(shipped), _check_plugin)}


def _check_plugin(name: str, file: Any) -> Path:
    from simlib.scenario.scenario import load

    load(file)
    return Path(file)


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Return the values of --set by their keys.

    Examples
    --------
    >>> read_settings(["client.backoff.cap_s=5", "client=preset:phoenix"])
    {'client.backoff.cap_s': 5, 'client': 'preset:phoenix'}
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, _, text = (part.strip() for part in setting.partition("="))
        if not (key and text):
            raise SettingsError("--set", setting, "must be KEY=VALUE, as client.backoff.cap_s=5 is")
        values.pop(key, None)  # the last one counts, in its place
        values[key] = toml_value(text)
    return values


def _apply_settings(
    scenario: Scenario, settings: Sequence[str], clients_mix: str | None
) -> Scenario:
    values = read_settings(settings)
    if clients_mix is not None:
        if "cohorts" in values:
            raise SettingsError("--clients-mix", clients_mix, "goes without --set cohorts=...")
        # Set together, so that --set cohorts.0... goes over a preset of the mix.
        values |= {"cohorts": _cohorts_of(clients_mix)}
    try:
        return scenario.replace(values)
    except SettingsError as error:
        raise error.after("--set") from error


def _cohorts_of(clients_mix: str) -> list[Cohort]:
    """Return the cohorts of a mix; say on stderr who has none of its presets."""
    from simlib.cli.output import print_note
    from simlib.scenario.mix import describe_rest, mix, read_mix

    try:
        cohorts = mix(read_mix(clients_mix))
    except SettingsError as error:
        raise error.after("--clients-mix") from error
    if rest := describe_rest(cohorts):
        print_note(rest)
    return cohorts


def toml_value(text: str) -> Any:
    """Read a value as TOML does; a bare word is a text."""
    data = _parse(text)
    # Neither a second line nor a comment is dropped: such a text is meant as it is. After a comment
    # the bracket would be part of it.
    if data.keys() != {"value"} or not _parse(f"[{text.strip()}]"):
        return text
    return data["value"]


def _parse(text: str) -> dict[str, Any]:
    from simlib.support.toml_files import parse_toml

    try:
        return parse_toml(f"value = {text}")
    except ValueError:
        return {}


def space_of(given: Sequence[str], option: str = "--space") -> dict[str, Any]:
    """Return what may vary: by setting a tuple, the ends of a range, or a list of choices.

    Examples
    --------
    >>> space_of(["client.backoff.cap_s=5..60", "client.backoff.jitter=none,full"])
    {'client.backoff.cap_s': (5, 60), 'client.backoff.jitter': ['none', 'full']}
    """
    space: dict[str, Any] = {}
    for setting in given:
        key, _, text = (part.strip() for part in setting.partition("="))
        if key in space:
            raise SettingsError(option, setting, "names a setting that has its values already")
        # Of two dots in a list or in a path, none makes a range.
        is_range = ".." in text and not {",", "/"} & set(text)
        values = _range(text) if is_range else choices(text)
        if not key or not values:
            rule = (
                "must be KEY=LOW..HIGH, as client.backoff.cap_s=5..60 is, "
                "or KEY=A,B, as client.backoff.jitter=none,full is"
            )
            raise SettingsError(option, setting, rule)
        space[key] = values
    return space


def _range(text: str) -> tuple[Any, Any] | None:
    """Return the ends of a range, None unless they are two numbers."""
    low, _, high = text.partition("..")
    ends = toml_value(low.strip()), toml_value(high.strip())
    are_numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    return ends if are_numbers else None


def choices(text: str) -> list[Any] | None:
    """Return the values between commas, None if one is missing; brackets and quotes hold commas.

    Examples
    --------
    >>> choices("none, full"), choices("[1, 2], [3]"), choices("5,")
    (['none', 'full'], [[1, 2], [3]], None)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        return None
    values = toml_value(f"[{text}]")
    return values if isinstance(values, list) else [toml_value(part) for part in parts]
