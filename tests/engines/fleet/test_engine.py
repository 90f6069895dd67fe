"""The fleet plays the same runs as sim: every attempt and every time, to the bit."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cache
from importlib.metadata import PackageNotFoundError
from math import inf
from threading import Barrier

import numpy as np
import pytest

import simlib as sl
from simlib.cli import arguments as given
from simlib.core.backoff_kinds import Jitter
from simlib.core.errors import EngineError, SettingsError, SimlibError
from simlib.engines.fleet import engine as fleet
from simlib.engines.fleet import jit, machine_code, part
from simlib.engines.kernel import arrays, features, loop, state
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import detection_times_s, downtimes_s, recovery_times_s
from simlib.metrics.messages import messages
from simlib.metrics.metrics import summary
from simlib.studies.watch.live_run import LiveRun
from simlib.trace.trace import Interrupted
from tests.batteries import with_slow

pytest.importorskip("numba")

OUTAGE = sl.Fault("outage", start_s=10, stop_s=25)
SLOW = sl.ServerSettings(handshake_service_s=0.004, backlog=50, retry_after_s=1)
IMPATIENT = sl.Backoff(base_s=0.2, cap_s=0.5)
LOCKSTEP = sl.Backoff(jitter="none", base_s=0.5, cap_s=8)


def unfelt(start_s):
    """A fault that hits nobody: but the fleet's loop pauses at it."""
    return sl.Fault("reset", start_s=start_s, clients_fraction=0)


MIXED = [sl.Fault("reject", start_s=25, stop_s=30), sl.Fault("outage", start_s=35, stop_s=38)]


def storm(**changes):
    settings = {
        "clients": 300, "duration_s": 60, "seed": 3, "ramp_s": 2, "faults": [OUTAGE],
        "server": SLOW, "workload": sl.Workload(rate_per_s=0),
    }  # fmt: skip
    return sl.Scenario(**(settings | changes))


def client(backoff=None, **more):
    return sl.Settings(backoff=backoff or sl.Backoff(), **more)


def server(**settings):
    return sl.ServerSettings(**settings)


SCENARIOS = {
    **{
        f"jitter {jitter.name.lower()}": storm(client=client(sl.Backoff(jitter=jitter, base_s=0.5)))
        for jitter in Jitter
    },
    "messages change nothing": storm(clients=100, workload=sl.Workload(rate_per_s=1)),
    "steps and a first wait": storm(client=client(sl.Backoff(steps_s=[0.5, 1, 4], first_s=0.1))),
    "jitter before the cap": storm(
        client=client(
            sl.Backoff(
                jitter="full", base_s=0.5, cap_s=4, jitter_place="before_cap", after_loss_s=0
            )
        )
    ),
    "jitter that compounds, after the cap": storm(
        client=client(
            sl.Backoff(jitter="proportional", cap_s=4, jitter_place="after_cap", compounding=True)
        )
    ),
    "jitter drawn once": storm(client=client(sl.Backoff(cap_s=4, drawn_once=True))),
    "linear growth, a first wait spread": storm(
        client=client(
            sl.Backoff(jitter="none", growth="linear", first_s=3, first_jitter="additive")
        )
    ),
    "power growth with a floor": storm(
        client=client(sl.Backoff(growth="power", exponent=1.5, base_s=0.3, cap_s=9, floor_s=0.5))
    ),
    "drawn above a floor": storm(client=client(sl.Backoff(floor_s=0.5, drawn_above_floor=True))),
    **{
        f"waits counted from the start of attempts, jitter {jitter}": storm(
            client=client(
                sl.Backoff(jitter=jitter, base_s=0.3, cap_s=4, counted_from="start"),
                connect_timeout_s=0.7,
            ),
            faults=[sl.Fault("black_hole", start_s=10, stop_s=20), *MIXED],
        )
        for jitter in ("none", "full", "decorrelated")
    },
    "no attempt after a loss": storm(client=client(sl.Backoff(max_attempts=0))),
    "all at once": storm(ramp_s=0, client=client(LOCKSTEP)),
    "several workers, exponential service": storm(
        server=server(
            handshake_service_s=0.02, workers=3, handshake_service="exponential", backlog=20
        )
    ),
    "accept rate, Retry-After": storm(server=server(accept_per_s=15, retry_after_s=2)),
    "accept rate in lockstep": storm(
        server=server(accept_per_s=15, retry_after_s=2), client=client(LOCKSTEP)
    ),
    "abandoned handshakes": storm(
        server=server(handshake_service_s=0.05),
        client=client(IMPATIENT, connect_timeout_s=1),
        duration_s=35,
    ),
    "abandoned handshakes take connections": storm(
        server=server(handshake_service_s=0.05, max_connections=250),
        client=client(IMPATIENT, connect_timeout_s=1),
        duration_s=35,
    ),
    "given up before they arrive": storm(
        server=server(handshake_service_s=0.01, max_connections=100),
        client=client(IMPATIENT, connect_timeout_s=0.05),
        faults=[sl.Fault("reset", start_s=1.03), sl.Fault("server_crash", start_s=9, stop_s=12)],
        duration_s=20,
    ),
    "TLS 1.2 on a path that draws and loses": storm(
        path=sl.Path(
            latency=sl.Latency(distribution="gamma", mean_s=0.05),
            loss_fraction=0.1,
            bandwidth_bytes_per_s=20_000,
            tls="1.2",
        ),
        faults=[OUTAGE, sl.Fault("latency", start_s=15, stop_s=25, amount_s=0.3), *MIXED],
    ),
    "TLS 1.3, given up while it is agreed and while it is worked on": storm(
        client=client(IMPATIENT, connect_timeout_s=0.5),
        server=server(tls_service_s=0.02, handshake_service_s=0.01, max_connections=250),
        path=sl.Path(latency=sl.Latency(mean_s=0.11), tls="1.3"),
        faults=[sl.Fault("reset", start_s=1.03), sl.Fault("server_crash", start_s=9, stop_s=12)],
        duration_s=30,
    ),
    "a session of TLS resumed, in lockstep": storm(
        ramp_s=0,
        client=client(LOCKSTEP),
        path=sl.Path(tls="resumed"),
        server=server(tls_service_s=0.004, retry_after_s=2, accept_per_s=40),
    ),
    "TLS 1.2, a server that ends connections, clients that leave": storm(
        path=sl.Path(latency=sl.Latency(mean_s=0.05), tls="1.2"),
        server=server(tls_service_s=0.01, max_connections=200),
        client=client(heartbeat=sl.HeartbeatRules(interval_s=5, timeout_s=1)),
        faults=[
            sl.Fault("deploy", start_s=10, stop_s=14),
            sl.Fault("close", start_s=25, stop_s=27),
        ],
        stay_s=40,
    ),
    "TLS 1.3 held in a black hole, and lost in one direction": storm(
        path=sl.Path(latency=sl.Latency(mean_s=0.2), tls="1.3"),
        server=server(),
        faults=[
            sl.Fault("reset", start_s=9.8),
            sl.Fault("black_hole", start_s=10, stop_s=14, clients_fraction=0.5),
            sl.Fault("half_open", start_s=20, stop_s=25, direction="down", clients_fraction=0.5),
            sl.Fault("handover", start_s=20.3),
        ],
        client=client(heartbeat=sl.HeartbeatRules(interval_s=3, timeout_s=1), connect_timeout_s=3),
    ),
    "every kind of fault": storm(
        faults=[
            sl.Fault("server_crash", start_s=10, stop_s=14),
            sl.Fault("slow_server", start_s=13, stop_s=30, factor=4),
            sl.Fault("reject", start_s=15, stop_s=18, retry_after_s=2, clients_fraction=0.5),
            sl.Fault("reset", start_s=20, clients_fraction=0.4),
            sl.Fault("outage", start_s=30, stop_s=33, route="http"),
            sl.Fault("flap", start_s=35, stop_s=45, period_s=2),
        ]
    ),
    **{
        f"given up as a line is cut, {name}": storm(
            client=client(sl.Backoff(base_s=0.02, cap_s=1, max_attempts=10)),
            server=server(accept_per_s=30),
            path=path,
            faults=[sl.Fault("flap", start_s=10, stop_s=26, period_s=4)],
            duration_s=35,
        )
        for name, path in {
            "on a plain path": sl.Path(),
            "on another": sl.Path(latency=sl.Latency(distribution="uniform", mean_s=0.1)),
        }.items()
    },
    "breaker by failures in a row": storm(
        client=client(
            sl.Backoff(max_attempts=8, stable_after_s=3),
            breaker=sl.Breaker(trip_after=3, open_s=5, factor=2, longest_open_s=20),
        )
    ),
    "breaker by their share, several probes": storm(
        client=client(breaker=sl.Breaker(failure_fraction=0.5, open_s=4, probes=2))
    ),
    "budgets": storm(
        client=client(
            attempt_budget=sl.Rate(per_s=0.3, burst=3), connect_budget=sl.Rate(per_s=0.2, burst=5)
        )
    ),
    **{
        f"breakers whose time is spread, {name}": storm(
            client=client(
                sl.Backoff(jitter=jitter, base_s=0.5, cap_s=4),
                breaker=sl.Breaker(
                    trip_after=2,
                    open_s=5,
                    factor=2,
                    longest_open_s=15,
                    open_spread_fraction=0.4,
                ),
            ),
            server=limits,
        )
        for name, jitter, limits in (
            ("in lockstep", "none", server(accept_per_s=15)),
            ("with jitter", "full", SLOW),
        )
    },
    "a wait after a loss that is spread": storm(
        client=client(
            sl.Backoff(after_loss_s=3, after_loss_jitter="full", give_up_after_s=40, cap_s=4)
        ),
        faults=[OUTAGE, *MIXED],
    ),
    "added to no wait after a loss": storm(
        client=client(sl.Backoff(jitter="none", after_loss_s=0, after_loss_jitter="additive")),
        faults=[OUTAGE, *MIXED],
    ),
    "hints beyond the clients' bound": storm(
        client=client(sl.Backoff(hint_cap_s=3, base_s=0.5)),
        server=server(accept_per_s=15, retry_after_s=20),
    ),
    **{
        f"giving up by time, stable after {stable_s} s": storm(
            client=client(
                sl.Backoff(base_s=0.5, cap_s=9, give_up_after_s=give_up_s, stable_after_s=stable_s),
                breaker=sl.Breaker(trip_after=4, open_s=2),
            ),
            cohorts=[
                sl.Cohort(
                    name="patient", clients_fraction=0.3, client=client(sl.Backoff(base_s=0.5))
                ),
                sl.Cohort(
                    name="hasty",
                    clients_fraction=0.2,
                    client=client(sl.Backoff(give_up_after_s=3, stable_after_s=2)),
                ),
            ],
            faults=[OUTAGE, sl.Fault("flap", start_s=30, stop_s=40, period_s=3), *MIXED[:1]],
        )
        for stable_s, give_up_s in ((0, 14), (4, 17))
    },
    **{
        f"budgets that successes fill, {name}": storm(
            client=client(
                sl.Backoff(base_s=0.2, cap_s=2), attempt_budget=sl.AttemptBudget(**budget)
            ),
            faults=[
                *(sl.Fault("reset", start_s=3.0 + 2 * i, clients_fraction=0.7) for i in range(9)),
                sl.Fault("outage", start_s=30, stop_s=34),
                *MIXED[1:],
            ],
        )
        for name, budget in {
            "and nothing else": {"per_s": 0, "burst": 6, "success_fraction": 0.4},
            "and time": {"per_s": 0.2, "burst": 3, "success_fraction": 0.2},
        }.items()
    },
    "a window that the server advises": storm(
        clients=400,
        client=client(sl.Backoff(base_s=0.2, cap_s=1), connect_timeout_s=0.5),
        server=server(accept_per_s=40, max_connections=390, advises_window_s=6),
        faults=[
            sl.Fault("deploy", start_s=5, stop_s=9),
            sl.Fault("close", start_s=20, code=1012),
            sl.Fault("deploy", start_s=30, stop_s=32, retry_after_s=2),
            sl.Fault("reject", start_s=40, stop_s=42, retry_after_s=1),
            sl.Fault("reset", start_s=40.5),
        ],
    ),
    "any traffic counts as life": storm(
        clients=100,
        client=client(heartbeat=sl.HeartbeatRules(interval_s=3, timeout_s=1, any_traffic=True)),
        path=sl.Path(latency=sl.Latency(distribution="gamma"), idle_timeout_s=20),
        faults=[
            sl.Fault("half_open", start_s=8, stop_s=12, direction="up", clients_fraction=0.5),
            sl.Fault("latency", start_s=40, stop_s=45, amount_s=0.4),
        ],
    ),
    "a lossy path of random latency": storm(
        clients=100,
        path=sl.Path(
            latency=sl.Latency(distribution="lognormal", mean_s=0.05, shape=0.8),
            loss_fraction=0.05,
            bandwidth_bytes_per_s=20_000,
            blackout_every_s=15,
            blackout_s=0.5,
        ),
        client=client(IMPATIENT, connect_timeout_s=0.4),
    ),
    "faults that nobody is told of, found by the heartbeat": storm(
        clients=100,
        client=client(heartbeat=sl.HeartbeatRules(interval_s=3, timeout_s=1)),
        path=sl.Path(latency=sl.Latency(distribution="gamma"), idle_timeout_s=20),
        server=server(max_connections=90, accept_per_s=40),
        faults=[
            sl.Fault("half_open", start_s=8, stop_s=12, direction="up", clients_fraction=0.5),
            sl.Fault("handover", start_s=20, clients_fraction=0.3),
            sl.Fault("black_hole", start_s=30, stop_s=33),
            sl.Fault("latency", start_s=40, stop_s=45, amount_s=0.4),
            sl.Fault("loss", start_s=45, stop_s=50, loss_fraction=0.4),
            sl.Fault("bandwidth", start_s=50, stop_s=55, bandwidth_bytes_per_s=400),
            sl.Fault("reject", start_s=52, stop_s=54, retry_after_s=1),
        ],
    ),
    "a server that ends connections": storm(
        clients=400,
        client=client(sl.Backoff(base_s=0.2, cap_s=1), connect_timeout_s=0.3),
        server=server(handshake_service_s=0.005, max_connections=380),
        faults=[
            sl.Fault("deploy", start_s=5, stop_s=15, retry_after_s=1),
            sl.Fault("close", start_s=20, stop_s=24, code=1013),
            sl.Fault("server_crash", start_s=22, stop_s=23),
            sl.Fault("close", start_s=30, clients_fraction=0.5),
        ],
    ),
    "pings that are answered too late": storm(
        client=client(LOCKSTEP, heartbeat=sl.HeartbeatRules(interval_s=2, timeout_s=0.04)),
        duration_s=20,
        ramp_s=0,
    ),
    "a status of the server's own that ends them": storm(
        client=client(stops=sl.Stops(ends_on=[503])), server=server(accept_per_s=15)
    ),
    "codes that end or suspend some and not others": storm(
        clients=200,
        stay_s=50,
        cohorts=[
            sl.Cohort(
                name="goes on",
                clients_fraction=0.3,
                client=client(
                    stops=sl.Stops(suspends_on=[]),
                    heartbeat=sl.HeartbeatRules(interval_s=3, timeout_s=1),
                ),
            ),
            sl.Cohort(
                name="ends",
                clients_fraction=0.3,
                client=client(
                    LOCKSTEP,
                    stops=sl.Stops(ends_on=[1012, "4400-4499", "400-410"], suspends_on=[]),
                ),
            ),
        ],
        server=server(handshake_service_s=0.005, max_connections=180),
        faults=[
            sl.Fault("reject", start_s=5, stop_s=9, status=401, clients_fraction=0.5),
            sl.Fault("reset", start_s=5.5, clients_fraction=0.7),
            sl.Fault("close", start_s=12, code=4401, clients_fraction=0.2),
            sl.Fault("deploy", start_s=20, stop_s=30),
            sl.Fault("close", start_s=35, stop_s=37, code=4410, clients_fraction=0.3),
            sl.Fault("reject", start_s=40, stop_s=44, status=410),
            sl.Fault("reset", start_s=41, clients_fraction=0.5),
            sl.Fault("outage", start_s=50, stop_s=52),
        ],
    ),
    "four gateways, a rolling deploy, two cohorts, clients that leave": storm(
        clients=200,
        gateways=4,
        stay_s=40,
        ramp_s=10,
        cohorts=[
            sl.Cohort(name="naive", clients_fraction=0.3, client=client(LOCKSTEP)),
            sl.Cohort(
                name="careful",
                clients_fraction=0.2,
                client=client(breaker=sl.Breaker(trip_after=3, open_s=2)),
            ),
        ],
        server=server(handshake_service_s=0.02, max_connections=60, retry_after_s=1),
        faults=[
            sl.Fault("deploy", start_s=12, stop_s=20, rolling=True),
            sl.Fault("server_crash", start_s=25, stop_s=30, gateway=2),
            sl.Fault("slow_server", start_s=28, stop_s=40, factor=3, gateway=1),
            sl.Fault("close", start_s=35, stop_s=37, code=1013, gateway=0),
            sl.Fault("outage", start_s=42, stop_s=46),
        ],
    ),
    "a server that scales, and resynchronises who comes back": storm(
        server=server(
            handshake_service_s=0.02,
            resync_service_s=0.05,
            backlog=200,
            scaling=sl.Scaling(at_backlog=20, delay_s=4, workers=2, most_steps=2),
        ),
        faults=[sl.Fault("server_crash", start_s=10, stop_s=20)],
    ),
    "hit again and again before a fault's end": storm(
        client=client(sl.Backoff(base_s=0.5, cap_s=1)),
        faults=[
            sl.Fault("flap", start_s=10, stop_s=31, period_s=5, down_fraction=0.3),
            sl.Fault("deploy", start_s=32, stop_s=52),
            sl.Fault("reset", start_s=40, clients_fraction=0.7),
            sl.Fault("outage", start_s=45, stop_s=46),
        ],
    ),
    "given up a little before an outage": storm(
        client=client(sl.Backoff(base_s=0.1, cap_s=0.5), connect_timeout_s=0.5),
        server=server(max_connections=200, handshake_service_s=0.002),
        path=sl.Path(latency=sl.Latency(distribution="uniform", mean_s=0.15)),
        faults=[
            sl.Fault("outage", start_s=1.2, stop_s=1.4, clients_fraction=0.6),
            sl.Fault("black_hole", start_s=3, stop_s=5),
            sl.Fault("reset", start_s=4),
            sl.Fault("server_crash", start_s=8.3, stop_s=8.4),
        ],
        duration_s=20,
    ),
    "opened at the very start": storm(
        clients=20,
        ramp_s=0,
        server=server(),
        path=sl.Path(latency=sl.Latency(mean_s=0)),
        client=client(sl.Backoff(base_s=1)),
        faults=[sl.Fault("reset", start_s=5)],
    ),
    "clients that arrive as a Poisson process, some after the ramp": storm(
        arrivals="poisson", gateways=3, warm_up_s=1.03, duration_s=40
    ),
    "clients that arrive at random, before a server that counts connections": storm(
        arrivals="uniform",
        stay_s=30,
        client=client(IMPATIENT, connect_timeout_s=1),
        server=server(handshake_service_s=0.05, max_connections=250),
        duration_s=35,
    ),
    "recorded arrivals, some together, some after the end": storm(
        arrivals="recorded",
        arrivals_s=[(client * 7919 % 300) / 100 for client in range(295)] + [70.0] * 5,
        gateways=2,
        server=server(accept_per_s=40),
    ),
    "more gateways than clients": storm(clients=3, gateways=5),
    "an outage that outlives the run": storm(faults=[sl.Fault("outage", start_s=10)]),
    "one client": storm(clients=1),
}


# Clients come to a moment together, to the bit, and the server tells in which order.
START = {"ramp_s": 5, "duration_s": 15}
VAIN = sl.HeartbeatRules(interval_s=0.2, timeout_s=0.04)
UNSPREAD = sl.Latency(distribution="uniform", mean_s=0.02, floor_s=0.02)
TOGETHER = {
    **{
        f"ends of first attempts and first handshakes, a pause at {start_s} s": SCENARIOS[
            "abandoned handshakes take connections"
        ].replace(faults=[OUTAGE, unfelt(start_s)], duration_s=20)
        for start_s in (0.5, 1.03, 1.4, 1.7, 1.9)
    },
    "ends of those that waited behind first handshakes, and first handshakes": storm(
        **START,
        clients=100,
        client=client(
            sl.Backoff(jitter="equal", base_s=0.1, cap_s=1), heartbeat=VAIN, connect_timeout_s=1
        ),
        server=server(handshake_service_s=0.01, max_connections=20, retry_after_s=1),
        faults=[sl.Fault("latency", start_s=0.5, stop_s=2, amount_s=0.1, clients_fraction=0.5)],
    ),
    "handshakes that were lost on their way, and others": storm(
        **START,
        client=client(IMPATIENT, connect_timeout_s=1),
        server=server(accept_per_s=40),
        path=sl.Path(loss_fraction=0.2),
        faults=[unfelt(1.5)],
    ),
    "handshakes that were slow on their way, and others": storm(
        **START | {"ramp_s": 6},
        client=client(IMPATIENT, connect_timeout_s=1),
        server=server(handshake_service_s=0.01, max_connections=150),
        faults=[
            sl.Fault("latency", start_s=1, stop_s=4, amount_s=0.3, clients_fraction=0.5),
            unfelt(1.3),
        ],
    ),
    "handshakes that a black hole held": storm(
        client=client(IMPATIENT, connect_timeout_s=1),
        server=server(accept_per_s=60),
        duration_s=15,
        faults=[
            sl.Fault("outage", start_s=2.5, stop_s=3.5),
            sl.Fault("black_hole", start_s=3, stop_s=5),
        ],
    ),
    "attempts at the end of a hint that is not spread": storm(
        client=client(sl.Backoff(spread_fraction=0, base_s=0.2, cap_s=0.5)),
        server=server(accept_per_s=20, retry_after_s=1, max_connections=200),
        duration_s=20,
        faults=[sl.Fault("outage", start_s=3, stop_s=5)],
    ),
    "lockstep on a path that is random in name only": storm(
        client=client(LOCKSTEP),
        server=server(accept_per_s=40, retry_after_s=1),
        path=sl.Path(latency=UNSPREAD),
        duration_s=20,
        faults=[sl.Fault("outage", start_s=4, stop_s=7)],
    ),
    "lockstep on a path most of whose latencies are the same": storm(
        client=client(LOCKSTEP, connect_timeout_s=1),
        server=server(handshake_service_s=0.02, max_connections=200),
        path=sl.Path(latency=sl.Latency(distribution="table", table_s=[0.02, 0.02, 0.02, 0.05])),
        duration_s=20,
    ),
    "lockstep, answered at once": storm(
        client=client(
            sl.Backoff(jitter="none", base_s=0.2, cap_s=4),
            heartbeat=sl.HeartbeatRules(interval_s=0.2, timeout_s=0.02),
        ),
        server=server(max_connections=180),
        path=sl.Path(latency=sl.Latency(mean_s=0.01)),
        ramp_s=0,
        duration_s=15,
        faults=[sl.Fault("outage", start_s=1, stop_s=6)],
    ),
}
SCENARIOS |= TOGETHER


WARM = (
    "jitter full",
    "abandoned handshakes take connections",
    "every kind of fault",
    "breaker by failures in a row",
    "budgets",
    "no attempt after a loss",
    "faults that nobody is told of, found by the heartbeat",
    "a server that ends connections",
    "four gateways, a rolling deploy, two cohorts, clients that leave",
)


def each_scenario():
    """Return the names of all; make test plays those that have most in them, and every third."""
    known = list(SCENARIOS)
    quick = {*WARM, *known[::3]}
    return with_slow(
        [name for name in known if name in quick], [name for name in known if name not in quick]
    )


@pytest.mark.few(12)
@pytest.mark.parametrize("name", each_scenario())
def test_the_same_attempts_and_times_as_sim_to_the_bit(name):
    scenario = SCENARIOS[name]
    simulated, played = simulated_once(scenario), sl.run(scenario, on="fleet")
    assert np.array_equal(attempts_per_s(simulated), attempts_per_s(played))
    same_numbers(simulated, played)


def simulated_once(scenario):
    """Return what sim plays; what several tests ask for is played once."""
    return played_by_sim(scenario) if scenario in SHARED else sl.run(scenario)


@cache
def played_by_sim(scenario):
    trace = sl.run(scenario)
    trace.frame()  # kept with it, and so with its copies
    return trace


def same_numbers(simulated, played):
    assert np.array_equal(np.sort(recovery_times_s(simulated)), recovery_times_s(played))
    assert np.array_equal(np.sort(detection_times_s(simulated)), detection_times_s(played))
    assert np.array_equal(np.sort(downtimes_s(simulated)), downtimes_s(played))
    expected, found = (summary(trace).iloc[0] for trace in (simulated, played))
    for name in expected.index[1 : expected.index.get_loc("sent")]:
        # Sums are added up in another order.
        assert expected[name] == pytest.approx(found[name], rel=1e-9, nan_ok=True), name


# Within the start, at the start of a fault, in the middle of a second, after most of it.
@pytest.mark.parametrize(
    ("name", "warm_up_s"),
    with_slow(
        [(name, 14.375) for name in WARM]
        + [("every kind of fault", warm_up_s) for warm_up_s in (1.03, 10.0, 30.5)],
        [
            (name, warm_up_s)
            for name in WARM
            for warm_up_s in (1.03, 10.0, 30.5)
            if name != "every kind of fault"
        ],
    ),
)
def test_after_a_warm_up_the_same_numbers_as_sim(name, warm_up_s):
    warm = SCENARIOS[name].replace(warm_up_s=warm_up_s)
    played = sl.run(warm, on="fleet")
    same_numbers(after_warm_up(simulated_once(SCENARIOS[name]), warm), played)
    # What happens does not depend on it.
    assert np.array_equal(sl.run(SCENARIOS[name], on="fleet").tally.bins, played.tally.bins)


def after_warm_up(simulated, warm):
    """Return a trace as that of the same run with a warm-up."""
    trace = copy(simulated)
    trace.scenario = warm
    return trace


@pytest.mark.parametrize(
    "name",
    ["every kind of fault", "four gateways, a rolling deploy, two cohorts, clients that leave"],
)
def test_a_warm_up_changes_nothing_that_happens_in_sim(name):
    plain, warm = SCENARIOS[name], SCENARIOS[name].replace(warm_up_s=14.375)
    trace = sl.run(warm)
    assert simulated_once(plain).digest() == trace.digest()
    assert summary(after_warm_up(simulated_once(plain), warm)).equals(summary(trace))


def test_a_warm_up_cuts_a_second_in_two():
    calm = storm(clients=10, ramp_s=1, faults=[], warm_up_s=0.35)
    tally = sl.run(calm, on="fleet").tally
    assert (10, 6) == (tally.attempts_per_s[0], tally.count_by_second("attempts")[0])
    assert 10 == tally.table()["attempts"].sum() == tally.total("attempts")


def test_every_failure_has_the_reason_that_it_has_in_sim():
    scenario = SCENARIOS["every kind of fault"]
    rows = sl.run(scenario).frame()
    told = rows[rows["name"].isin(["failed", "lost"])]["reason"].value_counts()
    table = sl.run(scenario, on="fleet").tally.table()
    for reason in ("refused", "reset", "rejected"):
        assert told[reason] == table[reason].sum(), reason


def test_who_waits_for_a_server_that_crashes_waits_no_more():
    scenario = storm(
        server=server(handshake_service_s=0.1), duration_s=20,
        faults=[sl.Fault("server_crash", start_s=3, stop_s=15)],
    )  # fmt: skip
    counts = sl.run(scenario, on="fleet").tally.table()
    waiting = (counts["queued"] - counts["served"]).cumsum()
    # In three seconds thirty are served of the three hundred that come; then nobody is left.
    assert 250 < waiting[2] < 300
    assert [0] * 12 == waiting[3:15].tolist()
    assert waiting[15] > 0


def test_a_storm_that_never_ends_stops_at_the_horizon():
    trace = sl.run(SCENARIOS["abandoned handshakes"], on="fleet")
    assert trace.end_s == 35
    assert np.isinf(recovery_times_s(trace)).any()


def test_arrays_that_fill_up_grow_and_nothing_changes(monkeypatch):
    scenario = SCENARIOS["given up before they arrive"]
    expected = sl.run(scenario, on="fleet").tally.bins
    grown = []
    monkeypatch.setattr(arrays, "grow", lambda w, grow=arrays.grow: grown.append(1) or grow(w))
    monkeypatch.setattr(arrays, "_ABANDONED", 2)
    assert np.array_equal(expected, sl.run(scenario, on="fleet").tally.bins)
    assert grown


def test_what_it_leaves_out_is_refused_by_its_keys():
    scenario = storm(
        client=client(fallback=sl.Fallback(after_attempts=3)),
        path=sl.Path(latency=sl.Latency(distribution="exponential")),
        workload=sl.Workload(rate_per_s=1),
        faults=[OUTAGE, sl.Fault("client_sleep", start_s=1, stop_s=2)],
    )
    expected = ["client.fallback.after_attempts", "workload.rate_per_s", "faults.1.kind"]
    assert expected == fleet.find_left_out(scenario)
    signs_in = storm(client=client(session=sl.SessionRules(sign_in_after_s=2)))
    assert ["client.session.sign_in_after_s"] == fleet.find_left_out(signs_in)
    front = storm(
        gateways=2,
        balance="random",
        server=server(
            max_connection_age_s=9,
            per_address=sl.AddressLimit(accept_per_s=1),
            backlog=3,
            backlog_full="drop",
        ),
        path=sl.Path(idle_timeout_s=9, idle_action="close"),
    )
    assert fleet.find_left_out(front) == [
        "balance", "server.per_address.accept_per_s", "server.backlog_full", "path.idle_action",
        "server.max_connection_age_s",
    ]  # fmt: skip
    with pytest.raises(SettingsError, match='balance = "random": is not played by the fleet'):
        sl.run(front, on="fleet")
    # Nothing is counted twice where nothing is sent.
    remembers = storm(server=server(remember="disk"))
    assert [] == fleet.find_left_out(remembers)
    sends = remembers.replace("workload.rate_per_s", 1)
    with pytest.raises(SettingsError, match=r'server\.remember = "?disk"?: is not played by the'):
        sl.run(sends, on="fleet")
    # One gateway has nothing to balance, and a path without a time-out nothing to close.
    idle = storm(balance="random", path=sl.Path(idle_action="close"))
    assert [] == fleet.find_left_out(idle)
    with pytest.raises(SettingsError, match=r"after_attempts = 3\.0.*rate_per_s, faults\.1\.kind"):
        sl.run(scenario, on="fleet")


def test_a_backlog_of_none_lets_in_only_who_finds_a_worker_free():
    scenario = storm(clients=20, server=server(handshake_service_s=0.5, backlog=0))
    table = sl.run(scenario, on="fleet").tally.table()
    assert "queued" not in table
    assert table["rejected"].sum() > 20


def test_an_interrupt_ends_it_and_keeps_what_was_counted():
    scenario = storm(clients=20_000, duration_s=3000, server=server(accept_per_s=1))

    def interrupt(fraction):
        if fraction > 0.01:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as stopped:
        sl.run(scenario.replace(warm_up_s=2000), on="fleet", progress=interrupt)
    trace = stopped.value.trace
    # It has not come to the end of its warm-up.
    numbers = summary(trace).iloc[0]
    assert (0, 0) == (numbers["attempts"], numbers["gave_up"])
    assert np.isnan(numbers["availability_fraction"])
    assert trace.partial
    assert 30 < trace.end_s < 100
    assert trace.tally.total("attempts") == trace.tally.attempts_per_s.sum() > 20_000
    assert len(trace.tally.bins) == np.ceil(trace.end_s)


@pytest.mark.parametrize("warm_up_s", [0.0, 5.5, 20.5])
def test_an_interrupt_after_the_first_gateway_keeps_what_was_counted(monkeypatch, warm_up_s):
    scenario = storm(gateways=3, warm_up_s=warm_up_s)
    monkeypatch.setattr(part, "_STRIDE", 100)

    def interrupt(fraction):
        # The second gateway is about to come back from its outage.
        if fraction > (1 + 20 / 60) / 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        sl.run(scenario, on="fleet", progress=interrupt, watch=[0, 1, 2])
    trace, whole = stopped.value.trace, sl.run(scenario, on="fleet", watch=[0, 1, 2])
    first, second = (played(scenario, gateway) for gateway in (0, 1))
    assert trace.partial
    assert len(trace.tally.bins) == trace.end_s == 60
    assert np.array_equal(first.bins[:20] + second.bins[:20], trace.tally.bins[:20])
    assert np.array_equal(first.bins[30:], trace.tally.bins[30:])
    assert first.bins[30:].any()
    assert first.there_s <= trace.tally.there_s < first.there_s + second.there_s
    assert 0 <= summary(trace)["attempts"].iloc[0] < summary(whole)["attempts"].iloc[0]
    assert trace.story(0) == whole.story(0)
    # Its watched client stops where it does, and does nothing more by its own timers.
    cut, all_of_it = (each.frame().query("client == 1") for each in (trace, whole))
    assert 0 < cut["time_s"].iloc[-1] < 30 < all_of_it["time_s"].iloc[len(cut)]
    assert cut["time_s"].tolist() == all_of_it["time_s"].tolist()[: len(cut)]
    assert trace.frame().query("client == 2").empty


def played(scenario, gateway):
    part = fleet.Part(scenario, gateway)
    part.play()
    return part.tally()


def test_the_first_compile_is_told_and_later_ones_are_none(monkeypatch, caplog, tmp_path):
    made = []

    def compile_to_object(function, _, without):
        made.append((function, without))
        return "symbol", b"code"

    monkeypatch.setattr(machine_code, "compile_to_object", compile_to_object)
    monkeypatch.setattr(machine_code, "Loop", lambda file: file.read_bytes())
    monkeypatch.setattr(machine_code, "cache_folder", lambda: tmp_path / "kernels")
    for told in (["Compiling the fleet engine, once"], []):
        caplog.clear()
        monkeypatch.setattr(machine_code, "_LOADED", {})
        assert b"symbol\ncode" == fleet.Part(storm(server=server()), 0).load()
        assert told == [record.message.partition(":")[0] for record in caplog.records]
    assert [(loop.advance, features.PARTS)] == made


#: Run in a process that has never compiled anything, so that numba has told it of no function.
ALONE = """
import sys
import simlib as sl
for file in sys.argv[1:]:
    print(sl.run(sl.load(file), on="fleet").tally.total("attempts"))
assert "numba" not in sys.modules
"""


def test_kept_code_plays_every_scenario_in_a_process_without_the_compiler(tmp_path):
    attempts, files = [], []
    for i, scenario in enumerate(SCENARIOS.values()):
        attempts.append(sl.run(scenario, on="fleet").tally.total("attempts"))
        files.append(tmp_path / f"{i}.toml")
        files[-1].write_text(sl.dump(scenario), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *files], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert attempts == [int(line) for line in done.stdout.split()]


def test_settings_with_long_tables_have_code_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setattr(machine_code, "cache_folder", lambda: tmp_path)
    backoffs = (sl.Backoff(), sl.Backoff(cap_s=9), sl.Backoff(steps_s=[1.0] * 100, cap_s=2))
    short, other, long = (
        machine_code.file_of_loop("plain", arrays.prepare(storm(client=client(backoff)), 0))
        for backoff in backoffs
    )
    assert short == other != long


IMPORTED = """
import sys
from simlib.cli import main
try:
    main({arguments})
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def test_a_run_imports_neither_the_compiler_nor_what_draws():
    sl.run(sl.load(given.shipped_scenarios()["fleet_storm"]).replace(clients=3), on="fleet")
    arguments = ["run", "fleet_storm", "--on", "fleet", "--clients", "300"]
    command = [sys.executable, "-c", IMPORTED.format(arguments=arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert not {"numba", "scipy", "pandas", "matplotlib", "simpy"} & set(done.stderr.split())


@pytest.mark.parametrize(("loop", "rules"), [("plain", server()), ("limited", SLOW)])
@pytest.mark.parametrize("name", ["jitter full", "every kind of fault", "no attempt after a loss"])
def test_code_with_parts_left_out_plays_what_whole_code_plays(monkeypatch, name, loop, rules):
    scenario = SCENARIOS[name].replace(server=rules)
    assert loop == features.loop_for(scenario, watched=False)
    expected = sl.run(scenario, on="fleet").tally
    monkeypatch.setattr(part, "loop_for", lambda *_, **__: "whole")
    assert expected.to_text() == sl.run(scenario, on="fleet").tally.to_text()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_flags_of_a_run_are_among_the_parts_of_its_loop(scenario):
    run = arrays.prepare(scenario, 0).run[0]
    parts = features.LOOPS[features.loop_for(scenario, watched=False)]
    flags = {
        "has_lanes": "WITH_LANES", "pings": "WITH_LANES", "leaves": "WITH_LANES",
        "has_extras": "WITH_EXTRAS", "is_ordered": "WITH_EXTRAS",
        "tells": "WITH_TELLS", "even_s": "WITH_TELLS",
    }  # fmt: skip
    assert {flags[name] for name in flags if run[name]} <= parts
    assert run["tracks"] <= (1 if "WITH_ORDERS" not in parts else 2) * ("WITH_LANES" in parts)


def test_only_what_needs_every_part_is_played_by_the_whole_loop():
    loops = [features.loop_for(scenario, watched=False) for scenario in SCENARIOS.values()]
    assert features.LOOPS.keys() == set(loops)
    assert "whole" == features.loop_for(storm(server=server()), watched=True)
    assert features.PARTS <= vars(state).keys()


def test_of_many_that_need_compiled_code_at_once_one_compiles(tmp_path):
    at_once = Barrier(3)

    def need(_):
        at_once.wait(300)
        with machine_code.one_compiles(tmp_path / "kernels" / "plain") as is_first:
            (tmp_path / "kernels" / "plain").touch()
            return is_first

    with ThreadPoolExecutor(3) as pool:
        assert [False, False, True] == sorted(pool.map(need, range(3)))


def test_whoever_fails_to_compile_leaves_it_to_the_next(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        machine_code.one_compiles(tmp_path / "kernels" / "plain"),
    ):
        raise KeyboardInterrupt
    with machine_code.one_compiles(tmp_path / "kernels" / "plain") as is_first:
        assert is_first


def test_without_numba_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    with pytest.raises(EngineError, match=r'pip install -e "\.\[fleet\]"'):
        jit.twin(attempts_per_s)


def test_without_numba_nothing_is_taken_for_compiled(monkeypatch, tmp_path):
    def not_installed(name):
        raise PackageNotFoundError(name)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine_code, "version", not_installed)
    monkeypatch.setitem(sys.modules, "numba", None)
    machine_code._digest_of_machine.cache_clear()
    try:
        assert not part.is_compiled(storm())
        with pytest.raises(EngineError, match=r'pip install -e "\.\[fleet\]"'):
            sl.run(storm(), on="fleet")
    finally:
        machine_code._digest_of_machine.cache_clear()


def test_rows_are_asked_for_in_vain():
    with pytest.raises(SimlibError, match="keeps no rows"):
        messages(sl.run(storm(clients=1), on="fleet"))


def test_it_is_not_watched_and_tells_no_story():
    with pytest.raises(SettingsError, match='"fleet": must be sim or live'):
        LiveRun(storm(), "fleet")
    with pytest.raises(SimlibError, match="keeps no rows"):
        sl.run(storm(clients=1), on="fleet").story(0)


WATCHED = {
    name: SCENARIOS[name].replace(workload=sl.Workload(rate_per_s=0))
    for name in (
        "jitter full",
        "all at once",
        "abandoned handshakes take connections",
        "breaker by failures in a row",
        "faults that nobody is told of, found by the heartbeat",
        "a server that ends connections",
        "codes that end or suspend some and not others",
        "four gateways, a rolling deploy, two cohorts, clients that leave",
    )
}


SHARED = {SCENARIOS[name] for name in WARM} | set(WATCHED.values())


@pytest.mark.few(4)
@pytest.mark.parametrize("scenario", WATCHED.values(), ids=WATCHED.keys())
def test_watched_clients_have_the_rows_that_sim_gives_them(scenario):
    simulated, played = simulated_once(scenario), sl.run(scenario, on="fleet", watch=[0, 17, 42])
    for client in (0, 17, 42):
        expected, rows = (
            trace.frame().query("client == @client").reset_index(drop=True)
            for trace in (simulated, played)
        )
        assert expected.equals(rows)
        assert simulated.story(client) == played.story(client)
    assert np.array_equal(attempts_per_s(simulated), attempts_per_s(played))


def test_watched_clients_are_saved_and_read_again(tmp_path):
    trace = sl.run(storm(), on="fleet", watch=[5])
    trace.save(tmp_path / "trace.parquet")
    again = sl.Trace.load(tmp_path / "trace.parquet")
    assert trace.story(5) == again.story(5)
    with pytest.raises(SimlibError, match=r"client 6 was not watched: play again with watch=\[6\]"):
        again.story(6)
    with pytest.raises(SimlibError, match="or of a few that are watched"):
        again.counts()


def test_who_is_watched_is_a_client_that_sends_nothing():
    with pytest.raises(SettingsError, match="watch = 300: must name clients from 0 to 299"):
        sl.run(storm(), on="fleet", watch=[300])
    with pytest.raises(SettingsError, match=r"rate_per_s = 1\.0.*which plays no messages"):
        sl.run(storm(workload=sl.Workload(rate_per_s=1)), on="fleet", watch=[0])
    with pytest.raises(SettingsError, match="watch is for the fleet"):
        sl.run(storm(), watch=[0])


@pytest.mark.parametrize("warm_up_s", [0.0, 12.5])
def test_counts_are_saved_and_read_again(tmp_path, warm_up_s):
    trace = sl.run(storm(warm_up_s=warm_up_s), on="fleet")
    trace.save(tmp_path / "trace.parquet")
    again = sl.Trace.load(tmp_path / "trace.parquet")
    assert trace.tally.table().equals(again.tally.table())
    assert summary(trace).equals(summary(again))


def test_a_table_of_wider_bins_holds_the_same_counts():
    tally = sl.run(storm(clients=30), on="fleet").tally
    by_second, by_ten, at_once = tally.table(), tally.table(10), tally.table(1_000)
    assert by_second["attempts"].sum() == by_ten["attempts"].sum() == at_once.loc[0, "attempts"]
    assert [0, 10, 20, 30, 40, 50] == by_ten.index.tolist()
    with pytest.raises(SettingsError, match=r"bin_s = 0\.5: must be whole seconds, at least 1"):
        tally.table(0.5)


def test_a_run_shorter_than_its_outage():
    trace = sl.run(storm(duration_s=12), on="fleet")
    assert not recovery_times_s(trace).size
    assert trace.tally.total("opens") == 300
    assert inf > trace.tally.open_s > 0
