"""The script of an observation: the phases, and what each does to clients."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from math import inf
from pathlib import Path
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import ValidatedSettings, choice, count, flag, nearest, seconds, times
from simlib.lab.script_file import parse_script, read_script
from simlib.scenario.build import build

#: An end without a close frame: no frame can carry this code.
ABRUPT = 1006


class PhaseKind(IntEnum):
    """The kinds of phases, by what they do to an attempt."""

    #: Accept TCP and reset it at once; with ``closed``, close the port.
    REFUSE = 0
    #: Accept TCP and say nothing.
    SILENT = 1
    #: Answer the upgrade late.
    SLOW = 2
    #: Answer with an HTTP status.
    STATUS = 3
    #: Open, then reset.
    RESET = 4
    #: Open, then close with a code.
    CLOSE = 5
    #: Open, and answer no ping.
    NO_PONG = 6
    #: Open for one time after another, then cut.
    OPEN_THEN_CUT = 7
    #: Open until all clients are there, cut all at once, then answer with an HTTP status.
    SEVERAL = 8
    #: Open, and behave: answer pings, end nothing.
    STAY = 9


#: Ends the word for a phase whose Retry-After is a date.
AS_DATE = " as a date"


@dataclass(frozen=True, kw_only=True)
class Phase(ValidatedSettings):
    """One phase of a script; it ends after a number of attempts of each client, or a time."""

    #: What it does to an attempt.
    kind: PhaseKind = choice(PhaseKind.STATUS)
    #: Attempts of each client after which it ends.
    attempts: int = count(3, high=1_000_000)
    #: It ends after this time in any case.
    longest_s: float = seconds(30.0, above=True)
    #: status, several: the HTTP status.
    status: int = count(503, low=400, high=599)
    #: status: the Retry-After header, in whole seconds; 0: none.
    retry_after_s: int = count(0, low=0, high=1_000_000)
    #: status: whether the Retry-After is written as the date of that moment, as HTTP allows.
    as_date: bool = flag(False)
    #: close, open_then_cut: the code; 1006 is an end without a close frame.
    code: int = count(ABRUPT, low=1000, high=4999)
    #: slow: how late the answer is.
    delay_s: float = seconds(2.0)
    #: slow, reset, close: open for this long.
    open_s: float = seconds(0.25)
    #: open_then_cut: open for the first of these times, then for the next; at last for the last.
    opens_s: tuple[float, ...] = times()
    #: refuse: close the port itself, which nobody sees attempts at.
    closed: bool = flag(False)

    def check(self) -> None:
        """Refuse a code that no frame can carry, and times that are not there."""
        if not _can_be_sent(self.code) and self.code != ABRUPT:
            rule = "must be a code that a frame can carry: 1000 to 1003, 1007 to 1014, 3000 to 4999"
            raise SettingsError("code", self.code, f"{rule}; or 1006 for none")
        if self.closed and self.kind is not PhaseKind.REFUSE:
            raise SettingsError("closed", True, "must be false unless the kind is refuse")
        if self.as_date and not self.retry_after_s:
            raise SettingsError("as_date", True, "needs retry_after_s, the time until it")
        if self.kind is PhaseKind.OPEN_THEN_CUT and not self.opens_s:
            rule = "must name the times of being open, as [0.1, 1, 6] does"
            raise SettingsError("opens_s", list(self.opens_s), rule)

    @property
    def detail(self) -> str:
        """The word of an observation for what the phase does, beside its kind."""
        if self.kind is PhaseKind.STATUS:
            hint = f" retry_after={self.retry_after_s}" if self.retry_after_s else ""
            return f"{self.status}{hint}{AS_DATE if self.as_date else ''}"
        if self.kind is PhaseKind.CLOSE:
            return str(self.code)
        if self.kind is PhaseKind.SLOW:
            return f"delay_s={self.delay_s:g}"
        if self.kind is PhaseKind.REFUSE:
            return "closed" if self.closed else "reset"
        return ""

    @property
    def words(self) -> str:
        """What the phase does, in words.

        Examples
        --------
        >>> Phase(kind="close", code=1012).words, Phase(kind="no_pong").words
        ('close 1012', 'no pong')
        """
        return f"{self.kind.name.lower().replace('_', ' ')} {self.detail}".strip()

    def open_for_s(self, turn: int) -> float:
        """Return how long a client's attempt stays open, by its number in this phase from 0."""
        if self.kind is PhaseKind.OPEN_THEN_CUT:
            return self.opens_s[min(turn, len(self.opens_s) - 1)]
        return inf if self.kind in _LEFT_OPEN else self.open_s


#: A phase of these kinds ends no connection before it is over.
_LEFT_OPEN = {PhaseKind.NO_PONG, PhaseKind.SEVERAL, PhaseKind.STAY}


def _can_be_sent(code: int) -> bool:
    return code in {1000, 1001, 1002, 1003} or 1007 <= code <= 1014 or code >= 3000


@dataclass(frozen=True, kw_only=True)
class Script:
    """Phases in their order, and the time that all of them together may take."""

    phases: tuple[Phase, ...]
    longest_s: float = inf
    name: str = "script"

    def dump(self) -> str:
        """Return the script as TOML: of each phase what differs from the defaults."""
        import tomli_w

        document: dict[str, Any] = {"name": self.name}
        if self.longest_s < inf:
            document["longest_s"] = self.longest_s
        return tomli_w.dumps(document | {"phases": [_plain(phase) for phase in self.phases]})


def _plain(phase: Phase) -> dict[str, Any]:
    said = {item.name: getattr(phase, item.name) for item in fields(phase)}
    changed = {name: value for name, value in said.items() if value != getattr(_DEFAULT, name)}
    return {**changed, "kind": phase.kind.name.lower()}


_DEFAULT = Phase()


def script(given: str | Path | Script) -> Script:
    """Return a script by its name, or read it from a TOML file.

    Raises
    ------
    SettingsError
        Naming the file, the key, the value and the rule that it breaks.

    Examples
    --------
    >>> script("quick").phases[1].words
    'status 503'
    """
    if isinstance(given, Script):
        return given
    if str(given) in SCRIPTS:
        return SCRIPTS[str(given)]
    otherwise = f"is neither {' nor '.join(SCRIPTS)}{nearest(given, list(SCRIPTS))}, and "
    return read_script(given, lambda text: parse(text, Path(given).stem), otherwise=otherwise)


_KEYS = ["name", "longest_s", "phases"]


def parse(text: str, name: str = "script") -> Script:
    """Read a script from TOML.

    Examples
    --------
    >>> text = '''
    ... [[phases]]
    ... kind = "close"
    ... code = 1012
    ... attempts = 2
    ... '''
    >>> [phase.words for phase in parse(text).phases]
    ['close 1012']
    """
    data = parse_script(text, _KEYS, 'kind = "close"')
    longest_s = data.get("longest_s", inf)
    if isinstance(longest_s, bool) or not isinstance(longest_s, int | float) or not longest_s > 0:
        raise SettingsError("longest_s", longest_s, "must be a number of seconds, above 0")
    return Script(
        phases=tuple(_phase(i, phase) for i, phase in enumerate(data["phases"])),
        longest_s=float(longest_s),
        name=str(data.get("name", name)),
    )


def _phase(i: int, data: Any) -> Phase:
    try:
        if isinstance(data, dict) and "kind" not in data:
            raise SettingsError("kind", None, "must be there: it says what the phase does")
        return build(Phase, data)
    except SettingsError as error:
        raise error.inside(f"phases[{i}]") from error


def _closes(codes: tuple[int, ...], attempts: int, longest_s: float) -> tuple[Phase, ...]:
    return tuple(
        Phase(kind=PhaseKind.CLOSE, code=code, attempts=attempts, longest_s=longest_s)
        for code in codes
    )


_STANDARD_OPENS_S = (0, 0, 1, 1, 3, 6, 6, 12)
STANDARD = Script(
    name="standard",
    phases=(
        Phase(status=503, attempts=12, longest_s=240),
        Phase(kind=PhaseKind.REFUSE, attempts=4, longest_s=120),
        Phase(kind=PhaseKind.SILENT, attempts=3, longest_s=150),
        Phase(kind=PhaseKind.SLOW, delay_s=2, attempts=2, longest_s=60),
        Phase(kind=PhaseKind.OPEN_THEN_CUT, attempts=8, longest_s=240, opens_s=_STANDARD_OPENS_S),
        Phase(kind=PhaseKind.RESET, attempts=3, longest_s=90),
        *_closes((1000, 1001, ABRUPT, 1008, 1011, 1012, 1013, 4401), 2, 60),
        Phase(kind=PhaseKind.NO_PONG, attempts=2, longest_s=150),
        Phase(status=503, retry_after_s=7, attempts=3, longest_s=90),
        Phase(status=429, retry_after_s=45, attempts=2, longest_s=150),
        *(Phase(status=status, attempts=2, longest_s=60) for status in (429, 403, 401)),
        Phase(kind=PhaseKind.SEVERAL, attempts=5, longest_s=120),
        Phase(kind=PhaseKind.REFUSE, closed=True, longest_s=20),
        Phase(status=503, attempts=12, longest_s=240),
    ),
)
#: After a success a client begins again: with short waits, of which jitter is told.
_AGAIN = (
    Phase(kind=PhaseKind.RESET, attempts=1, longest_s=10),
    Phase(status=503, attempts=3, longest_s=12),
)
QUICK_SCRIPT = Script(
    name="quick",
    longest_s=115.0,
    phases=(
        # Whoever has just been started is slow: its first waits are late.
        Phase(kind=PhaseKind.RESET, attempts=2, longest_s=10, open_s=0.5),
        Phase(status=503, attempts=11, longest_s=45),
        *_AGAIN * 4,
        Phase(kind=PhaseKind.SILENT, attempts=1, longest_s=25),
        Phase(kind=PhaseKind.OPEN_THEN_CUT, attempts=2, longest_s=30, opens_s=(1, 6)),
        *_closes((1012, 1000), 1, 10),
        Phase(status=503, retry_after_s=7, attempts=1, longest_s=10),
        Phase(kind=PhaseKind.NO_PONG, attempts=1, longest_s=70),
    ),
)
SCRIPTS = {script.name: script for script in (STANDARD, QUICK_SCRIPT)}
