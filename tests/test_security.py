"""What `SECURITY.md` says of addresses and foreign data holds for every module."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "simlib"
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.rglob("*.py")
}
#: Modules that name the address of every network: in a help text, and where it was asked for.
NAMED = {"cli/observe.py", "lab/observe/session.py"}


@cache
def calls(source: str) -> list[str]:
    """What a module calls, as it is written."""
    nodes = ast.walk(ast.parse(source))
    return [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]


def test_no_module_listens_on_every_network_by_itself():
    assert {name for name, text in SOURCES.items() if "0.0.0.0" in text} <= NAMED


def test_what_may_listen_elsewhere_listens_here_by_default():
    for name, text in SOURCES.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args][::-1]
                defaults = dict(zip(arguments, node.args.defaults[::-1], strict=False))
                defaults |= dict(zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True))
                hosts = [value for key, value in defaults.items() if key.arg == "host" and value]
                assert {"127.0.0.1"} >= {ast.literal_eval(value) for value in hosts}, name


def test_only_what_a_run_sends_to_its_own_processes_is_unpickled():
    loaded = {"pickle.loads", "pickle.load", "cloudpickle.loads", "pd.read_pickle"}
    found = {name for name, text in SOURCES.items() if loaded & set(calls(text))}
    assert {"engines/live/sent_scenario.py"} == found
    # NumPy loads pickled objects only if it is told to.
    assert [] == [name for name, text in SOURCES.items() if "allow_pickle" in text]


#: What makes settings of fields, and the console of a lesson, in which a reader types Python.
RUN = {"core/immutable.py", "site/lesson.py"}


@pytest.mark.parametrize("call", ["eval", "exec", "yaml.load", "yaml.unsafe_load", "os.system"])
def test_data_is_not_run(call):
    assert set() == {name for name, text in SOURCES.items() if call in calls(text)} - RUN
