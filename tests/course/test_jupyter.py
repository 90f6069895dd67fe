"""JupyterLab as `make lab` starts it: nothing that no notebook needs is waited for."""

import os

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("jupyterlab")
pytest.importorskip("playwright")

from tests.browser.jupyter import serve_lab  # noqa: E402 - it needs all of the above

pytestmark = [
    pytest.mark.live,
    # The pipes of the server that was killed.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_neither_its_start_nor_its_page_runs_node_or_npm(tmp_path, monkeypatch):
    programs, ran = tmp_path / "programs", tmp_path / "ran"
    programs.mkdir()
    for name in ("node", "npm"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> "{ran}"\nexit 1\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    with serve_lab(tmp_path) as lab:
        page = httpx.get(lab.url("any.ipynb"), follow_redirects=True, trust_env=False)
    assert '"buildCheck": false' in page.text
    assert not ran.exists(), ran.read_text()
