"""Did any client connect? A run in which none did is not compared with others."""

from __future__ import annotations

from simlib.core.faults import ALL_GATEWAYS
from simlib.scenario.scenario import Scenario
from simlib.trace.disruptions import interrupts

#: The share of time in which clients could send: 0 where no client ever connected.
AVAILABLE = "availability_fraction"


def can_connect(scenario: Scenario) -> bool:
    """Whether there is a moment that counts and that no fault takes from everybody.

    Examples
    --------
    >>> from simlib.core.faults import Fault
    >>> can_connect(Scenario(warm_up_s=5, faults=[Fault("outage", start_s=5)]))
    False
    """
    return not any(
        interrupts(fault)
        and fault.start_s <= scenario.warm_up_s
        and fault.end_s >= scenario.duration_s
        and fault.clients_fraction == 1.0
        and fault.gateway == ALL_GATEWAYS
        for fault in scenario.faults
    )


def nobody_connects(available_fraction: float, scenario: Scenario) -> bool:
    """Whether in a run no client was ever available although it could have been.

    NaN is no such run: nobody was there at all, so nobody failed to connect.

    Examples
    --------
    >>> nobody_connects(0.0, Scenario()), nobody_connects(0.01, Scenario())
    (True, False)
    """
    return available_fraction == 0.0 and can_connect(scenario)
