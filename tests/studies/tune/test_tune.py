"""Tuning: the trials are the same wherever they are played and however often it is killed."""

import random

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.experiments.objectives import OBJECTIVES
from simlib.experiments.pool import open_pool
from simlib.studies.tune import evaluate as evaluator
from simlib.studies.tune import rivals
from simlib.studies.tune.optuna_store import Trials
from simlib.studies.tune.question import read_question
from tests.batteries import with_slow
from tests.metrics.by_hand import ByHand
from tests.studies.small import STORM, with_few_rivals

pytest.importorskip("numba")
pytest.importorskip("optuna")

SPACE = {
    "client.backoff.jitter": ["none", "full"],
    "client.backoff.base_s": (0.1, 5.0),
    "client.backoff.cap_s": (5.0, 20.0),
}
BOUNDS = ["peak_attempts_per_s <= 2 * server.accept_per_s", "never_recovered <= 0"]


def tuned(**changes):
    settings = {
        "space": SPACE,
        "constraints": BOUNDS,
        "trials": 24,
        "replications": 5,
        "workers": 1,
    }
    return sl.tune([STORM], **settings | changes)


@pytest.fixture(scope="module")
def found():
    return tuned()


@pytest.fixture
def few_rivals(monkeypatch):
    with_few_rivals(monkeypatch)


@pytest.fixture(scope="module")
def smaller():
    """A tuning of two generations, beside few rivals."""
    with pytest.MonkeyPatch.context() as patch:
        with_few_rivals(patch)
        return tuned(trials=16, replications=4)


def test_what_is_recommended_keeps_the_bounds_and_was_played_under_fresh_seeds(found):
    assert (24, "fleet") == (len(found.trials), found.on)
    front = found.front
    assert (front["outcome"] == "full").all()
    assert (front["excess"] <= 0.0).all()
    best = found.verdict.table.iloc[0]
    # A tuned one, or a preset that is ahead of all of these.
    known = {"recommended": "tuned"} | dict.fromkeys(sl.presets, "preset")
    assert best["keeps"]
    assert known[best["name"]] == best["kind"]
    with open_pool(1) as outcomes:
        fresh = evaluator.Evaluator(
            (STORM,), found.objectives, found.bounds, "fleet", outcomes, first=5, replications=5
        )
        [again] = fresh.play([found.recommended], 5)
    assert again.mean("time_to_recover_s_p99").value == best["time_to_recover_s_p99"]


def test_it_stands_beside_what_was_given_the_report_s_defaults_and_every_preset(found):
    table = found.verdict.table
    assert 1 == (table["kind"] == "given").sum() == (table["kind"] == "report").sum()
    assert len(sl.presets) == (table["kind"] == "preset").sum() + len(found.verdict.unplayed)
    assert "Against the policy as given it buys" in found.sentence
    assert "presets keep the bounds" in found.sentence
    assert "best" in found.sentence.rpartition("presets keep the bounds")[2]


def test_discarded_trials_were_played_under_few_seeds_and_are_no_loss(found):
    discarded = found.trials[found.trials["outcome"] == "discarded"]
    assert len(discarded) > 3
    assert {4} == set(discarded["replications"])
    names = [each.metric for each in found.objectives]
    for _, row in discarded.iterrows():
        beaten = (found.front[names] < row[names]).all(axis=1).any()
        assert beaten or row["excess"] > 0.0


@pytest.mark.slow
def test_trials_and_verdict_are_the_same_for_one_process_and_for_two(few_rivals, smaller):
    other = tuned(trials=16, replications=4, workers=2)
    pd.testing.assert_frame_equal(smaller.trials, other.trials, check_exact=True)
    pd.testing.assert_frame_equal(smaller.verdict.table, other.verdict.table, check_exact=True)
    assert smaller.sentence == other.sentence


@pytest.mark.slow
def test_trials_on_a_cluster_that_was_started_by_hand_are_the_same_too(few_rivals, tmp_path):
    pytest.importorskip("distributed")
    with ByHand(tmp_path) as cluster:
        cluster.worker()
        found = tuned(trials=8, replications=2, workers=None, scheduler=cluster.address)
    alone = tuned(trials=8, replications=2)
    pd.testing.assert_frame_equal(alone.trials, found.trials, check_exact=True)
    pd.testing.assert_frame_equal(alone.verdict.table, found.verdict.table, check_exact=True)


class Interrupting:
    """Interrupts at the moments that it is given, one after the other."""

    def __init__(self, moments):
        self.moments, self.calls = list(moments), 0

    def __call__(self, fraction, word=""):
        self.calls += 1
        if self.moments and self.calls == self.moments[0]:
            self.moments.pop(0)
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_tuning_that_is_interrupted_goes_on_as_if_it_had_not_been(
    few_rivals, smaller, tmp_path, monkeypatch
):
    # In the middle of telling a generation, and of asking for one.
    told = Interrupting([3, 14])
    asked = Interrupting([21])
    tell, suggest = Trials.tell, Trials.ask

    def telling(trials, *arguments):
        tell(trials, *arguments)
        told(0.0)

    def asking(trials, count):
        import optuna

        ask = optuna.study.Study.ask

        def one(study, *arguments, **options):
            trial = ask(study, *arguments, **options)
            asked(0.0)
            return trial

        with monkeypatch.context() as patch:
            patch.setattr(optuna.study.Study, "ask", one)
            return suggest(trials, count)

    monkeypatch.setattr(Trials, "tell", telling)
    monkeypatch.setattr(Trials, "ask", asking)
    interrupts = 0
    while True:
        try:
            again = tuned(trials=16, replications=4, folder=tmp_path)
            break
        except KeyboardInterrupt:
            interrupts += 1
    assert 3 == interrupts
    pd.testing.assert_frame_equal(smaller.trials, again.trials, check_exact=True)
    pd.testing.assert_frame_equal(smaller.verdict.table, again.verdict.table, check_exact=True)


@pytest.mark.slow
def test_more_trials_continue_and_another_question_begins_anew(few_rivals, tmp_path, monkeypatch):
    first = tuned(trials=8, replications=3, folder=tmp_path)
    played = []
    cells = evaluator.play_cells

    def counting(given, *arguments):
        rows, failures, before = cells(given, *arguments)
        played.append(len(given) - before)
        return rows, failures, before

    monkeypatch.setattr(evaluator, "play_cells", counting)
    again = tuned(trials=8, replications=3, folder=tmp_path)
    assert 0 == sum(played)
    pd.testing.assert_frame_equal(first.trials, again.trials, check_exact=True)
    more = tuned(trials=16, replications=3, folder=tmp_path)
    same = ["client.backoff.base_s", "time_to_recover_s_p99", "outcome"]
    pd.testing.assert_frame_equal(first.trials[same], more.trials[same].head(8), check_exact=True)
    other = tuned(trials=8, replications=3, folder=tmp_path, constraints=())
    assert 8 == len(other.trials)
    for name in ("trials.parquet", "candidates.parquet", "policy.toml"):
        assert (tmp_path / name).is_file()


def test_the_policy_as_given_is_played_once_under_each_seed(few_rivals, monkeypatch):
    given = []
    cells = evaluator.play_cells

    def noting(played, *arguments):
        given.extend(cell.scenario for cell in played if cell.scenario.client == STORM.client)
        return cells(played, *arguments)

    monkeypatch.setattr(evaluator, "play_cells", noting)
    tuned(trials=1, replications=5)
    storms = [each for each in given if each.faults == STORM.faults and each.clients == 60]
    # Five for the search, five fresh ones.
    assert [STORM.seed + i for i in range(10)] == sorted(each.seed for each in storms)


def test_the_policy_is_a_scenario_with_the_client_that_is_recommended(found, tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(found.policy_toml())
    policy = sl.load(file)
    assert found.client == policy.client
    assert policy == STORM.replace(found.recommended)
    assert policy.replace(client=STORM.client) == STORM


def test_a_known_best_is_found_and_a_narrow_range_is_told(few_rivals):
    easy = STORM.replace("server.accept_per_s", float("inf"))
    space = {"client.backoff.base_s": (0.1, 5.0)}
    settings = {"objectives": ["attempts"], "trials": 32, "replications": 4}
    found = sl.tune([easy], space, workers=1, **settings)
    assert found.recommended["client.backoff.base_s"] > 4.7
    assert "client.backoff.base_s" in found.note
    assert "is near an end of its range, 0.1 to 5" in found.note


def test_a_setting_that_makes_no_difference_is_told(few_rivals):
    space = {
        "client.backoff.jitter": ["decorrelated"],
        "client.backoff.factor": (1.1, 4.0),
        "client.backoff.base_s": (0.5, 3.0),
    }
    found = tuned(space=space, trials=8, replications=2, constraints=())
    said = "client.backoff.factor makes no difference, the others being as recommended."
    assert said in found.note
    assert "client.backoff.base_s makes" not in found.note


@pytest.mark.parametrize("sampler", ["random", "nsga2"])
def test_other_samplers_of_optuna_s_search_too(few_rivals, sampler):
    found = tuned(sampler=sampler, trials=8, replications=2)
    assert 8 == len(found.trials)


def test_bounds_that_nothing_keeps_are_said_with_the_nearest(few_rivals):
    space = SPACE | {"client.backoff.jitter": ["full"], "client.backoff.base_s": (3.0, 5.0)}
    bounds = ["peak_attempts_per_s <= 1"]
    found = tuned(space=space, constraints=bounds, trials=8, replications=2)
    assert (False, 0) == (found.verdict.keeps, len(found.front))
    assert found.sentence.startswith("No policy that was tried keeps all bounds. The nearest: ")
    assert "that the worst second stays at or below 1/s is missed by" in found.sentence


def test_settings_that_contradict_each_other_are_refused_and_the_others_go_on(few_rivals):
    space = SPACE | {"client.backoff.base_s": (4.0, 19.0)}
    found = tuned(space=space, trials=16, replications=2, constraints=())
    refused = found.trials[found.trials["outcome"] == "refused"]
    assert 0 < len(refused) < 16
    assert refused["why"].str.contains("must not be below base_s").all()
    said = "trials could not be played: client.backoff.cap_s must not be below base_s."
    assert f"{len(refused)} {said}" in found.note


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 0}, "trials = 0: must be a whole number, from 1"),
        ({"replications": 1}, "replications = 1: must be a whole number, from 2"),
        ({"sampler": "tpee"}, 'sampler = "tpee": must be one of .*did you mean'),
        ({"space": {"client.backoff.cap_s": (9, 3)}}, "must begin below its end"),
        ({"constraints": "lost <= 0"}, "must be a list in which each is a text"),
        ({"objectives": ["delivered_fraction"], "on": "fleet"}, "has too little data in storm"),
        ({"on": "live"}, 'on = "live": must be sim or fleet'),
    ],
)
def test_what_cannot_be_is_refused(changes, said):
    with pytest.raises(sl.SettingsError, match=said):
        tuned(**changes)


def test_no_scenario_is_refused():
    with pytest.raises(sl.SettingsError, match=r"scenario = .*must be at least one"):
        sl.tune([])


def test_a_file_that_is_no_database_is_said_and_stays(tmp_path):
    file = tmp_path / "trials.sqlite"
    file.write_bytes(b"nonsense" * 1000)
    with pytest.raises(sl.SimlibError, match=r"trials.sqlite is damaged.*move it away"):
        tuned(folder=tmp_path, trials=8)
    assert file.read_bytes() == b"nonsense" * 1000


def test_a_single_scenario_stands_for_its_ensemble(monkeypatch):
    asked = read_question(STORM, None, ["attempts"], [], None, 2)
    assert sl.ensemble(STORM) == asked.scenarios


# --- what does not work is not recommended -----------------------------------------------

DEAD = sl.Scenario(
    name="dead",
    clients=6,
    duration_s=16,
    ramp_s=1,
    path=sl.Path(latency=sl.Latency(mean_s=0.1)),
    client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=2.0)),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=4, stop_s=6)],
)
#: A handshake takes two round trips of 0.2 s.
NEVER_S = 0.3


def sought(scenario, space, **changes):
    settings = {"trials": 6, "replications": 2, "on": "sim", "workers": 1} | changes
    return sl.tune([scenario], space, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("seed", with_slow(range(2), range(2, 6)))
def test_what_never_connects_is_never_recommended_where_anything_works(few_rivals, seed):
    dice = random.Random(seed)
    given = DEAD.replace("client.connect_timeout_s", dice.choice([0.05, 0.2, 10.0]))
    low_s = dice.choice([0.01, 0.05, 0.2])
    space = {"client.connect_timeout_s": (low_s, dice.choice([0.25, 1.0, 5.0]))}
    if dice.random() < 0.5:
        space["client.backoff.max_attempts"] = [0, 1, float("inf")]
    goals = dice.choice([["peak_attempts_per_s"], ["amplification"], list(OBJECTIVES)])
    bounds = dice.choice([(), ["peak_attempts_per_s <= 100"]])
    found = sought(given, space, objectives=goals, constraints=bounds, trials=8)
    best = found.verdict.table.iloc[0]
    timeouts_s = [*found.trials["client.connect_timeout_s"], given.client.connect_timeout_s]
    if max(timeouts_s) > 0.5:
        assert best["availability_fraction"] > 0.0
        assert not best[goals].isna().any()
        assert found.client.connect_timeout_s > NEVER_S
    elif max(timeouts_s) < NEVER_S:  # what connects is a preset
        assert ("preset", True) == (best["kind"], found.verdict.keeps)
        assert "No policy that was tuned keeps all bounds." in found.sentence
    dead = found.trials["client.connect_timeout_s"] < NEVER_S
    assert not found.trials["is_front"][dead].any()
    assert np.isinf(found.trials["excess"][dead]).all()
    assert found.trials["why"][dead].str.startswith("no client connects in ").all()


def test_a_policy_as_given_that_cannot_connect_is_the_worst_and_said_so(few_rivals):
    given = DEAD.replace("client.connect_timeout_s", 0.1)
    found = sought(given, {"client.connect_timeout_s": (0.05, 5.0)})
    assert found.recommended["client.connect_timeout_s"] > NEVER_S
    assert "The policy as given does not work: no client connects in 2 of 2 runs." in found.sentence


@pytest.mark.parametrize("preset", ["okhttp", "engine.io-client"])
def test_who_never_reconnects_keeps_no_bound_whatever_bound_is_asked_for(monkeypatch, preset):
    few = [each for each in rivals.rivals("fleet") if each.name in ("as given", preset)]
    monkeypatch.setattr(rivals, "rivals", lambda on: few)
    found = tuned(trials=8, replications=2, constraints=["peak_attempts_per_s <= 1000"])
    row = found.verdict.table.set_index("name").loc[preset]
    assert not row["keeps"]
    assert ["never_recovered <= 0", "peak_attempts_per_s <= 1000"] == [
        each.text for each in found.bounds
    ]


@pytest.mark.slow
def test_a_resumed_tuning_is_the_same_as_an_uninterrupted_one_also_if_trials_fail(
    few_rivals, tmp_path
):
    space = {
        "client.connect_timeout_s": (0.01, 5.0),
        "client.backoff.cap_s": (0.1, 4.0),  # some are below the base, and refused
    }
    whole = sought(DEAD, space, trials=16)
    assert {"full", "refused", "discarded"} >= set(whole.trials["outcome"]) > {"refused"}
    assert (whole.trials["client.connect_timeout_s"] < NEVER_S).any()
    for trials in (3, 9, 16):
        again = sought(DEAD, space, trials=trials, folder=tmp_path)
        pd.testing.assert_frame_equal(
            whole.trials.head(trials).drop(columns="is_front"),
            again.trials.drop(columns="is_front"),
            check_exact=True,
        )
    assert whole.sentence == again.sentence


# --- what a user would choose ------------------------------------------------------------


def test_of_the_trials_that_keep_a_bound_none_shown_is_better_on_the_first_objective(found):
    table = found.verdict.table
    fit = table[table["keeps"] & table["kind"].isin(["tuned", "given"])]
    assert table["time_to_recover_s_p99"].iloc[0] <= fit["time_to_recover_s_p99"].min()


def test_what_is_already_best_is_kept(few_rivals):
    best = sl.Backoff(jitter="full", base_s=3.0, factor=1.5, cap_s=5.0)
    given = STORM.replace("client.backoff", best)
    worse = {"client.backoff.jitter": ["none"], "client.backoff.base_s": (0.1, 0.2)}
    bounds = ["peak_attempts_per_s <= 60"]
    found = sl.tune([given], worse, constraints=bounds, trials=8, replications=4, workers=1)
    assert found.sentence.startswith("Keep what you have: the policy as given.")
    assert ("given", True) == (found.verdict.recommended.kind, found.verdict.keeps)
    assert given.client == found.client
    assert {"client.backoff.jitter": "full", "client.backoff.base_s": 3.0} == found.recommended
    assert sl.dump(given) == found.policy_toml().partition("\n\n")[2]
    assert "buys nothing" not in found.sentence


@pytest.mark.slow
def test_a_tuning_never_says_that_what_it_recommends_buys_nothing(few_rivals):
    for seed in range(3):
        given = STORM.replace(seed=100 * seed + 1)
        found = sl.tune([given], trials=8, replications=2, workers=1)
        assert "buys nothing" not in found.sentence


# --- work --------------------------------------------------------------------------------


def test_rivals_that_wait_for_nothing_are_too_much_work_and_said_so(few_rivals):
    long = STORM.replace(clients=4_000, duration_s=90, server=sl.ServerSettings(accept_per_s=800))
    long = long.replace(faults=[sl.Fault("outage", start_s=5, stop_s=65)])
    space = {"client.backoff.base_s": (2.0, 5.0)}
    found = sl.tune([long], space, trials=2, replications=2, workers=1)
    assert found.verdict.unplayed["tenacity"].startswith("would make some ")
    assert found.verdict.unplayed["tenacity"].endswith(" attempts in a run")
    assert "tenacity" not in set(found.verdict.table["name"])


@pytest.mark.slow
def test_of_many_clients_who_breaks_a_bound_at_once_is_not_played_in_all_scenarios(
    few_rivals, monkeypatch, tmp_path
):
    # As if runs of this size were long.
    monkeypatch.setattr(evaluator, "LITTLE_WORK", {"fleet": 1.0})
    calm = STORM.replace(name="calm", faults=[sl.Fault("outage", 5, 9, clients_fraction=0.1)])
    settings = {"constraints": BOUNDS, "trials": 16, "replications": 4, "workers": 1}

    def search(**more):
        return sl.tune([calm, STORM], SPACE, **settings | more)

    found = search()
    hasty = found.trials[found.trials["time_to_recover_s_p99"].isna()]
    assert 0 < len(hasty) < 16
    assert {"discarded"} == set(hasty["outcome"])
    assert (hasty["excess"] > 0.0).all()
    assert not hasty["is_front"].any()
    rivals = found.verdict.table.set_index("name")
    assert not rivals.loc["phoenix", "keeps"]
    assert np.isnan(rivals.loc["phoenix", "time_to_recover_s_p99"])
    assert found.verdict.keeps
    search(trials=8, folder=tmp_path)
    again = search(folder=tmp_path)
    pd.testing.assert_frame_equal(found.trials, again.trials, check_exact=True)
    [axes] = sl.tuning_chart(found)
    key = next(each.get_text() for each in axes.texts if each.get_text().startswith("filled"))
    assert f"{len(hasty)} not drawn: a bound broken at once" in key


def test_progress_is_by_work_and_never_goes_back(few_rivals):
    moves = []
    goals = {"trials": 16, "replications": 2, "constraints": ()}
    tuned(**goals, progress=lambda share, word="": moves.append((share, word)))
    shares = [share for share, _ in moves]
    assert sorted(shares) == shares
    assert shares[-1] <= 1.0
    assert any("trial 9 of 16" in word for _, word in moves)
    assert "with faults 4 times as long" in moves[-1][1]
