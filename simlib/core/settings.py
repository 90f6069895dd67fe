"""The settings of one client: everything that makes it behave as it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simlib.core import meters
from simlib.core.backoff import Backoff
from simlib.core.breaker import Breaker
from simlib.core.draft import DraftRules
from simlib.core.fallback import Fallback
from simlib.core.function_backoff import from_function
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.outbox import OutboxLimits
from simlib.core.quality import QualityRules
from simlib.core.session import SessionRules
from simlib.core.stops import Stops
from simlib.core.validation import ValidatedSettings, seconds


@dataclass(frozen=True, kw_only=True)
class Settings(ValidatedSettings):
    """Everything that makes one client behave as it does.

    Examples
    --------
    >>> Settings(backoff=Backoff(cap_s=5.0), connect_timeout_s=4.0).backoff.cap_s
    5.0
    """

    #: The waits between attempts: a Backoff, or a Python function (attempt, previous_s, u) that
    #: returns the wait in s.
    backoff: Backoff = field(default_factory=Backoff)
    breaker: Breaker = field(default_factory=Breaker)
    #: Attempts after a failure, as RPC libraries ration them; a Rate is one that time alone fills.
    attempt_budget: meters.AttemptBudget = field(default_factory=meters.AttemptBudget)
    #: All attempts, as some services ration connections by the minute or the day.
    connect_budget: meters.Rate = field(default_factory=meters.Rate)
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    draft: DraftRules = field(default_factory=DraftRules)
    rate: meters.Rate = field(default_factory=meters.Rate)
    heartbeat: HeartbeatRules = field(default_factory=HeartbeatRules)
    quality: QualityRules = field(default_factory=QualityRules)
    fallback: Fallback = field(default_factory=Fallback)
    session: SessionRules = field(default_factory=SessionRules)
    stops: Stops = field(default_factory=Stops)
    #: An attempt, a poll or a sign-in without an answer for this long has failed.
    connect_timeout_s: float = seconds(10.0, above=True)

    def __post_init__(self) -> None:
        budget: Any = self.attempt_budget
        if isinstance(budget, meters.Rate):
            filled = meters.AttemptBudget(per_s=budget.per_s, burst=budget.burst)
            object.__setattr__(self, "attempt_budget", filled)
        backoff: Any = self.backoff
        if callable(backoff) and not isinstance(backoff, type):
            object.__setattr__(self, "backoff", from_function("backoff", backoff))
        super().__post_init__()
