"""The console: its buttons and sliders act on a live run, and its picture shows how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from simlib.core.errors import SimlibError
from simlib.core.faults import Fault, FaultKind
from simlib.live_console.console_run import ConsoleRun, Sight
from simlib.live_console.picture import STYLE, WINDOW_S, Moment, describe_opens, draw
from simlib.live_console.slider import Slider
from simlib.live_console.words import Words
from simlib.scenario.file_names import name_folder
from simlib.scenario.scenario import Scenario, dump
from simlib.studies.compare.compare import Comparison
from simlib.support.files import replacing
from simlib.trace.trace import Trace

#: What each button begins; the share of the clients, and how much is slowed, are sliders.
_FAULTS = {
    "cut": Fault(FaultKind.OUTAGE),
    "slow": Fault(FaultKind.LATENCY, amount_s=0.5),
    "black hole": Fault(FaultKind.BLACK_HOLE),
    "log out": Fault(FaultKind.SESSION_EXPIRY),
    "reload": Fault(FaultKind.CLIENT_RELOAD),
    "sleep": Fault(FaultKind.CLIENT_SLEEP),
}
_HELP = {
    "cut": "End all connections and refuse new ones, until you restore.",
    "slow": "Delay all that is sent, by so much each way, until you restore.",
    "black hole": "Hold all that is sent, and tell nobody, until you restore.",
    "log out": "End all sessions: their clients sign in again.",
    "reload": "Close the clients' pages; they are back after a second.",
    "sleep": "Let the clients' timers stand still, until you restore.",
}
#: A page that is loaded anew is away for so long.
_RELOAD_S = 1.0


class Console(widgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Buttons over a live run; made by `sl.console`.

    Attributes
    ----------
    scenario : Scenario
        What is played: with the faults by hand, once there are any.
    trace, twin : Trace or None
        The live run and the simulated one, as far as they are played; None before the start.
    comparison : Comparison or None
        The comparison of the two, when it is made.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._given = scenario
        self._run: ConsoleRun | None = None
        self._moments: list[Moment] = []
        #: How both runs stood last, in a sentence.
        self._seen = ""
        self._interrupts = _Interrupts(self.stop)
        self.comparison: Comparison | None = None
        self._make_parts()
        super().__init__(self._rows())
        self._enable(running=False)

    @property
    def scenario(self) -> Scenario:
        """What is played, with the faults by hand."""
        return self._given if self._run is None else self._run.trace.scenario

    @property
    def trace(self) -> Trace | None:
        """The live run as far as it is played."""
        return None if self._run is None else self._run.trace

    @property
    def twin(self) -> Trace | None:
        """The simulated run as far as it is played."""
        return None if self._run is None else self._run.twin

    def start(self) -> None:
        """Begin the live run and its twin; a console's run that still goes on is ended."""
        self.comparison, self._moments = None, []
        self.result.value = self.toml.value = ""
        self.toml.layout.display = "none"
        self._run = ConsoleRun(self._given, self)
        self._enable(running=True)
        self.tell("The server is starting.")
        self._run.start()

    def stop(self) -> None:
        """End the run before its time; what was played is compared."""
        if self._run is not None and self._run.is_running:
            self.tell("Stopping.")
            self._run.stop()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run is over and compared; return whether it is."""
        return self._run is None or self._run.wait(timeout_s)

    def close(self) -> None:
        """End the run, and take the console off the page."""
        if self._run is not None:
            self._run.abandon()
        super().close()

    # --- what the run says, in its thread ------------------------------------------------

    def show(self, live: Sight, twin: Sight) -> None:
        """Show how both runs stand."""
        self._interrupts.listen()
        opens = [each.look.counts.states["open"] for each in (live, twin)]
        self._moments.append((live.look.time_s, opens[0], opens[1]))
        while self._moments[0][0] < live.look.time_s - WINDOW_S:
            self._moments.pop(0)
        self.picture.value = draw(self._given, live, twin, self._moments)
        self._seen = describe_opens(live, twin)
        self._mark_acting()

    def tell(self, words: str, wrong: bool = False) -> None:
        """Say what happens, to a screen reader too."""
        self.words.tell(words, wrong=wrong)

    def end(self, comparison: Comparison | None) -> None:
        """Take in that all is over."""
        self._interrupts.leave()
        self._enable(running=False)
        self.comparison = comparison
        if comparison is not None:
            table = comparison._repr_html_()
            self.result.value = f"<details><summary>The comparison</summary>{table}</details>"
            self.tell(f"{self._seen} {comparison.headline}")

    # --- the parts, and what they do -----------------------------------------------------

    def _make_parts(self) -> None:
        self.start_button = _button("start", "Start the server, the clients and the twin.")
        self.stop_button = _button("stop", "End the run now; what was played is compared.")
        self.fault_buttons = {word: _button(word, _HELP[word]) for word in _FAULTS}
        self.restore_button = _button("restore", "End all faults that you began.")
        self.slow_s = Slider(description="slow by", unit="s", value=0.5, min=0.05, max=5.0)
        self.share = Slider(
            description="share of clients", unit="of all", value=1.0, min=0.05, max=1.0
        )
        self.words, self.picture, self.result = Words(), widgets.HTML(), widgets.HTML()
        self.file = widgets.Text(
            value=f"{name_folder(self._given.name)}_by_hand.toml", description="file", layout=_WIDE
        )
        self.save_button = _button("save as scenario", "Write the scenario, with your faults.")
        self.toml = widgets.Textarea(
            description="scenario",
            disabled=True,
            rows=12,
            layout={"width": "100%", "display": "none"},
        )
        self.start_button.on_click(lambda _: self._in_words(self.start))
        self.stop_button.on_click(lambda _: self.stop())
        self.restore_button.on_click(lambda _: self._restore())
        self.save_button.on_click(lambda _: self._in_words(self.save))
        for word, button in self.fault_buttons.items():
            button.on_click(lambda _, word=word: self.strike(word))
        self.slow_s.observe(self._change_delay, names="value")

    def _rows(self) -> list[Any]:
        row = {"layout": {"flex_flow": "row wrap"}}
        return [
            widgets.HTML(STYLE),
            widgets.HBox([self.start_button, self.stop_button], **row),
            widgets.HBox([*self.fault_buttons.values(), self.restore_button], **row),
            widgets.HBox([self.slow_s, self.share], **row),
            self.words,
            self.picture,
            widgets.HBox([self.file, self.save_button], **row),
            self.toml,
            self.result,
        ]

    def strike(self, word: str) -> None:
        """Begin a fault by the word on its button."""
        if self._run is None:
            return
        fault = _FAULTS[word]
        if fault.kind != FaultKind.SESSION_EXPIRY:  # it is the server that forgets, all of them
            fault = replace(fault, clients_fraction=self.share.value)
        if fault.kind == FaultKind.LATENCY:
            fault = replace(fault, amount_s=self.slow_s.value)
        lasts_s = _RELOAD_S if fault.kind == FaultKind.CLIENT_RELOAD else inf
        self._run.strike(word, fault, lasts_s)

    def save(self) -> None:
        """Write the scenario, with the faults by hand, to the file that is named; show it.

        Raises
        ------
        SimlibError
            If there is such a file already, or it cannot be written.
        """
        text = dump(self.scenario)
        self.toml.value, self.toml.layout.display = text, ""
        path = Path(self.file.value.strip() or "scenario.toml")
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
            raise SimlibError(f"{path} is there already: name another file")
        try:
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SimlibError(f"{path} cannot be written: {error.strerror}") from error
        self.tell(f"Saved. Play it again: simlib run {path}, or simlib compare {path}")

    def _restore(self) -> None:
        if self._run is not None:
            self._run.restore()

    def _change_delay(self, _: Any) -> None:
        if self._run is not None and self._run.is_acting("slow"):
            self.strike("slow")

    def _in_words(self, action: Any) -> None:
        try:
            action()
        except (SimlibError, OSError) as error:
            self.tell(str(error), wrong=True)

    def _mark_acting(self) -> None:
        assert self._run is not None
        for word, button in self.fault_buttons.items():
            button.button_style = "warning" if self._run.is_acting(word) else ""

    def _enable(self, *, running: bool) -> None:
        """Let the buttons be pressed that do something now."""
        self.start_button.disabled = running
        self.stop_button.disabled = self.restore_button.disabled = not running
        for button in self.fault_buttons.values():
            button.disabled, button.button_style = not running, ""
        if self._given.server.session_lifetime_s == inf:
            button = self.fault_buttons["log out"]
            button.disabled = True
            button.tooltip = "This scenario has no sessions: server.session_lifetime_s is not set."


class _Interrupts:
    """Hears the interrupt of an idle kernel, which IPython ignores.

    A cell that is interrupted while it runs hears it itself; the loop hears it too, once this has
    listened before. Listening needs the kernel's main thread, so its loop is asked.
    """

    def __init__(self, act: Any) -> None:
        self._act = act
        #: What Python calls at an interrupt while this listens.
        self._own: Any = None
        self._is_asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        if threading.current_thread() is threading.main_thread():
            with contextlib.suppress(RuntimeError):  # no loop: a script, which hears for itself
                self._loop = asyncio.get_running_loop()

    def listen(self) -> None:
        """Hear interrupts from now on, unless somebody else does."""
        # Asked once, until it is answered: a loop that a cell holds up for a minute takes some 300
        # calls from other threads, and then hears of no interrupt either.
        if not self._is_asked:
            self._is_asked = True
            self._ask(self._listen)

    def leave(self) -> None:
        """Hear no more."""
        self._ask(self._leave)

    def _ask(self, action: Any) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(action)

    def _listen(self) -> None:
        self._is_asked = False
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            assert self._loop is not None
            self._loop.add_signal_handler(signal.SIGINT, self._act)
            self._own = signal.getsignal(signal.SIGINT)

    def _leave(self) -> None:
        if self._own is not None:
            assert self._loop is not None
            is_idle = signal.getsignal(signal.SIGINT) is self._own
            self._loop.remove_signal_handler(signal.SIGINT)
            if is_idle:  # else a cell runs, which hears interrupts
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._own = None


_WIDE = {"width": "380px", "max_width": "100%"}


def _button(word: str, help_text: str) -> Any:
    return widgets.Button(description=word, tooltip=help_text, layout={"width": "auto"})
