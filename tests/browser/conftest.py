"""What the tests in a browser share: JupyterLab, and a page."""

import pytest

from tests.browser.chromium import open_browser, open_page
from tests.browser.jupyter import serve_lab


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


@pytest.fixture(scope="module")
def browser(chromium):
    """The browser of a file's tests."""
    with open_browser(chromium) as opened:
        yield opened


@pytest.fixture
def lab_page(browser):
    """A page of a browser, wide enough for a notebook."""
    page = open_page(browser, height=900)
    yield page
    page.context.close()
