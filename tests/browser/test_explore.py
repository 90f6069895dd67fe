"""Notebook 00 in a real JupyterLab, in a real browser: a slider is dragged, the chart changes."""

import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.jupyter import PATIENCE_MS, ROOT, SCREENS, drag, run_all

NOTEBOOK = ROOT / "notebooks" / "00_start_here.ipynb"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    # The pipes of the server that was killed.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_dragging_a_slider_changes_the_chart(lab, lab_page):
    page = lab_page
    shutil.copy(NOTEBOOK, lab.folder)
    page.goto(lab.url(NOTEBOOK.name))
    run_all(page)
    chart = page.locator(".jp-OutputArea-output img.widget-image, .widget-image").last
    expect(chart).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("half of the clients open again within")).to_be_visible(
        timeout=PATIENCE_MS
    )
    chart.scroll_into_view_if_needed()
    before = chart.get_attribute("src")
    drag(page, page.locator(".widget-slider", has_text="cap (s)").locator(".noUi-handle"))
    expect(chart).not_to_have_attribute("src", before, timeout=PATIENCE_MS)
    expect(page.get_by_text("playing ...")).to_have_count(0, timeout=PATIENCE_MS)
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / "explore.png")
