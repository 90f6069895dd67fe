"""JupyterLab as the browser tests drive it: its server, a notebook in it, and the mouse."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import nbformat
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).parents[2]
#: Where pictures are left to be looked at.
SCREENS = ROOT / "out" / "screens"
_TOKEN = "a-token-for-this-test"


class Lab(NamedTuple):
    """A JupyterLab that runs, and the folder that it shows."""

    address: str
    folder: Path

    def url(self, notebook: str) -> str:
        """The address of a notebook."""
        return f"{self.address}/lab/tree/{notebook}?token={_TOKEN}&reset"

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells below a heading; return its address."""
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_markdown_cell("# A notebook"),
                   *map(nbformat.v4.new_code_cell, cells)],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )  # fmt: skip
        nbformat.write(made, self.folder / name)
        return self.url(name)


@contextmanager
def serve_lab(folder: Path, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """Run JupyterLab as `make lab` does, in a folder of its own; end it and its kernels after."""
    shown = folder / "notebooks"
    shown.mkdir()
    port = free_port()
    environment = dict(os.environ)
    for name in ("MPLBACKEND", "PYTHONDONTWRITEBYTECODE"):  # as where a user begins
        environment.pop(name, None)
    environment["PYTHONPATH"] = str(ROOT)
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(folder / name)
    for name in ("SETTINGS_DIR", "WORKSPACES_DIR"):
        environment[f"JUPYTERLAB_{name}"] = str(folder / name)
    settings = folder / "SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    command = [
        *(sys.executable, "-m", "simlib.course.jupyter", "--no-browser", "--allow-root"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"),
        *(f"--IdentityProvider.token={_TOKEN}", f"--ServerApp.root_dir={shown}"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with (folder / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(f"{address}/api")
        yield Lab(address, shown)
    finally:
        server.send_signal(signal.SIGTERM)  # it ends its kernels first
        try:
            server.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_up(address: str) -> None:
    """Wait until a server answers."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=50), trust_env=False) as http:
        assert http.get(address).status_code == 200


def wait_for_kernel(page: Page) -> None:
    """Wait until the notebook is shown and its kernel has started."""
    expect(page.locator(".jp-NotebookPanel .jp-CodeCell").first).to_be_visible()
    expect(page.get_by_text("(ipykernel) | Idle")).to_be_visible()


def run_all(page: Page) -> None:
    """Run all cells by the menu."""
    # Before the kernel is there, "run all" is taken for done without anything having run.
    wait_for_kernel(page)
    page.locator(".jp-NotebookPanel .jp-MarkdownCell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def drag(page: Page, handle: Locator, by_px: int = 60) -> None:
    """Drag a slider's handle to the right."""
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by_px, y, steps=12)
    page.mouse.up()
