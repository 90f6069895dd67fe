"""A diff of two versions: what is played, what is said of settings and metrics, and how."""

import json

import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.differences.setting_changes import list_setting_changes
from simlib.differences.sides import read_side

OUTAGE = sl.Fault("outage", start_s=2, stop_s=6)
OLD = sl.Scenario(
    name="old", clients=10, duration_s=40, faults=[OUTAGE], workload=sl.Workload(rate_per_s=0)
)
SLOWER = OLD.replace(
    {
        "name": "slower",
        "client.backoff": {"jitter": "none", "base_s": 20, "cap_s": 30},
    }
)


def changes_of(old: sl.Scenario, new: sl.Scenario) -> list[tuple[str, str, str]]:
    return [tuple(each) for each in list_setting_changes(old, new)]


def test_attempts_rise_and_a_time_rises():
    calm = sl.Scenario(clients=4, duration_s=20, faults=[sl.Fault("outage", start_s=5, stop_s=8)])
    busy = calm.replace("client.backoff", sl.Backoff(base_s=0.2, cap_s=0.2))
    assert "attempts rise from " in sl.diff(calm, busy, 3).finding


def test_what_surely_changed_is_said_with_a_sentence_first():
    found = sl.diff(OLD, SLOWER, 8, on="sim")
    assert found.finding.startswith("From old to slower, time to recover (95 %) rises from ")
    assert "time_to_recover_s_p95" in found.table.index
    row = found.table.loc["time_to_recover_s_p95"]
    assert row["low"] <= row["difference"] == pytest.approx(row["new"] - row["old"])
    assert ("worse", "Getting back") == (row["direction"], row["group"])
    assert [] == [each.metric for each in found.changes if not each.is_sure]


def test_both_are_played_under_the_seeds_of_the_old_one():
    found = sl.diff(OLD, SLOWER.replace(seed=77), 3, on="sim")
    assert [1, 2, 3] == list(found.pair.one.table.index) == list(found.pair.other.table.index)
    assert "seed" not in {each.key for each in found.settings}


def test_the_same_twice_changed_in_nothing():
    found = sl.diff(OLD, OLD, 3, on="sim", fail_if=["attempts > +0%", "last_back_s > +0"])
    assert [] == found.changes
    assert [] == found.settings
    assert not found.fails
    assert "does exactly what" in found.finding


def test_settings_that_differ_are_listed_with_defaults_and_entries_of_lists():
    new = OLD.replace(
        {
            "clients": 20,
            "client.backoff.jitter": "none",
            "faults": [sl.Fault("outage", start_s=2, stop_s=9), sl.Fault("reset", start_s=20)],
        }
    )
    assert [
        ("clients", "10", "20"),
        ("faults.0.stop_s", "6", "9"),
        ("client.backoff.jitter", "full", "none"),
        ("faults.1.kind", "-", "reset"),
        ("faults.1.start_s", "-", "20"),
    ] == changes_of(OLD, new)


def test_cohorts_are_compared_setting_by_setting():
    one = sl.Cohort(name="web", clients_fraction=0.5, client=sl.Settings())
    other = sl.Cohort(
        name="web", clients_fraction=0.5, client=sl.Settings(backoff=sl.Backoff(cap_s=9))
    )
    assert [("cohorts.0.client.backoff.cap_s", "-", "9")] == changes_of(
        OLD.replace(cohorts=[one]), OLD.replace(cohorts=[other])
    )


def test_a_policy_is_played_as_the_client_of_the_other_side_s_scenario():
    found = sl.diff(OLD, sl.presets["phoenix"], 2, on="sim")
    assert sl.presets["phoenix"].client == found.pair.other.scenario.client
    assert OLD.faults == found.pair.other.scenario.faults
    assert ("The new policy is played as client of old.",) == found.notes
    turned = sl.diff(sl.presets["phoenix"].client, OLD, 2, on="sim")
    assert ("The old policy is played as client of old.",) == turned.notes


def test_a_client_s_own_options_are_a_policy_and_what_cannot_be_said_is_told(tmp_path):
    file = tmp_path / "options.js"
    file.write_text('io("wss://a", { reconnectionDelay: 500, transports: ["websocket"] })')
    options = read_side(file)
    found = sl.diff(sl.presets["socket.io-client"], options, 2, clients=30, on="sim")
    assert ("client.backoff.base_s", "1", "0.5") in [tuple(each) for each in found.settings]
    assert str(file) == found.names[1]
    assert any("cannot be said: transports" in note for note in found.notes)


def test_two_policies_are_played_in_a_storm():
    found = sl.diff(sl.presets["aws-full"], sl.presets["phoenix"], 2, clients=30, on="sim")
    assert 30 == found.pair.one.scenario.clients
    assert "outage" in found.notes[0]
    assert ("aws-full", "phoenix") == found.names


def test_settings_are_set_in_both():
    found = sl.diff(OLD, SLOWER, 2, on="sim", settings={"server.accept_per_s": 3, "seed": 9})
    for runs in (found.pair.one, found.pair.other):
        assert 3 == runs.scenario.server.accept_per_s
        assert [9, 10] == list(runs.table.index)


def test_two_saved_runs_are_compared_as_they_are():
    found = sl.diff(sl.run(OLD), sl.run(SLOWER), fail_if=["time_to_recover_s_p95 > +5%"])
    assert 1 == found.count
    assert found.fails
    assert "One run each" in found.notes[0]
    assert "in the two runs" in found.finding


@pytest.mark.parametrize(
    ("old", "new", "more", "said"),
    [
        (sl.run(OLD), OLD, {}, "the other side must be one too"),
        (OLD, sl.run(OLD), {}, "the other side must be one too"),
        (sl.run(OLD), sl.run(OLD), {"clients": 3}, "runs that are over"),
        (sl.run(OLD), sl.run(OLD), {"settings": {"seed": 3}}, "runs that are over"),
        (OLD, OLD, {"fail_if": ["lost > 1"]}, "must be METRIC"),
        (OLD, OLD, {"fail_if": ["lost > +1"]}, "no messages are sent"),
        (OLD, OLD, {"replications": 1}, "must be a whole number from 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(old, new, more, said):
    with pytest.raises(SettingsError, match=said):
        sl.diff(old, new, **more)


def test_the_fleet_is_no_judge_of_messages():
    sends = OLD.replace("workload.rate_per_s", 1)
    with pytest.raises(SettingsError, match="the fleet carries none"):
        sl.diff(sends, sends, on="fleet", fail_if=["lost > +1"])
    assert "sim" == sl.diff(sends, sends, 2).pair.one.on


def test_the_markdown_has_the_finding_tables_verdicts_and_settings():
    found = sl.diff(
        OLD, SLOWER, 8, on="sim", fail_if=["last_back_s > +5%"], names=("main", "a|b <script>")
    )
    text = found.to_markdown()
    assert text.startswith("### main → a\\|b &lt;script&gt;\n")
    assert "- FAILS last\\_back\\_s &gt; +5%: the change is" in text
    assert "**Getting back**" in text
    assert "| client.backoff.base\\_s | 1 | 20 |" in text
    assert "<script>" not in text


def test_the_document_is_strict_json_that_names_what_made_it():
    found = sl.diff(OLD, SLOWER, 8, on="sim", fail_if=["last_back_s > +5%"])
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {"key": "client.backoff.base_s", "old": "1", "new": "20"} in document["settings"]
    assert document["fails"]
    assert "last_back_s > +5%" == document["fail_if"][0]["rule"]
    assert document["made_by"]["command"].startswith("sl.diff(")


def test_a_diff_shows_itself():
    found = sl.diff(OLD, SLOWER, 3, on="sim")
    assert "old -> slower" in repr(found)
    assert "client.backoff.base_s: 1 -> 20" in repr(found)
    assert "<table>" in found._repr_html_()


def test_a_file_with_a_client_alone_holds_a_policy(tmp_path):
    (tmp_path / "policy.toml").write_text('name = "mine"\n[client.backoff]\ncap_s = 9\n')
    (tmp_path / "scenario.toml").write_text("clients = 3\n[client.backoff]\ncap_s = 9\n")
    sl.run(OLD).save(tmp_path / "trace.parquet")
    assert isinstance(read_side(tmp_path / "policy.toml"), sl.Settings)
    assert isinstance(read_side(tmp_path / "scenario.toml"), sl.Scenario)
    assert isinstance(read_side(tmp_path / "trace.parquet"), sl.Trace)
