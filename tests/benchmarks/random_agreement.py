"""Random scenarios in simulation and on real WebSockets: which metrics disagree?

python tests/benchmarks/random_agreement.py [SEED ...] plays one scenario per seed, by default
twenty; it writes out/random_agreement.csv, a row per metric, and the scenarios to out/random.
A metric that disagrees is a fault of one side, or a limit that simlib/README.md names.
"""

import sys
from math import inf
from pathlib import Path
from random import Random

import pandas as pd
from agreement import print_comparison

import simlib as sl
from simlib.core.backoff_kinds import Jitter
from simlib.core.faults import FAULT_FIELDS, FaultKind
from simlib.scenario.scenario import dump

SEEDS = range(20)
OUT = Path("out")


def main(seeds: list[int]) -> None:
    tables = []
    (OUT / "random").mkdir(parents=True, exist_ok=True)
    for seed in seeds or SEEDS:
        scenario = random_scenario(seed)
        (OUT / "random" / f"{seed}.toml").write_text(dump(scenario), encoding="utf-8")
        comparison = sl.compare(scenario, replications=10)
        print_comparison(_in_words(scenario), comparison)
        tables.append(comparison.table.assign(seed=seed, verdict_of_all=comparison.verdict))
        pd.concat(tables).to_csv(OUT / "random_agreement.csv", index=False)


def random_scenario(seed: int) -> sl.Scenario:
    """Return the scenario of a seed: any jitter, one fault of any kind, 1 to 60 clients."""
    draw = Random(seed)
    # One after the other, so that twenty seeds have every jitter and every kind of fault.
    kinds = [kind for kind in FaultKind if kind != FaultKind.SESSION_EXPIRY]
    start_s = draw.choice([2.0, 3.0])
    return sl.Scenario(
        name=f"random {seed}",
        clients=draw.choice([1, 5, 10, 20, 60]),
        duration_s=draw.choice([12.0, 15.0, 18.0]),
        seed=seed,
        ramp_s=draw.choice([0.0, 1.0]),
        client=_client(draw, list(Jitter)[seed % len(Jitter)]),
        server=sl.ServerSettings(
            accept_per_s=draw.choice([inf, inf, 10.0]),
            handshake_service_s=draw.choice([0.0, 0.05]),
            message_service_s=draw.choice([0.0, 0.002]),
            max_connections=draw.choice([inf, inf, 8.0]),
            retry_after_s=draw.choice([0, 1]),
        ),
        path=sl.Path(
            latency=draw.choice(
                [
                    sl.Latency(mean_s=0.02),
                    sl.Latency(distribution="lognormal", mean_s=0.05, shape=0.5),
                    sl.Latency(distribution="exponential", mean_s=0.03, floor_s=0.01),
                ]
            ),
            loss_fraction=draw.choice([0.0, 0.0, 0.05]),
        ),
        workload=sl.Workload(rate_per_s=draw.choice([0.5, 2.0])),
        faults=[_fault(draw, kinds[seed % len(kinds)], start_s)],
    )


def _client(draw: Random, jitter: Jitter) -> sl.Settings:
    base_s = draw.choice([0.2, 0.5, 1.0])
    return sl.Settings(
        backoff=sl.Backoff(
            jitter=jitter,
            base_s=base_s,
            cap_s=draw.choice([2.0, 5.0]),
            growth=draw.choice(["exponential", "linear"]),
            first_s=draw.choice([inf, inf, 0.0]),
            drawn_once=draw.choice([False, False, True]),
            add_most_s=draw.choice([0.3, 1.0]),
            jitter_place="inside"
            if jitter == Jitter.DECORRELATED
            else draw.choice(["inside", "before_cap", "after_cap"]),
        ),
        breaker=draw.choice([sl.Breaker(), sl.Breaker(trip_after=3, open_s=2)]),
        fallback=draw.choice(
            [
                sl.Fallback(),
                sl.Fallback(after_attempts=2, poll_interval_s=0.5, return_after_s=1.0),
            ]
        ),
        heartbeat=draw.choice(
            [sl.HeartbeatRules(), sl.HeartbeatRules(interval_s=1.0, timeout_s=1.0)]
        ),
        outbox=sl.OutboxLimits(
            capacity=draw.choice([5, 100]),
            ack_timeout_s=draw.choice([1.0, 5.0]),
            persist=draw.choice(["none", "all"]),
        ),
        connect_timeout_s=draw.choice([1.0, 3.0]),
    )


def _fault(draw: Random, kind: FaultKind, start_s: float) -> sl.Fault:
    values = {
        "stop_s": start_s + draw.choice([2.0, 4.0]),
        "amount_s": draw.choice([0.1, 0.3]),
        "status": draw.choice([429, 503]),
        "retry_after_s": draw.choice([0, 1]),
        "clients_fraction": draw.choice([0.5, 1.0]),
        "announced": draw.choice([False, True]),
        "period_s": 1.5,
        "direction": draw.choice(["up", "down"]),
        "loss_fraction": 0.3,
        "bandwidth_bytes_per_s": 2000.0,
        "factor": 5.0,
        "code": draw.choice([1001, 1013]),
        "route": draw.choice(["all", "websocket"]),
    }
    return sl.Fault(kind, start_s, **{k: v for k, v in values.items() if k in FAULT_FIELDS[kind]})


def _in_words(scenario: sl.Scenario) -> str:
    words = [scenario.client.backoff.jitter.name, scenario.faults[0].kind.name]
    return f"{scenario.seed:3} {scenario.clients:3} clients, {', '.join(words).lower()}"


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]])
