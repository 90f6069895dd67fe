"""A client's run as a sequence diagram: what went to and fro, in order, and nothing else."""

import re

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.charts.sequence import draw_sequence
from simlib.cli import main
from simlib.trace.sequence import Arrow, list_sequence_steps, to_mermaid


@pytest.fixture(scope="module")
def trace():
    outage = sl.Fault("outage", start_s=5, stop_s=9)
    client = sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=2, jitter="none"))
    return sl.run(sl.Scenario(clients=2, duration_s=20, client=client, faults=[outage]))


def test_steps_are_the_client_s_attempts_answers_and_waits_in_order(trace):
    steps = list_sequence_steps(trace, 1)
    assert [step.time_s for step in steps] == sorted(step.time_s for step in steps)
    opens = [step for step in steps if step.arrow == Arrow.TO_SERVER]
    frame = trace.frame()
    attempts = frame[(frame["client"] == 1) & (frame["name"] == "open")]
    assert len(attempts) == len(opens)
    assert ["outage begins", "outage ends"] == [s.text for s in steps if s.arrow == Arrow.FAULT]
    assert opens[-1].text.replace("opens", "").strip() + " is open" == steps[-1].text


def test_what_is_too_long_is_counted(trace):
    steps = list_sequence_steps(trace, 1, most=4)
    assert 4 == len(steps)
    assert re.match(r"and \d+ steps more, until \d", steps[-1].text)


def test_an_unknown_client_is_refused(trace):
    with pytest.raises(sl.SimlibError, match="there is no client 7"):
        list_sequence_steps(trace, 7)


def test_mermaid_has_a_line_for_each_step_and_no_sign_that_would_end_it(trace):
    steps = list_sequence_steps(trace, 1)
    text = to_mermaid(steps, 1)
    assert len(steps) + 3 == len(text.splitlines())
    assert not {";", "#"} & set(text)


def test_the_chart_says_each_step(trace):
    steps = list_sequence_steps(trace, 0)
    words = {text.get_text() for text in draw_sequence(steps, 0).texts}
    assert {step.text for step in steps} <= words


def test_the_command_prints_the_diagram():
    found = CliRunner().invoke(
        main, ["story", "first_outage", "--client", "3", "--format", "mermaid"]
    )
    assert 0 == found.exit_code, found.output
    assert found.stdout.startswith("sequenceDiagram\n")
