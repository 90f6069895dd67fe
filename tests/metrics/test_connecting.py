"""Whether any client could have connected, and whether none did."""

from math import nan

import pytest

import simlib as sl
from simlib.metrics.connecting import can_connect, nobody_connects
from simlib.metrics.metrics import summary


def scenario(*faults, **changes):
    return sl.Scenario(
        **{"duration_s": 20, "warm_up_s": 5, "faults": faults, "gateways": 2} | changes
    )


@pytest.mark.parametrize("start_s", [0, 3, 5])
@pytest.mark.parametrize("stop_s", [20, 30])
def test_a_fault_that_takes_all_the_time_that_counts_leaves_nobody_a_chance(start_s, stop_s):
    # What happens before the end of the warm-up does not count, so it may begin at any time of it.
    faulty = scenario(sl.Fault("outage", start_s=start_s, stop_s=stop_s))
    assert not can_connect(faulty)
    assert not nobody_connects(0.0, faulty)
    assert 0.0 == summary(sl.run(faulty))["availability_fraction"].iloc[0]


@pytest.mark.parametrize(
    "fault",
    [
        sl.Fault("outage", start_s=5.5, stop_s=20),
        sl.Fault("outage", start_s=0, stop_s=19.5),
        sl.Fault("outage", start_s=0, stop_s=20, clients_fraction=0.9),
        sl.Fault("outage", start_s=0, stop_s=20, route="http"),
        sl.Fault("server_crash", start_s=0, stop_s=20, gateway=1),
        sl.Fault("latency", start_s=0, stop_s=20, amount_s=1),
    ],
)
def test_whom_a_fault_leaves_time_or_a_server_may_connect(fault):
    assert can_connect(scenario(fault))
    assert nobody_connects(0.0, scenario(fault))


def test_nobody_connected_only_where_somebody_was_there():
    assert [True, False, False] == [nobody_connects(x, scenario()) for x in (0.0, 0.001, nan)]
