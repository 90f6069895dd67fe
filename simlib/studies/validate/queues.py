"""Queues: handshakes that wait for workers, are refused, find no token, come again."""

from __future__ import annotations

from functools import partial
from math import inf

import numpy as np

from simlib.core.arrivals import StartTimes
from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.path import Latency, Path
from simlib.core.server_settings import AddressLimit, ServerSettings, ServiceTime
from simlib.core.settings import Settings
from simlib.metrics.array_types import Floats
from simlib.metrics.metrics import summary
from simlib.metrics.server_counts import count_servers
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.case import Known, KnownCase, Topic, play_quickly, simulate
from simlib.trace.trace import Trace

#: Replications of a queue, and handshakes of each: neighbours depend on each other, runs do not.
_RUNS, _HANDSHAKES = 24, 40_000
#: In sim a handshake costs thirty times as much: so much of each replication is played there.
_SHORTER, _IN_SIM = 0.1, ", sim"
#: The share of a run that passes before anything is counted.
_WARM_UP_FRACTION = 0.05
_AT_ONCE = Path(latency=Latency(mean_s=0.0))
_NO_HEARTBEAT = HeartbeatRules(interval_s=inf)
_EXPONENTIAL, _CONSTANT = ServiceTime.EXPONENTIAL, ServiceTime.CONSTANT


def station(arrivals_per_s: float, server: ServerSettings, clients: int) -> Scenario:
    """Return clients that come to a server at random moments, once each, and wait patiently."""
    ramp_s = clients / arrivals_per_s
    return Scenario(
        clients=clients,
        arrivals=StartTimes.POISSON,
        ramp_s=ramp_s,
        duration_s=1.0001 * ramp_s,
        warm_up_s=_WARM_UP_FRACTION * ramp_s,
        server=server,
        path=_AT_ONCE,
        client=Settings(
            connect_timeout_s=1e6, backoff=Backoff(max_attempts=0), heartbeat=_NO_HEARTBEAT
        ),
        workload=Workload(rate_per_s=0.0),
    )


def _waits_s(trace: Trace) -> Floats:
    return np.concatenate([each.waits_s for each in count_servers(trace)])


def measure_mean_wait(trace: Trace) -> Floats:
    """Return the mean wait for a worker."""
    return np.array([_waits_s(trace).mean()])


def measure_share_waiting(longer_than_s: float, trace: Trace) -> Floats:
    """Return the share of the handshakes that waited for longer."""
    return np.array([(_waits_s(trace) > longer_than_s + 1e-9).mean()])


def measure_busy(trace: Trace) -> Floats:
    """Return the share of their time that workers were busy."""
    return np.array([summary(trace)["server_busy_fraction"].iloc[0]])


def measure_refused(column: str, trace: Trace) -> Floats:
    """Return the share of the handshakes that were refused."""
    row = summary(trace).iloc[0]
    return np.array([row[column] / (row[column] + row["handshakes_served"])])


def _play(group: Topic, scenario: Scenario, in_sim: bool, *checks: Known) -> KnownCase:
    """Return a queue on the fleet; or in sim, whose server has a queue of its own, and shorter."""
    if not in_sim:
        return KnownCase(group, play_quickly(scenario), checks, _RUNS, 0.1)
    ramp_s = scenario.ramp_s * _SHORTER
    shorter = scenario.replace(
        {"clients": round(scenario.clients * _SHORTER), "ramp_s": ramp_s,
         "duration_s": 1.0001 * ramp_s, "warm_up_s": _WARM_UP_FRACTION * ramp_s}
    )  # fmt: skip
    return KnownCase(group, simulate(shorter), checks, 2 * _RUNS // 3, 0.4)


def _queue(
    workers: int, offered: float, kind: ServiceTime, *checks: Known, in_sim: bool = False
) -> KnownCase:
    server = ServerSettings(workers=workers, handshake_service_s=1.0, handshake_service=kind)
    return _play(Topic.QUEUES, station(offered, server, _HANDSHAKES), in_sim, *checks)


def _exponential_queue(workers: int, offered: float, in_sim: bool = False) -> KnownCase:
    load = f"{offered:g}/s{_IN_SIM}" if in_sim else f"load {offered / workers:g}"
    name = f"M/M/{workers}, {load}"
    share = theory.share_waiting(workers, offered)
    wait_s = theory.mean_wait_s(workers, offered)
    return _queue(
        workers,
        offered,
        _EXPONENTIAL,
        Known(f"{name}: mean wait", wait_s, theory.ERLANG, measure_mean_wait, "s"),
        Known(f"{name}: share waiting", share, theory.ERLANG, partial(measure_share_waiting, 0.0)),
        Known(f"{name}: busy share", offered / workers, theory.ERLANG, measure_busy),
        in_sim=in_sim,
    )


def _constant_queue(load: float, t: float) -> KnownCase:
    name = f"M/D/1, load {load:g}"
    longer = 1.0 - theory.constant_wait_share(load, t)
    wait_s = theory.mean_constant_wait_s(load)
    return _queue(
        1,
        load,
        _CONSTANT,
        Known(f"{name}: mean wait", wait_s, theory.POLLACZEK, measure_mean_wait, "s"),
        Known(
            f"{name}: share over {t:g} s",
            longer,
            theory.CROMMELIN,
            partial(measure_share_waiting, t),
        ),
    )


def _bounded_queue(
    workers: int, offered: float, room: int, kind: ServiceTime, in_sim: bool = False
) -> KnownCase:
    server = ServerSettings(
        workers=workers, handshake_service_s=1.0, handshake_service=kind, backlog=room - workers
    )
    letter = "M" if kind == ServiceTime.EXPONENTIAL else "D"
    if workers > 1:
        refused, source = theory.lost_share(workers, offered), theory.ERLANG
    elif kind == ServiceTime.EXPONENTIAL:
        refused, source = theory.blocked_share(offered, room), theory.BOUNDED
    else:
        refused, source = theory.constant_blocked_share(offered, room), theory.BOUNDED
    name = f"M/{letter}/{workers}/{room}, {offered:g}/s{_IN_SIM if in_sim else ''}: refused"
    check = Known(name, refused, source, partial(measure_refused, "refused_backlog"))
    return _play(Topic.BOUNDED, station(offered, server, _HANDSHAKES), in_sim, check)


# --- token buckets -----------------------------------------------------------------------


def _bucket(arrivals_per_s: float, per_s: float, burst: int) -> KnownCase:
    clients = 3_000
    address = AddressLimit(accept_per_s=per_s, burst=burst, clients=clients)
    scenario = station(arrivals_per_s, ServerSettings(per_address=address), clients)
    check = Known(
        f"{arrivals_per_s:g}/s into {per_s:g}/s, burst {burst}: refused",
        theory.constant_blocked_share(arrivals_per_s / per_s, burst),
        theory.BOUNDED,
        measure_refused_by_bucket,
    )
    # The fleet has no limits by address.
    return KnownCase(Topic.BUCKETS, simulate(scenario), (check,), 12, 0.3)


def measure_refused_by_bucket(trace: Trace) -> Floats:
    """Return the share of the handshakes for which there was no token."""
    row = summary(trace).iloc[0]
    settled = trace.scenario.clients * (1.0 - _WARM_UP_FRACTION)
    return np.array([row["refused_address"] / settled])


def _even_bucket(interval_s: float, per_s: float, burst: int, clients: int) -> KnownCase:
    """Return clients that come at even distances: each admission is known."""
    address = AddressLimit(accept_per_s=per_s, burst=burst, clients=clients)
    scenario = station(1.0, ServerSettings(per_address=address), clients).replace(
        {"arrivals": "even", "ramp_s": interval_s * clients, "warm_up_s": 0.0,
         "duration_s": interval_s * clients + 1.0}
    )  # fmt: skip
    admitted = min(clients, int(burst + per_s * interval_s * (clients - 1) + 1e-9))
    name = f"{burst} + {per_s:g}/s, each {interval_s:g} s"
    check = Known(f"{name}: admitted", admitted, theory.GCRA, measure_admitted)
    return KnownCase(Topic.BUCKETS, simulate(scenario), (check,), 1, 0.1)


def measure_admitted(trace: Trace) -> Floats:
    """Return how many handshakes there was a token for."""
    refused = summary(trace)["refused_address"].iloc[0]
    return np.array([float(trace.scenario.clients - refused)])


# --- those who come again ----------------------------------------------------------------


def _retrial(jitter: Jitter, arrivals_per_s: float) -> KnownCase:
    """Return M/M/1/1 whose refused clients come again, after 100 s on average."""
    wait_s, clients = 100.0, 40_000
    base_s = wait_s * {Jitter.FULL: 2.0, Jitter.EQUAL: 4.0 / 3.0, Jitter.PROPORTIONAL: 1.0}[jitter]
    server = ServerSettings(
        handshake_service_s=1.0, handshake_service=ServiceTime.EXPONENTIAL, backlog=0
    )
    scenario = station(arrivals_per_s, server, clients).replace(
        "client.backoff",
        Backoff(jitter=jitter, base_s=base_s, cap_s=10.0 * base_s, factor=1.0),
    )
    check = Known(
        f"{arrivals_per_s:g}/s, {jitter.name.lower()}: attempts",
        1.0 / (1.0 - arrivals_per_s),
        theory.RETRIAL,
        measure_attempts_of_each,
        # The limit for long waits; what is left of it for exponential ones.
        leeway=arrivals_per_s / (1.0 - arrivals_per_s) / wait_s,
    )
    return KnownCase(
        Topic.RETRIAL,
        play_quickly(scenario.replace("warm_up_s", 0.2 * scenario.ramp_s // 1)),
        (check,),
        8,
        0.3,
    )


def measure_attempts_of_each(trace: Trace) -> Floats:
    """Return how many attempts were made for each client that was served."""
    row = summary(trace).iloc[0]
    served = row["handshakes_served"]
    return np.array([(row["refused_backlog"] + served) / served])


def queue_cases() -> list[KnownCase]:
    """Return all of them."""
    return [
        _exponential_queue(1, 0.7),
        _exponential_queue(3, 2.4),
        _exponential_queue(5, 2.5),
        _exponential_queue(10, 5.0),
        _constant_queue(0.5, 1.0),
        _constant_queue(0.8, 5.0),
        _exponential_queue(3, 1.8, in_sim=True),
        _bounded_queue(1, 0.8, 4, _EXPONENTIAL),
        _bounded_queue(1, 1.2, 10, _EXPONENTIAL),
        _bounded_queue(1, 0.8, 3, _CONSTANT),
        _bounded_queue(1, 1.2, 10, _CONSTANT),
        _bounded_queue(5, 4.0, 5, _EXPONENTIAL),
        _bounded_queue(10, 12.0, 10, _EXPONENTIAL),
        _bounded_queue(1, 0.8, 3, _CONSTANT, in_sim=True),
        _bucket(4.0, 5.0, 1),
        _bucket(4.0, 5.0, 3),
        _bucket(12.0, 10.0, 10),
        _even_bucket(0.5, 1.0, 5, 100),
        _even_bucket(0.05, 10.0, 20, 200),
        _retrial(Jitter.FULL, 0.5),
        _retrial(Jitter.EQUAL, 0.5),
        _retrial(Jitter.PROPORTIONAL, 0.3),
    ]
