"""A claim's chart and its row in the table."""

from math import inf

import pytest
from rich.console import Console

import simlib as sl
from simlib.studies.claims.chart import claim_chart, save_claim_charts
from simlib.studies.claims.claims import claims
from simlib.studies.claims.text import claims_in_words

NAMES = ["reconnects under 5 s", "no attempts while open"]


@pytest.fixture(scope="module")
def findings():
    return claims(sl.load("data/scenarios/report_claims.toml"), 20, names=NAMES)


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.slow
def test_a_chart_marks_what_is_claimed_and_where_it_stops_to_hold(findings):
    failing, holding = findings
    axes = claim_chart(failing)
    assert ["claimed: at most 5 s", f"holds up to {failing.edge:.3g} s (outage)"] == texts(axes)
    assert ("outage, s", "time to recover, s") == (axes.get_xlabel(), axes.get_ylabel())
    title, below = (axes.get_title(loc=where).replace("\n", " ") for where in ("left", "right"))
    assert f"Does not hold: {failing.claim.sentence}".rstrip(".") == title
    assert below.startswith("Claimed at most 5 s, found ")
    # A claim that holds wherever it was tried has no edge to mark.
    assert (inf, ["claimed: at most 0"]) == (holding.edge, texts(claim_chart(holding)))


def test_a_table_has_a_row_per_claim_with_its_verdict(findings):
    console = Console(width=140, record=True, file=None, quiet=True)
    console.quiet = False
    with console.capture() as said:
        console.print(claims_in_words(findings))
    lines = said.get().splitlines()
    assert any("reconnects under 5 s" in line and "fails" in line for line in lines)
    assert any("no attempts while open" in line and "240+ (outage, s)" in line for line in lines)


def test_each_claim_has_a_file(findings, tmp_path):
    files = save_claim_charts(findings, tmp_path)
    assert ["claim_reconnects_under_5_s.png", "claim_no_attempts_while_open.png"] == [
        file.name for file in files
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
