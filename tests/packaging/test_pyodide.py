"""In a browser's Python: simlib imports, plays, and leaves the same trace to the byte."""

import importlib.metadata
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import simlib as sl

HERE = Path(__file__).parent
PYODIDE = HERE.parent / "lab" / "node_modules" / "pyodide"
PROGRAM = """
import sys
import simlib as sl

storm = sl.Scenario(
    clients=20,
    duration_s=30,
    seed=7,
    faults=[
        sl.Fault("outage", start_s=5, stop_s=12),
        sl.Fault("loss", start_s=20, loss_fraction=0.2),
    ],
)
trace = sl.run(storm)
f"{sys.platform} {'numpy' in sys.modules} {len(trace)} {trace.digest()}"
"""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not PYODIDE.is_dir(),
    reason="needs node, and Pyodide: npm install --prefix tests/lab",
)


@pytest.fixture
def archive(tmp_path) -> Path:
    """Simlib and what it needs to simulate: SimPy, which is pure Python, and nothing else."""
    file = tmp_path / "packages.zip"
    with zipfile.ZipFile(file, "w") as packages:
        for path in Path(sl.__file__).parent.rglob("*.py*"):
            if path.suffix != ".pyc":
                packages.write(path, path.relative_to(Path(sl.__file__).parents[1]))
        for each in importlib.metadata.files("simpy") or ():
            if each.suffix != ".pyc" and each.parts[0] != "..":
                packages.write(Path(str(each.locate())), str(each))
    return file


@pytest.mark.slow
@pytest.mark.long
def test_a_storm_in_pyodide_has_the_digest_that_it_has_here(archive):
    done = subprocess.run(
        ["node", str(HERE / "play.mjs"), str(archive), PROGRAM],
        capture_output=True,
        check=False,
        text=True,
    )
    assert 0 == done.returncode, done.stderr[-2000:]
    names: dict[str, object] = {}
    exec(PROGRAM.rpartition('f"')[0], names)
    trace = names["trace"]
    assert isinstance(trace, sl.Trace)
    assert f"emscripten False {len(trace)} {trace.digest()}" == done.stdout.strip()
