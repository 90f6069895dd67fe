"""Which HTTP statuses and close codes stop a client: for good, or until a sign-in.

Rules of the stops:
- A status answers an attempt, a poll or a post; a close code ends an open connection.
- A code of `ends_on` ends the client for good: no attempt and no poll follows.
- A code of `suspends_on` says that the session is over: the client rests until a sign-in.
- Every other code is a failure, as a connection that breaks without any: the client attempts
  again after its wait.

The lists are kept beside as first and last codes of ranges, in numbers alone, so `effect` compiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import ValidatedSettings

#: First and last of the HTTP statuses that refuse, and of the close codes.
STATUSES, CLOSE_CODES = (400, 599), (1000, 4999)
#: What an end without a close frame, or a failed TLS handshake, is called: no frame has it.
_NEVER_SENT = (1006, 1015)
_RULE = (
    "must be an HTTP status from 400 to 599, a close code from 1000 to 4999, "
    'or a range of either such as "4400-4499"'
)

Codes = tuple[int | str, ...]
Pairs = tuple[float, ...]


class Effect(IntEnum):
    """The effect of a code on a client."""

    GOES_ON = 0
    SUSPENDS = 1
    ENDS = 2


@dataclass(frozen=True, kw_only=True)
class Stops(ValidatedSettings):
    """Which HTTP statuses and close codes stop a client, for good or until a sign-in.

    A client tries again after all other codes. Each list holds codes and ranges of codes.

    Examples
    --------
    >>> Stops(ends_on=["4000-4099", 1008]).ends_on
    ('4000-4099', 1008)
    """

    #: HTTP statuses and close codes that end the client for good.
    ends_on: Codes = ()
    #: Those that mean that its session is over: it makes no attempt until a sign-in.
    suspends_on: Codes = (401, 403, 4401, 4403)
    #: The ranges of those that end it: first and last code, and the next first and last.
    ends: Pairs = field(init=False, repr=False, default=())
    #: The same of those that suspend.
    suspends: Pairs = field(init=False, repr=False, default=())
    #: How many ranges end it.
    end_count: int = field(init=False, repr=False, default=0)
    #: How many suspend it.
    suspend_count: int = field(init=False, repr=False, default=0)

    def check(self) -> None:
        """Raise `SettingsError` where a code is none, or is in both lists."""
        ranges = {}
        for name in ("ends_on", "suspends_on"):
            given = getattr(self, name)
            if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
                raise SettingsError(
                    name, given, 'must be a list of codes, such as [410, "4400-4499"]'
                )
            codes = tuple(given)
            object.__setattr__(self, name, codes)
            ranges[name] = [_range(f"{name}[{i}]", code) for i, code in enumerate(codes)]
        for i, (first, last) in enumerate(ranges["suspends_on"]):
            for low, high in ranges["ends_on"]:
                if low <= last and first <= high:
                    rule = (
                        f"is in ends_on too ({max(low, first)}): a code has one meaning, so take "
                        "it out of one; suspends_on is [401, 403, 4401, 4403] unless it is set"
                    )
                    raise SettingsError(f"suspends_on[{i}]", self.suspends_on[i], rule)
        self._keep(ranges["ends_on"], ranges["suspends_on"])

    def _keep(self, ends: list[tuple[int, int]], suspends: list[tuple[int, int]]) -> None:
        kept: dict[str, Any] = {
            "ends": tuple(float(code) for pair in ends for code in pair),
            "suspends": tuple(float(code) for pair in suspends for code in pair),
            "end_count": len(ends),
            "suspend_count": len(suspends),
        }
        for name, value in kept.items():
            object.__setattr__(self, name, value)


def _range(key: str, given: object) -> tuple[int, int]:
    """Return first and last of the codes that an entry stands for."""
    if isinstance(given, str) and given.count("-") == 1:
        first, last = (_number(part) for part in given.split("-"))
    else:
        first = last = given if isinstance(given, int) and not isinstance(given, bool) else None
    within = (
        first is not None
        and last is not None
        and any(low <= first <= last <= high for low, high in (STATUSES, CLOSE_CODES))
    )
    if first is None or last is None or not within:
        raise SettingsError(key, given, _RULE)
    if first == last and first in _NEVER_SENT:
        rule = "is in no close frame: a connection that breaks without one is always a failure"
        raise SettingsError(key, given, rule)
    return first, last


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def effect(settings: Stops, code: int) -> int:
    """Return what a code does to a client, as an `Effect`; 0 is no code.

    Examples
    --------
    >>> Effect(effect(Stops(ends_on=["4400-4499"], suspends_on=[401]), 4404)).name
    'ENDS'
    """
    for k in range(settings.suspend_count):
        if settings.suspends[2 * k] <= code <= settings.suspends[2 * k + 1]:
            return 1
    for k in range(settings.end_count):
        if settings.ends[2 * k] <= code <= settings.ends[2 * k + 1]:
            return 2
    return 0


def codes_in(codes: Codes) -> Iterator[int]:
    """Yield every code that a list stands for.

    Examples
    --------
    >>> list(codes_in((410, "4400-4402")))
    [410, 4400, 4401, 4402]
    """
    for i, code in enumerate(codes):
        first, last = _range(f"[{i}]", code)
        yield from range(first, last + 1)


def as_codes(codes: Iterable[int]) -> Codes:
    """Return codes as a list says them: in order, three and more in a row as a range.

    Examples
    --------
    >>> as_codes({410, 4402, 4400, 4401, 1008, 1009})
    (410, 1008, 1009, '4400-4402')
    """
    runs: list[list[int]] = []
    for code in sorted(set(codes)):
        if runs and code == runs[-1][-1] + 1:
            runs[-1].append(code)
        else:
            runs.append([code])
    said = ([f"{run[0]}-{run[-1]}"] if len(run) > 2 else run for run in runs)
    return tuple(code for run in said for code in run)
