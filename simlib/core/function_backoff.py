"""A reconnect policy of one's own: a Python function makes the waits.

The rules of a `Backoff` compile; a function does not, so it plays on the sim and live engines. All
that a policy has beside its waits (when it gives up, what it makes of a server's hint, from when a
wait counts) is as in any `Backoff`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import iscoroutinefunction, signature
from math import inf
from numbers import Real
from typing import Any, ClassVar

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.backoff_words import describe_beside_waits
from simlib.core.errors import SettingsError
from simlib.core.validation import name_function

#: Attempt, counted from 1; the wait before it in s; the draw, from 0 to below 1: the wait in s.
BackoffFunction = Callable[[int, float, float], float]

#: What a policy still has beside its waits; all other fields make waits, or spread them.
_USED = {
    "function", "spread_fraction", "drawn_once", "counted_from", "after_loss_s",
    "after_loss_jitter", "max_attempts", "give_up_after_s", "stable_after_s", "heeds_hint",
    "hint_cap_s",
}  # fmt: skip
_SPREADS_LOSS = {"add_least_s", "add_most_s"}
_RULE = "must take three arguments by place, (attempt, previous_s, u), and return a wait in s"


@dataclass(frozen=True, kw_only=True)
class FunctionBackoff(Backoff):
    """A reconnect policy whose waits a Python function makes.

    ``backoff=my_backoff`` is short for ``FunctionBackoff(function=my_backoff)``. The function is
    called for each wait with three arguments: the attempt that the wait is before, counted from 1;
    the function's own wait before that, in s, which is 0 before attempt 1; and the client's draw, a
    uniform number from 0 to below 1. It returns the wait in s. Take all chance from the draw: so
    the same seed gives the same run, and two policies are compared under the same draws.

    All fields of a `Backoff` that say how long waits are, or how they are spread, are refused. The
    others mean what they mean there: ``max_attempts``, ``give_up_after_s``, ``stable_after_s``,
    ``heeds_hint`` and the rest. Two policies are equal only if they have the very same function.

    Notes
    -----
    Played on the sim and live engines; the fleet plays only what compiles. No file can hold a
    function, so neither the scenario nor its trace can be saved. After a device wakes, a client
    waits the function's first wait; a message that a server limits without a hint waits for 1 s.

    Examples
    --------
    >>> def my_backoff(attempt, previous_s, u):
    ...     return min(30.0, 0.5 * 2 ** (attempt - 1)) * (0.5 + 0.5 * u)
    >>> FunctionBackoff(function=my_backoff, max_attempts=8).in_words
    'the Python function my_backoff, 8 attempts'
    """

    #: The function: (attempt, previous_s, u) gives the wait in s.
    function: BackoffFunction

    #: It has one.
    has_function: ClassVar[bool] = True

    def check(self) -> None:
        """Raise `SettingsError` where there is no such function, or fields that it replaces."""
        _check_function(self.function)
        super().check()
        for item in fields(Backoff):
            value = getattr(self, item.name)
            if item.init and value != item.default:
                self.refuse_unused(item.name, value)

    def refuse_unused(self, name: str, value: Any) -> None:
        """Raise `SettingsError` if a field says nothing, since the function makes the waits."""
        spreads_loss = name in _SPREADS_LOSS and self.after_loss_jitter == Jitter.ADDITIVE
        if name not in _USED and not spreads_loss:
            rule = f"says nothing beside {self.function_in_words}, which makes the waits"
            raise SettingsError(name, value, rule)

    @property
    def in_words(self) -> str:
        """The policy in words."""
        if self.max_attempts == 0:
            return "never reconnects"
        return describe_beside_waits(
            self, [self.function_in_words + ", drawn once" * self.drawn_once]
        )

    @property
    def function_in_words(self) -> str:
        """The function in words."""
        return f"the Python function {name_function(self.function)}"

    def call_function(self, attempt: int, previous_s: float, u: float) -> float:
        """Return the wait that the function gives.

        Raises
        ------
        SettingsError
            If that is no finite number of seconds from 0 up.
        Exception
            What the function raises, with a note of the call.
        """
        previous_s = 0.0 if attempt == 1 else previous_s
        try:
            wait_s = self.function(attempt, previous_s, u)
        except Exception as error:
            error.add_note(f"Raised by the backoff {self._call(attempt, previous_s, u)}")
            raise
        if wait_s.__class__ is float and 0.0 <= wait_s < inf:
            return wait_s
        is_number = isinstance(wait_s, Real) and not isinstance(wait_s, bool)
        if not is_number or not 0.0 <= wait_s < inf:
            rule = "must return a finite number of seconds, 0 or more"
            raise SettingsError(self._call(attempt, previous_s, u), wait_s, rule)
        return float(wait_s)

    def _call(self, attempt: int, previous_s: float, u: float) -> str:
        name = name_function(self.function)
        return f"{name}(attempt={attempt}, previous_s={previous_s:.6g}, u={u:.6g})"


def from_function(where: str, function: BackoffFunction) -> FunctionBackoff:
    """Return the policy of a function that is given at a place of the settings.

    Raises
    ------
    SettingsError
        If it cannot be called with attempt, wait before and draw; names the place.
    """
    try:
        return FunctionBackoff(function=function)
    except SettingsError as error:
        raise SettingsError(where, error.value, error.rule) from error


def _check_function(function: Any) -> None:
    """Raise `SettingsError` unless this can be called as the function of a backoff."""
    if not callable(function) or isinstance(function, type):
        raise SettingsError("function", function, _RULE)
    name = name_function(function)
    if iscoroutinefunction(function):
        raise SettingsError("function", name, f"must not be async: it {_RULE}")
    try:
        shape = signature(function)
    except ValueError:  # one that is written in C may not say what it takes
        shape = None
    try:
        if shape is not None:
            shape.bind(None, None, None)
        hash(function)
    except TypeError as error:
        rule = _RULE if "hashable" not in str(error) else "must be hashable"
        raise SettingsError("function", name, rule) from error
