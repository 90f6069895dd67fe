"""The delay and loss of a frame that is sent now.

Each direction of a connection is a lane: frames leave one after the other at the bandwidth
and arrive in the order they were sent, as TCP delivers them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from typing import NamedTuple

from simlib.core.errors import SettingsError
from simlib.core.exact import exp, gamma_quantile, log, normal_quantile
from simlib.core.tls import Tls
from simlib.core.validation import ValidatedSettings, choice, number, seconds, times

#: Of a lognormal delay, whose draws reach 8.2 sigmas: `exp` takes up to 700.
MOST_SIGMA = 30.0


class Distribution(IntEnum):
    """The shape of a delay."""

    CONSTANT = 0
    UNIFORM = 1
    EXPONENTIAL = 2
    LOGNORMAL = 3
    PARETO = 4
    TABLE = 5
    GAMMA = 6


@dataclass(frozen=True, kw_only=True)
class Latency(ValidatedSettings):
    """A one-way delay: a named distribution with a mean and a floor, or a table of quantiles.

    Examples
    --------
    >>> Latency(distribution="lognormal", mean_s=0.05, shape=0.5).mean_s
    0.05
    """

    #: constant, uniform, exponential, lognormal, gamma, pareto or table.
    distribution: Distribution = choice(Distribution.CONSTANT)
    #: The mean (without a table).
    mean_s: float = seconds(0.02)
    #: No delay is shorter.
    floor_s: float = seconds(0.0)
    #: Lognormal: sigma of the logarithm, at most 30. Gamma: the shape, from 0.1 to 100. Pareto: the
    #: tail exponent, above 1.
    shape: float = number(2.0, "", above=True)
    #: Quantiles at equal steps of probability, ascending, at least two.
    table_s: tuple[float, ...] = times()
    #: Length of the table, kept beside it since compiled code has room for a longer one.
    table_count: int = field(init=False, repr=False, default=0)

    def check(self) -> None:
        """Raise `SettingsError` where the parts do not make a distribution."""
        object.__setattr__(self, "table_count", len(self.table_s))
        if self.floor_s > self.mean_s:
            raise SettingsError(
                "floor_s", self.floor_s, f"must not be above mean_s ({self.mean_s:g})"
            )
        if self.distribution == Distribution.PARETO and self.shape <= 1.0:
            raise SettingsError(
                "shape", self.shape, "must be above 1 for pareto, or it has no mean"
            )
        if self.distribution == Distribution.LOGNORMAL and self.shape > MOST_SIGMA:
            rule = f"must be {MOST_SIGMA:g} at most for lognormal"
            raise SettingsError("shape", self.shape, rule)
        if self.distribution == Distribution.GAMMA and not 0.1 <= self.shape <= 100.0:
            raise SettingsError("shape", self.shape, "must be from 0.1 to 100 for gamma")
        if self.distribution == Distribution.TABLE and len(self.table_s) < 2:
            raise SettingsError("table_s", self.table_s, "must have at least two quantiles")
        if self.distribution != Distribution.TABLE and self.table_s:
            raise SettingsError("table_s", self.table_s, 'is only for distribution = "table"')
        if self.distribution == Distribution.TABLE and self.floor_s:
            raise SettingsError("floor_s", self.floor_s, "is not for a table, which has its own")
        if list(self.table_s) != sorted(self.table_s):
            raise SettingsError("table_s", self.table_s, "must ascend")


def latency_s(latency: Latency, u: float) -> float:
    """Return the delay at a probability, by the inverse of the distribution function."""
    kind, floor_s, spare_s = latency.distribution, latency.floor_s, latency.mean_s - latency.floor_s
    if kind == Distribution.CONSTANT:
        return latency.mean_s
    if kind == Distribution.UNIFORM:
        return floor_s + 2.0 * spare_s * u
    if kind == Distribution.EXPONENTIAL:
        return floor_s - spare_s * log(1.0 - u)
    if kind == Distribution.LOGNORMAL:
        sigma = latency.shape
        z = normal_quantile(max(u, 1e-16))
        return floor_s + spare_s * exp(sigma * z - sigma * sigma / 2.0)
    if kind == Distribution.PARETO:
        alpha = latency.shape
        scale_s = spare_s * (alpha - 1.0) / alpha
        return floor_s + scale_s * exp(-log(1.0 - u) / alpha)
    if kind == Distribution.GAMMA:
        return floor_s + spare_s / latency.shape * gamma_quantile(latency.shape, u)
    place = u * (latency.table_count - 1)
    low = int(place)
    return latency.table_s[low] + (latency.table_s[low + 1] - latency.table_s[low]) * (place - low)


class IdleAction(IntEnum):
    """How a connection ends that was idle for too long."""

    FORGET = 0
    CLOSE = 1


@dataclass(frozen=True, kw_only=True)
class Path(ValidatedSettings):
    """The network between a client and the server: latency, bandwidth and loss, the same both ways.

    Examples
    --------
    >>> Path(latency=Latency(mean_s=0.05), loss_fraction=0.01).loss_fraction
    0.01
    """

    latency: Latency = field(default_factory=Latency)
    #: Serialisation: a frame of n bytes takes n / bandwidth to leave; inf: none.
    bandwidth_bytes_per_s: float = number(inf, "bytes per second", above=True, endless=True)
    #: Share of the packets that get lost; TCP sends them again, so it shows as a stall.
    loss_fraction: float = number(0.0, "", high=0.99)
    #: TCP sends a lost packet again after this long, then after twice as long, and so on.
    rto_s: float = seconds(0.2, above=True)
    #: Something on the way, such as a NAT or a proxy, ends a connection on which nothing was sent
    #: for this long.
    idle_timeout_s: float = seconds(inf, above=True, endless=True)
    #: How it ends it. forget: silently, as a NAT drops its entry; what is sent after that never
    #: arrives. close: both ends are told by a reset, as of a proxy that closes what is idle.
    idle_action: IdleAction = choice(IdleAction.FORGET)
    #: The network goes dark once in every such period, as some satellite links do; inf: never.
    blackout_every_s: float = seconds(inf, above=True, endless=True)
    #: It is dark for the last so many seconds of each period.
    blackout_s: float = seconds(0.0)
    #: What encrypts connections: none, 1.2, 1.3 or resumed (a session of 1.3 is continued). The
    #: round trips of its handshake come before the request.
    tls: Tls = choice(Tls.NONE)

    def check(self) -> None:
        """Raise `SettingsError` where it would be dark for ever."""
        if self.blackout_s >= self.blackout_every_s:
            rule = f"must be shorter than blackout_every_s ({self.blackout_every_s:g})"
            raise SettingsError("blackout_s", self.blackout_s, rule)


class Lane(NamedTuple):
    """One direction of one connection."""

    #: When the last frame had left.
    free_s: float
    #: When the last frame arrives.
    arrival_s: float


def transit(lane: Lane, now: float, leaving_s: float, delay_s: float) -> Lane:
    """Return the lane after a frame that takes ``leaving_s`` to leave; TCP keeps the order."""
    free_s = max(now, lane.free_s) + leaving_s
    return Lane(free_s, max(lane.arrival_s, free_s + delay_s))


def stall_s(loss_fraction: float, rto_s: float, u: float) -> float:
    """Return how long TCP needs to get one packet through: it waits twice as long each time.

    The number of losses in a row is geometric, drawn by its inverse.
    """
    losses = int(log(1.0 - u) / log(loss_fraction)) if loss_fraction > 0.0 else 0
    return rto_s * (2.0 ** min(losses, MOST_LOSSES) - 1.0)


def dark_s(path: Path, now: float) -> float:
    """Return how long TCP needs to get a packet through that leaves now into a blackout.

    It waits twice as long each time, up to a bound, and for so many times: where the period is a
    multiple of its waits it would meet the dark for ever.
    """
    every_s, stall = path.blackout_every_s, 0.0
    if every_s == inf:
        return 0.0
    pause_s = path.rto_s
    for _ in range(MOST_LOSSES):
        if (now + stall) % every_s < every_s - path.blackout_s:
            break
        stall += pause_s
        pause_s = min(2.0 * pause_s, max(path.rto_s, LONGEST_RTO_S))
    return stall


#: Linux gives up after so many retransmissions.
MOST_LOSSES = 15
#: And waits no longer than this for any (TCP_RTO_MAX; RFC 6298, 2.5 asks for at least 60 s).
LONGEST_RTO_S = 120.0
#: A lane on which nothing was sent.
NEW_LANE = Lane(0.0, 0.0)
