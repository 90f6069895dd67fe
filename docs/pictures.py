"""Write the pictures of the guide and the README: `python docs/pictures.py [NAME...]`.

Each is made as its page says: by the example or the command that stands there. Two are not written
here: `explorer.png` and `review.png` are pictures of a screen.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import simlib as sl
from simlib.charts.figures import figure_of, save_figure

ROOT = Path(__file__).parents[1]
GUIDE, PICTURES = ROOT / "docs" / "guide", ROOT / "data" / "pictures"
SIX = ("phoenix", "socket.io-client", "reconnecting-websocket", "websockets-python", "signalr",
       "aws-full")  # fmt: skip


def from_example(page: str, target: Path) -> None:
    """Draw what the first example of a page draws last."""
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.+?)```", text, re.DOTALL)
    assert example is not None
    *lines, last = example[1].rstrip().split("\n")
    if last.startswith("axes.figure.savefig("):
        last = "axes"
    known: dict[str, object] = {}
    exec("\n".join(lines), known)
    save_figure(figure_of(eval(last, known)), target)


def from_command(page: str, command: str, chart: str, target: Path) -> None:
    """Copy the chart that the first such command of a page writes."""
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8").replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith(f"$ simlib {command}"))
    with TemporaryDirectory() as folder:
        run_command(shlex.split(line)[2:], Path(folder), chart, target)


def run_command(arguments: list[str], folder: Path, chart: str, target: Path) -> None:
    """Run simlib, and copy one of the charts that it writes."""
    command = [sys.executable, "-m", "simlib", *arguments, "--out", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT)
    copyfile(folder / chart, target)


def by_command(arguments: str, chart: str, target: Path) -> None:
    """Run simlib with some arguments, and copy one of the charts that it writes."""
    with TemporaryDirectory() as folder:
        run_command(shlex.split(arguments), Path(folder), chart, target)


def slow_server(target: Path) -> None:
    """Draw the clients of a server that never recovers, and the same with a bounded queue."""
    slow = sl.load(ROOT / "data" / "scenarios" / "slow_server.toml")
    runs = [
        sl.run(slow, label="backlog as given"),
        sl.run(slow.replace("server.backlog", 40), label="backlog of 40"),
    ]
    save_figure(figure_of(sl.plots.states(runs)), target)


def fleet_cost(target: Path) -> None:
    """Measure the fleet: on a machine that does nothing else."""
    sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
    import fleet

    fleet.by_size()
    copyfile(fleet.CHART, target)


#: Quick, and the same on every machine: a test draws these again.
SAME_EVERYWHERE: dict[str, Callable[[Path], None]] = {
    "recovery": partial(from_example, "charts"),
    "slow_server": slow_server,
    "waits": partial(by_command, "infer data/recordings/socket_io.parquet", "waits.png"),
}
WRITERS: dict[str, Callable[[Path], None]] = SAME_EVERYWHERE | {
    "first_outage": partial(by_command, "compare first_outage", "attempts.png"),
    "fleet_cost": fleet_cost,
    "fleet_storm": partial(from_example, "fleet"),
    "presets": partial(by_command, f"presets compare {' '.join(SIX)}", "waits.png"),
    "sensitivity": partial(from_command, "sensitivity", "sensitivity", "sensitivity.png"),
    "tuning": partial(from_command, "tune", "tune", "tuning.png"),
}


if __name__ == "__main__":
    for name in sys.argv[1:] or WRITERS:
        WRITERS[name](PICTURES / f"{name}.png")
        print(name)
