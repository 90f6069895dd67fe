"""Networks by name, and latencies from measured round trips, for scenarios to use."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from simlib.core.errors import FileError, SettingsError
from simlib.core.path import Latency, Path
from simlib.core.validation import nearest
from simlib.scenario.build import build
from simlib.scenario.measurements import RoundTrips, read_messages, read_round_trips
from simlib.scenario.start_times import starts_table
from simlib.support.arguments import check_arguments
from simlib.support.files import find_shipped
from simlib.support.toml_errors import describe_toml_error
from simlib.support.toml_files import parse_toml, read_toml_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Quantiles that are kept of a measurement.
MOST_QUANTILES = 201
#: What a profile says beside the path's own settings.
_WORDS = ("source", "note")


def networks() -> dict[str, dict[str, Any]]:
    """Return the shipped networks by name: the settings of a path, with source and note.

    Examples
    --------
    >>> "lte_driving" in networks()
    True
    """
    return tomllib.loads(find_shipped("networks.toml").read_text(encoding="utf-8"))


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
        known = parse_toml(read_toml_text(file))
    except (OSError, ValueError) as error:
        raise FileError(file, describe_toml_error(error)) from error
    tables = {name: table for name, table in known.items() if isinstance(table, dict)}
    if len(known) != 1 or len(tables) != 1:
        said = ", ".join(known) or "nothing"
        rule = "must hold one network, a table [NAME] with the settings of a path"
        raise FileError(file, f"{rule}; it holds {said}")
    [(name, table)] = tables.items()
    settings = path_table(_settings(table), file.parent)
    try:
        build(Path, settings)
    except SettingsError as error:
        raise FileError(file, error.rule, where=f"{name}.{error.key}", value=error.value) from error
    return settings


def _settings(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in _WORDS}


@check_arguments
def read_latency(path: str | FilePath, unit: str | None = None) -> Latency:
    """Return the one-way latency of measured round trips: half of each, as a table of quantiles.

    Parameters
    ----------
    path : str or path
        Round trips, at least 20: a column of a table, or what ``ping`` printed.
    unit : {"s", "ms", "us"}, optional
        The unit of numbers that have none beside them or in their heading; by default seconds.

    Raises
    ------
    SettingsError
        Naming file, row, value and rule.
    """
    return Latency(**_quantile_table(read_round_trips(path, unit)))


def _quantile_table(measured: RoundTrips) -> dict[str, Any]:
    return {"distribution": "table", "table_s": list(quantiles(measured.values_s / 2.0))}


def quantiles(ascending: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Return at most 201 quantiles at equal steps of probability, the extremes included.

    Examples
    --------
    >>> quantiles([1.0, 2.0, 4.0])
    (1.0, 2.0, 4.0)
    """
    count, last = min(MOST_QUANTILES, len(ascending)), len(ascending) - 1
    if count < 1:
        raise SettingsError("quantiles", list(ascending), "must be of one value at least")
    steps = max(1, count - 1)
    return tuple(float(ascending[round(i * last / steps)]) for i in range(count))


def resolve(data: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a scenario's tables with ``network`` and ``path.latency.csv`` put into its path.

    What the path says itself goes before what the network says. ``workload.csv`` becomes the
    recorded messages of that file, and ``arrivals_csv`` the recorded starts of its own.
    """
    tables = starts_table(data, folder)
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
    """Return a path's table with the measured latency that it names, and the measured loss."""
    latency = path.get("latency")
    if not isinstance(latency, dict) or "csv" not in latency:
        return dict(path)
    measured = _read_measured(latency, folder)
    loss = {"loss_fraction": measured.loss_fraction} if measured.lost else {}
    return loss | dict(path) | {"latency": _quantile_table(measured)}


def latency_table(latency: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a latency's table, of quantiles where it names a file of round trips."""
    return _quantile_table(_read_measured(latency, folder)) if "csv" in latency else dict(latency)


def _read_measured(latency: Mapping[str, Any], folder: FilePath) -> RoundTrips:
    if not latency.keys() <= {"csv", "unit"}:
        rule = "is a distribution of its own: no other key of latency goes with it, but unit"
        raise SettingsError("path.latency.csv", latency["csv"], rule)
    return read_round_trips(folder / str(latency["csv"]), latency.get("unit"))


def workload_table(work: Mapping[str, Any], folder: FilePath) -> dict[str, Any]:
    """Return a workload's table with the recorded messages of the file that it names."""
    if "csv" not in work:
        return dict(work)
    others = {key: value for key, value in work.items() if key != "csv"}
    if "recorded" in others or others.get("arrivals", "recorded") != "recorded":
        rule = 'holds recorded messages: no other ones, and no arrivals but "recorded", go with it'
        raise SettingsError("workload.csv", work["csv"], rule)
    recorded = read_messages(folder / str(work["csv"]))
    return others | {"arrivals": "recorded", "recorded": recorded}
