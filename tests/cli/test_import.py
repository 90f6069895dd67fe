"""simlib import: options in a file or from stdin become a policy that a scenario takes."""

import json
import re

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.cli import main
from simlib.core.errors import FileError, SettingsError

OPTIONS = (
    "io(url, { reconnectionDelay: 500, reconnectionDelayMax: 20000, transports: ['polling'] })"
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "options.js").write_text(OPTIONS)
    return tmp_path


def run(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(main, list(arguments), input=stdin)


def test_the_policy_is_printed_as_a_scenario_with_what_cannot_be_said_in_comments():
    printed = run("import", "options.js").stdout
    assert "# Cannot be said: transports: is about the transport" in printed
    assert sl.policy_from(OPTIONS).client == sl.loads(printed).client


def test_stdin_is_read_and_named():
    assert (
        sl.policy_from(OPTIONS).client == sl.loads(run("import", "-", stdin=OPTIONS).stdout).client
    )
    failed = run("import", "-", stdin='{"reconnectionDelay": "5s"}')
    assert 2 == failed.exit_code
    assert (
        'Error: stdin: reconnectionDelay = "5s": must be a number of milliseconds' in failed.stderr
    )


def test_a_file_that_was_written_is_played_linted_exported_and_taken_by_a_scenario(here):
    written = run("import", "options.js", "--out", "mine/policy.toml")
    assert 0 == written.exit_code
    assert "- cannot be said: transports" in written.stdout
    assert "--set client=mine/policy.toml" in written.stderr
    assert 0 == run("run", "mine/policy.toml", "--clients", "3").exit_code
    taken = run(
        "run", "first_outage", "--clients", "3", "--set", "client=mine/policy.toml", "--json"
    )
    assert 0 == taken.exit_code
    assert run("lint", "mine/policy.toml").exit_code in (0, 1)
    exported = run("export", "mine/policy.toml", "--for", "socket.io-client")
    assert "reconnectionDelay: 500," in exported.stdout


def test_json_says_the_kind_the_client_and_what_cannot_be_said():
    said = json.loads(run("import", "options.js", "--json").stdout)
    assert ("socket.io-client", 0.5) == (said["kind"], said["client"]["backoff"]["base_s"])
    assert 1 == len(said["cannot_be_said"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["options.js", "--from", "signlr"], '--from = "signlr": must be .*did you mean "signalr"'),
        (["options.js", "--from", "signalr"], "options.js: holds no options of signalr"),
        (["options.js", "--out", "policy.json"], "--out .* must end in .toml"),
        (["nothing.js"], "nothing.js: cannot be read"),
        (["."], r"\.: cannot be read"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_status_2(arguments, words):
    failed = run("import", *arguments)
    assert 2 == failed.exit_code
    assert re.search(f"^Error: {words}", failed.stderr)
    assert 1 == len(failed.stderr.splitlines())


# --- a scenario that names a file for its client -------------------------------------------


def test_a_scenario_s_file_takes_a_client_s_file_from_its_own_folder(here):
    (here / "inner").mkdir()
    run("import", "options.js", "--out", "inner/policy.toml")
    (here / "inner" / "storm.toml").write_text(
        'client = "policy.toml"\n[[cohorts]]\nname = "half"\nclients_fraction = 0.5\n'
        'client = "policy.toml"\n'
    )
    storm = sl.load("inner/storm.toml")
    wanted = sl.policy_from(OPTIONS).client
    assert (wanted, wanted) == (storm.client, storm.cohorts[0].client)
    assert wanted == sl.Scenario().replace("client", "inner/policy.toml").client


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, 'client = "other.toml": cannot be read'),
        ("clients = 3", "other.toml: has no client: simlib import, infer and tune write"),
        ("client = ", "other.toml: is not TOML"),
        ('client = "other.toml"', "must have a client of its own: it names another file"),
        ("[[cohorts]]\n[client]", "must have one client"),
        ('client = "preset:nobody"', "other.toml: client = .* is no preset"),
        ("[client.backoff]\ncap_s = -1", "cap_s = -1"),
    ],
)
def test_a_client_s_file_that_is_none_is_named(here, text, words):
    if text is not None:
        (here / "other.toml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        sl.Scenario().replace("client", "other.toml")
    (here / "storm.toml").write_text('client = "other.toml"')
    with pytest.raises(SettingsError, match=words):
        sl.load("storm.toml")


def test_an_error_of_a_client_s_file_names_that_file(here):
    (here / "other.toml").write_text("x = 1")
    (here / "storm.toml").write_text('client = "other.toml"')
    with pytest.raises(FileError, match=r"^other\.toml: has no client"):
        sl.load("storm.toml")
