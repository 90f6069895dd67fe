"""Findings in the forms of other programs: GitHub's annotations, SARIF, JUnit."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import simlib as sl
from simlib.studies.policy.lint import RULES, lint
from simlib.studies.policy.lint.reports import (
    LintedTarget,
    github_annotations,
    junit,
    lint_document,
    sarif,
)

TEXT = """\
clients = 50
[client]
preset = "phoenix"
[client.heartbeat]
interval_s = 80
"""
#: What each form must escape.
NASTY = 'a b,c%3A;<&">\N{LATIN SMALL LETTER E WITH ACUTE}'


def linted(name: str, ignore=()) -> LintedTarget:
    """A target that is a file in the working folder."""
    file = Path(name)
    file.write_text(TEXT, encoding="utf-8")
    return LintedTarget.of(name, 50, lint(sl.load(file)), ignore, file)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_findings_point_to_the_key_or_to_the_table_that_it_would_stand_in():
    target = linted("a.toml")
    lines = {finding.rule: target.line(finding) for finding in target.findings}
    assert 5 == lines["heartbeat-slow"]
    assert 2 == lines["no-jitter"]


def test_github_gets_a_command_for_each_finding_with_file_and_line():
    lines = github_annotations([linted("a.toml")]).splitlines()
    assert len(lint(sl.load("a.toml"))) == len(lines)
    (heartbeat,) = [line for line in lines if "heartbeat-slow" in line]
    assert heartbeat.startswith(
        "::warning file=a.toml,line=5,title=simlib lint%3A heartbeat-slow::The heartbeat of 80 s"
    )
    assert {"::error", "::warning", "::notice"} == {line.partition(" ")[0] for line in lines}


def test_github_s_properties_and_data_are_escaped():
    (line, *_) = github_annotations([linted(f"{NASTY}.toml")]).splitlines()
    assert 'file=a b%2Cc%253A;<&">é.toml,line=2,title' in line
    finding = linted("a.toml").findings[0]
    odd = LintedTarget("preset:x", 1, [type(finding)(**vars(finding) | {"sentence": "a\n::b%"})])
    (only,) = github_annotations([odd]).splitlines()
    assert "::preset:x: a%0A::b%25 What to do" in only


def test_a_target_without_a_file_is_named_in_the_message():
    preset = LintedTarget.of("preset:phoenix", 100, lint(sl.presets["phoenix"]), (), None)
    for line in github_annotations([preset]).splitlines():
        assert "file=" not in line
        assert "::preset:phoenix: " in line


def test_sarif_has_what_its_standard_demands():
    targets = [linted("a.toml"), linted(f"{NASTY}.toml")]
    log = json.loads(sarif(targets))
    assert "2.1.0" == log["version"]
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert ("simlib", sl.__version__) == (driver["name"], driver["version"])
    assert list(RULES) == [rule["id"] for rule in driver["rules"]]
    assert sum(len(target.findings) for target in targets) == len(run["results"])
    for result in run["results"]:
        assert result["ruleId"] == driver["rules"][result["ruleIndex"]]["id"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["region"]["startLine"] >= 1
        assert place["artifactLocation"]["uri"] in {
            "a.toml", "a%20b%2Cc%253A%3B%3C%26%22%3E%C3%A9.toml",
        }  # fmt: skip


def test_sarif_of_a_preset_has_a_name_in_the_place_of_a_file():
    preset = LintedTarget.of("preset:phoenix", 100, lint(sl.presets["phoenix"]), (), None)
    (result, *_) = json.loads(sarif([preset]))["runs"][0]["results"]
    (place,) = result["locations"]
    assert ["logicalLocations"] == list(place)
    assert (
        "preset:phoenix: client.backoff.jitter"
        == (place["logicalLocations"][0]["fullyQualifiedName"])
    )


def test_a_file_elsewhere_has_its_whole_path(tmp_path):
    target = linted("a.toml")
    elsewhere = tmp_path.parent / "b c.toml"
    elsewhere.write_text(TEXT)
    moved = LintedTarget("b", 1, target.findings, 0, elsewhere, target.lines)
    (result, *_) = json.loads(sarif([moved]))["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert elsewhere.as_uri() == uri


def test_junit_has_a_suite_for_each_target_and_a_case_for_each_rule():
    targets = [linted("a.toml"), LintedTarget("clean", 1, [])]
    root = ET.fromstring(junit(targets))
    first, second = root.iter("testsuite")
    assert ("a.toml", str(len(RULES)), "0") == (
        first.get("name"),
        first.get("tests"),
        first.get("errors"),
    )
    loud = [finding for finding in targets[0].findings if finding.severity != "info"]
    assert str(len(loud)) == first.get("failures")
    assert {finding.rule for finding in loud} == {
        case.get("name") for case in first.iter("testcase") if case.find("failure") is not None
    }
    (heartbeat,) = [case for case in first.iter("testcase") if case.get("name") == "heartbeat-slow"]
    assert ("a.toml", "5") == (heartbeat.get("file"), heartbeat.get("line"))
    assert "0" == second.get("failures")
    assert list(RULES) == [case.get("name") for case in second.iter("testcase")]


def test_an_info_is_no_failure_in_junit():
    root = ET.fromstring(junit([linted("a.toml")]))
    said = [case for case in root.iter("testcase") if case.find("system-out") is not None]
    assert ["outbox-unbounded"] == [
        case.get("name") for case in said if case.get("name") == "outbox-unbounded"
    ]
    assert [] == [case for case in said if case.find("failure") is not None]


def test_junit_is_xml_whatever_names_and_sentences_hold():
    finding = linted("a.toml").findings[0]
    odd = type(finding)(**vars(finding) | {"sentence": "<b>&amp;]]>\"\x00\x1b\ud800\n\t'"})
    root = ET.fromstring(junit([LintedTarget(f"{NASTY}\x07", 1, [odd])]))
    (suite,) = root.iter("testsuite")
    assert f"{NASTY}\N{REPLACEMENT CHARACTER}" == suite.get("name")
    (failure,) = root.iter("failure")
    assert '<b>&amp;]]>"' + 3 * "\N{REPLACEMENT CHARACTER}" in failure.text


def test_what_is_ignored_is_counted_and_left_out():
    target = linted("a.toml", ["no-jitter", "flapping", "jitter-narrow"])
    assert 2 == target.ignored
    assert 2 == target.to_json()["ignored"]
    assert {"no-jitter", "flapping"}.isdisjoint(finding.rule for finding in target.findings)


def test_several_targets_are_one_document_with_the_worst_of_all():
    document = lint_document([LintedTarget("clean", 1, []), linted("a.toml")])
    assert "error" == document["worst"]
    assert ["clean", "a.toml"] == [each["target"] for each in document["targets"]]
    assert "a.toml" == lint_document([linted("a.toml")])["target"]
    findings = document["targets"][1]["findings"]
    assert ("client.backoff.jitter", 2) == (findings[0]["key"], findings[0]["line"])
