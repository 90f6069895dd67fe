"""Contention for a row gives what AWS's own simulator gives."""

import csv
from pathlib import Path
from statistics import fmean, stdev

import pytest

import simlib as sl
from simlib.studies.validate.contest import contend
from tests.batteries import with_slow

REPEATS = 30


def published():
    with Path("data/aws_backoff.csv").open(encoding="utf-8", newline="") as file:
        return {(row["jitter"], int(row["clients"])): row for row in csv.DictReader(file)}


@pytest.mark.long
@pytest.mark.parametrize("clients", with_slow([1, 2, 10], [50, 100]))
@pytest.mark.parametrize("jitter", ["none", "full", "equal", "decorrelated"])
def test_calls_and_time_are_those_of_aws_s_simulator(jitter, clients):
    # A first wait of that simulator has a ceiling of twice its base of 5 ms.
    base_s = 0.005 if jitter == "decorrelated" else 0.01
    policy = sl.Backoff(jitter=jitter, base_s=base_s, cap_s=2)
    ours = [contend(policy, clients, seed) for seed in range(REPEATS)]
    theirs = published()[jitter, clients]
    for name in ("calls", "time_s"):
        values = [getattr(contest, name) for contest in ours]
        expected, theirs_sd = (float(theirs[f"{name}_{part}"]) for part in ("mean", "sd"))
        error = (theirs_sd**2 / 200 + stdev(values) ** 2 / REPEATS) ** 0.5
        assert expected == pytest.approx(fmean(values), abs=4 * error + 1e-9)


def test_a_contest_is_the_same_again_and_ends_when_all_have_written():
    policy = sl.Backoff(jitter="full", base_s=0.01, cap_s=2)
    assert contend(policy, 20, seed=3) == contend(policy, 20, seed=3)
    assert contend(policy, 20, seed=3) != contend(policy, 20, seed=4)
    assert contend(policy, 20).calls >= 20
