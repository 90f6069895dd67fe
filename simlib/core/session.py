"""The cookie session as the client knows it: valid, over, and when to sign in again.

Rules of the session:
- A client that signs in does so at its start, and attempts nothing before it has a session.
- A session is over when its time has passed or the server says so (with a code of
  `stops.suspends_on`); then attempts are suspended, the user is told once, and after
  `sign_in_after_s` somebody signs in again.
- A client that does not sign in is suspended for good by such a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from simlib.core.validation import ValidatedSettings, seconds


@dataclass(frozen=True, kw_only=True)
class SessionRules(ValidatedSettings):
    """When a client signs in and renews its session; by default it needs none.

    Examples
    --------
    >>> SessionRules(sign_in_after_s=5.0)
    SessionRules(sign_in_after_s=5)
    """

    #: After a session has ended, sign in again this much later: a user's time; inf: never.
    sign_in_after_s: float = seconds(inf, endless=True)
    #: And up to this much later still, drawn each time.
    spread_s: float = seconds(0.0)
    #: Renew a session this long before its end, without the user; inf: never.
    renew_before_s: float = seconds(inf, endless=True)
    #: A sign-in that failed is tried again after this long.
    again_after_s: float = seconds(5.0, above=True)


class Session:
    """One client's session."""

    __slots__ = ("settings", "valid_until_s", "connection", "due_s", "timeout_s", "asked")

    def __init__(self, settings: SessionRules) -> None:
        self.settings = settings
        #: Without signing in a session is taken for granted until the server objects.
        self.valid_until_s = -inf if settings.sign_in_after_s < inf else inf
        #: The number of the unanswered sign-in; 0: none.
        self.connection = 0
        self.due_s = inf
        self.timeout_s = inf
        #: Whether the user was told to sign in, and has not yet.
        self.asked = False

    @property
    def deadline_s(self) -> float:
        """When a sign-in is due or overdue; inf: never."""
        return min(self.due_s, self.timeout_s)

    def valid(self, now: float) -> bool:
        """Whether attempts make sense."""
        return now < self.valid_until_s

    def has_run_out(self, now: float) -> bool:
        """Whether its time has passed, and neither the user nor a sign-in knows of it yet."""
        is_known = self.asked or self.connection or self.due_s < inf
        return not self.valid(now) and not is_known

    def begin(self, now: float) -> None:
        """Start: sign in at once if that is to be done, and a session is not there already."""
        if self.settings.sign_in_after_s < inf and not self.valid(now):
            self.due_s = now

    def end(self) -> None:
        """Sign in no more."""
        self.connection = 0
        self.due_s = self.timeout_s = inf

    def over(self, now: float, u: float) -> bool:
        """Record that the session has ended; True if the user must be informed."""
        self.valid_until_s = -inf
        if self.connection == 0:
            self.due_s = now + self.settings.sign_in_after_s + self.settings.spread_s * u
        told, self.asked = self.asked, True
        return not told

    def begin_sign_in(self, now: float, connection: int, timeout_s: float) -> None:
        """Note that a sign-in was sent."""
        self.connection, self.due_s, self.timeout_s = connection, inf, now + timeout_s

    def grant(self, now: float, lifetime_s: float) -> None:
        """Note a new session."""
        self.connection, self.timeout_s, self.asked = 0, inf, False
        self.valid_until_s = now + lifetime_s
        early_s = self.settings.renew_before_s
        self.due_s = max(now, self.valid_until_s - early_s) if early_s < inf else inf

    def fail(self, now: float) -> None:
        """Note that a sign-in failed: try again later."""
        self.connection, self.timeout_s = 0, inf
        self.due_s = now + self.settings.again_after_s
