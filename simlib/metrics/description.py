"""A run described: sentences that say what it shows, then its numbers in groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import isinf, isnan
from typing import Any

from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.metrics.metrics import row
from simlib.metrics.run_sentences import describe_numbers
from simlib.metrics.words import REFUSALS, format_number
from simlib.trace.disruptions import describe_unnoticed
from simlib.trace.trace import Trace

#: What is shown of each group, in order: a metric, or the start of the names of its quantiles.
GROUPS: dict[str, dict[str, str]] = {
    "Load on the server": {
        "attempts": "attempts",
        "peak_attempts_per_s": "attempts in the worst second",
        "peak_after_fault_per_s": "the same after the fault",
        "amplification": "attempts per useful connection",
    },
    "The server": {
        "server_busy_fraction": "workers' time at work",
        "backlog_mean": "handshakes that waited, mean",
        "backlog_worst": "the same at worst",
        "backlog_wait_s": "wait for a worker, s",
        "handshakes_served": "handshakes served",
        "handshakes_abandoned": "of those, in vain",
        **REFUSALS,
        "open_connections_worst": "most connections open",
        "messages_limited": "messages over a client's rate",
        "sign_ins": "sign-ins",
    },
    "Getting back": {
        "time_to_detect_s": "time to detect, s",
        "time_to_recover_s": "time to recover, s",
        "downtime_s": "downtime, s",
        "never_recovered": "never recovered",
    },
    "Messages": {
        "sent": "sent",
        "delivered_fraction": "delivered",
        "lost": "lost",
        "undelivered": "still under way",
        "duplicate_fraction": "arrived twice",
        "doubled": "counted twice",
        "latency_s": "latency, s",
        "staleness_s": "staleness of edits, s",
        "superseded": "superseded",
        "contested": "contested edits",
    },
    "What clients did": {
        "availability_fraction": "time available",
        "mean_wait_s": "mean wait, s",
        "gave_up": "gave up",
        "polling_fraction": "time on polling",
        "breaker_open_fraction": "time with an open breaker",
    },
}
QUANTILES = (50, 95, 99)
#: Shown even if they are 0, where there is anything to lose or to come back from.
_ZERO_SAYS = {"never_recovered": "time_to_recover_s_p50", "lost": "latency_s_p50"}


@dataclass(frozen=True)
class Line:
    """One line of the table: a single number, or quantiles."""

    group: str
    words: str
    value: str = ""
    quantiles: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class RunDescription(ShowsCard):
    """A run in sentences and numbers, which shows itself in a terminal and in a notebook.

    Attributes
    ----------
    trace : Trace
        The run.
    sentences : str
        What happened, made from the numbers.
    lines : tuple of Line
        The numbers that say something, by group.
    note : str
        What the numbers leave out; empty: nothing.
    bars : tuple of str
        Attempts over time: what is shown, a bar for each sixtieth of the run, when faults were on.
    hint : str
        The worst finding of `lint`; empty: it has none.

    Examples
    --------
    >>> import simlib as sl
    >>> len(sl.describe_run(sl.run(sl.Scenario(clients=3, duration_s=5))).lines) > 0
    True
    """

    trace: Trace
    sentences: str
    lines: tuple[Line, ...]
    note: str = ""
    bars: tuple[str, str, str] = ("", "", "")
    hint: str = ""

    def card(self) -> Card:
        """Return what is shown: the sentences, then the numbers."""
        scenario = self.trace.scenario
        size = f"{count_in_words(scenario.clients, 'client')}, {scenario.duration_s:,g} s"
        rows: list[tuple[str, ...]] = []
        for group, lines in groupby(self.lines, lambda line: line.group):
            rows.append((group, "", "", "", ""))
            rows += [
                (f"- {line.words}", line.value, *(line.quantiles or ("", "", ""))) for line in lines
            ]
        return Card(
            f"{self.trace.label} on {self.trace.engine}: {size}",
            tuple(rows),
            heading=("", "value", "p50", "p95", "p99"),
            notes=(self.note, self.hint),
            picture=self._picture(),
            lead=self.sentences,
        )

    def _picture(self) -> str:
        """Return the bars for a notebook, in letters of one width."""
        title, *lines = (escape(line) for line in self.bars)
        shown = "\n".join(lines)
        return f"<p>{title}</p><pre>{shown}</pre>" if title else ""


def describe_metrics(
    trace: Trace, bars: tuple[str, str, str] = ("", "", ""), hint: str = ""
) -> RunDescription:
    """Return a run in sentences and numbers, with its attempts as bars and a hint if there are."""
    values = row(trace)
    return RunDescription(
        trace,
        describe_numbers(trace, values),
        tuple(_lines(values)),
        describe_unnoticed(trace.scenario),
        bars,
        hint,
    )


def _lines(values: Mapping[str, Any]) -> Iterator[Line]:
    for group, metrics in GROUPS.items():
        for metric, words in metrics.items():
            if f"{metric}_p50" in values:
                numbers = [float(values.get(f"{metric}_p{q}", float("nan"))) for q in QUANTILES]
                if not isnan(numbers[0]):
                    yield Line(group, words, quantiles=tuple(map(_time, numbers)))
            elif _says_something(metric, values):
                yield Line(group, words, _format_value(metric, float(values[metric])))


def _time(value_s: float) -> str:
    return "never" if isinf(value_s) else format_number(value_s)


def _says_something(metric: str, values: Mapping[str, Any]) -> bool:
    value = values.get(metric, float("nan"))
    if isnan(value):
        return False
    return bool(value) or not isnan(values.get(_ZERO_SAYS.get(metric, ""), float("nan")))


def _format_value(metric: str, value: float) -> str:
    if not metric.endswith("_fraction"):
        return format_number(value)
    shown = f"{100.0 * value:.3g}"
    # What is not all is not told as all.
    return "> 99.9 %" if shown == "100" and value < 1.0 else f"{shown} %"
