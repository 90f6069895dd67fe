"""Names say their unit, settings say what they are, and a thing has one word."""

import ast
import io
import re
import tokenize
from dataclasses import fields, is_dataclass
from math import inf
from pathlib import Path

import pytest

from simlib.core.cohorts import Cohort
from simlib.core.faults import Fault
from simlib.core.path import Path as NetworkPath
from simlib.core.server_settings import ServerSettings
from simlib.core.settings import Settings
from simlib.core.validation import ValidatedSettings
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Hint, Workload

ROOT = Path(__file__).parents[1] / "simlib"
UNITS = ("_s", "_bytes", "_per_s", "_fraction")
#: Numbers without a unit: a ratio, and a parameter that means another thing per distribution.
BARE = {"exponent", "factor", "save_data_factor", "shape"}


def parts(kind: type[ValidatedSettings]) -> set[type[ValidatedSettings]]:
    """A settings class and those inside it."""
    inner = [f.default_factory for f in fields(kind) if is_dataclass(f.default_factory)]
    return {kind}.union(*map(parts, inner))


SETTINGS = sorted(
    parts(Scenario)
    | parts(Settings)
    | {Fault, Cohort, Hint, NetworkPath, ServerSettings, Workload},
    key=lambda kind: kind.__name__,
)


def annotated(kind: type[ValidatedSettings]) -> dict[str, tuple[str, str]]:
    """Each field's annotation and the line above it, or above its group of shares."""
    module = ROOT.parent / Path(*kind.__module__.split(".")).with_suffix(".py")
    text = module.read_text(encoding="utf-8")
    lines = text.splitlines()
    classes = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    body = next(node for node in classes if node.name == kind.__name__).body
    result, above = {}, ""
    for node in body:
        if isinstance(node, ast.AnnAssign):
            line = lines[node.lineno - 2].strip()
            # Shares that add up stand together under one comment.
            above = above if re.match(r"\w+_fraction:", line) else line
            result[node.target.id] = ast.unparse(node.annotation), above
    return result


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_every_float_names_its_unit_and_every_count_is_called_one(kind):
    for name, (annotation, _) in annotated(kind).items():
        if annotation in {"float", "tuple[float, ...]"}:
            assert name.endswith(UNITS) or name in BARE, name
        elif annotation in {"int", "Count"}:
            assert not name.endswith(UNITS) or name.endswith("_bytes"), name


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_what_may_be_without_limit_and_is_whole_is_a_count(kind):
    words = annotated(kind)
    for item in fields(kind):
        rule = item.metadata.get("rule")
        if rule is not None and rule.whole:
            assert (words[item.name][0] == "Count") == rule.endless, item.name
        if item.default == inf:
            assert words[item.name][0] in {"float", "Count"}, item.name


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_every_setting_says_what_it_is(kind):
    words = annotated(kind)
    for item in fields(kind):
        if not is_dataclass(item.default_factory):
            assert words[item.name][1].startswith(("#: ", "# ")), item.name


#: Words that have another word here: the part of an identifier, and what to say instead.
ONE_WORD = {
    "retry": "attempt, or resend",
    "retries": "attempts",
    "tries": "attempts",
    "sleep": "wait",
    "initial": "base",
    "noise": "jitter",
    "fuse": "breaker",
    "degrade": "fallback",
    "buffer": "outbox",
    "throughput": "goodput",
    "uptime": "availability",
    "mttr": "time to recover",
    "toxic": "fault",
    "ms": "seconds",
    "millis": "seconds",
    "percent": "a fraction",
}
#: Words of others: an HTTP header, functions of asyncio, a method of Matplotlib.
THEIRS = {"retry_after", "retry_after_s", "sleep", "buffer_rgba", "get_write_buffer_size"}


def identifiers(path: Path) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_thing_has_one_word(path):
    for name in identifiers(path) - THEIRS:
        pieces = re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower())
        wrong = {piece: ONE_WORD[piece] for piece in pieces if piece in ONE_WORD}
        assert not wrong, name
