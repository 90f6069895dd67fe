"""Charts look as they did: small pictures, compared with a tolerance.

`python tests/charts/test_golden.py` draws them anew, to be looked at before they are committed.
The runs are simulated and the font is Matplotlib's own, so the pictures depend on no machine; the
tolerance is for another version of the library that draws letters.
"""

from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.testing.compare import compare_images

import simlib as sl
from simlib.charts.colours import forgotten
from simlib.charts.figures import figure_of
from simlib.charts.style import style

FOLDER = Path(__file__).parent / "golden"
#: Root mean square of the differences of pixels, of 255: text that moves by a pixel is some 6.
TOLERANCE = 8.0
DPI = 50
MOST_BYTES = 1_000_000


@cache
def run(name: str, label: str = "", **changes):
    paths = {key.replace("__", "."): value for key, value in changes.items()}
    scenario = sl.load(Path("data/scenarios") / f"{name}.toml")
    return sl.run(scenario.replace(paths), label=label)


def storms(count=2, seeds=1):
    jitters = ("none", "full", "equal", "decorrelated", "proportional")[:count]
    return [
        run("reconnect_storm", f"{jitter} jitter", clients=200, seed=seed,
            server__handshake_service_s=0.025, client__backoff__jitter=jitter)
        for jitter in jitters
        for seed in range(1, seeds + 1)
    ]  # fmt: skip


POLICIES = {name: sl.presets[name].client for name in ("socket.io-client", "phoenix", "signalr")}
CHARTS = {
    "attempts": lambda: sl.plots.attempts(storms()),
    "attempts_of_five": lambda: sl.plots.attempts(storms(5)),
    "attempts_of_seeds": lambda: sl.plots.attempts(storms(2, 3)),
    "admissions": lambda: sl.plots.admissions(storms()[0]),
    "recovery": lambda: sl.plots.recovery(storms(3)),
    "server": lambda: sl.plots.server(run("slow_server")),
    "states": lambda: sl.plots.states(run("session_expiry", clients=12)),
    "swimlanes": lambda: sl.plots.swimlanes(run("poor_network_fallback"), [0, 1]),
    "sequence": lambda: sl.plots.sequence(run("first_outage"), 3),
    "outbox": lambda: sl.plots.outbox(run("flush_storm")),
    "waterfall": lambda: sl.plots.waterfall(run("flush_storm")),
    "latency": lambda: sl.plots.latency(storms()),
    "latency_by_priority": lambda: sl.plots.latency_by_priority(run("rate_limited")),
    "agreement": lambda: sl.plots.agreement(storms(2, 3)),
    "backoff": lambda: sl.plots.backoff(POLICIES),
    "state_diagram": sl.plots.state_diagram,
}


def draw(name: str, path: Path) -> None:
    with forgotten(), style():
        drawn = CHARTS[name]()
        figure = figure_of(drawn if hasattr(drawn, "get_figure") else drawn[0])
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


@pytest.mark.few(8)
@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_looks_as_it_did(name, tmp_path):
    plt.switch_backend("agg")
    draw(name, tmp_path / f"{name}.png")
    differs = compare_images(FOLDER / f"{name}.png", tmp_path / f"{name}.png", TOLERANCE)
    assert differs is None, differs


def test_a_chart_without_a_curve_is_not_within_the_tolerance(tmp_path):
    with forgotten(), style():
        axes = sl.plots.recovery(storms(3))
        axes.lines[0].remove()
        axes.figure.savefig(tmp_path / "without.png", dpi=DPI)
    differs = compare_images(FOLDER / "recovery.png", tmp_path / "without.png", TOLERANCE)
    assert differs is not None


def test_the_pictures_are_small():
    files = list(FOLDER.glob("*.png"))
    assert set(CHARTS) == {file.stem for file in files}
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in CHARTS:
        draw(each, FOLDER / f"{each}.png")
