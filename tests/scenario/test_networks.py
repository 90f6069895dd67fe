import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.core.path import Path as NetworkPath
from simlib.core.path import latency_s
from simlib.scenario.build import build
from simlib.scenario.networks import network, networks, quantiles, read_latency, resolve


@pytest.mark.parametrize("name", networks())
def test_every_shipped_network_is_a_path_with_a_source(name):
    assert networks()[name]["source"]
    assert networks()[name]["note"]
    path = build(NetworkPath, network(name))
    assert 0.0005 <= latency_s(path.latency, 0.5) < 1.1


@pytest.mark.parametrize("name", ["lte_driving", "nr_driving", "hspa_driving", "nr_static"])
def test_a_measured_network_has_its_source_s_quantiles(oracles, name):
    [case] = oracles(f"network.{name}")
    path = build(NetworkPath, network(name))
    for percent, rtt_ms in case["expected"].items():
        expected_s = rtt_ms / 1000.0 / 2.0
        assert expected_s == pytest.approx(latency_s(path.latency, int(percent) / 100), rel=1e-3)


def test_the_satellite_goes_dark_on_schedule():
    path = build(NetworkPath, network("starlink_isl"))
    assert (14.96, 0.473) == (path.blackout_every_s, path.blackout_s)


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(SettingsError, match=r'did you mean "lte_driving"'):
        network("lte_drivin")


# --- in a scenario -----------------------------------------------------------------------


def test_a_scenario_takes_a_network_and_its_own_path_goes_before(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('network = "starlink_isl"\n[path]\nblackout_s = 0.2\n')
    path = sl.load(file).path
    assert (14.96, 0.2) == (path.blackout_every_s, path.blackout_s)
    assert 0.0755 == pytest.approx(latency_s(path.latency, 0.5))


def test_a_scenario_takes_measured_round_trips_from_beside_it(tmp_path):
    (tmp_path / "pings.csv").write_text("rtt\n" + "\n".join(f"{i / 100}" for i in range(1, 42)))
    file = tmp_path / "mine.toml"
    file.write_text('[path.latency]\ncsv = "pings.csv"\n')
    scenario = sl.load(file)
    assert 0.105 == pytest.approx(latency_s(scenario.path.latency, 0.5))
    assert scenario == build(sl.Scenario, resolve({"name": "mine", "path": {
        "latency": {"csv": "pings.csv"}}}, tmp_path))  # fmt: skip


def test_a_file_of_measurements_stands_alone(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[path.latency]\ncsv = "x.csv"\nmean_s = 3\n')
    with pytest.raises(SettingsError, match="no other key of latency goes with it"):
        sl.load(file)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("0.1\n" * 19, "at least 20 round trips"),
        ("0.1\n" * 20 + "-0.1\n", "row 21 = '-0.1': must be a finite number of seconds"),
        ("0.1\n" * 20 + "nan\n", "row 21"),
        ("0.1\n" * 20 + "inf\n", "row 21"),
        ("0.1\n" * 20 + "soon\n", "row 21 = 'soon': must be a number"),
        ("0.1,0.2\n" * 20, "must have one column"),
        ("12\n" * 20, "are these milliseconds"),
        ("", "at least 20"),
    ],
)
def test_what_is_no_measurement_is_refused_by_row(tmp_path, text, wrong):
    file = tmp_path / "pings.csv"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_latency(file)
    assert wrong.replace("'", "") in str(error.value).replace("'", "").replace('"', "")


def test_a_scenario_plays_recorded_messages(tmp_path):
    (tmp_path / "work.csv").write_text("time_s,priority,size_bytes\n0.5,high,300\n2,low,100\n")
    file = tmp_path / "mine.toml"
    file.write_text('clients = 2\nduration_s = 5\n[workload]\ncsv = "work.csv"\nstart_s = 1\n')
    frame = sl.run(sl.load(file)).frame()
    sent = frame[frame["name"] == "send"]
    assert [1.5, 1.5, 3.0, 3.0] == sent["time_s"].to_list()
    assert ["high", "high", "low", "low"] == sent["priority"].to_list()
    assert [300, 300, 100, 100] == sent["size_bytes"].to_list()


@pytest.mark.parametrize(
    "row", ["1,high", "x,high,200", "1,urgent,200", "-1,high,200", "1,high,0", "1,high,2.5"]
)
def test_what_is_no_recorded_message_is_refused(tmp_path, row):
    (tmp_path / "work.csv").write_text(f"0,low,100\n{row}\n")
    file = tmp_path / "mine.toml"
    file.write_text('[workload]\ncsv = "work.csv"\n')
    with pytest.raises(SettingsError, match=r"must be (a )?time"):
        sl.load(file)


def test_a_file_that_is_not_there_is_said():
    with pytest.raises(SettingsError, match="cannot be read"):
        read_latency("nowhere.csv")


def test_many_values_become_a_few_quantiles():
    kept = quantiles([float(i) for i in range(10_001)])
    assert (201, 0.0, 5000.0, 10_000.0) == (len(kept), kept[0], kept[100], kept[-1])


def test_one_value_is_its_only_quantile_and_none_is_refused():
    assert (1.0,) == quantiles([1.0])
    with pytest.raises(SettingsError, match="must be of one value at least"):
        quantiles([])
