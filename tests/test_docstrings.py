"""Every public name says what it does, what it takes and returns, and shows how it is used."""

import inspect
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from numpydoc.docscrape import NumpyDocString

import simlib as sl
from simlib.charts import plots
from simlib.core.validation import ValidatedSettings

#: What the reference says that there is to draw.
REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "results.md"
DRAWN = re.findall(r"plots\n   :members: (.*)", REFERENCE.read_text(encoding="utf-8"))[0].split(
    ", "
)
CHARTS = [
    chart for name, chart in vars(plots).items() if inspect.isfunction(chart) and name in DRAWN
]
PUBLIC = [
    thing
    for name in sl.__all__
    if not isinstance(thing := getattr(sl, name), ModuleType) and name != "__version__"
]
FUNCTIONS = [thing for thing in PUBLIC if inspect.isfunction(thing)] + CHARTS
FUNCTIONS += [
    getattr(sl.explore, name) for name in vars(type(sl.explore)) if not name.startswith("_")
]
CLASSES = [thing for thing in PUBLIC if inspect.isclass(thing)]
#: A function does something: its first word.
VERBS = {
    "Check",
    "Compare",
    "Describe",
    "Draw",
    "Find",
    "Infer",
    "Observe",
    "Play",
    "Read",
    "Return",
    "Show",
}


def named(thing):
    return getattr(thing, "__name__", str(thing))


def sections(thing):
    return NumpyDocString(inspect.getdoc(thing))


def first_sentence(thing):
    return inspect.getdoc(thing).partition("\n\n")[0]


@pytest.mark.parametrize("thing", [*FUNCTIONS, *CLASSES], ids=named)
def test_a_public_name_begins_with_a_sentence_and_shows_an_example(thing):
    first = first_sentence(thing)
    assert re.fullmatch(r"[A-Z].{10,}[.?]", first), "one line, a whole sentence"
    assert ">>> " in "\n".join(sections(thing)["Examples"])


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_a_public_function_begins_with_a_verb(function):
    assert first_sentence(function).split()[0] in VERBS


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_a_public_function_documents_each_parameter_and_what_it_returns(function):
    documented = [
        name.strip("*` ")
        for parameter in sections(function)["Parameters"]
        for name in parameter.name.split(",")
    ]
    parameters = inspect.signature(function).parameters
    named = [name for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD]
    assert named == documented[: len(named)]
    # Options that are handed on may be documented one by one.
    assert (len(parameters) > len(named)) == (len(documented) > len(named))
    assert all(parameter.desc for parameter in sections(function)["Parameters"])
    assert sections(function)["Returns"]


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_a_public_function_that_raises_says_so(function):
    body = inspect.getsource(function).rpartition('"""')[2]
    raised = set(re.findall(r"\braise (\w+Error)\b", body))
    assert raised <= {error.type for error in sections(function)["Raises"]}


SETTINGS = [thing for thing in CLASSES if issubclass(thing, ValidatedSettings)]


@pytest.mark.parametrize("kind", SETTINGS, ids=named)
def test_each_field_of_settings_has_a_comment_or_is_settings_itself(kind):
    lines = inspect.getsource(kind).splitlines()
    for before, line in pairwise(lines):
        field = re.match(r"    ([a-z]\w*): (\S+) = ", line)
        if field and "default_factory" not in line:
            assert before.strip().startswith("#:"), f"{kind.__name__}.{field[1]}"
