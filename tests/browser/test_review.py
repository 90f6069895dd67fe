"""A review in a real browser: sliders move over what was played, with the table's numbers."""

import csv

import pytest
from playwright.sync_api import expect

import simlib as sl
from tests.browser.chromium import open_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    scenario = sl.Scenario(
        name="storm",
        clients=20,
        duration_s=40,
        ramp_s=2,
        client=sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=4, jitter="full")),
        server=sl.ServerSettings(accept_per_s=10),
        workload=sl.Workload(rate_per_s=0),
        faults=[sl.Fault("outage", start_s=5, stop_s=15)],
    )
    file = tmp_path_factory.mktemp("browser") / "review.html"
    vary = {"outage_s": [5, 10, 20], "clients": [10, 20]}
    sl.report(scenario, ["phoenix"], out=file, vary=vary, replications=2, on="sim",
              progress=lambda *_: None)  # fmt: skip
    return file


@pytest.fixture
def page(browser, out):
    opened = open_page(browser)
    opened.wrong = []
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    opened.on("request", lambda asked: opened.wrong.append(asked.url)
              if not asked.url.startswith("file:") else None)  # fmt: skip
    opened.goto(out.as_uri())
    yield opened
    assert [] == opened.wrong
    opened.context.close()


def cells(page):
    """The numbers that the page shows, by policy."""
    rows = page.locator("#numbers tbody tr")
    return {
        rows.nth(i).locator("th").inner_text().strip("\u25a0 "): rows.nth(i)
        .locator("td")
        .all_inner_texts()
        for i in range(rows.count())
    }


def rows_of_csv(out, outage_s, clients):
    with (out.with_suffix("") / "grid.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return {row[2]: row[3:] for row in rows if row[:2] == [outage_s, clients]}


def numbers(texts):
    return [float("inf") if each == "never" else float(each.replace(",", "")) for each in texts]


def assert_same(shown, written):
    assert shown.keys() == written.keys()
    for name in shown:
        assert numbers(shown[name]) == pytest.approx(numbers(written[name]), rel=0.01, abs=0.01)


def test_a_slider_moves_the_charts_the_sentence_and_the_numbers(page, out):
    assert_same(cells(page), rows_of_csv(out, "10", "20"))
    before = page.locator("#load-plot path").first.get_attribute("d")
    sentence = page.locator("#finding").inner_text()
    slider = page.locator("#axis-0")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#value-0")).to_have_text("20")
    assert_same(cells(page), rows_of_csv(out, "20", "20"))
    assert before != page.locator("#load-plot path").first.get_attribute("d")
    assert sentence != page.locator("#finding").inner_text()
    assert "20" == slider.get_attribute("aria-valuetext")
    assert page.url.endswith("#outage=20&clients=20")


def test_an_address_opens_the_point_that_it_names(page, out):
    page.goto(f"{out.as_uri()}#outage=5&clients=10&policy=phoenix")
    page.reload()
    expect(page.locator("#value-0")).to_have_text("5")
    shown = cells(page)
    assert ["phoenix"] == list(shown)
    assert_same(shown, {"phoenix": rows_of_csv(out, "5", "10")["phoenix"]})


def test_an_address_of_a_point_that_was_not_played_opens_the_nearest(page, out):
    page.goto(f"{out.as_uri()}#outage=17&clients=900&policy=nobody")
    page.reload()
    expect(page.locator("#value-0")).to_have_text("20")
    expect(page.locator("#value-1")).to_have_text("20")
    assert 2 == len(cells(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen_and_words_can_be_read(browser, out, scheme, width):
    size = {"width": width, "height": 800}
    page = open_page(browser, viewport=size, color_scheme=scheme)
    page.goto(out.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ratio = page.evaluate(
        """() => {
        const light = (c) => { const [r, g, b] = c.match(/[0-9.]+/g).map(Number).map((v) => {
          v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = light(getComputedStyle(document.body).backgroundColor);
        const seen = [...document.querySelectorAll("p, th, td, a, figcaption span, svg text")]
          .filter((e) => e.getClientRects().length)
          .map((e) => [e.closest("svg") ? "fill" : "color", getComputedStyle(e)])
          .map(([name, style]) => light(style[name]));
        const contrast = (c) => (Math.max(c, ground) + 0.05) / (Math.min(c, ground) + 0.05);
        return Math.min(...seen.map(contrast));
        }"""
    )
    assert ratio >= 4.0
    page.context.close()


def test_without_scripts_the_table_of_all_points_is_there(browser, out):
    page = open_page(browser, java_script_enabled=False)
    page.goto(out.as_uri())
    assert page.locator("#living").is_hidden()
    page.locator("#limits summary").click()
    assert 3 * 2 * 2 == page.locator("#limits table tbody tr").count()
    page.context.close()


def test_headings_follow_each_other_and_every_control_has_a_name(page):
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((e) => e.tagName)")
    assert "H1" == levels[0]
    assert {"H2"} == set(levels[1:])
    assert page.get_by_label("length of the outage, s").count()
    assert page.get_by_label("policy").count()
