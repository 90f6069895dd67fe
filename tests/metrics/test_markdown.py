"""Runs under several seeds are one row with intervals, and a table is Markdown to be pasted."""

import numpy as np
import pytest

import simlib as sl

STORM = sl.Scenario(
    clients=10,
    duration_s=20,
    ramp_s=2,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=2)),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=4, stop_s=8)],
)
NEVER = STORM.replace("client.backoff.max_attempts", 1)


@pytest.fixture(scope="module")
def runs():
    played = [("as given", STORM), ("gives up", NEVER)]
    return [
        sl.run(scenario.replace(seed=seed), label=label)
        for label, scenario in played
        for seed in range(4)
    ]


def test_runs_of_a_label_are_one_row_with_their_mean_and_its_interval(runs):
    table = sl.summary(runs, intervals=True)
    assert ["as given", "gives up"] == list(table.index)
    single = sl.summary(runs).loc["as given", "time_to_recover_s_p99"].to_numpy(float)
    row = table.loc["as given"]
    assert (4, "sim") == (row["runs"], row["engine"])
    assert single.mean() == pytest.approx(row["time_to_recover_s_p99"])
    half = 3.182 * single.std(ddof=1) / 2.0  # Student's t with three degrees of freedom
    assert single.mean() - half == pytest.approx(row["time_to_recover_s_p99 low"], rel=1e-3)
    assert np.inf == table.loc["gives up", "time_to_recover_s_p99"]


def test_a_label_of_several_policies_or_engines_has_no_mean(runs):
    same = [sl.run(STORM), sl.run(NEVER)]
    with pytest.raises(sl.SettingsError, match="give each a label of its own"):
        sl.summary(same, intervals=True)
    assert 2 == len(sl.summary(same))
    one, other = sl.run(STORM), sl.run(STORM.replace(seed=2))
    assert 2 == sl.summary([one, other], intervals=True)["runs"].iloc[0]
    other.engine = "live"
    for mixed in ([one, other], [other, one]):
        with pytest.raises(sl.SettingsError, match="several scenarios or engines"):
            sl.summary(mixed, intervals=True)


def test_markdown_has_a_row_for_each_metric_that_has_a_value(runs):
    lines = sl.markdown(sl.summary(runs, intervals=True)).splitlines()
    assert ["| | as given | gives up |", "| --- | ---: | ---: |"] == lines[:2]
    assert 1 == len({line.count("|") for line in lines})
    (recovered,) = (line for line in lines if line.startswith("| time to recover, 99 %, s |"))
    assert recovered.endswith("| never |")
    assert " to " in recovered
    assert not any("nan" in line or "latency" in line for line in lines)


def test_a_label_cannot_break_the_table():
    trace = sl.run(STORM, label="a|b <i>\nc")
    lines = sl.markdown(sl.summary(trace)).splitlines()
    assert r"| | a\|b &lt;i&gt; c |" == lines[0]


def test_what_is_no_summary_is_refused(runs):
    with pytest.raises(sl.SettingsError, match="must have a column that is a metric"):
        sl.markdown(runs[0].frame())
