"""Sample the attempt times of a few hundred clients that are always refused."""

from __future__ import annotations

from math import inf

import numpy as np

from simlib.core.backoff import Backoff, delay, delay_after_loss_s, wait_after_attempt_s
from simlib.core.backoff_kinds import CountedFrom, Jitter
from simlib.core.draws import Stream, uniform
from simlib.metrics.array_types import Floats
from simlib.metrics.policy_waits import waits_s
from simlib.studies.policy.lint.case import ROUND_TRIP_S

#: Clients that are drawn.
DRAWN_CLIENTS = 300
#: Attempts in a row by which waits have grown to their longest, and that are drawn to give up.
_GROWN, _DRAWN = 64, 200


def longest_wait_s(rules: Backoff) -> float:
    """Return the longest wait among the first attempts in a row; 0 if there is none."""
    waits = waits_s(rules, _GROWN)[-1]
    return max(np.nan_to_num(waits, nan=0.0).tolist(), default=0.0)


def draw_attempt_times_s(rules: Backoff, client: int, until_s: float) -> list[float]:
    """Return when a client attempts that was lost at 0 s and is refused each time."""
    times: list[float] = []
    now = 0.0
    if rules.after_loss_s < inf:
        now = delay_after_loss_s(rules, _draw(rules, client, 0)) + ROUND_TRIP_S
    wait_s, attempt = 0.0, 0
    while now < min(until_s, rules.give_up_after_s) and attempt < rules.max_attempts:
        attempt += 1
        wait_s = delay(rules, attempt, wait_s, _draw(rules, client, attempt))
        now += wait_after_attempt_s(rules, wait_s, ROUND_TRIP_S)
        times.append(now)
        now += ROUND_TRIP_S
    return times


def give_up_times_s(rules: Backoff, lost_s: float, attempt_s: float) -> Floats:
    """Return when clients give up that were lost at 0 s, in order, of each that is drawn.

    ``lost_s`` is the wait after a loss, if that has one of its own, else inf; ``attempt_s`` is how
    long an attempt takes to fail.
    """
    # A loss that has a wait of its own comes before the first failure; any other counts as one.
    waits = int(rules.max_attempts) - (lost_s < inf)
    drawn = min(waits, _DRAWN)
    clients = (
        DRAWN_CLIENTS if rules.jitter != Jitter.NONE or rules.first_jitter != Jitter.NONE else 1
    )
    each_s = np.array([_waits_s(rules, client, drawn, attempt_s) for client in range(clients)])
    # Waits have long grown by then, so those beyond are as the last that were drawn.
    beyond_s = (waits - drawn) * float(each_s[:, -24:].mean()) if waits > drawn else 0.0
    begins_s = (lost_s if lost_s < inf else 0.0) + attempt_s * rules.max_attempts
    return np.asarray(np.sort(begins_s + each_s.sum(axis=1) + beyond_s))


def _waits_s(rules: Backoff, client: int, count: int, attempt_s: float) -> list[float]:
    draws: list[float] = []
    wait_s = 0.0
    for attempt in range(1, count + 1):
        wait_s = delay(rules, attempt, wait_s, _draw(rules, client, attempt))
        # The first follows a loss, not an attempt that took its time.
        first = attempt == 1 and rules.counted_from == CountedFrom.START
        draws.append(0.0 if first else wait_after_attempt_s(rules, wait_s, attempt_s))
    return draws


def _draw(rules: Backoff, client: int, attempt: int) -> float:
    if rules.drawn_once:
        return uniform(1, client, Stream.WAIT_ONCE, 0)
    return uniform(1, client, Stream.WAIT, attempt)
