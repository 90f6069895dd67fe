"""What was compared: the policies in words, the settings that differ, and the scenarios."""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Any

from simlib.core.card import count_in_words
from simlib.review.changes import default_of, format_any, list_settings
from simlib.review.document import Code, Content, DataTable, Paragraph, Section
from simlib.review.material import Material
from simlib.review.results import PlayedPolicy
from simlib.scenario.rates import handshakes_per_s
from simlib.scenario.scenario import Scenario
from simlib.scenario.words import describe_fault


def write_settings(material: Material) -> Section:
    """Return the section that says what was compared."""
    question = material.question
    scenarios = [describe_scenario(scenario) for scenario in question.scenarios]
    row = material.results.by_scenario[0]
    words = [[each.name, each.scenario.client.backoff.in_words] for each in row]
    for each in row:
        if each.scenario.cohorts:
            names = ", ".join(cohort.name for cohort in each.scenario.cohorts)
            words.append([each.name, f"with cohorts that have settings of their own: {names}"])
    blocks: list[Content] = [
        Paragraph(" ".join(scenarios)),
        DataTable.of("policies", "The reconnect policies in words", ["policy", "waits"], words, 9),
    ]
    if len(row) > 1:
        blocks.append(_differences(row))
        blocks += [
            Code(_diff(row[0], each), "diff", f"From the policy as given to {each.name}")
            for each in row[1:]
            if each.policy == material.verdict.recommended
        ]
    runs = count_in_words(question.replications, "run")
    runs += f" each on {question.on}, under the same seeds"
    blocks.append(Paragraph(f"Every policy was played in {runs}. {question.engine_note}".strip()))
    if failures := material.results.failures:
        count = count_in_words(len(failures), "run")
        blocks.append(Paragraph(f"Left out, because it failed: {count}. The first: {failures[0]}."))
    return Section("compared", "What was compared", tuple(blocks))


def describe_scenario(scenario: Scenario) -> str:
    """Return a scenario in a sentence or two."""
    faults = "; ".join(describe_fault(fault) for fault in scenario.faults) or "no fault"
    faults = faults.replace(" since ", " from ").replace(" until ", " to ")
    limit = handshakes_per_s(scenario)
    server = f"; the server can take {limit:,.10g} connections per second" if limit < inf else ""
    size = f"{scenario.clients:,} client{'s' if scenario.clients > 1 else ''}"
    return f"Scenario {scenario.name}: {size} for {scenario.duration_s:,.10g} s, {faults}{server}."


def _differences(row: tuple[PlayedPolicy, ...]) -> DataTable:
    settings = [list_settings(each.scenario.client) for each in row]
    keys = [key for key in dict.fromkeys(key for each in settings for key in each)
            if len({repr(each.get(key)) for each in settings}) > 1]  # fmt: skip
    rows = [[key, *(format_any(key, each) for each in settings)] for key in sorted(keys)]
    heading = ["setting", *(each.name for each in row)]
    return DataTable.of("settings", "The settings that differ", heading, rows)


def _diff(one: PlayedPolicy, other: PlayedPolicy) -> str:
    before, after = (list_settings(each.scenario.client) for each in (one, other))
    lines = []
    for key in sorted({*before, *after}):
        if before.get(key) == after.get(key):
            continue
        lines += [f"- {key} = {_toml(before.get(key, default_of(key)))}"]
        lines += [f"+ {key} = {_toml(after.get(key, default_of(key)))}"]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    import tomli_w

    value = value.name.lower() if isinstance(value, Enum) else value
    value = list(value) if isinstance(value, tuple) else value
    return tomli_w.dumps({"value": value}).strip().removeprefix("value = ")
