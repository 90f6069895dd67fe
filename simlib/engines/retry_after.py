"""The headers that say when to come back.

Retry-After has whole seconds, or the date of a moment (RFC 9110, 10.2.3). Retry-Within is of this
project, since no standard has one: the seconds in which a client draws its moment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from math import ceil

#: A longer time is cut to this one, as RFC 9111 has it for seconds in a header.
LONGEST_S = float(1 << 31)
_SECONDS, _DECIMALS = re.compile("[0-9]+"), re.compile(r"[0-9]+(\.[0-9]+)?")


def hint_headers(hint_s: float) -> dict[str, str]:
    """Return the header of a hint: a Retry-After above 0, a Retry-Within below 0.

    Examples
    --------
    >>> hint_headers(7.0), hint_headers(-2.5), hint_headers(0.0)
    ({'Retry-After': '7'}, {'Retry-Within': '2.5'}, {})
    """
    if hint_s > 0.0:
        return {"Retry-After": format_header(hint_s)}
    return {"Retry-Within": f"{-hint_s:.17g}"} if hint_s < 0.0 else {}


def format_header(hint_s: float) -> str:
    """Return a hint as the header says it: in whole seconds, and never shorter.

    Examples
    --------
    >>> format_header(7.0), format_header(0.2)
    ('7', '1')
    """
    return str(ceil(hint_s))


def format_as_date(hint_s: float, now_unix_s: float) -> str:
    """Return a hint as the date of a moment, rounded up to a whole second.

    Examples
    --------
    >>> format_as_date(7.0, 784111777.0)
    'Sun, 06 Nov 1994 08:49:44 GMT'
    """
    return formatdate(ceil(now_unix_s + hint_s), usegmt=True)


def read_hint_s(
    headers: Iterable[tuple[str, str]],
    odd: Callable[[str], None],
    now_unix_s: float | None = None,
) -> float:
    """Return when to come back by a response's headers, as `simlib.core.events.Failed` has it.

    A window stands before a Retry-After.

    Parameters
    ----------
    headers : iterable of (str, str)
        Names and values. A date counts from the server's own ``Date``, if it sends one, since its
        clock may differ from this machine's.
    odd : callable
        Told a sentence about a value that says nothing, which is then ignored.
    now_unix_s : float, optional
        This machine's time of day.

    Examples
    --------
    >>> read_hint_s([("Retry-After", "7")], print)
    7.0
    >>> date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
    >>> read_hint_s([date, ("Retry-After", "Sun, 06 Nov 1994 08:49:42 GMT")], print)
    5.0
    >>> read_hint_s([("Retry-Within", "30")], print)
    -30.0
    >>> read_hint_s([("Retry-After", "soon")], print)
    A server sent the Retry-After 'soon', which is neither seconds nor a date: it was ignored.
    0.0
    """
    known: dict[str, list[str]] = {}
    for name, value in headers:
        known.setdefault(name.lower(), []).append(value.strip())
    for value in known.get("retry-within", []):
        if _DECIMALS.fullmatch(value):
            return -min(float(value), LONGEST_S)
        odd(f"A server sent the Retry-Within {value[:60]!a}, which is no number: it was ignored.")
    for value in known.get("retry-after", []):
        if _SECONDS.fullmatch(value):
            return min(float(value), LONGEST_S)
        until_s = _unix_s(value)
        if until_s is not None:
            sent_s = _unix_s(known.get("date", [""])[0])
            now_s = time.time() if now_unix_s is None else now_unix_s
            return min(max(0.0, until_s - (now_s if sent_s is None else sent_s)), LONGEST_S)
        odd(
            f"A server sent the Retry-After {value[:60]!a}, which is neither seconds nor a date: "
            "it was ignored."
        )
    return 0.0


def _unix_s(text: str) -> float | None:
    """Return the moment of an HTTP date, in any of its three forms; None if it is no date."""
    try:
        moment: datetime = parsedate_to_datetime(text)
        # asctime's form names no zone: HTTP's dates are always in UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
