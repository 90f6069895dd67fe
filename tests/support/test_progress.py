"""Progress: seen while work goes on, and nothing is left of it."""

import io
from contextlib import suppress

import pytest
from rich.console import Console

from simlib.support.progress import open_bar, progress_bar, show_progress


class Handle:
    """A place in a notebook."""

    def __init__(self, outputs):
        self._outputs = outputs

    def update(self, data, raw):
        assert raw
        self._outputs.append(data["text/plain"])


@pytest.fixture
def outputs(monkeypatch):
    """Pretend to be a notebook; return what it shows below a cell, in turn."""
    found = []

    def display(data, raw, display_id):
        assert (found, raw, display_id) == ([], True, True)
        found.append(data["text/plain"])
        return Handle(found)

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return found


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now_s = [100.0]
    monkeypatch.setattr("simlib.support.progress.monotonic", lambda: now_s[0])
    return now_s


def test_a_notebook_shows_one_line_and_nothing_is_left_of_it(outputs, clock):
    with progress_bar("playing") as move:
        clock[0] += 1.0
        move(0.25)
        move(0.3)  # too soon after
        clock[0] += 1.0
        move(0.5, "trial 3")
    quarter, half, end = outputs
    assert "\u2588" * 10 + "\u2591" * 30 + "  25 %  playing" == quarter
    assert half.endswith("  50 %  trial 3")
    assert "" == end


def test_what_is_over_at_once_shows_nothing_in_a_notebook(outputs, clock):
    with progress_bar("playing") as move:
        clock[0] += 0.4
        move(0.9)
    assert [] == outputs


def test_nothing_is_left_of_work_that_failed(outputs, clock):
    with suppress(RuntimeError), progress_bar("playing") as move:
        clock[0] += 1.0
        move(0.5)
        raise RuntimeError
    assert ("", 2) == (outputs[-1], len(outputs))


def test_nothing_is_shown_where_nobody_looks(capfd):
    with progress_bar("playing") as move:
        move(0.5)
    assert ("", "") == capfd.readouterr()


def test_a_caller_is_told_instead():
    told = []
    with show_progress(told.append, "playing") as move:
        move(0.5)
    assert [0.5] == told


def test_the_time_left_is_judged_by_steps_that_take_longer_than_a_minute():
    now_s = 0.0
    bar = open_bar(Console(file=io.StringIO()), get_time=lambda: now_s)
    task = bar.add_task("playing", total=1.0)
    for step in range(1, 6):
        # The end of a step is told twice, as where a run and its point end together.
        for fraction in (step / 10 - 0.001, step / 10):
            bar.update(task, completed=fraction)
            now_s += 0.01
        now_s += 60.0
    remaining_s = bar.tasks[0].time_remaining
    assert remaining_s is not None
    assert 200.0 < remaining_s < 400.0
