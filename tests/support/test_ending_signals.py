"""Whatever ends a command is heard as Ctrl-C is, unless it is ignored."""

import asyncio
import signal
import threading

import pytest

from simlib.support.ending_signals import (
    ENDING_SIGNALS,
    EndingSignals,
    find_ending_signals,
)


@pytest.fixture(autouse=True)
def usual_signals():
    """What a command is given by a shell: whoever runs the tests may have some ignored."""
    usual = dict.fromkeys(ENDING_SIGNALS, signal.SIG_DFL)
    usual[signal.SIGINT] = signal.default_int_handler
    before = {each: signal.signal(each, handler) for each, handler in usual.items()}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("ending", sorted(ENDING_SIGNALS), ids=lambda ending: ending.name)
def test_each_is_an_interrupt_and_has_its_status(ending):
    with EndingSignals() as signals, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(ending)
    assert 128 + ending == signals.status
    assert ending in find_ending_signals()
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)


def test_the_first_signal_gives_the_status():
    with EndingSignals() as signals:
        for ending in (signal.SIGTERM, signal.SIGHUP):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(ending)
    assert 143 == signals.status


def test_asyncio_hears_it_as_it_hears_ctrl_c():
    cancelled = []

    async def work():
        signal.raise_signal(signal.SIGTERM)
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with EndingSignals(), pytest.raises(KeyboardInterrupt):
        asyncio.run(work())
    assert [True] == cancelled


def test_what_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with EndingSignals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.SIG_IGN is signal.getsignal(signal.SIGHUP)
        assert {signal.SIGHUP} == ENDING_SIGNALS - find_ending_signals()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_command_in_the_background_which_ignores_ctrl_c_is_ended_politely():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with EndingSignals(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_than_the_main_one_hears_nothing_and_fails_at_nothing():
    seen = []

    def work():
        with EndingSignals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert [signal.SIG_DFL] == seen
