"""Everything one run needs, frozen; TOML in and out; one field replaced by its path."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import IntEnum
from math import inf, isinf
from pathlib import Path as FilePath
from typing import Any, TypeVar

from simlib.core.client import Settings
from simlib.core.draws import SEED_LIMIT, Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.exact import log
from simlib.core.faults import MOST_GATEWAYS, Fault, FaultKind
from simlib.core.herds import Herd, ends, herd_at
from simlib.core.path import Path
from simlib.core.rules import Rule, Ruled, count, nearest, seconds
from simlib.core.server import ServerSettings
from simlib.networks import resolved
from simlib.policies import with_presets
from simlib.workload import Hint, Workload

T = TypeVar("T", bound=Ruled)


@dataclass(frozen=True, kw_only=True)
class Scenario(Ruled):
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
    clients: int = count(100, high=100_000_000)
    #: Length of the run.
    duration_s: float = seconds(60.0, above=True)
    #: Seed of every draw.
    seed: int = count(1, low=0, high=SEED_LIMIT - 1)
    #: The clients start evenly spread over this time.
    ramp_s: float = seconds(1.0)
    #: Metrics count what happens from this moment on; before it, the run settles.
    warm_up_s: float = seconds(0.0)
    #: A client stays for this long on average after its start, then it leaves; inf: to the end.
    stay_s: float = seconds(inf, above=True, endless=True)
    #: How many servers there are, each on its own; client i connects to gateway i modulo gateways.
    gateways: int = count(1, high=MOST_GATEWAYS)
    client: Settings = field(default_factory=Settings)
    #: Shares of the clients with settings of their own; who is in none has those of client.
    herds: tuple[Herd, ...] = ()
    server: ServerSettings = field(default_factory=ServerSettings)
    path: Path = field(default_factory=Path)
    workload: Workload = field(default_factory=Workload)
    #: Any iterable of faults is accepted; kept as a tuple.
    faults: tuple[Fault, ...] = ()
    #: What the clients' platform says of the network, and when; kept as a tuple too.
    hints: tuple[Hint, ...] = ()

    def check(self) -> None:
        """Raise `SettingsError` where parts contradict each other."""
        if not isinstance(self.name, str) or not self.name.strip(".") or "/" in self.name:
            rule = "must be a text without a slash, and not of dots alone"
            raise SettingsError("name", self.name, rule)
        if not isinstance(self.teaches, str):
            raise SettingsError("teaches", self.teaches, "must be a text")
        for name, kind in _LISTS.items():
            self._check_list(name, kind)
        self._check_faults()
        self._check_herds()
        for name in ("ramp_s", "warm_up_s"):
            if getattr(self, name) >= self.duration_s:
                raise SettingsError(name, getattr(self, name), "must be shorter than duration_s")

    def _check_list(self, name: str, kind: type[Fault] | type[Hint] | type[Herd]) -> None:
        """Make a field a tuple of what belongs there; what has a moment, within the run."""
        given: Any = getattr(self, name)
        word = kind.__name__
        if isinstance(given, (kind, dict, str)) or not isinstance(given, Iterable):
            rule = f"must be a list of {name}, each [[{name}]] in TOML"
            raise SettingsError(name, given, rule)
        object.__setattr__(self, name, tuple(given))
        for i, each in enumerate(getattr(self, name)):
            if not isinstance(each, kind):
                raise SettingsError(f"{name}[{i}]", each, f"must be a {word}")
            if not isinstance(each, Herd) and each.start_s >= self.duration_s:
                rule = f"must be before the end of the run (duration_s = {self.duration_s:g})"
                raise SettingsError(f"{name}[{i}].start_s", each.start_s, rule)

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

    def _check_herds(self) -> None:
        names = [herd.name for herd in self.herds]
        for i, (herd, end) in enumerate(zip(self.herds, ends(self.herds), strict=True)):
            if herd.name in names[:i]:
                raise SettingsError(f"herds[{i}].name", herd.name, "is the name of an earlier herd")
            if end > 1.0 + _ROUNDING:
                rule = f"the shares of the herds add up to {end:g}, above 1"
                raise SettingsError(f"herds[{i}].clients_fraction", herd.clients_fraction, rule)

    @property
    def policies(self) -> tuple[Settings, ...]:
        """All settings that clients can have: those of each herd, and of who is in none."""
        all_in_herds = bool(self.herds) and ends(self.herds)[-1] >= 1.0 - _ROUNDING
        others = () if all_in_herds else (self.client,)
        return (*(herd.client for herd in self.herds), *others)

    def herd_of(self, client: int) -> int:
        """Return the number of a client's herd; of one that is in none, how many there are."""
        if not self.herds:
            return 0
        return herd_at(ends(self.herds), uniform(self.seed, client, Stream.HERD, 0))

    def client_of(self, client: int) -> Settings:
        """Return one client's settings: its herd's, or those of ``client``."""
        herd = self.herd_of(client)
        return self.herds[herd].client if herd < len(self.herds) else self.client

    def starts_s(self, client: int) -> float:
        """Return when a client starts."""
        return self.ramp_s * client / self.clients

    def leaves_s(self, client: int) -> float:
        """Return when a client leaves: stays are spread exponentially; inf: never."""
        if self.stay_s == inf:
            return inf
        u = uniform(self.seed, client, Stream.STAY, 0)
        return self.starts_s(client) - self.stay_s * log(1.0 - u)

    def replace(self, key: str | None = None, value: Any = None, /, **changes: Any) -> Scenario:
        """Return a copy with one field, named by its path, or several top fields replaced.

        Parameters
        ----------
        key : str, optional
            A dotted path such as ``client.backoff.cap_s`` or ``faults.0.stop_s``.
        value : object, optional
            The new value of that field.
        **changes
            Fields of the scenario itself, such as ``clients=20``.

        Raises
        ------
        SettingsError
            If the path does not exist or the value breaks the field's rule.
        """
        changed = dataclasses.replace(self, **changes) if changes else self
        if key is None:
            return changed
        replaced: Scenario = _replaced(changed, key.split("."), value, "")
        return replaced


def changed(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """Return a scenario with several settings changed at once, as a file would say them.

    At once, since a new cap may be below the old base; and as a file, so that names of networks
    and presets mean what they mean there.

    Raises
    ------
    SettingsError
        If a path does not exist or a value breaks a rule.

    Examples
    --------
    >>> both = {"client.backoff.base_s": 40, "client.backoff.cap_s": 60}
    >>> changed(Scenario(), both).client.backoff.cap_s
    60.0
    """
    data: Any = tomllib.loads(dump(scenario))
    for key, value in settings.items():
        try:
            # At once: a later setting may change a part of a preset.
            data = with_presets(_with(data, key.split("."), value))
        except LookupError:
            raise SettingsError(key, value, "is not a setting of this scenario") from None
    return build(Scenario, resolved(data, FilePath()))


def _with(place: Any, names: Sequence[str], value: Any) -> Any:
    """Return tables with a value set deep inside; in a list, a number says where."""
    if not names:
        return value
    name, *rest = names
    if isinstance(place, dict):
        return place | {name: _with(place.get(name, {}), rest, value)}
    if isinstance(place, list) and name.isdecimal():
        changed = place.copy()
        changed[int(name)] = _with(place[int(name)], rest, value)
        return changed
    raise LookupError(name)


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


def load(path: str | FilePath) -> Scenario:
    """Read a scenario from a TOML file.

    Raises
    ------
    SettingsError
        Naming the file, the key, the value and the rule that it breaks.
    """
    file = FilePath(path)
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("scenario", str(path), f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError("scenario", str(path), f"is not TOML: {error}") from error
    data.setdefault("name", file.stem)
    try:
        return build(Scenario, resolved(with_presets(data), file.parent))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.key}", error.value, error.rule) from error


def dump(scenario: Scenario) -> str:
    """Return a scenario as TOML: what differs from the defaults, and the name."""
    import tomli_w

    return tomli_w.dumps(_plain(scenario, Scenario()) | {"name": scenario.name})


def build(kind: type[T], data: Any) -> T:
    """Return a settings object from nested dictionaries, as TOML gives them."""
    if not isinstance(data, dict):
        raise SettingsError("value", data, "must be a table of settings")
    known = {item.name: item for item in fields(kind) if item.init}  # type: ignore[arg-type]
    for key, value in data.items():
        if key not in known:
            rule = f"is not a setting{nearest(key, list(known))}; known are {', '.join(known)}"
            raise SettingsError(key, value, rule)
    return kind(**{key: _value(known[key], value) for key, value in data.items()})


#: Fields of a scenario that are lists of tables, and of what.
_LISTS: dict[str, Any] = {"faults": Fault, "hints": Hint, "herds": Herd}
#: Shares that are added up may be wrong by this much.
_ROUNDING = 1e-9


def _value(item: Any, value: Any) -> Any:
    if is_dataclass(item.default_factory):
        return _inside(item.name, item.default_factory, value)
    if item.name in _LISTS and isinstance(value, list):
        kind = _LISTS[item.name]
        return [_inside(f"{item.name}[{i}]", kind, each) for i, each in enumerate(value)]
    return value


def _inside(where: str, kind: Any, value: Any) -> Any:
    try:
        return build(kind, value)
    except SettingsError as error:
        if error.key == "value":
            raise SettingsError(where, error.value, error.rule) from error
        raise error.inside(where) from error


def _replaced(owner: Any, keys: list[str], value: Any, where: str) -> Any:
    key, *rest = keys
    where = f"{where}.{key}" if where else key
    _check_known(owner, key, where, value)
    if isinstance(owner, tuple):
        new = _replaced(owner[int(key)], rest, value, where) if rest else value
        return (*owner[: int(key)], new, *owner[int(key) + 1 :])
    new = _replaced(getattr(owner, key), rest, value, where) if rest else value
    try:
        return dataclasses.replace(owner, **{key: new})
    except SettingsError as error:
        # An error of a part further down has named its own way already.
        prefix = where.rpartition(".")[0]
        raise (error.inside(prefix) if prefix and not rest else error) from error


def _check_known(owner: Any, key: str, where: str, value: Any) -> None:
    """Raise `SettingsError` where a part of a scenario has no field, or place, of this name."""
    if isinstance(owner, tuple):
        if not key.isdecimal() or int(key) >= len(owner):
            raise SettingsError(
                where, value, f"must name one of {len(owner)} by its number, from 0"
            )
        return
    known = [item.name for item in fields(owner) if item.init] if is_dataclass(owner) else []
    if key not in known:
        raise SettingsError(where, value, f"is not a setting{nearest(key, known)}")


def _plain(settings: Any, default: Any) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if not item.init or value == getattr(default, item.name):
            continue
        if is_dataclass(value):
            changed[item.name] = _plain(value, getattr(default, item.name))
        elif item.name in _LISTS:
            first = {"kind": "outage"} if item.name == "faults" else {}
            changed[item.name] = [first | _plain(each, _LISTS[item.name]()) for each in value]
        else:
            changed[item.name] = _toml(value, item.metadata.get("rule"))
    return changed


def _toml(value: Any, rule: Any) -> Any:
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, tuple):
        return [_toml(each, rule) for each in value]
    whole = rule is not None and rule.whole and not isinf(value)
    return int(value) if whole else value
