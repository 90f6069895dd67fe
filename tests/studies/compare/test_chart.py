"""The files of a comparison."""

from dataclasses import dataclass

import pytest
from matplotlib.figure import Figure

import simlib as sl
from simlib.studies.compare import chart as report
from simlib.trace.trace import Trace


@dataclass
class Compared:
    simulated: list[Trace]
    live: Trace


@pytest.fixture(scope="module")
def comparison():
    planned = sl.Scenario(
        clients=3, duration_s=12, faults=[sl.Fault("outage", start_s=3, stop_s=5)]
    )
    *simulated, live = [sl.run(planned.replace(seed=seed)) for seed in range(4)]
    live.engine = "live"
    return Compared(simulated, live)


@pytest.fixture(scope="module")
def saved(comparison, tmp_path_factory):
    """A folder that save_charts made, and the paths that it returned."""
    folder = tmp_path_factory.mktemp("saved") / "out"
    return folder, report.save_charts(comparison, folder)


@pytest.mark.slow
def test_each_chart_is_a_png_and_an_svg(saved):
    folder, paths = saved
    names = ["attempts", "states", "outbox", "recovery", "latency"]
    expected = [folder / f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    assert expected == paths
    for path in expected:
        head = path.read_bytes()[:8]
        assert head == (b"\x89PNG\r\n\x1a\n" if path.suffix == ".png" else b"<?xml ve")
    assert sorted(expected) == sorted(folder.iterdir())


@pytest.mark.slow
def test_the_same_comparison_gives_the_same_bytes(comparison, saved, tmp_path):
    _, first = saved
    second = report.save_charts(comparison, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert b"<dc:date>" not in first[1].read_bytes()


def test_a_chart_that_cannot_be_written_leaves_the_old_one(comparison, tmp_path, monkeypatch):
    def fail(figure, path, **options):
        path.write_bytes(b"half a picture")
        raise OSError("disk full")

    (tmp_path / "attempts.png").write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        report.save_charts(comparison, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["attempts.png"]
    assert (tmp_path / "attempts.png").read_bytes() == b"old"
