"""What a shell completes: scenarios, presets, the keys of settings, metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem

from simlib.cli.arguments import shipped_scenarios

if TYPE_CHECKING:
    import click

Items = list[CompletionItem]


def complete_scenario(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a shipped scenario, or a file."""
    return [*_items(shipped_scenarios(), incomplete), _a_file(incomplete)]


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a shipped scenario, a preset or a file."""
    from simlib.scenario.presets import PREFIX, presets

    names = [*shipped_scenarios(), *(f"{PREFIX}{name}" for name in presets)]
    return [*_items(names, incomplete), _a_file(incomplete)]


def complete_preset(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a preset's name."""
    from simlib.scenario.presets import presets

    return _items(presets, incomplete)


def complete_setting(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the key of KEY=VALUE, and then the words that its value may be."""
    from simlib.scenario.scenario import Scenario

    key, is_value, _ = incomplete.partition("=")
    known = dict(_settings(Scenario()))
    if not is_value:
        return _items((f"{name}=" for name in known), incomplete)
    return _items((f"{key}={word}" for word in known.get(key, ())), incomplete)


def complete_rule(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the metric that a rule of --fail-if begins with."""
    from simlib.metrics.meaning import MEANING

    return _items((metric for metric in MEANING if metric != "engine"), incomplete)


def complete_group(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a group of what is validated."""
    from simlib.studies.validate.case import Topic

    return _items((group.value for group in Topic), incomplete)


def _settings(owner: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Give every setting by its path, with the words that it may be; none for a number."""
    from dataclasses import fields, is_dataclass

    for item in fields(owner):
        value = getattr(owner, item.name)
        if not item.init:
            continue
        if is_dataclass(value):
            yield from _settings(value, f"{path}{item.name}.")
        else:
            yield f"{path}{item.name}", _words(item.metadata)


def _words(metadata: Any) -> list[str]:
    if "flag" in metadata:
        return ["true", "false"]
    words = metadata["choice"].__members__ if "choice" in metadata else ()
    return [name.lower() for name in words]


def _items(names: Iterable[str], incomplete: str) -> Items:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _a_file(incomplete: str) -> CompletionItem:
    """Return what has the shell complete files, beside what else there is."""
    return CompletionItem(incomplete, type="file")
