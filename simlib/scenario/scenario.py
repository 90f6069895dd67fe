"""Everything one run needs, frozen; TOML in and out; one field replaced by its path."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import IntEnum
from math import inf, isinf
from pathlib import Path as FilePath
from typing import Any

from simlib.core.arrivals import StartTimes, random_starts_s
from simlib.core.backoff import Backoff
from simlib.core.balancer import Balance
from simlib.core.card import Card, count_in_words
from simlib.core.cohorts import Cohort, cohort_at, ends
from simlib.core.draws import SEED_LIMIT, Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.exact import log
from simlib.core.faults import MOST_GATEWAYS, Fault, FaultKind, Timeline
from simlib.core.function_backoff import FunctionBackoff, from_function
from simlib.core.path import Distribution, Latency, Path
from simlib.core.server_settings import ServerSettings
from simlib.core.settings import Settings
from simlib.core.tls import Tls
from simlib.core.validation import (
    Rule,
    ValidatedSettings,
    choice,
    count,
    format_setting,
    nearest,
    seconds,
    times,
)
from simlib.scenario.build import LISTS, build, build_inside, check_name
from simlib.scenario.file_names import check_file_name
from simlib.scenario.functions import refuse_functions
from simlib.scenario.networks import latency_table, network, path_table, resolve, workload_table
from simlib.scenario.presets import client_table, presets, with_presets
from simlib.scenario.start_times import check_recorded_starts, starts_table
from simlib.scenario.words import describe_fault, draw_timeline, flatten
from simlib.scenario.workload import Hint, TimeOrigin, Workload
from simlib.support.arguments import check_arguments
from simlib.support.toml_errors import describe_toml_error
from simlib.support.toml_files import parse_toml, read_toml_text

#: Shares that are added up may be wrong by this much.
_ROUNDING = 1e-9
#: The fleet has numbers for more; memory ends sooner.
_MOST_CLIENTS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Scenario(ValidatedSettings):
    """Everything one run needs.

    Examples
    --------
    >>> import simlib as sl
    >>> storm = sl.Scenario(clients=200, faults=[sl.Fault("outage", start_s=10, stop_s=40)])
    >>> storm.replace("client.backoff.cap_s", 5).client.backoff.cap_s
    5.0
    """

    #: What the run is called; names its output folder.
    name: str = "scenario"
    #: One sentence for the list of scenarios: what it teaches.
    teaches: str = ""
    #: How many clients.
    clients: int = count(100, high=_MOST_CLIENTS)
    #: Length of the run.
    duration_s: float = seconds(60.0, above=True)
    #: Seed of every draw.
    seed: int = count(1, low=0, high=SEED_LIMIT - 1)
    #: The clients start within this time, or about it, as arrivals says.
    ramp_s: float = seconds(1.0)
    #: How the clients' starts are spaced; client i is the i-th to start. even: at equal distances
    #: over ramp_s. uniform: at random moments of ramp_s. poisson: at random distances of mean
    #: ramp_s / clients, so the last may start after ramp_s. recorded: at the times of arrivals_s.
    arrivals: StartTimes = choice(StartTimes.EVEN)
    #: recorded: when the clients start, one time for each client, in any order.
    arrivals_s: tuple[float, ...] = times()
    #: recorded: its times are counted from the run's start (run), or from its first time (first),
    #: as they must be if they are times since 1970.
    arrivals_origin: TimeOrigin = choice(TimeOrigin.RUN)
    #: Metrics count what happens from this moment on; before it, the run settles.
    warm_up_s: float = seconds(0.0)
    #: A client stays for this long on average after its start, then it leaves; inf: to the end.
    stay_s: float = seconds(inf, above=True, endless=True)
    #: How many servers there are, each on its own.
    gateways: int = count(1, high=MOST_GATEWAYS)
    #: Which gateway takes a connection. fixed: of client i, gateway i modulo gateways. round_robin,
    #: random, least_connections: chosen for each connection, of the gateways that are not down or
    #: draining.
    balance: Balance = choice(Balance.FIXED)
    client: Settings = field(default_factory=Settings)
    #: Shares of the clients with settings of their own; who is in none has those of client.
    cohorts: tuple[Cohort, ...] = ()
    server: ServerSettings = field(default_factory=ServerSettings)
    path: Path = field(default_factory=Path)
    workload: Workload = field(default_factory=Workload)
    #: Any iterable of faults is accepted; kept as a tuple.
    faults: tuple[Fault, ...] = ()
    #: What the clients' platform says of the network, and when; kept as a tuple too.
    hints: tuple[Hint, ...] = ()

    def __new__(cls, *_: Any, **settings: Any) -> Scenario:
        """Refuse settings by the names that they had in earlier versions."""
        for key, value in settings.items():
            check_name(key, value)
        return super().__new__(cls)

    def check(self) -> None:
        """Raise `SettingsError` where parts contradict each other."""
        check_file_name("name", self.name)
        if not isinstance(self.teaches, str):
            raise SettingsError("teaches", self.teaches, "must be a text")
        for name, kind in LISTS.items():
            self._check_list(name, kind)
        self._check_faults()
        self._check_cohorts()
        self._check_recorded()
        starts_s = check_recorded_starts(
            self.arrivals, self.arrivals_s, self.arrivals_origin, self.clients, self.duration_s
        )
        object.__setattr__(self, "arrivals_s", starts_s)
        if self.server.tls_service_s > 0.0 and self.path.tls == Tls.NONE:
            rule = "needs TLS: set path.tls, or leave it 0"
            raise SettingsError("server.tls_service_s", self.server.tls_service_s, rule)
        for name in ("ramp_s", "warm_up_s"):
            if getattr(self, name) >= self.duration_s:
                raise SettingsError(name, getattr(self, name), "must be shorter than duration_s")

    def _check_list(self, name: str, kind: type[Fault] | type[Hint] | type[Cohort]) -> None:
        """Make a field a tuple of what belongs there; what has a moment, within the run."""
        given: Any = getattr(self, name)
        word = kind.__name__
        if isinstance(given, (kind, dict, str)) or not isinstance(given, Iterable):
            rule = f"must be a list of {name}, each [[{name}]] in TOML"
            raise SettingsError(name, given, rule)
        object.__setattr__(self, name, tuple(given))
        for i, entry in enumerate(getattr(self, name)):
            if not isinstance(entry, kind):
                raise SettingsError(f"{name}[{i}]", entry, f"must be a {word}")
            if not isinstance(entry, Cohort) and entry.start_s >= self.duration_s:
                rule = f"must be before the end of the run (duration_s = {self.duration_s:g})"
                raise SettingsError(f"{name}[{i}].start_s", entry.start_s, rule)

    def _check_faults(self) -> None:
        for i, fault in enumerate(self.faults):
            try:
                fault.fit(self.gateways)
            except SettingsError as error:
                raise error.inside(f"faults[{i}]") from error
            endless = self.server.session_lifetime_s == inf
            if fault.kind == FaultKind.SESSION_EXPIRY and endless:
                rule = "needs sessions: set server.session_lifetime_s"
                raise SettingsError(f"faults[{i}].kind", "session_expiry", rule)

    def _check_cohorts(self) -> None:
        names = [cohort.name for cohort in self.cohorts]
        for i, (cohort, end) in enumerate(zip(self.cohorts, ends(self.cohorts), strict=True)):
            if cohort.name in names[:i]:
                raise SettingsError(
                    f"cohorts[{i}].name", cohort.name, "is the name of an earlier cohort"
                )
            if end > 1.0 + _ROUNDING:
                rule = f"the shares of the cohorts add up to {end:g}, above 1"
                raise SettingsError(f"cohorts[{i}].clients_fraction", cohort.clients_fraction, rule)

    def _check_recorded(self) -> None:
        times_s = self.recorded_s
        if times_s and not self.recorded_count:
            first_s, end_s = min(times_s), min(self.duration_s, self.workload.stop_s)
            rule = (
                f"no recorded message lies within the run, which is over at {end_s:g} s: the first "
                f'comes at {first_s:.10g} s; time_origin = "first" has that one come at the start'
            )
            raise SettingsError("workload.time_origin", "run", rule)

    @property
    def recorded_s(self) -> tuple[float, ...]:
        """When each client's recorded messages are due, those after the run included."""
        start_s = self.workload.start_s
        return tuple(start_s + time_s for time_s, _, _ in self.workload.recorded)

    @property
    def recorded_count(self) -> int:
        """How many recorded messages of a client lie within the run."""
        end_s = min(self.duration_s, self.workload.stop_s)
        return sum(time_s < end_s for time_s in self.recorded_s)

    @property
    def policies(self) -> tuple[Settings, ...]:
        """Every client configuration in use: of each cohort, and of clients in none."""
        all_in_cohorts = bool(self.cohorts) and ends(self.cohorts)[-1] >= 1.0 - _ROUNDING
        others = () if all_in_cohorts else (self.client,)
        return (*(cohort.client for cohort in self.cohorts), *others)

    def cohort_of(self, client: int) -> int:
        """Return the index of a client's cohort, or ``len(cohorts)`` if it is in none."""
        if not self.cohorts:
            return 0
        return cohort_at(ends(self.cohorts), uniform(self.seed, client, Stream.COHORT, 0))

    def client_of(self, client: int) -> Settings:
        """Return one client's settings: its cohort's, or those of ``client``."""
        cohort = self.cohort_of(client)
        return self.cohorts[cohort].client if cohort < len(self.cohorts) else self.client

    @property
    def is_balanced(self) -> bool:
        """Whether the gateway of a connection is chosen as it comes."""
        return self.gateways > 1 and self.balance != Balance.FIXED

    def starts_s(self, client: int) -> float:
        """Return when a client starts."""
        kind = self.arrivals
        if kind == StartTimes.EVEN:
            return self.ramp_s * client / self.clients
        if kind == StartTimes.RECORDED:
            return self.arrivals_s[client]
        return random_starts_s(kind.value, self.ramp_s, self.seed, self.clients)[client]

    @property
    def last_start_s(self) -> float:
        """The moment by which every client has started."""
        if self.arrivals in (StartTimes.EVEN, StartTimes.UNIFORM):
            return self.ramp_s
        return self.starts_s(self.clients - 1)

    def leaves_s(self, client: int) -> float:
        """Return when a client leaves: stays are spread exponentially; inf: never."""
        if self.stay_s == inf:
            return inf
        u = uniform(self.seed, client, Stream.STAY, 0)
        return self.starts_s(client) - self.stay_s * log(1.0 - u)

    def card(self) -> Card:
        """Return what is shown: size, faults on the run's time, settings that are no defaults."""
        clients = count_in_words(self.clients, "client")
        size = f"{clients}, {self.duration_s:,g} s, seed {self.seed}"
        table = plain(self)
        for name in ("name", "teaches", "clients", "duration_s", "seed", "faults"):
            table.pop(name, None)
        rows = [
            (f"fault {i}", f"{draw_timeline(fault, self.duration_s)}  {describe_fault(fault)}")
            for i, fault in enumerate(self.faults)
        ]
        if table.get("client", {}).pop("backoff", None):
            rows.append(("client.backoff", self.client.backoff.in_words))
        rows += [(key, format_setting(value)) for key, value in flatten(table)]
        return Card(f"Scenario {self.name}: {size}", tuple(rows), notes=(self.teaches,))

    def __repr__(self) -> str:
        return self.card().text()

    def replace(
        self, key: str | Mapping[str, Any] | None = None, value: Any = None, /, **changes: Any
    ) -> Scenario:
        """Return a copy with one setting, or several at once, replaced by their paths.

        A network, a preset and a table mean what they mean in a file, but replace all that the
        scenario has in their place. What is set within them goes over them, in whatever order.

        Parameters
        ----------
        key : str or mapping, optional
            A dotted path such as ``client.backoff.cap_s`` or ``faults.0.stop_s``; or values by
            path, which are checked together: a new cap may be below the old base.
        value : object, optional
            The new value, where one path is given.
        **changes
            Fields of the scenario itself, such as ``clients=20``.

        Raises
        ------
        SettingsError
            If a path does not exist or a value breaks a rule.

        Examples
        --------
        >>> both = {"client.backoff.base_s": 40, "client.backoff.cap_s": 60}
        >>> Scenario().replace(both).client.backoff.cap_s
        60.0
        >>> Scenario().replace("client", "preset:phoenix").client.backoff.steps_s[:2]
        (0.01, 0.05)
        """
        settings = changes
        if isinstance(key, Mapping):
            if value is not None:
                raise SettingsError("value", value, "goes with one path, not with a mapping")
            settings = changes | dict(key)
        elif key is not None:
            settings = changes | {key: value}
        for path in settings:
            if not isinstance(path, str):
                raise SettingsError("key", path, "must be a path such as client.backoff.cap_s")
        changed: Scenario = _set(self, settings) if settings else self
        return changed


def timeline_of(scenario: Scenario) -> Timeline:
    """Return the faults of a scenario as they are asked for in a run."""
    return Timeline(
        scenario.faults, scenario.seed, scenario.gateways, balanced=scenario.is_balanced
    )


def apply_settings(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """Return a scenario with several settings replaced at once, as `Scenario.replace` does."""
    return scenario.replace(settings)


def setting(scenario: Scenario, key: str) -> tuple[Any, Rule | None]:
    """Return the value at a path such as ``server.workers``, and its rule if it is a number.

    Examples
    --------
    >>> value, rule = setting(Scenario(), "server.workers")
    >>> value, str(rule)
    (1, 'must be a whole number, from 1 to 10,000')
    """
    owner: Any = scenario
    rule: Rule | None = None
    names = key.split(".")
    for i, name in enumerate(names):
        _check_known(owner, name, ".".join(names[: i + 1]), "?")
        if isinstance(owner, tuple):
            owner, rule = owner[int(name)], None
        else:
            rule = owner.__dataclass_fields__[name].metadata.get("rule")
            owner = getattr(owner, name)
    return owner, rule


@check_arguments
def load(path: str | FilePath) -> Scenario:
    """Read a scenario from a TOML file.

    Parameters
    ----------
    path : str or path
        The file; files that it names, such as a table of latencies, are found from its folder.

    Returns
    -------
    Scenario
        The scenario; its name is the file's, unless the file gives one.

    Raises
    ------
    SettingsError
        If the file cannot be read or a setting breaks its rule: names file, key, value and rule.

    Examples
    --------
    >>> load("data/scenarios/first_outage.toml").clients
    20
    """
    file = FilePath(path)
    try:
        text = read_toml_text(file)
    except (OSError, ValueError) as error:
        raise SettingsError("scenario", str(path), describe_toml_error(error)) from error
    data = _parse(text, str(path))
    data.setdefault("name", file.stem)
    try:
        return build(Scenario, resolve(with_presets(data, file.parent), file.parent))
    except SettingsError as error:
        raise error.after(f"{path}:") from error


@check_arguments
def loads(text: str) -> Scenario:
    """Return the scenario that a text in TOML describes, as `load` does of a file's.

    Parameters
    ----------
    text : str
        What a scenario's file holds, or `dump` returned; files that it names are found from the
        working folder.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    SettingsError
        If the text is not TOML or a setting breaks its rule: names key, value and rule.

    Examples
    --------
    >>> loads("clients = 3").clients
    3
    """
    return build(Scenario, resolve(with_presets(_parse(text, text[:40])), FilePath()))


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        data = parse_toml(text)
    except ValueError as error:
        raise SettingsError("scenario", source, describe_toml_error(error)) from error
    # What lint ignores in a file changes nothing in its runs; lint itself reads it.
    if not isinstance(data.pop("lint", {}), dict):
        raise SettingsError("scenario", source, "lint must be a table, [lint]")
    return data


@check_arguments
def dump(scenario: Scenario) -> str:
    """Return a scenario as TOML: what differs from the defaults, and the name.

    Parameters
    ----------
    scenario : Scenario
        The scenario.

    Returns
    -------
    str
        What `load` reads back to an equal scenario.

    Raises
    ------
    SettingsError
        If a backoff is a Python function, which no file can hold.

    Examples
    --------
    >>> print(dump(Scenario(clients=3)), end="")
    clients = 3
    name = "scenario"
    """
    import tomli_w

    refuse_functions(scenario, "no file can hold one: keep its code, and the call")
    return tomli_w.dumps(plain(scenario))


def plain(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as tables of plain values: what differs from the defaults, and the name.

    A Python function that makes the waits stays itself, as ``client.backoff.function``.

    Examples
    --------
    >>> plain(Scenario(clients=3))
    {'clients': 3, 'name': 'scenario'}
    """
    return _plain(scenario, Scenario()) | {"name": scenario.name}


def _set(owner: Any, settings: Mapping[str, Any]) -> Any:
    """Return settings, or a list of them, with several values set inside, all at once."""
    whole: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        name, dot, rest = key.partition(".")
        if dot:
            inside.setdefault(name, {})[rest] = value
        else:
            whole[name] = value
    owner = _take_whole(owner, whole, inside)
    new = {name: _part(owner, name, value, value) for name, value in whole.items()}
    for name, parts in inside.items():
        if not parts:
            continue
        part = new[name] if name in new else _part(owner, name, ..., next(iter(parts.values())))
        try:
            new[name] = _set(part, parts)
        except SettingsError as error:
            raise error.inside(name) from error
    if isinstance(owner, tuple):
        return tuple(new.get(str(i), entry) for i, entry in enumerate(owner))
    changed = dataclasses.replace(owner, **new)
    _check_effect(changed, new)
    return changed


def _take_whole(owner: Any, whole: dict[str, Any], inside: dict[str, dict[str, Any]]) -> Any:
    """Return what settings change, once what stands for all of it is taken out of them."""
    if isinstance(owner, Settings) and "preset" in whole:
        return presets[whole.pop("preset")].client
    if isinstance(owner, Path) and "csv" in inside.get("latency", {}):
        latency = inside["latency"]
        file = {key: latency.pop(key) for key in ("csv", "unit") if key in latency}
        whole |= path_table({"latency": file}, FilePath()) | whole
    if isinstance(owner, Workload) and "csv" in whole:
        whole |= workload_table({"csv": whole.pop("csv")}, FilePath())
    if isinstance(owner, Scenario) and "arrivals_csv" in whole:
        whole |= starts_table({"arrivals_csv": whole.pop("arrivals_csv")}, FilePath())
    if isinstance(owner, Scenario) and "network" in whole:
        name, own = whole.pop("network"), whole.get("path", {})
        if not isinstance(own, dict):
            raise SettingsError("path", own, "is a whole path: leave out network")
        whole["path"] = path_table(network(name) | own, FilePath())
    return owner


def _part(owner: Any, name: str, value: Any, shown: Any) -> Any:
    """Return a part of settings, or what a value makes of it: tables become settings."""
    _check_known(owner, name, name, shown)
    part = owner[int(name)] if isinstance(owner, tuple) else getattr(owner, name)
    if value is ...:
        return part
    if isinstance(owner, Scenario) and name in LISTS and isinstance(value, list):
        kind = LISTS[name]
        # A tuple, as the scenario keeps it: so what is set within the list goes over it.
        return tuple(_make(f"{name}[{i}]", kind, entry) for i, entry in enumerate(value))
    return _make(name, type(part), value) if is_dataclass(part) else value


def _make(name: str, kind: Any, value: Any) -> Any:
    """Return the settings that a table, or a preset's name, stands for; others as they are."""
    if issubclass(kind, Backoff):
        kind = Backoff  # a table replaces a function, which no table can name
        if callable(value) and not isinstance(value, type):
            return from_function(name, value)
    if kind is Settings and isinstance(value, (str, dict)):
        value = client_table(name, value)
    if not isinstance(value, dict):
        return value
    if kind is Cohort and "client" in value:
        value = value | {"client": client_table(f"{name}.client", value["client"])}
    elif kind in _WITH_FILES:
        value = _WITH_FILES[kind](value, FilePath())
    return build_inside(name, kind, value)


#: Tables that may name a file of measurements.
_WITH_FILES: dict[Any, Callable[..., dict[str, Any]]] = {
    Path: path_table,
    Latency: latency_table,
    Workload: workload_table,
}


def _check_effect(changed: Any, new: Mapping[str, Any]) -> None:
    """Refuse a value that what it is set in does not use."""
    if isinstance(changed, Latency) and changed.distribution == Distribution.TABLE:
        for key in {"mean_s", "shape"} & new.keys():
            rule = "is not for a table of quantiles: set latency as a whole, as {mean_s = 0.1}"
            raise SettingsError(key, new[key], rule)


def _check_known(owner: Any, key: str, where: str, value: Any) -> None:
    """Raise `SettingsError` where a part of a scenario has no field, or place, of this name."""
    if isinstance(owner, tuple):
        if key not in map(str, range(len(owner))):
            raise SettingsError(
                where, value, f"must name one of {len(owner)} by its number, from 0"
            )
        return
    known = [item.name for item in fields(owner) if item.init] if is_dataclass(owner) else []
    if key not in known:
        check_name(key, value)
        raise SettingsError(where, value, f"is not a setting{nearest(key, known)}")
    if isinstance(owner, FunctionBackoff):
        owner.refuse_unused(key, value)


def _plain(settings: Any, default: Any) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if not item.init or value == getattr(default, item.name, ...):
            continue
        if is_dataclass(value):
            changed[item.name] = _plain(value, getattr(default, item.name))
        elif item.name in LISTS:
            first = {"kind": "outage"} if item.name == "faults" else {}
            changed[item.name] = [first | _plain(entry, LISTS[item.name]()) for entry in value]
        else:
            changed[item.name] = _toml(value, item.metadata.get("rule"))
    return changed


def _toml(value: Any, rule: Any) -> Any:
    if isinstance(value, IntEnum):
        return value.name.lower()
    if callable(value):
        return value  # itself: two functions may have one name
    if isinstance(value, tuple):
        return [_toml(entry, rule) for entry in value]
    whole = rule is not None and rule.whole and not isinf(value)
    return int(value) if whole else value
