"""A client made up for tests, and what an observation of it would hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nan

import numpy as np
import pandas as pd

from simlib.core.backoff import Backoff, delay, wait_after_attempt_s
from simlib.lab.infer.likelihood import sample

BLUR_S = 0.002


def drawn(rules: Backoff, count: int = 200, seed: int = 1, *, rows: int = 10) -> pd.DataFrame:
    """Waits of clients that fail so many times in a row, with 2 ms of timing errors."""
    clients = -(-count // rows)
    wait_s = sample(rules, rows, clients, seed)
    wait_s = wait_s + np.random.default_rng(seed).normal(0.0, BLUR_S, wait_s.shape)
    columns = {
        "attempt": np.tile(np.arange(1, rows + 1), clients),
        "wait_s": np.maximum(0.0, wait_s.T.ravel()),
        "client": np.repeat(np.arange(clients), rows),
    }
    return pd.DataFrame(columns)[:count]


def _exponential(attempt: int) -> float:
    return min(8.0, 0.5 * 2.0 ** (attempt - 1))


#: Waits of no family, by attempt in a row and source of chance.
FOREIGN: dict[str, Callable[[int, np.random.Generator], float]] = {
    "one of two lengths": lambda n, rng: (1.0 if rng.random() < 0.5 else 7.0) + rng.random(),
    "lognormal around a ceiling": lambda n, rng: _exponential(n) * rng.lognormal(0.0, 0.8),
    "exponentially spread": lambda n, rng: rng.exponential(2.0),
    "normal around a ceiling": lambda n, rng: max(0.0, rng.normal(4.0, 0.8)),
    "at both ends more than between": lambda n, rng: 4.0 * rng.beta(0.3, 0.3),
    "short and long in turn": lambda n, rng: (1.0 if n % 2 else 6.0) * (0.8 + 0.4 * rng.random()),
    "begins again after the fourth": lambda n, rng: _exponential((n - 1) % 4 + 1) * rng.random(),
    "one of four lengths": lambda n, rng: 3.0 * rng.integers(1, 5),
    "shorter and shorter": lambda n, rng: 8.0 / n * (0.5 + 0.5 * rng.random()),
    "mostly short, rarely long": lambda n, rng: 0.3 + rng.pareto(1.2),
}


def foreign(name: str, count: int = 200, seed: int = 1, *, rows: int = 10) -> pd.DataFrame:
    """Waits of a policy that is in no family, with 2 ms of timing errors."""
    rng = np.random.default_rng(seed)
    attempts = np.arange(count) % rows + 1
    wait_s = [FOREIGN[name](int(attempt), rng) + rng.normal(0.0, BLUR_S) for attempt in attempts]
    columns = {"attempt": attempts, "wait_s": wait_s, "client": np.arange(count) // rows}
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Phase:
    """One phase: what is done to how many attempts."""

    kind: str
    detail: str = ""
    attempts: int = 6
    open_s: tuple[float, ...] = ()
    retry_after_s: float = nan


#: Failures, hints, closes, a client that is kept open for longer and longer, pings unanswered.
STANDARD = (
    Phase("status", "503", 25),
    Phase("silent", "", 5),
    Phase("status", "429", 4, retry_after_s=45.0),
    Phase("close", "1000", 4),
    Phase("close", "1012", 4),
    Phase("open_then_cut", "", 8, (0.1, 0.1, 1.0, 1.0, 3.0, 3.0, 8.0, 8.0)),
    Phase("no_pong", "", 3),
    Phase("status", "401", 4),
    Phase("status", "503", 20),
)


@dataclass
class Played:
    """A client with a policy, and its observation."""

    rules: Backoff
    connect_timeout_s: float = 4.0
    heeds: bool = False
    stops_on: tuple[str, ...] = ()
    ping_s: float = inf
    pong_s: float = 2.0
    at_once: tuple[str, ...] = ()
    client: int = 0
    seed: int = 1
    rows: list[dict[str, object]] = field(default_factory=list)

    def play(self, phases: tuple[Phase, ...] = STANDARD, after_s: float = 300.0) -> pd.DataFrame:
        """Return the observation; after the last attempt nothing happens for a while."""
        rng = np.random.default_rng((self.seed, self.client))
        now = count = failures = 0
        wait_s = 0.0
        for number, phase in enumerate(phases):
            for i in range(phase.attempts):
                row = self._attempt(number, phase, i, now + rng.normal(0.0, BLUR_S))
                self.rows.append(row)
                open_s = row["ended_s"] - row["answered_s"] if row["opened"] else -1.0
                if row["opened"] and open_s >= self.rules.stable_after_s:
                    count = 0
                failures = 0 if row["opened"] else failures + 1
                count += 1
                if phase.detail in self.stops_on or failures >= self.rules.max_attempts:
                    return self._observed(row["ended_s"] + after_s)
                if phase.detail in self.at_once:
                    wait_s, count = 0.001, 0
                else:
                    wait_s = delay(self.rules, count, wait_s, rng.random())
                if self.heeds and phase.retry_after_s > 0:
                    wait_s = phase.retry_after_s * (1.0 + 0.1 * rng.random())
                lasted_s = row["ended_s"] - row["accept_s"]
                now = row["ended_s"] + wait_after_attempt_s(self.rules, wait_s, lasted_s)
        return self._observed(now)

    def _observed(self, end_s: float) -> pd.DataFrame:
        # Another client, much later, ends the observation.
        final = self._attempt(99, Phase("status", "500"), 0, end_s) | {"client": 1000 + self.client}
        return pd.DataFrame([*self.rows, final])

    def _attempt(self, number: int, phase: Phase, i: int, accept_s: float) -> dict[str, object]:
        opened = phase.kind in {"close", "open_then_cut", "no_pong"}
        lasts_s, ended_by = (phase.open_s[i] if phase.open_s else 0.01), "us"
        row = {"pings": 0, "first_ping_s": nan, "ping_interval_s": nan}
        if phase.kind == "silent":
            lasts_s, ended_by = self.connect_timeout_s, "client"
        if phase.kind == "no_pong":
            lasts_s = 60.0
            if self.ping_s < lasts_s:
                lasts_s, ended_by = self.ping_s + self.pong_s, "client"
                row |= {"pings": 1, "first_ping_s": self.ping_s}
        return row | {
            "phase": number,
            "kind": phase.kind,
            "detail": phase.detail,
            "client": self.client,
            "accept_s": accept_s,
            "answered_s": accept_s + 0.001 if phase.kind != "silent" else nan,
            "opened": opened,
            "ended_s": accept_s + lasts_s + 0.001,
            "ended_by": ended_by,
            "retry_after_s": phase.retry_after_s,
        }


#: A client that is lost twice at first, then refused, and lost and refused in turn.
LOST_AND_REFUSED = (
    *(Phase("open_then_cut", "", 1, (0.5,)),) * 2,
    Phase("status", "503", 11),
    *(Phase("open_then_cut", "", 1, (0.5,)), Phase("status", "503", 3)) * 4,
)


def observe_late(
    rules: Backoff,
    draw_late_s: Callable[[np.random.Generator, int], np.ndarray],
    *,
    first_alone: bool = False,
    seed: int = 0,
    clients: int = 4,
) -> pd.DataFrame:
    """What the lab would see of clients of which all waits were late, or the first of each row."""
    rng, frames = np.random.default_rng(seed), []
    for client in range(clients):
        frame = Played(rules, client=client, seed=seed).play(LOST_AND_REFUSED)
        is_first = frame["opened"].shift(1, fill_value=False).to_numpy()
        is_late = is_first if first_alone else frame.index > 0
        late_s = np.where(is_late, draw_late_s(rng, len(frame)), 0.0)
        for name in ("accept_s", "answered_s", "ended_s"):
            frame[name] += late_s.cumsum()
        frames.append(frame)
    return pd.concat(frames)
