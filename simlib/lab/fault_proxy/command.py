"""The fault proxy as a command: its timeline, its keys, its control, until it is ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from simlib.core.card import count_in_words
from simlib.core.errors import SettingsError
from simlib.core.secrets import mask_secrets
from simlib.lab.fault_proxy.control import ProxyControl, serve_control
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect
from simlib.lab.fault_proxy.fault_script import (
    FaultScript,
    describe_fault_edge,
    start_fault,
    stop_fault,
)
from simlib.lab.fault_proxy.relay import Relay
from simlib.lab.fault_proxy.statistics import Statistics
from simlib.lab.fault_proxy.target import ProxyTarget
from simlib.lab.observe.ports import listen
from simlib.support.ending_signals import find_ending_signals
from simlib.support.keyboard import read_keys

_HOST = "127.0.0.1"
#: What the keys do beside c, r and q: a word, and an effect.
_EFFECTS = {
    "d": ("down: attempts are reset", ProxyEffect(kind=EffectKind.REFUSE)),
    "s": ("slow: 0.3 s each way", ProxyEffect(kind=EffectKind.LATENCY, latency_s=0.3)),
    "b": ("black hole: all is held", ProxyEffect(kind=EffectKind.HOLD)),
    "h": ("half-open: nothing comes down", ProxyEffect(kind=EffectKind.HALF_OPEN, up=False)),
}
_KEY_WORDS = "keys: c cut, d down, s slow, b black hole, h half-open, r restore, q quit"


@dataclass(frozen=True)
class ProxyCommand:
    """What the command was told."""

    target: ProxyTarget
    port: int
    #: The port of the control; None: none.
    control_port: int | None = None
    script: FaultScript = FaultScript()  # noqa: RUF009 - it is frozen
    #: Shows a line.
    say: Callable[[str], None] = print

    async def run(self) -> Statistics:
        """Serve until Ctrl-C, a signal or the key q; return the statistics.

        Raises
        ------
        SettingsError
            If nobody knows the target's host, or a port is in use.
        """
        address = self.target.resolve()
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        listener = _listen("listen", self.port)
        port = listener.getsockname()[1]
        begun_s = loop.time()

        def note(words: str) -> None:
            self.say(f"{loop.time() - begun_s:8.3f} s  {words}")

        relay = Relay(address, self.script.seed, note)
        tasks: list[asyncio.Task[None]] = []
        try:
            if self.control_port is not None:
                steering = _listen("control", self.control_port)
                control = ProxyControl(relay, f"{_HOST}:{port}", note)
                tasks.append(loop.create_task(serve_control(control, steering, over)))
                self.say(f"Control on http://{_HOST}:{steering.getsockname()[1]}")
            relay.listen(listener)
            through = mask_secrets(self.target.through(_HOST, port))
            self.say(f"Listening on {through}, leads to {mask_secrets(self.target.url)}")
            tasks.append(loop.create_task(_play(self.script, relay, note, over)))
            for number in find_ending_signals():
                with suppress(ValueError, RuntimeError, NotImplementedError):
                    loop.add_signal_handler(number, over.set)
            with read_keys(lambda key: _act(key, relay, note, over)) as has_keys:
                if has_keys:
                    self.say(_KEY_WORDS)
                await over.wait()
        finally:
            over.set()
            seen = relay.statistics
            listener.close()
            await relay.close()
            await asyncio.gather(*tasks)
        return seen


def _listen(option: str, port: int) -> socket.socket:
    try:
        return listen(_HOST, port)
    except SettingsError as error:
        raise SettingsError(f"--{option}", port, error.rule) from error


async def _play(
    script: FaultScript, relay: Relay, note: Callable[[str], None], over: asyncio.Event
) -> None:
    """Cause the faults of the script at their times."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    for time_s, index, starts in script.edges():
        with suppress(TimeoutError):
            async with asyncio.timeout_at(begun_s + time_s):
                await over.wait()
                return
        note(describe_fault_edge(script, index, starts=starts))
        if starts:
            start_fault(relay, script, index)
        else:
            stop_fault(relay, index)


def _act(key: str, relay: Relay, note: Callable[[str], None], over: asyncio.Event) -> None:
    if key == "q":
        over.set()
    elif key == "c":
        note(f"cut: {count_in_words(len(relay.pipes), 'connection')}")
        relay.cut()
    elif key == "r":
        note("restored")
        relay.restore()
    elif key in _EFFECTS:
        words, effect = _EFFECTS[key]
        note(words)
        relay.begin(f"key {key}", effect)
