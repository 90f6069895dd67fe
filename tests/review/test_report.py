"""A review is one file that needs nothing else, with twins that say the same."""

import csv
import json
import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.cli import main
from simlib.core.errors import SettingsError
from simlib.review import write
from simlib.review.grid import grid_axes, play_point
from simlib.review.question import frame_question
from simlib.review.sections.assumptions import checklist
from simlib.review.write import check_target, write_pdf

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
            self.words.append(data)


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


def test_what_could_not_be_written_is_said_and_the_rest_is_there(made, page):
    found, _ = made
    assert ["Which setting decides?"] == list(found.missing)
    assert any("Not everything could be written" in each for each in page.words)


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


def call(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def test_the_command_answers_and_says_where_the_review_is(tmp_path):
    scenario = tmp_path / "storm.toml"
    scenario.write_text(sl.dump(small_storm(name="small", clients=5)), encoding="utf-8")
    out = tmp_path / "r.html"
    found = call(scenario, "--on", "sim", "--replications", 2, "--vary", "clients=3,5",
                 "--against", "preset:aws-full", "--out", out)  # fmt: skip
    assert 1 == found.exit_code, found.output  # sensitivity asks for the fleet
    assert "back" in found.stdout
    assert str(out) in found.stderr
    assert "Not written: Which setting decides?" in found.stderr
    text = out.read_text(encoding="utf-8")
    assert f"simlib report {scenario} --on sim" in text


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
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_played(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    found = call(*arguments)
    assert 2 == found.exit_code, found.output
    assert words in found.stderr
    assert "Traceback" not in found.output
    assert not list(tmp_path.rglob("review.html"))
