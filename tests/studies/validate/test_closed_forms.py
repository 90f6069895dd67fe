"""The formulas give the known answers of other sources."""

import pytest

from simlib.studies.validate import closed_forms


def cases(oracles, prefix):
    found = [(case["params"], case["expected"]) for case in oracles(prefix)]
    assert found
    return found


@pytest.fixture(scope="module")
def oracles():
    import json
    from pathlib import Path

    file = Path(__file__).parents[2] / "theory" / "oracles.json"
    known = json.loads(file.read_text(encoding="utf-8"))["cases"]
    return lambda prefix: [case for case in known if case["id"].startswith(prefix)]


def test_waits_of_one_constant_worker(oracles):
    for params, expected in cases(oracles, "md1.wq"):
        wait = closed_forms.mean_constant_wait_s(params["rho"]) * params["D"]
        assert expected == pytest.approx(wait)
    for params, expected in cases(oracles, "md1.cdf"):
        share = closed_forms.constant_wait_share(params["lam"], params["t"])
        assert expected == pytest.approx(share)


def test_what_a_bounded_queue_refuses_a_bucket_refuses_too(oracles):
    for params, expected in cases(oracles, "md1k.block"):
        share = closed_forms.constant_blocked_share(params["rho"], params["K"])
        assert expected == pytest.approx(share, rel=1e-6)
    for params, expected in cases(oracles, "bucket.poisson"):
        load = params["lam"] / params["rate"]
        share = closed_forms.constant_blocked_share(load, params["burst"])
        assert expected == pytest.approx(share, rel=1e-6)


def test_outboxes_that_overflow(oracles):
    for params, expected in cases(oracles, "queue.ploss"):
        mean = params["rate"] * params["outage"]
        assert expected == pytest.approx(closed_forms.overflow_share(mean, params["capacity"]))


def test_attempts_until_a_breaker_trips(oracles):
    for params, expected in cases(oracles, "breaker.calls_to_trip"):
        assert expected == pytest.approx(closed_forms.attempts_until_trip(params["q"], params["F"]))


def test_priorities_keep_the_conservation_law():
    # Whatever overtakes what, the work that waits is the same (Kleinrock 1965).
    loads = (0.1, 0.2, 0.3, 0.2)
    waits = [closed_forms.priority_wait_s(loads, rank) for rank in range(4)]
    assert waits == sorted(waits)
    total = sum(load * wait for load, wait in zip(loads, waits, strict=True))
    assert sum(loads) * closed_forms.mean_constant_wait_s(sum(loads)) == pytest.approx(total)
