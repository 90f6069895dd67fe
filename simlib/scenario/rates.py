"""Rates that follow from a scenario's settings."""

from __future__ import annotations

from math import inf

from simlib.scenario.scenario import Scenario


def handshakes_per_s(scenario: Scenario) -> float:
    """Return how many handshakes the servers can do each second, all gateways together.

    Examples
    --------
    >>> from simlib.core.server_settings import ServerSettings
    >>> handshakes_per_s(Scenario(server=ServerSettings(workers=2, handshake_service_s=0.01)))
    200.0
    """
    server = scenario.server
    busy_s = server.tls_service_s + server.handshake_service_s + server.resync_service_s
    works_per_s = server.workers / busy_s if busy_s > 0.0 else inf
    return scenario.gateways * min(server.accept_per_s, works_per_s)
