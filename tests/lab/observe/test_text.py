"""The lab's attempts on a terminal: lines, and a screen of 80 columns."""

from math import nan

from rich.console import Console

from simlib.lab.observe.observation import Attempt
from simlib.lab.observe.script import Phase, Script
from simlib.lab.observe.text import Lines, ObservationScreen, attempt_line

PHASES = (Phase(attempts=2, longest_s=30), Phase(kind="close", code=1012))


def attempt(at_s=1.0, **more):
    return Attempt(0, "status", "503", 0, "h:1", at_s, ended_s=at_s, **more)


def test_lines_tell_everything_in_order():
    told = []
    lines = Lines(told.append)
    lines.listening(["ws://127.0.0.1:9/ws"])
    lines.began(0, PHASES[0], 0.0)
    lines.on_accept(each := attempt(), 0.25)
    lines.on_end(each)
    lines.on_note("odd")
    assert "Listening on ws://127.0.0.1:9/ws" == told[0]
    assert "status 503 (2 attempts or 30 s)" in told[1]
    assert "client 0  after 0.250 s" in told[2]
    assert told[3].endswith("note: odd")


def test_of_a_flood_it_is_told_how_many_there_were():
    told = []
    lines = Lines(told.append)
    for i in range(500):
        lines.on_end(attempt(at_s=1.0 + i / 1000.0))
    lines.on_end(attempt(at_s=2.5))
    assert 52 == len(told)
    assert "and 450 more attempts in that second" in told[50]


def test_a_line_says_who_ended_it():
    opened = Attempt(0, "no_pong", "", 1, "", 1.0, answered_s=1.0, opened=True)
    assert attempt_line(opened, nan).endswith("first  still there")
    opened.ended_s, opened.ended_by = 3.0, "client"
    assert attempt_line(opened, 0.5).endswith("after 0.500 s  open for 2.000 s, it left")


def test_the_screen_fits_80_columns_and_shows_the_phase_the_waits_and_the_notes():
    pictures = []
    screen = ObservationScreen(Script(phases=PHASES), pictures.append)
    screen.listening([f"ws://127.0.0.1:{port}/ws" for port in range(40000, 40009)])
    screen.began(1, PHASES[1], 3.0)
    for i in range(30):
        screen.on_accept(attempt(at_s=3.0 + i), 1.0)
    screen.on_note(
        "a client asked for /a/rather/long/path/of/an/odd/client, not /ws: it is answered"
    )
    console = Console(width=80)
    with console.capture() as caught:
        console.print(screen.picture())
    text = caught.get()
    assert all(len(each) <= 80 for each in text.splitlines())
    assert "phase 1: close 1012 (3 attempts or 30 s), 0 to come" in text
    assert "32.000" in text
    assert "Ctrl-C ends it" in text
    assert "/a/rather/long/path" in text
