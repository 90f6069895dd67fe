"""The metrics that are compared, and the tolerance of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simlib.metrics.lateness import Lateness

if TYPE_CHECKING:
    import pandas as pd

#: Work of real programs on one message's way that the simulation gives no time: measured as the
#: round trip through proxy and server with no modelled network, and doubled.
WORK_S = 0.005


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of the summary that is compared, and what difference is no disagreement."""

    name: str
    #: Timers between cause and effect; their lateness adds up. 0: not a time.
    hops: int = 0
    #: Times that all clients may act at the same moment between cause and effect.
    turns: int = 0
    #: Whether it is a tail, which the latest timers shape, or a middle.
    tail: bool = False
    #: What else may differ, in the metric's own unit, and as a share of the simulated value.
    absolute: float = 0.0
    relative: float = 0.0
    #: The column whose number one more or one less is allowed for, of a share of it.
    share_of: str = ""
    #: What it cannot be above.
    highest: float = math.inf
    why: str = ""

    @property
    def unit(self) -> str:
        """The unit, read off the name."""
        words = self.name.split("_")
        if "s" not in words:
            return "share" if "fraction" in words else ""
        return "1/s" if "per" in words else "s"

    def tolerance(self, lateness: Lateness, value: float, numbers: pd.Series) -> float:
        """Return the tolerance beside a simulated value, given the live run and its numbers."""
        if self.hops:
            late_s = lateness.p99_s if self.tail else lateness.p50_s
            return WORK_S + self.hops * late_s + self.turns * lateness.turn_s
        one_message = 1.0 / max(1.0, float(numbers[self.share_of])) if self.share_of else 0.0
        return self.absolute + self.relative * abs(value) + one_message


_TIMERS = "timers are late at each hop (measured), and programs take time"
_TURNS = "timers are late, and one process serves all clients in turn (both measured)"
_EDGE = "an attempt at the very edge of a fault falls on either side"
_SHARE = "every transition is a few milliseconds late"
_END = "a message at the end of the run is just in time or not"
_LOAD = "handshakes come a few milliseconds earlier or later"
_FULL = "a handshake just meets a full server or not"

#: What is compared. On its way back a client makes two attempts or so, each a wake and an answer.
COMPARED_METRICS = (
    Metric("attempts", absolute=1.0, relative=0.02, why=_EDGE),
    Metric(
        "peak_attempts_per_s",
        absolute=2.0,
        relative=0.05,
        why="an attempt falls just outside of the second",
    ),
    Metric("amplification", absolute=0.1, relative=0.02, why=_EDGE),
    Metric("mean_wait_s", absolute=0.01, relative=0.02, why=_EDGE),
    Metric("mean_wait_fraction", absolute=0.01, why=_EDGE),
    Metric("time_to_detect_s_p50", hops=1, turns=1, why=_TURNS),
    Metric("time_to_recover_s_p50", hops=6, turns=4, why=_TURNS),
    Metric("time_to_recover_s_p95", hops=6, turns=4, tail=True, why=_TURNS),
    Metric("last_back_s", hops=6, turns=4, tail=True, why=_TURNS),
    Metric("downtime_s_p50", hops=6, turns=4, why=_TURNS),
    Metric("downtime_s_p95", hops=6, turns=4, tail=True, why=_TURNS),
    Metric("downtime_s_p99", hops=6, turns=4, tail=True, why=_TURNS),
    Metric("never_recovered", absolute=1.0, why=_EDGE),
    Metric("gave_up", absolute=1.0, why=_EDGE),
    Metric("availability_fraction", absolute=0.01, highest=1.0, why=_SHARE),
    Metric("polling_fraction", absolute=0.01, highest=1.0, why=_SHARE),
    Metric("breaker_open_fraction", absolute=0.01, highest=1.0, why=_SHARE),
    Metric("server_busy_fraction", absolute=0.02, relative=0.05, highest=1.0, why=_LOAD),
    Metric("backlog_mean", absolute=0.2, relative=0.1, why=_LOAD),
    Metric("backlog_worst", absolute=2.0, relative=0.1, why=_LOAD),
    Metric("backlog_wait_s_p50", hops=2, turns=1, why=_TURNS),
    Metric("backlog_wait_s_p95", hops=2, turns=1, tail=True, why=_TURNS),
    Metric("handshakes_served", absolute=1.0, relative=0.02, why=_EDGE),
    Metric("handshakes_abandoned", absolute=2.0, relative=0.05, why=_EDGE),
    Metric("refused_backlog", absolute=2.0, relative=0.05, why=_FULL),
    Metric("refused_rate", absolute=2.0, relative=0.05, why=_FULL),
    Metric("refused_connections", absolute=2.0, relative=0.05, why=_FULL),
    Metric("open_connections_worst", absolute=1.0, relative=0.02, why=_EDGE),
    Metric("round_trip_s_p50", hops=2, why=_TIMERS),
    Metric("latency_s_p50", hops=2, why=_TIMERS),
    Metric("latency_s_p95", hops=6, turns=4, tail=True, why=_TURNS),
    Metric("delivered_fraction", absolute=0.005, share_of="sent", highest=1.0, why=_END),
    Metric("lost", absolute=1.0, relative=0.02, why="a message just meets a full outbox or not"),
    Metric(
        "duplicate_fraction",
        absolute=0.005,
        share_of="sent",
        highest=1.0,
        why="an acknowledgement is just lost or not",
    ),
    Metric(
        "doubled",
        absolute=1.0,
        relative=0.1,
        why="an acknowledgement is just lost or not",
    ),
    Metric("goodput_per_s", absolute=0.1, relative=0.01, why=_END),
)
