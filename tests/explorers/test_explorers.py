"""Explorers without a browser: what controls make, and that what is shown was played."""

import json
import threading
import time
from math import inf, nan

import numpy as np
import pytest

import simlib as sl
from simlib.engines.fleet import part
from simlib.engines.fleet.part import compiling_for
from simlib.explorers import playing
from simlib.explorers.breaker import breakers_open
from simlib.explorers.exploration import Exploration
from simlib.explorers.kinds import begin_with
from simlib.explorers.storm import STORM_EXPLORER
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.words import format_number, metric_in_words
from simlib.studies.policy.export import EXPORTERS

SCENARIO = sl.Scenario(
    clients=5, duration_s=20, faults=[sl.Fault("reset", 2), sl.Fault("outage", 5, 9)]
)
PATIENCE_S = 60
MAKERS = {
    "general": lambda: sl.explore(SCENARIO),
    "backoff": sl.explore.backoff,
    "storm": sl.explore.storm,
    "breaker": sl.explore.breaker,
    "queue": sl.explore.queue,
    "fallback": sl.explore.fallback,
    "sessions": sl.explore.sessions,
    "compare": sl.explore.compare,
}


@pytest.fixture(params=MAKERS)
def explorer(request):
    return MAKERS[request.param]()


def numbers(explorer, column=1):
    """The numbers of a run as they are shown, by the words of their metrics."""
    return {row[0]: row[column] for row in explorer.view["numbers"]["rows"]}


def expected(trace, names):
    """The numbers of a run as they should be shown."""
    row = sl.summary(trace).iloc[0]
    said = {metric_in_words(metric): row[metric] for metric in row.index if metric != "engine"}
    return {name: "never" if said[name] == inf else format_number(said[name]) for name in names}


def test_each_begins_with_an_effect_and_says_it(explorer):
    assert "" == explorer.error
    assert explorer.text
    assert 2 == len(explorer.view["panels"])
    for panel in explorer.view["panels"]:
        assert panel["finding"]
        assert any(digit in panel["alt"] for digit in "0123456789")
    json.dumps(explorer.view, allow_nan=False)


@pytest.mark.few(3)
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "compare"])
def test_what_is_shown_in_numbers_is_the_summary_of_a_run(name):
    explorer = MAKERS[name]()
    engine = "fleet" if "on fleet" in explorer.view["played"] else "sim"
    shown = numbers(explorer)
    assert expected(sl.run(explorer.scenario, on=engine), shown) == shown


@pytest.mark.few(4)
def test_each_slider_holds_the_scenarios_own_value_and_says_it_with_its_unit(explorer):
    for control in explorer.view["controls"]:
        place = control["place"]
        own = explorer.controls[control["name"]].value
        assert control["values"][place] == ("inf" if own == inf else own)
        assert control["help"]
        assert len(control["values"]) == len(control["texts"]) == len(set(control["texts"]))


@pytest.mark.few(4)
def test_every_control_takes_the_values_that_it_offers(explorer):
    exploration = explorer._exploration
    shown = exploration.shown
    for control in exploration.controls:
        values = control.view(shown, control.value(shown))["values"]
        for value in values:
            real = inf if value == "inf" else value
            assert real == control.check(shown, real)
            assert control.changes(shown, real)


def test_a_value_between_the_sliders_steps_is_held_exactly():
    scenario = SCENARIO.replace({"client.backoff.cap_s": 7.92})
    view = sl.explore(scenario).view["controls"]
    cap = next(control for control in view if control["name"] == "cap_s")
    assert (7.92, "7.92 s") == (cap["values"][cap["place"]], cap["texts"][cap["place"]])
    assert {8.0, 6.0, 10.0} <= set(cap["values"])


def test_help_range_and_unit_are_those_of_the_field():
    view = sl.explore.breaker().view["controls"]
    opened = next(control for control in view if control["name"] == "open_s")
    assert ("breaker", "open") == (opened["group"], opened["label"])
    assert (
        "Attempts are refused this long. It must be a number of seconds, above 0."
        == (opened["help"])
    )


def test_what_has_no_end_is_said_as_the_settings_comment_does():
    said = {each["name"]: each["texts"][-1] for each in sl.explore.sessions().view["controls"]}
    assert "never" == said["renew_before_s"]
    said = {each["name"]: each["texts"][-1] for each in sl.explore.queue().view["controls"]}
    assert "no limit" == said["capacity"]


def test_every_slider_moves_what_it_names():
    explorer = sl.explore(SCENARIO)
    values = {"base_s": 2, "cap_s": 8, "factor": 3, "jitter": "none", "clients": 7}
    for name, value in {**values, "outage_s": 2}.items():
        explorer.controls[name].value = value
    made = explorer.scenario
    assert sl.Backoff(base_s=2, cap_s=8, factor=3, jitter="none") == made.client.backoff
    assert made.clients == 7
    assert (sl.Fault("reset", 2), sl.Fault("outage", 5, 7)) == made.faults


def test_an_outage_is_added_where_nothing_ends_after_the_warm_up():
    explorer = sl.explore(sl.Scenario(clients=2, duration_s=20, warm_up_s=8))
    assert (sl.Fault("outage", 12, 14),) == explorer.scenario.faults


def test_the_curve_is_that_of_a_run():
    explorer = sl.explore.storm(SCENARIO)
    attempts = explorer.view["panels"][0]["series"][0]
    assert attempts_per_s(sl.run(explorer.scenario)).tolist() == attempts["y"]


def test_thinned_steps_keep_the_peak():
    long = sl.Scenario(clients=30, duration_s=3000, faults=[sl.Fault("outage", 1000, 1010)])
    explorer = sl.explore.backoff(long.replace("workload.rate_per_s", 0))
    attempts = explorer.view["panels"][1]["series"][0]
    assert len(attempts["y"]) <= 500
    assert attempts_per_s(sl.run(explorer.scenario)).max() == max(attempts["y"])


#: Scenarios of every sort: faults that take a moment, that end after the run, none at all; cohorts,
#: several gateways, sessions, drafts, no message; one client.
OTHERS = {
    **{name: begin_with(name, {"clients": 6}) for name in (
        "black_hole", "crash_and_reload", "draft_sync_offline", "hidden_tab", "rolling_deploy",
        "rolling_deploy_balanced", "session_expiry", "stops_trying", "tls_storm",
    )},
    "calm": lambda: sl.Scenario(clients=1, duration_s=5, workload=sl.Workload(rate_per_s=0)),
    "lasting": lambda: SCENARIO.replace("faults", [sl.Fault("outage", 5)]),
    "long": lambda: SCENARIO.replace("faults", [sl.Fault("outage", 5, 500)]),
    "mixed": lambda: SCENARIO.replace("cohorts", sl.mix({"phoenix": 0.5})),
}  # fmt: skip


@pytest.mark.few(16)
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("other", OTHERS)
def test_each_begins_with_any_scenario(name, other):
    make = sl.explore if name == "general" else getattr(sl.explore, name)
    explorer = make(OTHERS[other]())
    assert all(panel["finding"] for panel in explorer.view["panels"])
    json.dumps(explorer.view, allow_nan=False)
    explorer.controls["clients"].value = 3
    assert ("", 3) == (explorer.error, explorer.scenario.clients)


# --- errors in words ----------------------------------------------------------------------


def test_values_that_contradict_are_said_in_words_and_nothing_changes():
    explorer = sl.explore(SCENARIO)
    before = explorer.view
    explorer.controls["cap_s"].value = 0.5
    assert "client.backoff.cap_s = 0.5: must not be below base_s (1)" == explorer.error
    assert before["panels"] == explorer.view["panels"]
    assert 0.5 == explorer.controls["cap_s"].value
    # With a base below it the cap is taken, too.
    explorer.controls["base_s"].value = 0.2
    assert "" == explorer.error
    assert (0.2, 0.5) == (
        explorer.scenario.client.backoff.base_s,
        explorer.scenario.client.backoff.cap_s,
    )


@pytest.mark.parametrize("value", [nan, -1, "x", None, [1], 0])
def test_a_value_of_a_wrong_kind_is_said_in_words_and_undone(value):
    explorer = sl.explore(SCENARIO)
    explorer.controls["clients"].value = value
    assert explorer.error.startswith("clients = ")
    explorer.ask(do="undo")
    assert ("", SCENARIO) == (explorer.error, explorer.scenario)


def test_an_outage_beyond_the_run_is_said_in_words():
    explorer = sl.explore(SCENARIO)
    explorer.controls["outage_s"].value = 16
    assert "length_s = 16.0: must be at most 15: then the run ends" == explorer.error


def test_too_many_clients_for_sim_are_said_in_words_with_what_is_in_the_way():
    explorer = sl.explore.queue()
    explorer.controls["clients"].value = 1_000_000
    assert "clients = 1000000: must be at most 2,000 here." in explorer.error
    explorer = sl.explore.sessions()
    explorer.controls["clients"].value = 1_000_000
    assert "must be at most 5,000 here. The charts need a row for all" in explorer.error
    explorer = sl.explore.storm(SCENARIO.replace({"server.silence_timeout_s": 60}))
    explorer.controls["clients"].value = 1_000_000
    assert "the fleet leaves out server.silence_timeout_s" in explorer.error


def test_without_numba_the_limit_is_said_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("simlib.experiments.engine_choice._compiles", lambda: False)
    explorer = sl.explore.storm(SCENARIO)
    explorer.controls["clients"].value = 20_000
    assert "must be at most 5,000 here" in explorer.error
    assert "pip install" in explorer.error


def test_an_error_of_a_run_reaches_the_page_and_the_log(monkeypatch):
    explorer = sl.explore.storm(SCENARIO)
    monkeypatch.setattr(playing, "play_connections", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explorer._take(explorer, {"set": {"clients": 8}, "number": 1})
    assert (1, "ZeroDivisionError: division by zero") == (
        explorer.view["answers"],
        explorer.view["error"],
    )


# --- undo, reset, pin ---------------------------------------------------------------------


@pytest.mark.few(3)
def test_changes_are_undone_one_by_one_and_a_reset_too(explorer):
    begun = explorer.scenario
    explorer.controls["clients"].value = 7
    explorer.controls["clients"].value = 9
    explorer.controls["clients"].value = 9  # changes nothing
    explorer.ask(do="reset")
    assert begun == explorer.scenario
    explorer.ask(do="undo")
    assert 9 == explorer.scenario.clients
    explorer.ask(do="undo")
    assert 7 == explorer.scenario.clients
    explorer.ask(do="undo")
    assert begun == explorer.scenario
    assert not explorer.view["can"]["undo"]


def test_the_moves_of_one_drag_are_undone_together():
    explorer = sl.explore(SCENARIO)
    for clients in (6, 7, 8):
        explorer.ask(set={"clients": clients}, gesture="one")
    explorer.ask(set={"clients": 9}, gesture="two")
    explorer.ask(do="undo")
    assert 8 == explorer.scenario.clients
    explorer.ask(do="undo")
    assert SCENARIO == explorer.scenario


def test_a_pinned_curve_stays_is_named_by_what_differs_and_is_taken_off():
    explorer = sl.explore.storm(SCENARIO)
    first = explorer.view["panels"][0]["series"][0]["y"]
    explorer.ask(do="pin")
    explorer.controls["cap_s"].value = 2
    explorer.controls["clients"].value = 9
    panel = explorer.view["panels"][0]
    pinned = next(each for each in panel["series"] if each["dashed"])
    assert ("attempts, pinned: clients 5, cap 30 s", first) == (pinned["name"], pinned["y"])
    assert ["now", "pinned: clients 5, cap 30 s"] == explorer.view["numbers"]["heads"]
    assert "pinned: clients 5, cap 30 s" in panel["alt"]
    explorer.ask(do="unpin")
    assert not any(each["dashed"] for each in explorer.view["panels"][0]["series"])


def test_a_share_that_is_reached_stays_so_on_a_longer_axis():
    explorer = sl.explore.storm(SCENARIO)
    explorer.ask(do="pin")
    explorer.controls["base_s"].value = 0.1
    explorer.controls["cap_s"].value = 0.1
    panel = explorer.view["panels"][1]
    assert 2 == len(panel["series"])
    assert {panel["x_range"][1]} == {each["x"][-1] for each in panel["series"]}


def test_no_more_is_pinned_than_can_be_told_apart():
    explorer = sl.explore(SCENARIO)
    for base_s in (0.1, 0.2, 0.3, 0.4, 0.5):
        explorer.controls["base_s"].value = base_s
        explorer.ask(do="pin")
    assert 4 == len(explorer.view["numbers"]["heads"])
    assert "unpin" in explorer.view["note"]


def test_the_same_curve_is_pinned_once():
    explorer = sl.explore(SCENARIO)
    explorer.ask(do="pin")
    explorer.ask(do="pin")
    assert ["now", "pinned"] == explorer.view["numbers"]["heads"]
    assert "pinned already" in explorer.view["note"]


def test_a_pinned_curve_s_name_has_few_digits():
    explorer = sl.explore.backoff(SCENARIO.replace("client.backoff.base_s", 2 / 3))
    explorer.ask(do="pin")
    explorer.controls["base_s"].value = 1
    assert "pinned: base 0.6667 s" in explorer.view["numbers"]["heads"]


def test_a_chart_s_words_name_a_curve_for_each_peak():
    alt = sl.explore.backoff(SCENARIO).view["panels"][0]["alt"]
    assert 1 == alt.count("highest")
    assert "median: highest" in alt


# --- presets, copies ----------------------------------------------------------------------


def test_a_real_clients_policy_is_chosen_and_named():
    explorer = sl.explore.backoff(SCENARIO)
    assert "" == explorer.view["presets"]["value"]
    explorer.ask(do="choose", what="phoenix")
    assert sl.presets["phoenix"].client == explorer.scenario.client
    assert "phoenix" == explorer.view["presets"]["value"]


@pytest.mark.parametrize("name", ["queue", "fallback", "sessions"])
def test_each_shipped_scenario_of_the_list_can_be_chosen(name):
    explorer = MAKERS[name]()
    for chosen in explorer.view["presets"]["values"]:
        explorer.ask(do="choose", what=chosen)
        assert ("", chosen) == (explorer.error, explorer.scenario.name)


def test_a_preset_that_is_not_there_is_said_in_words():
    explorer = sl.explore.backoff()
    explorer.ask(do="choose", what="socketio")
    assert "did you mean" in explorer.error


@pytest.mark.few(3)
def test_what_is_copied_is_the_scenario(explorer):
    explorer.controls["clients"].value = 4
    assert explorer.scenario == sl.loads(explorer.copy_as("TOML"))
    program = explorer.copy_as("Python").replace("print(", "(")
    made = {}
    exec(program, made)
    assert explorer.scenario == made["scenario"]


def test_a_text_with_quotes_is_copied_as_it_is():
    for name in ("it's '''quoted'''", 'say "so"'):
        explorer = sl.explore(SCENARIO.replace(name=name))
        made = {}
        exec(explorer.copy_as("Python").replace("print(", "("), made)
        assert explorer.scenario == made["scenario"]


@pytest.mark.slow
def test_a_policy_is_copied_as_the_options_of_each_client_that_can_be_exported_to():
    explorer = sl.explore.backoff(SCENARIO)
    assert ["TOML", "Python", *EXPORTERS] == explorer.view["formats"]
    for name in EXPORTERS:
        explorer.ask(do="copy", what=name)
        exported = sl.export(explorer.scenario.client, name)
        assert explorer.view["copied"]["text"].startswith(exported.text.rstrip())
        assert all(each in explorer.view["copied"]["text"] for each in exported.lacks)


def test_all_settings_in_force_are_shown():
    explorer = sl.explore.backoff(SCENARIO.replace({"path.loss_fraction": 0.1}))
    explorer.controls["cap_s"].value = 5
    force = dict(explorer.view["in_force"])
    assert ("5.0", "0.1", "5") == (
        force["client.backoff.cap_s"],
        force["path.loss_fraction"],
        force["clients"],
    )


# --- engines and threads ------------------------------------------------------------------


def test_messages_are_left_out_where_they_are_not_drawn_and_would_have_to_be_played():
    storm = begin_with("reconnect_storm", {"clients": 50})()
    explorer = sl.explore.storm(storm)
    assert storm.replace("workload", sl.Workload(rate_per_s=0)) == explorer.scenario
    assert storm == sl.explore(storm).scenario


def test_what_fleet_and_sim_say_of_breakers_is_the_same():
    pytest.importorskip("numba")
    scenario = begin_with("breakers_together", {"clients": 40})()
    x, y = breakers_open(sl.run(scenario, on="fleet"))
    times_s, exact = breakers_open(sl.run(scenario))
    # The fleet counts by whole seconds: at the end of each.
    at = np.searchsorted(times_s, x[1 : len(y) - 2], side="right") - 1
    assert exact[at].tolist() == y[: len(at)].tolist()


def test_a_large_storm_is_played_on_the_fleet():
    pytest.importorskip("numba")
    explorer = sl.explore.storm(SCENARIO)
    explorer.controls["clients"].value = 20_000
    assert "Played on fleet" in explorer.view["played"]
    assert (
        expected(sl.run(explorer.scenario, on="fleet"), ["attempts"])["attempts"]
        == (numbers(explorer)["attempts"])
    )


@pytest.fixture
def uncompiled(monkeypatch):
    """A fleet that must be compiled before it plays; compiling goes on while `go` is not set."""
    go, compiled, begun = threading.Event(), [], threading.Event()

    def compile_for(scenario, **_):
        begun.set()
        assert go.wait(PATIENCE_S)
        compiled.append(scenario)

    monkeypatch.setattr(playing, "_is_compiled", lambda scenario: bool(compiled))
    monkeypatch.setattr(part, "compile_for", compile_for)
    monkeypatch.setattr(playing, "run", lambda scenario, on: sl.run(scenario))
    monkeypatch.setattr(playing, "MOST_ON_SIM", 20)
    monkeypatch.setattr(playing, "_MOST_IN_LOCKSTEP", 10)
    yield go, begun
    go.set()


def wait_until(condition):
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it did not come to be"
        time.sleep(0.01)


def ask(explorer, number, **request):
    explorer._take(explorer, request | {"number": number})


def test_a_storm_that_is_compiled_first_says_so_and_controls_go_on(uncompiled):
    pytest.importorskip("numba")
    go, begun = uncompiled
    explorer = sl.explore.storm(SCENARIO)
    ask(explorer, 1, set={"clients": 30})
    assert begun.wait(PATIENCE_S)
    assert 1 == explorer.view["answers"]
    assert compiling_for(explorer.scenario) == explorer.view["compiling"]
    assert "simlib warm does it ahead" in explorer.view["compiling"]
    assert ("", 5) == (explorer.error, explorer.scenario.clients)
    ask(explorer, 2, set={"clients": 7})
    assert (2, "", 7) == (
        explorer.view["answers"], explorer.view["compiling"], explorer.scenario.clients
    )  # fmt: skip
    ask(explorer, 3, set={"clients": 40})
    ask(explorer, 4, do="undo")
    assert ("", 7) == (explorer.view["compiling"], explorer.scenario.clients)
    ask(explorer, 5, set={"clients": 50})
    assert explorer.view["compiling"]
    go.set()
    wait_until(lambda: explorer.scenario.clients == 50)
    wait_until(lambda: explorer.view["compiling"] == "")


def test_without_threads_it_is_said_before_it_is_compiled(uncompiled, monkeypatch):
    pytest.importorskip("numba")
    go, _ = uncompiled
    go.set()

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    explorer, said = sl.explore.storm(SCENARIO), []
    explorer.observe(lambda change: said.append(change.new["compiling"]), names="view")
    ask(explorer, 1, set={"clients": 30})
    assert compiling_for(explorer.scenario) == said[0]
    assert ("", 30) == (said[-1], explorer.scenario.clients)


def test_what_cannot_be_compiled_is_said_in_words(uncompiled, monkeypatch):
    pytest.importorskip("numba")

    def fail(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr(part, "compile_for", fail)
    explorer = sl.explore.storm(SCENARIO)
    ask(explorer, 1, set={"clients": 30})
    wait_until(lambda: explorer.error)
    assert ("OSError: no room", 5) == (explorer.error, explorer.scenario.clients)


def test_a_storm_is_animated_or_a_smaller_one_like_it():
    exploration = Exploration(STORM_EXPLORER, SCENARIO)
    exploration.answer({"do": "animate"})
    assert "5 of 5 clients by state over time" in exploration.view()["dots"]
    exploration.answer({"do": "animate"})
    assert "" == exploration.view()["dots"]


def test_no_thread_and_no_loop_is_needed(monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    explorer = sl.explore.storm(SCENARIO)
    explorer.controls["clients"].value = 9
    assert ("", 9) == (explorer.error, explorer.scenario.clients)


async def test_it_works_where_a_loop_runs():
    explorer = sl.explore.storm(SCENARIO)
    explorer.controls["clients"].value = 9
    assert 9 == explorer.scenario.clients


def test_what_a_page_asks_again_is_shown_again_and_not_done_twice():
    explorer = sl.explore.backoff(sl.Scenario(clients=5))
    for number, request in enumerate([{"set": {"factor": 3}}, {"set": {"factor": 4}}], 1):
        explorer._take(explorer, request | {"number": number, "page": "a"})
    undo = {"do": "undo", "number": 3, "page": "a"}
    explorer._take(explorer, undo)
    sent = []
    explorer.send_state = sent.append
    explorer._take(explorer, undo)  # the page did not get the answer
    assert (["view"], 3) == (sent, explorer.view["answers"])
    assert 3.0 == explorer.scenario.client.backoff.factor
    del explorer.send_state
    explorer._take(explorer, undo | {"page": "b"})  # another page's own
    assert 2.0 == explorer.scenario.client.backoff.factor


def test_messages_of_a_page_are_taken_from_another_thread():
    explorer = sl.explore.storm(SCENARIO)
    taken = threading.Thread(
        target=explorer._take, args=(explorer, {"set": {"clients": 8}, "number": 7})
    )
    taken.start()
    taken.join()
    assert (8, 7) == (explorer.scenario.clients, explorer.view["answers"])


# --- several policies ---------------------------------------------------------------------


def test_each_policy_has_the_numbers_of_a_run_of_its_own():
    explorer = sl.explore.compare(SCENARIO)
    explorer.controls["second"].value = "sockette"
    explorer.controls["third"].value = "none"
    assert ["as given", "sockette"] == explorer.view["numbers"]["heads"]
    own = explorer.scenario.replace("client", "preset:sockette")
    shown = numbers(explorer, column=2)
    assert expected(sl.run(own), shown) == shown


def test_a_policy_that_is_not_there_is_said_in_words():
    explorer = sl.explore.compare(SCENARIO)
    explorer.controls["second"].value = "socketio"
    assert explorer.error.startswith('second = "socketio": must be one of as given')


def test_a_control_that_is_not_there_is_said_in_words():
    explorer = sl.explore(SCENARIO)
    explorer.ask(set={"caps_s": 3})
    assert explorer.error.startswith("control = ")
    with pytest.raises(KeyError):
        explorer.controls["caps_s"]
