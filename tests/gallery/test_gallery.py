"""The gallery: every picture has a name and a question, and the page shows what was written."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from simlib import cli
from simlib.gallery import write
from simlib.gallery.chart import PICTURES
from simlib.gallery.write import PAGE, Written, page, write_gallery

#: Drawn from one short run each; the others have tests where their studies are.
QUICK = (
    "attempts", "admissions", "server", "swimlanes", "sequence", "backoff", "outbox", "waterfall",
    "latency_by_priority", "state_diagram",
)  # fmt: skip


def invoke(*arguments):
    return CliRunner().invoke(cli.main, ["gallery", *arguments])


def test_each_picture_has_a_name_and_a_question_of_its_own():
    for part in ("name", "question"):
        values = [getattr(picture, part) for picture in PICTURES]
        assert len(set(values)) == len(values)
    assert all(picture.question.endswith("?") for picture in PICTURES)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", QUICK)
def test_a_picture_is_drawn_at_1280_by_720(tmp_path, name):
    result = invoke(name, "--out", str(tmp_path))
    assert 0 == result.exit_code, result.output
    assert str(tmp_path / f"{name}.png") == result.stdout.strip()
    with Image.open(tmp_path / f"{name}.png") as picture:
        size = picture.size
    assert 1280 == size[0]
    assert 720 == size[1]


@pytest.mark.slow
def test_the_page_shows_the_pictures_with_their_findings(tmp_path):
    progress = []
    write_gallery(tmp_path, ["attempts", "storm"], lambda *given: progress.append(given))
    text = (tmp_path / PAGE).read_text()
    assert 'src="attempts.png" alt="' in text
    assert 'src="storm.webp" alt="' in text
    assert "Is there a storm?" in text
    assert [(0.0, "drawing attempts"), (0.5, "drawing storm")] == progress
    assert ["attempts.png", PAGE, "storm.webp"] == sorted(file.name for file in tmp_path.iterdir())


def test_a_picture_that_cannot_be_drawn_is_left_out_and_it_is_said_why(tmp_path, monkeypatch):
    def fail():
        raise write.SimlibError("needs <something>")

    monkeypatch.setattr(write, "PICTURES", (write.Picture("a", "A?", "a()", fail),))
    result = invoke("--out", str(tmp_path))
    assert 0 == result.exit_code
    assert "Not drawn: a: needs <something>" in result.stderr
    assert "Not drawn: needs &lt;something&gt;" in (tmp_path / PAGE).read_text()


def test_an_unknown_name_is_refused_before_anything_is_drawn(tmp_path):
    result = invoke("recovry", "--out", str(tmp_path / "new"))
    assert 2 == result.exit_code
    assert 'is no picture (did you mean "recovery"?)' in result.stderr
    assert not (tmp_path / "new").exists()


def test_as_json_each_picture_has_its_file_and_what_it_shows(tmp_path):
    result = invoke("state_diagram", "--json", "--out", str(tmp_path))
    (picture,) = json.loads(result.stdout)["pictures"]
    assert str(tmp_path / "state_diagram.png") == picture["file"]
    assert "6 states" in picture["text"]


def test_what_stands_on_the_page_is_escaped():
    text = page([Written(PICTURES[0], None, '"><script>')])
    assert "<script>" not in text
