"""Keys come one by one, and the terminal is as it was afterwards."""

import asyncio
import io
import os
import sys
import termios

import pytest

from simlib.support.keyboard import read_keys


@pytest.fixture
def terminal(monkeypatch):
    """A terminal as standard input: the end that a user's keyboard writes to, and its mode."""
    keyboard, screen = os.openpty()
    with os.fdopen(screen) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield keyboard, lambda: termios.tcgetattr(screen)
    os.close(keyboard)


async def keys_of(keyboard: int, typed: bytes) -> list[str]:
    """What comes of these bytes up to a full stop."""
    keys, done = [], asyncio.Event()

    def act(key):
        keys.append(key)
        if key == ".":
            done.set()

    with read_keys(act) as has_keys:
        assert has_keys
        os.write(keyboard, typed)
        await asyncio.wait_for(done.wait(), 60)
    return keys


async def test_each_key_comes_at_once_and_in_order(terminal):
    keyboard, _ = terminal
    assert [*"crq."] == await keys_of(keyboard, b"crq.")


async def test_what_is_no_text_is_passed_over(terminal):
    keyboard, _ = terminal
    assert [*"c."] == await keys_of(keyboard, b"\xffc\xfe.")


async def test_the_terminal_s_mode_is_restored(terminal):
    _, mode = terminal
    before = mode()
    with read_keys(print):
        assert before != mode()
        assert not mode()[3] & (termios.ECHO | termios.ICANON)
        assert mode()[3] & termios.ISIG  # Ctrl-C stays what it is
    assert before == mode()


async def test_it_is_restored_after_an_error_too(terminal):
    _, mode = terminal
    before = mode()
    with pytest.raises(ZeroDivisionError), read_keys(print):
        raise ZeroDivisionError
    assert before == mode()


async def test_no_key_comes_any_more_afterwards(terminal):
    keyboard, _ = terminal
    keys = await keys_of(keyboard, b".")
    os.write(keyboard, b"c\n")
    await asyncio.sleep(0)
    assert ["."] == keys
    assert not asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


async def test_a_terminal_that_goes_away_is_let_go(monkeypatch):
    keyboard, screen = os.openpty()
    loop = asyncio.get_running_loop()
    with os.fdopen(screen) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with read_keys(print):
            os.close(keyboard)
            async with asyncio.timeout(60):
                while screen in loop._selector.get_map():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0)
            assert screen not in loop._selector.get_map()


@pytest.mark.parametrize("stdin", [None, io.StringIO("c")], ids=["none", "no terminal"])
async def test_without_a_terminal_there_are_no_keys(monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    with read_keys(print) as has_keys:
        assert not has_keys
