"""Pictures of the guide look as the charts do now: `python docs/pictures.py` draws them anew."""

import importlib.util
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

from simlib.charts.colours import forgotten

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "data" / "pictures"
#: Root mean square of the differences of pixels, of 255: a text that moves by a pixel is some 9.
TOLERANCE = 12.0
#: Pictures of a screen.
SHOTS = {"explorer", "review"}


def load_writers():
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PICTURES = load_writers()


@pytest.mark.few(1)
@pytest.mark.parametrize("name", PICTURES.SAME_EVERYWHERE)
def test_a_picture_of_the_guide_is_what_is_drawn_today(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    target = tmp_path / f"{name}.png"
    with forgotten():
        PICTURES.SAME_EVERYWHERE[name](target)
    assert compare_images(FOLDER / target.name, target, TOLERANCE) is None


def test_every_picture_is_written_by_the_script_or_is_one_of_a_screen():
    assert set(PICTURES.WRITERS) | SHOTS == {file.stem for file in FOLDER.glob("*.png")}


def test_the_examples_and_commands_that_pictures_are_made_by_are_in_the_guide():
    for page, command in (("sensitivity", "sensitivity"), ("tune", "tune")):
        text = (ROOT / "docs" / "guide" / f"{page}.md").read_text(encoding="utf-8")
        assert f"$ simlib {command} " in text
