"""The options of a client as they are taken one by one, with what was noted on the way.

An option that nobody takes is either known and cannot be said, or it is refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from typing import Any

from simlib.core.errors import FileError, on_one_line
from simlib.core.validation import nearest
from simlib.studies.policy.imports.values import (
    Call,
    CodeText,
    Drawn,
    Duration,
    Joined,
    StepFunction,
)

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "\N{MICRO SIGN}s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0,
            "h": 3600.0, "d": 86400.0}  # fmt: skip
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ns|us|\N{MICRO SIGN}s|ms|s|m|h|d)")
_ISO_DURATION = re.compile(
    r"P(?:(\d+)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
#: A text that is longer is no time.
_LONGEST_DURATION = 40
#: Whole numbers from here on, as the largest int of a language, stand for no limit.
_NO_LIMIT = 2_000_000_000
#: Seconds in an option of milliseconds, and the other way round: no policy is like that.
_FEW_MS, _MANY_S = 10.0, 3600.0


class Options:
    """The options of one client, and what they make of its settings.

    Attributes
    ----------
    notes : list of str
        Approximations and warnings, a sentence each.
    lacks : list of str
        What cannot be said, a sentence each.
    """

    def __init__(self, kind: str, source: str, given: Mapping[str, Any], where: str = "") -> None:
        self.kind, self.source, self.given, self.where = kind, source, given, where
        self.notes: list[str] = []
        self.lacks: list[str] = []
        self._taken: set[str] = set()
        #: Whether the default stands for an option that is code; else such an option is refused.
        self.allows_code = True

    def __contains__(self, key: str) -> bool:
        return key in self.given

    def inside(self, key: str) -> Options:
        """Return the options of a part, which share the notes of the whole."""
        part = self.take(key)
        if not isinstance(part, Mapping):
            raise self.error(key, part, "must be a table of options")
        return self.part(key, part)

    def part(self, key: str, part: Mapping[str, Any]) -> Options:
        """Return options that stand under a key."""
        inner = Options(self.kind, self.source, part, f"{self.where}{key}.")
        inner.notes, inner.lacks = self.notes, self.lacks
        return inner

    def error(self, key: str, value: Any, rule: str) -> FileError:
        """Return the error of an option: it names source, key, value and rule."""
        return FileError(self.source, rule, on_one_line(f"{self.where}{key}"), value)

    def note(self, words: str) -> None:
        """Keep an approximation or a warning."""
        if words not in self.notes:
            self.notes.append(words)

    def lack(self, words: str) -> None:
        """Keep what cannot be said."""
        if words not in self.lacks:
            self.lacks.append(words)

    def take(self, key: str, default: Any = None) -> Any:
        """Return an option as it is."""
        self._taken.add(key)
        return self.given.get(key, default)

    # --- numbers -------------------------------------------------------------------------

    def number(self, key: str, default: float, *, low: float = 0.0, high: float = inf) -> float:
        """Return a number between two others; code is noted, and the default stands for it."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, CodeText) and self.allows_code:
            self.lack(f"{key} = {value.text}: is code, which is not run; here it is {default:g}")
            return default
        if isinstance(value, CodeText | Call | Joined | StepFunction):
            raise self.error(
                key, value, f"is code, which is not run: must be a number{_bounds(low, high)}"
            )
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # No comparison with a nan holds; a whole number may be too long to ask whether it is one.
        if not is_number or not low <= value <= high:
            raise self.error(key, value, f"must be a number{_bounds(low, high)}")
        try:
            return float(value)
        except OverflowError:
            raise self.error(key, value, "is too large a number") from None

    def count(self, key: str, default: float, *, low: float = 0.0) -> float:
        """Return a whole number, or inf for no limit: so is the largest int of a language."""
        value = self.number(key, default, low=low)
        if value != inf and value != int(value):
            raise self.error(key, self.given[key], "must be a whole number")
        return inf if value >= _NO_LIMIT else value

    def finite_count(self, key: str, default: float, *, low: float = 0.0) -> int:
        """Return a whole number, where the model has no word for no limit: it is a large one."""
        return int(min(self.count(key, default, low=low), _NO_LIMIT))

    def flag(self, key: str, default: bool) -> bool:
        """Return yes or no."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, CodeText):
            self.lack(f"{key} = {value.text}: is code, which is not run")
            return default
        if not isinstance(value, bool):
            raise self.error(key, value, "must be true or false")
        return value

    def word(self, key: str, default: str, words: tuple[str, ...]) -> str:
        """Return one of some words, whatever its case; of an enumeration, what follows its dot."""
        value = self.take(key, default)
        text = value.text if isinstance(value, CodeText) else value
        found = str(text).rpartition(".")[2].lower()
        if found not in words:
            raise self.error(
                key, value, f"must be one of {', '.join(words)}{nearest(found, list(words))}"
            )
        return found

    # --- times ---------------------------------------------------------------------------

    def milliseconds(self, key: str, default_s: float) -> float:
        """Return a time that is given in milliseconds, in s."""
        return self.time(key, default_s, unit_s=0.001)

    def seconds(self, key: str, default_s: float) -> float:
        """Return a time that is given in seconds, in s."""
        return self.time(key, default_s, unit_s=1.0)

    def duration(self, key: str, default_s: float, *, unit_s: float = 0.0) -> float:
        """Return a time that names its unit (0.1s, PT5S), in s; plain numbers have unit_s."""
        value = self.take(key)
        if value is None:
            return default_s
        if isinstance(value, str):
            found = parse_duration(value)
            if found is None:
                rule = "must be a time with its unit, such as 0.5s, 500ms, PT0.5S or 00:00:00.5"
                raise self.error(key, value, rule)
            return found
        if isinstance(value, CodeText) and self.allows_code:
            self.lack(
                f"{key} = {value.text}: is code, which is not run; here it is {default_s:g} s"
            )
            return default_s
        if unit_s == 0.0 and not isinstance(value, Duration):
            rule = "must be a time with its unit, such as 0.5s or 500ms"
            raise self.error(key, value, rule)
        return self.time(key, default_s, unit_s=unit_s)

    def time(self, key: str, default_s: float, *, unit_s: float) -> float:
        """Return a time whose numbers have a unit, in s."""
        value = self.take(key)
        if isinstance(value, Duration):
            if not value.s >= 0.0:  # a product with NaN is none of both
                raise self.error(key, value, "must be a time of 0 or more")
            return value.s
        word = "milliseconds" if unit_s < 1.0 else "seconds"
        if isinstance(value, str):
            raise self.error(key, value, f"must be a number of {word}, without a unit")
        if isinstance(value, Drawn):
            raise self.error(key, value, f"must be a number of {word}, not one that is drawn")
        given = self.number(key, default_s / unit_s)
        if key in self.given and not isinstance(value, CodeText) and value is not None:
            self.check_unit(key, given, unit_s)
            return given * unit_s if unit_s == 1.0 else given / round(1.0 / unit_s)
        return default_s

    def check_unit(self, key: str, given: float, unit_s: float) -> None:
        """Warn of a number that is plausible only in another unit."""
        if unit_s < 1.0 and 0.0 < given < _FEW_MS:
            self.note(
                f"{key} = {given:g}: is taken as milliseconds, {given * unit_s:g} s, as "
                f"{self.kind} takes it; if {given:g} s is meant, write {1000 * given:g}"
            )
        if unit_s == 1.0 and _MANY_S < given < inf:
            self.note(
                f"{key} = {given:g}: is taken as seconds, as {self.kind} takes it; if {given:g} ms "
                f"is meant, write {given / 1000:g}"
            )

    # --- the rest ------------------------------------------------------------------------

    def finish(self, unsayable: Mapping[str, str]) -> None:
        """Note the options that cannot be said, and refuse those that are none."""
        for key, value in self.given.items():
            if key in self._taken:
                continue
            name = f"{self.where}{key}"
            if key in unsayable:
                self.lack(f"{name}: {unsayable[key]}")
                continue
            known = [*self._taken, *unsayable]
            raise self.error(key, value, f"is no option of {self.kind}{nearest(key, known)}")


def _bounds(low: float, high: float) -> str:
    if high < inf:
        return f", from {low:g} to {high:g}"
    return f", {low:g} or more" if low > -inf else ""


def parse_duration(text: str) -> float | None:
    """Return the seconds of a time that names its unit; None if it does not.

    Examples
    --------
    >>> [parse_duration(text) for text in ("0.1s", "1m30s", "PT5M", "00:00:02.5", "5")]
    [0.1, 90.0, 300.0, 2.5, None]
    """
    text = text.strip()
    if len(text) > _LONGEST_DURATION:
        return None
    parts = _DURATION.findall(text)
    if parts and _DURATION.sub("", text).strip() == "":
        return float(sum(_in_s(number, unit) for number, unit in parts))
    iso = _ISO_DURATION.fullmatch(text)
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(group or 0.0) for group in iso.groups())
        return 86400.0 * days + 3600.0 * hours + 60.0 * minutes + seconds
    span = _TIME_SPAN.fullmatch(text)
    if span:
        days, hours, minutes, seconds = (float(group or 0.0) for group in span.groups())
        return 86400.0 * days + 3600.0 * hours + 60.0 * minutes + seconds
    return None


def _in_s(number: str, unit: str) -> float:
    # Divided, not multiplied: 25 ms are 0.025 s to the bit.
    unit_s = _UNITS_S[unit]
    return float(number) * unit_s if unit_s >= 1.0 else float(number) / round(1.0 / unit_s)
