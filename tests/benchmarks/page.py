"""Figures of the static page: from its address to the first chart, and from a slider to the next.

The first chart stands beside Pyodide's own start.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from figure import Figure

from simlib.site.build import build_site

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

_PYODIDE = Path("tests/lab/node_modules/pyodide")
#: Each round begins with a browser that has never seen the page.
_ROUNDS = 3
_STEPS = 20
_PATIENCE_MS = 180_000
#: A page whose worker starts Pyodide, and does nothing with it.
_FLOOR = """<body><script>
new Worker("floor.js", { type: "module" }).onmessage = () => { document.body.id = "started"; };
</script>"""
#: Moves the longest wait by a step, and says how long the chart took to change.
_STEP = """async () => {
  const slider = document.getElementById("client.backoff.cap_s");
  const changed = new Promise(done => new MutationObserver(done).observe(
    document.getElementById("load-plot"), { subtree: true, childList: true, attributes: true }));
  const began = performance.now();
  slider.stepUp();
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await changed;
  return performance.now() - began;
}"""
_FLOOR_WORKER = """import { loadPyodide } from "./pyodide/pyodide.mjs";
await loadPyodide({ indexURL: new URL("./pyodide/", self.location.href).href });
self.postMessage("started");"""


def starting() -> list[Figure]:
    """Open the page cold and warm, in turn with one that starts Pyodide alone."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None or not _PYODIDE.is_dir():
        why = "the page needs Chromium, and Pyodide: npm install in tests/lab"
        return [Figure("page: cold, to the first chart", "s", (), skipped=why)]
    floors_s, colds_s, warms_s = [], [], []
    with _serve() as address:
        for _ in range(_ROUNDS):
            floors_s += _open(found, f"{address}floor.html", "#started")
            cold_s, warm_s = _open(found, address, "#load-plot svg", times=2)
            colds_s.append(cold_s)
            warms_s.append(warm_s)
        steps_s = _step(found, address)
    ratios = tuple(cold_s / floor_s for cold_s, floor_s in zip(colds_s, floors_s, strict=True))
    return [
        Figure("page: Pyodide's own start", "s", tuple(floors_s)),
        Figure("page: cold, to the first chart", "s", tuple(colds_s), at_most=15.0),
        Figure("page: warm, to the first chart", "s", tuple(warms_s), at_most=5.0),
        Figure("page: slider to chart, 200 clients", "s", steps_s, at_most=0.3),
        Figure("page: cold, over Pyodide's own start", "times", (median(ratios),), at_most=1.0),
    ]


@contextmanager
def _serve() -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with tempfile.TemporaryDirectory() as folder:
        build_site(_PYODIDE, folder)
        Path(folder, "floor.html").write_text(_FLOOR, encoding="utf-8")
        Path(folder, "floor.js").write_text(_FLOOR_WORKER, encoding="utf-8")
        handler = functools.partial(Quiet, directory=folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/"
            finally:
                server.shutdown()
                thread.join()


def _open(chromium: str, address: str, shown: str, times: int = 1) -> list[float]:
    """Open a page in a browser with a profile of its own; return how long each time took."""
    spent_s = []
    with _browser(chromium) as browser:
        for _ in range(times):
            page = browser.new_page()
            began_s = time.perf_counter()
            page.goto(address)
            page.locator(shown).wait_for(timeout=_PATIENCE_MS)
            spent_s.append(time.perf_counter() - began_s)
            page.close()
    return spent_s


def _step(chromium: str, address: str) -> tuple[float, ...]:
    """Return how long the chart takes to follow each step of a slider, of 200 clients."""
    with _browser(chromium) as browser:
        page = browser.new_page()
        page.goto(address)
        page.locator("#load-plot svg").wait_for(timeout=_PATIENCE_MS)
        # The first step may wait for Python to start.
        return tuple(page.evaluate(_STEP) / 1000.0 for _ in range(_STEPS + 1))[1:]


@contextmanager
def _browser(chromium: str) -> Iterator[BrowserContext]:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


if __name__ == "__main__":
    for each in starting():
        print(each.name, each.unit, each.numbers, each.skipped or each.verdict)
