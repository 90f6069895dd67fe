"""A policy that is a Python function, on real WebSockets, in one process and in several."""

import pytest

import simlib as sl

pytestmark = pytest.mark.live

STORM = sl.Scenario(clients=4, duration_s=3, faults=[sl.Fault("outage", start_s=0.6, stop_s=1.2)])


def quick(attempt, previous_s, u):
    return 0.1 * attempt * u


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_live_run_asks_the_function_with_the_draws_of_sim(workers):
    own = STORM.replace("client.backoff", quick)
    played = sl.run(own, on="live", workers=workers).frame()
    first = sl.run(own).frame()
    waits = [
        rows[(rows["attempt"] == 1) & (rows["state"] == "waiting") & (rows["wait_s"] > 0.0)]
        .groupby("client")["wait_s"]
        .first()
        .to_dict()
        for rows in (first, played)
    ]
    assert 4 == len(waits[0])
    assert waits[0] == waits[1]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_is_no_wait_ends_a_live_run_with_its_sentence(workers):
    bad = STORM.replace("client.backoff", lambda attempt, previous_s, u: -1.0)
    with pytest.raises(sl.SimlibError, match=r"<lambda>\(attempt=1, .* = -1.0: must return a fin"):
        sl.run(bad, on="live", workers=workers)
