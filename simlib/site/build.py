"""Write the page's folder: the page, its scripts, Pyodide, and simlib for it, all in one place."""

from __future__ import annotations

import gzip
import importlib.metadata
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from simlib.core.errors import SimlibError
from simlib.site.lesson_page import write_lesson
from simlib.support.files import find_shipped, replacing

#: What of the npm package is loaded by a page.
_PYODIDE = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "pyodide-lock.json",
    "python_stdlib.zip",
)
#: What simlib needs to simulate and to write a scenario; both are pure Python.
_DISTRIBUTIONS = ("simpy", "tomli_w")
#: Rooms that the page's Python has no use for, or cannot load.
_LEFT_OUT = (
    "app",
    "charts",
    "cli",
    "explorers",
    "exports",
    "gallery",
    "lab",
    "live_console",
    "logs",
    "review",
    "studies",
)
#: What of the course the page's notebook needs.
_LESSON = ("checks.py", "first_steps.py", "guesses.py")


def build_site(pyodide: str | Path, out: str | Path) -> None:
    """Write the page and all that it loads into a folder.

    Parameters
    ----------
    pyodide : str or path
        The folder of the npm package ``pyodide``.
    out : str or path
        The folder to write; files of an earlier page in it are replaced.

    Raises
    ------
    SimlibError
        If the npm package is not there, or Node cannot start it.
    """
    source, folder = Path(pyodide), Path(out)
    missing = [name for name in _PYODIDE if not (source / name).is_file()]
    if missing:
        said = f"{source} has no {missing[0]}"
        raise SimlibError(f"{said}: it must be the folder of the npm package pyodide (make site)")
    (folder / "pyodide").mkdir(parents=True, exist_ok=True)
    for name in _PYODIDE:
        shutil.copy(source / name, folder / "pyodide" / name)
    templates = files("simlib.site").joinpath("templates").iterdir()
    for template in (*templates, files("simlib.support").joinpath("plots.js")):
        with replacing(folder / template.name) as temporary:
            temporary.write_bytes(template.read_bytes())
    with replacing(folder / "start.html") as temporary:
        page = write_lesson(_find_first_notebook(), (folder / "start.html").read_text("utf-8"))
        temporary.write_text(page, encoding="utf-8")
    with replacing(folder / "packages.zip") as temporary:
        _pack(temporary)
    _write_snapshot(folder)


def _find_first_notebook() -> Path:
    """Return the notebook that the page teaches with.

    Raises
    ------
    SimlibError
        If simlib was installed without its source tree, in which the notebooks are.
    """
    notebook = Path(str(files("simlib"))).parent / "notebooks" / "00_start_here.ipynb"
    if not notebook.is_file():
        raise SimlibError(f"{notebook} is not there: build the page in a copy of the repository")
    return notebook


def _write_snapshot(folder: Path) -> None:
    """Write the memory of a Python that has started, unless there is no Node to start it with.

    Raises
    ------
    SimlibError
        If Node cannot write it.
    """
    node, snapshot = shutil.which("node"), folder / "python.snapshot"
    snapshot.unlink(missing_ok=True)  # one of another Pyodide, or of other sources, is of no use
    if node is None:
        return
    script = Path(str(files("simlib.site"))) / "snapshot.mjs"
    with tempfile.TemporaryDirectory() as temporary:
        memory = Path(temporary) / "memory"
        arguments = [folder.resolve() / "pyodide", folder.resolve() / "packages.zip", memory]
        made = subprocess.run(
            [node, script, *arguments], capture_output=True, text=True, check=False
        )
        if made.returncode:
            said = next(filter(None, reversed(made.stderr.splitlines())), "it says nothing")
            why = f"node could not write Python's memory for the page ({said[:200]})"
            raise SimlibError(f"{why}: install Node.js 20 or newer, or none")
        with replacing(snapshot) as file:
            # Without a time, so that the same memory gives the same file.
            file.write_bytes(gzip.compress(memory.read_bytes(), compresslevel=6, mtime=0))


def _pack(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in sorted(_sources()):
            # Without the time of the file, so that the same sources give the same archive.
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _sources() -> Iterator[tuple[Path, str]]:
    package = Path(str(files("simlib")))
    # The stub names what `import simlib` gives, so it is needed at run time.
    for path in (*package.rglob("*.py"), *package.glob("*.pyi")):
        place = path.relative_to(package)
        if place.parts[0] not in _LEFT_OUT and (
            place.parts[0] != "course" or place.name in _LESSON
        ):
            yield path, f"simlib/{place.as_posix()}"
    for name in ("presets.toml", "networks.toml"):
        yield find_shipped(name), f"simlib/data/{name}"
    for name in _DISTRIBUTIONS:
        for each in importlib.metadata.files(name) or ():
            if each.suffix == ".py":
                yield Path(str(each.locate())), each.as_posix()
