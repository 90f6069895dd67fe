"""Moments as logs, browsers and tables write them, in seconds since 1970 (UTC)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from simlib.support.text_tables import NUMBER

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_COMMON_LOG = re.compile(
    r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(\.\d+)?(?: ([+-])(\d\d)(\d\d))?"
)
_NUMBER = re.compile(NUMBER)


def parse_iso(text: str) -> float:
    """Return a moment in ISO 8601; without a time zone it is taken as UTC.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> parse_iso("1970-01-01T01:00:00.5+01:00"), parse_iso("1970-01-01 00:00:02")
    (0.5, 2.0)
    """
    moment = datetime.fromisoformat(text)
    return seconds_of(moment)


def seconds_of(moment: datetime) -> float:
    """Return a moment in seconds since 1970; without a time zone it is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds()


def parse_common_log(text: str) -> float:
    """Return a moment as nginx, Apache and HAProxy write it; without a time zone it is UTC.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> parse_common_log("01/Jan/1970:01:00:02 +0100"), parse_common_log("01/Jan/1970:00:00:00.25")
    (2.0, 0.25)
    """
    # A busy server writes many lines in a second, and the date costs more than all of their rest.
    second, dot, rest = text.partition(".")
    if not dot:
        return _parse_second(text)
    digits = rest.split(" ", 1)[0]
    if not digits.isdecimal():  # "1e5" and "1_0" would make a number, too
        raise ValueError(text)
    return _parse_second(second + rest[len(digits) :]) + float(f"0.{digits}")


@lru_cache(maxsize=256)
def _parse_second(text: str) -> float:
    found = _COMMON_LOG.fullmatch(text)
    if found is None or found[2].title() not in _MONTHS:
        raise ValueError(text)
    day, month, year, hour, minute, second = (
        int(found[1]), _MONTHS[found[2].title()], int(found[3]), int(found[4]), int(found[5]),
        int(found[6]),
    )  # fmt: skip
    offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    zone = timezone(-offset if found[8] == "-" else offset)
    # A leap second is written as 60, which datetime does not know.
    moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
    return seconds_of(moment) + max(0, second - 59)


def parse_any(text: str) -> tuple[float, bool]:
    """Return a moment in any of these forms, or a number; and whether it is a date.

    Raises
    ------
    ValueError
        If it is none.
    """
    if _NUMBER.fullmatch(text):
        return float(text.replace(",", ".")), False
    try:
        return parse_common_log(text), True
    except ValueError:
        return parse_iso(text), True


def in_words(moment_s: float) -> str:
    """Return a moment as one reads it.

    Examples
    --------
    >>> in_words(0.25)
    '1970-01-01 00:00:00 UTC'
    """
    try:
        return (_EPOCH + timedelta(seconds=moment_s)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:  # a calendar has the years 1 to 9999
        return f"{moment_s:.15g} s after 1970"
