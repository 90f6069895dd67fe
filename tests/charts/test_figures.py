"""Charts show themselves in notebooks, once, with a description; labels keep their colours."""

from base64 import b64encode

import pytest

import simlib as sl
from simlib.charts.colours import OTHER_COLOURS, colours_of, forgotten
from simlib.charts.figures import LABELLED, Panels, describe, new_panels, save_figure
from simlib.charts.heatmap import heat
from simlib.charts.style import style
from simlib.studies.calibrate.calibrate import calibrate
from simlib.studies.calibrate.chart import quantile_chart
from simlib.studies.policy.chart import policies_chart

OUTAGE = sl.Fault("outage", start_s=5, stop_s=9)
STORM = sl.Scenario(name="storm", clients=20, duration_s=20, faults=[OUTAGE])
PNG = b"\x89PNG\r\n"
PLOTS = ["attempts", "states", "outbox", "recovery", "latency"]


@pytest.fixture(autouse=True)
def _no_colours_of_other_tests():
    with forgotten():
        yield


def shows_itself(chart) -> None:
    assert chart._repr_png_().startswith(PNG)
    page = chart._repr_html_()
    assert page.startswith('<img src="data:image/png;base64,')
    assert 'alt="' in page
    assert 'alt=""' not in page


@pytest.mark.few(2)
@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_shows_itself_and_so_does_its_figure(name):
    axes = getattr(sl.plots, name)(sl.run(STORM))
    shows_itself(axes)
    shows_itself(axes.figure)


@pytest.mark.parametrize("shown", ["axes", "figure", "panels"])
def test_a_notebook_draws_a_chart_once(shown, monkeypatch):
    formatters = pytest.importorskip("IPython.core.formatters")
    axes = sl.plots.attempts(sl.run(STORM))
    drawn = []
    save = axes.figure.savefig
    monkeypatch.setattr(axes.figure, "savefig", lambda *a, **k: (drawn.append(a), save(*a, **k)))
    value = {"axes": axes, "figure": axes.figure, "panels": Panels([axes])}[shown]
    data, _ = formatters.DisplayFormatter().format(value)
    assert 1 == len(drawn)
    assert {"text/plain", "text/html", "image/png"} == set(data)
    assert data["image/png"].startswith(PNG)
    assert b64encode(data["image/png"]).decode() in data["text/html"]


@pytest.mark.slow
def test_charts_of_studies_show_themselves(tmp_path):
    pings = tmp_path / "pings.csv"
    pings.write_text("rtt_s\n" + "\n".join(f"0.{20 + i % 7}" for i in range(60)))
    shows_itself(quantile_chart(calibrate(pings)))
    shows_itself(policies_chart({"mine": sl.Backoff(), "yours": sl.Backoff(jitter="none")}))
    swept = sl.sweep(STORM, {"clients": [2, 3]}, 2, workers=1)
    shows_itself(heat(swept, "attempts"))


def test_a_chart_drawn_on_axes_of_one_s_own_gives_these_back():
    own = new_panels(4.0, 3.0)[0]
    assert own is sl.plots.attempts(sl.run(STORM), axes=own)


def test_no_panels_show_nothing():
    assert (None, None) == (Panels()._repr_html_(), Panels()._repr_png_())


def test_a_description_names_title_axes_curves_and_faults():
    axes = sl.plots.attempts([sl.run(STORM, label="mine"), sl.run(STORM, label="yours")])
    said = describe(axes.figure)
    assert said.startswith("All peak at ")
    assert "Attempts per second, 20 clients. Across: time, s; up: attempts per second" in said
    for part in ("mine: highest ", "yours: highest ", "outage"):
        assert part in said
    assert 2 == said.count("highest ")  # the edges of the outage are no curves


def test_a_description_tells_a_mark_by_its_label_and_a_drawing_without_axes_by_its_words():
    panel = new_panels(4.0, 3.0)[0]
    panel.plot([1, 2, 3], [4, 4, 4], label="phoenix, 50 %: 2 s", gid=LABELLED)
    panel.set_axis_off()
    panel.text(0.0, 0.0, "opens connection 1")
    assert "phoenix, 50 %: 2 s. opens connection 1." == describe(panel.figure)


def test_a_description_of_policies_names_their_medians_and_no_dots():
    first = sl.plots.backoff({"full": sl.Backoff(jitter="full")})[0]
    assert "median wait: highest " in describe(first.figure)
    assert 1 == describe(first.figure).count("highest ")


def test_what_a_description_quotes_cannot_end_the_attribute_it_stands_in():
    axes = sl.plots.attempts(sl.run(STORM, label='"><script>'))
    assert "<script>" not in axes._repr_html_()


def test_a_description_of_a_map_names_some_cells_and_says_that_there_are_more():
    panel = new_panels(4.0, 3.0)[0]
    for i in range(40):
        panel.text(0.0, 0.0, f"cell {i}")
    assert "cell 11; ...." in describe(panel.figure)


# --- colours -----------------------------------------------------------------------------


def test_a_label_keeps_its_colour_whatever_stands_beside_it():
    first = dict(zip("ab", colours_of(["a", "b"]), strict=True))
    assert [first["b"], first["a"]] == colours_of(["b", "a"])
    assert [first["b"]] == colours_of(["b"])
    assert first["a"] not in colours_of(["c", "b"])


def test_curves_of_one_chart_differ_while_there_are_colours():
    colours_of(list("abcdef"))
    for labels in (list("ghbaij"), ["", "a", "", "b"], ["x", "x", ""]):
        assert len(labels) == len(set(colours_of(labels)))


def test_more_curves_than_colours_are_drawn_all_the_same():
    assert 9 == len(colours_of([str(i) for i in range(9)]))


def test_jitters_have_the_same_colours_in_every_notebook():
    colours_of(["300 clients", "10,000 clients", "a million clients"])
    assert list(OTHER_COLOURS[:2])[::-1] == colours_of(["full jitter", "no jitter"])


def test_runs_without_a_label_do_not_use_up_colours():
    for _ in range(9):
        assert [OTHER_COLOURS[0]] == colours_of([""])


def test_the_lines_of_a_label_have_one_colour_across_charts():
    none = sl.run(STORM.replace("client.backoff.jitter", "none"), label="no jitter")
    full = sl.run(STORM, label="full jitter")
    for runs, place in (([none, full], 1), ([full, none], 0), ([full], 0)):
        assert OTHER_COLOURS[1] == sl.plots.attempts(runs).get_lines()[place].get_color()


@pytest.mark.parametrize("name", ["chart.png", "chart.svg"])
def test_a_chart_is_saved_as_the_same_bytes_each_time(tmp_path, name):
    with style():
        figure = new_panels(4.0, 3.0)[0].get_figure()
        first = save_figure(figure, tmp_path / "one" / name)
        second = save_figure(figure, tmp_path / "two" / name)
    assert first.read_bytes() == second.read_bytes()
    assert [name] == [file.name for file in first.parent.iterdir()]
