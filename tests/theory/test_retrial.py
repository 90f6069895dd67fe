"""A retrial queue obeys its law: arrivals, service, and the loop of refusal, wait and attempt."""

import pytest

import simlib as sl
from tests.batteries import with_slow
from tests.theory import retrial


@pytest.mark.slow
def test_clients_wait_as_many_as_the_law_says_where_waits_are_exponential():
    samples = [retrial.simulate_waiting(0.5, 2.0, clients=1500, seed=seed) for seed in range(1, 9)]
    mean, half_width = retrial.interval(samples)
    # Twice the interval, and no wider than a tenth of what is measured, or it would say nothing.
    assert half_width < 0.1 * mean
    assert retrial.law_of_waiting(0.5, 2.0) == pytest.approx(mean, abs=2.0 * half_width)


@pytest.mark.slow
@pytest.mark.parametrize("jitter", with_slow(["full"], ["equal", "proportional"]))
def test_as_waits_grow_each_client_makes_as_many_attempts_as_the_law_says(jitter):
    pytest.importorskip("numba")
    samples = [
        retrial.attempts_of_each(
            sl.run(
                retrial.retrial(0.5, 100.0, clients=40_000, seed=seed, jitter=jitter), on="fleet"
            )
        )
        for seed in (1, 2, 3, 4)
    ]
    # The rest of the limit, (1/W) r^2 / (L (1 - r)), is 0.01.
    assert retrial.law_of_attempts(0.5) == pytest.approx(sum(samples) / 4, rel=0.02)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "changes",
    [
        {"arrivals": "even"},
        {"server.handshake_service": "constant"},
        {"client.backoff.max_attempts": 1},
        # Those who were refused together come back together.
        {"client.backoff.jitter": "none"},
    ],
    ids=str,
)
def test_another_queue_does_not_obey_that_law(changes):
    pytest.importorskip("numba")
    scenario = retrial.retrial(0.5, 100.0, clients=40_000, seed=1).replace(changes)
    found = retrial.attempts_of_each(sl.run(scenario, on="fleet"))
    assert retrial.law_of_attempts(0.5) != pytest.approx(found, rel=0.02)


def test_sim_and_fleet_make_the_same_attempts():
    pytest.importorskip("numba")
    scenario = retrial.retrial(0.8, 20.0, clients=500, seed=5, jitter="full")
    found = [retrial.attempts_of_each(sl.run(scenario, on=engine)) for engine in ("sim", "fleet")]
    assert found[0] == found[1] > 2.0
