"""How long it takes to open a connection: round trips and nothing else."""

import pytest

import simlib as sl
from simlib.trace.columns import Name


def opened_s(rtt_s: float, tls: str = "none") -> float:
    """When the first connection of a run is open."""
    scenario = sl.Scenario(
        clients=1,
        duration_s=20 * rtt_s,
        ramp_s=0,
        path=sl.Path(latency=sl.Latency(mean_s=rtt_s / 2.0), tls=tls),
        workload=sl.Workload(rate_per_s=0),
        client=sl.Settings(connect_timeout_s=60),
    )
    columns = sl.run(scenario).columns()
    return float(columns["time_s"][list(columns["name"]).index(Name.OPENED)])


def test_without_tls_it_takes_two_round_trips(oracles):
    cases = [case for case in oracles("handshake.") if case["id"].endswith(".2rtt")]
    assert len(cases) > 5
    for case in cases:
        rtt_s = case["params"]["rtt_ms"] / 1000.0
        assert abs(case["expected"] - opened_s(rtt_s)) < 1e-9, case["id"]


# RFC 8446, 2 and 2.2: one round trip, of a session that is resumed as well; RFC 5246, 7.3: two.
@pytest.mark.parametrize(("tls", "round_trips"), [("1.3", 3), ("resumed", 3), ("1.2", 4)])
def test_tls_adds_its_round_trips(tls, round_trips):
    assert round_trips * 0.08 == pytest.approx(opened_s(0.08, tls), abs=1e-9)
