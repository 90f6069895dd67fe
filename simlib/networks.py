"""Networks by name, and latencies from measured round trips, for scenarios to use."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path as FilePath
from typing import Any

from simlib.core.errors import FileError, SettingsError, SimlibError
from simlib.core.path import Distribution, Latency, Path
from simlib.core.rules import nearest

NETWORKS = FilePath(__file__).parents[1] / "data" / "networks.toml"
#: Fewer round trips say nothing of a tail.
FEWEST_ROWS = 20
#: Quantiles that are kept of a measurement.
MOST_QUANTILES = 201
#: A median above this many seconds is most likely in milliseconds.
_LIKELY_MILLISECONDS = 5.0
#: What a profile says beside the path's own settings.
_WORDS = ("source", "note")


def networks() -> dict[str, dict[str, Any]]:
    """Return the shipped networks by name: the settings of a path, with source and note.

    Examples
    --------
    >>> "lte_driving" in networks()
    True
    """
    if not NETWORKS.is_file():
        raise SimlibError(
            "the shipped networks are in simlib's source tree, and this simlib was installed "
            "without it: give the path's settings instead"
        )
    return tomllib.loads(NETWORKS.read_text(encoding="utf-8"))


def network(name: str, folder: FilePath = FilePath()) -> dict[str, Any]:
    """Return the path settings of a shipped network, or of one in a TOML file.

    Parameters
    ----------
    name : str
        The network's name, or a file of one network such as ``simlib calibrate`` writes.
    folder : path
        Where the file is sought first; then in the working directory.

    Raises
    ------
    SettingsError
        If there is no such network, or the file holds none.

    Examples
    --------
    >>> network("chrome_slow_4g")["latency"]
    {'distribution': 'constant', 'mean_s': 0.075}
    """
    if not isinstance(name, str):
        raise SettingsError("network", name, "must be a network's name, or a TOML file")
    if name.endswith(".toml"):
        beside = folder / name
        return _network_file(beside if beside.is_file() else FilePath(name))
    known = networks()
    if name not in known:
        rule = f"is no shipped network{nearest(name, list(known))}; data/networks.toml has them"
        raise SettingsError("network", name, rule)
    return _settings(known[name])


def _network_file(file: FilePath) -> dict[str, Any]:
    """Return the path settings in a file of one network, checked, so that errors name the file."""
    try:
        known = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FileError(file, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(file, f"is not TOML: {error}") from error
    tables = {name: each for name, each in known.items() if isinstance(each, dict)}
    if len(known) != 1 or len(tables) != 1:
        said = ", ".join(known) or "nothing"
        rule = "must hold one network, a table [NAME] with the settings of a path"
        raise FileError(file, f"{rule}; it holds {said}")
    [(name, found)] = tables.items()
    from simlib.scenario import build

    settings = path_table(_settings(found), file.parent)
    try:
        build(Path, settings)
    except SettingsError as error:
        raise FileError(file, error.rule, where=f"{name}.{error.key}", value=error.value) from error
    return settings


def _settings(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in _WORDS}


def read_latency(path: str | FilePath) -> Latency:
    """Return the one-way latency of measured round trips: half of each, as a table of quantiles.

    Parameters
    ----------
    path : str or path
        A CSV file of one column: round trips in seconds, at least 20; a header is skipped.

    Raises
    ------
    SettingsError
        Naming file, row, value and rule.
    """
    return Latency(
        distribution=Distribution.TABLE,
        table_s=quantiles([rtt_s / 2.0 for rtt_s in read_round_trips_s(path)]),
    )


def read_round_trips_s(path: str | FilePath) -> list[float]:
    """Return the round trips in a CSV file, ascending."""
    values = []
    for number, row in _rows(path):
        if len(row) > 1:
            rule = "must have one column: round trips in seconds"
            raise SettingsError(f"{path}: row {number}", ",".join(row), rule)
        values.append(_round_trip_s(f"{path}: row {number}", row[0]))
    if len(values) < FEWEST_ROWS:
        rule = f"must have at least {FEWEST_ROWS} round trips: fewer say nothing of a tail"
        raise SettingsError(str(path), len(values), rule)
    values.sort()
    median_s = values[len(values) // 2]
    if median_s > _LIKELY_MILLISECONDS:
        rule = "is a median of more than 5 s: are these milliseconds? They must be seconds"
        raise SettingsError(str(path), median_s, rule)
    return values


def read_messages(path: str | FilePath) -> list[list[Any]]:
    """Return recorded messages: time in seconds, priority and size in bytes of each.

    Parameters
    ----------
    path : str or path
        A CSV file of three columns: time_s, priority (as high) and size_bytes; a header is skipped.

    Raises
    ------
    SettingsError
        Naming file, row, value and rule.
    """
    messages = []
    for number, row in _rows(path):
        if len(row) != 3 or not _is_number(row[0]) or not row[2].strip().isdecimal():
            rule = "must be time_s, priority, size_bytes, as 0.5,high,200"
            raise SettingsError(f"{path}: row {number}", ",".join(row), rule)
        messages.append([float(row[0]), row[1].strip(), int(row[2])])
    return messages


def quantiles(ascending: list[float]) -> tuple[float, ...]:
    """Return at most 201 quantiles at equal steps of probability, the extremes included.

    Examples
    --------
    >>> quantiles([1.0, 2.0, 4.0])
    (1.0, 2.0, 4.0)
    """
    count, last = min(MOST_QUANTILES, len(ascending)), len(ascending) - 1
    return tuple(ascending[round(i * last / (count - 1))] for i in range(count))


def resolved(data: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a scenario's tables with ``network`` and ``path.latency.csv`` put into its path.

    What the path says itself goes before what the network says. ``workload.csv`` becomes the
    recorded messages of that file.
    """
    tables = dict(data)
    if isinstance(tables.get("workload"), dict):
        tables["workload"] = workload_table(tables["workload"], folder)
    name = tables.pop("network", None)
    own = tables.get("path", {})
    if not isinstance(own, dict):
        return tables
    said = network(name, folder) if name is not None else {}
    if said or own:
        tables["path"] = path_table(said | own, folder)
    return tables


def path_table(path: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a path's table with the measured latency that it names."""
    latency = path.get("latency")
    if not isinstance(latency, dict):
        return dict(path)
    return dict(path) | {"latency": latency_table(latency, folder)}


def latency_table(latency: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a latency's table, of quantiles where it names a file of round trips."""
    if "csv" not in latency:
        return dict(latency)
    if len(latency) > 1:
        rule = "is a distribution of its own: no other key of latency goes with it"
        raise SettingsError("path.latency.csv", latency["csv"], rule)
    measured = read_latency(folder / str(latency["csv"]))
    return {"distribution": "table", "table_s": list(measured.table_s)}


def workload_table(work: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a workload's table with the recorded messages of the file that it names."""
    if "csv" not in work:
        return dict(work)
    others = {key: value for key, value in work.items() if key != "csv"}
    recorded = read_messages(folder / str(work["csv"]))
    return others | {"arrivals": "recorded", "recorded": recorded}


def _rows(path: str | FilePath) -> Iterator[tuple[int, list[str]]]:
    """Give the rows of a CSV file with their numbers, without a header and empty ones."""
    try:
        text = FilePath(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError("csv", str(path), f"cannot be read: {why}") from error
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        if row and (number > 1 or _is_number(row[0])):
            yield number, row


def _round_trip_s(where: str, text: str) -> float:
    if not _is_number(text):
        raise SettingsError(where, text, "must be a number of seconds")
    value = float(text)
    if not isfinite(value) or value < 0.0:
        raise SettingsError(where, text, "must be a finite number of seconds, 0 or more")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
