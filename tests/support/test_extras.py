"""What is not installed is one sentence, with the command that installs it."""

import re
import sys
from pathlib import Path

import pytest

import simlib as sl
from simlib.support import extras
from simlib.support.extras import install_command, load_extra

ROOT = Path(sl.__file__).parents[1]
STORM = sl.Scenario(name="storm", clients=4, duration_s=10, faults=[sl.Fault("reset", start_s=2)])


def test_in_a_source_tree_the_extra_is_installed_from_it():
    assert 'pip install -e ".[study]" in simlib\'s folder' == install_command("study")


def test_elsewhere_the_extra_is_installed_by_the_distribution_s_name(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "_SOURCES", tmp_path)
    assert 'pip install "simlib-ws[study]"' == install_command("study")


def test_a_library_that_breaks_on_import_is_as_one_that_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('no such instruction')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(sl.SimlibError) as caught:
        load_extra("broken_library", "study", "this needs it")
    said = "this needs it, which is not installed or does not work here (no such instruction): "
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("module", "extra", "use"),
    [
        ("anywidget", "notebook", lambda: sl.explore(STORM)),
        ("numba", "fleet", lambda: sl.run(STORM.replace("workload.rate_per_s", 0), on="fleet")),
        ("distributed", "cluster", lambda: sl.sweep(STORM, {"clients": [1]}, 1, scheduler="a:1")),
        ("optuna", "study", lambda: sl.tune(STORM, trials=1, replications=2, on="sim")),
        ("trustme", "tls", lambda: sl.run(STORM.replace("path.tls", "1.3"), on="live")),
        ("SALib.sample.sobol", "study", lambda: sl.sensitivity(STORM, samples=2, on="sim")),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_lacks_a_library_says_so_in_one_sentence(module, extra, use, monkeypatch, tmp_path):
    # Where the fleet is compiled already it needs no compiler.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for loaded in [name for name in sys.modules if name.startswith("simlib.engines.fleet.")]:
        monkeypatch.delitem(sys.modules, loaded)
        # To import a module anew changes its package's attribute too.
        package, _, name = loaded.rpartition(".")
        monkeypatch.setattr(sys.modules[package], name, getattr(sys.modules[package], name))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(sl.SimlibError) as caught:
        use()
    said = str(caught.value)
    assert 1 == len(said.splitlines())
    assert re.search(rf'install it with pip install -e "\.\[{extra}\]" in simlib\'s folder', said)


def test_every_extra_that_a_sentence_names_is_in_the_project():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = project["optional-dependencies"].keys()
    places = [*(ROOT / "simlib").rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {
        extra
        for place in places
        for names in re.findall(
            r"(?:\.|simlib-ws)\[([a-z,]+)\]\"", place.read_text(encoding="utf-8")
        )
        for extra in names.split(",")
    }
    assert named <= known
