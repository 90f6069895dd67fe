"""Sensitivity: the indices of known models, the same wherever it is played, and what is refused."""

import json
import sys
from math import inf, pi, sin
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.experiments import run_cache as cells
from simlib.metrics.meaning import MEANING
from simlib.scenario.scenario import setting

pytest.importorskip("SALib")

BASE = sl.Scenario(
    name="base", clients=6, duration_s=8, faults=[sl.Fault("outage", start_s=3, stop_s=5)]
)
#: Three numbers without a rule between them, and without a word in what follows.
KEYS = ("client.backoff.stable_after_s", "client.connect_timeout_s", "ramp_s")
SPACE = dict.fromkeys(KEYS, (1.0, 2.0))


def model(monkeypatch, function):
    """Have cells say a function of the settings, each as its share of 1 to 2, and of the seed."""

    def played(cell):
        shares = [setting(cell.scenario, key)[0] - 1.0 for key in KEYS]
        value = function(shares, cell.scenario.seed)
        return dict.fromkeys(MEANING, 1.0) | {"time_to_recover_s_p99": value}

    monkeypatch.setattr(cells, "play_cell", played)


def asked(**more):
    options = {"samples": 64, "replications": 1, "on": "sim", "workers": 1} | more
    return sl.sensitivity(BASE, SPACE, ["time_to_recover_s_p99"], **options)


def by_key(found):
    return found.table.set_index("key").loc[list(KEYS)]


def linear(shares, _):
    return 4.0 * shares[0] + 2.0 * shares[1] + shares[2]


# --- theory -------------------------------------------------------------------------------


def test_of_a_sum_each_explains_its_own_variance_and_all_of_it_alone(monkeypatch):
    model(monkeypatch, linear)
    found = by_key(asked(samples=128))
    expected = np.array([16.0, 4.0, 1.0]) / 21.0
    np.testing.assert_allclose(expected, found["first"], atol=0.02)
    np.testing.assert_allclose(expected, found["total"], atol=0.02)
    assert (found["total_low"] <= expected).all()
    assert (found["total_high"] >= expected).all()


def test_of_ishigami_s_function_the_third_matters_with_the_first_alone(monkeypatch):
    def ishigami(shares, _):
        a, b, c = (2.0 * pi * share - pi for share in shares)
        return sin(a) + 7.0 * sin(b) ** 2 + 0.1 * c**4 * sin(a)

    model(monkeypatch, ishigami)
    found = by_key(asked(samples=512))
    np.testing.assert_allclose([0.314, 0.442, 0.0], found["first"], atol=0.06)
    np.testing.assert_allclose([0.558, 0.442, 0.244], found["total"], atol=0.04)


def test_what_has_no_effect_explains_nothing_and_what_decides_alone_everything():
    space = {"clients": (2, 12), "client.outbox.max_resends": (1, 9)}
    found = sl.sensitivity(BASE, space, ["gave_up", "attempts"], on="sim", samples=16,
                           replications=1, workers=1)  # fmt: skip
    rows = found.of("attempts").set_index("key")
    assert (1.0, 0.0) == tuple(rows["total"].round(1)[list(space)])
    assert (0.0, 0.0) == tuple(rows.loc["client.outbox.max_resends", ["total_low", "total_high"]])
    assert "clients explains 100 %" in found.headline
    assert found.headline.startswith("gave_up is the same all over the space.")
    assert found.of("gave_up")["total"].isna().all()


@pytest.mark.slow
def test_luck_that_few_seeds_leave_is_told_and_goes_with_more(monkeypatch):
    def lucky(shares, seed):
        luck = np.random.default_rng([seed, *(int(1e9 * share) for share in shares)])
        return linear(shares, seed) + luck.normal(scale=2.0)

    model(monkeypatch, lucky)
    few = asked(samples=64, replications=2)
    # The variance of the model is 21/12, of the mean of two seeds 4/2: 53 % is luck.
    told = int(few.note.split("About ")[1].split(" %")[0])
    assert 45 <= told <= 60
    assert by_key(few)["total"].iloc[2] > 0.3
    assert by_key(asked(samples=32, replications=100))["total"].iloc[2] < 0.1


def test_luck_that_all_points_share_is_none(monkeypatch):
    model(monkeypatch, lambda shares, seed: linear(shares, seed) + 10.0 * seed)
    assert "" == asked(replications=3).note
    assert "One seed does not tell" in asked(replications=1).note


# --- what never comes, and what fails -----------------------------------------------------


def test_a_time_that_never_comes_is_the_time_after_the_last_fault(monkeypatch):
    model(monkeypatch, lambda shares, _: inf if shares[0] > 0.5 else 1.0)
    found = asked(samples=16)
    values = found.points["time_to_recover_s_p99"]
    assert {1.0, 3.0} == set(values)
    assert (values == 3.0).tolist() == (found.points["endless"] == 1).tolist()
    assert f"in some run of {(values == 3.0).sum()} of 80 points: it counts" in found.note
    assert 0.9 < by_key(found)["total"].iloc[0]


def test_where_nobody_connects_a_time_never_comes_and_all_attempts_were_for_nothing():
    space = {"client.connect_timeout_s": (0.01, 1.0), "client.backoff.base_s": (0.5, 1.0)}
    metrics = ["time_to_recover_s_p99", "amplification"]
    found = sl.sensitivity(
        BASE.replace("duration_s", 20),
        space,
        metrics,
        samples=8,
        replications=1,
        workers=1,
        on="sim",
    )
    dead = found.points["client.connect_timeout_s"] < 0.08  # two round trips
    assert 0 < dead.sum() < len(dead)
    points = found.points
    assert (points.loc[dead, "time_to_recover_s_p99"] == 15.0).all()
    assert points.loc[dead, "amplification"].min() > points.loc[~dead, "amplification"].max()
    assert f"In {dead.sum()} of {len(dead)} runs no client ever connects: " in found.note


def test_if_nobody_connects_anywhere_it_is_said():
    space = {"client.connect_timeout_s": (0.01, 0.02), "client.backoff.base_s": (0.5, 1.0)}
    with pytest.raises(sl.SimlibError, match="no client connects in any of 32 runs"):
        sl.sensitivity(BASE, space, samples=8, replications=1, workers=1, on="sim")


def test_a_failed_run_leaves_its_sample_out_and_no_other(monkeypatch):
    model(monkeypatch, linear)
    whole = asked(samples=32, replications=2)
    played = cells.play_cell
    bad = whole.points.iloc[12][KEYS[0]]

    def brittle(cell):
        if cell.scenario.client.backoff.stable_after_s == bad and cell.scenario.seed == 2:
            raise ArithmeticError("one of them")
        return played(cell)

    monkeypatch.setattr(cells, "play_cell", brittle)
    found = asked(samples=32, replications=2)
    assert {"ArithmeticError: one of them"} == set(found.failures["failure"])
    assert ([2], [bad]) == (list(set(found.failures["seed"])), list(set(found.failures[KEYS[0]])))
    assert "Runs failed, so 1 of 32 samples are left out." in found.note
    failed = found.points["time_to_recover_s_p99"].isna()
    assert (len(found.failures), {2}) == (failed.sum(), set(np.flatnonzero(failed) // 5))
    np.testing.assert_allclose(by_key(whole)["total"], by_key(found)["total"], atol=0.1)


def test_if_every_run_fails_the_first_failure_is_said(monkeypatch):
    model(monkeypatch, lambda *_: 1 / 0)
    with pytest.raises(sl.SimlibError, match="all 40 runs failed, the first with ZeroDivision"):
        asked(samples=8)


# --- the same everywhere, and once --------------------------------------------------------

SMALL = {"client.backoff.base_s": (0.1, 1.0), "client.backoff.jitter": ["none", "full"]}


def small(**more):
    return sl.sensitivity(BASE, SMALL, samples=8, replications=2, on="sim", **more)


@pytest.mark.slow
def test_the_table_is_the_same_for_one_process_and_for_several():
    alone, together = small(workers=1), small(workers=2)
    pd.testing.assert_frame_equal(alone.points, together.points, check_exact=True)
    pd.testing.assert_frame_equal(alone.table, together.table, check_exact=True)


@pytest.mark.slow
def test_the_table_is_the_same_on_a_cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as client:
        found = small(scheduler=client)
    pd.testing.assert_frame_equal(small(workers=1).table, found.table, check_exact=True)


def test_finished_runs_are_not_played_again_and_points_are_written(tmp_path):
    first = small(workers=1, folder=tmp_path)
    again = small(workers=1, folder=tmp_path)
    # Points that choices make the same are played once.
    runs = 2 * len(first.points.drop_duplicates(list(SMALL)))
    assert (0, runs) == (first.resumed, again.resumed)
    assert runs < 2 * len(first.points)
    pd.testing.assert_frame_equal(first.table, again.table, check_exact=True)
    pd.testing.assert_frame_equal(first.points, pd.read_parquet(tmp_path / "points.parquet"))


def test_a_point_is_the_mean_of_its_runs():
    found = small(workers=1)
    point = found.points.iloc[5]
    one = BASE.replace("client.backoff.base_s", point["client.backoff.base_s"])
    one = one.replace("client.backoff.jitter", point["client.backoff.jitter"])
    runs = [sl.run(one.replace(seed=seed)) for seed in (1, 2)]
    assert sl.summary(runs)["peak_attempts_per_s"].mean() == point["peak_attempts_per_s"]


def test_the_document_is_plain_and_the_words_say_what_was_played():
    found = small(workers=1)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert ("base", 8, 32, 2) == tuple(
        document[name] for name in ("scenario", "samples", "points", "replications")
    )
    assert 4 == len(document["table"])
    assert repr(found).startswith("Sensitivity of base on sim: 32 points, 2 seeds each\n")
    assert found.headline in repr(found)


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "more", "said"),
    [
        ({}, {}, "space = {}: must name a setting"),
        ({"client.backof.cap_s": (1, 2)}, {}, "space client.backof .*did you mean"),
        ({"clients": (5, 2)}, {}, "space clients = .*must begin below its end"),
        ({"clients": [3]}, {}, r"space clients = \[3\]: must have another choice"),
        (None, {"samples": 48}, "samples = 48: must be a power of two"),
        (None, {"samples": 1}, "samples = 1: must be a power of two"),
        (None, {"replications": 0}, "replications = 0: must be a whole number from 1"),
        (None, {"samples": 1 << 18}, "makes 4,718,592 runs, more than 1,000,000"),
        (None, {"metrics": ["atempts"]}, 'metrics = "atempts": is no metric .*"attempts"'),
        (None, {"metrics": "attempts"}, "must be a list"),
        (None, {"on": "live"}, 'on = "live": must be sim or fleet'),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_played(monkeypatch, space, more, said):
    monkeypatch.setattr(cells, "play_cell", None)
    with pytest.raises(sl.SettingsError, match=said):
        sl.sensitivity(BASE, space, **more)


def test_ranges_that_cross_are_refused_with_both_of_them(monkeypatch):
    monkeypatch.setattr(cells, "play_cell", None)
    crossing = {"client.backoff.jitter": ["none", "full"], "client.backoff.base_s": (0.1, 6),
                "client.backoff.cap_s": (5.9, 120)}  # fmt: skip
    said = (
        r"^space = {'client.backoff.base_s': .*, 'client.backoff.cap_s': .*}: cannot be: .*"
        r"value of client.backoff.base_s \(0.1 to 6\) must go with every value of "
        r"client.backoff.cap_s \(5.9 to 120\)"
    )
    with pytest.raises(sl.SettingsError, match=said):
        sl.sensitivity(BASE, crossing, samples=2)
    with pytest.raises(sl.SettingsError, match="must go with every value of the scenario's other"):
        sl.sensitivity(BASE, {"client.backoff.cap_s": (0.5, 2)}, samples=2)


def test_a_metric_without_data_is_refused_after_one_run(monkeypatch):
    played, count = cells.play_cell, []
    monkeypatch.setattr(cells, "play_cell", lambda cell: count.append(1) or played(cell))
    calm = BASE.replace(faults=())
    said = 'metrics = "time_to_recover_s_p99": has no data in base on sim$'
    with pytest.raises(sl.SettingsError, match=said):
        sl.sensitivity(calm, SMALL, on="sim", workers=1)
    assert [1] == count


def test_without_salib_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "SALib.sample.sobol", None)
    with pytest.raises(sl.SimlibError, match=r'pip install -e "\.\[study\]"'):
        small(workers=1)


# --- the command --------------------------------------------------------------------------


def simlib(*arguments):
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(sl.dump(BASE))


ASKED = (
    "sensitivity", "small.toml", "--space", "client.backoff.base_s=0.1..1", "--space",
    "client.backoff.jitter=none,full", "--samples", "8", "--replications", "2", "--on", "sim",
    "--workers", "1",
)  # fmt: skip


@pytest.mark.slow
def test_sensitivity_prints_who_decides_and_keeps_points_table_and_chart(here):
    result = simlib(*ASKED)
    assert 0 == result.exit_code, result.stderr
    assert "32 points, 2 seeds each" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    folder = Path("out/base/sensitivity")
    assert 32 == len(pd.read_parquet(folder / "points.parquet"))
    columns = pd.read_csv(folder / "sensitivity.csv").columns.tolist()
    assert ["metric", "key", "first", "first_low", "first_high", "total"] == columns[:6]
    assert (folder / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    again = simlib(*ASKED, "--json")
    assert "runs had been finished before." in again.stderr
    assert "client.backoff.base_s" in json.loads(again.stdout)["headline"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--space", "clients=5"), "space clients = [5]: must have another choice"),
        (("--space", "clients=9..2"), "space clients = (9, 2): must begin below its end"),
        (("--samples", "20"), "samples = 20: must be a power of two"),
        (("--metric", "speed"), 'metrics = "speed": is no metric'),
        (("--workers", "1", "--scheduler", "x"), "leave it out with --scheduler"),
    ],
)
def test_a_bad_command_is_refused(here, arguments, said):
    result = simlib("sensitivity", "small.toml", *arguments)
    assert (2, "") == (result.exit_code, result.stdout)
    assert said in result.stderr
