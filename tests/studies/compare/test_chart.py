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


@pytest.fixture
def comparison():
    planned = sl.Scenario(
        clients=3, duration_s=12, faults=[sl.Fault("outage", start_s=3, stop_s=5)]
    )
    *simulated, live = [sl.run(planned.replace(seed=seed)) for seed in range(4)]
    live.engine = "live"
    return Compared(simulated, live)


def test_each_chart_is_a_png_and_an_svg(comparison, tmp_path):
    names = ["attempts", "states", "outbox", "recovery", "latency"]
    expected = [tmp_path / "out" / f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    assert expected == report.save_charts(comparison, tmp_path / "out")
    for path in expected:
        head = path.read_bytes()[:8]
        assert head == (b"\x89PNG\r\n\x1a\n" if path.suffix == ".png" else b"<?xml ve")
    assert sorted(expected) == sorted((tmp_path / "out").iterdir())


def test_the_same_comparison_gives_the_same_bytes(comparison, tmp_path):
    first = report.save_charts(comparison, tmp_path / "a")
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
