"""Many policies are worked out as one array: each as it would be alone, and as the core says."""

from itertools import pairwise

import numpy as np
import pytest

from simlib.core.backoff import delay, wait_after_attempt_s
from simlib.core.backoff_kinds import Jitter, JitterPlace
from simlib.lab.infer.bands import bands
from simlib.lab.infer.families import PLAIN
from simlib.lab.infer.forms import count_from_start
from simlib.lab.infer.likelihood import log_likelihood, log_likelihoods
from simlib.lab.infer.lockstep import Search, beside, run_search, score
from simlib.lab.infer.waits import Waits
from tests.lab.playing import drawn

FAMILIES = [
    *PLAIN,
    *(each.but(jitter_place=JitterPlace.BEFORE_CAP) for each in PLAIN[3:8]),
    *(each.but(jitter_place=JitterPlace.AFTER_CAP) for each in PLAIN[3:7]),
    *(each.but(compounding=True) for each in PLAIN[3:6]),
    *(each.but(compounding=True, jitter_place=JitterPlace.BEFORE_CAP) for each in PLAIN[3:6]),
    *(each.but(drawn_once=True) for each in PLAIN[3:7]),
    *(each.with_first(jitter) for each in PLAIN for jitter in (Jitter.NONE, Jitter.FULL)),
    PLAIN[5].but(compounding=True).with_first(Jitter.PROPORTIONAL),
    *(count_from_start(each) for each in PLAIN),
]
BLUR_S = 0.01


@pytest.fixture(scope="module")
def waits():
    """Waits whose attempts lasted some time, of which some were measured too long."""
    from simlib.core.backoff import Backoff

    seen = drawn(Backoff(base_s=0.5, cap_s=10), 40)
    rng = np.random.default_rng(3)
    late_s = np.where(rng.random(len(seen)) < 0.2, 0.01, 0.0)
    return Waits.of(seen.assign(lasted_s=rng.random(len(seen)), late_s=late_s), BLUR_S)


def searches(waits):
    return [Search(family, family.scales(waits), waits) for family in FAMILIES]


def policies(waits, each=5):
    rng, found = np.random.default_rng(7), []
    for search in searches(waits):
        [begin, *_] = search.family.begin(waits)
        places = search.place(begin) + 0.1 * rng.normal(size=(each, len(begin)))
        found += [rules for place in places if (rules := search.rules(place)) is not None]
    return found


def test_many_policies_together_are_as_likely_as_each_alone(waits):
    rules = policies(waits)
    assert len(rules) > 2 * len(FAMILIES)
    blurs_s = np.full((len(rules), len(waits.attempts)), BLUR_S)
    alone = [log_likelihood(each, waits) for each in rules]
    for _ in range(2):
        together = log_likelihoods(rules, waits, blurs_s).tolist()
        assert alone == pytest.approx(together, rel=1e-9, abs=1e-6)


def test_a_band_lies_between_the_cores_own_delays(waits):
    columns = (waits.attempt, waits.previous_s, waits.lasted_s)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    for rules in policies(waits, 2):
        found = bands(rules, waits)
        for draw, ends_s in ((0.0, found.low_s), (1.0, found.high_s)):
            expected_s = [
                max(
                    0.0,
                    wait_after_attempt_s(rules, delay(rules, attempt, before_s, draw), lasted_s),
                )
                for attempt, before_s, lasted_s in rows
            ]
            assert expected_s == pytest.approx(np.maximum(0.0, ends_s).tolist(), rel=1e-9), rules


def test_searches_beside_each_other_get_their_own_answers(waits):
    def asks(search, times):
        [begin, *_] = search.family.begin(waits)
        place, scores = search.place(begin)[np.newaxis], []
        for _ in range(times):
            scores += (yield from score(search, place, 0.0)).tolist()
        return scores

    some = searches(waits)[: len(PLAIN)]
    alone = [run_search(asks(search, 1))[0] for search in some]
    works = [asks(search, i % 3) for i, search in enumerate(some)]
    found = run_search(beside(works))
    assert [i % 3 for i in range(len(some))] == [len(each) for each in found]
    for expected, each in zip(alone, found, strict=True):
        assert [expected] * len(each) == pytest.approx(each)
    assert any(a != b for a, b in pairwise(alone))
    assert [] == run_search(beside([]))
