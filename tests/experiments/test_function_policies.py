"""Scenarios whose policy is a Python function: many runs, other processes, files, other engines."""

import sys
import threading

import pandas as pd
import pytest

import simlib as sl
from simlib.differences.setting_changes import list_setting_changes
from simlib.engines.live.sent_scenario import read_scenario, write_scenario
from simlib.experiments.pool import open_pool
from simlib.lab.infer.bands import delays
from simlib.lab.infer.nearest import policy_distance
from simlib.scenario.origin import scenario_hash


def quick(attempt, previous_s, u):
    return 0.2 * attempt * u


def make(factor):
    return lambda attempt, previous_s, u: factor * u


STORM = sl.Scenario(clients=5, duration_s=6, faults=[sl.Fault("outage", start_s=1, stop_s=3)])
OWN = STORM.replace("client.backoff", quick)
NAMED = r'^(space )?client\.backoff = "quick": is a Python function, and '


def test_the_fleet_refuses_it_by_name():
    with pytest.raises(sl.SettingsError, match=NAMED + "the fleet plays compiled policies: use "):
        sl.run(OWN, on="fleet")
    cohorts = [sl.Cohort(name="a", clients_fraction=0.5, client=OWN.client)]
    with pytest.raises(sl.SettingsError, match=r'^cohorts\.0\.client\.backoff = "quick": is a P'):
        sl.run(STORM.replace(cohorts=cohorts), on="fleet")


def test_no_file_holds_it_and_none_is_written(tmp_path):
    trace = sl.run(OWN)
    for keep in (
        lambda: sl.dump(OWN),
        lambda: trace.save(tmp_path / "trace.parquet"),
        lambda: sl.sweep(OWN, {"clients": [2]}, folder=tmp_path / "runs", workers=1),
    ):
        with pytest.raises(sl.SettingsError, match=NAMED + "no file can hold one"):
            keep()
    assert not list(tmp_path.rglob("*.parquet"))


def test_the_rows_can_be_written_and_say_that_the_scenario_has_no_hash(tmp_path):
    sl.run(OWN).to_csv(tmp_path / "rows.csv")
    assert "none: client.backoff is the Python function quick" == scenario_hash(OWN)
    assert scenario_hash(OWN) in (tmp_path / "rows.csv-metadata.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_sweep_over_functions_keeps_those_of_one_name_apart(tmp_path):
    grid = {"client.backoff": [quick, make(1.0), make(2.0)]}
    sweep = sl.sweep(STORM, grid, 2, workers=2)
    alone = [
        sl.run(STORM.replace({"client.backoff": each, "seed": seed}))
        for each in grid["client.backoff"]
        for seed in (1, 2)
    ]
    expected = [sl.summary(trace)["attempts"].item() for trace in alone]
    assert expected == sweep.table["attempts"].tolist()
    assert "quick, <lambda>, <lambda>" in repr(sweep)
    assert 3 == len(sweep.nobody_connects())
    sweep.save(tmp_path / "sweep.parquet")
    kept = pd.read_parquet(tmp_path / "sweep.parquet")["client.backoff"].unique().tolist()
    assert ["quick", "<lambda> (1)", "<lambda> (2)"] == kept


def test_a_tuning_seeks_among_functions_but_keeps_none_in_a_folder(tmp_path):
    pytest.importorskip("optuna")
    space = {"client.backoff": [quick, make(1.0)]}
    with pytest.raises(sl.SettingsError, match=r'^client\.backoff = "quick": is a function, and '):
        sl.tune(STORM, space, folder=tmp_path)
    with pytest.raises(sl.SettingsError, match=NAMED + "what it gives cannot be kept"):
        sl.tune(OWN, {"clients": [2, 3]}, folder=tmp_path)


def test_a_diff_names_the_function_and_tells_two_of_one_name_apart():
    [change] = list_setting_changes(STORM, OWN)
    assert "client.backoff.function" == change.key
    assert "quick" == change.new
    one, other = (STORM.replace("client.backoff", make(factor)) for factor in (1.0, 2.0))
    assert 1 == len(list_setting_changes(one, other))
    assert [] == list_setting_changes(OWN, OWN)


@pytest.mark.slow
def test_a_diff_says_of_a_number_that_one_side_lacks_that_it_is_none():
    found = sl.diff(STORM, OWN, replications=3)
    assert "falls from" not in found.finding or " to -" not in found.finding


def test_what_needs_text_or_sliders_says_so_in_one_sentence():
    with pytest.raises(sl.SettingsError, match="the Python function quick: call that in the cl"):
        sl.export(OWN.client, "tenacity")
    with pytest.raises(sl.SettingsError, match=NAMED + "a review holds its scenarios as text"):
        sl.report(OWN, ["phoenix"])
    with pytest.raises(sl.SettingsError, match=NAMED + "sliders set the fields of a Backoff"):
        sl.explore(OWN)


def test_lint_and_bands_are_taken_from_draws():
    def together(attempt, previous_s, u):
        return 1.0

    def shrinking(attempt, previous_s, u):
        return 4.0 * (1.0 - u)  # falls as the draw rises

    rules = {finding.rule for finding in sl.lint(STORM.replace("client.backoff", together))}
    assert "no-jitter" in rules
    rules = {finding.rule for finding in sl.lint(STORM.replace("client.backoff", shrinking))}
    assert "no-jitter" not in rules
    [panel] = sl.plots.backoff(sl.FunctionBackoff(function=shrinking))
    assert "shrinking" in panel.get_title(loc="left") + "".join(
        text.get_text() for text in panel.texts
    )


def test_a_function_among_known_policies_is_as_far_as_its_draws_are():
    def seven(attempt, previous_s, u):
        return 7.0

    far, near = (sl.Backoff(jitter="none", base_s=each, cap_s=each) for each in (1.0, 7.0))
    own = sl.FunctionBackoff(function=seven)
    assert 0.0 == policy_distance(own, near)
    assert 1.5 == policy_distance(own, far)
    with pytest.raises(sl.SettingsError, match=r"the Python function seven.*: has no likelihood"):
        delays(own, 1, 0.0, 1.0)


def test_a_function_that_does_not_grow_is_not_called_flapping():
    def steady(attempt, previous_s, u):
        return 0.5 + u

    rules = [
        {each.rule for each in sl.lint(STORM.replace("client.backoff", f))} for f in (steady, quick)
    ]
    assert "flapping" not in rules[0]
    assert "flapping" in rules[1]


def test_lint_plays_a_breaker_with_a_function_and_names_its_own_longest_wait():
    slow = OWN.replace("client.breaker", {"trip_after": 2, "open_s": 500.0})
    [found] = [each for each in sl.lint(slow) if each.rule == "breaker-slows"]
    assert "open_s of at most 12." in found.remedy  # 0.2 s times 64 attempts, not the default 30 s


def test_it_is_described_as_other_runs_are():
    assert "5 clients" in str(sl.describe_run(sl.run(OWN)))
    assert sl.run(OWN).story(client=1)


def test_a_run_of_it_can_be_replayed():
    trace = sl.run(OWN)
    for client in range(5):
        decided = [decision for _, decision in trace.replay(client)]
        assert trace.recorded_decisions(client) == decided


@pytest.mark.slow
def test_a_function_that_a_worker_cannot_import_is_reported_as_that(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def wait(attempt, previous_s, u):\n    return u\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    own = STORM.replace("client.backoff", only_here.wait)
    sent = write_scenario(own)
    with open_pool(2) as outcomes:
        list(outcomes(abs, [1, 2, 3]))  # processes that began before the path was lost
        (tmp_path / "only_here.py").unlink()
        sys.path_importer_cache.clear()
        [outcome] = list(outcomes(scenario_hash, [own]))
    assert outcome.failure.startswith("EngineError: its worker process could not read it: Module")
    assert "only_here" in outcome.failure
    monkeypatch.delitem(sys.modules, "only_here")
    with pytest.raises(sl.EngineError, match="function cannot be read here: No module named"):
        read_scenario(sent)


def test_a_function_that_holds_what_cannot_be_sent_is_refused_for_workers():
    lock = threading.Lock()

    def locks(attempt, previous_s, u):
        with lock:
            return u

    with pytest.raises(sl.SettingsError, match=r"workers = .*the Python function locks cannot be"):
        write_scenario(STORM.replace("client.backoff", locks))
