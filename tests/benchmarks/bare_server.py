"""The least that a WebSocket server can be: it acknowledges each text. In a process of its own.

Served as simlib's service is: uvicorn, websockets-sansio, no permessage-deflate. It prints its
port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from typing import Any

import uvicorn


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Accept every connection and acknowledge every message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        number = json.loads(event["text"])["message"]
        answer = json.dumps({"message": number, "answer": "accepted", "retry_after_s": 0.0})
        await send({"type": "websocket.send", "text": answer})


async def serve() -> None:
    """Serve until standard input ends."""
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        log_level="critical",
        access_log=False,
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    serving = asyncio.ensure_future(uvicorn.Server(config).serve(sockets=[listener]))
    print(listener.getsockname()[1], flush=True)
    ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve())
