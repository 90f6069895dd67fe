"""How a run stands, as a picture and as a line."""

import io
from dataclasses import replace
from math import nan

import pytest
from rich.console import Console

import simlib as sl
from simlib.core.events import Reason
from simlib.core.notices import Notice
from simlib.metrics.live_counters import Counts, Quantiles
from simlib.scenario.words import describe_fault
from simlib.studies.watch.live_run import Look
from simlib.studies.watch.text import look_line, screen

COUNTS = Counts(
    states={"idle": 0, "connecting": 25, "open": 900, "waiting": 75, "stopped": 0},
    transports={"websocket": 940, "poll": 60},
    breakers={"closed": 990, "open": 10, "half_open": 0},
    qualities={},
    outbox={"critical": 0, "high": 5, "normal": 1234, "low": 40},
    latencies={
        "critical": Quantiles(0.0301, 0.25),
        "high": Quantiles(0.0304, 1.5),
        "normal": Quantiles(0.5, 12.25),
        "low": Quantiles(nan, nan),
    },
    attempts=2150,
    opens=1900,
    failures={"refused": 100, "reset": 1000},
    gave_up=0,
    sent=50_000,
    acknowledged=48_000,
    dropped={"full": 20, "dead_letter": 3},
    notices=(
        Notice(Reason.TRIPPED, 3.0, 9.0, count=12, clients=10),
        Notice(Reason.FELL_BACK, 3.0, 4.0, count=60, clients=60),
    ),
)
FAULTS = (sl.Fault("outage", 3, 7), sl.Fault("latency", 8.23456, amount_s=0.5))
LOOK = Look("reconnect_storm", "live", 1000, 12.34, 60.0, FAULTS, COUNTS)
KEYS = {"c": "cut the network", "q": "quit"}


def picture(look: Look, width: int, height: int, keys: dict[str, str] = KEYS) -> list[str]:
    """The screen as text; without colours a bar is as long as its part."""
    # The environment may ask for colours or say how wide the screen is.
    console = Console(
        file=io.StringIO(), width=width, height=height, color_system=None, _environ={}
    )
    console.print(screen(look, keys))
    return [text.rstrip() for text in console.file.getvalue().splitlines()]


def test_the_screen_at_80_by_24():
    assert [
        "reconnect_storm on live: 1,000 clients                              12.3 of 60 s",
        "━━━━━━━━━━━━━━━━",
        "",
        "clients                               messages  in outbox  latency p50       p95",
        "idle         0                        critical          0      0.030 s   0.250 s",
        "connecting  25 ╸                      high              5      0.030 s   1.500 s",
        "open       900 ━━━━━━━━━━━━━━━━━━     normal        1,234      0.500 s  12.250 s",
        "waiting     75 ━╸                     low              40            -         -",
        "stopped      0",
        "",
        "transport  websocket 940  poll 60",
        "breaker    closed 990  open 10  half open 0",
        "attempts   2,150, 1,900 of them opened",
        "failures   refused 100  reset 1,000",
        "sent       50,000, 48,000 of them acknowledged",
        "dropped    full 20  dead letter 3",
        "",
        "faults     outage since 3 s until 7 s",
        "           latency +0.5 s since 8.2 s",
        "notices    10 clients Attempts to connect keep failing, so they pause. Wait: the",
        "                      next attempt comes by itself. (12 times)",
        "           60 clients No live connection: messages go by polling. Go on working:",
        "                      it is only slower.",
        " c  cut the network   q  quit",
    ] == picture(LOOK, 80, 24)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_the_screen_fills_the_terminal_and_ends_in_the_keys(width, height):
    lines = picture(LOOK, width, height)
    assert height == len(lines)
    assert width >= max(map(len, lines))
    assert " c  cut the network   q  quit" == lines[-1]
    assert width - 2 <= len(lines[0])


def test_the_quality_has_a_line_where_clients_have_a_monitor():
    counts = replace(COUNTS, qualities={"good": 990, "poor": 10})
    lines = picture(replace(LOOK, counts=counts), 80, 24)
    assert "quality    good 990  poor 10" == lines[10]
    assert "transport  websocket 940  poll 60" == lines[11]
    assert " c  cut the network   q  quit" == lines[-1]


def test_without_a_keyboard_no_keys_are_offered():
    assert "Ctrl-C ends the run." == picture(LOOK, 80, 24, {})[-1]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (sl.Fault("outage"), "outage since 0 s"),
        (sl.Fault("black_hole", 3.14159, 5), "black hole since 3.1 s until 5 s"),
        (sl.Fault("reject", 2, status=429), "reject with 429 since 2 s"),
        (
            sl.Fault("outage", 2, 4, clients_fraction=0.25, route="websocket"),
            "outage of websocket for 0.25 of the clients since 2 s until 4 s",
        ),
    ],
)
def test_a_fault_in_words(fault, words):
    assert words == describe_fault(fault)


def test_a_line_says_what_matters_and_leaves_out_the_states_of_nobody():
    assert (
        "  12.3 s  connecting 25  open 900  waiting 75  in outbox 1279  attempts 2150  sent 50000"
        "  acknowledged 48000  dropped 23  [outage since 3 s until 7 s]"
        "  [latency +0.5 s since 8.2 s]  (tripped 10)  (fell_back 60)"
    ) == look_line(LOOK)
