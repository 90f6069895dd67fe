"""simlib warm: it compiles what is not compiled yet, and says so."""

import pytest
from click.testing import CliRunner

from simlib.cli import main, warm
from simlib.engines.fleet import machine_code
from simlib.engines.kernel.features import LOOPS

pytest.importorskip("numba")


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Return the loops that were compiled, into a folder of their own."""
    names = []
    monkeypatch.setattr(machine_code, "cache_folder", lambda: tmp_path / "kernels")
    monkeypatch.setattr(machine_code, "_LOADED", {})
    monkeypatch.setattr(machine_code, "Loop", lambda file: file)
    monkeypatch.setattr(machine_code, "_compile", lambda name, _: names.append(name) or b"code")
    return names


def test_it_compiles_every_loop_once_and_says_how_long_each_took(made):
    first, second = (CliRunner().invoke(main, ["warm"]) for _ in range(2))
    assert list(LOOPS) == made
    for name in LOOPS:
        assert f"{name}: compiled in " in first.stdout
        assert f"{name}: is compiled already, read in " in second.stdout
        assert f"The {name} loop, for " in first.stderr
    assert "kernels" in first.stdout


def test_every_loop_has_its_purpose_in_words():
    assert list(LOOPS) == list(warm._FOR)
