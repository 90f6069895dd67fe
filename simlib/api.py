"""Play a scenario: a lookup of the engine, no logic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from simlib.core.errors import SettingsError
from simlib.core.validation import nearest
from simlib.scenario.scenario import Scenario
from simlib.support.arguments import accept_old_name, check_arguments
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    from simlib.engines.live.target import Target
    from simlib.engines.world import Process

#: Where each engine's ``play`` is; imported when first used.
ENGINES = {
    "sim": "simlib.engines.sim",
    "live": "simlib.engines.live.engine",
    "fleet": "simlib.engines.fleet.engine",
}


@accept_old_name("cluster", "scheduler")
@check_arguments
def run(
    scenario: Scenario,
    on: str = "sim",
    *,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    target: Target | None = None,
    workers: int = 1,
    watch: Sequence[int] = (),
    partition: str | None = None,
    scheduler: Any = None,
) -> Trace:
    """Play a scenario once and return its trace.

    Parameters
    ----------
    scenario : Scenario
        What to play.
    on : {"sim", "live", "fleet"}
        The engine: SimPy in virtual time, real WebSockets on the wall clock, or connections alone,
        compiled, for very many clients.
    label : str, optional
        The name of the trace on charts; the scenario's name by default.
    processes : sequence of callable, optional
        The user's own SimPy processes: generator functions that are given the `World`.
    progress : callable, optional
        Called with the fraction played, from 0 to 1.
    target : Target, optional
        live only: a server of your own instead of simlib's, and where messages are saved.
    workers : int, optional
        live only: the processes of this machine that share the clients, 1 by default. What a client
        decides depends on its number, not on the process that plays it.
    watch : sequence of int, optional
        fleet only: clients whose rows are kept beside the counts of all.
    partition : {"gateway"}, optional
        fleet only: play each gateway's clients as a Dask task. The result is the same.
    scheduler : str or distributed.Client, optional
        With a partition: the address of a Dask scheduler, or a client that is connected to one; by
        default this machine's processors.

    Returns
    -------
    Trace
        What happened.

    Raises
    ------
    SettingsError
        If there is no such engine, or it cannot play this.
    Interrupted
        On Ctrl-C; its ``trace`` holds what was played so far.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = sl.run(sl.Scenario(clients=3, duration_s=10, faults=[sl.Fault("reset", start_s=5)]))
    >>> int(trace.counts()["lost"])
    3
    """
    if target is not None and on != "live":
        raise SettingsError("on", on, "must be live to connect to a target or to keep a store")
    if workers != 1 and on != "live":
        raise SettingsError("on", on, "must be live to be played by workers")
    if partition is not None and on != "fleet":
        raise SettingsError("on", on, "must be fleet to be played in parts")
    if scheduler is not None and partition is None:
        raise SettingsError("scheduler", scheduler, 'needs partition="gateway"')
    if watch and on != "fleet":
        raise SettingsError("on", on, "keeps the rows of all clients: watch is for the fleet")
    more: dict[str, Any] = {} if target is None else {"target": target}
    if workers != 1:
        more["workers"] = workers
    if watch:
        more["watch"] = watch
    if partition is not None:
        more |= {"partition": partition, "scheduler": scheduler}
    trace: Trace = engine(on).play(scenario, label, processes, progress, **more)
    return trace


@accept_old_name("cluster", "scheduler")
@check_arguments
def run_many(
    scenarios: Sequence[Scenario],
    *,
    scheduler: Any = None,
    progress: Callable[[float], None] | None = None,
) -> list[Trace]:
    """Play scenarios on the fleet, on several processors or machines, and return their traces.

    Each gateway of each scenario is a Dask task; every trace is the one that `run` returns.

    Parameters
    ----------
    scenarios : sequence of Scenario
        What to play, such as one scenario under several seeds.
    scheduler : str or distributed.Client, optional
        The address of a Dask scheduler, or a client that is connected to one; by default this
        machine's processors.
    progress : callable, optional
        Called with the fraction played, from 0 to 1.

    Returns
    -------
    list of Trace
        A trace for each scenario, in their order; each holds counts by second, not rows.

    Raises
    ------
    SettingsError
        If the fleet cannot play a scenario.
    EngineError
        If Dask or the fleet's compiler is not installed, or no scheduler answers.

    Examples
    --------
    >>> import simlib as sl
    >>> storm = sl.Scenario(clients=1000, faults=[sl.Fault("reset", start_s=5)])
    >>> traces = sl.run_many([storm.replace(seed=seed) for seed in range(8)])  # doctest: +SKIP
    """
    traces: list[Trace] = engine("fleet").play_many(scenarios, "", progress, "gateway", scheduler)
    return traces


@check_arguments
async def run_live(
    scenario: Scenario,
    *,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    workers: int = 1,
) -> Trace:
    """Play a scenario on real WebSockets where an event loop runs already, as in a notebook.

    Parameters
    ----------
    scenario : Scenario
        What to play.
    label : str, optional
        The name of the trace on charts; the scenario's name by default.
    processes : sequence of callable, optional
        The user's own SimPy processes: generator functions that are given the `World`.
    progress : callable, optional
        Called with the fraction played, from 0 to 1.
    workers : int, optional
        How many processes share the clients, on this machine; 1: this one plays all.

    Returns
    -------
    Trace
        What happened.

    Raises
    ------
    SettingsError
        If the live engine cannot play the scenario.
    asyncio.CancelledError
        If the run is cancelled; its ``trace`` holds what was played so far.

    Examples
    --------
    >>> trace = await sl.run_live(scenario)  # doctest: +SKIP
    """
    trace: Trace = await engine("live").play_async(
        scenario, label, processes, progress, workers=workers
    )
    return trace


def engine(on: str) -> Any:
    """Return the module that plays: it has ``play`` and ``play_async``."""
    if on not in ENGINES:
        known = ", ".join(ENGINES)
        raise SettingsError("on", on, f"must be one of {known}{nearest(on, list(ENGINES))}")
    return import_module(ENGINES[on])
