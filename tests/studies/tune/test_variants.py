"""Scenarios around one, and the policies that a tuned one stands beside."""

from pathlib import Path

import pytest

import simlib as sl
from simlib.scenario.build import build
from simlib.studies.tune.variants import REPORT, lengthen_faults, rivals

SCENARIOS = Path(__file__).parents[3] / "data" / "scenarios"
STORM = sl.Scenario(name="storm", duration_s=40, faults=[sl.Fault("outage", start_s=10, stop_s=18)])


def test_an_ensemble_is_the_outage_shorter_and_longer_a_deploy_and_a_flap():
    found = sl.ensemble(STORM)
    assert ["storm", *(f"storm, {word}" for word in ("short outage", "long outage"))] == [
        each.name for each in found[:3]
    ]
    kinds = [each.faults[0].kind.name.lower() for each in found]
    assert ["outage", "outage", "outage", "deploy", "flap"] == kinds
    assert [18, 12, 42, 18, 26] == [each.faults[0].stop_s for each in found]
    assert {22.0} == {each.duration_s - each.faults[0].stop_s for each in found}
    assert {10.0} == {each.warm_up_s for each in found}


def test_a_warm_up_that_was_given_stays():
    assert {4.0} == {each.warm_up_s for each in sl.ensemble(STORM.replace(warm_up_s=4))}


def test_a_fault_of_a_moment_stands_for_outages_of_some_seconds():
    reset = STORM.replace(faults=[sl.Fault("reset", start_s=10)])
    assert [10 + 1.25, 10 + 20] == [each.faults[0].stop_s for each in sl.ensemble(reset)[1:3]]


def test_without_a_fault_that_interrupts_there_is_nothing_to_tune():
    with pytest.raises(sl.SettingsError, match="must have a fault that interrupts"):
        sl.ensemble(STORM.replace(faults=[sl.Fault("latency", 10, 18, amount_s=1)]))


def test_stretched_faults_keep_their_order_and_the_time_after_them():
    two = STORM.replace(faults=[*STORM.faults, sl.Fault("reset", start_s=20)])
    found = lengthen_faults(two, 2)
    assert [(10, 26), (28, 28)] == [(each.start_s, each.end_s) for each in found.faults]
    assert 48.0 == found.duration_s


def test_the_report_s_defaults_are_those_of_its_scenario():
    report = sl.load(SCENARIOS / "report_claims.toml").client
    named = {name: getattr(report, name) for name in REPORT}
    built = build(sl.Settings, REPORT)
    assert named == {name: getattr(built, name) for name in REPORT}


def test_rivals_are_the_given_the_report_s_and_all_presets():
    kinds = [each.kind for each in rivals("sim")]
    assert ["given", "report"] + ["preset"] * len(sl.presets) == kinds
    _, report, *_ = rivals("fleet")
    assert "report's defaults, no polling" == report.name
    assert float("inf") == STORM.replace(report.settings).client.fallback.after_attempts
