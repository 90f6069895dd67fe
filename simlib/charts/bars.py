"""A run's attempts as one line of characters, with its faults below."""

from __future__ import annotations

from math import inf

import numpy as np

from simlib.core.faults import Fault
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempt_times_s, count_tenths
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.trace import Trace

#: A run is as wide as this, so that it fits into a terminal with a margin.
WIDTH = 60
_BLOCKS, _ASCII = " ▁▂▃▄▅▆▇█", " .:-=+*#@"


def attempt_bars(trace: Trace, ascii_only: bool = False) -> tuple[str, str, str]:
    """Return a title, the bars and the marks of the faults, for a terminal.

    Each bar is the rate of attempts in its sixtieth of the run, beside the highest of them.
    """
    rates = _rates_per_s(trace)
    top = float(rates.max())
    letters = _ASCII if ascii_only else _BLOCKS
    highest = len(letters) - 1
    levels = np.ceil(highest * rates / top).astype(int) if top else np.zeros(WIDTH, int)
    bars = "".join(letters[level] for level in levels.tolist())
    title = f"attempts over time, from 0 to {trace.end_s:,g} s"
    return title, bars.rstrip(), _marks(trace)


def _rates_per_s(trace: Trace) -> Floats:
    """Return attempts per second in each bar; one may be a tenth of a second wider than another."""
    tally = trace.tally
    counts = (
        count_tenths(attempt_times_s(trace), 0.0) if tally is None else np.asarray(tally.tenths)
    )
    tenths = max(1, int(np.ceil(trace.end_s * TENTHS_PER_S)))
    bars = np.arange(tenths) * WIDTH // tenths
    full = np.zeros(tenths)
    full[: min(tenths, counts.size)] = counts[:tenths]
    widths_s = np.bincount(bars, minlength=WIDTH) / TENTHS_PER_S
    sums = np.bincount(bars, full, minlength=WIDTH)
    return np.divide(sums, widths_s, out=np.zeros(WIDTH), where=widths_s > 0.0)


def _marks(trace: Trace) -> str:
    """Return a line that marks when a fault is on, with its name beside the last mark."""
    line = [" "] * WIDTH
    faults = [fault for fault in trace.scenario.faults if fault.start_s < trace.end_s]
    for fault in faults:
        first, last = _columns(fault, trace.end_s)
        line[first : last + 1] = "-" * (last + 1 - first)
    names = dict.fromkeys(fault.kind.name.lower().replace("_", " ") for fault in faults)
    return f"{''.join(line).rstrip()} {', '.join(names)}".rstrip()


def _columns(fault: Fault, end_s: float) -> tuple[int, int]:
    """Return the first and the last bar of the time in which a fault is on."""
    stop_s = min(fault.end_s, end_s) if fault.end_s < inf else end_s
    first = min(WIDTH - 1, int(WIDTH * fault.start_s / end_s))
    return first, max(first, min(WIDTH, round(WIDTH * stop_s / end_s)) - 1)
