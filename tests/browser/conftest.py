"""What the tests in a browser share: JupyterLab, and a page."""

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.jupyter import FLAGS, serve_lab


@pytest.fixture
def lab(tmp_path):
    """JupyterLab with a folder of its own, which is empty."""
    with serve_lab(tmp_path) as served:
        yield served


@pytest.fixture
def dark_lab(tmp_path):
    """JupyterLab in its dark theme."""
    with serve_lab(tmp_path, "JupyterLab Dark") as served:
        yield served


@pytest.fixture
def lab_page(chromium):
    """A page of a browser, wide enough for a notebook."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser.new_page(viewport={"width": 1280, "height": 900})
        finally:
            browser.close()
