"""What is set on a scenario takes effect, however it is said and wherever it is set."""

import json
from itertools import permutations
from math import inf

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.cli.arguments import scenario_of
from simlib.scenario.build import build
from simlib.scenario.networks import network, networks
from simlib.scenario.scenario import apply_settings

#: Has a path, a client and faults of its own.
OWN = sl.Scenario(
    clients=3,
    duration_s=8,
    client=sl.Settings(backoff=sl.Backoff(cap_s=7, stable_after_s=2)),
    path=sl.Path(
        latency=sl.Latency(distribution="lognormal", mean_s=0.015, shape=0.3),
        loss_fraction=0.2,
        bandwidth_bytes_per_s=1000,
    ),
)


def path_of(name: str) -> sl.Path:
    return build(sl.Path, network(name))


# --- networks ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks())
def test_a_network_replaces_all_of_the_path(name):
    assert path_of(name) == OWN.replace("network", name).path
    assert path_of(name) == OWN.replace(network=name).path


def test_a_network_replaces_another():
    first = OWN.replace("network", "chrome_slow_4g")
    assert path_of("lte_driving") == first.replace("network", "lte_driving").path


@pytest.mark.parametrize(
    "settings",
    list(
        permutations(
            [
                ("path.loss_fraction", 0.1),
                ("network", "chrome_slow_4g"),
                ("path.latency.mean_s", 0.5),
            ]
        )
    ),
)
def test_what_is_set_within_a_network_goes_over_it_in_any_order(settings):
    path = OWN.replace(dict(settings)).path
    expected = path_of("chrome_slow_4g")
    assert (0.1, 0.5) == (path.loss_fraction, path.latency.mean_s)
    assert expected.bandwidth_bytes_per_s == path.bandwidth_bytes_per_s


def test_a_path_given_as_a_table_goes_over_the_network_as_in_a_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('network = "starlink_isl"\n[path]\nblackout_s = 0.2\n')
    both = {"network": "starlink_isl", "path": {"blackout_s": 0.2}}
    assert sl.load(file).path == OWN.replace(both).path
    with pytest.raises(sl.SettingsError, match="is a whole path: leave out network"):
        OWN.replace({"network": "starlink_isl", "path": sl.Path()})


def test_a_mean_that_a_table_of_quantiles_does_not_use_is_refused():
    with pytest.raises(sl.SettingsError, match=r"path\.latency\.mean_s = 0\.1: is not for a table"):
        OWN.replace({"network": "lte_driving", "path.latency.mean_s": 0.1})


def test_measured_round_trips_replace_the_latency(tmp_path):
    file = tmp_path / "pings.csv"
    file.write_text("rtt_s\n" + "0.05\n0.07\n" * 20)
    path = OWN.replace("path.latency.csv", str(file)).path
    assert ("TABLE", 0.025) == (path.latency.distribution.name, path.latency.table_s[0])
    assert 0.2 == path.loss_fraction
    assert path == OWN.replace("path.latency", {"csv": str(file)}).path


def test_recorded_messages_replace_what_was_sent(tmp_path):
    file = tmp_path / "work.csv"
    file.write_text("time_s,priority,size_bytes\n1,high,30\n")
    work = OWN.replace("workload.arrivals", "typing").replace("workload.csv", str(file)).workload
    assert ("RECORDED", 1.0) == (work.arrivals.name, work.recorded[0][0])


def test_a_network_s_file_is_sought_beside_the_scenario(tmp_path):
    (tmp_path / "office.toml").write_text("[office]\nloss_fraction = 0.3\n")
    file = tmp_path / "mine.toml"
    file.write_text('network = "office.toml"\n')
    assert 0.3 == sl.load(file).path.loss_fraction


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "must hold one network, a table [NAME]"),
        ("loss_fraction = 0.1\n", "it holds loss_fraction"),
        ("[a]\n[b]\n", "it holds a, b"),
        ("[a]\nlos_fraction = 0.1\n", 'a.los_fraction = 0.1: is not a setting (did you mean "loss'),
        ('[a.latency]\nmean_s = "20 ms"\n', 'a.latency.mean_s = "20 ms": must be a number'),
        ("a =", "is not TOML"),
        (None, "cannot be read: No such file"),
    ],
)
def test_an_error_in_a_network_s_file_names_it_and_the_key(tmp_path, text, wrong):
    file = tmp_path / "office.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(sl.SettingsError) as error:
        OWN.replace("network", str(file))
    assert str(error.value).startswith(f"{file}: ")
    assert wrong in str(error.value)


# --- presets and tables ------------------------------------------------------------------


@pytest.mark.parametrize("key", ["client", "client.preset"])
def test_a_preset_replaces_all_of_the_client(key):
    name = "phoenix" if key == "client.preset" else "preset:phoenix"
    assert sl.presets["phoenix"].client == OWN.replace(key, name).client
    assert OWN.replace(key, name) == apply_settings(OWN, {key: name})


@pytest.mark.parametrize("first", ["client", "client.preset"])
def test_a_part_of_a_preset_is_set_over_it_in_any_order(first):
    name = "phoenix" if first == "client.preset" else "preset:phoenix"
    both = {first: name, "client.backoff.jitter": "full"}
    swapped = dict(reversed(both.items()))
    expected = sl.Scenario(client=sl.presets["phoenix"].client).replace(
        "client.backoff.jitter", "full"
    )
    assert expected.client == OWN.replace(both).client == OWN.replace(swapped).client


def test_a_cohort_takes_a_preset_as_well():
    cohorts = OWN.replace("cohorts", [{"clients_fraction": 0.5, "client": "preset:trpc"}])
    assert sl.presets["trpc"].client == cohorts.cohorts[0].client
    other = cohorts.replace("cohorts.0.client", "preset:ably")
    assert sl.presets["ably"].client == other.cohorts[0].client


def test_a_table_replaces_what_it_stands_for():
    assert sl.Backoff(base_s=2) == OWN.replace("client.backoff", {"base_s": 2}).client.backoff
    assert (
        sl.Fault("reset", 3) == OWN.replace("faults", [{"kind": "reset", "start_s": 3}]).faults[0]
    )


@pytest.mark.parametrize(
    "order", list(permutations([("base_s", 40), ("cap_s", 60), ("factor", 3)]))
)
def test_several_settings_are_checked_together(order):
    changed = OWN.replace({f"client.backoff.{name}": value for name, value in order})
    backoff = changed.client.backoff
    assert (40.0, 60.0, 3.0) == (backoff.base_s, backoff.cap_s, backoff.factor)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"client": "phoenix"}, 'client = "phoenix": must be a table of settings, preset:NAME'),
        ({"client.preset": "phonix"}, 'client.preset = "phonix": is no preset (did you mean'),
        ({"cohorts": [{"client": "x"}]}, 'cohorts[0].client = "x": must be a table of settings'),
        ({"client": {"value": 3}}, "client.value = 3: is not a setting"),
        ({"client.backoff": {"value": 3}}, "client.backoff.value = 3: is not a setting"),
        ({"network": "lte_drivin"}, 'network = "lte_drivin": is no shipped network (did you mean'),
        ({"network": 5}, "network = 5: must be a network's name"),
        ({5: 3}, "key = 5: must be a path such as client.backoff.cap_s"),
        ({"clients": None}, "clients = None: must be a whole number"),
    ],
)
def test_what_cannot_be_set_is_named(settings, message):
    with pytest.raises(sl.SettingsError) as error:
        OWN.replace(settings)
    assert str(error.value).startswith(message)


def test_a_file_s_key_called_value_is_named_as_any_other(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[client]\nvalue = 3\n")
    with pytest.raises(sl.SettingsError, match=r"client\.value = 3: is not a setting"):
        sl.load(file)


# --- everywhere --------------------------------------------------------------------------


def test_the_command_line_sets_what_replace_sets(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(sl.dump(OWN))
    given = ["path.loss_fraction=0.1", "network=chrome_slow_4g", "client=preset:phoenix"]
    expected = OWN.replace(
        {"network": "chrome_slow_4g", "path.loss_fraction": 0.1, "client": "preset:phoenix"}
    )
    assert expected == scenario_of(str(file), given, None, None)


def test_a_sweep_over_networks_plays_each():
    found = sl.sweep(OWN, {"network": ["lte_driving", "chrome_slow_4g"]}, 2, workers=1)
    lte_s, slow_s = found.means("round_trip_s_p50")["round_trip_s_p50"]
    # A median of 42 ms each way against 75 ms, and OWN's would be 15 ms.
    assert 0.07 < lte_s < 0.12
    assert 0.15 < slow_s < 0.17


def test_a_calibrated_network_is_what_run_plays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pings.csv").write_text("rtt_s\n" + "0.4\n" * 30)
    assert 0 == CliRunner().invoke(cli.main, ["calibrate", "pings.csv", "--name", "far"]).exit_code
    run = ["run", "first_outage", "--clients", "2", "--json", "--set", "network=out/far/far.toml"]
    summary = json.loads(CliRunner().invoke(cli.main, run).stdout)["summary"]
    assert 0.4 == pytest.approx(summary["round_trip_s_p50"], rel=0.01)


def test_infinity_and_lists_are_set_as_they_are():
    assert inf == OWN.replace("client.breaker.trip_after", inf).client.breaker.trip_after
    assert (1.0, 2.0) == OWN.replace("client.backoff.steps_s", [1, 2]).client.backoff.steps_s


def test_what_is_set_within_a_list_goes_over_the_list_that_is_set_with_it():
    values = {
        "cohorts": [{"name": "a", "client": "preset:sockette"}],
        "cohorts.0.clients_fraction": 0.25,
        "faults": [{"kind": "outage", "start_s": 5}],
        "faults.0.stop_s": 9,
        "hints": [{"start_s": 1}],
        "hints.0.start_s": 2,
    }
    changed = sl.Scenario().replace(values)
    assert (0.25, sl.presets["sockette"].client) == (
        changed.cohorts[0].clients_fraction,
        changed.cohorts[0].client,
    )
    assert (5.0, 9.0) == (changed.faults[0].start_s, changed.faults[0].stop_s)
    assert 2.0 == changed.hints[0].start_s
