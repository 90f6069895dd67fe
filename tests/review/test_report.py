"""A review is one file that needs nothing else, with twins that say the same."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.cli import main
from simlib.core.errors import SettingsError
from simlib.review import report, write
from simlib.review.grid import grid_axes, play_point
from simlib.review.material import Material
from simlib.review.question import frame_question
from simlib.review.results import play_question
from simlib.review.sections.assumptions import checklist
from simlib.review.write import check_target, write_pdf
from simlib.studies.compare import compare
from tests.batteries import with_slow

from .conftest import NAME, small_storm

SECTIONS = ["compared", "bounds", "load", "recovery", "messages", "users", "story", "limits",
            "sensitivity", "agreement", "assumptions", "reproduce"]  # fmt: skip


class Page(HTMLParser):
    """What stands in a page: ids in order, addresses, words outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.addresses, self.words, self.alone = [], [], [], []
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._open.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[key] for key in ("src", "href", "xlink:href") if key in given]
        if tag == "svg" and not given.get("aria-label"):
            self.alone.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            # Where no line may end, a reader sees a space.
            self.words.append(data.replace("\N{NO-BREAK SPACE}", " "))


@pytest.fixture(scope="module")
def page(made):
    return Page(made[1].read_text(encoding="utf-8"))


def test_sections_come_in_the_order_in_which_a_review_asks(made, page):
    assert SECTIONS == [each for each in page.ids if each in SECTIONS]
    assert len(page.ids) == len(set(page.ids)), "an id stands once in a page"


def test_the_page_needs_nothing_else(made, page):
    text = made[1].read_text(encoding="utf-8")
    assert [] == [each for each in page.addresses if not each.startswith("#")]
    assert [] == re.findall(r"(?:src|href)=\"https?:|@import|url\((?!#)", text)
    assert made[1].stat().st_size < 3_000_000


def test_every_link_in_the_page_leads_somewhere(page):
    wanted = {each.removeprefix("#") for each in page.addresses}
    assert wanted <= set(page.ids)


def test_every_chart_says_what_it_shows(page):
    assert [] == page.alone


def test_names_are_text_and_never_code(made, page):
    text = made[1].read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "phoenix <b>" not in text
    assert NAME in " ".join(page.words)
    markdown = made[1].with_suffix(".md").read_text(encoding="utf-8")
    prose = re.sub(r"(?ms)^(```|~~~~).*?^\1", "", markdown)
    assert "<script>" not in prose
    assert "<b>" not in prose


def test_the_answer_is_in_page_and_markdown_and_object(made, page):
    found, out = made
    words = " ".join(" ".join(page.words).split())
    for sentence in found.answer:
        assert sentence in words
    assert 3 == len(found.answer)
    assert all(each.is_file() for each in found.files)
    assert out == found.files[0]


def test_tables_of_markdown_have_as_many_cells_in_each_row(made):
    markdown = made[1].with_suffix(".md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    assert len(tables) > 5
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert 1 == len(cells), table


def test_the_grid_of_the_page_is_the_table_of_the_folder(made):
    text = made[1].read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="grid">(.*?)</script>', text, re.DOTALL)[1])
    with (made[1].with_suffix("") / "grid.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    assert 2 * 2 * 2 == len(rows) == len(data["points"])
    for row, point in zip(rows, data["points"], strict=True):
        values = [f"{a['values'][i]:g}" for a, i in zip(data["axes"], point["place"], strict=True)]
        assert values == row[:2]
        assert point["policy"] == row[2]
        for number, cell in zip(point["numbers"], row[3:], strict=True):
            assert (
                cell == "never"
                if number is None
                else number == pytest.approx(float(cell.replace(",", "")), rel=0.01, abs=0.001)
            )


def test_a_point_of_the_grid_is_the_run_that_its_settings_say():
    scenario = small_storm(name="small")
    question = frame_question([scenario], {}, replications=2, on="sim")
    axes = grid_axes(question, {"outage_s": [20.0]})
    point = play_point((question.given, (0,), scenario, "sim"))
    trace = sl.run(scenario)
    expected = float(sl.summary(trace)["time_to_recover_s_p99"].iloc[0])
    assert expected == point.numbers["time_to_recover_s_p99"]
    assert expected <= max(point.back_s)
    assert axes[0].values == (20.0,)


def test_the_checklist_has_an_answer_to_each_of_its_items(made, page):
    with (made[1].with_suffix("") / "checklist.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    assert 20 == len(rows) == len({number for number, _, _ in rows})
    assert all(answer for _, _, answer in rows)
    assert checklist


def test_everything_that_a_review_asks_is_answered_on_sim_too(made, page):
    found, _ = made
    assert ({}, ()) == (found.missing, found.failed)
    assert not any("Not everything could be written" in each for each in page.words)
    assert any(each.startswith("Of the variance of the time until 99 %") for each in page.words)


@pytest.mark.parametrize("given", ["review.txt", "folder.html"])
def test_a_target_that_cannot_be_is_refused(tmp_path, given):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(SettingsError, match="out"):
        check_target(tmp_path / given)


def test_a_file_of_somebody_else_is_not_written_over(made, tmp_path):
    mine = tmp_path / "mine.html"
    mine.write_text("<html>my own", encoding="utf-8")
    with pytest.raises(SettingsError, match="no review of simlib"):
        sl.report(small_storm(), out=mine, replications=2, on="sim")
    assert "<html>my own" == mine.read_text(encoding="utf-8")
    check_target(made[1])


def test_a_pdf_without_a_browser_is_refused_with_the_way_out(monkeypatch, made):
    monkeypatch.setattr(write.shutil, "which", lambda _: None)
    with pytest.raises(sl.SimlibError, match="open the HTML file in any browser"):
        write_pdf(made[1])


@pytest.mark.parametrize("beside", ["mine.md", "mine/notes.txt", "mine"])
def test_what_stands_beside_a_new_review_is_not_written_over(tmp_path, beside):
    file = tmp_path / beside
    file.parent.mkdir(exist_ok=True)
    file.write_text("my own", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"would write over .*mine"):
        check_target(tmp_path / "mine.html")
    assert "my own" == file.read_text(encoding="utf-8")


def test_an_earlier_review_is_written_anew_with_all_that_stands_beside_it(made):
    check_target(made[1], pdf=True)
    assert made[1].with_suffix(".md").exists()


def call(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_the_command_answers_and_says_where_the_review_is(tmp_path):
    scenario = tmp_path / "storm.toml"
    scenario.write_text(sl.dump(small_storm(name="small", clients=5)), encoding="utf-8")
    out = tmp_path / "r.html"
    found = call(scenario, "--on", "sim", "--replications", 2, "--vary", "clients=3,5",
                 "--against", "preset:aws-full", "--out", out)  # fmt: skip
    assert 0 == found.exit_code, found.output
    assert "back" in found.stdout
    assert str(out) in found.stderr
    assert "Not written" not in found.stderr
    text = out.read_text(encoding="utf-8")
    assert f"simlib report {scenario} --on sim" in text


def small_file(folder, **changes):
    """Return the file of a small scenario, which a report plays in a second."""
    file = folder / "storm.toml"
    file.write_text(sl.dump(small_storm(name="small", clients=5, **changes)), encoding="utf-8")
    return file


def call_small(folder, monkeypatch, *more, **changes):
    """Report on a small scenario; return what was said, and the page."""
    monkeypatch.setattr(write, "save_figure", lambda _, path: path)  # drawing takes most of it
    out = folder / "r.html"
    said = call(small_file(folder, **changes), "--on", "sim", "--replications", 2,
                "--vary", "clients=3,5", "--out", out, *more)  # fmt: skip
    return said, out.read_text(encoding="utf-8") if out.exists() else ""


@pytest.mark.slow
def test_without_a_live_engine_the_rest_is_written_and_the_status_says_so(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(compare, "run", fail)
    monkeypatch.setattr(compare, "_replicate", lambda *_: [])
    said, page = call_small(tmp_path, monkeypatch, "--live")
    assert 1 == said.exit_code, said.output
    why = "[Errno 24] Too many open files"
    assert f"Not written: Does the simulation agree with real connections? {why}" in said.stderr
    assert why in page
    assert "Which setting decides?" in page


@pytest.mark.parametrize(
    "error", [sl.EngineError("no server"), OSError("no socket"), ImportError("no uvicorn")]
)
def test_what_a_machine_lacks_costs_one_section(error):
    material = Material(None, None)
    with report.note_failure(material, "agreement"):
        raise error
    assert {"agreement": str(error)} == material.missing


@pytest.mark.slow
def test_without_a_browser_only_the_pdf_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(write.shutil, "which", lambda _: None)
    said, page = call_small(tmp_path, monkeypatch, "--pdf")
    assert 1 == said.exit_code, said.output
    assert "Not written: PDF: a PDF needs Chromium or Chrome" in said.stderr
    assert page


def test_what_nobody_asked_for_and_cannot_be_is_said_with_status_0(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise sl.SimlibError("sensitivity needs SALib, which is not installed")

    monkeypatch.setattr(report, "find_sensitivity", fail)
    said, page = call_small(tmp_path, monkeypatch)
    assert 0 == said.exit_code, said.output
    assert "Not written: Which setting decides? sensitivity needs SALib" in said.stderr
    assert "sensitivity needs SALib" in page


@pytest.mark.slow
def test_an_observation_without_attempts_is_said_in_its_section(tmp_path, monkeypatch):
    sl.Observation([]).save(tmp_path / "empty.parquet")
    said, page = call_small(tmp_path, monkeypatch, "--observation", tmp_path / "empty.parquet")
    assert said.exit_code in (0, 1), said.output
    assert "What does the observed client really do?" in page


@pytest.mark.parametrize(
    "changes",
    with_slow(
        [
            {"faults": []},
            {"client": sl.Settings(connect_timeout_s=0.01)},  # nobody connects: the path is longer
        ],
        [{"faults": [sl.Fault("outage", start_s=0, stop_s=40)]}],
    ),
    ids=["no fault", "impatient", "no server"],
)
def test_a_run_in_which_nothing_happens_has_a_review_too(tmp_path, monkeypatch, changes):
    said, page = call_small(tmp_path, monkeypatch, "--against", "preset:phoenix", **changes)
    assert 0 == said.exit_code, said.output
    assert "nan" not in said.stdout
    assert " -" not in said.stdout
    assert "inf" not in said.stdout.split()
    assert "<h1>" in page


def test_a_recording_of_something_else_is_refused_before_anything_is_played(tmp_path, monkeypatch):
    file = tmp_path / "trace.parquet"
    sl.run(small_storm(clients=2)).save(file)
    said, page = call_small(tmp_path, monkeypatch, "--observation", file)
    assert (2, "") == (said.exit_code, page)
    assert "is not an observation" in said.stderr


@pytest.mark.slow
def test_runs_that_failed_are_left_out_and_said(made):
    question = frame_question([small_storm(name="small")], {"other": sl.Settings()}, (), 3, "sim")
    results = play_question(question, progress=lambda *_: None)
    given, other = results.by_scenario[0]
    less = replace(
        other, replications=replace(other.replications, table=other.replications.table.iloc[1:])
    )
    whole = [results.difference("attempts", given, each) for each in (other, less)]
    assert [3, 2] == [each.observations for each in whole]
    paired = other.replications.table["attempts"] - given.replications.table["attempts"]
    assert paired.iloc[1:].mean() == whole[1].value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing-of-this-name",), "simlib scenarios lists them"),
        (("first_outage", "--against", "preset:none-such"), "none-such"),
        (("first_outage", "--vary", "outage_s"), "--vary"),
        (("first_outage", "--vary", "client.cap_s=1,2"), "cap_s"),
        (("first_outage", "--objective", "fast"), "constraint"),
        (("first_outage", "--out", "review.txt"), "must end in .html"),
        (("first_outage", "--tuned", "nowhere.toml"), "nowhere.toml"),
        (("first_outage", "--observation", "nowhere.parquet"), "nowhere.parquet"),
        (("first_outage", "--out", "taken.toml/review.html"), "cannot be written"),
        (("first_outage", "--tune", "client.backoff.cap_s"), "--tune"),
        (("first_outage", "--tune", "client.backoff.cap_s=5..9", "--tuned", "a.toml"), "--tune"),
        (("first_outage", "--tune", "client.backoff.cap_s=5..9", "--vary", "cap_s=1,2"), "cap_s"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_played(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.toml").touch()
    found = call(*arguments)
    assert 2 == found.exit_code, found.output
    assert words in found.stderr
    assert "Traceback" not in found.output
    assert not list(tmp_path.rglob("review.html"))


def test_every_chart_is_described_with_a_number_and_in_whole_sentences(made):
    charts = re.findall(r'role="img" aria-label="([^"]*)"', made[1].read_text())
    assert len(charts) >= 5
    for words in charts:
        assert re.search(r"\d", words)
        assert not re.search(r"(^|[.;] )[:;.](?!\.\.)| $", words), words
