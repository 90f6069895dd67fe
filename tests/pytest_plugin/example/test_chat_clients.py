"""How the clients behave when the server is in trouble."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from chat_clients import ThreadClient, stay_connected

PATIENCE_S = 120.0
NODE_CLIENT = os.environ.get("NODE_CLIENT", "")


@contextlib.asynccontextmanager
async def running(url, **options):
    task = asyncio.create_task(stay_connected(url, **options))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_it_comes_back_with_jitter_and_soon(bad_server, assert_policy):
    async with running(bad_server.url):
        await bad_server.open_seen(timeout_s=PATIENCE_S)
        bad_server.status(503)
        await bad_server.attempts_seen(14, PATIENCE_S)
        bad_server.accept()
        await bad_server.open_seen(timeout_s=PATIENCE_S)
    assert_policy(bad_server.observation(), jitter=True, survives_outage_s=600)


async def test_it_stops_when_it_may_not_enter(bad_server, assert_policy):
    bad_server.status(503)
    async with running(bad_server.url) as client:
        await bad_server.attempts_seen(3, PATIENCE_S)
        bad_server.status(401)
        await asyncio.wait_for(client, PATIENCE_S)
        # Only a silence longer than several of its waits says that it is not coming back.
        waits_s = bad_server.observation().waits()["wait_s"]
        await asyncio.sleep(3 * waits_s.max() + 2)
    assert [503, 503, 503, 401] == [int(a.detail) for a in bad_server.attempts][-4:]
    assert_policy(bad_server.observation(), stops_on=[401])


def test_a_thread_comes_back_when_the_server_restarts(bad_server):
    with ThreadClient(bad_server.url, most_failures=1000):
        bad_server.wait_for_open(timeout_s=PATIENCE_S)
        bad_server.close(1012)
        bad_server.refuse()
        bad_server.wait_for_attempts(2, timeout_s=PATIENCE_S)
        bad_server.accept()
        bad_server.wait_for_open(timeout_s=PATIENCE_S)
    assert 1012 == bad_server.attempts[0].close_code


def test_a_thread_is_cut_and_comes_back_through_a_proxy(bad_server, fault_proxy):
    proxy = fault_proxy(bad_server.url)
    with ThreadClient(proxy.url, most_failures=1000):
        bad_server.wait_for_open(timeout_s=PATIENCE_S)
        proxy.cut()
        bad_server.wait_for_attempts(2, timeout_s=PATIENCE_S)
        bad_server.wait_for_open(timeout_s=PATIENCE_S)
    assert 1 == proxy.statistics.cut


@pytest.mark.skipif(not NODE_CLIENT or shutil.which("node") is None, reason="needs node")
def test_a_client_in_node_comes_back(bad_server):
    bad_server.status(503)
    options = '{"minReconnectionDelay": 50, "maxReconnectionDelay": 200}'
    node = subprocess.Popen(["node", Path(NODE_CLIENT), bad_server.url, options])
    try:
        bad_server.wait_for_attempts(3, timeout_s=PATIENCE_S)
        bad_server.accept()
        bad_server.wait_for_open(timeout_s=PATIENCE_S)
    finally:
        node.kill()
        node.wait()
    assert [503, 503, 503] == [int(attempt.detail) for attempt in bad_server.attempts[:3]]
