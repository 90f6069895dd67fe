"""The WebSockets of JupyterLab and of the app hold no answer of a kernel back."""

import pytest

pytest.importorskip("jupyter_server")
pytest.importorskip("jupyterlab")
pytest.importorskip("voila")

from jupyter_server.services.kernels.connection.channels import (
    ZMQChannelsWebsocketConnection,
)
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from jupyterlab.labapp import LabApp
from voila.app import Voila

from simlib.app.serve import serve_app
from simlib.course.jupyter import run_jupyterlab
from simlib.support.prompt_sockets import PromptConnection


class Handler(KernelWebsocketHandler):
    """A page's WebSocket that keeps what it is asked for."""

    def __init__(self, asked):
        self.asked = asked

    def set_nodelay(self, value):
        self.asked.append(("nodelay", value))


def test_a_page_s_socket_sends_at_once_before_the_kernel_says_anything(monkeypatch):
    asked = []
    monkeypatch.setattr(
        ZMQChannelsWebsocketConnection, "connect", lambda _: asked.append("connected")
    )
    connection = PromptConnection.__new__(PromptConnection)
    connection.websocket_handler = Handler(asked)
    connection.connect()
    assert [("nodelay", True), "connected"] == asked


def test_jupyterlab_and_the_app_are_started_with_such_sockets(monkeypatch):
    started = []
    monkeypatch.setattr(LabApp, "launch_instance", started.extend)
    run_jupyterlab([])
    setting = "kernel_websocket_connection_class"
    assert f"--ServerApp.{setting}={PromptConnection.__module__}.PromptConnection" in started

    def instance(**settings):
        started.append(settings[setting])
        raise KeyboardInterrupt

    monkeypatch.setattr(Voila, "instance", instance)
    with pytest.raises(KeyboardInterrupt):
        serve_app(None, open_browser=False, announce=lambda _: None)
    assert PromptConnection is started[-1]
