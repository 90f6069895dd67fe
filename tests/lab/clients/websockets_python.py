"""python websockets_python.py URL [OPTIONS as JSON]: the library's own reconnecting loop."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def main(url: str, options: str = "{}") -> None:
    async for connection in connect(url, **json.loads(options)):
        try:
            async for _ in connection:
                pass
        except ConnectionClosed:
            continue


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
