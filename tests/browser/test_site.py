"""The static page in a real browser: it plays, follows its sliders, and says what simlib says."""

import functools
import http.server
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

import simlib as sl
from simlib.metrics.words import format_cell
from simlib.scenario.program import write_program
from simlib.site.build import build_site
from simlib.site.player import START
from tests.browser.chromium import open_page
from tests.site.test_lesson import ANSWERS

PYODIDE = Path(__file__).parents[1] / "lab" / "node_modules" / "pyodide"
SCREENSHOTS = Path(__file__).parents[2] / "out" / "browser"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.skipif(not PYODIDE.is_dir(), reason="needs Pyodide: npm install in tests/lab"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page's folder."""
    out = tmp_path_factory.mktemp("site")
    build_site(PYODIDE, out)
    return out


@pytest.fixture(scope="module")
def address(folder):
    """Serve the page from loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(browser, address):
    opened = open_page(browser, permissions=["clipboard-read", "clipboard-write"])
    opened.wrong = []
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    opened.on("request", lambda asked: opened.wrong.append(asked.url)
              if not asked.url.startswith((address, "data:")) else None)  # fmt: skip
    opened.said = []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.goto(address)
    opened.locator("#load-plot svg").wait_for()
    yield opened
    assert [] == opened.wrong


@pytest.fixture(autouse=True)
def at_the_start(page):
    """Begin each test with the page's own storm."""
    if page.locator("#pin").inner_text() == "Unpin":
        page.click("#pin")
    page.click("#reset")
    says(page, START)


def numbers(page):
    rows = page.locator("#numbers tbody tr")
    return {
        rows.nth(i).locator("th").inner_text(): rows.nth(i).locator("td").first.inner_text()
        for i in range(rows.count())
    }


def shown(value):
    """A number as the page writes it."""
    if value == float("inf"):
        return "never"
    return f"{value:,.0f}" if value >= 100 else f"{float(f'{value:.3g}'):g}"


def says(page, scenario):
    """Wait until the page shows a scenario; its numbers are those of the summary of a run here."""
    row = sl.summary(sl.run(scenario)).iloc[0]
    expect(page.locator("#numbers tbody tr").first.locator("td").first).to_have_text(
        shown(row["attempts"])
    )
    expected = {
        "attempts": row["attempts"],
        "attempts in the worst second": row["peak_attempts_per_s"],
        "the same after the fault": row["peak_after_fault_per_s"],
        "50 of 100 back after, s": row["time_to_recover_s_p50"],
        "95 of 100 back after, s": row["time_to_recover_s_p95"],
        "never back in the run": row["never_recovered"],
        "gave up": row["gave_up"],
    }
    assert {name: shown(value) for name, value in expected.items()} == numbers(page)


def press(page, key, *keys):
    page.locator(f'[id="{key}"]').focus()
    for each in keys:
        page.keyboard.press(each)


def test_a_slider_moved_by_keyboard_plays_anew_and_charts_follow(page):
    before = page.locator("#load-plot path").first.get_attribute("d")
    press(page, "client.backoff.cap_s", "ArrowRight")
    says(page, START.replace("client.backoff.cap_s", 10))
    assert before != page.locator("#load-plot path").first.get_attribute("d")
    assert "10 s" == page.locator('[id="client.backoff.cap_s"]').get_attribute("aria-valuetext")


def test_many_moves_come_to_the_newest(page):
    press(page, "length_s", *["ArrowRight"] * 4)
    says(page, START.replace("faults.0.stop_s", 50.0))


@pytest.mark.slow
def test_a_real_client_s_policy_is_chosen_from_the_list_and_undone(page):
    page.select_option("#preset", "phoenix")
    says(page, START.replace("client", "preset:phoenix"))
    page.click("#undo")
    says(page, START)


@pytest.mark.slow
def test_the_jitter_is_chosen_by_its_name(page):
    page.select_option('[id="client.backoff.jitter"]', label="full")
    says(page, START.replace("client.backoff.jitter", "full"))
    assert "all came back within" in page.locator("#finding").inner_text()


@pytest.mark.slow
def test_a_pinned_curve_stays_beside_the_next(page):
    page.click("#pin")
    press(page, "clients", "ArrowLeft")
    says(page, START.replace("clients", 100))
    assert "pinned" in page.locator("#load-plot").inner_text()
    attempts = page.locator("#numbers tbody tr").first.locator("td").all_inner_texts()
    assert 2 == len(set(attempts))


def test_a_link_opens_the_scenario_that_was_shown(page, address):
    press(page, "seed", "ArrowRight")
    says(page, START.replace("seed", 2))
    link = page.url
    page.click("#reset")
    says(page, START)
    page.goto(link)
    says(page, START.replace("seed", 2))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["s=2.abc", "s=1.abc", "s=1." + "A" * 30_000])
def test_a_wrong_link_is_told_in_words_and_the_charts_stay(page, address, end):
    page.evaluate("end => { location.hash = end }", end)
    expect(page.locator("#error")).to_contain_text("#s = ")
    assert page.locator("#load-plot svg").count()


@pytest.mark.slow
def test_values_that_contradict_are_told_in_words(page):
    page.select_option("#preset", "")
    press(page, "client.backoff.base_s", "End")
    expect(page.locator("#error")).to_contain_text("cap_s")
    page.click("#undo")
    expect(page.locator("#error")).to_be_hidden()


def test_what_is_copied_is_the_scenario(page):
    page.click("#copy-toml")
    expect(page.locator("#note")).to_contain_text("clipboard")
    text = page.evaluate("() => navigator.clipboard.readText()")
    assert START == sl.loads(text)
    page.click("#copy-python")
    expect(page.locator("#note")).to_contain_text("The program")
    program = page.evaluate("() => navigator.clipboard.readText()")
    assert write_program(START) == program


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(page, scheme, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"site_{scheme}_{width}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 800})


@pytest.fixture
def lesson(page, address):
    """The first notebook in the page, with Python ready."""
    page.goto(f"{address}start.html")
    expect(page.locator("#state")).to_have_text("Python is ready.")
    yield page
    page.goto("about:blank")
    page.goto(address)
    page.locator("#load-plot svg").wait_for()


def write_cell(page, beginning, source):
    """Replace a cell's code as a reader does, and run it by keyboard."""
    cell = page.locator(".cell").nth(
        [code.startswith(beginning) for code in page.evaluate(CODES)].index(True)
    )
    cell.locator("textarea").fill(source)
    cell.locator("textarea").press("Shift+Enter")
    expect(cell).to_have_attribute("data-run", "done")
    return cell.locator(".shown")


CODES = "() => [...document.querySelectorAll('.cell textarea')].map((each) => each.value)"


@pytest.mark.slow
def test_the_first_notebook_runs_in_the_page_to_its_end(lesson):
    lesson.click("#run-all")
    cells = lesson.locator(".cell")
    expect(cells.last).to_have_attribute("data-run", "done")
    assert ["done"] * cells.count() == [each.get_attribute("data-run") for each in cells.all()]
    assert [] == lesson.locator("pre.error").all_inner_texts()
    storm = sl.Scenario(
        clients=200, duration_s=40, faults=[sl.Fault("outage", start_s=10, stop_s=20)],
        client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=8, jitter="none")),
    )  # fmt: skip
    runs = [sl.run(storm), sl.run(storm.replace("client.backoff.jitter", "full"))]
    table = sl.summary(runs)[["attempts", "peak_attempts_per_s", "time_to_recover_s_p50",
                              "time_to_recover_s_p95"]]  # fmt: skip
    expected = [[format_cell(float(number)) for number in row] for row in table.to_numpy()]
    rows = lesson.locator(".shown table").last.locator("tbody tr").all()
    assert expected == [row.locator("td").all_inner_texts() for row in rows]
    assert "no guess yet" in write_cell(lesson, "table = ", lesson.evaluate(CODES)[8]).inner_text()
    write_cell(lesson, "guess_s", ANSWERS["guess"])
    said = write_cell(lesson, "table = ", lesson.evaluate(CODES)[8]).inner_text()
    assert "you guessed 3.6 s, the run says 2.66 s" in said
    wrong = write_cell(lesson, "wait_s", ANSWERS["exercise-1"].replace("8", "16"))
    assert "not yet: 16 s is right without the cap" == wrong.inner_text()
    for code in (code for name, code in ANSWERS.items() if name.startswith("exercise")):
        assert write_cell(lesson, code.split()[0], code).inner_text().startswith("right: ")
    sliders = lesson.frame_locator("iframe")
    lesson.locator("iframe").scroll_into_view_if_needed()
    sliders.locator("#load-plot svg").wait_for()
    assert "1,428" == sliders.locator("#numbers tbody td").first.inner_text()
    sliders.locator("#clients").press("ArrowLeft")
    expect(sliders.locator("#numbers tbody td").first).not_to_have_text("1,428")
    assert "100" == write_cell(lesson, "calmer = ", "explorer.scenario.clients").inner_text()


@pytest.mark.slow
def test_a_cell_of_the_page_runs_those_above_it_first_and_tells_errors_in_words(lesson):
    shown = write_cell(lesson, "story = ", "1 / 0")
    assert "ZeroDivisionError: division by zero" == shown.inner_text()
    assert ["done"] * 5 == [
        each.get_attribute("data-run") for each in lesson.locator(".cell").all()[:5]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_cell_is_wider_than_the_screen(lesson, scheme, width):
    lesson.set_viewport_size({"width": width, "height": 800})
    lesson.emulate_media(color_scheme=scheme)
    lesson.click("#run-all")
    expect(lesson.locator(".cell").last).to_have_attribute("data-run", "done")
    assert lesson.evaluate("() => document.documentElement.scrollWidth") <= width
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    lesson.screenshot(path=SCREENSHOTS / f"start_{scheme}_{width}.png", full_page=True)
    lesson.set_viewport_size({"width": 1280, "height": 800})


def test_what_the_page_cannot_play_it_names_and_says_what_to_install(page):
    footer = page.locator("footer").inner_text()
    for word in ("fleet", "live", "observe", 'pip install -e ".[all]"'):
        assert word in footer


@pytest.mark.slow
def test_python_starts_from_its_snapshot_and_without_one_by_itself(page, folder, address):
    """Last: it takes the snapshot away."""
    assert [] == page.said
    (folder / "python.snapshot").unlink()
    page.goto("about:blank")
    page.goto(address)
    says(page, START)
    assert ["Python starts without its snapshot: ./python.snapshot: 404"] == [
        text for text in page.said if "snapshot:" in text
    ]
