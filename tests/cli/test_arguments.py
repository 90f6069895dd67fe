"""Values as they stand on the command line."""

import pytest

from simlib.cli import arguments
from simlib.cli.arguments import toml_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("'#'", "#"),
        ("[1, 2]", [1, 2]),
        ("full", "full"),
        ("5 # of them", "5 # of them"),
        ("5#", "5#"),
        ("5 # of them\n", "5 # of them\n"),
        ("5\nx = 1", "5\nx = 1"),
        ("5]\nx = [1", "5]\nx = [1"),
    ],
)
def test_a_value_is_read_as_toml_and_what_holds_more_than_a_value_is_a_text(text, value):
    assert value == toml_value(text)


def test_marks_of_a_comment_in_a_text_are_not_tried_one_by_one(monkeypatch):
    asked = []
    parse = arguments._parse
    monkeypatch.setattr(arguments, "_parse", lambda text: asked.append(text) or parse(text))
    assert "#" * 1000 == toml_value(f'"{"#" * 1000}"')
    assert 2 >= len(asked)
