"""Two hundred live clients for ten minutes, a fault every few seconds: what leaks, what is lost?

python tests/benchmarks/soak.py [SECONDS [CLIENTS]] prints the findings and writes out/soak.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path

import simlib as sl
from simlib.metrics.messages import messages
from simlib.support.files import replacing
from simlib.trace.schema import ROW

#: Faults that end by themselves well before the next; none that a message may not survive.
KINDS = ("outage", "reset", "black_hole", "latency", "handover", "half_open", "close", "loss")
MORE = {"latency": {"amount_s": 0.3}, "loss": {"loss_fraction": 0.2}, "close": {"code": 1012}}
MOMENTS = ("reset", "handover")
SAMPLE_S = 10.0


def script(duration_s: float, seed: int) -> list[sl.Fault]:
    """A fault every three to six seconds, each for a random share of the clients."""
    draw, faults, now = random.Random(seed), [], 5.0
    while now < duration_s - 40.0:
        kind = draw.choice(KINDS)
        more = {} if kind in MOMENTS else {"stop_s": now + draw.uniform(0.5, 2.0)}
        share = draw.choice((0.2, 0.5, 1.0))
        faults.append(sl.Fault(kind, now, clients_fraction=share, **more, **MORE.get(kind, {})))
        now += draw.uniform(3.0, 6.0)
    return faults


def scenario(duration_s: float, clients: int) -> sl.Scenario:
    return sl.Scenario(
        name="soak",
        clients=clients,
        duration_s=duration_s,
        ramp_s=5,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=0.2, cap_s=2),
            outbox=sl.OutboxLimits(capacity=1000, ack_timeout_s=3, max_resends=1000),
            heartbeat=sl.HeartbeatRules(interval_s=2, timeout_s=1),
            connect_timeout_s=3,
        ),
        # Nobody tells a server of a connection that a handover has killed.
        server=sl.ServerSettings(silence_timeout_s=10),
        path=sl.Path(latency=sl.Latency(mean_s=0.01)),
        workload=sl.Workload(rate_per_s=0.5, stop_s=duration_s - 20),
        faults=script(duration_s, seed=1),
    )


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in listed.split()]


def main(duration_s: float, clients: int) -> None:
    samples: list[dict[str, float]] = []

    def sample(world):
        while True:
            yield world.clock.timeout(SAMPLE_S)
            own = resident_bytes(os.getpid()) - len(world.trace) * ROW.size
            served = sum(map(resident_bytes, children()))
            tasks, files = len(asyncio.all_tasks()), open_files()
            now_s = world.clock.now_s
            samples.append(
                {"time_s": now_s, "own": own, "server": served, "tasks": tasks, "files": files}
            )
            print(
                f"{now_s:5.0f} s  own {own / 2**20:6.1f} MiB without the trace, server "
                f"{served / 2**20:6.1f} MiB, {tasks} tasks, {files} files",
                flush=True,
            )

    files_before = open_files()
    trace = sl.run(scenario(duration_s, clients), "live", processes=[sample])
    table, row = messages(trace), sl.summary(trace).iloc[0]
    counted = trace.frame()
    counted = counted[(counted["name"] == "process") & (counted["reason"] == "accepted")]
    early = next(s for s in samples if s["time_s"] >= duration_s / 5.0)
    found = {
        "clients": clients,
        "duration_s": duration_s,
        "faults": len(trace.scenario.faults),
        "messages": len(table),
        "attempts": int(row["attempts"]),
        "lost": int(row["lost"]),
        "undelivered": int(row["undelivered"]),
        "counted_twice": int(counted.duplicated(["client", "message"]).sum()),
        "own_growth": samples[-1]["own"] / early["own"] - 1.0,
        "server_growth": samples[-1]["server"] / early["server"] - 1.0,
        "processes_left": len(children()),
        "files_left": open_files() - files_before,
    }
    print(json.dumps(found, indent=2))
    with replacing("out/soak.json") as file:
        file.write_text(json.dumps({"found": found, "samples": samples}, indent=2))


if __name__ == "__main__":
    given = [*sys.argv[1:], *("600", "200")[len(sys.argv) - 1 :]]
    main(float(given[0]), int(given[1]))
