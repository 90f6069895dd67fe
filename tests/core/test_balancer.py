"""Which gateway a balancer chooses."""

import pytest

from simlib.core.balancer import Balance, Balancer
from simlib.core.faults import Fault, Timeline


def chosen(balance, *, clients=8, gateways=4, down=(), faults=(), now=0.0):
    balancer = Balancer(balance, gateways, 1, Timeline(faults, 1, gateways, balanced=True))
    return [balancer.choose(i, 1, now, lambda each: each not in down) for i in range(clients)]


@pytest.mark.parametrize("down", [(), (2,)])
def test_a_fixed_client_goes_where_it_belongs_whatever_has_become_of_it(down):
    assert [0, 1, 2, 3, 0, 1, 2, 3] == chosen(Balance.FIXED, down=down)


def test_turns_pass_by_a_gateway_that_is_down():
    assert [0, 1, 2, 3, 0, 1, 2, 3] == chosen(Balance.ROUND_ROBIN)
    assert [0, 1, 3, 0, 1, 3, 0, 1] == chosen(Balance.ROUND_ROBIN, down=(2,))


def test_turns_pass_by_a_gateway_that_drains_for_as_long_as_it_does():
    rolling = (Fault("deploy", start_s=0, stop_s=8, rolling=True),)
    assert [1, 2, 3, 1] == chosen(Balance.ROUND_ROBIN, clients=4, faults=rolling, now=0.0)
    assert [0, 1, 2, 0] == chosen(Balance.ROUND_ROBIN, clients=4, faults=rolling, now=7.9)
    assert [0, 1, 2, 3] == chosen(Balance.ROUND_ROBIN, clients=4, faults=rolling, now=8.0)


def test_where_all_drain_those_that_are_up_are_chosen_and_where_none_is_one_of_all():
    everywhere = (Fault("deploy", start_s=0, stop_s=8),)
    assert [0, 1, 3, 0] == chosen(Balance.ROUND_ROBIN, clients=4, faults=everywhere, down=(2,))
    assert [0, 1, 2, 3] == chosen(Balance.ROUND_ROBIN, clients=4, down=range(4))


def test_random_choices_depend_on_client_and_connection_alone():
    drawn = chosen(Balance.RANDOM, clients=4000)
    assert drawn[1000:] == chosen(Balance.RANDOM, clients=4000)[1000:]
    assert all(1000 == pytest.approx(drawn.count(each), abs=120) for each in range(4))


def test_the_fewest_connections_get_the_next_one():
    balancer = Balancer(Balance.LEAST_CONNECTIONS, 3, 1, Timeline((), 1, 3, balanced=True))

    def choose():
        return balancer.choose(0, 1, 0.0, lambda _: True)

    assert [0, 1, 2, 0, 1, 2] == [choose() for _ in range(6)]
    for _ in range(2):
        balancer.release(1)
    assert [1, 1, 2] == [choose() for _ in range(3)]
    assert [2, 2, 3] == sorted(balancer.connections)
