"""Exercises of 05: what leaves the outbox first, and what never."""

from __future__ import annotations

import pandas as pd

from simlib.course.exercises.checks import NotYet, compare_number, exercise_check, only, play_seeds
from simlib.scenario.scenario import Scenario


@exercise_check
def full_after(answer: object) -> str:
    """Check when 30 places are full, at 4 messages a second in and 2.5 out."""
    hints = {
        "s is right if nothing leaves": 7.5,
        "s is what it takes to empty: what comes in meanwhile?": 12.0,
        "is how fast it grows, in messages a second": 1.5,
    }
    return f"{compare_number(answer, 20.0, hints=hints):g} s, at 1.5 messages a second more"


@exercise_check
def asks_in_vain(answer: Scenario, given: Scenario) -> str:
    """Check that the server seldom answers "limited", by settings of the client's rate."""
    only(answer, given, "client.rate.")
    metrics = play_seeds(answer).iloc[0]
    _refuse_loss(metrics)
    limited = metrics["messages_limited"]
    if limited >= 20:
        raise NotYet(f"the server answers {limited:g} times that the limit is passed")
    return f"{limited:g} answers in vain, for {metrics['messages_served']:g} messages"


@exercise_check
def low_messages_in_time(answer: Scenario, given: Scenario) -> str:
    """Check that half of the low messages take 5 s at most, by one setting of the outbox."""
    [key] = only(answer, given, "client.outbox.", one=True)
    metrics = play_seeds(answer).iloc[0]
    _refuse_loss(metrics)
    low_s, critical_s = metrics["latency_s_p50_low"], metrics["latency_s_p95_critical"]
    if not low_s <= 5.0:
        raise NotYet(f"half of the low messages are acknowledged after {low_s:.1f} s, not 5 s")
    return (
        f"with this {key} half of the low messages take {low_s:.1f} s at most, "
        f"and the critical ones pay: 95 in 100 take up to {critical_s:.1f} s"
    )


def _refuse_loss(metrics: pd.Series) -> None:
    """Refuse an answer with which messages are lost, or still wait at the end."""
    lost, waiting = (int(metrics[name]) for name in ("lost", "undelivered"))
    if lost or waiting:
        raise NotYet(f"{lost} messages are lost, and {waiting} still wait at the end")
