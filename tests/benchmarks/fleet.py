"""Figures of the fleet engine: time beside plain SimPy, sim and a floor; memory; starting.

Warm: compiled code is loaded, and the run alone is timed, from `sl.run` to its trace. The whole
process: from starting Python to its end, with compiled code read from disk.
"""

from __future__ import annotations

import gc
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import plain_model
from figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from timed import process, processor_s, timed

import simlib as sl
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, figure_of, new_panels, save_figure
from simlib.charts.style import style
from simlib.charts.titles import write_titles
from simlib.core.draws import Stream, uniform
from simlib.engines.fleet.jit import twin

OUTAGE_S = (10.0, 40.0)
STORM = sl.Scenario(
    name="storm",
    clients=100_000,
    duration_s=80,
    seed=7,
    client=sl.Settings(backoff=sl.Backoff(jitter="full", base_s=1, cap_s=30)),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=OUTAGE_S[0], stop_s=OUTAGE_S[1])],
)
#: The general path: each attempt reaches the server, among others, and the server answers it. In
#: an outage the network refuses, so that a client can be played alone until the outage ends.
ANSWERED = STORM.replace(
    faults=[
        sl.Fault("reset", start_s=OUTAGE_S[0]),
        sl.Fault("reject", start_s=OUTAGE_S[0], stop_s=OUTAGE_S[1]),
    ]
)
SIZES = (10_000, 50_000, 250_000, 1_000_000)
#: And in a process of its own, where memory suffices.
MOST = 10_000_000
HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "data" / "scenarios" / "fleet_storm.toml"
CHART = Path("out/fleet_cost.png")
_WAIT = Stream.WAIT.value
#: The core's step alone, compiled for the settings of a client.
_COMPILE_STEP = """
import simlib as sl
from simlib.core import link, link_fields
from simlib.engines.fleet.jit import twin
from simlib.engines.fleet.records import flat
twin(link.step)(link_fields.idle(), 0, 0.0, flat([sl.Settings()])[0], 1, 0, 0.0)
"""
#: Of the floor: about 10 ms each of a storm of 80 s.
_BINS = 8192


def beside_plain(pairs: int = 2) -> list[Figure]:
    """The storm as a plain SimPy model, beside the fleet; seconds per attempt, warm.

    100,000 generators take Python's garbage collector longer to search than to play: both with
    it, as one would run it, and without it, which flatters the plain model.
    """
    _warm()
    kept, without, cut, attempts = [], [], [], []
    for i in range(pairs):
        with _uncollected():
            plain_s, plain_attempts = timed(_plain_storm)
        plain_s /= plain_attempts
        general_s, found = _per_attempt_s(ANSWERED, 5)
        without.append(plain_s / general_s)
        cut.append(plain_s / _per_attempt_s(STORM, 5)[0])
        attempts.append(found / plain_attempts)
        if i == 0:
            kept_s, _ = timed(_plain_storm)
            kept.append(kept_s / plain_attempts / general_s)
    most: Any = {"unit": "times", "at_least": 250.0}
    return [
        Figure("plain SimPy over fleet, general path", values=tuple(kept), **most),
        Figure("the same, SimPy without garbage collector", values=tuple(without), **most),
        Figure("the same, refused by an outage instead", values=tuple(cut), **most),
        Figure("fleet over plain SimPy: attempts", "times", tuple(attempts)),
    ]


def beside_sim(pairs: int = 3) -> list[Figure]:
    """The sim engine with fewer clients, beside the fleet; seconds per attempt, warm."""
    _warm()
    few = ANSWERED.replace(clients=4_000)
    ratios = []
    for _ in range(pairs):
        sim_s, trace = timed(lambda: sl.run(few))
        sim_s /= int(trace.counts()["open"])
        ratios.append(sim_s / _per_attempt_s(ANSWERED, 5)[0])
    return [Figure("sim over fleet, general path", "times", tuple(ratios), at_least=300.0)]


def beside_floor(pairs: int = 5) -> list[Figure]:
    """Cost of an attempt of 1,000,000 clients beside the floor, one after the other."""
    _warm()
    floor = twin(draw_and_scatter)
    _floor_s(floor, 100, 100)
    storm = STORM.replace(clients=SIZES[-1])
    ratios = []
    for _ in range(pairs):
        cost_s, attempts = _per_attempt_s(storm, 1)
        ratios.append(cost_s / _floor_s(floor, storm.clients, attempts))
    name = f"fleet over draw-and-scatter, {storm.clients:,}"
    return [Figure(name, "times", tuple(ratios), at_most=5.0)]


def by_size(rounds: int = 3) -> list[Figure]:
    """Cost of an attempt from 10,000 to 10,000,000 clients, beside the floor; and the chart."""
    _warm()
    floor = twin(draw_and_scatter)
    _floor_s(floor, 100, 100)
    costs: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
    run_s = []
    for _ in range(rounds):
        for size in SIZES:
            cost_s, attempts = _per_attempt_s(STORM.replace(clients=size), max(1, 200_000 // size))
            costs[size].append((cost_s, _floor_s(floor, size, attempts)))
        run_s.append(cost_s * attempts)
    figures = [Figure(f"fleet: {SIZES[-1]:,} clients, warm", "s", tuple(run_s))]
    million = _alone(STORM.replace(clients=SIZES[-1]), warm=True)
    figures += _bytes_each(million, SIZES[-1])
    big = _alone(STORM.replace(clients=MOST), warm=True)
    if "refused" not in big:
        attempts = big["attempts"]
        costs[MOST] = [(big["work_s"] / attempts, _floor_s(floor, MOST, attempts))]
    return figures + _of_the_biggest(big) + _of_costs(costs)


def _of_the_biggest(big: dict[str, Any]) -> list[Figure]:
    skipped = big.get("refused", "")
    run_s = () if skipped else (big["run_s"],)
    return [
        Figure(f"fleet: {MOST:,} clients, warm", "s", run_s, at_most=6.0, skipped=skipped),
        *_bytes_each(big, MOST),
    ]


def _bytes_each(found: dict[str, Any], clients: int) -> list[Figure]:
    """Return the peak of a process over what it took before the run, for each client."""
    skipped, name = found.get("refused", ""), f"fleet: a client of {clients:,}"
    each = () if skipped else ((found["peak_bytes"] - found["before_bytes"]) / clients,)
    return [Figure(name, "bytes", each, at_most=48.0, skipped=skipped)]


def _of_costs(costs: dict[int, list[tuple[float, float]]]) -> list[Figure]:
    """Return the figures of pairs by size: seconds per attempt in the fleet, and on the floor."""
    medians_s = {size: median(cost for cost, _ in pairs) for size, pairs in costs.items()}
    floors_s = {size: median(low for _, low in pairs) for size, pairs in costs.items()}
    _draw(medians_s, floors_s)
    figures = [
        Figure(f"fleet: an attempt of {size:,}", "ns", tuple(1e9 * cost for cost, _ in pairs))
        for size, pairs in costs.items()
    ]
    spread = max(medians_s.values()) / min(medians_s.values())
    name = f"fleet: most over least, {min(costs):,} to {max(costs):,}"
    figures.append(Figure(name, "times", (spread,), at_most=2.0))
    for size in [size for size in costs if size > SIZES[-1]]:
        ratios = tuple(cost / low for cost, low in costs[size])
        figures.append(
            Figure(f"fleet over draw-and-scatter, {size:,}", "times", ratios, at_most=5.0)
        )
    return figures


def whole_processes(runs: int = 3) -> list[Figure]:
    """From starting Python to its end: a million by `sl.run`, 100,000 by the command."""
    _warm()
    sl.run(sl.load(SHIPPED).replace(clients=100), on="fleet")
    whole_s, peaks, shell_s, ratios = [], [], [], []
    for _ in range(runs):
        found = _alone(STORM.replace(clients=1_000_000))
        if "refused" not in found:
            whole_s.append(found["whole_s"])
            peaks.append(found["peak_bytes"] / 2**20)
        # As the scenario has it: one handshake a second for every ten clients.
        more = ("--clients", "100000", "--set", "server.accept_per_s=10000")
        command = ("-m", "simlib", "run", SHIPPED, "--on", "fleet", *more)
        shell_s.append(process(*command)[0])
        ratios.append(processor_s(*command) / processor_s("-c", "import numba"))
    skipped = "" if whole_s else found["refused"]
    return [
        Figure("fleet: 1,000,000, whole process", "s", tuple(whole_s), 1.0, skipped=skipped),
        Figure("fleet: peak memory of that process", "MiB", tuple(peaks), skipped=skipped),
        Figure("fleet_storm, 100,000, from the shell", "s", tuple(shell_s), at_most=1.0),
        Figure("the same, over import numba", "times", tuple(ratios), at_most=1.5),
    ]


def many_scenarios(played: int = 100, of: int = 1_000) -> list[Figure]:
    """Scenarios of 10,000 clients one after the other, warm: some are played, and scaled up."""
    _warm()
    small = STORM.replace(clients=10_000)

    def play() -> None:
        for seed in range(played):
            policy = small.replace("client.backoff.cap_s", 5.0 + seed % 26)
            sl.run(policy.replace(seed=seed), on="fleet")

    spent_s, _ = timed(play)
    name = f"fleet: {of:,} scenarios of 10,000 ({played} played)"
    return [Figure(name, "s", (spent_s * of / played,), at_most=10.0)]


def nothing_compiled() -> list[Figure]:
    """The first run on a machine: it compiles, and keeps that for the next."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "storm.toml"
        file.write_text(sl.dump(STORM.replace(clients=1_000)))
        whole_s = processor_s(HERE / "alone.py", file, XDG_CACHE_HOME=folder)
    step_s = processor_s("-c", _COMPILE_STEP)
    return [
        Figure("fleet: first run ever, whole process", "s", (whole_s,), at_most=10.0),
        Figure("the same, over compiling link.step", "times", (whole_s / step_s,), at_most=2.5),
    ]


def draw_and_scatter(seed: int, clients: int, attempts: int, taken: Any, places: Any) -> None:
    """Draw each attempt's number and put it into its bin: the least that a fleet could do.

    Its bin is the stretch of time that it falls into; within a bin nothing is sorted.
    """
    room = places.size // taken.size
    for first in range(0, attempts, clients):
        for client in range(min(clients, attempts - first)):
            u = uniform(seed, client, _WAIT, first // clients)
            own = int(u * taken.size)
            places[own * room + taken[own]] = u
            taken[own] += 1
            if taken[own] == room:
                taken[own] = 0


def _floor_s(floor: Any, clients: int, attempts: int) -> float:
    taken = np.zeros(_BINS, np.int64)
    places = np.ones(_BINS * max(8, clients // _BINS))
    spent_s, _ = timed(lambda: floor(STORM.seed, clients, attempts, taken, places))
    return spent_s / attempts


def _per_attempt_s(scenario: sl.Scenario, runs: int) -> tuple[float, int]:
    """Return the median processor time of an attempt, and how many there were."""
    spent_s, trace = [], None
    for _ in range(runs):
        each_s, trace = timed(lambda: sl.run(scenario, on="fleet"))
        spent_s.append(each_s)
    attempts = trace.tally.total("attempts")
    return median(spent_s) / attempts, attempts


def _plain_storm() -> int:
    backoff = STORM.client.backoff
    assert plain_model.ROUND_TRIP_S == 2 * STORM.path.latency.mean_s
    return plain_model.storm(
        STORM.clients,
        STORM.duration_s,
        OUTAGE_S,
        backoff.base_s,
        backoff.cap_s,
        refused_s=2 * plain_model.ROUND_TRIP_S,
    )


def _warm() -> None:
    """Compile, or load what was compiled before."""
    sl.run(ANSWERED.replace(clients=100), on="fleet")


@contextmanager
def _uncollected() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _alone(scenario: sl.Scenario, warm: bool = False, **environment: str) -> dict[str, Any]:
    """Play in a process of its own; return what it says, and its seconds on the wall."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "storm.toml"
        file.write_text(sl.dump(scenario))
        try:
            whole_s, said = process(HERE / "alone.py", file, *["warm"] * warm, **environment)
        except subprocess.CalledProcessError as error:
            if error.returncode > 0:
                raise
            return {"refused": f"too little memory: ended by signal {-error.returncode}"}
    return {"whole_s": whole_s, **json.loads(said)}


def _draw(costs_s: dict[int, float], floors_s: dict[int, float]) -> None:
    """Write the chart of nanoseconds per attempt against clients."""
    lines = (("fleet", "#0072B2", costs_s), ("draw and scatter", "#555555", floors_s))
    least, most = (f"{1e9 * each(costs_s.values()):,.0f}" for each in (min, max))
    with style():
        [axes] = new_panels(WIDTH_IN, HEIGHT_IN)
        for name, colour, values_s in lines:
            heights = [1e9 * value_s for value_s in values_s.values()]
            axes.loglog(list(values_s), heights, marker="o", color=colour)
            last = (list(values_s)[-1], heights[-1])
            axes.annotate(name, last, (6, 0), textcoords="offset points", color=colour)
        axes.set_xlim(min(costs_s) / 1.5, 20.0 * max(costs_s))
        axes.set_ylim(1.0, 1000.0)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator())
            axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
            axis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="clients", ylabel="processor time per attempt, ns")
        axes.grid(True, axis="both")
        finding = f"An attempt in the fleet takes {least} to {most} ns, for however many clients"
        write_titles(axes, finding, "Processor time; beside it, to draw numbers and scatter them")
        CHART.parent.mkdir(exist_ok=True)
        save_figure(figure_of(axes), CHART)
