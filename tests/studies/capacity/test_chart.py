"""A capacity's chart and its table."""

import pytest
from rich.console import Console

import simlib as sl
from simlib.studies.capacity.chart import save_capacity_chart
from simlib.studies.capacity.text import capacity_in_words

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def found():
    storm = sl.load("data/scenarios/fleet_storm.toml")
    return sl.capacity(storm, 10, keys=["server.accept_per_s", "server.workers"])


def texts(axes):
    return [text.get_text() for text in axes.texts]


def dots(axes, marker):
    """The values at which a marker is drawn: o for runs that came to an end, x for the others."""
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return sorted(float(x) for line in lines for x in line.get_xdata())


def test_a_panel_marks_what_is_given_what_is_needed_and_within_what(found):
    rate, workers = sl.capacity_chart(found)
    [knob, _] = found.knobs
    needed = knob.in_words(knob.needed)
    assert ["not back\nin the run", "within 10 s", "as given: 30/s", needed] == texts(rate)
    assert ["within 10 s", "as given: 1"] == texts(workers)
    assert ("server.accept_per_s, handshakes per second", "all clients back after, s", "log") == (
        rate.get_xlabel(), rate.get_ylabel(), rate.get_xscale(),
    )  # fmt: skip
    assert f"server.accept_per_s: at least {needed}" == rate.get_title(loc="left")
    assert "server.workers: makes no difference" == workers.get_title(loc="left")


def test_every_value_played_is_a_dot_and_who_never_came_back_a_cross(found):
    rate, _ = sl.capacity_chart(found)
    points = found.knobs[0].points
    never = points["time_to_recover_s"] == float("inf")
    assert list(points["value"][~never]) == dots(rate, "o")
    assert list(points["value"][never]) == dots(rate, "x")
    assert never.any()


def test_the_table_fits_80_columns_with_a_row_per_knob(found):
    console = Console(width=80)
    with console.capture() as said:
        console.print(capacity_in_words(found))
    lines = said.get().splitlines()
    assert "fleet_storm on fleet: 300 clients, 40 s, seed 1" == lines[0]
    [row] = [line.split() for line in lines if line.startswith("server.accept_per_s")]
    assert ["30/s", "at", "least"] == row[1:4]
    assert any(line.startswith("server.workers") and "no difference" in line for line in lines)


def test_the_chart_is_a_file(found, tmp_path):
    file = save_capacity_chart(found, tmp_path)
    assert "capacity.png" == file.name
    assert file.read_bytes().startswith(b"\x89PNG")
