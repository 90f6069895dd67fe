"""The studies beside a review's own runs, with fewer clients: sensitivity, and a live run."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from typing import TYPE_CHECKING, Any

from simlib.experiments.space import POLICY
from simlib.review.material import Material
from simlib.review.results import count_workers
from simlib.scenario.scenario import Scenario

if TYPE_CHECKING:
    from simlib.studies.compare.compare import Comparison
    from simlib.studies.sensitivity.result import Sensitivity

#: Clients of a live run on one machine: more would measure the machine.
_MOST_LIVE = 100
#: Samples of the sensitivity analysis, each of as many points as there are settings, and two.
_SAMPLES = 16
#: Clients of these points: on sim a hundred runs of more would take longer than all the rest.
_MOST_VARIED = {"fleet": 2_000, "sim": 50}


def find_sensitivity(material: Material, progress: Callable[..., None]) -> Sensitivity:
    """Return which settings of the recommended policy decide the results.

    Raises
    ------
    SimlibError
        If it cannot be found, with the reason.
    """
    from simlib.studies.sensitivity.sensitivity import sensitivity

    on, scenario = material.question.on, material.chosen.scenario
    smaller = make_smaller(scenario, min(scenario.clients, _MOST_VARIED[on]))
    runs = _SAMPLES * (len(POLICY) + 2)
    return sensitivity(
        smaller, None, material.verdict.metrics, samples=_SAMPLES, replications=1, on=on,
        workers=count_workers(on, runs * smaller.clients), progress=progress,
    )  # fmt: skip


def play_side_live(material: Material, progress: Callable[..., None]) -> Comparison:
    """Return whether a live run of the recommended policy agrees with simulated ones.

    Raises
    ------
    SimlibError
        If it cannot be played live, with the reason.
    """
    from simlib.studies.compare.compare import compare

    scenario = material.chosen.scenario
    return compare(make_smaller(scenario, min(scenario.clients, _MOST_LIVE)), progress=progress)


def make_smaller(scenario: Scenario, clients: int) -> Scenario:
    """Return a scenario with fewer clients, and a server that is as narrow for each of them.

    Rates, workers and rooms shrink with the clients; where a server has too few workers for that,
    each takes as much longer, so that a queue of as many clients' shares waits as long.

    Examples
    --------
    >>> from simlib.core.server import ServerSettings
    >>> server = ServerSettings(workers=2, handshake_service_s=0.001, backlog=400)
    >>> smaller = make_smaller(Scenario(clients=1000, server=server), 100).server
    >>> smaller.workers, smaller.handshake_service_s, smaller.backlog
    (1, 0.005, 40.0)
    """
    share = clients / scenario.clients
    if share == 1.0:
        return scenario
    server = scenario.server
    workers = max(1, round(server.workers * share))
    slower = workers / (server.workers * share)
    changes: dict[str, Any] = {
        "clients": clients,
        "server.workers": workers,
        "server.accept_per_s": server.accept_per_s * share,
        "server.handshake_service_s": server.handshake_service_s * slower,
        "server.tls_service_s": server.tls_service_s * slower,
        "server.backlog": _shrink(server.backlog, share),
        "server.max_connections": _shrink(server.max_connections, share),
    }
    return scenario.replace(changes)


def _shrink(count: float, share: float) -> float:
    return count if count == inf else ceil(count * share)
