"""Read a real client's own options as a policy: recognise the kind, and let it read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simlib.core.errors import FileError, SettingsError, on_one_line
from simlib.core.settings import Settings
from simlib.core.validation import nearest
from simlib.scenario.build import build
from simlib.studies.policy.imports.aws import AWS
from simlib.studies.policy.imports.grpc import GRPC_CHANNEL, GRPC_RETRY
from simlib.studies.policy.imports.imported import ImportedPolicy
from simlib.studies.policy.imports.kind import DEEPEST_OPTIONS, OptionKind, calls, tables
from simlib.studies.policy.imports.kubernetes import BACKOFF, LIMITER
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.polly import POLLY
from simlib.studies.policy.imports.proxies import ENVOY, ISTIO
from simlib.studies.policy.imports.python_decorators import STAMINA, TENACITY
from simlib.studies.policy.imports.resilience4j import RESILIENCE4J
from simlib.studies.policy.imports.texts import read_file, read_values
from simlib.studies.policy.imports.wait_lists import PHOENIX, SIGNALR
from simlib.studies.policy.imports.websocket_clients import (
    GRAPHQL_WS,
    PARTYSOCKET,
    RECONNECTING_WEBSOCKET,
    SOCKET_IO,
)
from simlib.support.arguments import check_arguments

#: A text that is longer is no name of a file.
_LONGEST_PATH = 1000
#: The kinds of options that can be imported, by name.
KINDS: dict[str, OptionKind] = {
    kind.name: kind
    for kind in (
        *(SOCKET_IO, RECONNECTING_WEBSOCKET, PARTYSOCKET, GRAPHQL_WS, PHOENIX, SIGNALR),
        *(POLLY, RESILIENCE4J, GRPC_RETRY, GRPC_CHANNEL, ENVOY, ISTIO, AWS),
        *(TENACITY, STAMINA, BACKOFF, LIMITER),
    )
}


@check_arguments
def policy_from(
    options: str | Path | Mapping[str, Any] | list[Any],
    kind: str | None = None,
    *,
    source: str = "options",
) -> ImportedPolicy:
    """Return a real client's own options as a policy, and what of them cannot be said.

    Parameters
    ----------
    options : str, path, mapping or list
        The options as they stand in JSON, YAML or a program (JavaScript, Python, Go, C#), which is
        parsed and never run; the path of a file with them; or what they mean as Python values.
        Times have the unit that the client gives them.
    kind : str, optional
        What they are options of, one of `KINDS`; by default what their keys say.
    source : str
        What errors call the options, if they are in no file.

    Returns
    -------
    ImportedPolicy
        The settings of a client, for ``Scenario(client=...)``; what cannot be said; notes.

    Raises
    ------
    SettingsError
        If there is no such kind.
    FileError
        If the options cannot be read, are of no known kind or of several, or one of them breaks a
        rule: names source, key, value and rule.

    Examples
    --------
    >>> import simlib as sl
    >>> found = sl.policy_from("{ reconnectionDelay: 500, reconnectionDelayMax: 20000 }")
    >>> found.kind, found.client.backoff.base_s, found.client.backoff.cap_s
    ('socket.io-client', 0.5, 20.0)
    """
    if kind is not None and kind not in KINDS:
        rule = f"must be one of {', '.join(KINDS)}{nearest(kind, list(KINDS))}"
        raise SettingsError("kind", kind, rule)
    values, source = _values(options, source)
    chosen = [KINDS[kind]] if kind is not None else list(KINDS.values())
    for value in values:
        if imported := _import(value, source, chosen, forced=kind is not None):
            return imported
    raise _unknown(values, source, kind)


def _values(options: Any, source: str) -> tuple[list[Any], str]:
    """Return what options may mean, and what errors call them."""
    if isinstance(options, Path) or (isinstance(options, str) and _is_file(options)):
        return read_values(read_file(Path(options)), str(options), Path(options).suffix), str(
            options
        )
    if isinstance(options, str):
        return read_values(options, source), source
    return [_plain(options)], source


def _is_file(text: str) -> bool:
    try:
        return "\n" not in text and len(text) <= _LONGEST_PATH and Path(text).is_file()
    except (OSError, ValueError):
        return False


def _plain(value: Any) -> Any:
    """Return values as a text would give them: tuples are lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _import(
    value: Any, source: str, kinds: list[OptionKind], *, forced: bool
) -> ImportedPolicy | None:
    """Return the policy of a value; None if it is of no kind. Several kinds must agree."""
    found: list[tuple[int, OptionKind, Mapping[str, Any]]] = []
    for kind in kinds:
        options = kind.locate(value)
        if options is None and forced and isinstance(value, Mapping):
            options = {str(key): entry for key, entry in value.items()}
        if options is not None:
            found.append((kind.count_known(options), kind, options))
    if not found:
        return None
    most = max(count for count, _, _ in found)
    likeliest = [(kind, options) for count, kind, options in found if count == most]
    read = [_read(kind, options, source) for kind, options in likeliest]
    if any(one.client != read[0].client for one in read[1:]):
        names = " and ".join(one.kind for one in read)
        raise FileError(source, f"fits {names}, which differ: say which with --from or kind")
    return read[0]


def _read(kind: OptionKind, given: Mapping[str, Any], source: str) -> ImportedPolicy:
    options = Options(kind.name, source, given)
    table = kind.read(options)
    options.finish(kind.unsayable)
    try:
        client = build(Settings, table)
    except SettingsError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(source, f"these options of {kind.name} give {error}") from error
    return ImportedPolicy(kind.name, source, client, tuple(options.lacks), tuple(options.notes))


def _unknown(values: list[Any], source: str, kind: str | None) -> FileError:
    """Return the error of options that are of no kind; a misspelt key has its nearest."""
    if kind is not None:
        return FileError(source, f"holds no options of {kind}{_say_if_too_deep(values)}")
    keys = [str(key) for value in values for table in tables(value) for key in table]
    keys += [call.name for value in values for call in calls(value)]
    keys = [on_one_line(key)[:40] for key in keys]
    for key in keys:
        for known in KINDS.values():
            if key not in known.signs and (near := nearest(key, sorted(known.signs))):
                return FileError(source, f"is no option that is known{near}, of {known.name}", key)
    said = f" ({', '.join(keys[:5])})" if keys else ""
    rule = f"is of no kind that is known{said}{_say_if_too_deep(values)}: say which with --from"
    return FileError(source, f"{rule} or kind, one of {', '.join(KINDS)}")


def _say_if_too_deep(values: list[Any]) -> str:
    """Return where options are not sought, if there is anything."""
    counts = [
        sum(1 for value in values for _ in tables(value, DEEPEST_OPTIONS + i)) for i in (0, 1)
    ]
    return f" (sought {DEEPEST_OPTIONS} levels deep)" if counts[0] < counts[1] else ""
