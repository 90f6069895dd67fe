"""What bounds a client's attempts: budgets, the time after which it gives up, when it is stable.

Nothing is drawn: each row is a number of attempts that is known exactly.
"""

from __future__ import annotations

from math import inf
from typing import Any

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.meters import AttemptBudget, Rate
from simlib.core.path import Latency, Path
from simlib.core.server_settings import ServerSettings
from simlib.core.settings import Settings
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.case import Known, KnownCase, Topic, simulate
from simlib.studies.validate.recovery import measure_all_attempts, measure_attempts, outage


def accept_and_close(open_s: float, duration_s: float, **client: Any) -> Scenario:
    """Return a client whose server ends each connection after a while."""
    return Scenario(
        clients=1,
        ramp_s=0.0,
        duration_s=duration_s,
        path=Path(latency=Latency(mean_s=0.0)),
        client=Settings(heartbeat=HeartbeatRules(interval_s=inf), **client),
        server=ServerSettings(
            max_connection_age_s=open_s, max_connection_age_jitter_fraction=0.0
        ),
        workload=Workload(rate_per_s=0.0),
    )  # fmt: skip


def _connect_budget(burst: int, per_s: float, duration_s: float) -> KnownCase:
    """Return a client that connects again and again, as often as its budget allows."""
    scenario = accept_and_close(
        0.01,
        duration_s,
        backoff=Backoff(jitter=Jitter.NONE, base_s=0.01, cap_s=0.01),
        connect_budget=Rate(per_s=per_s, burst=burst),
    )
    check = Known(
        f"connect budget {burst} + {per_s:g}/s: attempts",
        float(burst + int(per_s * duration_s)),
        theory.GCRA,
        measure_all_attempts,
    )
    return KnownCase(Topic.BUCKETS, simulate(scenario), (check,), 1, 0.1)


def _attempt_budget(tokens: int) -> KnownCase:
    """Return a client that lost its connection, and may try again so often: the first is free."""
    scenario = outage(
        Backoff(jitter=Jitter.NONE, base_s=1.0, cap_s=1.0), 1000.0, 100.0,
        attempt_budget=AttemptBudget(per_s=0.0, burst=tokens),
    ).replace(clients=1)  # fmt: skip
    check = Known(
        f"attempt budget of {tokens}: attempts", float(tokens), theory.ADDED_UP, measure_attempts
    )
    return KnownCase(Topic.BUCKETS, simulate(scenario), (check,), 1, 0.1)


def _giving_up_in_time(after_s: float, attempts: int) -> KnownCase:
    """Return a client that attempts 1, 3, 7, 15 ... s after the loss, up to a moment."""
    backoff = Backoff(jitter=Jitter.NONE, base_s=1.0, cap_s=100.0, give_up_after_s=after_s)
    scenario = outage(backoff, 1000.0, 300.0).replace(clients=1)
    check = Known(
        f"gives up after {after_s:g} s: attempts",
        float(attempts),
        theory.ADDED_UP,
        measure_attempts,
    )
    return KnownCase(Topic.RECOVERY, simulate(scenario), (check,), 1, 0.1)


def _stable(after_s: float, attempts: int) -> KnownCase:
    """Return a client whose connections end after a second each.

    Where that is no success, it waits 1, 2, 4, 8, 8 ... s, and begins at 0, 2, 5, 10, 19, 28 ... s;
    where it is one, it waits for a second each time.
    """
    backoff = Backoff(jitter=Jitter.NONE, base_s=1.0, cap_s=8.0, stable_after_s=after_s)
    scenario = accept_and_close(1.0, 59.5, backoff=backoff)
    check = Known(
        f"open 1 s, stable {after_s:g} s: attempts", float(attempts), theory.ADDED_UP,
        measure_all_attempts,
    )  # fmt: skip
    return KnownCase(Topic.RECOVERY, simulate(scenario), (check,), 1, 0.1)


def limit_cases() -> list[KnownCase]:
    """Return all of them."""
    return [
        _connect_budget(5, 1.0, 20.5),
        _attempt_budget(5),
        _giving_up_in_time(10.0, 3),
        _stable(5.0, 9),
        _stable(0.5, 30),
    ]
