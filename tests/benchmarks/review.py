"""Figures of a design review: how long it takes, how large its file is, how soon it opens."""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figure import Figure

import simlib as sl
from simlib.review.grid import grid_axes, play_grid
from simlib.review.question import frame_question

#: Short, since the live run takes its time on the clock: 100 real clients of it are played.
STORM = sl.load(Path(__file__).parents[2] / "data" / "scenarios" / "fleet_storm.toml").replace(
    {"clients": 10_000, "server.accept_per_s": 1_000}
)
TWO = ("phoenix", "aws-full")
FOUR = (*TWO, "socket.io-client", "signalr")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
_OPENINGS = 5
_LOADED = (
    "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
)


def review() -> list[Figure]:
    """The goals: a minute with a live run, a minute more for the grid, 3 MB, opened in a second."""
    sl.run(STORM.replace(clients=10), on="fleet")  # compiles
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "review.html"
        whole = _spent(lambda: _report(TWO, out, vary={"clients": [10_000]}, live=True))
        question = frame_question([STORM], {name: f"preset:{name}" for name in FOUR})
        grid = _spent(lambda: play_grid(question, grid_axes(question)))
        _report(FOUR, out)
        size_mb = out.stat().st_size / 1e6
        return [
            *_times("review: 3 policies, 20 seeds, live", whole, 60.0),
            *_times("review: grid of 5 x 6 x 3", grid, 60.0),
            Figure("review: HTML of 5 policies", "MB", (size_mb,), at_most=3.0),
            _opening(out),
        ]


def _report(against: tuple[str, ...], out: Path, **more: object) -> None:
    found = sl.report(STORM, against, out=out, progress=lambda *_: None, **more)
    assert not found.missing, found.missing


def _spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that work takes: on the clock, and of processors, children's included."""
    began_s, before_s = time.perf_counter(), _processor_s()
    work()
    return time.perf_counter() - began_s, _processor_s() - before_s


def _processor_s() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usages = [resource.getrusage(each) for each in whose]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _times(name: str, spent: tuple[float, float], at_most_s: float) -> list[Figure]:
    clock_s, processor_s = spent
    return [
        Figure(name, "s", (clock_s,), at_most=at_most_s),
        Figure(f"{name}, processors", "s", (processor_s,)),
    ]


def _opening(out: Path) -> Figure:
    """Open the file in Chromium; the time until it is laid out and drawn, scripts included."""
    name, browser = "review: opens in Chromium", shutil.which("chromium")
    if browser is None:
        return Figure(name, "s", (), at_most=1.0, skipped="there is no chromium")
    from playwright.sync_api import sync_playwright

    opened_s = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=_FLAGS)
        for _ in range(_OPENINGS):
            page = chromium.new_page()
            page.goto(out.as_uri())
            opened_s.append(page.evaluate(_LOADED) / 1000.0)
            page.close()
        chromium.close()
    return Figure(name, "s", tuple(opened_s), at_most=1.0)
