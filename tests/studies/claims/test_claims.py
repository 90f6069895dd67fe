"""The claims land where the closed forms say."""

import json
from math import inf
from pathlib import Path

import numpy as np
import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.studies.claims.claims import CLAIMS, claims
from tests.batteries import with_slow

REPORT = sl.load(Path(__file__).parents[3] / "data" / "scenarios" / "report_claims.toml")
CLAIM = {claim.name: claim for claim in CLAIMS}
#: Many clients, so that a share is exact to a few hundredths.
MANY = 600


@pytest.fixture
def oracle(oracles):
    """A function: the known answer of an id."""

    def expected(name: str) -> float:
        [case] = oracles(name)
        return case["expected"]

    return expected


def measured(name: str, scenario: sl.Scenario, at: float) -> np.ndarray:
    claim = CLAIM[name]
    values = claim.measure(sl.run(claim.vary(scenario, at)))
    return values[~np.isnan(values)]


def agrees(values: np.ndarray, expected: float) -> bool:
    error = values.std(ddof=1) / np.sqrt(values.size)
    return abs(values.mean() - expected) <= max(4.0 * error, 0.02 * abs(expected))


def bare(jitter: str = "full", **more) -> sl.Scenario:
    """The report's waits, on a network without delay, and nothing else."""
    backoff = sl.Backoff(jitter=jitter, base_s=1, factor=2, cap_s=10, **more)
    client = sl.Settings(backoff=backoff, outbox=sl.OutboxLimits(capacity=100))
    return sl.Scenario(clients=MANY, client=client, path=sl.Path(latency=sl.Latency(mean_s=0.0)))


@pytest.mark.parametrize("length_s", with_slow([2], [5, 60]))
@pytest.mark.parametrize("jitter", ["full", "equal"])
def test_the_wait_beyond_an_outage_is_the_closed_form_s(oracle, jitter, length_s):
    beyond_s = measured("reconnects under 5 s", bare(jitter), float(length_s))
    assert agrees(beyond_s, oracle(f"outage.overshoot.seed.{jitter}.D{length_s}.0"))


@pytest.mark.parametrize("length_s", [20, 30, 60])
def test_the_breaker_s_wait_beyond_an_outage_is_the_closed_form_s(oracle, length_s):
    stacked = bare().replace("client.breaker", sl.Breaker(trip_after=5, open_s=30))
    beyond_s = measured("reconnects under 5 s", stacked, float(length_s))
    assert agrees(beyond_s, oracle(f"seed.breaker_overshoot.D{length_s}"))


@pytest.mark.few(1)
@pytest.mark.parametrize("length_s", [30, 40, 60])
def test_giving_up_has_the_closed_form_s_probability(oracle, length_s):
    stayed = measured("keeps attempting", bare(max_attempts=10), float(length_s))
    assert agrees(1.0 - stayed, oracle(f"outage.giveup.seed.full.D{length_s}.0"))


@pytest.mark.slow
@pytest.mark.parametrize("length_s", with_slow([20], [15, 25]))
def test_the_queue_overflows_with_the_closed_form_s_probability(oracle, length_s):
    # Back at the very end of the outage: of attempts every half a second, one is just after it.
    half_s = 0.500001
    waits = sl.Backoff(jitter="none", base_s=half_s, cap_s=half_s)
    eager = bare("none").replace("client.backoff", waits)
    lost_something = 1.0 - measured("nothing lost", eager.replace(clients=200), float(length_s))
    assert agrees(lost_something, oracle(f"queue.ploss.lam5.D{length_s}.B100"))


@pytest.mark.slow
def test_the_report_s_client_keeps_some_claims_and_breaks_others():
    names = ["reconnects under 5 s", "keeps attempting", "no attempts while open", "queue bound"]
    found = {each.claim.name: each for each in claims(REPORT, 20, names=names)}
    assert ["fails", "holds", "holds", "holds"] == [found[name].verdict for name in names]
    assert 5.0 < found["reconnects under 5 s"].edge < 20.0
    assert 75.0 < found["keeps attempting"].edge < 200.0
    assert inf == found["no attempts while open"].edge
    assert 100.0 == found["queue bound"].estimate.value
    assert found["keeps attempting"].curve["at"].is_monotonic_increasing
    json.dumps(found["no attempts while open"].to_json(), allow_nan=False)


@pytest.mark.long
@pytest.mark.slow
def test_the_report_s_client_delivers_what_it_claims_in_an_hour_and_loses_something():
    names = ["99.9 % delivered", "99.9 % at any rate", "nothing lost"]
    found = {each.claim.name: each.estimate.value for each in claims(REPORT, 20, names=names)}
    assert found["nothing lost"] < 0.6
    assert found["99.9 % delivered"] > 0.999
    assert found["99.9 % at any rate"] > 0.999


def test_no_attempt_is_made_without_a_session():
    [found] = claims(REPORT, 20, names=["no loop without session"])
    assert ("holds", 0.0) == (found.verdict, found.estimate.value)


def test_a_claim_has_a_run_of_its_own_whatever_the_warm_up():
    name = "reconnects under 5 s"
    plain, warm = (bare().replace(clients=20, **more) for more in ({}, {"warm_up_s": 50}))
    assert np.array_equal(measured(name, plain, 5.0), measured(name, warm, 5.0))


@pytest.mark.parametrize(
    "own",
    [
        sl.Workload(arrivals="recorded", recorded=[(4.0, "high", 100), (50.0, "low", 100)]),
        sl.Workload(arrivals="typing", rate_per_s=40, keys=3),
        sl.Workload(arrivals="bursts", burst=50, size_bytes=9000, start_s=500),
    ],
    ids=["recorded", "typing", "late bursts"],
)
def test_a_claim_is_tested_with_its_own_messages_whatever_the_scenario_sends(own):
    calm = sl.Scenario()
    for claim in CLAIMS:
        expected = claim.vary(calm, claim.at).workload
        assert expected == claim.vary(calm.replace("workload", own), claim.at).workload


def test_a_scenario_without_messages_is_tested_without():
    silent = sl.Scenario(workload=sl.Workload(rate_per_s=0))
    assert {0.0} == {claim.vary(silent, claim.at).workload.rate_per_s for claim in CLAIMS} - {
        claim.at for claim in CLAIMS
    }


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["quue bound"], r'names = "quue bound": is no claim \(did you mean "queue bound"\?\)'),
        (["queue bound", "speed"], 'names = "speed": is no claim; the claims are '),
        ("queue bound", 'names = "queue bound": must be a list'),
    ],
)
def test_a_claim_that_is_not_there_is_refused(names, said):
    with pytest.raises(SettingsError, match=said):
        claims(sl.Scenario(), 20, names=names)


def test_too_few_replications_are_refused():
    with pytest.raises(SettingsError, match="must be at least 20"):
        claims(REPORT, 19)


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.long
def test_a_claim_can_be_played_live_in_a_quicker_pace():
    [found] = claims(REPORT, 20, names=["no loop without session"], live=True)
    assert (0.0, 20) == (found.live.value, found.live.observations)
    assert found.pace == pytest.approx(70.0 / 15.0)
    assert 0.0 == found.to_json()["live"]
