"""A run described: the sentences say what the numbers say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import simlib as sl
from simlib.charts.client_findings import find_spread
from simlib.charts.load_findings import find_admissions
from simlib.lab.observe.text import observation_in_words
from simlib.metrics.attempts import attempts_per_s, peak_after_faults
from simlib.metrics.run_sentences import describe_numbers

OUTAGE = sl.Fault("outage", start_s=5, stop_s=8)
LATER = sl.Fault("outage", start_s=15, stop_s=18)
QUIET = sl.Workload(rate_per_s=0)


def played(**settings):
    return sl.run(sl.Scenario(**({"clients": 20, "duration_s": 30, "workload": QUIET} | settings)))


def sentences(**settings):
    return sl.describe_run(played(**settings)).sentences


def test_everybody_back_is_told_with_the_half_and_the_last():
    trace = played(faults=[OUTAGE])
    values = sl.summary(trace).iloc[0]
    said = sl.describe_run(trace).sentences
    assert "All 20 clients were hit by the outage of 3 s" in said
    assert f"the last after {values['last_back_s']:.3g} s" in said
    assert f"half were back {values['time_to_recover_s_p50']:.3g} s after its end" in said


def test_who_never_comes_back_is_counted_and_lockstep_is_named():
    backoff = sl.Backoff(jitter="none", base_s=2.0, cap_s=2.0)
    server = sl.ServerSettings(workers=1, handshake_service_s=0.1, backlog=5)
    client = sl.Settings(backoff=backoff)
    said = sentences(clients=100, ramp_s=12, client=client, server=server, faults=[LATER])
    assert "did not before the end of the run; without jitter they all come again every 2 s" in said
    assert "times the 10 that the server can take" in said


@pytest.mark.parametrize("on", ["sim", "fleet"])
def test_clients_that_wait_for_a_sign_in_are_not_said_to_come_again(on):
    if on == "fleet":
        pytest.importorskip("numba")
    rejects = sl.Fault("reject", start_s=8, stop_s=12, status=401)
    client = sl.Settings(backoff=sl.Backoff(jitter="none", base_s=1.0, cap_s=1.0))
    asked = {"clients": 20, "duration_s": 60, "workload": QUIET, "client": client}
    trace = sl.run(sl.Scenario(**asked, faults=[rejects, sl.Fault("reset", start_s=9)]), on=on)
    said = sl.describe_run(trace).sentences
    last_s = np.flatnonzero(attempts_per_s(trace))[-1]
    assert f"before the end of the run; the last attempt was {59 - last_s} s before that." in said


def test_jitter_is_not_blamed():
    server = sl.ServerSettings(workers=1, handshake_service_s=0.5, backlog=5)
    said = sentences(clients=100, ramp_s=12, server=server, faults=[LATER])
    assert "did not before the end of the run." in said


def test_a_policy_that_gives_up_is_told():
    client = sl.Settings(backoff=sl.Backoff(max_attempts=1))
    said = sentences(clients=3, client=client, faults=[OUTAGE])
    assert "nobody came back before the end of the run" in said
    assert "3 clients gave up." in said


def test_losses_without_a_fault_are_told():
    server = sl.ServerSettings(silence_timeout_s=5.0)
    said = sentences(clients=4, server=server)
    assert said.startswith("No fault cut off the 4 clients, and connections were lost ")
    assert "half of the losses lasted up to" in said


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([], "No fault cut off the 20 clients."),
        ([sl.Fault("outage", start_s=5, stop_s=50)], "The outage of 45 s lasted to the end"),
        ([sl.Fault("reset", start_s=5)], "All 20 clients were hit by the reset: "),
        (
            [sl.Fault("reset", start_s=5, clients_fraction=0.5)],
            " of 20 clients were hit by",
        ),
        ([OUTAGE, sl.Fault("reset", start_s=15)], "Clients were hit 40 times by the 2 faults"),
    ],
)
def test_each_kind_of_fault_has_its_words(faults, expected):
    assert expected in sentences(faults=faults)


def test_messages_that_are_lost_or_under_way_are_counted():
    values = {"sent": 1000, "lost": 3, "undelivered": 2, "delivered_fraction": 0.995, "gave_up": 0}
    values |= {"peak_after_fault_per_s": np.nan, "peak_attempts_per_s": 1.0}
    said = describe_numbers(played(), values)
    assert "99.5 % of 1,000 messages arrived: 3 lost and 2 still under way at the end." in said
    nearly_all = describe_numbers(played(), values | {"delivered_fraction": 0.9999})
    assert " More than 99.9 % of" in nearly_all  # a sentence of its own


def test_a_run_of_the_fleet_is_described_with_the_same_words_as_in_sim():
    scenario = sl.Scenario(clients=200, duration_s=40, workload=QUIET, faults=[OUTAGE])
    sim, fleet = (sl.describe_run(sl.run(scenario, on=on)) for on in ("sim", "fleet"))
    assert sim.sentences == fleet.sentences
    assert sim.lines == fleet.lines


def test_only_numbers_that_say_something_are_shown():
    quiet = {line.words for line in sl.describe_run(played()).lines}
    assert not {"never recovered", "gave up", "latency, s"} & quiet
    hit = {line.words: line for line in sl.describe_run(played(faults=[OUTAGE])).lines}
    assert "0" == hit["never recovered"].value


def test_a_time_that_never_comes_is_called_never():
    client = sl.Settings(backoff=sl.Backoff(max_attempts=1))
    found = sl.describe_run(played(clients=3, client=client, faults=[OUTAGE]))
    assert ("never",) * 3 == next(
        line.quantiles for line in found.lines if line.words == "downtime, s"
    )


def test_the_peak_after_a_fault_leaves_out_what_the_outage_refused():
    tenths = np.zeros(100, np.int64)
    tenths[[12, 33]] = 50, 7
    scenario = sl.Scenario(duration_s=10, faults=[sl.Fault("outage", start_s=1, stop_s=2)])
    assert 7.0 == peak_after_faults(tenths, scenario, 10.0)
    assert np.isnan(peak_after_faults(tenths, sl.Scenario(duration_s=10), 10.0))


def test_the_peak_after_a_fault_stops_where_the_next_begins():
    tenths = np.zeros(100, np.int64)
    tenths[[25, 55]] = 3, 90
    faults = [sl.Fault("outage", start_s=s, stop_s=s + 1) for s in (1, 5)]
    assert 3.0 == peak_after_faults(tenths, sl.Scenario(duration_s=10, faults=faults), 10.0)


def test_a_description_shows_itself_in_a_notebook():
    html = sl.describe_run(played(faults=[OUTAGE]))._repr_html_()
    assert "were hit by the outage" in html
    assert "<table>" in html


def test_a_description_has_the_bars_and_the_worst_finding_of_lint_in_a_notebook_too():
    client = sl.Settings(backoff=sl.Backoff(jitter="none"))
    found = sl.describe_run(played(faults=[OUTAGE], client=client))
    html = found._repr_html_()
    assert found.hint.startswith("lint, error: ")
    assert "lint, error: " in html
    assert "attempts over time, from 0 to 30 s" in html
    assert "<pre>" in html
    assert "outage" in found.bars[2]


# --- words -------------------------------------------------------------------------------


def test_what_there_is_one_of_is_in_the_singular():
    server = sl.ServerSettings(accept_per_s=5)
    alone = sl.Scenario(clients=1, duration_s=12, server=server, workload=QUIET, faults=[OUTAGE])
    trace = sl.run(alone)
    shown = [
        repr(alone), repr(trace), repr(sl.describe_run(trace)), sl.presets["envoy"].waits,
        repr(sl.sweep(alone, {"seed": [1]}, 1, workers=1)),
        find_admissions(1, 1, after_fault=False), find_spread({"": (0.0, 8.0)}, 1),
        *observation_in_words(1, 1, 1, []),
    ]  # fmt: skip
    assert [] == [text for text in shown if re.search(r"(?<![\d.,])1 [a-z]+s\b", text)]


def test_percent_stands_apart_from_its_number_everywhere():
    root = Path(sl.__file__).parent
    assert [] == [
        f"{file.relative_to(root)}: {found}"
        for file in sorted(root.rglob("*.py"))
        for found in re.findall(r"\{[^{}\n]*%\}", file.read_text(encoding="utf-8"))
    ]
