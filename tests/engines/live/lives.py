"""A client process that is killed again and again, and begins again with what it had saved.

python lives.py URL STORE ACCEPTED KILLS SEED: each life is a process of its own (forked, so that
it begins at once), killed with SIGKILL at a random moment. The last ones live to their end.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import simlib as sl
from simlib.core.events import Drop, Message, Send
from simlib.engines.live.target import Target
from simlib.engines.store import SqliteStore

SHORTEST_S, LONGEST_S = 0.1, 0.3
GROWN_TIMEOUT_S = 120.0
MOST_QUIET_LIVES = 20


def scenario(seed: int, rate_per_s: float, duration_s: float) -> sl.Scenario:
    return sl.Scenario(
        clients=1,
        duration_s=duration_s,
        seed=seed,
        ramp_s=0,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=0.05, cap_s=0.1),
            outbox=sl.OutboxLimits(persist="all", capacity=1000, ack_timeout_s=1),
        ),
        path=sl.Path(latency=sl.Latency(mean_s=0.005)),
        workload=sl.Workload(rate_per_s=rate_per_s, keys=1),
    )


def live(target: Target, accepted: int, seed: int, rate_per_s: float, duration_s: float) -> None:
    """Live one life, and write down each message that was accepted once it is."""

    def watch(world):
        world.observers.append(note)
        yield from ()

    def note(driver, event, commands, now):
        refused = any(isinstance(command, Drop) for command in commands)
        if isinstance(event, Send) and not refused:
            os.write(accepted, f"{event.message.id}\n".encode())

    sl.run(scenario(seed, rate_per_s, duration_s), "live", processes=[watch], target=target)


def main(url: str, store: str, accepted_file: str, kills: int, seed: int) -> None:
    accepted = os.open(accepted_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    target = Target(url, store=Path(store))
    moments = random.Random(seed)
    for life in range(kills):
        child = os.fork()
        if child == 0:
            live(target, accepted, life, 100.0, 60.0)
            os._exit(0)
        if life % 2:
            # Every other one has done something by then, however busy the machine is.
            grown(accepted_file)
        time.sleep(moments.uniform(SHORTEST_S, LONGEST_S))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    # As long as it takes, within bounds: a busy machine delivers slowly.
    for life in range(kills, kills + MOST_QUIET_LIVES):
        live(target, accepted, life, 0.0, 2.0)
        if not left(Path(store)):
            return


def grown(file: str) -> None:
    """Wait until something is added to a file, but not for ever."""
    size, until_s = Path(file).stat().st_size, time.monotonic() + GROWN_TIMEOUT_S
    while Path(file).stat().st_size == size and time.monotonic() < until_s:
        time.sleep(0.01)


def left(path: Path) -> list[Message]:
    store = SqliteStore(path)
    try:
        return store.restore(0)
    finally:
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:6]))
