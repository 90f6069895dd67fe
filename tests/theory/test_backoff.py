"""Backoff and outage against closed forms: a drop at 0 s, attempts that take no time."""

from bisect import bisect_left
from functools import cache
from itertools import pairwise
from math import sqrt
from statistics import stdev

import pytest

from simlib.core.backoff import Backoff
from simlib.core.breaker import Breaker, BreakerState
from simlib.core.draws import Stream, uniform
from simlib.core.link import step
from simlib.core.link_fields import idle
from simlib.core.link_table import Input, State
from simlib.core.settings import Settings
from tests.batteries import with_slow

CLIENTS = 500
JITTERS = {
    "none": "none",
    "full": "full",
    "equal": "equal",
    "decorrelated": "decorrelated",
    "+-25%": "proportional",
}


def policy(params: dict) -> Backoff:
    """The policy of a case; base 1 s and factor 2 where it names only a cap."""
    base_s, cap_s, factor = params.get("base", 1), params["cap"], params.get("factor", 2)
    # The closed form lets the spread pass the cap.
    return Backoff(
        base_s=base_s,
        cap_s=cap_s,
        factor=factor,
        jitter=JITTERS[params["policy"]],
        spread_fraction=0.25,
        jitter_place="after_cap" if params["policy"] == "+-25%" else "inside",
    )


@cache
def attempts(rules: Backoff, until_s: float, at_least: int = 0) -> list[list[float]]:
    """The moments of each client's attempts after a drop at 0 s, while all of them fail."""
    return [_attempts(rules, client, until_s, at_least) for client in range(CLIENTS)]


def _attempts(rules: Backoff, client: int, until_s: float, at_least: int) -> list[float]:
    settings = Settings(backoff=rules)
    link, moments = idle(), []
    for told in (Input.START, Input.OPENED, Input.LOST):
        link = step(link, told, 0.0, settings, 1, client, 0.0)
    while not moments or moments[-1] < until_s or len(moments) < at_least:
        moments.append(link.deadline_s)
        for told in (Input.WAKE, Input.FAILED):
            link = step(link, told, moments[-1], settings, 1, client, 0.0)
    return moments


def through(case: dict) -> list[tuple[int, float]]:
    """Each client's (attempts needed, overshoot) for the outage of a case."""
    outage_s = case["params"]["outage"]
    result = []
    for moments in attempts(policy(case["params"]), 320.0):
        k = bisect_left(moments, outage_s)
        result.append((k + 1, moments[k] - outage_s))
    return result


@pytest.mark.slow
def test_the_sum_of_the_waits(oracles, agrees):
    for case in oracles("backoff.total.mean"):
        n = case["params"]["n"]
        totals = [moments[n - 1] for moments in attempts(policy(case["params"]), 0.0, 12)]
        assert agrees(totals, case["expected"]), case["id"]


@pytest.mark.slow
def test_the_spread_of_that_sum(oracles):
    for case in oracles("backoff.total.sd"):
        n, expected = case["params"]["n"], case["expected"]
        totals = [moments[n - 1] for moments in attempts(policy(case["params"]), 0.0, 12)]
        assert abs(stdev(totals) - expected) <= 4.0 * expected / sqrt(2 * CLIENTS), case["id"]


def test_the_mean_of_each_wait(oracles, agrees):
    for case in oracles("backoff.delay"):
        n = case["params"]["attempt"]
        waits = [
            moments[n - 1] - (moments[n - 2] if n > 1 else 0.0)
            for moments in attempts(policy(case["params"]), 0.0, 12)
        ]
        assert agrees(waits, case["expected"]), case["id"]


def test_how_often_decorrelated_jitter_stands_at_its_cap(oracles, agrees):
    for case in oracles("backoff.stationary.atcap"):
        n, cap_s = case["params"]["attempt"], case["params"]["cap"]
        at_cap = [
            float(moments[n - 1] - moments[n - 2] > cap_s - 1e-9)
            for moments in attempts(policy(case["params"]), 0.0, 12)
        ]
        assert agrees(at_cap, case["expected"]), case["id"]


@pytest.mark.slow
def test_attempts_needed_for_an_outage(oracles, agrees):
    for case in oracles("outage.attempts"):
        assert agrees([float(k) for k, _ in through(case)], case["expected"]), case["id"]


def test_time_to_recover_after_an_outage(oracles, agrees):
    for case in oracles("outage.overshoot."):
        assert agrees([over_s for _, over_s in through(case)], case["expected"]), case["id"]


def test_quantiles_of_the_time_to_recover(oracles, agrees):
    for case in oracles("outage.overshootq"):
        below = [float(over_s <= case["expected"]) for _, over_s in through(case)]
        assert agrees(below, case["params"]["q"]), case["id"]


def test_late_recoveries(oracles, agrees):
    for case in oracles("outage.Povershoot"):
        late = [float(over_s > case["params"]["threshold"]) for _, over_s in through(case)]
        assert agrees(late, case["expected"]), case["id"]


def test_giving_up(oracles):
    for case in oracles("outage.giveup"):
        limit, expected = case["params"]["max_attempts"], case["expected"]
        share = sum(k > limit for k, _ in through(case)) / CLIENTS
        # Some are all but certain, so the error is that of the known share.
        error = sqrt(expected * (1.0 - expected) / CLIENTS)
        assert abs(share - expected) <= 4.0 * error + 1e-6, case["id"]


def test_the_link_gives_up_exactly_after_its_attempts():
    rules = Backoff(base_s=1, cap_s=10, jitter="none", max_attempts=10)
    settings = Settings(backoff=rules)
    link = idle()
    for told in (Input.START, Input.OPENED, Input.LOST):
        link = step(link, told, 0.0, settings, 1, 0, 0.0)
    moments = []
    while link.state != State.STOPPED:
        moments.append(link.deadline_s)
        for told in (Input.WAKE, Input.FAILED):
            link = step(link, told, moments[-1], settings, 1, 0, 0.0)
    assert [1, 3, 7, 15, 25, 35, 45, 55, 65, 75] == moments


def test_the_rate_of_attempts_in_a_long_outage(oracles, agrees):
    for case in oracles("outage.attempt_rate"):
        moments = attempts(policy(case["params"]), 320.0)
        rates = [sum(60.0 <= t < 310.0 for t in each) / 250.0 for each in moments]
        assert agrees(rates, case["expected"]), case["id"]


def test_the_storm_right_after_a_drop(oracles, agrees):
    for case in oracles("outage.binrate"):
        t, half_s = case["params"]["t"], case["params"]["bin"] / 2.0
        moments = attempts(policy(case["params"]), 320.0)
        counts = [float(sum(t - half_s <= each < t + half_s for each in one)) for one in moments]
        assert agrees(counts, case["expected"]), case["id"]


def test_jitter_spreads_the_moments_and_none_does_not():
    for jitter, distinct in (("none", 1), ("full", CLIENTS)):
        rules = Backoff(base_s=1, cap_s=10, jitter=jitter)
        assert distinct == len({moments[0] for moments in attempts(rules, 0.0, 12)})


def test_every_wait_is_the_difference_of_two_attempts_inside_the_cap():
    for jitter in JITTERS.values():
        rules = Backoff(base_s=1, cap_s=10, jitter=jitter)
        for moments in attempts(rules, 0.0, 12):
            assert all(0.0 <= b - a <= 10.0 + 1e-9 for a, b in pairwise(moments))


def calls_until_tripped(rules: Settings, client: int, failing_fraction: float) -> float:
    """How many attempts it takes until enough in a row have failed."""
    link, now, count = idle(), 0.0, 0
    word = Input.START
    while True:
        link = step(link, word, now, rules, 1, client, 0.0)
        failed = uniform(2, client, Stream.FAULT, count) < failing_fraction
        count += 1
        for told in (Input.FAILED,) if failed else (Input.OPENED, Input.LOST):
            link = step(link, told, now, rules, 1, client, 0.0)
        if link.breaker == BreakerState.OPEN:
            return float(count)
        word, now = Input.WAKE, link.deadline_s


@pytest.mark.long
@pytest.mark.parametrize("clients", with_slow([100], [400]))
def test_attempts_until_the_breaker_trips(oracles, agrees, clients):
    for case in oracles("breaker.calls_to_trip"):
        breaker = Breaker(trip_after=case["params"]["F"])
        rules = Settings(backoff=Backoff(jitter="none"), breaker=breaker)
        calls = [
            calls_until_tripped(rules, client, case["params"]["q"]) for client in range(clients)
        ]
        assert agrees(calls, case["expected"]), case["id"]
