"""The explorer without a browser: what the sliders make, and that the newest values win."""

import asyncio

import pytest

import simlib as sl
from simlib.charts import widgets
from simlib.core.backoff_kinds import Jitter
from simlib.experiments.connections import play_connections

SCENARIO = sl.Scenario(
    clients=5, duration_s=20, faults=[sl.Fault("reset", 2), sl.Fault("outage", 5, 9)]
)


@pytest.fixture
def played(monkeypatch):
    """Return the scenarios that were really played."""
    scenarios = []

    def play(scenario):
        scenarios.append(scenario)
        return play_connections(scenario)

    monkeypatch.setattr(widgets, "play_connections", play)
    return scenarios


async def test_it_begins_with_the_scenario_it_was_given(played):
    explorer = sl.explore(SCENARIO)
    await explorer.wait_until_settled()
    assert [SCENARIO] == played
    assert bytes(explorer.chart.value).startswith(b"\x89PNG")
    assert "attempts <b>" in explorer.numbers.value


async def test_the_outage_it_adds_comes_after_the_warm_up():
    explorer = sl.explore(sl.Scenario(clients=2, duration_s=20, warm_up_s=8))
    await explorer.wait_until_settled()
    assert (sl.Fault("outage", 12, 14),) == explorer.scenario.faults


async def test_every_slider_moves_what_it_names():
    explorer = sl.explore(SCENARIO)
    values = {"base_s": 2, "cap_s": 8, "factor": 3, "jitter": Jitter.NONE, "clients": 7}
    for name, value in {**values, "outage_s": 2}.items():
        explorer.controls[name].value = value
    await explorer.wait_until_settled()
    made = explorer.scenario
    assert sl.Backoff(base_s=2, cap_s=8, factor=3, jitter="none") == made.client.backoff
    assert made.clients == 7
    assert (sl.Fault("reset", 2), sl.Fault("outage", 5, 7)) == made.faults


async def test_the_newest_values_win(played):
    explorer = sl.explore(SCENARIO)
    for clients in range(10, 60):
        explorer.controls["clients"].value = clients
    await explorer.wait_until_settled()
    assert [5, 59] == [played[0].clients, played[-1].clients]
    assert len(played) <= 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_values_that_contradict_each_other_are_told_in_words_and_nothing_is_played(played):
    explorer = sl.explore(SCENARIO)
    await explorer.wait_until_settled()
    chart = explorer.chart.value
    explorer.controls["cap_s"].value = 0.5
    await explorer.wait_until_settled()
    assert "cap_s = 0.5: must not be below base_s (1)" in explorer.hint.value
    assert "simlib-stale" in explorer.chart._dom_classes
    assert chart == explorer.chart.value
    assert len(played) == 1
    explorer.controls["cap_s"].value = 5
    await explorer.wait_until_settled()
    assert "simlib-stale" not in explorer.chart._dom_classes
    assert explorer.scenario.client.backoff.cap_s == 5.0


def test_an_outage_is_added_where_nothing_ends():
    explorer = sl.explore(sl.Scenario(clients=2, duration_s=30))
    assert (sl.Fault("outage", start_s=10, stop_s=15),) == explorer.scenario.faults


async def test_a_change_from_another_thread_is_taken_in():
    explorer = sl.explore(SCENARIO)
    await asyncio.to_thread(setattr, explorer.controls["clients"], "value", 8)
    await explorer.wait_until_settled()
    assert explorer.scenario.clients == 8


async def test_an_error_of_the_run_is_shown(monkeypatch):
    explorer = sl.explore(SCENARIO)
    await explorer.wait_until_settled()
    monkeypatch.setattr(widgets, "play_connections", lambda _: 1 / 0)
    explorer.controls["clients"].value = 8
    with pytest.raises(ZeroDivisionError):
        await explorer.wait_until_settled()
    assert "ZeroDivisionError" in explorer.hint.value


def test_without_a_loop_the_chart_is_there_at_once():
    explorer = sl.explore(SCENARIO)
    assert bytes(explorer.chart.value).startswith(b"\x89PNG")
    explorer.controls["clients"].value = 9
    assert explorer.scenario.clients == 9


@pytest.mark.parametrize("clients", [1, 600])
def test_the_range_of_a_slider_holds_the_scenarios_own_value(clients):
    assert sl.explore(SCENARIO.replace(clients=clients)).controls["clients"].value == clients
