"""Expectations of a client's reconnect policy, for tests: each is held against what was seen."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from simlib.core.backoff_kinds import Jitter
from simlib.core.backoff_words import say_seconds
from simlib.core.card import count_in_words
from simlib.core.errors import Unexpected
from simlib.lab.infer.findings import Finding
from simlib.lab.infer.infer import infer
from simlib.lab.infer.inference import Inference
from simlib.lab.observe.attempt_pairs import ResetRule, number_waits, pair_attempts
from simlib.lab.observe.observation import Observation
from simlib.support.arguments import check_arguments

#: A wait is shorter than the one before it if it is so by more than timing errors, and by this.
_SHORTER_FRACTION, _SHORTER_S = 0.05, 0.02
_NAMED = 3


@check_arguments
def assert_policy(
    observation: str | Path | Observation,
    *,
    jitter: bool | None = None,
    no_wait_above_s: float | None = None,
    stops_on: Collection[int] | None = None,
    survives_outage_s: float | None = None,
) -> Inference:
    """Check a client's reconnect policy against what a test expects, from an observation of it.

    An expectation that the observation cannot tell fails too, and says what would tell it.

    Parameters
    ----------
    observation : str, path or Observation
        What `observe` or ``bad_server.observation()`` has seen.
    jitter : bool, optional
        Whether its waits have jitter.
    no_wait_above_s : float, optional
        The longest wait that is allowed, but for waits that the server asked for (Retry-After).
    stops_on : collection of int, optional
        The HTTP statuses and close codes after which it must not come back. After all others that
        were seen it must.
    survives_outage_s : float, optional
        It must not give up in an outage of this length. A client that gives up after more failures
        than were seen is not found out.

    Returns
    -------
    Inference
        The policy that was inferred, for what else a test wants to know.

    Raises
    ------
    Unexpected
        An AssertionError; a line for each expectation that does not hold.

    Examples
    --------
    >>> from simlib.lab.observe.observation import Attempt
    >>> rows = [Attempt(0, "status", "503", 0, "", at, ended_s=at) for at in (0.0, 1.0, 41.0)]
    >>> assert_policy(Observation(rows, observed_s=42.0), no_wait_above_s=30)
    Traceback (most recent call last):
        ...
    simlib.core.errors.Unexpected: the client does not do what is expected (3 attempts of 1 client):
      no_wait_above_s=30: it waited 40 s after status 503
    """
    __tracebackhide__ = True
    found = infer(observation)
    if not isinstance(observation, Observation):
        observation = Observation.load(observation)
    seen = _Seen(observation, found)
    broken: list[str] = []
    if jitter is not None:
        broken += [f"jitter={jitter}: {words}" for words in seen.against_jitter(jitter)]
    if no_wait_above_s is not None:
        name = f"no_wait_above_s={no_wait_above_s:g}"
        broken += [f"{name}: {words}" for words in seen.against_longest(no_wait_above_s)]
    if stops_on is not None:
        name = f"stops_on={sorted(stops_on)}"
        broken += [f"{name}: {words}" for words in seen.against_stops(stops_on)]
    if survives_outage_s is not None:
        name = f"survives_outage_s={survives_outage_s:g}"
        stops = frozenset(stops_on or ())
        broken += [f"{name}: {words}" for words in seen.against_outage(survives_outage_s, stops)]
    if broken:
        made = count_in_words(found.attempts, "attempt")
        whose = count_in_words(found.clients, "client")
        head = f"the client does not do what is expected ({made} of {whose}):"
        raise Unexpected("\n  ".join([head, *broken]))
    return found


class _Seen:
    """What was seen of a client; each method yields what speaks against an expectation."""

    def __init__(self, observation: Observation, found: Inference) -> None:
        self.found = found
        rows = observation.frame()
        self.rows = rows
        self.end_s = max(observation.observed_s, float(rows["ended_s"].fillna(0.0).max()))
        self.waits = number_waits(pair_attempts(rows), ResetRule())
        self.last = rows[~rows.duplicated("client", keep="last")]

    def against_jitter(self, expected: bool) -> Iterator[str]:
        fit = self.found.fit
        if fit is None or fit.is_none or self.found.unjudged:
            shorter = self._shorter_again()
            if not shorter:
                yield f"cannot be told: {self.found.verdict}"
            elif not expected:
                yield f"its waits vary: {shorter} in one row of failures"
            return
        has_jitter = fit.best.rules.jitter != Jitter.NONE
        if has_jitter != expected:
            yield f"the waits say: {self.found.verdict} ({self._first_waits()})"

    def against_longest(self, limit_s: float) -> Iterator[str]:
        waits = self.waits
        # Where the server asked for a longer wait, the client may wait so long.
        own = waits[~(waits["retry_after_s"].fillna(0.0) > 0.0)]
        sure_s = own["wait_s"] - own["late_s"].fillna(0.0)
        above = own[sure_s > limit_s]
        if len(above):
            row = max(_records(above), key=lambda each: each["wait_s"])
            more = f", and {len(above) - 1} more waits are above" if len(above) > 1 else ""
            yield f"it waited {say_seconds(row['wait_s'])} after {_answer(row)}{more}"
        cap = {} if self.found.fit is None else {p.name: p for p in self.found.fit.parameters}
        if not self.found.unjudged and "cap_s" in cap and cap["cap_s"].low > limit_s:
            yield f"its waits grow to {say_seconds(cap['cap_s'].value)}"

    def against_stops(self, codes: Collection[int]) -> Iterator[str]:
        findings = {code: [f for f in self._findings() if _code(f) == code] for code in codes}
        for code in sorted(codes):
            if not findings[code]:
                yield f"{code} was not seen: {_how(code)} lets it meet one"
            for finding in findings[code]:
                name = finding.about.removeprefix("after ")
                if finding.value is None:
                    yield f"{name} cannot be told: {finding.words}"
                elif finding.value != "stops":
                    yield f"{name}: it {self._came_back(name)}"
        yield from self._stopped_elsewhere(codes)

    def against_outage(self, outage_s: float, stops: Collection[int]) -> Iterator[str]:
        failed = self.waits[~self.waits["opened"]]
        if failed.empty and self.last["opened"].all():
            yield "cannot be told: it met no failure (bad_server.status(503) is an outage)"
            return
        limit = self.found.finding("max_attempts")
        if limit.value is not None:
            after_s = self._gave_up_after_s()
            if after_s < outage_s:
                yield f"it {limit.words}, {say_seconds(after_s)} into an outage"
        if not stops:
            yield from self._stopped_elsewhere(())

    def _stopped_elsewhere(self, codes: Collection[int]) -> Iterator[str]:
        gives_up = self.found.finding("max_attempts").value is not None
        for finding in self._findings():
            if finding.value == "stops" and _code(finding) not in codes and not gives_up:
                yield f"it does not come back after {finding.about.removeprefix('after ')} either"

    def _findings(self) -> list[Finding]:
        return [finding for finding in self.found.findings if _code(finding) is not None]

    def _came_back(self, name: str) -> str:
        here = [row for row in _records(self.waits) if _answer(row) == name]
        times = "once" if len(here) == 1 else f"{len(here)} times"
        return f"came back {times}, first after {say_seconds(here[0]['wait_s'])}"

    def _gave_up_after_s(self) -> float:
        spans = []
        for _, rows in self.rows.groupby("client"):
            opened = rows.index[rows["opened"]]
            outage = rows.loc[opened[-1] + 1 :] if len(opened) else rows
            if len(outage):
                spans.append(float(outage["ended_s"].iloc[-1] - outage["accept_s"].iloc[0]))
        return min(spans, default=nan)

    def _shorter_again(self) -> str:
        """Return two waits of one row of failures of which the later is the shorter, in words.

        Ceilings grow from failure to failure, so that needs jitter. It holds on a busy machine too,
        where a fit may not: errors of timing are allowed for.
        """
        for _, rows in self.waits[~self.waits["opened"]].groupby("client"):
            for before, after in pairwise(_records(rows)):
                least_s = before["wait_s"] - max(0.0, before["late_s"])
                most_s = (after["wait_s"] + max(0.0, after["early_s"])) * (1 + _SHORTER_FRACTION)
                in_a_row = after["attempt"] == before["attempt"] + 1
                if in_a_row and least_s > most_s + _SHORTER_S:
                    return f"{say_seconds(before['wait_s'])}, then {say_seconds(after['wait_s'])}"
        return ""

    def _first_waits(self) -> str:
        waits_s = self.waits["wait_s"].head(_NAMED)
        return f"its first: {', '.join(map(say_seconds, waits_s))}"


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _answer(row: dict[str, Any]) -> str:
    return f"{row['kind']} {row['detail']}".strip()


def _code(finding: Finding) -> int | None:
    """Return the status or close code that a finding is about, if it is."""
    told = re.match(r"after (?:status|close) (\d+)", finding.about)
    return int(told[1]) if told else None


def _how(code: int) -> str:
    return f"bad_server.{'status' if code < 1000 else 'close'}({code})"
