"""Charts with a file of their own, judged by what is in them: lines, bars and words."""

from math import inf

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.path import Path

import simlib as sl
from simlib.charts.multiples import columns_of
from simlib.charts.state_diagram import common_inputs, list_transitions
from simlib.charts.times import time_window_s
from simlib.core.errors import SettingsError, SimlibError
from simlib.core.link_table import TABLE, Move, State
from simlib.metrics.attempts import attempts_per_s, opens_per_s
from simlib.metrics.messages import messages

OUTAGE = sl.Fault("outage", start_s=10, stop_s=16)
STORM = sl.Scenario(
    name="storm", clients=20, duration_s=60, ramp_s=4, faults=[OUTAGE],
    client=sl.Settings(breaker=sl.Breaker(trip_after=2, open_s=3)),
    server=sl.ServerSettings(accept_per_s=6), workload=sl.Workload(rate_per_s=0.2),
)  # fmt: skip


@pytest.fixture(scope="module")
def trace():
    return sl.run(STORM)


@pytest.fixture(autouse=True)
def no_display():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def words(axes):
    return [text.get_text().replace("\n", " ") for text in axes.texts if text.get_text()]


def title(axes):
    return axes.get_title(loc="left").replace("\n", " ")


# --- admissions --------------------------------------------------------------------------


def test_admissions_are_the_connections_that_opened_in_each_second(trace):
    axes = sl.plots.admissions(trace)
    wanted, opened = (np.asarray(line.get_ydata())[:-1] for line in axes.lines[:2])
    assert attempts_per_s(trace).tolist() == wanted.tolist()
    assert opens_per_s(trace).tolist() == opened.tolist()
    assert trace.counts()["opened"] == opened.sum()
    assert {"attempts", "let in", "the server can take 6/s"} <= set(words(axes))
    assert "after the fault for 20 connections" in title(axes)


def test_admissions_of_the_fleet_are_those_of_the_simulation():
    pytest.importorskip("numba")
    silent = STORM.replace("workload.rate_per_s", 0)
    assert opens_per_s(sl.run(silent)).tolist() == opens_per_s(sl.run(silent, on="fleet")).tolist()


# --- swimlanes ---------------------------------------------------------------------------


def test_swimlanes_show_state_breaker_and_transport_of_each_client(trace):
    axes = sl.plots.swimlanes(trace, [0, 3])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    lanes = ("state", "breaker", "transport")
    assert [f"client {client}: {lane}" for client in (0, 3) for lane in lanes] == labels
    assert {"open", "waiting", "closed", "websocket"} <= set(words(axes))
    assert title(axes).startswith("Client 0 was open ")


def test_a_client_that_is_not_there_has_no_swimlanes(trace):
    with pytest.raises(SettingsError, match="clients = 20: must be one of the run's clients, 0 to"):
        sl.plots.swimlanes(trace, [20])


# --- waterfall ---------------------------------------------------------------------------


def test_the_slowest_messages_are_drawn_in_the_order_of_their_sending(trace):
    axes = sl.plots.waterfall(trace, most=7)
    table = messages(trace)
    took_s = table["latency_s"].where(table["latency_s"] < inf, trace.end_s - table["send_s"])
    slowest = table.loc[took_s.nlargest(7).index, "send_s"].sort_values()
    shapes = [path for bars in axes.collections for path in bars.get_paths()]
    bars = [Path(corners).get_extents() for path in shapes for corners in path.to_polygons()]
    starts = sorted((bar.y0, bar.x0) for bar in bars if bar.height == pytest.approx(0.8))
    assert slowest.tolist() == pytest.approx([start for _, start in starts])
    assert title(axes).startswith("The slowest of ")
    assert f"The 7 slowest of {len(table)} messages" in axes.get_title(loc="right")


def test_without_messages_there_is_no_waterfall():
    axes = sl.plots.waterfall(sl.run(STORM.replace("workload.rate_per_s", 0)))
    assert ["no message was sent"] == words(axes)


# --- agreement ---------------------------------------------------------------------------


def test_a_sample_beside_itself_lies_on_the_diagonal(trace):
    other = sl.run(STORM, label="again")
    left, right = sl.plots.agreement([trace, other])
    dots = right.lines[1]
    assert np.allclose(dots.get_xdata(), dots.get_ydata())
    assert {"storm", "again"} <= set(words(left))
    assert left.figure.get_suptitle().startswith("Each quantile of the time to recover differs by")


def test_one_kind_of_run_cannot_be_compared(trace):
    with pytest.raises(SettingsError, match="must be runs of two engines or scenarios"):
        sl.plots.agreement([trace, trace])


def test_what_is_compared_is_one_of_two_measures(trace):
    with pytest.raises(SimlibError, match="of = "):
        sl.plots.agreement([trace, sl.run(STORM, label="b")], of="attempts")


# --- backoff -----------------------------------------------------------------------------


def test_waits_that_clients_draw_lie_in_the_bands():
    (panel,) = sl.plots.backoff(sl.Backoff(base_s=1, cap_s=8, jitter="equal"), clients=9)
    dots = panel.lines[-1]
    attempt, wait_s = np.round(dots.get_xdata()), np.asarray(dots.get_ydata())
    ceiling = np.minimum(8.0, 2.0 ** (attempt - 1))
    assert ((wait_s >= ceiling / 2) & (wait_s <= ceiling)).all()
    assert 9 * 12 == wait_s.size


def test_settings_are_taken_for_their_policy():
    panels = sl.plots.backoff({name: sl.presets[name].client for name in ("phoenix", "signalr")})
    assert ["phoenix", "signalr"] == [panel.get_title(loc="left") for panel in panels]


def test_small_multiples_leave_few_places_empty():
    for count in range(1, 30):
        columns = columns_of(count)
        assert -count % columns <= 2
        assert columns <= 4


# --- sequence, state diagram -------------------------------------------------------------


def test_the_sequence_says_how_many_attempts_it_took(trace):
    axes = sl.plots.sequence(trace, client=2, most=6)
    attempts = sum("opens connection" in line for line in trace.story(2))
    assert title(axes).startswith("Client 2 opens ")
    assert title(axes).endswith(f"with {attempts} attempts") or attempts == 0


def test_every_arrow_of_the_state_diagram_is_in_the_table_and_every_move_has_one():
    arrows = list_transitions()
    assert len(arrows) == len({(a.start, a.stop, a.gives_up) for a in arrows})
    for arrow in arrows:
        for input_ in arrow.inputs:
            assert TABLE[arrow.start][input_] not in (Move.IGNORE, Move.MISUSE)
    drawn = {(arrow.start, input_) for arrow in arrows for input_ in arrow.inputs}
    changes = (Move.CONNECT, Move.ESTABLISH, Move.BACK_OFF, Move.LOSE, Move.STOP, Move.SUSPEND)
    for state in State:
        moving = {i for i, move in enumerate(TABLE[state]) if move in changes}
        stays = {i for i in moving if (state, i) not in drawn}
        assert all(TABLE[state][i] in (Move.STOP, Move.SUSPEND) for i in stays)


def test_the_state_diagram_names_what_leads_from_everywhere_once():
    texts = words(sl.plots.state_diagram())
    assert "from any state: stop or end" in texts
    assert set(common_inputs(list_transitions())) == {State.STOPPED, State.SUSPENDED}
    assert {state.name.lower() for state in State} <= set(texts)


# --- the time window ---------------------------------------------------------------------


def test_the_window_is_from_before_the_fault_to_after_the_last_attempt(trace):
    first_s, last_s = time_window_s([trace])
    assert first_s == 8
    last = float(np.flatnonzero(attempts_per_s(trace))[-1]) + 1
    assert last <= last_s <= last + 0.2 * (last - 10) + 3


def test_the_window_is_the_whole_run_without_a_fault_that_interrupts():
    calm = sl.run(STORM.replace(faults=[sl.Fault("slow_server", 5, 9, factor=2)]))
    assert (0.0, 60.0) == time_window_s([calm])
    assert (0.0, 0.0) == time_window_s([])
