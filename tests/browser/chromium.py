"""The machine's Chromium as the browser tests use it, patient with a busy machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

#: A busy machine takes its time.
PATIENCE_MS = 200_000
#: The flags keep Chromium off the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def open_browser(path: str) -> Iterator[Browser]:
    """Run a browser; end it afterwards."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Browser, *, height: int = 800, **options: Any) -> Page:
    """Return a page of its own context, 1280 wide unless told otherwise."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": height}} | options)
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


def evaluate_until(place: Page | Locator, script: str, wanted: Any) -> Any:
    """Return what a script says once it says what is wanted, or at last if it never does.

    JupyterLab and the explorers lay out anew some time after a window has another size.
    """
    last_s = time.monotonic() + PATIENCE_MS / 1000.0
    while (said := place.evaluate(script)) != wanted and time.monotonic() < last_s:
        time.sleep(0.1)
    return said
