"""Presets and their storms as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from simlib.core.backoff import Backoff
from simlib.metrics.policy_waits import waits_s
from simlib.metrics.words import format_number
from simlib.scenario.presets import Preset
from simlib.scenario.scenario import Scenario
from simlib.studies.policy.benchmark import STORM_COLUMNS


def presets_in_words(known: Mapping[str, Preset]) -> Table:
    """Return the presets for a terminal, a line each: name, kind, how it waits."""
    table = _table()
    table.add_column("preset", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("waits")
    for name, preset in known.items():
        table.add_row(name, preset.kind, preset.waits)
    return table


def preset_in_words(preset: Preset) -> Group:
    """Return one preset for a terminal: what it is, its first waits, its settings as TOML."""
    import tomli_w

    said = _table(header=False)
    said.add_column(style="dim", no_wrap=True)
    said.add_column()
    for name in ("kind", "source", "differs", "waits", "stops"):
        said.add_row(name, getattr(preset, name))
    parts: list[Any] = [preset.name, "", said, ""]
    if preset.client.backoff.max_attempts > 0:
        parts += [_waits(preset.client.backoff), ""]
    return Group(*parts, tomli_w.dumps({"client": dict(preset.table)}).rstrip())


def _waits(rules: Backoff) -> Table:
    table = _table()
    table.add_column("attempt", justify="right")
    for name in ("shortest", "median", "longest wait, s"):
        table.add_column(name, justify="right")
    least, _, median, _, most = waits_s(rules)
    for k in np.flatnonzero(~np.isnan(median)).tolist():
        table.add_row(str(k + 1), *(format_number(float(row[k])) for row in (least, median, most)))
    return table


def storms_in_words(table: pd.DataFrame, played: Scenario, on: str) -> Group:
    """Return the storms for a terminal, a line each, those back soonest first."""
    result = _table()
    result.add_column("client", no_wrap=True)
    # Together no wider than a terminal of 80 columns.
    heads = ("worst/s", "after/s", "attempts", "per use", "half, s", "95 %, s", "never")
    for head in heads:
        result.add_column(head, justify="right")
    for name, row in table.sort_values(["never_back", "back_s_p95"], kind="stable").iterrows():
        result.add_row(str(name), *(format_number(float(row[column])) for column in STORM_COLUMNS))
    (outage,) = played.faults
    said = (
        f"{played.clients:,} clients on {on}: an outage of {outage.end_s - outage.start_s:g} s, "
        f"then a server that opens {played.server.accept_per_s:,g} connections/s"
    )
    key = (
        "worst/s: most attempts in a second; after/s: the same after the outage's end; attempts: "
        "of each client; per use: for each useful connection; half, 95 %: back this soon after the "
        "outage; never: not back by the end."
    )
    return Group(said, "", result, "", Text(key, style="dim"))


def _table(header: bool = True) -> Table:
    return Table(box=None, padding=(0, 1, 0, 0), header_style="bold", show_header=header)
