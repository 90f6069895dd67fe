"""The quality monitor: round trip, success share and the platform's hints, as one of five classes.

Rules of the monitor:
- The round trip is smoothed as TCP smooths it (RFC 6298), from pings and from messages that were
  sent once.
- The class is the worst that round trip, failures and hints say.
- It worsens at once, and betters by one class at a time, after it has been better, with a
  margin, for long enough: so it does not flicker.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf

from simlib.core.breaker import LONGEST_WINDOW
from simlib.core.errors import SettingsError
from simlib.core.validation import ValidatedSettings, count, number, seconds


class Quality(IntEnum):
    """How well messages get through; the worst is 0."""

    OFFLINE = 0
    POOR = 1
    FAIR = 2
    GOOD = 3
    EXCELLENT = 4


# Read at every answer and failure, and a member costs 0.1 us to look up on Python 3.11.
_POOR, _FAIR = Quality.POOR, Quality.FAIR
_GOOD, _EXCELLENT = Quality.GOOD, Quality.EXCELLENT


@dataclass(frozen=True, kw_only=True)
class QualityRules(ValidatedSettings):
    """The bounds between the quality classes of a connection.

    The round trips that end good and fair by default, 0.27 s and 1.4 s, are those between 3g, 2g
    and slow-2g in the Network Information draft of the WICG.

    Examples
    --------
    >>> QualityRules(good_s=0.3)
    QualityRules(good_s=0.3)
    """

    #: A smoothed round trip up to this is excellent.
    excellent_s: float = seconds(0.1, above=True)
    #: Up to this it is good.
    good_s: float = seconds(0.27, above=True)
    #: Up to this it is fair; beyond, poor.
    fair_s: float = seconds(1.4, above=True)
    #: A share of failures above this is poor; above half of it, at most fair.
    poor_failure_fraction: float = number(0.4, "", above=True, high=1.0)
    #: Pings, messages and attempts over which that share is taken.
    window: int = count(20, high=LONGEST_WINDOW)
    #: The class betters only if the round trip is below its bound by this share.
    margin_fraction: float = number(0.2, "", high=0.9)
    #: And only after this long.
    better_after_s: float = seconds(2.0)

    def check(self) -> None:
        """Raise `SettingsError` where the bounds do not ascend."""
        if not self.excellent_s < self.good_s < self.fair_s:
            rule = f"must ascend with good_s and fair_s ({self.good_s:g}, {self.fair_s:g})"
            raise SettingsError("excellent_s", self.excellent_s, rule)


class Monitor:
    """The quality of one client's way to the server, as far as it has been seen."""

    # fmt: off
    __slots__ = (
        "settings", "rtt_s", "variation_s", "level", "reconnects", "missed",
        "_outcomes", "_seen", "_better_s", "_hint_rtt_s", "_hint_bytes_per_s",
    )
    # fmt: on

    def __init__(self, settings: QualityRules) -> None:
        self.settings = settings
        #: Smoothed round trip and its variation; inf: no sample yet.
        self.rtt_s = self.variation_s = inf
        self.level = _EXCELLENT
        #: Connections opened after the first, and heartbeats missed, since the start.
        self.reconnects = self.missed = 0
        self._outcomes = self._seen = 0
        self._better_s = inf
        self._hint_rtt_s = 0.0
        self._hint_bytes_per_s = 0

    @property
    def timeout_s(self) -> float:
        """How long to wait for an answer by RFC 6298: no less than a second."""
        return max(1.0, self.rtt_s + 4.0 * self.variation_s)

    @property
    def failure_fraction(self) -> float:
        """Share of failures in the window; 0 before there is any outcome."""
        return self._outcomes.bit_count() / self._seen if self._seen else 0.0

    def record_answer(self, now: float, rtt_s: float) -> None:
        """Record a round trip (RFC 6298, 2.2 and 2.3)."""
        if self.rtt_s == inf:
            self.rtt_s, self.variation_s = rtt_s, rtt_s / 2.0
        else:
            self.variation_s += (abs(self.rtt_s - rtt_s) - self.variation_s) / 4.0
            self.rtt_s += (rtt_s - self.rtt_s) / 8.0
        self._note(now, 0)

    def record_failure(self, now: float) -> None:
        """Record a failure of an attempt, a ping or a message."""
        self._note(now, 1)

    def record_hint(self, now: float, rtt_s: float, downlink_bytes_per_s: int) -> None:
        """Record the platform's estimates; 0 means that it gives none."""
        self._hint_rtt_s, self._hint_bytes_per_s = rtt_s, downlink_bytes_per_s
        self._judge(now)

    def _note(self, now: float, failure: int) -> None:
        window = self.settings.window
        self._outcomes = (self._outcomes << 1 | failure) & ((1 << window) - 1)
        self._seen = min(window, self._seen + 1)
        self._judge(now)

    def _judge(self, now: float) -> None:
        level = self.level
        # Numbers are never worse than poor, nor better than excellent.
        if level > _POOR and (worst := self._level(1.0)) < level:
            self.level, self._better_s = worst, inf
            return
        if level == _EXCELLENT or self._level(1.0 - self.settings.margin_fraction) <= level:
            self._better_s = inf
            return
        if self._better_s == inf:
            self._better_s = now
        if now - self._better_s >= self.settings.better_after_s:
            self.level, self._better_s = Quality(self.level + 1), now

    def _level(self, share: float) -> Quality:
        """Return the class that the numbers say, with every bound taken times ``share``."""
        settings = self.settings
        # A measured round trip is worth more than the platform's guess.
        rtt_s = self.rtt_s if self.rtt_s < inf else self._hint_rtt_s
        level = _POOR
        if rtt_s <= settings.excellent_s * share:
            level = _EXCELLENT
        elif rtt_s <= settings.good_s * share:
            level = _GOOD
        elif rtt_s <= settings.fair_s * share:
            level = _FAIR
        if self._outcomes:
            failures = self._outcomes.bit_count() / self._seen
            if failures > settings.poor_failure_fraction * share:
                level = _POOR
            elif failures > settings.poor_failure_fraction * share / 2.0:
                level = min(level, _FAIR)
        if 0 < self._hint_bytes_per_s < SLOW_BYTES_PER_S:
            level = _POOR
        return level


#: Below this downlink (50 kbit/s) the Network Information draft calls a network slow-2g.
SLOW_BYTES_PER_S = 6250
