"""The app in a real browser: its tabs open, and a slider changes the chart."""

import os
import signal
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import evaluate_until
from tests.browser.jupyter import ROOT, SCREENS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    pytest.mark.long,
    # The pipes of the server that was ended.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
#: The tabs whose words do not fit, and what is wider than the screen.
_CUT = """() => [...document.querySelectorAll("[role=tab], [role=tab] *")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth
    || (e.clientWidth && e.scrollWidth > e.clientWidth + 1))
  .map((e) => e.textContent)"""


@pytest.fixture
def address(tmp_path):
    """The address of the app while it is served."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    environment.pop("MPLBACKEND", None)
    with subprocess.Popen(
        [sys.executable, "-m", "simlib", "app", "--no-browser"],
        stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        try:
            found = process.stderr.readline().split()[-1]
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            assert 0 == process.wait(300)


def open_page(page, address):
    """Open the app's page, which comes up some seconds after its address."""
    for _ in range(100):
        try:
            page.goto(address)
        except Exception:  # noqa: BLE001 - it does not listen yet
            page.wait_for_timeout(300)
        else:
            return
    pytest.fail("the app does not answer")


@pytest.mark.slow
def test_a_slider_of_the_app_changes_the_chart(address, lab_page):
    page, outside = lab_page, []
    page.on("request", lambda asked: outside.append(asked.url))
    open_page(page, address)
    explorer = page.locator('.simlib-explorer[aria-label^="Backoff"]')
    chart = explorer.locator("figure svg").first
    expect(chart).to_be_visible()
    before = chart.get_attribute("aria-label")
    explorer.locator('[data-name="base_s"]').press("Home")
    expect(chart).not_to_have_attribute("aria-label", before)
    page.get_by_role("tab", name="Queue").click()
    queue = page.locator('.simlib-explorer[aria-label^="Queue"]')
    expect(queue.locator("figure svg").first).to_be_visible()
    # Its page was hidden when it was made: both charts are as wide as they are shown.
    drawn = "each => [each.viewBox.baseVal.width, Math.round(each.parentElement.clientWidth)]"
    for each in queue.locator("figure svg").all():
        made, shown = each.evaluate(drawn)
        assert shown == pytest.approx(made, abs=3)
    SCREENS.mkdir(parents=True, exist_ok=True)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert [] == evaluate_until(page, _CUT, [])
        page.screenshot(path=SCREENS / f"app_{width}.png")
    assert [] == [url for url in outside if url.startswith("http") and "://127.0.0.1:" not in url]
