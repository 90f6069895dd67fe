"""Agreement of simulation and live run, and that `compare` can say no."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
from array import array
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

import simlib as sl
from simlib.core.admission import Decision
from simlib.engines import sim
from simlib.engines.late_clock import LateClock, lateness_by_tick_s
from simlib.metrics.lateness import Lateness, play_as_late
from simlib.metrics.meaning import OF_SERVER
from simlib.studies.compare import compare as compare_module
from simlib.studies.compare.compare import Comparison, compare_played, compare_traces
from simlib.studies.compare.replay import Replay, replay
from simlib.studies.compare.tolerances import COMPARED_METRICS
from simlib.trace.columns import Name
from simlib.trace.trace import Standstill, Trace
from tests.batteries import with_slow

SCENARIOS = Path(__file__).parents[3] / "data" / "scenarios"
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
    "a path slower by 200 ms": (
        FIRST_OUTAGE.replace("path.latency.mean_s", FIRST_OUTAGE.path.latency.mean_s + 0.2).replace(
            "path.latency.floor_s", FIRST_OUTAGE.path.latency.floor_s + 0.2
        ),
        "round_trip_s_p50",
    ),
}

#: What is compared where no server has a limit.
COMPARED_WITHOUT_LIMITS = [m for m in COMPARED_METRICS if m.name not in OF_SERVER]
#: Clients that are cut off, and come back to a server of two workers and a short backlog.
BUSY = sl.Scenario(
    name="busy",
    clients=30,
    duration_s=6,
    ramp_s=0.5,
    server=sl.ServerSettings(handshake_service_s=0.06, workers=2, backlog=15),
    client=sl.Settings(backoff=sl.Backoff(base_s=0.3, cap_s=2), connect_timeout_s=0.4),
    faults=[sl.Fault("reset", start_s=2.5)],
    workload=sl.Workload(rate_per_s=0),
)


def replications(scenario: sl.Scenario, first: int = 0, count: int = 20) -> list[Trace]:
    seeds = range(scenario.seed + first, scenario.seed + first + count)
    return [sl.run(scenario.replace(seed=seed)) for seed in seeds]


@pytest.fixture(scope="module")
def simulated() -> list[Trace]:
    return replications(FIRST_OUTAGE)


@pytest.mark.slow
@pytest.mark.parametrize("seed", with_slow(range(100, 103), range(103, 110)))
def test_one_more_simulated_run_agrees(simulated: list[Trace], seed: int) -> None:
    comparison = compare_traces(simulated, sl.run(FIRST_OUTAGE.replace(seed=seed)))
    assert comparison.disagreements == []
    assert comparison.agreed


@pytest.mark.few(2)
@pytest.mark.parametrize("name", DOCTORED)
def test_a_doctored_side_is_named(simulated: list[Trace], name: str) -> None:
    doctored, metric = DOCTORED[name]
    comparison = compare_traces(simulated, sl.run(doctored))
    assert metric in comparison.disagreements
    with pytest.raises(sl.Disagreement, match=metric):
        comparison.require_agreement()


@pytest.mark.live
@pytest.mark.long
def test_a_live_run_agrees_with_what_was_simulated_and_with_nothing_else(
    simulated: list[Trace],
) -> None:
    live = sl.run(FIRST_OUTAGE, on="live")
    comparison = compare_traces(simulated, live)
    # On a busy machine metrics may be without a verdict, but none may disagree.
    assert comparison.disagreements == []
    assert comparison.replay.matched == comparison.replay.total > 1000
    for name, (doctored, metric) in DOCTORED.items():
        doctored_comparison = compare_traces(replications(doctored, count=8), live)
        found = doctored_comparison.disagreements + doctored_comparison.not_judged
        assert metric in found, name
        assert bool(doctored_comparison.disagreements) != comparison.lateness.is_too_late


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("server", "metric"),
    [
        ({"server.workers": 3}, "server_busy_fraction"),
        ({"server.backlog": 4}, "backlog_worst"),
        ({"server.backlog": 4}, "refused_backlog"),
        ({"server.handshake_service_s": 0.09}, "backlog_wait_s_p95"),
    ],
)
def test_another_server_is_told_by_its_own_numbers(server: dict[str, float], metric: str) -> None:
    simulated = replications(BUSY, count=12)
    same = compare_traces(simulated, sl.run(BUSY.replace(seed=99)))
    assert [] == same.disagreements
    other = compare_traces(simulated, sl.run(BUSY.replace(server)))
    assert metric in other.disagreements


@pytest.mark.live
def test_a_live_server_logs_what_was_simulated_of_it() -> None:
    live = sl.run(BUSY, on="live")
    rows, log = live.columns(), live.server_log.records()
    # The log is the server's own: each handshake that it says has arrived is decided there, once.
    decided = log[log["decision"] <= Decision.SESSION]
    assert (rows["name"] == Name.ARRIVED).sum() == decided.size > BUSY.clients
    refused = decided["decision"] != Decision.TAKEN
    assert (rows["name"] == Name.REFUSE).sum() == refused.sum()
    numbers = sl.summary(live).iloc[0]
    assert refused.sum() == numbers["refused_backlog"]
    assert numbers["handshakes_served"] == (~refused & (decided["done_s"] < BUSY.duration_s)).sum()
    comparison = compare_traces(replications(BUSY, count=8), live)
    assert set() == set(comparison.disagreements) & OF_SERVER
    assert "server_busy_fraction" in set(comparison.table["metric"])


def test_the_replay_finds_a_client_that_decides_otherwise() -> None:
    trace = sl.run(FIRST_OUTAGE)
    trace.scenario = FIRST_OUTAGE.replace("client.breaker.trip_after", 2)
    result = replay(trace)
    assert not result.agreed
    assert result.first.startswith("client ")


def test_a_replay_counts_every_decision_of_every_client_and_tells_the_first_that_differs() -> None:
    trace = sl.run(EDGE)
    decisions = sum(len(trace.recorded_decisions(client)) for client in range(EDGE.clients))
    assert replay(trace) == Replay(decisions, decisions)
    # The first client alone decides otherwise from its first wait on.
    other = sl.run(EDGE.replace("client.backoff.base_s", 0.5))
    trace.scenario = other.scenario
    found = replay(trace)
    assert 0 < found.matched < found.total == decisions
    first, *_ = (
        row["time_s"]
        for decided, (row, fresh) in zip(trace.recorded_decisions(0), trace.replay(0), strict=True)
        if decided != fresh
    )
    assert found.first.startswith(f"client 0 at {first:.3f} s: decided ")


@pytest.mark.parametrize(
    ("found", "words", "agreed"),
    [
        (Replay(3, 4, "client 1"), "3 of 4 decisions the same (75.00 %)", False),
        (Replay(4000, 4000), "4,000 of 4,000 decisions the same (100.00 %)", True),
        (Replay(0, 0), "0 of 0 decisions the same (100.00 %)", True),
    ],
)
def test_a_replay_says_how_many_decisions_were_the_same(
    found: Replay, words: str, agreed: bool
) -> None:
    assert (words, agreed) == (str(found), found.agreed)


def late_run(scenario: sl.Scenario, standstills: list[Standstill]) -> Trace:
    """Play a simulated run whose processes stood still, as a live one measures it."""
    ticks_s = lateness_by_tick_s(standstills, scenario.duration_s)
    trace = sim.play(scenario, clock=LateClock(ticks_s, always_late_s=0.0))
    trace.standstills = standstills
    return trace


#: At 2.97 s all clients attempt again, just before the outage ends: timers that are late by no
#: more than 0.05 s find the server back, and the others do not.
EDGE = sl.Scenario(
    clients=10,
    duration_s=8,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.97, cap_s=4.0, jitter="none")),
    faults=[sl.Fault("outage", start_s=2, stop_s=3)],
)
SHORTLY = [Standstill("client", 2.96, 0.045)]


def test_a_machine_too_busy_gives_too_little_data_for_times(simulated: list[Trace]) -> None:
    live = sl.run(FIRST_OUTAGE)
    live.late_s = array("d", [0.2] * 100)
    comparison = compare_traces(simulated, live)
    table = comparison.table.set_index("metric")
    for metric in COMPARED_WITHOUT_LIMITS:
        expected = "too little data" if metric.hops else "agree"
        assert table.loc[metric.name, "verdict"] == expected
    assert "too busy" in table.loc["latency_s_p50", "why"]
    timed = [metric.name for metric in COMPARED_WITHOUT_LIMITS if metric.hops]
    assert comparison.not_judged == timed


@pytest.mark.parametrize("name", DOCTORED)
def test_a_machine_too_busy_never_disagrees(simulated: list[Trace], name: str) -> None:
    doctored, metric = DOCTORED[name]
    live = sl.run(doctored)
    live.scenario = FIRST_OUTAGE
    live.late_s = array("d", [0.064] * 100)
    comparison = compare_traces(simulated[:8], live)
    assert comparison.disagreements == []
    assert metric in comparison.not_judged
    sentence = "Whether simulation and live run agree could not be judged: timers were 64 ms late."
    if comparison.replay.agreed:
        assert sentence == comparison.headline
        assert sentence in str(comparison)
        assert sentence in comparison._repr_html_()
        document = comparison.to_json()
        assert (document["verdict"], document["agreed"]) == ("could not be judged", False)
        comparison.require_agreement()
    else:
        # What a client decides does not depend on how late it was told.
        assert comparison.disagreed


def test_one_long_standstill_excuses_what_it_may_have_changed(simulated: list[Trace]) -> None:
    outage = FIRST_OUTAGE.faults[0]
    live = late_run(FIRST_OUTAGE, [Standstill("server", outage.start_s - 1, 4.0)])
    assert compare_traces(simulated[:8], live).verdict != "disagree"
    live.standstills = []
    assert compare_traces(simulated[:8], live).verdict == "disagree"


def test_short_standstills_are_allowed_for_in_every_metric_as_they_act_on_it() -> None:
    runs = replications(EDGE, count=5)
    live = late_run(EDGE, SHORTLY)
    comparison = compare_traces(runs, live)
    assert not comparison.lateness.is_too_late
    assert comparison.verdict == "agree"
    why = comparison.table.set_index("metric")["why"]
    judged_again = why[why.str.startswith("simulated again")].index
    assert {"attempts", "availability_fraction", "time_to_recover_s_p50"} <= {*judged_again}
    live.standstills = []
    assert {*judged_again} == {*compare_traces(runs, live).disagreements}


def test_nothing_is_played_again_where_nothing_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = replications(EDGE, count=5)
    agrees, late = sl.run(EDGE), late_run(EDGE, SHORTLY)
    agrees.standstills = SHORTLY
    played: list[Trace] = []

    def play_and_note(simulated: list[Trace], live: Trace, processes: Any) -> list[Trace]:
        played.append(live)
        return play_as_late(simulated, live, processes)

    monkeypatch.setattr(compare_module, "play_as_late", play_and_note)
    for live in (agrees, late):
        assert "agree" == compare_traces(runs, live).verdict
    # It costs another set of runs, so only what would disagree is worth it.
    assert [late] == played


ON_TIME = Lateness(p50_s=0.001, p99_s=0.005, longest_s=0.01, turn_s=0.0)
TOO_LATE = Lateness(p50_s=0.001, p99_s=0.005, longest_s=0.2, turn_s=0.0)


def judged_again(
    live: float, as_late: float, lateness: Lateness = ON_TIME, sims: int = 5
) -> dict[str, Any]:
    """A row that disagreed, of an interval from 5 to 10, with simulated runs that were as late."""
    outside = max(5.0 - live, live - 10.0)
    row = {
        "metric": "attempts", "sim_low": 5.0, "sim_high": 10.0, "live": live,
        "outside": outside, "tolerance": 0.5, "why": "as ever", "verdict": "disagree",
    }  # fmt: skip
    # Runs that do not scatter: the interval is the value.
    late = pd.DataFrame({"attempts": [as_late] * sims})
    return compare_module._judge_again(row, late, lateness)


@pytest.mark.parametrize(
    ("live", "as_late", "tolerance", "verdict"),
    [
        (12.0, 11.5, 2.0, "agree"),
        (12.0, 11.375, 1.875, "disagree"),
        (3.0, 3.5, 2.0, "agree"),
        (3.0, 3.625, 1.875, "disagree"),
        # Lateness that moves the other end, or none, allows nothing more.
        (12.0, 3.0, 0.5, "disagree"),
        (3.0, 12.0, 0.5, "disagree"),
    ],
)
def test_lateness_allows_as_much_more_as_it_moves_the_end_at_which_the_live_value_lies(
    live: float, as_late: float, tolerance: float, verdict: str
) -> None:
    row = judged_again(live, as_late)
    assert (tolerance, verdict) == (row["tolerance"], row["verdict"])
    assert (row["why"] == "as ever") == (verdict == "disagree")
    # After a long standstill nothing is said against the row.
    late = judged_again(live, as_late, TOO_LATE)
    assert late["verdict"] == ("agree" if verdict == "agree" else "too little data")


def test_without_enough_runs_that_were_as_late_nothing_is_judged() -> None:
    assert "too little data" == judged_again(12.0, 11.5, sims=4)["verdict"]
    assert "too little data" == judged_again(12.0, inf)["verdict"]
    agreed = {"verdict": "agree", "metric": "attempts"}
    assert agreed == compare_module._judge_again(agreed, None, TOO_LATE)


@pytest.mark.parametrize(
    ("simulated", "live", "has_any"),
    [
        ([nan, nan], nan, False),
        ([nan, 1.0], nan, True),
        ([nan, nan], 1.0, True),
        ([0.0, 0.0], 0.0, True),
        ([nan, nan], inf, False),
    ],
)
def test_a_number_of_the_server_is_compared_if_either_side_has_it(
    simulated: list[float], live: float, has_any: bool
) -> None:
    sims, numbers = pd.DataFrame({"backlog_mean": simulated}), pd.Series({"backlog_mean": live})
    assert has_any == compare_module._has_any("backlog_mean", sims, numbers)


def test_five_runs_give_an_interval_and_four_do_not() -> None:
    runs = replications(EDGE, count=5)
    verdicts = [
        compare_traces(runs[:count], runs[0]).table.set_index("metric").loc["attempts", "verdict"]
        for count in (4, 5)
    ]
    assert ["too little data", "agree"] == verdicts


def test_a_client_that_decided_otherwise_disagrees_though_every_metric_agrees() -> None:
    runs = replications(EDGE, count=5)
    comparison = compare_traces(runs, runs[0])
    assert (comparison.verdict, comparison.agreed, comparison.disagreed) == ("agree", True, False)
    assert "Simulation and live run agree." == comparison.headline
    comparison.require_agreement()
    other = dataclasses.replace(comparison, replay=Replay(8, 9, "client 3 at 1.000 s"))
    assert (other.verdict, other.agreed, other.disagreed) == ("disagree", False, True)
    assert [] == other.disagreements
    assert "a client decided otherwise" in other.headline
    with pytest.raises(sl.Disagreement, match=r"disagree on client 3 at 1\.000 s"):
        other.require_agreement()


@pytest.mark.few(1)
@pytest.mark.parametrize("name", DOCTORED)
def test_small_lateness_excuses_no_doctored_side(simulated: list[Trace], name: str) -> None:
    doctored, metric = DOCTORED[name]
    live = late_run(doctored, [Standstill("client", 0.5 * i, 0.008) for i in range(30)])
    live.late_s = array("d", [0.001] * 99 + [0.008])
    comparison = compare_traces(simulated[:8], live)
    assert metric in comparison.disagreements
    assert comparison.verdict == "disagree"


def test_a_metric_agrees_if_it_lies_outside_by_no_more_than_is_allowed() -> None:
    runs = replications(EDGE, count=5)
    slower = sl.run(EDGE.replace("client.backoff.base_s", 1.5))
    for live in (runs[0], slower, late_run(EDGE, SHORTLY)):
        for row in compare_traces(runs, live).table.itertuples():
            if row.verdict != "too little data":
                assert row.outside == max(row.sim_low - row.live, row.live - row.sim_high, 0.0)
                assert row.verdict == ("agree" if row.outside <= row.tolerance else "disagree")


@pytest.mark.parametrize("jitter", with_slow(["decorrelated"], ["proportional", "additive"]))
def test_waits_above_their_ceiling_are_compared_as_they_are(jitter: str) -> None:
    backoff = sl.Backoff(jitter=jitter, base_s=0.2, cap_s=30.0, spread_fraction=0.9)
    waits = sl.Scenario(
        clients=10,
        duration_s=20,
        client=sl.Settings(backoff=backoff),
        faults=[sl.Fault("outage", start_s=2, stop_s=15)],
    )
    runs = replications(waits, count=16)
    comparisons = [compare_traces(runs[:15], live) for live in runs[15:]]
    assert [comparison.disagreements for comparison in comparisons] == [[]]
    row = comparisons[0].table.set_index("metric").loc["mean_wait_fraction"]
    assert row["sim_high"] > row["sim_median"] > row["sim_low"]
    assert row["sim_high"] - row["sim_median"] == pytest.approx(
        row["sim_median"] - row["sim_low"], rel=0.5
    )


def test_lateness_widens_the_tolerance_by_what_was_measured(simulated: list[Trace]) -> None:
    on_time, late = sl.run(FIRST_OUTAGE), sl.run(FIRST_OUTAGE)
    late.late_s = array("d", [0.01] * 100)
    tolerances = [
        compare_traces(simulated, live).table.set_index("metric").loc["latency_s_p50", "tolerance"]
        for live in (on_time, late)
    ]
    assert tolerances == [pytest.approx(0.005), pytest.approx(0.025)]


#: Ten clients that are away for three seconds and a little more.
SLOWER = sl.Scenario(
    clients=10,
    duration_s=12,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=2.0)),
    faults=[sl.Fault("outage", start_s=2, stop_s=5)],
)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "metric", ["last_back_s", "downtime_s_p50", "downtime_s_p95", "downtime_s_p99"]
)
def test_clients_that_are_away_too_long_are_named_by_how_long(metric: str) -> None:
    runs = replications(SLOWER, count=12)
    assert compare_traces(runs[:10], runs[10]).agreed
    longer = SLOWER.replace(faults=[sl.Fault("outage", start_s=2, stop_s=9)], duration_s=16)
    live = sl.run(longer.replace("client.backoff", sl.Backoff(base_s=3, cap_s=6, jitter="none")))
    assert metric in compare_traces(runs[:10], live).disagreements


def test_one_client_that_just_is_not_back_by_the_end_of_the_run_is_no_disagreement() -> None:
    runs = replications(SLOWER, count=12)
    back_s = max(sl.summary(runs)["last_back_s"]) + SLOWER.faults[0].end_s
    short = SLOWER.replace(duration_s=back_s + 0.1)
    sims = replications(short, count=12)
    live = max(sims, key=lambda run: sl.summary(run)["last_back_s"].iloc[0])
    cut = sl.run(live.scenario.replace(duration_s=back_s - 0.001))
    assert [1, inf] == sl.summary(cut)[["never_recovered", "last_back_s"]].iloc[0].tolist()
    comparison = compare_traces(sims, cut)
    table = comparison.table.set_index("metric")
    assert "too little data" == table.loc["last_back_s", "verdict"]
    assert comparison.disagreements == comparison.not_judged == []


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


def test_twenty_runs_are_simulated_unless_told_otherwise() -> None:
    played = sl.run(sl.Scenario(clients=2, duration_s=2))
    assert 20 == len(compare_played(played).simulated)
    for function in (sl.compare, sl.compare_live):
        assert 20 == inspect.signature(function).parameters["replications"].default


def test_the_interval_is_a_prediction_of_one_more_run_and_all_hold_together() -> None:
    runs = replications(SLOWER, count=8)
    table = compare_traces(runs[:7], runs[7]).table.set_index("metric")
    values = sl.summary(runs[:7])
    error = 0.01 / len(COMPARED_METRICS)
    for metric in ("attempts", "mean_wait_s", "downtime_s_p50"):
        mean, spread = values[metric].mean(), values[metric].std()
        books = stats.t(6, loc=mean, scale=spread * (1 + 1 / 7) ** 0.5).interval(1 - error)
        low, high = table.loc[metric, ["sim_low", "sim_high"]]
        assert (max(0.0, books[0]), books[1]) == pytest.approx((low, high))
    assert table.loc["availability_fraction", "sim_high"] <= 1.0


def test_progress_says_which_replication_is_simulated() -> None:
    told: list[tuple[float, str]] = []
    played = sl.run(sl.Scenario(clients=2, duration_s=2))
    compare_played(played, 5, lambda fraction, word: told.append((fraction, word)))
    expected = [(0.06 * i, f"simulating, replication {i + 1} of 5") for i in range(5)]
    assert [word for _, word in expected] == [word for _, word in told]
    assert [done for done, _ in expected] == pytest.approx([done for done, _ in told])


@pytest.mark.live
@pytest.mark.parametrize("function", [sl.compare, sl.compare_live], ids=["alone", "in a loop"])
def test_progress_goes_on_through_the_live_run_to_the_comparison(
    function: Callable[..., Any],
) -> None:
    told: list[tuple[float, str]] = []
    short = sl.Scenario(clients=2, duration_s=0.5, ramp_s=0)
    made = function(short, 5, progress=lambda fraction, word: told.append((fraction, word)))
    comparison = asyncio.run(made) if inspect.iscoroutine(made) else made
    assert 5 == len(comparison.simulated)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    live = [fraction for fraction, word in told if word == "playing live"]
    assert 0.3 <= live[0] <= live[-1] <= 1.0
    assert (1.0, "comparing") == told[-1]


def test_the_live_run_is_what_the_simulated_ones_leave_of_the_progress() -> None:
    told: list[tuple[float, str]] = []
    tell_live = compare_module._live_part(lambda fraction, word: told.append((fraction, word)))
    for fraction in (0.0, 0.5, 1.0):
        tell_live(fraction)
    assert [0.3, 0.65, 1.0] == pytest.approx([fraction for fraction, _ in told])
    assert {"playing live"} == {word for _, word in told}


def test_a_comparison_is_shown_in_words_in_json_and_in_a_notebook(simulated: list[Trace]) -> None:
    comparison: Comparison = compare_traces(simulated, sl.run(FIRST_OUTAGE))
    data = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert (data["agreed"], data["replications"]) == (True, 20)
    assert [row["metric"] for row in data["metrics"]] == [
        metric.name for metric in COMPARED_WITHOUT_LIMITS
    ]
    assert str(comparison).startswith("Simulation and live run agree.")
    assert "<b>Simulation and live run agree.</b>" in comparison._repr_html_()


def test_of_a_run_that_was_stopped_what_was_played_is_compared() -> None:
    """As far as it was played; what would have begun later is left out of the simulated runs."""
    scenario = BUSY.replace(faults=(*BUSY.faults, sl.Fault("outage", 4.5, 5.5)))
    whole = sl.run(scenario.replace(duration_s=3.75, faults=BUSY.faults))
    whole.scenario, whole.partial = scenario, True
    comparison = compare_played(whole, replications=5)
    assert comparison.agreed
    assert 3.75 == comparison.simulated[0].scenario.duration_s
    assert BUSY.faults == comparison.simulated[0].scenario.faults
    assert scenario == whole.scenario


def test_what_begins_at_the_very_end_of_what_was_played_is_left_out() -> None:
    faults = [sl.Fault("reset", start_s=at_s) for at_s in (2.0, 3.75, 4.0)]
    hints = [sl.Hint(start_s=at_s, rtt_s=0.1) for at_s in (3.0, 3.75)]
    cut = compare_module._cut(BUSY.replace(faults=faults, hints=hints), 3.75)
    assert 3.75 == cut.duration_s
    assert [2.0] == [fault.start_s for fault in cut.faults]
    assert [3.0] == [hint.start_s for hint in cut.hints]


def test_each_simulated_run_has_the_next_seed_and_after_the_last_comes_the_first() -> None:
    played = sl.run(sl.Scenario(clients=2, duration_s=2, seed=2**32 - 2))
    seeds = [run.scenario.seed for run in compare_played(played, 5).simulated]
    assert [2**32 - 2, 2**32 - 1, 0, 1, 2] == seeds


def test_a_run_that_was_stopped_before_its_clients_were_there_is_not_compared() -> None:
    stopped = sl.run(BUSY.replace(duration_s=3.0))
    stopped.scenario, stopped.partial, stopped.end_s = BUSY, True, 0.25
    with pytest.raises(sl.SettingsError, match=r"ramp_s = 0\.5: must be shorter than duration_s"):
        compare_played(stopped)
