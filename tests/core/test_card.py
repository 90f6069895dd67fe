"""Every result and every setting shows itself shortly, in a terminal and in a notebook."""

import re
from dataclasses import fields

import pytest

import simlib as sl
from simlib.core.card import MOST_ROWS, Card

STORM = sl.Scenario(
    name="storm", clients=3, duration_s=10, faults=[sl.Fault("outage", start_s=2, stop_s=5)]
)


def test_a_card_is_the_same_in_text_and_html():
    card = Card("Two", (("a", "1"), ("b <c>", "22")), ("name", "value"), ("so far", ""))
    assert "Two\n  name   value\n  a      1\n  b <c>  22\nso far" == card.text()
    for part in (
        "<b>Two</b>",
        '<th style="text-align: left">value</th>',
        "b &lt;c&gt;",
        "<p>so far</p>",
    ):
        assert part in card.html()


def test_words_of_others_move_no_cursor():
    red = "\x1b[31m\x9b\u202e"
    text = Card(red, ((red, red),), (red, red), (f"two\n{red}",), lead=red).text()
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.startswith(r"\x1b[31m\x9b\u202e")
    assert "\ntwo\n" in text


def test_a_long_table_is_cut_and_says_so():
    rows = tuple((str(i),) for i in range(MOST_ROWS + 5))
    text = Card("Long", rows).text()
    assert text.endswith("and 5 more rows")
    assert MOST_ROWS + 2 == len(text.splitlines())


def test_forty_rows_are_shown_and_one_more_is_said():
    assert 40 == MOST_ROWS
    assert "more row" not in Card("Long", (("a", "1"),) * 40).text()
    assert Card("Long", (("a", "1"),) * 41).text().endswith("and 1 more row")
    assert 40 == Card("Long", (("a", "1"),) * 41).html().count("<tr>")


def test_a_line_is_a_hundred_characters_long_unless_little_is_left_for_the_last_column():
    words = "word " * 60
    lines = Card("Wide", (("name", words),), lead=words).text().splitlines()
    assert 100 >= max(map(len, lines)) > 94
    later = [line for line in lines if line.startswith("  ") and "name" not in line]
    assert {" " * 8} == {line[: len(line) - len(line.lstrip())] for line in later}
    narrow = Card("Wide", (("n" * 90, words),)).text().splitlines()[1:]
    assert 2 + 90 + 2 + 40 >= max(map(len, narrow)) > 2 + 90 + 2 + 34
    # Columns before it are as wide as their longest cell.
    table = Card("Two", (("a", "1", "x"), ("long", "22", ""))).text()
    assert "Two\n  a     1   x\n  long  22" == table


def test_settings_show_what_differs_from_the_defaults():
    assert "Backoff(base_s=0.3)" == repr(sl.Backoff(base_s=0.3))
    assert "Settings()" == repr(sl.Settings())
    assert "Fault(kind='reset', start_s=5)" == repr(sl.Fault("reset", start_s=5))


def test_what_settings_show_makes_the_same_settings():
    for preset in sl.presets.values():
        shown = eval(repr(preset.client), {"inf": float("inf")} | vars_of(preset.client))
        assert preset.client == shown


def vars_of(settings):
    """The classes of settings and of their parts, by name."""
    parts = [getattr(settings, item.name) for item in fields(settings)]
    return {type(each).__name__: type(each) for each in [settings, *parts]}


def test_a_scenario_shows_its_size_its_faults_in_time_and_what_differs():
    text = repr(STORM.replace("client.backoff.cap_s", 5))
    assert "Scenario storm: 3 clients, 10 s, seed 1" == text.splitlines()[0]
    assert re.search(r"fault 0 +▁▁▁▁█+▁+  outage since 2 s until 5 s", text)
    assert re.search(r"client\.backoff +1 s x 2 to 5 s, full jitter$", text, re.MULTILINE)
    assert len(text) < 400


@pytest.mark.parametrize(
    "made",
    [
        lambda: STORM,
        sl.Settings,
        lambda: sl.run(STORM),
        lambda: sl.replicate(STORM, 2),
        lambda: sl.paired(STORM, STORM.replace("clients", 2), n=3, metric="attempts"),
        lambda: sl.sweep(STORM, {"clients": [1, 2]}, workers=1),
        lambda: sl.export(sl.Settings(), "socket.io-client"),
        lambda: sl.lint(sl.presets["sockette"]),
        lambda: sl.presets,
        lambda: sl.presets["phoenix"],
    ],
)
def test_each_has_a_short_text_and_a_page_that_names_no_colour(made):
    text, page = repr(made()), made()._repr_html_()
    assert len(text) < 6000
    assert " at 0x" not in text
    assert "color" not in page
    assert re.split(r"\W", text)[0] in page


def test_a_backoff_says_itself_in_words():
    backoff = sl.Backoff(base_s=0.3, cap_s=2)
    assert "0.3 s x 2 to 2 s, full jitter" == backoff.in_words
    assert "<b>Backoff: 0.3 s x 2 to 2 s, full jitter</b>" in backoff._repr_html_()
