"""No name leads out of its folder: of scenarios, presets, networks, outputs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.core.errors import SettingsError
from simlib.scenario.file_names import MOST_NAME_BYTES, name_folder

ELSEWHERE = ["../up", "/etc/storm", "a/../../b", "..\\up", "C:\\up", "a\x00b", "a\nb", "a\u2028b"]
#: What turns the direction of what is printed after it: "gpj.sh" is shown as "hs.jpg".
TURNED = ["a\u202egpj.sh", "a\u2066b", "\u2069a"]
NO_NAMES = ["", ".", "..", " . ", "\ud800"]
#: What Windows has as a device, or in no name.
DEVICES = ["CON", "nul", "com1.toml", "a:b", "what?", "a|b", "<b>", "ends. "]


@pytest.mark.parametrize("name", [*ELSEWHERE, *TURNED, *NO_NAMES], ids=ascii)
def test_a_scenario_is_not_named_so_that_its_folder_is_elsewhere(name):
    with pytest.raises(SettingsError, match=r"^name = .*must be a text without slashes") as raised:
        sl.Scenario(name=name)
    assert 1 == len(str(raised.value).splitlines())


def test_a_name_may_be_as_long_as_a_file_of_any_system_and_no_longer():
    assert "é" * 100 == sl.Scenario(name="é" * (MOST_NAME_BYTES // 2)).name
    for name in ("a" * (MOST_NAME_BYTES + 1), "é" * (MOST_NAME_BYTES // 2) + "a"):
        with pytest.raises(SettingsError, match="of at most 200 bytes"):
            sl.Scenario(name=name)


@pytest.mark.parametrize("name", DEVICES)
def test_a_name_that_a_system_takes_otherwise_has_a_harmless_folder(name):
    folder = name_folder(sl.Scenario(name=name).name)
    assert not set('<>:"|?*') & set(folder)
    assert folder == folder.rstrip(". ")
    assert folder.partition(".")[0].lower() not in {"con", "nul", "com1"}


def play(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder inside of another, where the commands are."""
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert {folder} == set(tmp_path.iterdir()), "something was written outside"


@pytest.mark.parametrize("name", ["../up", "..", "a\\b", "x" * 300])
def test_a_file_whose_scenario_is_named_so_is_refused_before_anything_is_written(name, inside):
    Path("evil.toml").write_text(f"name = {name!r}\nclients = 1\n")
    status, said = play("run", "evil.toml")
    assert (2, ["evil.toml"]) == (status, [file.name for file in inside.iterdir()])
    assert "evil.toml: name = " in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "../../../../etc/passwd"),
        ("run", "first_outage", "--set", 'client="preset:../../../etc/passwd"'),
        ("run", "first_outage", "--set", 'network="../../../../etc/passwd"'),
        ("run", "first_outage", "--set", 'client="../../../../etc/passwd"'),
        ("run", "x" * 5000),
        ("run", "first_outage", "--out", "x" * 5000),
        ("run", "first_outage", "--out", "/proc/none"),
        ("run", "first_outage", "--out", "/dev/null/none"),
        ("presets", "show", "../../presets"),
        ("observe", "--script", "../../../../etc/passwd"),
        ("observe", "--out", "x" * 5000, "--", "true"),
        ("new", "../" * 3 + "x" * 5000),
        ("report", "first_outage", "--out", "x" * 5000 + ".html"),
        ("calibrate", "/dev/null", "--name", "../up"),
        ("import", "../" * 2000 + "x"),
        ("lint", "/proc/self/mem"),
        ("run", "first_outage", "--observed", "/proc/self/mem"),
        ("infer", "/proc/self/mem"),
        ("diff", "first_outage", "/proc/self/mem"),
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_a_path_that_leads_nowhere_good_is_refused_in_a_sentence(arguments, inside):
    status, said = play(*arguments)
    assert 2 == status, said
    assert "Error: " in said


LONG_LABEL = "a" * 70 + ".example"


@pytest.mark.live
@pytest.mark.parametrize(
    "arguments",
    [
        ("proxy", "--to", f"ws://{LONG_LABEL}"),
        ("observe", "--host", LONG_LABEL, "--", "true"),
        ("run", "first_outage", "--on", "live", "--url", f"ws://{LONG_LABEL}/ws"),
        ("run", "first_outage", "--on", "live", "--url", f"ws://{'a.' * 200}b/ws"),
        ("run", "first_outage", "--on", "live", "--url", f"ws://{LONG_LABEL}/ws", "--allow-host",
         LONG_LABEL),
    ],
    ids=range(5),
)  # fmt: skip
def test_a_host_that_nobody_can_have_is_refused_in_a_sentence(arguments, inside):
    status, said = play(*arguments)
    assert 2 == status, said
    assert "Error: " in said
    assert len(said) < 2000


@pytest.mark.parametrize("name", ["nul", "a:b", "<script>", "ends. "])
def test_results_of_an_odd_name_are_beside_those_of_others(name, inside):
    Path("odd.toml").write_text(
        f"name = {name!r}\nclients = 1\nduration_s = 2\n[workload]\nrate_per_s = 0\n"
    )
    assert play("compare", "odd.toml", "--help")[0] == 0
    from simlib.cli.output import default_out

    folder = default_out(sl.load("odd.toml"))
    assert (Path("out"), True) == (folder.parent, folder.name not in {"", ".", ".."})
