"""A sensitivity's chart and its table."""

import pandas as pd
import pytest
from rich.console import Console

import simlib as sl
from simlib.experiments.space import Axis
from simlib.studies.sensitivity.chart import save_sensitivity_chart
from simlib.studies.sensitivity.result import Sensitivity
from simlib.studies.sensitivity.text import sensitivity_in_words

CAP, JITTER = "client.backoff.cap_s", "client.backoff.jitter"
NAN = float("nan")
ROWS = [
    ("attempts", CAP, 0.60, 0.50, 0.70, 0.71, 0.66, 0.76),
    ("attempts", JITTER, -0.02, -0.10, 0.05, 0.30, 0.20, 0.68),
    ("lost", CAP, *[NAN] * 6),
    ("lost", JITTER, *[NAN] * 6),
]
COLUMNS = ["metric", "key", "first", "first_low", "first_high", "total", "total_low", "total_high"]


@pytest.fixture
def found():
    axes = (Axis(CAP, 5.0, 120.0), Axis(JITTER, choices=("none", "full")))
    return Sensitivity(
        sl.Scenario(name="storm", clients=1200),
        axes,
        "fleet",
        ("attempts", "lost"),
        3,
        pd.DataFrame(ROWS, columns=COLUMNS),
        pd.DataFrame({"attempts": [0.0] * 256}),
        pd.DataFrame(),
        note="A note.",
    )


def test_the_headline_names_who_decides_and_who_may_as_well(found):
    said = (
        "Of the variance of attempts, client.backoff.cap_s explains 71 % (66 to 76), alone 60 %; "
        "client.backoff.jitter (30 %) may matter as much. lost is the same all over the space."
    )
    assert said == found.headline


def test_each_setting_has_a_bar_and_a_dot_and_the_top_one_says_what_they_are(found):
    panel, empty = sl.sensitivity_chart(found)
    texts = [text.get_text() for text in panel.texts]
    assert ["71 % with others", "60 % alone", "30 %", "0 %"] == texts
    labels = [label.get_text() for label in panel.get_yticklabels()]
    assert [f"{CAP}\n5 to 120", f"{JITTER}\nnone, full"] == labels
    assert [0.71, 0.30] == [bar.get_width() for bar in panel.patches]
    dots = [float(line.get_xdata()[0]) for line in panel.lines if line.get_marker() == "o"]
    assert [0.60, 0.0] == dots
    assert (0.0, 1.0) == panel.get_xlim()
    assert "Attempts: cap_s has a part in 71 % of the variance, jitter in 30 %" == panel.get_title(
        loc="left"
    ).replace("\n", " ")
    assert "share of its variance in storm (1,200 clients), with 95 % intervals" == (
        panel.get_xlabel()
    )
    assert ["Nothing: the same all over the space."] == [t.get_text() for t in empty.texts]


def test_nothing_is_written_over_anything_else_or_cut_off(found, tmp_path):
    [panel, _] = sl.sensitivity_chart(found)
    figure = panel.figure
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in (*panel.texts, *panel.get_yticklabels())]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert 0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_the_table_fits_80_columns_and_leaves_out_what_nothing_decides(found):
    console = Console(width=80)
    with console.capture() as said:
        console.print(sensitivity_in_words(found))
    lines = said.get().splitlines()
    assert "256 points, 3 seeds each" == lines[1]
    [row] = [line.split() for line in lines if line.startswith(JITTER)]
    assert [JITTER, "none,", "full", "0", "%", "(0", "to", "5)", "30", "%"] == row[:10]
    assert [] == [line for line in lines if "Share of the variance of lost" in line]
    assert "A note." == lines[-1].strip()


def test_the_chart_is_a_file(found, tmp_path):
    file = save_sensitivity_chart(found, tmp_path)
    assert "sensitivity.png" == file.name
    assert file.read_bytes().startswith(b"\x89PNG")
