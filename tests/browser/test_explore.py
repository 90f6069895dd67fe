"""Explorers in a real JupyterLab, in a real browser: controls move, charts and words follow."""

import json
import shutil
import statistics
from pathlib import Path

import pytest
from playwright.sync_api import expect

import simlib as sl
from tests.batteries import with_slow
from tests.browser.chromium import evaluate_until, open_page
from tests.browser.jupyter import ROOT, SCREENS, drag, run_all, serve_lab

NOTEBOOK = next((ROOT / "notebooks").glob("00_*.ipynb"))
#: Where figures are left for `make bench`.
FIGURES = SCREENS / "explorers.json"
#: What is looked for on the page: texts that are cut or overlap, and the least contrast.
LOOKS = (Path(__file__).parent / "looks.js").read_text(encoding="utf-8")
#: Each explorer: how it is made, and the beginning of its title.
EXPLORERS = {
    "backoff": ("sl.explore.backoff()", "Backoff"),
    "storm": ("sl.explore.storm()", "Storm"),
    "breaker": ("sl.explore.breaker()", "Breaker"),
    "queue": ("sl.explore.queue()", "Queue"),
    "fallback": ("sl.explore.fallback()", "Fallback"),
    "sessions": ("sl.explore.sessions()", "Sessions"),
    "compare": ("sl.explore.compare()", "Compare"),
    "general": ("sl.explore(sl.Scenario(clients=20, duration_s=30))", "What do clients do"),
}
#: Of each a slider that its charts depend on, and the key that moves it.
SLIDERS = {
    "backoff": ("base_s", "Home"),
    "storm": ("accept_per_s", "End"),
    "breaker": ("trip_after", "End"),
    "queue": ("capacity", "Home"),
    "fallback": ("after_attempts", "End"),
    "sessions": ("spread_s", "End"),
    "compare": ("outage_s", "Home"),
    "general": ("outage_s", "Home"),
}
pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    # The pipes of the server that was killed.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    """A JupyterLab with all explorers in one notebook, and notebook 00."""
    home = tmp_path_factory.mktemp("lab")
    settings = home / "SETTINGS_DIR" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # What is scrolled out of sight stays in the page, so that it can be found.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    with serve_lab(home) as served:
        served.write(
            "explorers.ipynb", "import simlib as sl", *(made for made, _ in EXPLORERS.values())
        )
        shutil.copy(NOTEBOOK, served.folder)
        # The theme follows the browser's, so that a test can change it.
        themes = settings.parent / "apputils-extension" / "themes.jupyterlab-settings"
        themes.write_text('{"adaptive-theme": true}')
        yield served


@pytest.fixture(scope="module")
def page(browser, notebooks):
    """Open a browser page wide enough for a notebook, with all explorers in it."""
    opened = open_page(browser, permissions=["clipboard-read", "clipboard-write"])
    opened.wrong = []
    opened.on("pageerror", lambda error: note_error(opened.wrong, str(error)))
    opened.goto(notebooks.url("explorers.ipynb").replace("/lab/tree/", "/doc/tree/"))
    run_all(opened)
    for _, title in EXPLORERS.values():
        expect(explorer_of(opened, title)).to_be_visible()
    return opened


def note_error(wrong, said):
    """Keep an error of the page, but not that a busy machine took 2 s to begin an explorer."""
    if said != "[anywidget] Failed to initialize model.":
        wrong.append(said)


def explorer_of(page, title):
    return page.locator(f'.simlib-explorer[aria-label^="{title}"]')


def settle(explorer):
    """Wait until the page has the answer to what it asked last."""
    expect(explorer).to_have_attribute("data-busy", "false")


def press(explorer, name, *keys):
    control = explorer.locator(f'[data-name="{name}"]')
    for key in keys:
        control.press(key)
    settle(explorer)


@pytest.fixture(params=with_slow(list(EXPLORERS)[:1], list(EXPLORERS)[1:]))
def opened(request, page):
    """One of the explorers, as it began."""
    explorer = explorer_of(page, EXPLORERS[request.param][1])
    explorer.scroll_into_view_if_needed()
    explorer.get_by_role("button", name="Reset").click()
    settle(explorer)
    return request.param, explorer


def test_a_slider_moved_by_keyboard_changes_charts_and_words(opened, page):
    name, explorer = opened
    chart = explorer.locator("figure svg")
    before = chart.first.get_attribute("aria-label"), chart.last.get_attribute("aria-label")
    control, key = SLIDERS[name]
    slider = explorer.locator(f'[data-name="{control}"]')
    said = slider.get_attribute("aria-valuetext")
    press(explorer, control, key)
    assert before != (
        chart.first.get_attribute("aria-label"),
        chart.last.get_attribute("aria-label"),
    )
    assert said != slider.get_attribute("aria-valuetext")
    assert explorer.locator(".sentence").inner_text()
    assert "" == explorer.locator(".error").inner_text()
    explorer.get_by_role("button", name="Undo").click()
    settle(explorer)
    expect(chart.first).to_have_attribute("aria-label", before[0])
    assert [] == page.wrong


def test_numbers_are_those_of_the_summary(page):
    explorer = explorer_of(page, "Backoff")
    explorer.get_by_role("button", name="Reset").click()
    settle(explorer)
    press(explorer, "clients", "ArrowLeft")
    clients = int(explorer.locator('[data-name="clients"]').get_attribute("aria-valuetext"))
    assert clients < 300
    scenario = sl.load(ROOT / "data/scenarios/fleet_storm.toml").replace(clients=clients)
    attempts = int(sl.summary(sl.run(scenario))["attempts"].iloc[0])
    row = explorer.locator("tr", has=page.get_by_role("rowheader", name="attempts", exact=True))
    assert f"{attempts:,}" == row.locator("td").first.inner_text()


def test_many_moves_are_played_as_few_and_the_last_one_counts(page):
    explorer = explorer_of(page, "Storm")
    explorer.get_by_role("button", name="Reset").click()
    settle(explorer)
    asked = int(explorer.get_attribute("data-answers"))
    top = explorer.locator("figure").first.bounding_box()["y"]
    # All within one turn of the browser's loop: no answer can come in between.
    explorer.locator('[data-name="outage_s"]').evaluate(
        """slider => { for (let i = 0; i < 30; i++) {
          slider.value = i % 5; slider.dispatchEvent(new Event("input", { bubbles: true })); } }"""
    )
    settle(explorer)
    assert int(explorer.get_attribute("data-answers")) - asked <= 2
    assert "4" == explorer.locator('[data-name="outage_s"]').input_value()
    assert top == explorer.locator("figure").first.bounding_box()["y"]


@pytest.mark.slow
def test_keyboard_alone_pins_copies_and_shows_a_million(page):
    explorer = explorer_of(page, "Storm")
    explorer.get_by_role("button", name="Reset").click()
    settle(explorer)
    explorer.get_by_role("button", name="Pin this curve").press("Enter")
    press(explorer, "jitter", "ArrowDown")
    expect(explorer.locator(".curve-name", has_text="pinned: jitter none").first).to_be_visible()
    press(explorer, "clients", "End")
    assert "1,000,000" == explorer.locator('[data-name="clients"]').get_attribute("aria-valuetext")
    # What plays so many may have to be compiled first.
    sentence = explorer.locator(".sentence")
    expect(sentence).to_contain_text("1,000,000 clients")
    explorer.locator("summary").press("Enter")
    explorer.get_by_role("button", name="Copy to the clipboard").press("Enter")
    expect(explorer.get_by_text("It is in the clipboard.")).to_be_visible()
    copied = sl.loads(page.evaluate("() => navigator.clipboard.readText()"))
    assert (1_000_000, "FULL") == (copied.clients, copied.client.backoff.jitter.name)
    explorer.locator("summary").press("Enter")
    explorer.get_by_role("button", name="Unpin").press("Enter")
    settle(explorer)


@pytest.mark.slow
def test_each_format_is_copied_to_the_clipboard_as_python_writes_it(page):
    explorer, same = explorer_of(page, "Backoff"), sl.explore.backoff()
    explorer.get_by_role("button", name="Reset").click()
    settle(explorer)
    explorer.locator("summary").press("Enter")
    formats = explorer.get_by_label("Copy as", exact=True)
    for name in formats.locator("option").all_inner_texts():
        formats.select_option(name)
        settle(explorer)
        explorer.get_by_role("button", name="Copy to the clipboard").press("Enter")
        expect(explorer.get_by_text("It is in the clipboard.")).to_be_visible()
        assert same.copy_as(name) == page.evaluate("() => navigator.clipboard.readText()")
    explorer.locator("summary").press("Enter")


@pytest.mark.slow
def test_a_policy_is_chosen_by_keyboard_and_undone_and_reset(page):
    explorer = explorer_of(page, "Backoff")
    policies = explorer.locator(".buttons select").first
    policies.press("ArrowDown")
    settle(explorer)
    first = policies.input_value()
    assert first in sl.presets
    policies.press("ArrowDown")
    settle(explorer)
    assert first != policies.input_value()
    explorer.get_by_role("button", name="Undo").press("Enter")
    settle(explorer)
    assert first == policies.input_value()
    explorer.get_by_role("button", name="Reset").press("Enter")
    settle(explorer)
    assert "" == policies.input_value()


def test_values_that_contradict_are_told_in_words_and_undone(page):
    explorer = explorer_of(page, "Backoff")
    explorer.get_by_role("button", name="Reset").click()
    settle(explorer)
    press(explorer, "base_s", "End")
    expect(explorer.get_by_role("alert")).to_contain_text("must not be below base_s (20)")
    explorer.get_by_role("button", name="Undo").click()
    expect(explorer.get_by_role("alert")).to_have_text("")


def test_an_explorer_of_policies_has_no_list_to_begin_with(page):
    expect(explorer_of(page, "Compare").locator("label[hidden] select")).to_be_hidden()


@pytest.mark.slow
def test_clients_are_shown_as_dots(page):
    explorer = explorer_of(page, "Storm")
    explorer.get_by_role("button", name="Reset").click()
    settle(explorer)
    explorer.get_by_role("button", name="Show clients as dots").click()
    picture = explorer.locator('img[alt*="clients by state over time"]')
    expect(picture).to_be_visible()
    SCREENS.mkdir(parents=True, exist_ok=True)
    picture.evaluate("root => root.scrollIntoView()")
    page.screenshot(path=SCREENS / "explore_dots.png")
    explorer.get_by_role("button", name="Hide the dots").click()
    expect(picture).to_have_count(0)


@pytest.mark.slow
def test_nothing_is_cut_or_overlaps_wide_narrow_light_and_dark(page):
    SCREENS.mkdir(parents=True, exist_ok=True)
    for theme in ("Light", "Dark"):
        choose_theme(page, theme)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            for name, (_, title) in EXPLORERS.items():
                explorer = explorer_of(page, title)
                explorer.scroll_into_view_if_needed()
                assert [] == evaluate_until(explorer, f"{LOOKS}.cut", []), (name, theme, width)
                assert explorer.evaluate(f"{LOOKS}.contrast") >= 4.0, (name, theme)
                explorer.evaluate("root => root.scrollIntoView()")
                page.screenshot(path=SCREENS / f"explore_{name}_{theme.lower()}_{width}.png")
        page.set_viewport_size({"width": 1280, "height": 800})
    choose_theme(page, "Light")


def choose_theme(page, name):
    page.emulate_media(color_scheme=name.lower())
    is_light = str(name == "Light").lower()
    shown = page.locator(f'body[data-jp-theme-light="{is_light}"]')
    expect(shown).to_have_count(1)


@pytest.mark.slow
def test_how_long_a_step_takes_is_measured(page):
    """Writes what `make bench` prints; a busy machine is no reason to fail."""
    explorer_of(page, "Storm").get_by_role("button", name="Reset").click()
    settle(explorer_of(page, "Storm"))
    press(explorer_of(page, "Storm"), "jitter", "ArrowDown")
    clients = explorer_of(page, "Storm").locator('[data-name="clients"]')
    for _ in range(20):
        if clients.get_attribute("aria-valuetext") != "10,000":
            press(explorer_of(page, "Storm"), "clients", "ArrowRight")
    assert "10,000" == clients.get_attribute("aria-valuetext")
    taken = {}
    for name, slider in (
        ("backoff", "cap_s"),
        ("breaker", "open_s"),
        ("queue", "burst"),
        ("storm", "cap_s"),
    ):
        explorer = explorer_of(page, EXPLORERS[name][1])
        taken[name] = measure_steps(explorer, slider)
        assert all(each > 0 for each in taken[name])
    SCREENS.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(taken))
    print({name: round(statistics.median(each)) for name, each in taken.items()})


def measure_steps(explorer, slider, count=12):
    """Return how long it takes from a key to the new chart, in ms, again and again."""
    explorer.scroll_into_view_if_needed()
    explorer.evaluate(
        """root => { root.taken = []; let began = 0;
        root.addEventListener("input", () => { began = performance.now(); }, true);
        new MutationObserver(() => { if (began && root.dataset.busy === "false") {
          root.taken.push(performance.now() - began); began = 0; } })
          .observe(root, { attributes: true, attributeFilter: ["data-busy"] }); }"""
    )
    press(explorer, slider, "Home")
    for i in range(count):
        press(explorer, slider, "ArrowRight" if i % 8 < 6 else "ArrowLeft")
    return explorer.evaluate("root => root.taken")[1:]


@pytest.mark.slow
def test_dragging_a_slider_of_notebook_00_changes_the_chart(notebooks, browser):
    page = open_page(browser, height=900)
    page.goto(notebooks.url(NOTEBOOK.name))
    run_all(page)
    explorer = page.locator(".simlib-explorer").first
    expect(explorer).to_be_visible()
    chart = explorer.locator("figure svg").first
    before = chart.get_attribute("aria-label")
    drag(page, explorer.locator('[data-name="cap_s"]'), by_px=50)
    expect(chart).not_to_have_attribute("aria-label", before)
    settle(explorer)
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / "explore_in_notebook_00.png")
    page.close()
