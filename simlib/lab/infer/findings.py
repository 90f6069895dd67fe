"""Findings of each phase of an observation, beside the waits.

Every finding has the number of attempts that it rests on. If there are too few, it has no value,
and its words name the phase that would provide more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd

from simlib.core.backoff_words import say_seconds
from simlib.lab.observe.script import ABRUPT
from simlib.metrics.array_types import Floats
from simlib.support.json_values import jsonable

#: The finding of waits that were not timed well enough.
WAITS_LEFT_OUT = "waits left out"
#: The finding of waits without jitter that were late though the machine's timers were not.
LATENESS = "lateness_s"
#: The finding of a wait after a loss that does not count.
AFTER_LOSS = "wait after a lost connection"
#: So many attempts at least for a time that is measured.
FEWEST_TIMES = 3
#: After a silence of so many of its longest waits a client is not coming back.
_PATIENCE = 3.0


@dataclass(frozen=True)
class Finding:
    """A finding: a value with its grounds, or the reason why there is none."""

    about: str
    #: A number in the unit of the name, a word, or None: not told.
    value: float | str | None
    low: float
    high: float
    #: The attempts it rests on.
    attempts: int
    words: str

    @property
    def is_told(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def to_json(self) -> dict[str, Any]:
        """Return the finding as values for JSON."""
        return dict(jsonable(asdict(self)))


def not_enough(about: str, phase: str, seen: int, least: int, tells: str) -> Finding:
    """Return a finding without a value, which names the phase that would provide one."""
    words = f"not enough attempts in phase {phase}: {seen} of at least {least}; {tells}"
    return Finding(about, None, nan, nan, seen, words)


def measure(about: str, times_s: Floats, blur_s: float, words: str) -> Finding:
    """Return the mean of times that should be the same, with its 95 % interval."""
    from scipy.special import stdtrit

    count = times_s.size
    sd_s = max(blur_s, float(times_s.std(ddof=1)) if count > 1 else blur_s)
    value = float(times_s.mean())
    half_s = float(stdtrit(max(1, count - 1), 0.975)) * sd_s / sqrt(count)
    return Finding(about, value, max(0.0, value - half_s), value + half_s, count, words)


def connect_timeout(rows: pd.DataFrame, blur_s: float) -> Finding:
    """Return how long the client waits for an answer to an attempt."""
    about = "connect_timeout_s"
    silent = rows[(rows["kind"] == "silent") & ~rows["opened"]]
    lasted = silent["ended_s"] - silent["accept_s"]
    own = _likely(lasted[silent["ended_by"] == "client"])
    if own.size >= FEWEST_TIMES:
        words = "closes an attempt that is accepted and not answered after this time"
        return measure(about, own, blur_s, words)
    others = lasted[silent["ended_by"] != "client"]
    if own.size == 0 and len(others) and float(others.max()) > 0.0:
        least_s = float(others.max())
        words = f"none within {say_seconds(least_s)}; a longer phase silent would tell more"
        return Finding(about, None, least_s, inf, len(others), words)
    tells = "phase silent, long enough for several time-outs, tells it"
    return not_enough(about, "silent", own.size, FEWEST_TIMES, tells)


def heartbeat(rows: pd.DataFrame, blur_s: float) -> list[Finding]:
    """Return how often the client pings, and how long it waits for an answer."""
    opened = rows[rows["opened"]]
    every = opened["ping_interval_s"].dropna().to_numpy(np.float64)
    first = opened["first_ping_s"].dropna().to_numpy(np.float64)
    silent = opened[opened["kind"] == "no_pong"]
    about = "heartbeat.interval_s"
    if every.size:
        findings = [measure(about, every, blur_s, "pings this often")]
    elif first.size:
        findings = [measure(about, first, blur_s, "first ping this long after opening; no second")]
    elif len(silent):
        longest_s = float((silent["ended_s"] - silent["answered_s"]).max())
        words = f"no ping within {say_seconds(longest_s)}; a longer phase no_pong would tell more"
        findings = [Finding(about, None, longest_s, inf, len(silent), words)]
    else:
        findings = [not_enough(about, "no_pong", 0, 1, "phase no_pong tells it")]
    return [*findings, _heartbeat_timeout(silent, blur_s)]


def _heartbeat_timeout(silent: pd.DataFrame, blur_s: float) -> Finding:
    about = "heartbeat.timeout_s"
    pinged = silent[(silent["pings"] > 0) & silent["first_ping_s"].notna()]
    own = pinged[pinged["ended_by"] == "client"]
    last_s = own["first_ping_s"] + (own["pings"] - 1) * own["ping_interval_s"].fillna(0.0)
    waited = _likely(own["ended_s"] - own["answered_s"] - last_s)
    if waited.size:
        words = "closes when its last ping has gone unanswered for this time"
        return measure(about, waited, blur_s, words)
    if len(pinged):
        words = "its pings went unanswered, and it stayed; a longer phase no_pong would tell more"
        return Finding(about, None, nan, inf, len(pinged), words)
    return not_enough(about, "no_pong", 0, 1, "a phase no_pong longer than its interval tells it")


def _likely(times: pd.Series) -> Floats:
    """Return the times that can be: an end that was not seen has none, and none is below 0."""
    return times[times > 0.0].to_numpy(np.float64)


# --- what stops it -----------------------------------------------------------------------


def stops(rows: pd.DataFrame, longest_wait_s: float, end_s: float) -> list[Finding]:
    """Return for each answer and close that we gave whether the client comes back after it."""
    last = ~rows.duplicated("client", keep="last")
    answer_findings = []
    for (kind, detail), group in rows[rows["kind"].isin(_ANSWERS)].groupby(
        ["kind", "detail"], sort=False
    ):
        ended = group[group["ended_by"] != "none"]
        returned = int((~last[ended.index]).sum())
        gone = ended[last[ended.index]]
        quiet = (end_s - gone["ended_s"]) > _PATIENCE * longest_wait_s + 1.0
        left = int(quiet.sum())
        answer_findings.append(_stop(f"after {answer(kind, detail)}", returned, left))
    return answer_findings


_ANSWERS = ("status", "close", "reset", "open_then_cut", "silent", "no_pong")


def answer(kind: Any, detail: Any) -> str:
    """Return in words what a phase does to an attempt."""
    return f"{kind} {detail}".strip()


def _stop(about: str, returned: int, left: int) -> Finding:
    if left and left >= returned:
        value = "stops at times" if returned else "stops"
        words = f"does not come back {left} times" if returned else "does not come back"
        return Finding(about, value, nan, nan, left + returned, words)
    if returned:
        words = f"comes back: {returned} of {returned + left}"
        return Finding(about, "comes back", nan, nan, returned + left, words)
    tells = "the observation ended too soon after it; a longer one tells"
    phase = about.removeprefix("after ")
    return not_enough(about, phase, 0, 1, tells)


def codes(findings: Iterable[Finding]) -> dict[int, bool]:
    """Return the statuses and close codes of findings, and whether the client came back after each.

    Of a status that was given with and without Retry-After, coming back once says that it does.
    """
    takes_hint: dict[int, bool] = {}
    for finding in findings:
        code = re.match(r"after (?:status|close) (\d+)", finding.about)
        # An end without a close frame (1006) is no code of one.
        if code and finding.is_told and int(code[1]) != ABRUPT:
            takes_hint[int(code[1])] = (
                takes_hint.get(int(code[1]), False) or finding.value != "stops"
            )
    return takes_hint


def most_attempts(
    rows: pd.DataFrame, followed: pd.DataFrame, longest_wait_s: float, end_s: float
) -> Finding:
    """Return after how many failures in a row the client gives up.

    It has given up if nothing came of it for several of its longest waits, though it used to come
    back after what it was told last. The attempts have their failures in a row, from
    `count_failures`.
    """
    about = "max_attempts"
    counts = rows.loc[followed.index, "failures"]
    longest = int(counts.max()) if len(counts) else 0
    last = rows[~rows.duplicated("client", keep="last")]
    quiet_s = end_s - last["ended_s"]
    answers = pd.MultiIndex.from_frame(rows[["kind", "detail"]])
    came_back = answers[rows.index.isin(followed.index)]
    is_usual = answers[rows.index.isin(last.index)].isin(came_back)
    is_over = ~last["opened"] & is_usual & (quiet_s > _PATIENCE * longest_wait_s + 1.0)
    gave_up = last.loc[is_over & last["is_exact"], "failures"]
    # A client that went on after as many failures shows that something else stopped the others.
    if gave_up.nunique() == 1 and longest < gave_up.iloc[0]:
        limit = int(gave_up.iloc[0])
        words = f"gives up after {limit} failures in a row"
        return Finding(about, float(limit), limit, limit, len(gave_up), words)
    words = (
        f"went on after {longest} failures in a row, the most that were seen; "
        "a longer phase status 503 or silent tells more"
    )
    return Finding(about, None, float(longest), inf, longest, words)
