"""Notebook 00 in a real JupyterLab, in a real browser: a slider is dragged, the chart changes."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_start_here.ipynb"
TOKEN = "a-token-for-this-test"
SECOND_MS = 1000
#: Where the picture is left to be looked at.
SCREENSHOTS = ROOT / "out" / "browser"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    # The pipes of the server that was killed.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
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


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def lab(tmp_path):
    """Run JupyterLab in a folder of its own; kill it and its kernels afterwards."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(NOTEBOOK, folder)
    port = free_port()
    environment = dict(os.environ)
    environment.pop("MPLBACKEND", None)
    environment["PYTHONPATH"] = str(ROOT)
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(tmp_path / name)
    for name in ("SETTINGS_DIR", "WORKSPACES_DIR"):
        environment[f"JUPYTERLAB_{name}"] = str(tmp_path / name)
    settings = tmp_path / "SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
        *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with (tmp_path / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)  # it ends its kernels first
        try:
            server.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


@pytest.fixture
def page(chromium):
    """Open a browser page wide enough for a notebook."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser.new_page(viewport={"width": 1280, "height": 900})
        finally:
            browser.close()


def wait_until_up(address):
    with httpx.Client(transport=httpx.HTTPTransport(retries=50), trust_env=False) as http:
        assert http.get(f"{address}/api").status_code == 200


def test_dragging_a_slider_changes_the_chart(lab, page):
    wait_until_up(lab)
    page.goto(f"{lab}/lab/tree/{NOTEBOOK.name}?token={TOKEN}&reset")
    run_all(page)
    chart = page.locator(".jp-OutputArea-output img.widget-image, .widget-image").last
    expect(chart).to_be_visible(timeout=200 * SECOND_MS)
    expect(page.get_by_text("half of the clients open again within")).to_be_visible(
        timeout=200 * SECOND_MS
    )
    chart.scroll_into_view_if_needed()
    before = chart.get_attribute("src")
    drag(page, page.locator(".widget-slider", has_text="cap (s)").locator(".noUi-handle"))
    expect(chart).not_to_have_attribute("src", before, timeout=200 * SECOND_MS)
    expect(page.get_by_text("playing ...")).to_have_count(0, timeout=200 * SECOND_MS)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "explore.png")


def run_all(page: Page):
    expect(page.locator(".jp-NotebookPanel .jp-CodeCell").first).to_be_visible(
        timeout=200 * SECOND_MS
    )
    # Before the kernel is there, "run all" is taken for done without anything having run.
    expect(page.get_by_text("(ipykernel) | Idle")).to_be_visible(timeout=200 * SECOND_MS)
    page.locator(".jp-NotebookPanel .jp-MarkdownCell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def drag(page: Page, handle):
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=12)
    page.mouse.up()
