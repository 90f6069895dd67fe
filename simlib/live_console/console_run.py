"""One live run of a console, in a thread of its own, with its simulated twin.

The thread has an event loop of its own, so the run goes on while the notebook computes something
else. Its methods may be called from any thread. At most one plays in a process: the start
of another, or the end of the process, ends it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from simlib.core.errors import SettingsError, SimlibError
from simlib.core.faults import Fault
from simlib.live_console.twin import Twin
from simlib.metrics.load_now import ServerLoad
from simlib.scenario.scenario import Scenario
from simlib.studies.compare.compare import Comparison, compare_played
from simlib.studies.watch.live_run import LiveRun, Look
from simlib.trace.trace import Trace

#: From one step of the twin to the next, and from one picture to the next.
STEP_S, PICTURE_S = 0.05, 0.2
#: How long the end of a run may take.
_END_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Sight:
    """How a run stands at a moment, and what its servers have to do."""

    look: Look
    load: ServerLoad
    #: The faults that have begun, scripted or by hand, those that are over too.
    begun: tuple[Fault, ...] = ()


class Display(Protocol):
    """Is told, in the thread of the run, how it goes."""

    def show(self, live: Sight, twin: Sight) -> None:
        """Show how both runs stand."""

    def tell(self, words: str, wrong: bool = False) -> None:
        """Say what happens."""

    def end(self, comparison: Comparison | None) -> None:
        """Take in that all is over, and cleared away."""


class _Abandoned(Exception):
    """Nobody waits for the comparison any more."""


class ConsoleRun:
    """A live run and its twin, from the start to the comparison."""

    def __init__(self, scenario: Scenario, display: Display) -> None:
        self._feed = LiveRun(scenario)
        self._twin = Twin(scenario)
        self._scripted = len(scenario.faults)
        self._display = display
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = self._abandoned = False
        #: The faults that act by hand, by what was asked for.
        self._acting: dict[str, Fault] = {}
        self._thread = threading.Thread(target=self._run, name="simlib-console", daemon=True)

    def start(self) -> None:
        """Begin; a run that still goes on is ended first."""
        end_runs()
        _RUNNING.append(self)
        self._thread.start()

    @property
    def trace(self) -> Trace:
        """What happened so far in the live run."""
        return self._feed.trace

    @property
    def twin(self) -> Trace:
        """What happened so far in the simulated one."""
        return self._twin.trace

    @property
    def is_running(self) -> bool:
        """Whether its thread is still there."""
        return self._thread.is_alive()

    def strike(self, word: str, fault: Fault, lasts_s: float = inf) -> None:
        """Begin a fault; another that was begun under the same word ends."""
        self._call(self._strike, word, fault, lasts_s)

    def restore(self) -> None:
        """End the faults by hand."""
        self._call(self._restore)

    def is_acting(self, word: str) -> bool:
        """Whether a fault that was begun under a word still acts."""
        return word in self._acting

    def stop(self) -> None:
        """End the live run before its time; what was played is compared."""
        self._stopped = True
        self._call(self._feed.stop)

    def abandon(self) -> None:
        """End everything, and wait until it is gone."""
        self._abandoned = True
        self.stop()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(_END_TIMEOUT_S)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all is over; return whether it is."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # --- in the thread -------------------------------------------------------------------

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the run is over
                self._loop.call_soon_threadsafe(function, *arguments)

    def _strike(self, word: str, fault: Fault, lasts_s: float) -> None:
        if self._acting.get(word) == fault:
            return
        self._lift(word)
        self._feed.strike(fault)
        self._display.tell(f"By hand: {word}, at {self._feed.now_s:.1f} s.")
        if fault in self._feed.struck:
            self._acting[word] = fault
            if lasts_s < inf:
                asyncio.get_running_loop().call_later(lasts_s, self._lift, word)

    def _lift(self, word: str) -> None:
        if word in self._acting:
            self._feed.lift(self._acting.pop(word))

    def _restore(self) -> None:
        words = ", ".join(self._acting) or "nothing acts"
        for word in list(self._acting):
            self._lift(word)
        self._display.tell(f"Restored, at {self._feed.now_s:.1f} s: {words}.")

    def _run(self) -> None:
        comparison = None
        try:
            asyncio.run(self._play())
            if not self._abandoned:
                comparison = self._compare()
        except _Abandoned:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said in words
            self._display.tell(_in_words(error), wrong=True)
        finally:
            _RUNNING.remove(self)
            self._display.end(comparison)

    async def _play(self) -> None:
        self._loop = asyncio.get_running_loop()
        playing = self._loop.create_task(self._feed.play())
        due_s = 0.0
        while not playing.done():
            await asyncio.wait({playing}, timeout=STEP_S)
            if self._stopped and not playing.done():
                self._feed.stop()  # it may have been asked for before there was anything to stop
            self._follow()
            if self._loop.time() >= due_s:
                due_s = self._loop.time() + PICTURE_S
                self._show()
        await playing
        self._follow()
        self._show()

    def _follow(self) -> None:
        """Let the twin follow to where the live run is."""
        # First the moment, then the faults: what is struck after it is for the next time.
        now_s = self._feed.now_s
        self._twin.follow(now_s, self._feed.trace.scenario.faults[self._scripted :])

    def _show(self) -> None:
        self._display.show(
            _sight(self._feed),
            _sight(self._twin),
        )

    def _compare(self) -> Comparison:
        said = "stopped" if self._stopped else "over"
        self._display.tell(f"The live run is {said}. It is compared with simulated runs ...")
        try:
            return compare_played(self.trace, progress=self._go_on)
        except SettingsError as error:
            said = f"The run was too short to be compared: {self.trace.end_s:.1f} s ({error})."
            raise SimlibError(said) from error

    def _go_on(self, *_: Any) -> None:
        if self._abandoned:
            raise _Abandoned


def _sight(run: LiveRun | Twin) -> Sight:
    look = run.look()
    begun = (each for each in run.trace.scenario.faults if each.start_s <= look.time_s)
    return Sight(look, run.server_load(), tuple(begun))


def end_runs() -> None:
    """End the run that goes on, if one does, and wait until it is gone."""
    for each in _RUNNING.copy():
        each.abandon()


_RUNNING: list[ConsoleRun] = []
atexit.register(end_runs)


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, SimlibError) else f"{type(error).__name__}: {error}"
