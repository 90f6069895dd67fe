"""A Jupyter server's WebSockets that send at once: an explorer's answer is not held back.

A kernel sends that it is busy, and then its answer. By Nagle's rule the second small message waits
until the first is acknowledged, which a browser that has nothing to say does 40 ms later. Jupyter's
server leaves that rule on.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

#: The setting of Jupyter's server, and of Voila, and what this module has for it.
CONNECTION_SETTING = "kernel_websocket_connection_class"


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The connection of a page to its kernel."""

    def connect(self) -> Any:
        """Connect, and send each message at once from then on."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
