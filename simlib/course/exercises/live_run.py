"""Exercises of 10: whether the simulation tells the truth, and what if it does not."""

from __future__ import annotations

from functools import cache

from simlib.api import run
from simlib.course.exercises.checks import NotYet, compare_number, exercise_check, only, title_of
from simlib.scenario.scenario import Scenario
from simlib.trace.trace import Trace

#: What one way takes in the network that is to be found.
_UNKNOWN_S = 0.06
_NOT_THERE = {
    "machine": "its timers were in time",
    "client": "the replay matches: clients decide as they should",
    "network": "the round trips agree",
}


@exercise_check
def outside_by_chance(answer: object) -> str:
    """Check how many of 25 intervals of 95 % miss by chance."""
    hints = {"counts all of them": 25.0, "lie inside": 23.75, "is the share, not the number": 0.05}
    return f"{compare_number(answer, 1.25, hints=hints):g} of 25 in the mean"


@cache
def play_unknown_network(scenario: Scenario) -> Trace:
    """Return a run on a network that is to be found."""
    return run(scenario.replace("path.latency.mean_s", _UNKNOWN_S).replace(seed=99))


@exercise_check
def fitted_network(answer: Scenario, given: Scenario) -> str:
    """Check a network with which the simulation agrees with the unknown run."""
    from simlib.studies.compare.compare import compare_traces

    [key] = only(answer, given, "path.latency.mean_s", one=True)
    simulated = [run(answer.replace(seed=answer.seed + i)) for i in range(10)]
    comparison = compare_traces(simulated, play_unknown_network(given))
    if comparison.disagreements:
        row = comparison.table.set_index("metric").loc[comparison.disagreements[0]]
        raise NotYet(
            f"{row.name} is {row['live']:.3f} there, and {row['sim_low']:.3f} to "
            f"{row['sim_high']:.3f} in the simulation"
        )
    return f"with this {key} all numbers agree"


@exercise_check
def where_to_look(answer: object) -> str:
    """Check who is left to be suspected."""
    if answer is None:
        raise NotYet("put a word in place of None")
    if isinstance(answer, str) and answer in _NOT_THERE:
        raise NotYet(f"not the {answer}: {_NOT_THERE[answer]}")
    if answer != "server":
        raise NotYet(f'{title_of(answer)} is none of "machine", "client", "network" and "server"')
    return "nothing else is left"
