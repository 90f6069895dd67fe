"""Events come in the order of time, and of adding at one moment; the queue in plain Python."""

from math import inf
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from simlib.engines.kernel import arrays, state, upcoming, wheel

CLIENTS, END_S = 300, 20.0
#: Spread over all slots; few moments; all in a tiny part of one slot; one moment.
SPREADS = {
    "spread": lambda random: random.uniform(0, END_S + 1),
    "few moments": lambda random: float(random.randrange(40)),
    "close together": lambda random: 7.001 + 1e-9 * random.randrange(50),
    "one moment": lambda _: 7.0,
}


def fields_as_attributes(arrays_of_wheel):
    return wheel.Wheel(
        *(
            each.view(np.recarray) if each.dtype.names else each
            for each in arrays._grow_wheel(arrays_of_wheel, 2_000)
        )
    )


@pytest.fixture
def fleet():
    clients = np.zeros(CLIENTS, state.CLIENT).view(np.recarray)
    clients.moment_s = inf
    return SimpleNamespace(
        wheel=fields_as_attributes(arrays._wheel(CLIENTS, END_S, 16)), clients=clients
    )


def make_room(fleet):
    fleet.wheel = fields_as_attributes(fleet.wheel)


def add_some(fleet, random, spread, now, added):
    """Add wakes of clients that have none to come, and other events; note them in ``added``."""
    for _ in range(random.randrange(4)):
        time_s = max(now, SPREADS[spread](random))
        client = random.randrange(CLIENTS)
        if fleet.clients[client].moment_s == inf and random.random() < 0.7:
            what = state.event(client, 0, state.WAKE)
            wheel.put_wake(fleet.wheel, time_s, what, client)
            if time_s < END_S:
                fleet.clients[client].moment_s = time_s
        else:
            what = state.event(len(added), 0, state.CONNECTED)
            wheel.put(fleet.wheel, time_s, what)
        if time_s < END_S:
            added.append((time_s, len(added), what))


@pytest.mark.few(2)
@pytest.mark.parametrize("spread", SPREADS)
def test_events_come_in_the_order_of_time_and_then_of_adding(fleet, spread):
    random, added, now, came = Random(7), [], 0.0, []
    for _ in range(250):
        add_some(fleet, random, spread, 0.0, added)
    while (time_s := upcoming.next_s(fleet)) < inf:
        if time_s < 0.0:
            make_room(fleet)
            continue
        now = time_s
        what = wheel.pop(fleet.wheel)
        if what & 0xFFF == state.WAKE:
            fleet.clients[what >> 36].moment_s = inf
        came.append((now, what))
        if len(added) < 900:
            add_some(fleet, random, spread, now, added)
    assert [(time_s, what) for time_s, _, what in sorted(added)] == came
    assert len(came) > 300
    # All that was lent is back.
    counts = fleet.wheel.state[0]
    assert (0, 0) == (counts.far, counts.near)
    assert (fleet.wheel.follower.size, fleet.wheel.kept.size) == (counts.spare, counts.places)


def test_the_wake_of_a_client_that_has_left_does_not_come(fleet):
    for client in (1, 2, 3):
        fleet.clients[client].moment_s = 9.0
        wheel.put_wake(fleet.wheel, 9.0, state.event(client, 0, state.WAKE), client)
    fleet.clients[2].moment_s = inf
    came = []
    while upcoming.next_s(fleet) < inf:
        came.append(wheel.pop(fleet.wheel) >> 36)
    assert [1, 3] == came
