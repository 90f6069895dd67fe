"""What the server saw: its columns of `summary`, by gateway, and over time."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from simlib.core.admission import Decision
from simlib.core.levels import TENTH_US
from simlib.core.server_settings import has_queue
from simlib.metrics.array_types import Ints
from simlib.metrics.run_columns import RunColumns
from simlib.metrics.server_counts import count_servers
from simlib.metrics.statistics import named_quantiles, ratio
from simlib.support.arguments import check_arguments
from simlib.trace.columns import Kind, Name
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.server_counts import (
    ABANDONED,
    BACKLOG,
    BUSY,
    OPENED,
    REFUSED,
    SERVED,
    SERVER_COLUMNS,
    THERE,
    ServerCounts,
)
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

#: Columns of refusals, by what was met.
_REFUSALS = {
    "refused_backlog": Decision.BACKLOG,
    "refused_rate": Decision.RATE,
    "refused_connections": Decision.CONNECTIONS,
    "refused_session": Decision.SESSION,
    "refused_address": Decision.ADDRESS,
}
_ANSWERS = {
    "messages_served": (Name.PROCESS, Name.CONTEST),
    "messages_limited": (Name.LIMIT,),
    "sign_ins": (Name.GRANT,),
}


@check_arguments
def gateways(trace: Trace) -> pd.DataFrame:
    """Return what the server of each gateway saw.

    Parameters
    ----------
    trace : Trace
        The run, of any engine.

    Returns
    -------
    DataFrame
        A row per gateway that has clients, by its number, with the server's columns of `summary`.
        None if servers have no limits: such a one takes whatever comes.

    Examples
    --------
    >>> import simlib as sl
    >>> server = sl.ServerSettings(handshake_service_s=0.1)
    >>> table = gateways(sl.run(sl.Scenario(clients=4, duration_s=10, server=server, gateways=2)))
    >>> table["handshakes_served"].to_list()
    [2, 2]
    """
    import pandas as pd

    counts = count_servers(trace)
    rows = [server_numbers(trace, [each]) for each in counts]
    index = pd.RangeIndex(len(counts), name="gateway")
    return pd.DataFrame(rows, index=index, columns=list(server_numbers(trace, [])))


@check_arguments
def server_load(trace: Trace) -> pd.DataFrame:
    """Return what the servers were busy with over time, of all gateways together.

    Parameters
    ----------
    trace : Trace
        The run, of any engine.

    Returns
    -------
    DataFrame
        A row for each tenth of a second, by its begin ``time_s``: ``workers`` that were there,
        ``busy`` ones and handshakes that waited (``backlog``), each as its mean over the tenth;
        connections ``open`` at its end; handshakes ``served`` in it, ``abandoned`` ones among
        them, and ``refused`` ones. No row if servers have no limits.

    Examples
    --------
    >>> import simlib as sl
    >>> server = sl.ServerSettings(handshake_service_s=0.1)
    >>> load = server_load(sl.run(sl.Scenario(clients=4, duration_s=10, server=server)))
    >>> round(float(load["busy"].sum()) / 10, 6)  # worker-seconds
    0.4
    """
    import pandas as pd

    tenths = _add(count_servers(trace))
    columns = {
        "workers": _level(tenths, THERE) / TENTH_US,
        "busy": _level(tenths, BUSY) / TENTH_US,
        "backlog": _level(tenths, BACKLOG) / TENTH_US,
        "open": tenths[:, OPENED].cumsum(),
        "served": tenths[:, SERVED],
        "abandoned": tenths[:, ABANDONED],
        "refused": tenths[:, REFUSED:].sum(axis=1),
    }
    index = pd.Index(np.arange(len(tenths)) / TENTHS_PER_S, name="time_s")
    return pd.DataFrame(columns, index=index)


def server_metrics(trace: Trace) -> dict[str, Any]:
    """Return the columns of `summary` that are about the server."""
    counts = count_servers(trace)
    return server_numbers(trace, counts) if counts else {}


def answer_metrics(run: RunColumns) -> dict[str, int]:
    """Return how many messages and sign-ins the server answered, and how."""
    columns = run.columns
    done = (columns["kind"] == Kind.SERVER) & (columns["time_s"] >= run.scenario.warm_up_s)
    names = columns["name"][done]
    return {column: int(np.isin(names, which).sum()) for column, which in _ANSWERS.items()}


def server_numbers(trace: Trace, counts: Sequence[ServerCounts]) -> dict[str, Any]:
    """Return the numbers of some servers together, from the end of the warm-up on.

    They count whole tenths of a second, so what lasts and what is counted cover the same time.
    """
    first, whole = _counted_tenths(trace)
    tenths = _add(counts)[first:]
    refused = {name: int(tenths[:, REFUSED + which].sum()) for name, which in _REFUSALS.items()}
    before = sum(int(each.tenths[:first, OPENED].sum()) for each in counts)
    open_now = before + tenths[:, OPENED].cumsum()
    return {
        **_queue_numbers(trace, counts, first, whole),
        "handshakes_served": int(tenths[:, SERVED].sum()),
        "handshakes_abandoned": int(tenths[:, ABANDONED].sum()),
        **refused,
        "open_connections_worst": int(np.append(open_now, before).max()),
    }


def _queue_numbers(
    trace: Trace, counts: Sequence[ServerCounts], first: int, whole: int
) -> dict[str, float]:
    """Return the numbers of workers and of who waits for them; NaN where nobody ever waits."""
    if not has_queue(trace.scenario.server) or not counts:
        names = "server_busy_fraction", "backlog_mean", "backlog_worst"
        nothing = dict.fromkeys(names, nan)
        return {**nothing, **named_quantiles("backlog_wait_s", np.empty(0), 50, 95, 99)}
    sums_us = {
        column: sum(int(_level(each.tenths, column)[first:whole].sum()) for each in counts)
        for column in (THERE, BUSY, BACKLOG)
    }
    waits_s = np.sort(np.concatenate([each.waits_s for each in counts]))
    return {
        "server_busy_fraction": ratio(sums_us[BUSY], sums_us[THERE]),
        "backlog_mean": ratio(sums_us[BACKLOG], max(0, whole - first) * TENTH_US * len(counts)),
        "backlog_worst": max(each.worst_backlog for each in counts),
        **named_quantiles("backlog_wait_s", waits_s, 50, 95, 99),
    }


def _counted_tenths(trace: Trace) -> tuple[int, int]:
    """Return the first tenth of a second after the warm-up, and the first that is not whole."""
    # Rounded, since 0.7 s are 7.000000000000001 tenths.
    first = ceil(round(trace.scenario.warm_up_s * TENTHS_PER_S, 6))
    return first, floor(round(trace.end_s * TENTHS_PER_S, 6))


def _level(tenths: Ints, column: int) -> Ints:
    """Return the integral of a level over each tenth of a second, in microseconds."""
    return np.asarray(tenths[:, column].cumsum())


def _add(counts: Sequence[ServerCounts]) -> Ints:
    """Return the counts of several servers added up; those of one cut short end sooner."""
    rows = max((len(each.tenths) for each in counts), default=0)
    total = np.zeros((rows, SERVER_COLUMNS), np.int64)
    for each in counts:
        total[: len(each.tenths)] += each.tenths
    return total
