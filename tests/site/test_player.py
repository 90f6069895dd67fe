"""What the page's Python answers: scenarios, controls, addresses, and errors in words."""

import base64
import json
import zlib
from math import inf

import pytest

import simlib as sl
from simlib.core.errors import SettingsError, SimlibError
from simlib.site import build
from simlib.site.build import _PYODIDE, build_site
from simlib.site.player import (
    CONTROLS,
    MOST_BROWSER_CLIENTS,
    START,
    answer_request,
    read_address,
    write_address,
)


def asked(**request):
    return json.loads(answer_request(json.dumps(request)))


def test_the_answer_says_what_the_summary_says():
    found, row = asked(), sl.summary(sl.run(START)).iloc[0]
    assert row["attempts"] == found["numbers"][0][1]
    assert row["attempts"] == sum(found["load"])
    assert START == sl.loads(found["toml"])
    assert ["inf" if time_s == inf else time_s for time_s in found["back_s"]] == found["back_s"]


@pytest.mark.few(3)
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.key)
def test_every_value_of_every_control_is_one_of_a_scenario_or_told(control):
    for value in control.values[:1] + control.values[-1:]:
        changes = {control.key: "inf" if value == inf else value}
        if control.key == "clients":
            changes["server.accept_per_s"] = 1000
        found = asked(changes=changes)
        error = found.get("error")
        if error is None:
            [now] = [each for each in found["controls"] if each["key"] == control.key]
            assert changes[control.key] == now["values"][now["place"]]
        else:
            assert "must" in error


def test_a_slider_holds_a_value_that_is_not_among_its_own():
    found = asked(toml=sl.dump(START.replace("client.backoff.cap_s", 7.92)))
    [cap] = [each for each in found["controls"] if each["label"] == "cap"]
    assert 7.92 == cap["values"][cap["place"]]
    assert cap["values"] == sorted(cap["values"])


def test_a_preset_takes_the_place_of_the_client_and_later_changes_apply_to_it():
    found = asked(changes={"preset": "phoenix", "clients": 50})
    assert START.replace({"client": "preset:phoenix", "clients": 50}) == sl.loads(found["toml"])


def test_an_address_holds_the_whole_scenario():
    scenario = sl.load("data/scenarios/first_outage.toml")
    assert scenario == sl.loads(read_address(write_address(scenario)))
    assert len(write_address(scenario)) < 1_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s=2.abc", "must begin with 1., the version"),
        ("", "must begin with 1., the version"),
        ("s=1.", "holds no scenario"),
        ("s=1.%%%", "holds no scenario"),
        (write_address(START)[:-9], "holds no scenario"),
        ("s=1." + "A" * 30_000, "holds no scenario"),
    ],
)
def test_an_address_that_is_cut_or_foreign_is_told(text, words):
    with pytest.raises(SettingsError, match=words):
        read_address(text)


def test_an_address_that_would_unpack_to_much_is_refused():
    toml = f"# {'x' * 1_000_000}\n{sl.dump(START)}"
    bomb = base64.urlsafe_b64encode(zlib.compress(toml.encode(), 9)).decode()
    assert len(bomb) < 10_000
    with pytest.raises(SettingsError, match="holds no scenario"):
        read_address(f"s=1.{bomb}")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"toml": "cliens = 3"}, 'cliens = 3: is not a setting (did you mean "clients"?)'),
        ({"toml": "clients = "}, "is not TOML"),
        ({"toml": "clients = 3"}, "must begin with a fault that ends"),
        ({"changes": {"client.backoff.cap_s": 0.1}}, "must not be below base_s"),
        ({"changes": {"clients": MOST_BROWSER_CLIENTS + 1}}, "must be at most 1,000 in a browser"),
        ({"changes": {"clients": 1000, "duration_s": 301}}, "must be at most 300 with so many"),
        ({"changes": {"preset": "nobody"}}, "nobody"),
    ],
)
def test_what_cannot_be_played_is_told_in_words(request_, words):
    assert words in asked(**request_)["error"]


@pytest.mark.slow
def test_the_most_that_a_browser_plays_is_played():
    assert "error" not in asked(changes={"clients": MOST_BROWSER_CLIENTS, "duration_s": 300})


def test_a_folder_without_pyodide_is_named(tmp_path):
    with pytest.raises(SimlibError, match=r"has no pyodide\.mjs"):
        build_site(tmp_path, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def pyodide_folder(folder):
    """A folder with the names that the npm package has."""
    folder.mkdir()
    for name in _PYODIDE:
        (folder / name).write_text("")
    return folder


def test_without_node_the_page_has_no_snapshot_and_loses_an_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    out = tmp_path / "site"
    out.mkdir()
    (out / "python.snapshot").write_bytes(b"of another Pyodide")
    build_site(pyodide_folder(tmp_path / "pyodide"), out)
    assert (out / "worker.js").is_file()
    assert not (out / "python.snapshot").exists()


def test_a_node_that_fails_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(build.shutil, "which", lambda _: "/bin/false")
    with pytest.raises(SimlibError, match=r"node could not write .*: install Node\.js 20"):
        build_site(pyodide_folder(tmp_path / "pyodide"), tmp_path / "site")


@pytest.mark.parametrize(
    "changes", [{"clients": MOST_BROWSER_CLIENTS + 1}, {"clients": 1000, "duration_s": 5000}]
)
def test_what_is_too_much_for_a_browser_says_what_to_install(changes):
    assert 'pip install -e ".[all]"' in asked(changes=changes)["error"]
