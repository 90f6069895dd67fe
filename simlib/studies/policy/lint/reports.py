"""Lint's findings in the forms of other programs: GitHub's annotations, SARIF, JUnit."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from simlib import __version__
from simlib.studies.policy.lint import RULES, LintFinding, worst
from simlib.studies.policy.lint.places import find_line, key_of, lines_of

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: What each program calls a severity.
_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
_SARIF = {"error": "error", "warning": "warning", "info": "note"}
#: What XML 1.0 cannot hold, escaped or not.
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class LintedTarget:
    """A scenario or preset that was checked: what was found, and in which file if it has one."""

    name: str
    clients: int
    findings: Sequence[LintFinding]
    #: Findings of rules that are ignored.
    ignored: int = 0
    file: Path | None = None
    lines: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        clients: int,
        found: Sequence[LintFinding],
        ignore: Sequence[str],
        file: Path | None,
    ) -> LintedTarget:
        """Return what was found, without what is ignored, with the lines of the file's keys."""
        kept = [finding for finding in found if finding.rule not in ignore]
        return cls(name, clients, kept, len(found) - len(kept), file, lines_of(file))

    @property
    def worst(self) -> str:
        """The worst severity."""
        return worst(list(self.findings))

    def line(self, finding: LintFinding) -> int:
        """Return the line of the key that a finding is about; 1 if it is not set in the file."""
        return find_line(finding, self.lines)

    def to_json(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        rows = [finding.to_json() | self._place(finding) for finding in self.findings]
        return {
            "target": self.name,
            "clients": self.clients,
            "worst": self.worst,
            "ignored": self.ignored,
            "findings": rows,
        }

    def _place(self, finding: LintFinding) -> dict[str, Any]:
        place: dict[str, Any] = {"key": key_of(finding)}
        return place if self.file is None else place | {"line": self.line(finding)}


def lint_document(targets: Sequence[LintedTarget]) -> dict[str, Any]:
    """Return one target's document, or those of several in a list with the worst severity."""
    documents = [target.to_json() for target in targets]
    if len(documents) == 1:
        return documents[0]
    return {
        "worst": worst([finding for target in targets for finding in target.findings]),
        "targets": documents,
    }


def github_annotations(targets: Sequence[LintedTarget]) -> str:
    """Return findings as GitHub's workflow commands, which show them beside the lines."""
    lines = [_annotation(target, finding) for target in targets for finding in target.findings]
    return "".join(f"{line}\n" for line in lines)


def _annotation(target: LintedTarget, finding: LintFinding) -> str:
    places = {}
    if target.file is not None:
        places = {"file": _uri(target.file), "line": str(target.line(finding))}
    properties = places | {"title": f"simlib lint: {finding.rule}"}
    said = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items())
    return f"::{_GITHUB[finding.severity]} {said}::{_escape_data(_message(target, finding))}"


def _message(target: LintedTarget, finding: LintFinding) -> str:
    where = "" if target.file is not None else f"{target.name}: "
    return f"{where}{finding.sentence} What to do: {finding.remedy}."


def _escape_data(text: str) -> str:
    for letter, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(letter, escaped)
    return text


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _uri(file: Path) -> str:
    """Return a file as programs show it: from the working folder, with forward slashes."""
    full = file.resolve()
    here = Path.cwd().resolve()
    return (full.relative_to(here) if full.is_relative_to(here) else full).as_posix()


def sarif(targets: Sequence[LintedTarget]) -> str:
    """Return findings as a SARIF 2.1.0 log, as GitHub's code scanning and editors read it."""
    names = list(RULES)
    rules = [
        {"id": name, "shortDescription": {"text": describe_rule(name)}, "help": {"text": _HELP}}
        for name in names
    ]
    driver = {"name": "simlib", "version": __version__, "rules": rules}
    results = [
        _result(target, finding, names.index(finding.rule))
        for target in targets
        for finding in target.findings
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return (
        json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"
    )


_HELP = "simlib lint explains each finding, and says what to do."


def describe_rule(name: str) -> str:
    """Return what a rule looks for.

    Examples
    --------
    >>> describe_rule("no-jitter")
    'Find clients that were lost together and come back together, each time.'
    """
    return (inspect.getdoc(RULES[name]) or name).partition("\n")[0]


def _result(target: LintedTarget, finding: LintFinding, index: int) -> dict[str, Any]:
    logical = [{"fullyQualifiedName": f"{target.name}: {key_of(finding)}"}]
    location: dict[str, Any] = {"logicalLocations": logical}
    if target.file is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _quote(_uri(target.file))},
            "region": {"startLine": target.line(finding)},
        }
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _SARIF[finding.severity],
        "message": {"text": _message(target, finding)},
        "locations": [location],
    }


def _quote(path: str) -> str:
    from urllib.parse import quote

    return quote(path) if not path.startswith("/") else f"file://{quote(path)}"


def junit(targets: Sequence[LintedTarget]) -> str:
    """Return findings as JUnit's XML: a suite for each target, a case for each rule.

    Errors and warnings are failures; an info is what its case says on its output.
    """
    suites = ET.Element("testsuites", name="simlib lint")
    for target in targets:
        suite = ET.SubElement(suites, "testsuite", name=_xml(target.name))
        for rule in RULES:
            _add_case(suite, target, rule)
        failures = sum(1 for _ in suite.iter("failure"))
        suite.attrib |= {"tests": str(len(RULES)), "failures": str(failures), "errors": "0"}
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add_case(suite: ET.Element, target: LintedTarget, rule: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=_xml(target.name), name=rule)
    found = [finding for finding in target.findings if finding.rule == rule]
    if target.file is not None:
        case.attrib |= {"file": _xml(_uri(target.file))}
        case.attrib |= {"line": str(target.line(found[0]))} if found else {}
    for finding in found:
        text = _xml(f"{finding.where}: {_message(target, finding)}")
        if finding.severity == "info":
            ET.SubElement(case, "system-out").text = text
        else:
            failure = ET.SubElement(case, "failure", type=finding.severity)
            failure.attrib |= {"message": _xml(finding.sentence)}
            failure.text = text


def _xml(text: str) -> str:
    """Return a text without what XML cannot hold; the rest is escaped where it is written."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
