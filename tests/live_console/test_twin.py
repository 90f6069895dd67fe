"""The simulated twin: what was done by hand to the live run happens to it at the same moments."""

import pytest

import simlib as sl
from simlib.live_console.twin import Twin

SCENARIO = sl.Scenario(
    clients=6,
    duration_s=10,
    ramp_s=1,
    client=sl.Settings(
        backoff=sl.Backoff(base_s=0.2, cap_s=1), session=sl.SessionRules(sign_in_after_s=0.1)
    ),
    server=sl.ServerSettings(session_lifetime_s=600, accept_per_s=4),
    faults=[sl.Fault("reset", start_s=2)],
)
#: What hands did: (the twin is asked at, the faults by hand that are known then).
CUT, CUT_OVER = sl.Fault("outage", 3.21), sl.Fault("outage", 3.21, 5.0625)
STEPS = [
    (1.5, []),
    (3.3, [CUT]),
    (4.0, [CUT]),
    (5.1, [CUT_OVER, sl.Fault("session_expiry", 5.03)]),
    (6.0, [CUT_OVER, sl.Fault("session_expiry", 5.03), sl.Fault("client_reload", 5.5, 5.99)]),
    (10.0, [CUT_OVER, sl.Fault("session_expiry", 5.03), sl.Fault("client_reload", 5.5, 5.99),
            sl.Fault("latency", 8.123456789, amount_s=0.2)]),
]  # fmt: skip


def followed(steps):
    twin = Twin(SCENARIO)
    for now_s, by_hand in steps:
        twin.follow(now_s, by_hand)
    return twin


def test_the_twin_has_the_same_faults_at_the_same_moments():
    twin = followed(STEPS)
    assert (*SCENARIO.faults, *STEPS[-1][1]) == twin.trace.scenario.faults


def test_the_twin_is_the_simulation_of_the_scenario_that_it_ends_with():
    twin = followed(STEPS)
    assert not twin.trace.partial
    assert sl.run(twin.trace.scenario).digest() == twin.trace.digest()


def test_a_fault_that_ends_after_the_live_run_has_stopped_is_in_the_script_of_both():
    twin = Twin(SCENARIO)
    twin.follow(4.0, [sl.Fault("outage", 3.21, 4.001)])
    assert sl.Fault("outage", 3.21, 4.001) == twin.trace.scenario.faults[-1]


def test_a_twin_that_is_asked_seldom_plays_the_same():
    assert followed(STEPS).trace.digest() == followed(STEPS[-1:]).trace.digest()


@pytest.mark.parametrize("now_s", [0.0, 4.5])
def test_a_twin_whose_live_run_stopped_is_partial(now_s):
    twin = Twin(SCENARIO)
    twin.follow(now_s, [])
    twin.follow(now_s, [])
    assert (True, now_s, now_s) == (twin.trace.partial, twin.trace.end_s, twin.look().time_s)


def test_the_twin_says_what_its_server_has_to_do():
    twin = followed(STEPS[:2])
    assert 1 == twin.server_load().servers
