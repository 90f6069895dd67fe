"""Play a scenario for what happens to its connections, in the least time that gives its numbers."""

from __future__ import annotations

from simlib.api import run
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.trace.trace import Trace


def play_connections(scenario: Scenario) -> Trace:
    """Play a scenario and return a trace whose numbers of connections are those of `simlib.run`.

    Messages are left out where they change nothing for connections. The fleet plays what it plays
    in the very order of sim, if its compiled code is there already; sim plays all else.

    Examples
    --------
    >>> from simlib.core.faults import Fault
    >>> trace = play_connections(Scenario(clients=3, faults=[Fault("reset", start_s=5)]))
    >>> trace.scenario.workload.rate_per_s
    1.0
    """
    from simlib.engines.fleet.engine import find_left_out, keeps_order
    from simlib.engines.fleet.part import is_compiled

    if find_left_out(scenario):
        # Its messages may matter: they share lanes, draws and time-outs with handshakes.
        return run(scenario)
    silent = scenario.replace("workload", Workload(rate_per_s=0.0))
    trace = run(silent, on="fleet" if keeps_order(silent) and is_compiled(silent) else "sim")
    trace.scenario = scenario
    return trace
