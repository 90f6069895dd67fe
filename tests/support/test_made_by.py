"""What results say of the command that made them, and that no secret is told."""

import asyncio

import pytest

import simlib as sl
from simlib.core.secrets import mask_secrets
from simlib.engines.loops import run_to_end
from simlib.support.made_by import (
    current_command,
    describe_call,
    mask_arguments,
    noting,
    write_command,
)

SMALL = sl.Scenario(name="small", clients=1, duration_s=2)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ws://joe:pw@host/ws", "ws://***@host/ws"),
        ("wss://host/ws?room=1&access_token=abc&x=2", "wss://host/ws?room=1&access_token=***&x=2"),
        ("Cookie: sid=1; theme=dark", "Cookie: ***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("-H 'X-Api-Key: abc' ws://host", "-H 'X-Api-Key: ***' ws://host"),
        ("--password=abc", "--password=***"),
        ("API_TOKEN=abc", "API_TOKEN=***"),
        ("SECRET_KEY=abc auth-key: 'abc'", "SECRET_KEY=*** auth-key: '***'"),
        ("sent bearer abc", "sent bearer ***"),
        ("eyJhbGciOi.eyJzdWIi.SflKxw", "***"),
    ],
)
def test_a_secret_is_masked(text, masked):
    assert masked == mask_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        "client.session.lifetime_s=30",
        "server.session_lifetime_s=60",
        "server.accept_per_s",
        'faults=[{kind = "session_expiry", start_s = 5}]',
        "ws://127.0.0.1:8000/chat?room=1",
        "client=preset:socket.io-client",
    ],
)
def test_what_is_no_secret_stays(text):
    assert text == mask_secrets(text)


def test_the_word_after_an_option_that_names_a_secret_is_masked():
    assert ["node", "c.mjs", "--auth-token", "***", "--port", "80"] == mask_arguments(
        ["node", "c.mjs", "--auth-token", "abc", "--port", "80"]
    )
    assert "simlib observe -- node c.mjs --cookie '***'" == write_command(
        ["observe", "--", "node", "c.mjs", "--cookie", "sid=1"]
    )


def test_a_call_is_shown_as_one_types_it():
    given = [SMALL, {"clients": list(range(30)), "Cookie": "sid=1"}, sl.run]
    numbers = ", ".join(map(str, range(20)))
    grid = f"{{'clients': [{numbers}, ...], 'Cookie': ***}}"
    assert f"sl.sweep(Scenario('small'), {grid}, run, on='sim')" == describe_call(
        "sweep", given, {"on": "sim"}
    )


def test_the_outermost_call_counts_and_ends_with_it():
    with noting(lambda: "simlib run storm"), noting(lambda: "inner"):
        assert "simlib run storm" == current_command()
    assert "" == current_command()


def test_a_result_knows_the_call_that_made_it():
    assert "sl.run(Scenario('small'))" == sl.run(SMALL).made_by
    swept = sl.sweep(SMALL, {"clients": [1, 2]}, workers=1)
    assert "sl.sweep(Scenario('small'), {'clients': [1, 2]}, workers=1)" == swept.made_by


def test_a_call_that_lasts_longer_than_its_function_is_known_to_its_end():
    async def plays():
        first, second = sl.run_live(SMALL, label="a"), sl.run_live(SMALL, label="b")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("simlib.api.engine", lambda _: Fake)
            return await asyncio.gather(first, second)

    assert [
        "sl.run_live(Scenario('small'), label='a')",
        "sl.run_live(Scenario('small'), label='b')",
    ] == asyncio.run(plays())


class Fake:
    @staticmethod
    async def play_async(*_, **__):
        await asyncio.sleep(0)
        return current_command()


def test_a_call_is_known_in_the_thread_that_plays_it_in_a_notebook():
    async def notebook():
        async def played():
            return current_command()

        with noting(lambda: "sl.compare(...)"):
            return run_to_end(played())

    assert "sl.compare(...)" == asyncio.run(notebook())
