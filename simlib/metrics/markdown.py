"""Tables of metrics as Markdown, for an issue or a document of a design."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from simlib.core.errors import SettingsError
from simlib.metrics.intervals import Estimate
from simlib.metrics.meaning import MEANING
from simlib.metrics.words import metric_in_words, say_mean
from simlib.support.arguments import check_arguments

if TYPE_CHECKING:
    import pandas as pd


@check_arguments
def markdown(table: pd.DataFrame) -> str:
    """Return a table of `summary` as Markdown: a row for each metric that has a value.

    Parameters
    ----------
    table : DataFrame
        What `summary` returned, with or without intervals, or some of its columns.

    Returns
    -------
    str
        A column for each run or label. A mean has its 95 % interval in parentheses.

    Raises
    ------
    SettingsError
        If no column is a metric.

    Examples
    --------
    >>> import simlib as sl
    >>> runs = [sl.run(sl.Scenario(clients=3, duration_s=5, seed=seed)) for seed in range(3)]
    >>> print(sl.markdown(sl.summary(runs, intervals=True)[["attempts", "gave_up"]]))
    | | scenario |
    | --- | ---: |
    | attempts | 3 |
    | gave up | 0 |
    """
    metrics = [name for name in table.columns if name in MEANING and name != "engine"]
    if not metrics:
        raise SettingsError("table", list(table.columns), "must have a column that is a metric")
    heading = ["", *map(str, table.index)]
    rows = [
        [metric_in_words(metric), *(_say(metric, row) for _, row in table.iterrows())]
        for metric in metrics
        if not table[metric].isna().all()
    ]
    return markdown_table(heading, rows)


def _say(metric: str, row: pd.Series[Any]) -> str:
    low, high = (float(row.get(f"{metric} {end}", float("nan"))) for end in ("low", "high"))
    return say_mean(Estimate(float(row[metric]), low, high, 0))


def markdown_table(
    heading: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int = 1
) -> str:
    r"""Return rows of text as a table in Markdown; columns of numbers stand to the right.

    Examples
    --------
    >>> print(markdown_table(["a|b", "n"], [["x", "1"]]))
    | a\|b | n |
    | --- | ---: |
    | x | 1 |
    """
    rule = ["---:" if i >= numbers_from else "---" for i in range(len(heading))]
    lines = ["| " + " | ".join(map(escape_markdown, row)) + " |" for row in (heading, *rows)]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]]).replace("|  |", "| |")


def escape_markdown(text: str) -> str:
    r"""Return text that Markdown shows as it is.

    Examples
    --------
    >>> escape_markdown("a_b *c* <script>")
    'a\\_b \\*c\\* &lt;script&gt;'
    """
    text = html.escape(" ".join(text.split("\n")), quote=False)
    return re.sub(r"([\\`*_\[\]#|])", r"\\\1", text)
