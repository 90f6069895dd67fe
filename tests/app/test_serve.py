"""The app: what it serves, on loopback alone, and that nothing of it is left after Ctrl-C."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import nbformat
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.app import files, serve
from simlib.cli import main
from tests.batteries import with_slow

PATIENCE_S = 120
ROOT = Path(__file__).parents[2]


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_refused_by_its_number(taken):
    result = CliRunner().invoke(main, ["app", "--no-browser", "--port", str(taken)])
    assert 2 == result.exit_code
    assert f"port = {taken}: is in use: choose another with --port" in result.output


def test_without_a_port_the_first_that_is_free_is_taken(taken, monkeypatch):
    monkeypatch.setattr(serve, "FIRST_PORT", taken)
    assert serve._find_port(None) > taken


def test_without_voila_a_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "voila.app", None)
    result = CliRunner().invoke(main, ["app", "--no-browser"])
    assert 2 == result.exit_code
    assert "simlib app needs Voila" in result.output
    assert '[app]"' in result.output


def test_the_help_shows_an_example():
    said = CliRunner().invoke(main, ["app", "--help"]).output
    assert "simlib app --no-browser --port 9000" in said


def test_the_notebook_is_valid_and_its_kernel_is_this_python(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "/elsewhere")
    notebook = files.write_app_files(tmp_path)
    nbformat.validate(nbformat.read(notebook, as_version=4))
    kernel = json.loads((tmp_path / "kernels" / "simlib" / "kernel.json").read_text())
    assert sys.executable == kernel["argv"][0]
    assert f"{tmp_path}:/elsewhere" == os.environ["JUPYTER_PATH"]


def test_the_template_loads_nothing_from_another_server(tmp_path, monkeypatch):
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    files.write_app_files(tmp_path)
    template = (tmp_path / "voila" / "templates" / "simlib" / "index.html.j2").read_text()
    assert "rendered_cells" in template
    assert not re.search(r"(href|src)=.https?:", template)


def test_a_voila_without_its_template_is_told_in_words(monkeypatch):
    monkeypatch.setattr(files, "jupyter_path", lambda *_: ["/nowhere"])
    with pytest.raises(sl.SimlibError, match="install voila again"):
        files._template()


@pytest.mark.live
@pytest.mark.long
@pytest.mark.parametrize("ending", with_slow([signal.SIGINT], [signal.SIGTERM]))
def test_the_page_is_for_who_has_its_address_and_nothing_is_left_at_the_end(tmp_path, ending):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path),
                   "JUPYTER_CONFIG_DIR": str(tmp_path)}  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "simlib", "app", "--no-browser"],
        stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment,
    ) as process:  # fmt: skip
        try:
            address = process.stderr.readline().split()[-1]
            assert address.startswith("http://127.0.0.1:")
            transport = httpx.HTTPTransport(retries=50)
            with httpx.Client(transport=transport, trust_env=False, timeout=PATIENCE_S) as http:
                without = http.get(address.partition("?")[0])
                assert (302, True) == (without.status_code, "login" in without.headers["location"])
                page = http.get(address, follow_redirects=True)
            assert 200 == page.status_code
            assert "jupyter.widget-view" in page.text  # its kernel made the explorers
            process.send_signal(ending)
            process.stderr.read()
            assert 0 == process.wait(PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert 1 == subprocess.run(["pgrep", "-s", str(process.pid)], check=False).returncode
    assert [] == [
        each.name for each in tmp_path.iterdir() if each.name.startswith(("simlib", "voila"))
    ]
