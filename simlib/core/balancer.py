"""The load balancer in front of the gateways: which of them takes a new connection or request.

Rules of the balancer:
- fixed asks nothing: client i belongs to gateway i modulo their number, whatever becomes of it.
- The others pass by a gateway that is down or drains, as long as another one is neither. They know
  it at once: the time that health checks take is not modelled.
- A connection stays where it is until it ends: nothing moves because another gateway is idle.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from simlib.core.draws import Stream, uniform
from simlib.core.faults import Timeline


class Balance(IntEnum):
    """How a balancer chooses."""

    FIXED = 0
    ROUND_ROBIN = 1
    RANDOM = 2
    LEAST_CONNECTIONS = 3


class Balancer:
    """What a balancer knows: the connections of each gateway, and whose turn it is."""

    def __init__(self, balance: Balance, gateways: int, seed: int, timeline: Timeline) -> None:
        self._balance = balance
        self._seed = seed
        self._timeline = timeline
        self._turn = 0
        #: Connections and requests that are under way, by gateway.
        self.connections = [0] * gateways

    def choose(self, client: int, connection: int, now: float, is_up: Callable[[int], bool]) -> int:
        """Return the gateway that takes a connection, and count it there until `release`."""
        gateways = len(self.connections)
        if self._balance == Balance.FIXED:
            gateway = client % gateways
        else:
            ready = self._find_ready(now, is_up)
            gateway = ready[self._pick(ready, client, connection)]
            self._turn = gateway + 1
        self.connections[gateway] += 1
        return gateway

    def release(self, gateway: int) -> None:
        """Count a connection no longer."""
        self.connections[gateway] -= 1

    def _find_ready(self, now: float, is_up: Callable[[int], bool]) -> list[int]:
        """Return the gateways to choose from, beginning with the one whose turn it is."""
        gateways = len(self.connections)
        in_turn = [(self._turn + i) % gateways for i in range(gateways)]
        up = [each for each in in_turn if is_up(each)]
        calm = [each for each in up if not self._timeline.is_draining(each, now)]
        # Where all are down, one of them refuses.
        return calm or up or in_turn

    def _pick(self, ready: list[int], client: int, connection: int) -> int:
        """Return the place of the gateway that is chosen."""
        if self._balance == Balance.RANDOM:
            return int(len(ready) * uniform(self._seed, client, Stream.BALANCE, connection))
        if self._balance == Balance.LEAST_CONNECTIONS:
            # Of equals the one whose turn it is, or one gateway would get every first connection.
            loads = [self.connections[each] for each in ready]
            return loads.index(min(loads))
        return 0
