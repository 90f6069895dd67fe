"""simlib does the same wherever it is: its home, path, clock, language, memory, processors."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0
POSIX = sys.platform != "win32"
#: How much of a process's addresses "512 MiB of memory" are.
SMALL_BYTES = 512 * 2**20


#: What `compare` needs: with pyarrow, pandas, SciPy and Matplotlib at once, their libraries alone
#: take more addresses than 512 MiB.
LESS_SMALL_BYTES = 768 * 2**20


def limit_memory(most_bytes: int = SMALL_BYTES) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


def use_one_processor() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


#: What of the environment is otherwise (None: is not there), and what is done before the start.
SURROUNDINGS: dict[str, tuple[dict[str, str | None], Callable[[], None] | None]] = {
    "as it is": ({}, None),
    "a home that cannot be written": (
        {"HOME": "/proc/self/none", "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None},
        None,
    ),
    "no home": ({"HOME": None, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None}, None),
    "another time zone": ({"TZ": "Pacific/Kiritimati"}, None),
    "a time zone that is none": ({"TZ": "Nowhere/None"}, None),
    "no language": (
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        None,
    ),
    "an ASCII terminal": ({"PYTHONIOENCODING": "ascii"}, None),
    "other hashes": ({"PYTHONHASHSEED": "4711"}, None),
    "512 MiB": ({"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}, limit_memory),
    "one processor": ({}, use_one_processor),
}
#: One thread of algebra, since each reserves addresses that it never uses.
FEW_THREADS = SURROUNDINGS["512 MiB"][0]
LARGER = {"768 MiB": (FEW_THREADS, partial(limit_memory, LESS_SMALL_BYTES))}


def play(folder: Path, surroundings: str, *arguments: str) -> subprocess.CompletedProcess:
    changes, prepare = (SURROUNDINGS | LARGER)[surroundings]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    for name, value in changes.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return subprocess.run(
        [sys.executable, "-m", "simlib", *arguments],
        env=environment,
        preexec_fn=prepare,
        cwd=folder,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )


OPTIONS = '{"reconnectionDelay": 500, "reconnectionDelayMax": 20000}'
RUN = ("run", "first_outage", "--out", "out")


def run_numbers(folder: Path, surroundings: str) -> dict:
    """What a run gives, which must not be on stderr a traceback or a warning."""
    done = play(folder, surroundings, *RUN)
    said = done.stderr.decode("utf-8", "replace")
    assert 0 == done.returncode, said
    assert "Traceback" not in said
    assert done.stdout
    written = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    return written["summary"]


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> dict:
    return run_numbers(tmp_path_factory.mktemp("usual"), "as it is")


@pytest.mark.skipif(not POSIX, reason="limits and processors are set as POSIX does")
@pytest.mark.parametrize("surroundings", list(SURROUNDINGS)[1:])
def test_a_run_gives_the_same_numbers(surroundings, usual, tmp_path):
    assert usual == run_numbers(tmp_path, surroundings)


@pytest.mark.parametrize("surroundings", list(SURROUNDINGS)[1:])
def test_options_are_imported(surroundings, tmp_path):
    (tmp_path / "options.json").write_text(OPTIONS, encoding="utf-8")
    done = play(tmp_path, surroundings, "import", "options.json")
    assert 0 == done.returncode, done.stderr
    assert b"base_s = 0.5" in done.stdout


SHORT = ("--set", "duration_s=8", "--set", "faults.0.start_s=2", "--set", "faults.0.stop_s=3")


@pytest.mark.live
@pytest.mark.parametrize(
    "surroundings", ["no home", "no language", "another time zone", "one processor", "768 MiB"]
)
def test_simulation_and_real_websockets_are_compared(surroundings, tmp_path):
    done = play(tmp_path, surroundings, "compare", "first_outage", *SHORT, "--out", "out")
    said = done.stderr.decode("utf-8", "replace")
    # On a busy machine the two may disagree, which is an answer.
    assert done.returncode in (0, 1), said
    assert "Traceback" not in said
    assert (tmp_path / "out" / "live.parquet").is_file()


@pytest.mark.live
@pytest.mark.skipif(sys.platform != "linux", reason="the loader's words are those of Linux")
def test_too_little_memory_is_said_in_a_sentence(tmp_path):
    done = play(tmp_path, "512 MiB", "compare", "first_outage", *SHORT, "--out", "out")
    said = done.stderr.decode("utf-8", "replace")
    assert (2, False) == (done.returncode, "Traceback" in said), said
    assert "there is too little memory for this" in said


@pytest.mark.parametrize("play_it", [partial(run_numbers, surroundings="as it is")], ids=["run"])
def test_a_path_may_have_blanks_and_letters_of_any_language(play_it, usual, tmp_path, monkeypatch):
    folder = tmp_path / "Mäßige Fälle, größer \N{GREEK SMALL LETTER OMEGA}"
    folder.mkdir()
    (folder / "lib").symlink_to(ROOT, target_is_directory=True)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", folder / "lib")
    assert usual == play_it(folder)
