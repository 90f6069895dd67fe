"""A client whose own process was late is told without jitter; jitter that is sure is told still."""

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import simlib as sl
from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.lab.infer.fit import fit
from simlib.lab.infer.text import inference_in_words
from tests.batteries import with_slow
from tests.lab.playing import Phase, Played, drawn

LADDERS = {
    "exponential, no jitter": Backoff(jitter="none", base_s=0.2, factor=2, cap_s=1),
    "constant": Backoff(jitter="none", base_s=1, factor=1, cap_s=1),
    "linear, no jitter": Backoff(jitter="none", growth="linear", base_s=0.5, rise_s=0.5, cap_s=3),
    "table of steps": Backoff(jitter="none", steps_s=[0.1, 0.3, 0.4, 1.2]),
}
#: How late each wait may be, around a mean of one; the last is late seldom, and then much.
LATENESS = {
    "exponential": lambda rng, count: rng.exponential(1.0, count),
    "lognormal": lambda rng, count: rng.lognormal(-0.5, 1.0, count),
    "seldom": lambda rng, count: np.where(rng.random(count) < 0.2, rng.exponential(5, count), 0),
}


def late(frame, law, mean_s):
    """The same waits of a client whose timers were late, which nobody measured."""
    lateness = LATENESS[law](np.random.default_rng(3), len(frame))
    return frame.assign(wait_s=frame["wait_s"] + mean_s * lateness)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("name", "law", "mean_s"),
    with_slow(
        [
            ("exponential, no jitter", "lognormal", 0.06),
            ("constant", "exponential", 0.02),
        ],
        [
            ("exponential, no jitter", "exponential", 0.005),
            ("linear, no jitter", "seldom", 0.02),
            ("table of steps", "exponential", 0.06),
        ],
    ),
)
def test_a_late_client_without_jitter_is_told_without_jitter_and_its_waits_are_right(
    name, law, mean_s
):
    rules = LADDERS[name]
    found = fit(late(drawn(rules, 80, rows=8), law, mean_s), intervals=False)
    assert (name, False) == (found.best.name, found.is_none)
    for each, value in found.best.values.items():
        key, _, place = each.partition("[")
        true = getattr(rules, key)
        true = true[int(place.rstrip("]"))] if place else true
        assert true == pytest.approx(value, rel=0.04, abs=0.3 * mean_s + 0.002), each


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "rules",
    with_slow(
        [
            Backoff(jitter="proportional", base_s=0.2, cap_s=2, spread_fraction=0.1),
            Backoff(jitter="full", base_s=0.02, cap_s=0.3),
        ],
        [
            Backoff(jitter="additive", base_s=2, factor=1, add_least_s=0, add_most_s=0.1),
            Backoff(jitter="additive", base_s=0.2, cap_s=1, add_least_s=0, add_most_s=0.2),
            Backoff(jitter="equal", base_s=0.05, cap_s=0.5),
        ],
    ),
    ids=["proportional", "full", "evenly 100 ms", "evenly 200 ms", "equal"],
)
def test_jitter_that_is_wide_or_grows_with_the_wait_is_no_lateness(rules):
    found = fit(drawn(rules, 150), intervals=False)
    assert rules.jitter == found.best.rules.jitter or "power" in found.best.name, found.best.name
    assert not found.is_none
    assert found.waits.lateness.late_fraction == 0.0


@pytest.mark.slow
def test_small_differences_that_grow_with_the_wait_are_no_lateness():
    frame = drawn(Backoff(jitter="none", base_s=0.1, cap_s=3), 150)
    spread = np.random.default_rng(3).normal(0.0, 0.02, len(frame))
    found = fit(frame.assign(wait_s=frame["wait_s"] * (1.0 + spread)), intervals=False)
    assert found.is_none or found.best.rules.jitter != Jitter.NONE


def observed(rules, late_mean_s=0.0):
    """Four clients whose processes were late, as the lab would have seen them."""
    rng, frames = np.random.default_rng(5), []
    for client in range(4):
        frame = Played(rules, client=client).play((Phase("status", "503", 20),))
        off_s = (late_mean_s * rng.exponential(1.0, len(frame))).cumsum()
        for name in ("accept_s", "answered_s", "ended_s"):
            frame[name] += off_s
        frames.append(frame)
    return pd.concat(frames)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("rules", "late_mean_s"),
    [
        (LADDERS["exponential, no jitter"], 0.02),
        (
            Backoff(jitter="additive", base_s=0.2, cap_s=1, add_least_s=0, add_most_s=0.03),
            0.0,
        ),
    ],
    ids=["late process", "small jitter"],
)
def test_what_may_be_lateness_or_a_small_jitter_is_said_to_be_either(rules, late_mean_s):
    found = sl.infer(observed(rules, late_mean_s))
    lateness = found.finding("lateness_s")
    either = f"that were up to {lateness.value:.2g} s late: a busy process, or jitter no wider"
    assert found.verdict.startswith("exponential, no jitter, from ")
    assert found.verdict.endswith(either)
    assert "none" == found.policy["backoff"]["jitter"]
    assert 0.2 == pytest.approx(found.policy["backoff"]["base_s"], abs=0.01)
    assert 0.02 < lateness.value < 0.3
    assert "a busy process is as late, and jitter no wider would look the same" in lateness.words
    assert f"# lateness_s: {lateness.words}" in found.policy_toml()
    console = Console(width=100)
    with console.capture() as said:
        console.print(inference_in_words(found))
    assert "busy process" in said.get()


def test_a_client_in_time_is_not_said_to_be_late():
    found = sl.infer(observed(LADDERS["exponential, no jitter"]))
    assert "late" not in found.verdict
    assert "lateness_s" not in {each.about for each in found.findings}
