"""Builds simlib, installs the wheel away from the source tree, and tries what a user would do.

    python tests/packaging/check_install.py

On each Python that `pyproject.toml` names and this machine has. It needs a network, or an index
nearby, so it is no test of the suite: `.ci/run` runs it. The folder has a space in its name, and
nothing can be written to HOME.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: How many distributions a plain installation may have.
MOST_DISTRIBUTIONS = 40
#: The extras' libraries are absent: one sentence says which command installs them.
FLEET = ["run", "fleet_storm", "--clients", "100", "--on", "fleet"]
TEN_LINES = """
import simlib as sl
from importlib.metadata import entry_points
from pathlib import Path

assert "{venv}" in sl.__file__, sl.__file__
storm = sl.Scenario(clients=20, duration_s=40, seed=7,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=30, jitter="none")),
    faults=[sl.Fault("outage", start_s=10, stop_s=20)])
full = storm.replace("client.backoff.jitter", "full")
a, b = sl.run(storm, label="no jitter"), sl.run(full, label="full jitter")
assert a.story(client=3)
Path("mine.toml").write_text('network = "lte_driving"\\nclients = 3\\nduration_s = 5\\n')
assert sl.load("mine.toml").path == storm.replace("network", "lte_driving").path
sl.plots.attempts([a, b]).figure.savefig("storm.png")
print(sl.summary([a, b]).T)
assert len(sl.presets) > 10
package = Path(sl.__file__).parent
assert (package / "py.typed").is_file() and (package / "__init__.pyi").is_file()
assert sorted((package / "notebooks").glob("*.ipynb"))
declared = entry_points(group="pytest11", name="simlib")
assert ["simlib.pytest_plugin"] == [each.value for each in declared], declared
try:
    sl.explore(storm)
except sl.SimlibError as error:
    assert 'pip install "simlib-ws[notebook]"' in str(error), error
else:
    raise SystemExit("anywidget came with a plain installation")
"""


def main() -> None:
    """Build once, then try every Python, some at a time."""
    with tempfile.TemporaryDirectory(prefix="simlib away ") as folder:
        away = Path(folder)
        wheel = build(away)
        pythons = [found for found in map(find, supported()) if found] or [sys.executable]
        with ThreadPoolExecutor() as pool:
            for said in pool.map(lambda python: try_on(python, wheel, away), pythons):
                print(said)


def supported() -> list[str]:
    """Return the commands of the Pythons that the project names as supported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [each.rpartition(" :: ")[2] for each in project["classifiers"]]
    return [f"python{each}" for each in versions if each.startswith("3.")]


def build(away: Path) -> Path:
    """Return the wheel, which is made of the source distribution."""
    tools = new_venv(sys.executable, away / "tools")
    run([tools / "python", "-m", "pip", "install", "--quiet", "build"], away)
    run([tools / "python", "-m", "build", "--outdir", away / "dist", ROOT], away)
    assert 1 == len(list((away / "dist").glob("*.tar.gz"))), "there is no source distribution"
    (wheel,) = (away / "dist").glob("*.whl")
    return wheel


def find(python: str) -> str | None:
    """Return a command that runs this Python, or None.

    Where pyenv is in charge, the command of a version that is not chosen is there and fails.
    """
    version = python.removeprefix("python")
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(folder.glob(f"{version}.*/bin/{python}"))
    return next((each for each in (python, *map(str, kept)) if works(each)), None)


def works(python: str) -> bool:
    """Whether a command runs a Python."""
    if shutil.which(python) is None:
        return False
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def try_on(python: str, wheel: Path, away: Path) -> str:
    """Install the wheel for one Python, and use it."""
    folder = away / Path(python).name
    tools = new_venv(python, folder / "a venv")
    began_s = time.monotonic()
    run([tools / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel], folder)
    took_s = time.monotonic() - began_s
    listed = run([tools / "python", "-m", "pip", "list", "--format=json"], folder)
    beside = {"pip", "setuptools", "wheel"}
    distributions = [each for each in json.loads(listed) if each["name"] not in beside]
    assert len(distributions) < MOST_DISTRIBUTIONS, distributions
    use(tools, folder)
    return f"{python}: {len(distributions)} distributions in {took_s:.0f} s, and all works"


def use(tools: Path, folder: Path) -> None:
    """Do what a user does, outside the source tree."""
    simlib = [tools / "simlib"]
    assert "first_outage" in run([*simlib, "scenarios"], folder)
    assert "attempts" in run([*simlib, "run", "first_outage", "--out", "kept"], folder)
    changed = ["--set", "network=lte_driving", "--set", "client=preset:phoenix", "--json"]
    assert "summary" in json.loads(run([*simlib, "run", "first_outage", *changed], folder))
    # That they disagree would be another test's finding: here it only has to work.
    short = ["--replications", "5", "--clients", "5", "--set", "duration_s=6", "--out", "compared"]
    run([*simlib, "compare", "first_outage", *short], folder, statuses=(0, 1))
    assert (folder / "compared" / "agreement.json").is_file()
    assert 'pip install "simlib-ws[fleet]"' in run([*simlib, *FLEET], folder, statuses=(2,))
    run([tools / "python", "-c", TEN_LINES.replace("{venv}", str(tools.parent))], folder)
    assert (folder / "storm.png").is_file()


def new_venv(python: str, folder: Path) -> Path:
    """Make an environment and return the folder of its programs."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    return folder / "bin"


def run(command: Sequence[str | Path], folder: Path, statuses: Sequence[int] = (0,)) -> str:
    """Run a command and return what it printed; end if its status is none of these."""
    home = folder / "home"
    home.touch()  # a file: not even root can write into it
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=ours | {"HOME": str(home), "MPLBACKEND": "Agg"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in statuses:
        words = " ".join(map(str, command[:6]))
        raise SystemExit(f"{words} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
