"""The animated view of a storm: its clients as dots by state, as `sl.animate` draws them."""

from __future__ import annotations

from simlib.api import run
from simlib.charts.animation import MOST_CLIENTS, animate
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload

_FRAMES = 60


def draw_dots(scenario: Scenario) -> str:
    """Return an animated picture as HTML, of a storm as large, or of a smaller one like it.

    Of more clients than can be shown, so many are played, and the server takes as many fewer.
    """
    return animate(run(scale_down(scenario)), frames=_FRAMES)._repr_html_()


def scale_down(scenario: Scenario) -> Scenario:
    """Return a scenario with no more clients than are shown, and a server that takes as many fewer.

    Examples
    --------
    >>> small = scale_down(Scenario(clients=4000).replace("server.accept_per_s", 1000))
    >>> small.clients, small.server.accept_per_s
    (400, 100.0)
    """
    silent = scenario.replace("workload", Workload(rate_per_s=0.0))
    if scenario.clients <= MOST_CLIENTS:
        return silent
    share = MOST_CLIENTS / scenario.clients
    name = f"{scenario.name}, scaled down from {scenario.clients:,} clients"
    return silent.replace(
        {
            "clients": MOST_CLIENTS,
            "server.accept_per_s": scenario.server.accept_per_s * share,
            "name": name,
        }
    )
