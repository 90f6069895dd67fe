"""The live console in a real JupyterLab: its buttons change the state that is shown."""

import re

import pytest
from playwright.sync_api import expect

import simlib as sl
from tests.browser.chromium import evaluate_until
from tests.browser.jupyter import SCREENS, run_all

pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    pytest.mark.long,
    # The pipes of the server that was killed.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
CELL = """
import simlib as sl
scenario = sl.Scenario(
    name="in_a_notebook", clients=8, duration_s=600, ramp_s=1,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=0.5)),
    server=sl.ServerSettings(accept_per_s=50, workers=2, handshake_service_s=0.01),
)
console = sl.console(scenario)
console
"""


def press(page, name):
    """Press a button by keyboard alone."""
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")


def shows_open(page, live, twin):
    row = page.locator(".simlib-console table", has_text="Connection").locator(
        "tr", has=page.locator("th", has_text=re.compile("^open$"))
    )
    expect(row.locator("td")).to_have_text([live, twin])


def picture(page, name):
    SCREENS.mkdir(parents=True, exist_ok=True)
    # It is drawn anew five times a second, so there is no element to wait for.
    page.evaluate("() => document.querySelector('.simlib-console').scrollIntoView()")
    page.screenshot(path=SCREENS / f"console_{name}.png")


@pytest.mark.slow
def test_cut_and_restore_by_keyboard_change_the_state_shown(lab, lab_page):
    page = lab_page
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(lab.write("console.ipynb", CELL))
    run_all(page)
    press(page, "start")
    shows_open(page, "8", "8")
    press(page, "cut")
    shows_open(page, "0", "0")
    expect(page.get_by_role("status").filter(has_text="By hand: cut")).to_be_visible()
    expect(page.get_by_text("outage since")).to_be_visible()
    picture(page, "cut")
    press(page, "restore")
    shows_open(page, "8", "8")
    press(page, "slow")
    expect(page.get_by_text("latency +0.5 s since")).to_be_visible()
    slider = page.get_by_role("slider", name="slow by")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "0.55 s")
    expect(page.get_by_text("latency +0.55 s since")).to_be_visible()
    press(page, "stop")
    # So begins each of its verdicts, the one for a machine too busy to tell among them.
    verdict = re.compile("[Ss]imulation and live run")
    expect(page.get_by_text(verdict).first).to_be_visible()
    press(page, "save as scenario")
    expect(page.get_by_text("Saved. Play it again: simlib run")).to_be_visible()
    saved = sl.load(lab.folder / "in_a_notebook_by_hand.toml")
    assert ["outage", "latency", "latency"] == [fault.kind.name.lower() for fault in saved.faults]
    picture(page, "compared")


_CUT = """() => [...document.querySelectorAll(".simlib-console *, .jp-OutputArea-output button")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
  .map((each) => each.outerHTML.slice(0, 80))"""


@pytest.mark.slow
def test_in_the_dark_theme_and_on_a_phone_nothing_is_cut_off(dark_lab, lab_page):
    page = lab_page
    address = dark_lab.write("console.ipynb", CELL).replace("/lab/tree/", "/doc/tree/")
    page.goto(address)
    run_all(page)
    press(page, "start")
    shows_open(page, "8", "8")
    picture(page, "dark")
    page.set_viewport_size({"width": 390, "height": 800})
    picture(page, "dark_390")
    assert [] == evaluate_until(page, _CUT, [])
    press(page, "stop")
