"""The presets: reconnect policies of real clients by name, for scenarios to use."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from simlib.core.card import Card, ShowsCard
from simlib.core.errors import FileError, SettingsError, SimlibError
from simlib.core.settings import Settings
from simlib.core.stops import Stops
from simlib.core.validation import nearest
from simlib.scenario.build import build
from simlib.support.files import find_shipped
from simlib.support.json_values import jsonable
from simlib.support.plugins import load_plugins
from simlib.support.toml_errors import describe_toml_error
from simlib.support.toml_files import parse_toml, read_toml_text

#: What a scenario writes before a preset's name.
PREFIX = "preset:"
_LANGUAGES = {
    "js": "JavaScript",
    "mjs": "JavaScript",
    "ts": "TypeScript",
    "py": "Python",
    "java": "Java",
    "kt": "Kotlin",
    "scala": "Scala",
    "go": "Go",
    "cc": "C++",
    "md": "a specification",
}


@dataclass(frozen=True, repr=False)
class Preset(ShowsCard):
    """A real client's default policy: its settings, where they were read, what they leave out."""

    name: str
    #: What it is: websocket, graphql, broker, rpc, library, algorithm ...
    kind: str
    #: What resets its count of failures: open, time, answer, call, none or unknown.
    resets: str
    #: How it is known which statuses and close codes stop it: run, read, unknown or none.
    codes: str
    #: Package, version, file and lines; read, or also run.
    source: str
    #: What the real client does that these settings do not.
    differs: str
    #: The settings as tables, as a scenario has them under ``client``.
    table: Mapping[str, Any]

    @cached_property
    def client(self) -> Settings:
        """The settings of such a client."""
        try:
            return build(Settings, dict(self.table))
        except SettingsError as error:
            raise error.inside(f"presets.{self.name}.client") from error

    @property
    def waits(self) -> str:
        """How it waits, in words."""
        return self.client.backoff.in_words

    @property
    def stops(self) -> str:
        """Which statuses and close codes stop it, in words, and how that is known."""
        return f"{stops_in_words(self.client.stops)} ({_KNOWN[self.codes]})"

    @property
    def version(self) -> str:
        """The version of the package that was read, or the commit of its repository.

        Examples
        --------
        >>> presets["phoenix"].version, presets["okhttp"].version
        ('1.8.16', '02f5a2bf')
        """
        first = self.source.partition(",")[0]
        return first.split()[-1]

    @property
    def language(self) -> str:
        """What its source is written in."""
        suffixes = re.findall(r"\.(\w+)(?=[:,;]|$)", self.source)
        return next((_LANGUAGES[suffix] for suffix in suffixes if suffix in _LANGUAGES), "")

    @property
    def was_run(self) -> bool:
        """Whether the package was run as well as read."""
        return self.source.endswith("; run")

    def to_json(self) -> dict[str, Any]:
        """Return the preset as values for JSON; its settings as a scenario has them."""
        said = ("name", "version", "language", "kind", "source", "was_run", "differs")
        more = ("resets", "codes", "stops", "waits")
        values = {key: getattr(self, key) for key in (*said, *more)}
        return dict(jsonable(values | {"client": self.table}))

    def card(self) -> Card:
        """Return what is shown: what it waits, and how that is known."""
        said = (("stops", self.stops), ("source", self.source), ("differs", self.differs))
        return Card(f"Preset {self.name}: {self.waits}", said)


#: What may reset the count of failures; see `Preset`.
RESETS = ("open", "time", "answer", "call", "none", "unknown")


class Presets(ShowsCard, Mapping[str, Preset]):
    """The presets that come with simlib, by name.

    Examples
    --------
    >>> presets["phoenix"].client.backoff.steps_s[:3]
    (0.01, 0.05, 0.1)
    >>> presets["phoenix"].waits
    '0.01, 0.05, 0.1 ... 5 s, no jitter'
    """

    @cached_property
    def _known(self) -> dict[str, Preset]:
        shipped = read_presets(find_shipped("presets.toml").read_text(encoding="utf-8"))
        return {**shipped, **load_plugins("presets", list(shipped), _read_plugin)}

    def __getitem__(self, name: str) -> Preset:
        if not isinstance(name, str) or name not in self._known:
            rule = f"is no preset{nearest(name, list(self))}; simlib presets lists them"
            raise SettingsError("preset", name, rule)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._known

    def get(self, name: str, default: Any = None) -> Any:
        """Return the preset of a name, or the default."""
        return self._known[name] if name in self else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def card(self) -> Card:
        """Return what is shown: what each preset waits."""
        return Card(f"{len(self)} presets", tuple((name, self[name].waits) for name in self))


def read_presets(text: str) -> dict[str, Preset]:
    """Return the presets that are written in a TOML document."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SimlibError(f"the presets are not TOML: {error}") from error
    return {
        name: Preset(
            name,
            table["kind"],
            table["resets"],
            table["codes"],
            table["source"],
            table["differs"],
            dict(table.get("client", {})),
        )
        for name, table in document.items()
    }


def _read_plugin(name: str, table: Any) -> Preset:
    """Return the preset of a plug-in, which is a client's table as a scenario has it."""
    if not isinstance(table, Mapping):
        raise SettingsError("client", table, "must be a table of settings, as of a scenario")
    preset = Preset(name, "plug-in", "unknown", "unknown", f"plug-in {name}", "", dict(table))
    build(Settings, dict(table))  # refuses what breaks a rule here, where the plug-in is named
    return preset


#: The presets that come with simlib.
presets = Presets()


def with_presets(data: Mapping[str, Any], folder: Path = Path()) -> dict[str, Any]:
    """Return a scenario's tables with presets in place of their names, in its cohorts as well.

    ``client = "preset:NAME"`` takes a preset as it is; ``client.preset = "NAME"`` takes it, and
    what else the table says goes before it. ``client = "policy.toml"`` takes the client of another
    scenario's file, which is found from a folder.

    Examples
    --------
    >>> with_presets({"client": "preset:sockette"})["client"]["backoff"]["base_s"]
    1
    """
    tables = dict(data)
    if "client" in tables:
        tables["client"] = client_table("client", tables["client"], folder)
    cohorts = tables.get("cohorts")
    if isinstance(cohorts, list):
        tables["cohorts"] = [
            cohort | {"client": client_table(f"cohorts[{i}].client", cohort["client"], folder)}
            if isinstance(cohort, dict) and "client" in cohort
            else cohort
            for i, cohort in enumerate(cohorts)
        ]
    return tables


def client_table(where: str, given: Any, folder: Path = Path()) -> Any:
    """Return the table of settings that a client's table or text stands for."""
    if isinstance(given, str):
        if given.endswith(".toml") and not given.startswith(PREFIX):
            return _table_of_file(where, given, folder / given)
        if not given.startswith(PREFIX):
            rule = f"must be a table of settings, {PREFIX}NAME, or a file that ends in .toml"
            raise SettingsError(where, given, rule)
        return _table(where, given, given.removeprefix(PREFIX))
    if isinstance(given, dict) and "preset" in given:
        own = {key: value for key, value in given.items() if key != "preset"}
        return _over(_table(f"{where}.preset", given["preset"], given["preset"]), own)
    return given


def _table(where: str, given: Any, name: Any) -> dict[str, Any]:
    try:
        return dict(presets[name].table)
    except SettingsError as error:
        raise SettingsError(where, given, error.rule) from error


def _table_of_file(where: str, given: str, file: Path) -> Any:
    """Return the client's table of a scenario's file, as import, infer and tune write it."""
    try:
        document = parse_toml(read_toml_text(file))
    except OSError as error:
        raise SettingsError(where, given, describe_toml_error(error)) from error
    except ValueError as error:
        raise FileError(file, describe_toml_error(error)) from error
    if "client" not in document:
        rule = "has no client: simlib import, infer and tune write files that have one"
        raise FileError(file, rule)
    if "cohorts" in document:
        raise FileError(file, "must have one client: it has cohorts with clients of their own")
    client = document["client"]
    if isinstance(client, str) and client.endswith(".toml"):
        raise FileError(
            file, "must have a client of its own: it names another file", "client", client
        )
    try:
        return client_table("client", client, file.parent)
    except SettingsError as error:
        raise FileError(file, error.rule, error.key, error.value) from error


def _over(table: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables with what others say put over them."""
    result = dict(table)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _over(result[key], value) if both else value
    return result


# --- in words ----------------------------------------------------------------------------


def stops_in_words(stops: Stops) -> str:
    """Return which codes stop a client in words.

    Examples
    --------
    >>> stops_in_words(Stops(ends_on=[1008, "4404-4499"]))
    'ended by 1008, 4404-4499; suspended by 401, 403, 4401, 4403'
    """
    lists = {"ended by": stops.ends_on, "suspended by": stops.suspends_on}
    said = [f"{what} {', '.join(map(str, codes))}" for what, codes in lists.items() if codes]
    return "; ".join(said) or "by no code"


#: How it is known which codes stop a real client.
_KNOWN = {
    "run": "seen as it ran",
    "read": "read in its source",
    "unknown": "unknown, so assumed",
    "none": "it has none to go by",
}
