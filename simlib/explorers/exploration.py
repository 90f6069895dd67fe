"""The state of one explorer: what it shows, what it showed before, and which curves are pinned.

It knows nothing of widgets, threads or loops: a page sends one request and waits for the view that
answers it, and merges what was moved meanwhile into its next. So the newest values win, and none
queue up, wherever Python runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any

from simlib.core.errors import SettingsError, SimlibError
from simlib.explorers.controls import SettingControl, Shown, format_choice
from simlib.explorers.copying import FORMATS, write_as
from simlib.explorers.dots import draw_dots
from simlib.explorers.kinds import ExplorerKind, begin_with
from simlib.explorers.picture import ShownPicture
from simlib.explorers.playing import CompilesFirst
from simlib.metrics.words import format_number, metric_in_words
from simlib.scenario.presets import PREFIX, presets
from simlib.scenario.scenario import Scenario, plain

#: So many curves can be pinned: more could not be told apart.
_MOST_PINS = 3
#: A pinned curve is named by so many settings.
_MOST_NAMED = 2
_MOST_UNDONE = 200


@dataclass(frozen=True)
class Pin:
    """A picture that stays, and what it was made of."""

    shown: Shown
    picture: ShownPicture


class Exploration:
    """What one explorer shows, and what it does when it is asked."""

    def __init__(self, kind: ExplorerKind, scenario: Scenario | None) -> None:
        self.kind = kind
        prepared = kind.prepare(kind.default() if scenario is None else scenario)
        self._begin = Shown(prepared, kind.policies)
        self.shown = self._begin
        self.pins: list[Pin] = []
        #: What is wrong with the newest values, in words; "" if nothing is.
        self.error = ""
        self._refused: dict[str, Any] = {}
        #: What must be compiled before the newest values can be played, and what then is shown.
        self.compiling: CompilesFirst | None = None
        self._waiting: tuple[Shown, Any] = (self._begin, None)
        self._past: list[Shown] = []
        self._gesture: Any = None
        self._format, self._note, self._dots = FORMATS[0], "", ""
        self.picture, self._played = self._play_first()

    # --- what can be asked ---------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> None:
        """Do what a page asks: ``set`` values by control, or one of the ``do``'s by its name.

        What cannot be is said in `error`; what is drawn then stays as it was.
        """
        self._note = ""
        self._in_words(lambda: self._do(request))

    def _do(self, request: Mapping[str, Any]) -> None:
        if request.get("set"):
            values = {name: _from_json(each) for name, each in request["set"].items()}
            self.set(values, request.get("gesture"))
        if "do" in request:
            self._actions[request["do"]](request.get("what", ""))

    def _in_words(self, action: Callable[[], None]) -> None:
        try:
            action()
        except CompilesFirst as first:
            self.compiling, self.error = first, ""
        except SettingsError as error:
            self.error = str(error)
        except SimlibError as error:
            self.error = f"{type(error).__name__}: {error}"

    def go_on(self) -> None:
        """Show what waited for something to be compiled, unless something else was shown since."""
        if self.compiling is not None:
            self._in_words(lambda: self._show(*self._waiting))

    def set(self, values: Mapping[str, Any], gesture: Any = None) -> None:
        """Give controls new values; those of one gesture are undone together."""
        self._refused |= values
        changes: dict[str, Any] = {}
        for name, value in self._refused.items():
            control = self.control(name)
            changes |= control.changes(self.shown, control.check(self.shown, value))
        self._show(self.shown.with_changes(changes), gesture)

    def choose(self, name: str) -> None:
        """Begin with a real client's policy, or with a shipped scenario."""
        if not name:
            return
        if self.kind.scenarios:
            self._show(Shown(self.kind.prepare(begin_with(name)()), self.shown.policies))
        else:
            self._show(self.shown.with_changes({"client": f"{PREFIX}{name}"}))

    def undo(self, _: str = "") -> None:
        """Go back to what was shown before the last change."""
        if self._refused or self.compiling:
            self._settle()
        elif self._past:
            shown = self._past[-1]
            self.picture, self._played = self._play(shown)
            self._past.pop()
            self.shown, self._gesture, self._dots = shown, None, ""

    def reset(self, _: str = "") -> None:
        """Go back to the beginning, which can be undone."""
        if self._refused or self.shown != self._begin:
            self._show(self._begin)

    def pin(self, _: str = "") -> None:
        """Keep what is shown, to be drawn beside what follows."""
        if len(self.pins) >= _MOST_PINS:
            self._note = f"{_MOST_PINS} curves are pinned: unpin them first."
            return
        if any(pin.shown == self.shown for pin in self.pins):
            self._note = "This curve is pinned already: move a control first."
            return
        self.pins.append(Pin(self.shown, self.picture))
        self._note = "Pinned: move a control, and the curve stays beside the new one."

    def unpin(self, _: str = "") -> None:
        """Take all pinned curves off."""
        self.pins = []

    def copy_as(self, name: str) -> str:
        """Return the scenario as TOML, as Python, or its policy for a real client."""
        self._format = name
        return write_as(self.shown.scenario, name)

    def animate(self, _: str = "") -> None:
        """Draw the clients as dots by state; a second time, take that away."""
        self._dots = "" if self._dots else draw_dots(self.shown.scenario)

    @property
    def _actions(self) -> dict[str, Callable[[str], object]]:
        return {
            "choose": self.choose, "undo": self.undo, "reset": self.reset, "pin": self.pin,
            "unpin": self.unpin, "copy": self.copy_as, "animate": self.animate,
        }  # fmt: skip

    @property
    def controls(self) -> tuple[Any, ...]:
        """The controls of what the scenario has."""
        return tuple(each for each in self.kind.controls if each.applies(self.shown))

    def control(self, name: str) -> Any:
        """Return the control of a name, or raise `SettingsError`."""
        known = {each.name: each for each in self.controls}
        if name not in known:
            raise SettingsError("control", name, f"must be one of {', '.join(known)}")
        return known[name]

    def value(self, name: str) -> Any:
        """Return what a control shows: the newest value, even one that was refused."""
        return self._refused.get(name, self.control(name).value(self.shown))

    # --- what is shown -------------------------------------------------------------------

    def _play(self, shown: Shown) -> tuple[ShownPicture, str]:
        began_s = time.perf_counter()
        picture, engine = self.kind.picture(shown)
        took_s = time.perf_counter() - began_s
        on = f" on {engine}" if engine else ""
        return picture, f"Played{on} in {format_number(took_s)} s."

    def _play_first(self) -> tuple[ShownPicture, str]:
        """Play what it begins with: nothing could be shown before that is compiled."""
        while True:
            try:
                return self._play(self.shown)
            except CompilesFirst as first:
                first.compile(is_said=False)

    def _settle(self) -> None:
        """Nothing is wrong with the values any more, and none wait."""
        self._refused, self.error, self.compiling = {}, "", None

    def _show(self, shown: Shown, gesture: Any = None) -> None:
        """Play, and only then take it for what is shown: what fails leaves all as it was."""
        if shown == self.shown:
            self._settle()
            return
        self._waiting = shown, gesture
        self.picture, self._played = self._play(shown)
        if gesture is None or gesture != self._gesture:
            self._past = [*self._past[1 - _MOST_UNDONE :], self.shown]
        self.shown, self._gesture = shown, gesture
        self._settle()
        self._dots = ""

    def view(self) -> dict[str, Any]:
        """Return all that a page shows, as JSON has it."""
        pinned = [(self._name_pin(pin), pin.picture) for pin in self.pins]
        panels = self.picture.beside(pinned)
        return {
            "title": self.kind.title,
            "controls": [each.view(self.shown, self._valid(each)) for each in self.controls],
            "presets": self._presets(),
            "sentence": self.picture.sentence,
            "error": self.error,
            "note": self._note,
            "compiling": str(self.compiling or ""),
            "played": self._played,
            "panels": [panel.as_json() for panel in panels],
            "numbers": self._numbers(pinned),
            "in_force": settings_in_force(self.shown.scenario),
            "formats": list(FORMATS),
            "copied": {"as": self._format, "text": write_as(self.shown.scenario, self._format)},
            "can": {
                "undo": bool(self._past or self._refused or self.compiling),
                "unpin": bool(self.pins),
                "animate": self.kind.animates,
            },
            "dots": self._dots,
        }

    def _valid(self, control: Any) -> Any:
        """Return the value that a control shows; one that no control could show is left out."""
        value = self.value(control.name)
        try:
            return control.check(self.shown, value)
        except SettingsError:
            return control.value(self.shown)

    def _presets(self) -> dict[str, Any]:
        if self.kind.policies:
            return {}
        if self.kind.scenarios:
            return {
                "label": "a shipped scenario",
                "values": list(self.kind.scenarios),
                "value": self.shown.scenario.name,
            }
        client = self.shown.scenario.client
        same = [name for name, preset in presets.items() if preset.client == client]
        return {
            "label": "a real client's policy",
            "values": list(presets),
            "value": same[0] if same else "",
        }

    def _numbers(self, pinned: list[tuple[str, ShownPicture]]) -> dict[str, Any]:
        """Return the table of numbers: a row for each metric, a column for each run."""
        columns = [(name or "now", each) for name, each in self.picture.numbers.items()]
        for name, picture in pinned:
            columns += [(f"{run} {name}".strip(), each) for run, each in picture.numbers.items()]
        known = [
            metric for metric in self.kind.metrics if any(metric in each for _, each in columns)
        ]
        return {
            "heads": [name for name, _ in columns],
            "rows": [
                [metric_in_words(metric), *(_say(each.get(metric, nan)) for _, each in columns)]
                for metric in known
            ],
        }

    def _name_pin(self, pin: Pin) -> str:
        """Return a pinned curve's name: what of it differs from what is shown now."""
        mine, now = (
            dict(settings_in_force(pin.shown.scenario)),
            dict(settings_in_force(self.shown.scenario)),
        )
        named = [
            _name_value(control, pin.shown)
            for control in self.controls
            if isinstance(control, SettingControl)
            and control.value(pin.shown) != control.value(self.shown)
        ]
        if not named and mine == now:
            return "pinned"
        more = " ..." if len(named) > _MOST_NAMED else ""
        return f"pinned: {', '.join(named[:_MOST_NAMED]) or pin.shown.scenario.name}{more}"


def _name_value(control: SettingControl, shown: Shown) -> str:
    """Return a setting with its value and unit."""
    known = control.field(shown.scenario)
    value = control.value(shown)
    if isinstance(value, float):
        value = float(f"{value:.4g}")  # enough to tell curves apart
    return f"{known.label} {format_choice(value, known.unit)}"


def settings_in_force(scenario: Scenario) -> list[tuple[str, str]]:
    """Return the settings in force that are no defaults, by path, as they are written.

    Examples
    --------
    >>> settings_in_force(Scenario(clients=3))
    [('clients', '3')]
    """
    return [
        (key, text) for key, text in _flatten(plain(scenario)) if key not in ("name", "teaches")
    ]


def _flatten(table: Any, where: str = "") -> list[tuple[str, str]]:
    if isinstance(table, dict):
        return [pair for key, each in table.items() for pair in _flatten(each, f"{where}{key}.")]
    if isinstance(table, list) and table and isinstance(table[0], dict):
        return [pair for i, each in enumerate(table) for pair in _flatten(each, f"{where}{i}.")]
    return [(where.removesuffix("."), str(table))]


def _say(value: float) -> str:
    return "never" if value == inf else format_number(value)


def _from_json(value: Any) -> Any:
    return inf if value == "inf" else value
