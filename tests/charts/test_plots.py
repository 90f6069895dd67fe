"""The charts, judged by what is in them: lines, areas, rectangles and words, not pixels."""

from __future__ import annotations

import warnings
from itertools import combinations, pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import simlib as sl
from simlib.charts import colours, labels, plots
from simlib.charts import outbox as stacks
from simlib.charts import style as marks
from simlib.charts import timeline as rows
from simlib.core.errors import SimlibError
from simlib.core.link_table import State
from simlib.metrics.attempts import attempts_per_s
from simlib.trace.counts import Tally
from simlib.trace.trace import Trace
from tests.batteries import with_slow

CHARTS = [plots.attempts, plots.states, plots.outbox, plots.recovery, plots.latency]
OUTAGE = sl.Fault("outage", start_s=10, stop_s=20)


@pytest.fixture(autouse=True)
def no_display():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def scenario(*faults, **changes):
    """One client, one way 0.1 s: open at 0.4, lost at 10, OPEN again at 22."""
    settings = {"backoff": sl.Backoff(jitter="none", base_s=1, factor=2, cap_s=4)}
    fields = {"name": "story", "clients": 1, "duration_s": 30, "ramp_s": 0}
    also = (*fields, "workload", "server")
    fields |= {name: changes.pop(name) for name in list(changes) if name in also}
    return sl.Scenario(
        client=sl.Settings(**settings | changes),
        path=sl.Path(latency=sl.Latency(mean_s=0.1)),
        faults=faults,
        **{"workload": sl.Workload(rate_per_s=0)} | fields,
    )


def replications(*faults, count=3, **changes):
    changes.setdefault("backoff", sl.Backoff(jitter="full", base_s=1, cap_s=4))
    changes.setdefault("clients", 4)
    planned = scenario(*faults, **changes)
    return [sl.run(planned.replace(seed=seed)) for seed in range(1, count + 1)]


def played_live(trace):
    trace.engine = "live"
    return trace


def words(axes):
    return [text.get_text().replace("\n", " ") for text in axes.texts if text.get_text()]


def line(axes, number=0):
    return [line for line in axes.lines if line.get_drawstyle() == "steps-post"][number]


def drawn(axes, label):
    """Return (start, stop, middle) of each rectangle with a label."""
    [bars] = [each for each in axes.collections if each.get_label() == label]
    corners = [corners for path in bars.get_paths() for corners in path.to_polygons()]
    return [(c[:, 0].min(), c[:, 0].max(), (c[:, 1].min() + c[:, 1].max()) / 2) for c in corners]


def test_attempts_are_steps_over_the_seconds():
    axes = plots.attempts(sl.run(scenario(OUTAGE)))
    heights = line(axes).get_ydata()
    assert list(range(31)) == line(axes).get_xdata().tolist()
    assert np.flatnonzero(heights).tolist() == [0, 11, 13, 17, 21]
    # From a little before the outage to a little after the last attempt.
    assert axes.get_xlim() == (8.0, 24.0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time, s", "attempts per second")
    assert axes.get_title(loc="left") == "1 attempt in the worst second after the fault"
    assert axes.get_title(loc="right") == "Attempts per second, story, 1 client"


def counted(attempts_per_s):
    """Return a run of the fleet, as if it had made so many attempts in each second."""
    bins = np.array(attempts_per_s)[:, None]
    nothing = np.empty(0)
    tally = Tally(
        bins=bins,
        columns=("attempts",),
        recovery_s=nothing,
        detection_s=nothing,
        downtime_s=nothing,
        tenths=np.zeros(10 * len(bins), np.int64),
        unstable=0,
        waits=np.zeros((1, 4, 1)),
        there_s=0.0,
        open_s=0.0,
        breaker_open_s=0.0,
    )
    return Trace("fleet", scenario(duration_s=len(bins)), end_s=len(bins), tally=tally)


BUSY = scenario(
    OUTAGE,
    clients=40,
    server=sl.ServerSettings(handshake_service_s=0.1, workers=2, backlog=10, accept_per_s=30),
    connect_timeout_s=0.6,
)


def test_the_server_has_a_panel_for_each_question():
    run = sl.run(BUSY)
    load = sl.server_load(run)
    panels = plots.server(run)
    assert [p.get_ylabel() for p in panels] == [
        "attempts/s", "workers", "waiting", "per s",
    ]  # fmt: skip
    attempts, busy, waiting, refused = ([*panel.lines] for panel in panels)
    assert np.array_equal(attempts[0].get_ydata()[:-1], attempts_per_s(run))
    assert np.allclose(busy[0].get_ydata()[:-1], load["busy"])
    assert np.allclose(busy[1].get_ydata()[:-1], load["workers"])
    assert np.allclose(waiting[0].get_ydata()[:-1], load["backlog"])
    by_second = load[["refused", "abandoned"]].groupby(np.arange(len(load)) // 10).sum()
    assert by_second["refused"].sum() > 0 < by_second["abandoned"].sum()
    assert np.allclose(refused[0].get_ydata()[:-1], by_second["refused"])
    assert np.allclose(refused[1].get_ydata()[:-1], by_second["abandoned"])
    # What the server can do at most.
    assert [20.0] == [line.get_ydata()[0] for line in attempts if line.get_linestyle() == "--"]
    assert [10.0] == [line.get_ydata()[0] for line in waiting if line.get_linestyle() == "--"]
    texts = [set(words(panel)) for panel in panels]
    assert texts == [
        {"outage", "the server can take 20/s"}, {"busy", "workers"}, {"room for 10"},
        {"refused", "abandoned"},
    ]  # fmt: skip


def test_the_server_of_a_long_run_is_drawn_with_fewer_points():
    panels = plots.server(sl.run(BUSY.replace(duration_s=100)))
    assert len(panels[1].lines[0].get_xdata()) <= marks.MOST_POINTS + 1
    assert panels[1].lines[1].get_ydata().max() == 2.0


def test_a_server_without_limits_has_nothing_to_draw_but_attempts():
    panels = plots.server(sl.run(scenario(OUTAGE)))
    assert words(panels[1]) == words(panels[3]) == ["the server takes whatever comes"]
    assert panels[0].lines
    at_once = scenario(server=sl.ServerSettings(accept_per_s=5))
    panels = plots.server(sl.run(at_once))
    assert words(panels[1]) == words(panels[2]) == ["handshakes take no worker's time"]


def test_servers_of_several_scenarios_are_named_in_each_panel():
    other = sl.run(BUSY.replace("server.workers", 4))
    panels = plots.server([sl.run(BUSY), other])
    assert {"workers 2, busy", "workers 4, busy"} < set(words(panels[1]))
    figure = plt.figure()
    given = list(figure.subplots(4))
    assert plots.server(other, given) is given


def test_attempts_of_a_million_are_written_out():
    axes = plots.attempts(counted([0, 2_000_000, 1_000_000]))
    axes.figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "2,000,000" in labels
    assert axes.yaxis.get_offset_text().get_text() == ""
    assert line(axes).get_ydata().tolist() == [0, 2_000_000, 1_000_000, 1_000_000]


@pytest.mark.parametrize("draw", [plots.states, plots.outbox, plots.latency])
def test_charts_of_rows_refuse_runs_that_have_only_counts(draw):
    with pytest.raises(SimlibError, match="keeps no rows"):
        draw(counted([1]))


def test_faults_are_shaded_and_named_without_overlap():
    faults = [
        sl.Fault("outage", start_s=5, stop_s=8, route="websocket"),
        sl.Fault("black_hole", start_s=6, clients_fraction=0.5),
        sl.Fault("reset", start_s=29),
    ]
    axes = plots.attempts(sl.run(scenario(*faults)))
    texts = {text.get_text(): text for text in axes.texts if text.get_text()}
    assert list(texts) == [
        "outage, WebSocket only",
        "black hole, for 0.5 of the clients",
        "reset",
    ]
    heights = [text.xyann[1] for text in texts.values()]
    assert heights == [3, 13, 3]
    edges = sorted(line.get_xdata()[0] for line in axes.lines if line.get_drawstyle() == "default")
    assert edges == [5, 6, 8, 29, 30]


def test_several_runs_are_a_band_with_live_over_it():
    sims = replications(OUTAGE)
    live = played_live(replications(OUTAGE, count=4)[-1])
    axes = plots.attempts([live, *sims])
    assert set(words(axes)) == {"outage", "sim", "live"}
    assert axes.get_title(loc="right").endswith("median and range of 3 runs")
    counts = np.array([np.histogram(_attempts(sim), np.arange(31))[0] for sim in sims])
    assert np.median(counts, axis=0).tolist() == line(axes, 0).get_ydata()[:-1].tolist()
    assert line(axes, 1).get_color() == colours.LIVE_COLOURS[0]
    [band] = axes.collections
    assert band.get_paths()[0].vertices[:, 1].max() == counts.max()


def _attempts(trace):
    frame = trace.frame()
    return frame["time_s"][frame["name"] == "open"]


def test_runs_are_told_apart_by_what_differs():
    planned = scenario(OUTAGE)
    none = planned.replace("client.backoff.jitter", "none")
    full = planned.replace("client.backoff.jitter", "full")
    assert [g.name for g in marks.group_traces([sl.run(none), sl.run(full)])] == [
        "jitter none",
        "jitter full",
    ]
    labelled = [sl.run(none, label="a"), sl.run(full, label="b")]
    assert [g.name for g in marks.group_traces(labelled)] == ["a", "b"]
    both = [played_live(sl.run(none)), sl.run(none), sl.run(full)]
    assert [g.name for g in marks.group_traces(both)] == [
        "sim, jitter none",
        "sim, jitter full",
        "live, jitter none",
    ]
    calm, longer = planned.replace(faults=()), planned.replace("faults.0.stop_s", 25)
    outages = marks.group_traces([sl.run(calm), sl.run(planned)])
    assert [g.name for g in outages] == ["faults none", "faults outage"]
    lengths = marks.group_traces([sl.run(planned), sl.run(longer)])
    assert [g.name for g in lengths] == ["stop_s 20", "stop_s 25"]
    assert [g.name for g in marks.group_traces(sl.run(none))] == [""]


def test_each_state_is_a_rectangle_in_the_clients_row():
    axes = plots.states(sl.run(scenario(OUTAGE)))
    assert [(0.4, 10, 0), (22, 30, 0)] == [pytest.approx(bar) for bar in drawn(axes, "open")]
    assert [10, 11.2, 13.4, 17.6] == pytest.approx([bar[0] for bar in drawn(axes, "waiting")])
    assert words(axes) == ["outage", "■", "open", "■", "waiting", "■", "connecting"]
    assert axes.get_ylabel() == "client"


def test_names_of_several_worlds_are_no_longer_than_their_rows_are_high():
    planned = scenario(clients=200, duration_s=2)
    axes = plots.states([sl.run(planned, label=f"a policy of number {i}") for i in range(3)])
    axes.figure.draw_without_rendering()
    names = sorted(
        (text.get_window_extent() for text in axes.texts if "policy" in text.get_text()),
        key=lambda box: box.y0,
    )
    assert 3 == len(names)
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(names))


def test_polling_is_a_line_through_the_row():
    fault = sl.Fault("outage", start_s=10, stop_s=20, route="websocket")
    fallback = sl.Fallback(after_attempts=1, poll_interval_s=1, return_after_s=2)
    axes = plots.states(sl.run(scenario(fault, fallback=fallback)))
    assert [(11.2, 24, 0)] == [pytest.approx(bar) for bar in drawn(axes, "polling")]
    assert words(axes)[-2:] == [labels.LINE, "polling"]


def test_of_many_clients_the_first_are_drawn_and_it_is_said():
    axes = plots.states(sl.run(scenario(clients=200, duration_s=2)))
    assert max(middle for _, _, middle in drawn(axes, "open")) == rows.MOST_DRAWN_ROWS - 1
    assert axes.get_ylabel() == "client (the first 60 of 200)"


def test_several_worlds_are_drawn_one_below_the_other():
    sims = replications(count=2, duration_s=3)
    axes = plots.states([*sims, played_live(replications(count=3, duration_s=3)[-1])])
    assert words(axes)[:2] == ["sim, first of 2 runs", "live"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0", "1", "2", "3"] * 2
    assert axes.get_yticks().tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_the_outbox_is_stacked_by_priority():
    def send(world):
        for priority in (sl.Priority.LOW, sl.Priority.CRITICAL):
            yield world.clock.timeout(12)
            world.send(0, priority)

    trace = sl.run(scenario(sl.Fault("outage", start_s=10)), processes=[send])
    axes = plots.outbox(trace)
    low, critical = (_area(axes, name) for name in ("low", "critical"))
    assert [(12, 1), (24, 2)] == _rises(low)
    assert [(24, 1)] == _rises(critical)
    # From the top down, as they are stacked; of what never waited there is nothing.
    assert words(axes) == ["outage", "■", "low", "■", "critical"]


def _area(axes, label):
    [area] = [each for each in axes.collections if each.get_label() == label]
    return area.get_paths()[0].vertices


def _rises(vertices):
    tops = {x: vertices[vertices[:, 0] == x, 1].max() for x in sorted(set(vertices[:, 0]))}
    found, before = [], 0.0
    for x, top in tops.items():
        if top > before:
            found.append((x, top))
        before = top
    return found


def test_the_outboxes_of_two_worlds_are_areas_and_lines():
    workload = sl.Workload(rate_per_s=3)
    sims = replications(OUTAGE, workload=workload)
    live = played_live(replications(OUTAGE, count=4, workload=workload)[-1])
    axes = plots.outbox([*sims, live])
    said = [word for word in words(axes) if word not in (labels.AREA, *stacks.PRIORITY_COLOURS)]
    assert said == [
        "outage",
        "areas: live",
        "lines: sim (median of 3 runs)",
        "dotted: range of the total",
    ]
    assert len(axes.collections) == 4
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    totals = np.array([line(axes, 3).get_ydata(), *(each.get_ydata() for each in dotted)])
    assert (totals[1] <= totals[0]).all()
    assert (totals[0] <= totals[2]).all()


def test_recovery_rises_by_a_client_at_each_recovery():
    faults = [sl.Fault("reset", start_s=10), sl.Fault("outage", start_s=15, stop_s=16.5)]
    curve = line(plots.recovery(sl.run(scenario(*faults))))
    assert [0, 1.4, 2.1, 2.1 * 1.05] == pytest.approx(curve.get_xdata().tolist())
    assert curve.get_ydata().tolist() == [0, 0.5, 1, 1]


def test_the_curve_of_clients_that_never_recover_stops_below_1_and_says_so():
    policy = sl.Backoff(jitter="none", base_s=1, max_attempts=1)
    faults = [sl.Fault("reset", start_s=5), OUTAGE]
    axes = plots.recovery(sl.run(scenario(*faults, backoff=policy)))
    assert line(axes).get_ydata()[-1] == 0.5
    assert words(axes) == ["1 of 2 never recovered"]


def test_if_nobody_recovers_the_curve_lies_on_the_ground():
    policy = sl.Backoff(jitter="none", base_s=1, max_attempts=1)
    axes = plots.recovery(sl.run(scenario(OUTAGE, backoff=policy)))
    assert line(axes).get_ydata().tolist() == [0, 0]
    assert words(axes) == ["1 of 1 never recovered"]


def test_latency_has_a_log_axis_labelled_in_plain_numbers():
    trace = sl.run(scenario(OUTAGE, workload=sl.Workload(rate_per_s=1)))
    axes = plots.latency(trace)
    assert axes.get_xscale() == "log"
    curve = line(axes)
    assert curve.get_xdata()[1] == pytest.approx(0.2)
    assert curve.get_ydata()[-1] == 1.0
    axes.figure.draw_without_rendering()
    assert {"0.2", "0.5", "1", "5"} <= {tick.get_text() for tick in axes.get_xticklabels()}


def test_a_curve_of_many_values_is_thinned_and_still_ends_at_1():
    noisy = sl.Path(latency=sl.Latency(distribution="exponential"))
    trace = sl.run(sl.Scenario(clients=30, duration_s=40, path=noisy))
    curve = line(plots.latency(trace))
    assert len(curve.get_xdata()) == marks.MOST_POINTS + 2
    assert curve.get_ydata()[-1] == 1.0


def test_latencies_of_zero_have_no_log_axis():
    trace = sl.run(sl.Scenario(clients=1, duration_s=9, path=sl.Path(latency=sl.Latency(mean_s=0))))
    assert plots.latency(trace).get_xscale() == "linear"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (plots.attempts, "no attempt was made"),
        (plots.states, "nothing was played"),
        (plots.outbox, "no outbox ever held a message"),
        (plots.recovery, "no fault that ended in the run interrupted a client"),
        (plots.latency, "no message was acknowledged"),
    ],
)
@pytest.mark.parametrize("traces", [[], Trace("sim", scenario(OUTAGE))], ids=["none", "empty"])
def test_where_there_is_nothing_to_draw_it_is_said(draw, message, traces):
    axes = draw(traces)
    assert message in words(axes)
    axes.figure.draw_without_rendering()


@pytest.mark.parametrize("draw", CHARTS)
def test_a_run_that_was_cut_short_says_so(draw):
    trace = sl.run(scenario(OUTAGE))
    trace.partial, trace.end_s = True, 15.0
    assert draw(trace).get_title(loc="right").endswith("story, 1 client, cut short")


SEVERAL = [plots.attempts, plots.recovery, plots.latency]


def several(count):
    planned = scenario(OUTAGE, workload=sl.Workload(rate_per_s=3), clients=4)
    return [sl.run(planned.replace(seed=i + 1), label=f"number {i}") for i in range(count)]


@pytest.mark.few(2)
@pytest.mark.parametrize("draw", CHARTS)
@pytest.mark.parametrize("count", with_slow([3], [2]))
def test_names_overlap_neither_each_other_nor_the_titles(draw, count):
    axes = draw(several(count))
    axes.figure.draw_without_rendering()
    texts = [text for text in axes.texts if len(text.get_text()) > 1]
    titles = [text for text in axes.get_children() if isinstance(text, Text) and text.get_text()]
    boxes = [text.get_window_extent() for text in {*texts, *titles}]
    assert len(boxes) > count
    for one, other in combinations(boxes, 2):
        narrow = one.shrunk(0.98, 0.9)
        assert not narrow.overlaps(other.shrunk(0.98, 0.9))


@pytest.mark.parametrize("draw", SEVERAL)
def test_more_than_three_policies_have_a_panel_each_to_the_same_scale(draw):
    axes = draw(several(5))
    panels = [panel for panel in axes.figure.axes if panel.axison]
    assert [f"number {i}" for i in range(5)] == [panel.get_title(loc="left") for panel in panels]
    assert 1 == len({(panel.get_xlim(), panel.get_ylim()) for panel in panels})
    assert axes.figure.get_suptitle()
    assert 1 == len([panel.get_title(loc="left") for panel in [draw(several(3))]])


@pytest.mark.parametrize("draw", SEVERAL)
def test_lines_of_policies_differ_in_their_dashes_too(draw):
    axes = draw(several(3))
    dashes = {
        str(each._unscaled_dash_pattern)
        for each in axes.lines
        if each.get_drawstyle() == "steps-post"
    }
    assert 3 == len(dashes)


@pytest.mark.few(2)
@pytest.mark.parametrize("draw", CHARTS)
def test_on_own_axes_names_stay_inside_and_the_style_is_simlib_s(draw):
    figure = plt.figure(figsize=(10, 5), layout="constrained")
    own, neighbour = figure.subplots(1, 2)
    draw(several(2), axes=own)
    figure.draw_without_rendering()
    edge = neighbour.get_window_extent().x0
    for text in own.texts:
        assert text.get_window_extent().x1 < edge
    assert not own.spines["top"].get_visible()
    assert neighbour.spines["top"].get_visible()


def test_limits_of_own_axes_stay():
    axes = Figure().subplots()
    axes.set(xlim=(5, 25), ylim=(0, 50))
    plots.attempts(sl.run(scenario(OUTAGE)), axes)
    assert ((5, 25), (0, 50)) == (axes.get_xlim(), axes.get_ylim())


def test_what_the_server_can_take_is_drawn_where_it_is_near_and_said_where_it_is_not():
    near = plots.attempts(sl.run(BUSY))
    assert "the server can take 20/s" in words(near)
    far = plots.attempts(
        sl.run(BUSY.replace("server.workers", 5000).replace("server.accept_per_s", 9000))
    )
    assert [] == [each for each in words(far) if "take" in each]
    assert "the server can take 9,000" in far.get_title(loc="left").replace("\n", " ")


@pytest.mark.parametrize("draw", CHARTS)
def test_given_axes_are_drawn_on(draw):
    axes = Figure().subplots()
    assert draw(sl.run(scenario(OUTAGE)), axes=axes) is axes


def test_the_global_style_is_left_alone():
    before = dict(mpl.rcParams)
    plots.attempts(sl.run(scenario(OUTAGE)))
    assert before == dict(mpl.rcParams)


def test_what_a_display_sets_while_drawing_stays():
    with mpl.rc_context():
        mpl.rcParams["interactive"] = False
        with marks.style():
            mpl.rcParams["interactive"] = True
        assert mpl.rcParams["interactive"]


def test_figures_that_nobody_is_shown_are_not_kept():
    trace = sl.run(scenario(OUTAGE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(30):
            plots.recovery(trace)
    assert plt.get_fignums() == []


def test_in_a_notebook_the_figure_is_one_that_is_shown(monkeypatch):
    inline = "module://matplotlib_inline.backend_inline"
    monkeypatch.setattr(plt, "get_backend", lambda: inline)
    axes = plots.attempts(sl.run(scenario(OUTAGE)))
    assert [plt.figure(number) for number in plt.get_fignums()] == [axes.figure]


def test_every_state_has_a_colour():
    assert {state.name.lower() for state in State} == rows.STATE_COLOURS.keys()


def test_a_client_without_a_session_is_drawn_as_suspended():
    axes = plots.states(sl.run(sl.load("data/scenarios/session_expiry.toml")))
    assert "suspended" in {collection.get_label() for collection in axes.collections}


def test_a_client_that_has_left_is_not_drawn_as_stopped():
    axes = plots.states(sl.run(scenario().replace(stay_s=5)))
    drawn = {
        collection.get_label() for collection in axes.collections if len(collection.get_paths())
    }
    assert {"open", "left"} <= drawn
    assert "stopped" not in drawn
