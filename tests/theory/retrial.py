"""The M/M/1/1 retrial queue: its law, and what the engines give. Run it to print a table of both.

One worker and no backlog: whoever finds the worker busy is refused, and comes back after a wait.
With arrival rate L, service rate 1, r = L and exponential waits of mean W = 1 / v, the mean number
of clients that wait is r^2 / (1 - r) + L r / (v (1 - r)) (Falin and Templeton, Retrial Queues,
1997, chapter 1). Waits of any distribution that spreads them have the same limit as they grow:
1 / (1 - r) attempts for each client that is served. Constant waits bring those who were refused
together back together, so they do not.
"""

from __future__ import annotations

from math import inf, nan, sqrt
from statistics import fmean, stdev
from unittest.mock import patch

import numpy as np

import simlib as sl
from simlib.core import backoff
from simlib.core.exact import log
from simlib.core.link import State
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.run_columns import RunColumns

#: Student's t for 95 % of ten samples.
_T = 2.262


def retrial(arrivals_per_s, wait_s, *, clients, seed, jitter="none", **changes):
    """Clients that come to one worker until it has served each, and stay connected."""
    ramp_s = clients / arrivals_per_s
    # The mean of full jitter is half of its ceiling.
    base_s = 2.0 * wait_s if jitter == "full" else wait_s / 0.75 if jitter == "equal" else wait_s
    settings = {
        "clients": clients, "seed": seed, "arrivals": "poisson",
        "ramp_s": ramp_s, "duration_s": 1.0001 * ramp_s, "warm_up_s": 0.2 * ramp_s // 1,
        "client": sl.Settings(
            backoff=sl.Backoff(jitter=jitter, base_s=base_s, cap_s=10 * base_s, factor=1),
            connect_timeout_s=1e6,
            heartbeat=sl.HeartbeatRules(interval_s=inf),
        ),
        "server": sl.ServerSettings(
            handshake_service_s=1, handshake_service="exponential", backlog=0
        ),
        "path": sl.Path(latency=sl.Latency(mean_s=0)),
        "workload": sl.Workload(rate_per_s=0),
    }  # fmt: skip
    return sl.Scenario(**(settings | changes))


def attempts_of_each(trace):
    """How many attempts were made for each client that was served, after the warm-up."""
    settled = int(trace.scenario.warm_up_s)
    attempts = attempts_per_s(trace)[settled:].sum()
    if trace.engine == "fleet":
        return attempts / trace.tally.table()["opens"][settled:].sum()
    rows = trace.frame()
    return attempts / ((rows["name"] == "opened") & (rows["time_s"] >= settled)).sum()


def waiting_clients(trace):
    """How many clients waited on average, after the warm-up."""
    scenario = trace.scenario
    spans = RunColumns(trace).steps.spans(["state"])
    waits = spans.looks["state"] == State.WAITING
    from_s = np.maximum(spans.start_s[waits], scenario.warm_up_s)
    waited_s = np.maximum(spans.stop_s[waits] - from_s, 0.0).sum()
    return waited_s / (trace.end_s - scenario.warm_up_s)


def law_of_attempts(arrivals_per_s):
    return 1.0 / (1.0 - arrivals_per_s)


def law_of_waiting(arrivals_per_s, wait_s):
    return arrivals_per_s**2 / (1.0 - arrivals_per_s) * (1.0 + wait_s)


def interval(samples):
    """The mean, and half the width of its 95 % interval."""
    return fmean(samples), _T * stdev(samples) / sqrt(len(samples))


def exponential_waits():
    """Make waits exponential, of the ceiling as mean: no client in use draws such waits."""
    return patch.object(
        backoff, "_add_jitter", lambda policy, jitter, height_s, u: -height_s * log(1.0 - u)
    )


def simulate_waiting(arrivals_per_s, wait_s, clients, seed):
    """Return the mean number of waiting clients in sim, where waits are exponential."""
    scenario = retrial(arrivals_per_s, wait_s, clients=clients, seed=seed)
    long_cap = {"client.backoff.jitter": "additive", "client.backoff.cap_s": 1e6}
    with exponential_waits():
        return waiting_clients(sl.run(scenario.replace(long_cap)))


def rows():
    """Yield what is compared: its name, the law, and the intervals of sim and fleet."""
    seeds = range(1, 11)
    for arrivals_per_s, wait_s, clients in ((0.5, 2.0, 3000), (0.8, 2.0, 8000)):
        samples = [simulate_waiting(arrivals_per_s, wait_s, clients, seed) for seed in seeds]
        law = law_of_waiting(arrivals_per_s, wait_s)
        yield f"clients waiting, arrivals {arrivals_per_s}/s, waits of {wait_s} s", law, [samples]
    for jitter in ("full", "equal", "proportional", "none"):
        law = law_of_attempts(0.5) if jitter != "none" else nan
        numbers = [
            [
                attempts_of_each(
                    sl.run(retrial(0.5, 100.0, clients=n, seed=seed, jitter=jitter), on=engine)
                )
                for seed in seeds
            ]
            for engine, n in (("sim", 4000), ("fleet", 40_000))
        ]
        yield f"attempts of each, arrivals 0.5/s, waits of 100 s, jitter {jitter}", law, numbers


def print_table():
    """Print the law beside what sim and fleet give."""
    print("| | law | sim | fleet |\n| --- | --- | --- | --- |")
    for name, law, engines in rows():
        cells = ["{:.3f} ± {:.3f}".format(*interval(samples)) for samples in engines]
        print(f"| {name} | {law:.3f} | {' | '.join([*cells, '---'][:2])} |", flush=True)


if __name__ == "__main__":
    print_table()
