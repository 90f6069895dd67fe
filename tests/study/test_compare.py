"""Agreement of simulation and live run, and that `compare` can say no."""

from __future__ import annotations

import json
from array import array
from math import inf
from pathlib import Path

import pytest

import simlib as sl
from simlib.study.compare import METRICS, Comparison, compare_traces
from simlib.study.replay import replay
from simlib.trace import Trace

SCENARIOS = Path(__file__).parents[2] / "data" / "scenarios"
FIRST_OUTAGE = sl.load(SCENARIOS / "first_outage.toml")

#: Each doctors one side: what is changed, and a metric that must be named.
DOCTORED = {
    "half the base wait": (
        FIRST_OUTAGE.replace("client.backoff.base_s", FIRST_OUTAGE.client.backoff.base_s / 2),
        "mean_wait_fraction",
    ),
    "breaker off": (
        FIRST_OUTAGE.replace("client.breaker.trip_after", inf),
        "breaker_open_fraction",
    ),
    "fallback off": (
        FIRST_OUTAGE.replace("client.fallback.after_attempts", inf),
        "polling_fraction",
    ),
    "a path slower by 30 ms": (
        FIRST_OUTAGE.replace(
            "path.latency.mean_s", FIRST_OUTAGE.path.latency.mean_s + 0.03
        ).replace("path.latency.floor_s", FIRST_OUTAGE.path.latency.floor_s + 0.03),
        "round_trip_s_p50",
    ),
}


def replications(scenario: sl.Scenario, first: int = 0, count: int = 20) -> list[Trace]:
    seeds = range(scenario.seed + first, scenario.seed + first + count)
    return [sl.run(scenario.replace(seed=seed)) for seed in seeds]


@pytest.fixture(scope="module")
def simulated() -> list[Trace]:
    return replications(FIRST_OUTAGE)


@pytest.mark.parametrize("seed", range(100, 110))
def test_one_more_simulated_run_agrees(simulated: list[Trace], seed: int) -> None:
    comparison = compare_traces(simulated, sl.run(FIRST_OUTAGE.replace(seed=seed)))
    assert comparison.disagreements == []
    assert comparison.agreed


@pytest.mark.parametrize("name", DOCTORED)
def test_a_doctored_side_is_named(simulated: list[Trace], name: str) -> None:
    doctored, metric = DOCTORED[name]
    comparison = compare_traces(simulated, sl.run(doctored))
    assert metric in comparison.disagreements
    with pytest.raises(sl.Disagreement, match=metric):
        comparison.require_agreement()


@pytest.mark.live
def test_a_live_run_agrees_with_what_was_simulated_and_with_nothing_else(
    simulated: list[Trace],
) -> None:
    live = sl.run(FIRST_OUTAGE, on="live")
    comparison = compare_traces(simulated, live)
    assert comparison.disagreements == []
    assert comparison.replay.matched == comparison.replay.total > 1000
    for name, (doctored, metric) in DOCTORED.items():
        assert metric in compare_traces(replications(doctored), live).disagreements, name


def test_the_replay_finds_a_client_that_decides_otherwise() -> None:
    trace = sl.run(FIRST_OUTAGE)
    trace.scenario = FIRST_OUTAGE.replace("client.breaker.trip_after", 2)
    result = replay(trace)
    assert not result.agreed
    assert result.first.startswith("client ")


def test_a_machine_too_busy_gives_too_little_data_for_times(simulated: list[Trace]) -> None:
    live = sl.run(FIRST_OUTAGE)
    live.late_s = array("d", [0.2] * 100)
    table = compare_traces(simulated, live).table.set_index("metric")
    for metric in METRICS:
        expected = "too little data" if metric.hops else "agree"
        assert table.loc[metric.name, "verdict"] == expected
    assert "too busy" in table.loc["latency_s_p50", "why"]


def test_lateness_widens_the_tolerance_by_what_was_measured(simulated: list[Trace]) -> None:
    on_time, late = sl.run(FIRST_OUTAGE), sl.run(FIRST_OUTAGE)
    late.late_s = array("d", [0.01] * 100)
    tolerances = [
        compare_traces(simulated, live).table.set_index("metric").loc["latency_s_p50", "tolerance"]
        for live in (on_time, late)
    ]
    assert tolerances == [pytest.approx(0.005), pytest.approx(0.025)]


def test_without_a_fault_there_is_nothing_to_recover_from() -> None:
    quiet = FIRST_OUTAGE.replace(faults=(), duration_s=5)
    runs = replications(quiet, count=6)
    verdicts = compare_traces(runs[:5], runs[5]).table.set_index("metric")["verdict"]
    assert verdicts["time_to_recover_s_p50"] == "too little data"
    assert verdicts["attempts"] == "agree"


def test_a_warm_up_is_cut_out_of_both_sides() -> None:
    warm = FIRST_OUTAGE.replace(warm_up_s=5)
    runs = replications(warm, count=6)
    # The live run is judged by what was simulated, whatever its own scenario says.
    runs[5].scenario = runs[5].scenario.replace(warm_up_s=0)
    comparison = compare_traces(runs[:5], runs[5])
    table = comparison.table.set_index("metric")
    whole, cut = (
        sl.summary(sl.run(each.replace(seed=warm.seed + 5))).iloc[0]
        for each in (FIRST_OUTAGE, warm)
    )
    assert whole["attempts"] > cut["attempts"] == table.loc["attempts", "live"]
    assert comparison.agreed
    assert (table["verdict"] == "agree").sum() > 15


def test_too_few_replications_are_refused() -> None:
    with pytest.raises(sl.SettingsError, match="replications = 4: must be at least 5"):
        sl.compare(FIRST_OUTAGE, replications=4)


def test_a_comparison_is_shown_in_words_in_json_and_in_a_notebook(simulated: list[Trace]) -> None:
    comparison: Comparison = compare_traces(simulated, sl.run(FIRST_OUTAGE))
    data = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert (data["agreed"], data["replications"]) == (True, 20)
    assert [row["metric"] for row in data["metrics"]] == [metric.name for metric in METRICS]
    assert str(comparison).startswith("Simulation and live run agree.")
    assert "<b>Simulation and live run agree.</b>" in comparison._repr_html_()
