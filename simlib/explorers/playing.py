"""Play what an explorer draws, and no more, on the engine that can; or say what is in the way."""

from __future__ import annotations

from simlib.api import run
from simlib.core.errors import SettingsError, SimlibError
from simlib.experiments.connections import play_connections
from simlib.experiments.engine_choice import choose_engine
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.trace.trace import Trace

#: So many clients are played on sim within some seconds; with messages fewer.
MOST_ON_SIM, MOST_WITH_MESSAGES = 5_000, 2_000
#: Clients in lockstep, whose order the fleet does not keep, are played on sim up to so many: more
#: would take longer than a slider may.
_MOST_IN_LOCKSTEP = 500


class CompilesFirst(SimlibError):
    """What plays a scenario was never compiled, which takes half a minute; its text says so."""

    def __init__(self, scenario: Scenario) -> None:
        from simlib.engines.fleet.part import compiling_for

        super().__init__(scenario)
        self._scenario, self._says = scenario, compiling_for(scenario)

    def __str__(self) -> str:
        return self._says

    def compile(self, *, is_said: bool) -> None:
        """Compile it, so that the scenario can be played; say so unless that is done already."""
        from simlib.engines.fleet.part import compile_for

        compile_for(self._scenario, **({"tell": lambda _: None} if is_said else {}))


def leave_messages_out(scenario: Scenario) -> Scenario:
    """Return a scenario that sends nothing, where messages would have to be played for nothing."""
    from simlib.engines.fleet.engine import find_left_out

    if "workload.rate_per_s" not in find_left_out(scenario):
        return scenario
    return scenario.replace("workload", Workload(rate_per_s=0.0))


def play_storm(scenario: Scenario) -> Trace:
    """Play what happens to connections: small scenarios as sim does, large ones on the fleet.

    Raises
    ------
    SettingsError
        If there are too many clients for sim, and the fleet cannot play the scenario.
    CompilesFirst
        If the fleet must be compiled before it can play the scenario.
    """
    if scenario.clients <= _MOST_IN_LOCKSTEP:
        return play_connections(scenario)
    engine, why = choose_engine(None, [scenario])
    if engine == "fleet" and _is_compiled(scenario):
        return run(scenario, on="fleet")
    if engine == "fleet" and scenario.clients > MOST_ON_SIM:
        raise CompilesFirst(scenario)
    # Messages that change nothing are not played.
    most = MOST_ON_SIM if leave_messages_out(scenario) == scenario else _most_on_sim(scenario)
    if scenario.clients > most:
        raise _too_many(scenario, most, why)
    return play_connections(scenario)


def _is_compiled(scenario: Scenario) -> bool:
    from simlib.engines.fleet.part import is_compiled

    return is_compiled(scenario)


def play_rows(scenario: Scenario) -> Trace:
    """Play a scenario on sim, which keeps rows of every client, and plays messages.

    Raises
    ------
    SettingsError
        If there are too many clients.
    """
    if scenario.clients > (most := _most_on_sim(scenario)):
        why = "The charts need a row for all that happens, which sim alone keeps."
        raise _too_many(scenario, most, why)
    return run(scenario)


def _most_on_sim(scenario: Scenario) -> int:
    is_silent = scenario.workload.rate_per_s == 0.0
    return MOST_ON_SIM if is_silent else MOST_WITH_MESSAGES


def _too_many(scenario: Scenario, most: int, why: str) -> SettingsError:
    return SettingsError("clients", scenario.clients, f"must be at most {most:,} here. {why}")
