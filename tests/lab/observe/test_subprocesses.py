"""What the lab knows of a client that it started."""

import asyncio

import pytest

from simlib.lab.observe.subprocesses import ClientProcess


async def words_at_the_end(command):
    client = await ClientProcess.start(["sh", "-c", command], "ws://127.0.0.1:1", 0)
    try:
        for _ in range(6000):  # at most a minute
            if client.status is not None:
                break
            await asyncio.sleep(0.01)
        return await client.last_words()
    finally:
        await client.end()


@pytest.mark.live
def test_what_is_printed_at_a_client_s_end_is_read_though_it_comes_after_its_status():
    assert "no server" == asyncio.run(words_at_the_end("(sleep 0.1; echo no server) &"))
