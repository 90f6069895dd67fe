"""Attempts that were really made, drawn over those of a run: in Python and on the command line."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.trace.trace import Trace

SMALL = sl.Scenario(name="small", clients=4, duration_s=10, ramp_s=2, faults=[sl.Fault("reset", 5)])
HERE = '::1 - - [31/Jan/2026:10:00:{s:02d} +0000] "GET /ws HTTP/1.1" {status} 0 "-" "-"\n'


@pytest.fixture(scope="module")
def trace():
    return sl.run(SMALL)


@pytest.fixture
def log(tmp_path, monkeypatch) -> Path:
    """A log of four attempts that failed and one connection that ended, in a working folder."""
    monkeypatch.chdir(tmp_path)
    lines = [(10, 503), (11, 503), (11, 502), (14, 101), (40, 503)]
    Path("access.log").write_text("".join(HERE.format(s=s, status=status) for s, status in lines))
    return Path("access.log")


def drawn(axes, name: str) -> list[float]:
    (line,) = [line for line in axes.lines if line.get_label().startswith(name)]
    return np.asarray(line.get_ydata()).tolist()


def words(axes) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in axes.texts]


def test_observed_attempts_are_drawn_by_the_second_over_those_of_the_run(trace, log):
    axes = sl.plots.attempts(trace, observed=log)
    assert [1, 2, *[0] * 9] == drawn(axes, "observed (dashed)")
    assert [0, 0, 0, 0, 1, *[0] * 6] == drawn(axes, "observed ends")
    assert {"simulated", "observed (dashed)"} <= set(words(axes))
    (note,) = [text for text in words(axes) if text.startswith("observed: ")]
    assert (
        "observed: access.log, its first attempt is put at the run's first, 0 s; 1 of 5 lie "
        "outside of the run" == note
    )


def test_the_clock_of_a_log_is_aligned_by_the_user_s_word(trace, log):
    seen = sl.read_attempts(log)
    axes = sl.plots.attempts([trace], observed=seen, observed_start="2026-01-31T10:00:08Z")
    assert [0, 0, 1, 2, *[0] * 7] == drawn(axes, "observed (dashed)")
    assert any("0 s is 2026-01-31 10:00:08 UTC" in text for text in words(axes))


def test_without_observed_attempts_a_chart_is_as_before(trace):
    assert "simulated" not in words(sl.plots.attempts(trace))


def test_observed_attempts_are_drawn_over_an_empty_run(log):
    empty = Trace("sim", SMALL, end_s=3.0)
    assert [1, 2, 0, 0] == drawn(sl.plots.attempts(empty, observed=log), "observed (dashed)")


def test_observed_attempts_without_a_run_are_refused(log):
    with pytest.raises(sl.SettingsError, match=r"traces = .*must have a run, to draw observed"):
        sl.plots.attempts([], observed=log)


def run(*arguments: str):
    return CliRunner().invoke(cli.main, ["run", "small.toml", *arguments])


def test_run_draws_observed_attempts_into_the_folder_of_its_scenario(log):
    Path("small.toml").write_text(sl.dump(SMALL))
    result = run("--observed", "access.log")
    assert 0 == result.exit_code, result.output
    assert "4 attempts in access.log (nginx), from 2026-01-31 10:00:10 UTC on" in result.stderr
    assert "nginx writes these when a connection ends" in result.stderr
    drawing = Path("out/small/attempts.svg").read_text()
    assert "observed: access.log" in drawing


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--observed", "no.log"), "no.log: cannot be read: No such file or directory"),
        (("--observed", "small.toml"), "small.toml: row 1 = "),
        (
            ("--observed", "access.log", "--observed-start", "noon"),
            '--observed-start = "noon": must be a moment, as 2026-01-31T10:00:00Z',
        ),
    ],
)
def test_what_is_wrong_with_a_log_is_said_before_anything_is_played(log, more, sentence):
    Path("small.toml").write_text(sl.dump(SMALL))
    result = run(*more)
    assert (2, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith(f"Error: {sentence}")
    assert 1 == result.stderr.count("\n")
    assert not Path("out").exists()
