"""What is loaded at the start: nothing that is not used."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import simlib as sl

ROOT = Path(sl.__file__).parent
HEAVY = {"httpx", "matplotlib", "numpy", "pandas", "pyarrow", "rich", "scipy", "simpy"}
#: Not commands: the frame, and what several commands use.
SHARED = {
    *("simlib.cli.app", "simlib.cli.arguments", "simlib.cli.completion", "simlib.cli.output"),
}


def modules_after(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after running some code."""
    code = f"import atexit, sys; atexit.register(lambda: print('', *sys.modules))\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def modules_after_command(*arguments: str) -> set[str]:
    return modules_after(f"from simlib.cli import main; main({list(arguments)})")


def test_importing_simlib_loads_no_other_module():
    bare = modules_after("")
    assert {"simlib"} == modules_after("import simlib") - bare


def test_the_help_loads_no_library_but_click():
    loaded = modules_after_command("--help")
    assert set() == HEAVY & loaded
    core = {name for name in loaded if name.startswith("simlib.core.")}
    assert {"simlib.core.errors", "simlib.core.secrets"} == core


def test_every_file_of_a_command_is_loaded_for_the_help_and_for_no_other_reason():
    files = {f"simlib.cli.{file.stem}" for file in (ROOT / "cli").glob("[!_]*.py")}
    loaded = modules_after_command("--help")
    assert files == {name for name in loaded if name.startswith("simlib.cli.")}


@pytest.mark.parametrize("name", ["compare", "run", "tune", "watch"])
def test_a_command_loads_its_own_module_alone(name):
    loaded = modules_after_command(name, "--help")
    commands = {name for name in loaded if name.startswith("simlib.cli.")} - SHARED
    assert {f"simlib.cli.{name}"} == commands


@pytest.mark.parametrize("arguments", [("run",), ("story", "--client", "3")], ids=lambda a: a[0])
def test_a_simulated_run_loads_neither_matplotlib_nor_scipy(arguments):
    command, *options = arguments
    loaded = modules_after_command(command, "first_outage", *options)
    assert set() == {"matplotlib", "scipy", "numba", "websockets", "uvicorn"} & loaded


def test_a_new_file_in_the_folder_of_the_commands_is_a_command(tmp_path):
    code = """
        import click, simlib.cli, simlib.cli.app as app
        simlib.cli.__path__.append({folder!r})
        app.__file__ = {folder!r} + "/app.py"
        print(app.main.get_command(click.Context(app.main), "greet").help)
    """
    (tmp_path / "greet.py").write_text(
        "from simlib.cli.app import main\n@main.command()\ndef greet():\n    'Say hello.'\n"
    )
    lines = (line.strip() for line in code.format(folder=str(tmp_path)).splitlines())
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, check=True, text=True
    )
    assert "Say hello.\n" == done.stdout


# --- the public names --------------------------------------------------------------------


def test_the_stub_is_the_only_list_of_the_public_names():
    stub = (ROOT / "__init__.pyi").read_text(encoding="utf-8")
    listed = {line.split()[-1] for line in stub.splitlines() if line.startswith("from ")}
    assert sorted(listed | {"__version__"}) == dir(sl)
    source = (ROOT / "__init__.py").read_text(encoding="utf-8")
    source = re.sub(r"^_RENAMED = .*$", "", source, flags=re.MULTILINE)
    assert [] == [name for name in listed if f'"{name}"' in source]


@pytest.mark.parametrize("name", dir(sl))
def test_each_public_name_can_be_had(name):
    assert getattr(sl, name) is getattr(sl, name)


def test_no_public_name_is_hidden_by_a_folder_of_that_name():
    rooms = {path.stem for path in ROOT.iterdir()}
    assert set() == rooms & set(dir(sl))


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'simlib' has no attribute 'runn'"):
        sl.runn  # noqa: B018 - the access is what is tested


@pytest.mark.slow
def test_an_editor_completes_the_public_names_and_knows_their_arguments():
    jedi = pytest.importorskip("jedi")
    source = "import simlib as sl\nsl.capa"
    assert ["capacity", "capacity_chart"] == [
        each.name for each in jedi.Script(source).complete(2, 7)
    ]
    (found,) = jedi.Script("import simlib as sl\nsl.run(").get_signatures(2, 7)
    assert ["scenario", "on"] == [each.name for each in found.params[:2]]
