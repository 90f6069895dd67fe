"""What `SECURITY.md` says of addresses and foreign data holds for every module."""

import ast
import re
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


#: What runs or unpacks what it reads, and who uses it, for what of simlib's own.
LOADERS = {
    "cloudpickle": {"engines/live/sent_scenario.py"},  # a policy in Python, for a run's own workers
    "dill": set(),
    "joblib": set(),
    "marshal": set(),
    "pickle": {"engines/live/sent_scenario.py"},
    "shelve": set(),
    "tarfile": set(),
    "xml": {"studies/policy/lint/reports.py"},  # which writes JUnit's form
    "zipfile": {"site/build.py", "trace/counts.py"},  # writes one; asks how large one will be
}


@pytest.mark.parametrize("library", LOADERS)
def test_what_runs_or_unpacks_what_it_reads_is_imported_where_that_is_ours(library):
    pattern = re.compile(rf"^\s*(import|from) {library}\b", re.MULTILINE)
    assert LOADERS[library] >= {name for name, text in SOURCES.items() if pattern.search(text)}


@pytest.mark.parametrize(
    "words", ["shell=True", "mktemp(", "verify=False", "CERT_NONE", "yaml.Loader", "extractall"]
)
def test_what_trusts_too_much_stands_nowhere(words):
    assert [] == [name for name, text in SOURCES.items() if words in text]


def test_a_page_takes_html_from_simlib_alone():
    """Words of others reach a page as text: `innerHTML` has pictures that Python has escaped."""
    pages = [*ROOT.rglob("*.js"), *ROOT.rglob("*.mjs"), *ROOT.rglob("*.html")]
    found = {
        (page.name, line.strip()[-40:])
        for page in pages
        for line in page.read_text("utf-8").splitlines()
        if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\|\s*safe", line)
    }
    assert {"explorer.js", "start.js"} == {name for name, _ in found}
    assert 2 == len(found), found
