"""The table of what is known: its verdicts, its words, and that it tells a wrong model."""

import json
from math import nan
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.studies.validate import validate as module
from simlib.studies.validate.case import HEADINGS, Known, KnownCase, Topic
from simlib.studies.validate.judge import ValidationRow, judge_number
from simlib.studies.validate.text import validation_as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "validation.md"


def check(reference=0.0, **more):
    return Known("a number", reference, "somebody", measure=lambda played: played, **more)


def row_of(samples, rows=100, **more):
    return judge_number(Topic.QUEUES, check(**more), np.asarray(samples, dtype=float), rows)


# --- verdicts ----------------------------------------------------------------------------


def test_a_table_of_right_numbers_fails_as_seldom_as_it_says():
    rng = np.random.default_rng(1)
    # Samples of the right mean, in tables of 20 rows: 1 % of the tables may have one that fails.
    tables = rng.exponential(1.0, (200, 20, 200))
    failed = sum(
        any(row_of(samples, rows=20, reference=1.0).verdict == "fails" for samples in table)
        for table in tables
    )
    # Two of 200 on average; the t interval of a skewed distribution is a little short.
    assert failed <= 10


def test_a_share_that_is_never_seen_is_judged_by_what_is_known():
    # Of 100 none: 1 % is possible, 20 % is not.
    assert "holds" == row_of([0.0] * 100, reference=0.01, is_share=True).verdict
    assert "fails" == row_of([0.0] * 100, reference=0.2, is_share=True).verdict


def test_what_has_no_chance_in_it_must_be_exact():
    assert "holds" == row_of([54.0], reference=54.0).verdict
    assert "fails" == row_of([53.0], reference=54.0).verdict
    assert "holds" == row_of([53.0], reference=54.0, leeway=1.0).verdict


def test_the_error_of_a_reference_widens_the_interval_and_more_rows_do():
    samples = np.random.default_rng(2).normal(5.0, 1.0, 50)
    plain = row_of(samples, reference=5.0)
    assert plain.half_width < row_of(samples, reference=5.0, reference_error=0.5).half_width
    assert plain.half_width < row_of(samples, rows=10_000, reference=5.0).half_width
    assert row_of([5.0], reference=5.3, reference_error=0.1).verdict == "holds"


def test_a_number_that_there_is_none_of_fails():
    assert "fails" == row_of([], reference=1.0).verdict
    assert "fails" == row_of([nan, 1.0], reference=1.0).verdict


# --- the table ---------------------------------------------------------------------------


def play_seed(seed, _has_fleet):
    if seed == 3:
        raise RuntimeError("the third one breaks")
    return np.array([float(seed)])


def play_with(monkeypatch, *cases):
    monkeypatch.setattr(module, "all_cases", lambda: list(cases))
    return sl.validate(workers=1, progress=lambda *_: None)


def test_rows_come_in_the_order_of_the_groups_and_have_a_verdict_each(monkeypatch):
    def case(group, reference, replications=2, **more):
        return KnownCase(group, play_seed, (check(reference),), replications, **more)

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    table = play_with(
        monkeypatch,
        case(Topic.QUEUES, 1.5),
        case(Topic.WAITS, 50.0, 1),
        case(Topic.WAITS, 1.0, 4),
        case(Topic.RETRIAL, 1.0, needs_fleet=True),
    )
    assert ["holds", "fails", "fails", "skipped"] == [row.verdict for row in table.rows]
    assert "the third one breaks" in table.rows[2].failure
    assert "1 of 4 rows holds, 2 fail, 1 skipped." == table.headline
    assert 4 == table.rows_in_all == len(table.frame())
    json.dumps(cli.output.json_text(table.to_json()))


def test_progress_ends_at_one_and_never_goes_back(monkeypatch):
    told = []
    cases = [
        KnownCase(Topic.QUEUES, play_seed, (check(1.0),), 2, cost_s=cost_s) for cost_s in (1, 5)
    ]
    monkeypatch.setattr(module, "all_cases", lambda: cases)
    sl.validate(workers=1, progress=lambda fraction, word: told.append((fraction, word)))
    fractions = [fraction for fraction, _ in told]
    assert sorted(fractions) == fractions
    assert (pytest.approx(1.0), "validating: 4 of 4 runs") == told[-1]


def test_every_group_has_a_heading_and_rows_of_names_that_differ():
    cases = module.all_cases()
    assert set(Topic) == set(HEADINGS) == {case.group for case in cases}
    names = [(case.group, check.name) for case in cases for check in case.checks]
    assert len(names) == len(set(names))
    # The first column of the table on a terminal.
    assert [] == [name for _, name in names if len(name) > 33]


def test_verdicts_do_not_depend_on_the_groups_that_are_asked_for(monkeypatch):
    cases = [
        KnownCase(Topic.QUEUES, play_seed, (check(1.5),), 2),
        KnownCase(Topic.WAITS, play_seed, (check(1.5),), 2),
    ]
    monkeypatch.setattr(module, "all_cases", lambda: cases)
    whole = sl.validate(workers=1, progress=lambda *_: None)
    part = sl.validate(["waits"], workers=1, progress=lambda *_: None)
    assert whole.rows[1:] == part.rows


# --- the command -------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(cli.main, ["validate", *arguments], terminal_width=80)


def test_the_command_prints_a_table_of_80_columns():
    result = run("--only", "handshakes", "--workers", "1")
    assert 0 == result.exit_code, result.output
    assert "80 ms round trip, TLS 1.3: open" in result.stdout
    assert "5 of 5 rows hold, none fail." in result.stdout
    assert all(len(line.rstrip()) <= 80 for line in result.stdout.splitlines())
    assert "Round trips of a handshake (handshakes)" in result.stdout


def test_the_command_fails_with_1_if_a_row_fails_and_writes_json(monkeypatch):
    cases = [KnownCase(Topic.QUEUES, play_seed, (check(70.0),), 1)]
    monkeypatch.setattr(module, "all_cases", lambda: cases)
    result = run("--workers", "1", "--json")
    assert 1 == result.exit_code
    [row] = json.loads(result.stdout)["rows"]
    assert ("fails", 70.0, 1.0, -69.0) == (
        row["verdict"], row["reference"], row["value"], row["difference"],
    )  # fmt: skip


def test_an_unknown_group_is_bad_input():
    result = run("--only", "queue")
    assert 2 == result.exit_code
    assert "is no group" in result.output
    assert "queues" in result.output


# --- the page ----------------------------------------------------------------------------


def test_the_page_has_the_rows_of_the_command():
    cases = module.all_cases()
    page = PAGE.read_text(encoding="utf-8")
    for case in cases:
        assert f"### {HEADINGS[case.group]}" in page
    written = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines()]
    names = [check.name for case in cases for check in case.checks]
    assert [] == [name for name in names if name not in written]
    # And no other ones.
    rows = [line for line in page.splitlines() if line.endswith(" |") and "holds |" in line]
    assert len(names) == len(rows)


@pytest.fixture(scope="module")
def whole():
    pytest.importorskip("numba")
    return sl.validate(progress=lambda *_: None)


@pytest.mark.slow
@pytest.mark.long
def test_all_rows_hold(whole):
    assert [] == [f"{row.name}: {row.value} +- {row.half_width}" for row in whole.failures]
    assert {"holds"} == {row.verdict for row in whole.rows}


@pytest.mark.slow
@pytest.mark.long
def test_the_page_has_the_table_that_the_command_gives(whole):
    table = f"<!-- validation -->\n{validation_as_markdown(whole)}\n<!-- end of validation -->"
    assert table in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.long
def test_an_interval_is_narrow_enough_to_say_something(whole):
    # A chance of 0 has no share: it is held to a twentieth.
    wide = [row.name for row in whole.rows if row.half_width > 0.25 * max(abs(row.reference), 0.2)]
    assert [] == wide


@pytest.mark.slow
@pytest.mark.long
def test_no_line_of_the_table_is_wrapped_at_80_columns(whole):
    # As the widths of `validate/text.py`.
    for row in whole.rows:
        assert [33, 9, 18, 8, 7] == [
            max(width, len(text))
            for width, text in zip((33, 9, 18, 8, 7), (row.name, *module.cells(row)), strict=True)
        ]


def test_a_row_shows_its_interval_only_if_it_has_one():
    exact = ValidationRow(Topic.QUEUES, "n", "", "theory", 54.0, 54.0, 5e-8, 1)
    assert ("54", "54", "0", "holds") == module.cells(exact)


def test_small_numbers_have_a_digit_less_so_that_they_fit():
    small = ValidationRow(Topic.QUEUES, "n", "s", "theory", 0.00722123, 0.00734456, 0.00089, 24)
    assert ("0.00722 s", "0.00734 +- 0.00089", "+1.7 %", "holds") == module.cells(small)
    near = ValidationRow(Topic.QUEUES, "n", "s", "theory", 1100.0, 1100.0803, 1.0, 24)
    assert "+0.007 %" == module.cells(near)[2]


def test_large_numbers_are_written_out():
    large = ValidationRow(Topic.AWS, "calls", "", "theory", 5609.2, 5621.4, 183.0, 20)
    assert ("5,609", "5,621 +- 180", "+0.22 %", "holds") == module.cells(large)


def test_on_a_page_a_source_that_all_rows_share_is_said_once():
    one, other = (
        ValidationRow(Topic.QUEUES, "wait", "s", source, 2.0, 2.1, 0.2, 24)
        for source in ("Erlang (1917)", "Cobham (1954)")
    )
    shared = validation_as_markdown(module.Validation((one, one), 2))
    assert "each reference: Erlang (1917).\n\n| what |" in shared
    assert 1 == shared.count("Erlang")
    mixed = validation_as_markdown(module.Validation((one, other), 2))
    assert "| holds | Erlang (1917) |" in mixed
    assert "| holds | Cobham (1954) |" in mixed
