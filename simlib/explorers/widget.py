"""The widget of an explorer: the page asks, and is given the view that answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import anywidget
import traitlets

from simlib.explorers.exploration import Exploration
from simlib.explorers.playing import CompilesFirst
from simlib.scenario.scenario import Scenario


def _template(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


class Explorer(anywidget.AnyWidget):
    """Sliders over a scenario; made by `sl.explore`.

    Attributes
    ----------
    scenario : Scenario
        The scenario that the sliders make now; while they make none, the last one they made.
    controls : mapping of str to ControlHandle
        The controls by name; to set ``controls[name].value`` is to move one.
    """

    _esm = _template("simlib.support", "plots.js") + _template(
        "simlib.explorers", "templates/explorer.js"
    )
    _css = _template("simlib.explorers", "templates/explorer.css")
    view = traitlets.Dict().tag(sync=True, to_json=lambda view, _: json.dumps(view))

    def __init__(self, exploration: Exploration) -> None:
        self._exploration = exploration
        # JupyterLab may deliver a message in a thread of its own, while a cell moves a control.
        self._lock = threading.RLock()
        self._compiles = False
        self._answered: dict[str, int] = {}  # of each page, the number of its last request
        super().__init__(view=exploration.view() | {"answers": 0})
        self.on_msg(self._take)

    def _take(self, _: Any, request: Any, __: Any = None) -> None:
        """Answer a page's request; whatever goes wrong, the page gets a view and may ask again."""
        number, page = request.get("number", 0), request.get("page", "")
        with self._lock:
            if page and self._answered.get(page) == number:
                self.send_state("view")  # the page did not get it
                return
            self._answered[page] = number
            try:
                self._exploration.answer(request)
            except Exception as error:
                self._exploration.error = f"{type(error).__name__}: {error}"
                raise
            finally:
                self._show(number)
            if self._exploration.compiling is not None and not self._compiles:
                self._compile_aside()

    def _compile_aside(self) -> None:
        """Compile in a thread, so that the page is answered meanwhile; or here without threads."""
        self._compiles = True
        try:
            threading.Thread(target=self._compile, daemon=True).start()
        except RuntimeError:  # there are no threads: the page shows already what it waits for
            self._compile()

    def _compile(self, *, is_said: bool = True) -> None:
        """Compile what the newest values wait for, and show them; then what waits by then."""
        while first := self._next_to_compile():
            try:
                first.compile(is_said=is_said)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is said in words
                self._exploration.compiling = None
                self._exploration.error = f"{type(error).__name__}: {error}"
            with self._lock:
                self._exploration.go_on()
                self._show(self.view["answers"])

    def _next_to_compile(self) -> CompilesFirst | None:
        with self._lock:
            first = self._exploration.compiling
            self._compiles = first is not None
            return first

    def _show(self, answers: int) -> None:
        self.view = self._exploration.view() | {"answers": answers}

    def ask(self, **request: Any) -> None:
        """Do what a page's buttons do: ``ask(do="undo")``, ``ask(do="choose", what="phoenix")``."""
        with self._lock:
            self._exploration.answer(request)
            self._compile(is_said=False)
            self._show(self.view["answers"])

    @property
    def scenario(self) -> Scenario:
        """The scenario that the sliders make now."""
        return self._exploration.shown.scenario

    @property
    def error(self) -> str:
        """What is wrong with the newest values, in words; empty if nothing is."""
        return self._exploration.error

    @property
    def text(self) -> str:
        """What is shown, in words."""
        return self._exploration.picture.sentence

    @property
    def controls(self) -> Mapping[str, ControlHandle]:
        """The controls by name."""
        return {each.name: ControlHandle(self, each.name) for each in self._exploration.controls}

    def copy_as(self, name: str) -> str:
        """Return the scenario as "TOML" or "Python", or its policy for a client of `sl.export`."""
        return self._exploration.copy_as(name)

    def __repr__(self) -> str:
        return f"<Explorer: {self._exploration.kind.title}. {self.text}>"


class ControlHandle:
    """One control of an explorer."""

    def __init__(self, explorer: Explorer, name: str) -> None:
        self._explorer, self.name = explorer, name

    @property
    def value(self) -> Any:
        """What it shows."""
        return self._explorer._exploration.value(self.name)

    @value.setter
    def value(self, value: Any) -> None:
        self._explorer.ask(set={self.name: value})

    def __repr__(self) -> str:
        return f"<ControlHandle {self.name}: {self.value}>"
