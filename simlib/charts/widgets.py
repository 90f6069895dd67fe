"""The explorer: sliders build a scenario, and its charts follow."""

from __future__ import annotations

import asyncio
import dataclasses
import html
from math import floor, inf, log10
from typing import Any

import ipywidgets as widgets

from simlib.charts.moving import MovingCharts
from simlib.core.backoff_kinds import Jitter
from simlib.core.errors import SettingsError
from simlib.core.faults import Fault, FaultKind
from simlib.experiments.connections import play_connections
from simlib.metrics.metrics import row
from simlib.scenario.scenario import Scenario
from simlib.trace.trace import Trace

_FEWEST_CLIENTS, _MOST_CLIENTS = 1, 500
_ALARMING = "#b00020"
_STYLE = "<style>.simlib-stale img, img.simlib-stale { opacity: 0.35 }</style>"


class Explorer(widgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Sliders over a scenario; made by `sl.explore`.

    Attributes
    ----------
    scenario : Scenario
        The scenario that the sliders make now; while they make none, the last one they made.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = _with_outage(scenario)
        self._outage = next(i for i, f in enumerate(self.scenario.faults) if f.stop_s < inf)
        self._wanted: Scenario | None = None
        self._refused = False
        self._is_told = False
        self._charts = MovingCharts()
        self._task: asyncio.Task[None] | None = None
        self.controls = _controls(self.scenario, self.scenario.faults[self._outage])
        self.chart = widgets.Image(format="png", layout={"max_width": "100%"})
        self.numbers = widgets.HTML()
        self.hint = widgets.HTML()
        for control in self.controls.values():
            control.observe(self._on_change, names="value")
        rows = [widgets.HBox(group) for group in _pairs(list(self.controls.values()))]
        super().__init__([widgets.HTML(_STYLE), *rows, self.hint, self.chart, self.numbers])
        self._loop = _loop()
        self._want(self.scenario)

    async def wait_until_settled(self) -> None:
        """Wait until the charts show the newest values."""
        await asyncio.sleep(0)  # a change comes in by the loop
        if self._task is not None:
            await self._task

    def _on_change(self, _: Any) -> None:
        # JupyterLab may deliver a slider's message in a thread of its own.
        if self._loop is None:
            self._take()
        elif not self._is_told:
            # Of many changes that come together only what they come to is taken.
            self._is_told = True
            self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        """Take what the sliders say now."""
        self._is_told = False
        try:
            self._want(self._make_scenario())
        except SettingsError as error:
            self._wanted, self._refused = None, True
            self.chart.add_class("simlib-stale")
            self._say(f"{error}. The charts show the last values that work.", _ALARMING)

    def _make_scenario(self) -> Scenario:
        values = {name: control.value for name, control in self.controls.items()}
        names = ("jitter", "base_s", "cap_s", "factor")
        backoff = dataclasses.replace(
            self.scenario.client.backoff, **{name: values[name] for name in names}
        )
        fault = self.scenario.faults[self._outage]
        made = self.scenario.replace("client.backoff", backoff).replace(clients=values["clients"])
        return made.replace(f"faults.{self._outage}.stop_s", fault.start_s + values["outage_s"])

    def _want(self, scenario: Scenario) -> None:
        """Have a scenario played; one that still waits to be played is forgotten."""
        self.scenario = self._wanted = scenario
        self._refused = False
        self._say("playing ...")
        if self._loop is None:  # nothing to keep responsive
            self._show(play_connections(scenario))
        elif self._task is None or self._task.done():
            self._task = self._loop.create_task(self._follow())

    async def _follow(self) -> None:
        while self._wanted is not None:
            scenario, self._wanted = self._wanted, None
            try:
                # In a thread, so that the sliders' messages come in meanwhile.
                trace = await asyncio.to_thread(play_connections, scenario)
            except Exception as error:
                self._say(f"{type(error).__name__}: {error}", _ALARMING)
                raise
            if not self._refused:
                self._show(trace)

    def _show(self, trace: Trace) -> None:
        self.chart.value = self._charts.png(trace)
        self.numbers.value = _numbers(trace)
        self.chart.remove_class("simlib-stale")
        self._say("" if self._wanted is None or self._loop is None else "playing ...")

    def _say(self, text: str, colour: str = "inherit") -> None:
        self.hint.value = f'<span style="color: {colour}">{html.escape(text)}&nbsp;</span>'


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _with_outage(scenario: Scenario) -> Scenario:
    if any(fault.stop_s < inf for fault in scenario.faults):
        return scenario
    from_s = scenario.warm_up_s  # before it no fault counts
    third_s = (scenario.duration_s - from_s) / 3
    outage = Fault(FaultKind.OUTAGE, from_s + third_s, from_s + 1.5 * third_s)
    return scenario.replace(faults=(*scenario.faults, outage))


def _controls(scenario: Scenario, fault: Fault) -> dict[str, Any]:
    backoff = scenario.client.backoff
    longest_s = scenario.duration_s - fault.start_s
    outage_s = min(fault.stop_s - fault.start_s, longest_s)
    step_s = 10.0 ** floor(log10(longest_s / 50.0))  # a round number, so that round lengths fit
    kind = fault.kind.name.lower().replace("_", " ")
    return {
        "base_s": _log_slider("base (s)", backoff.base_s, 0.05, 20.0),
        "cap_s": _log_slider("cap (s)", backoff.cap_s, 0.5, 120.0),
        "factor": _slider(widgets.FloatSlider, "factor", backoff.factor, 1.0, 4.0, 0.1),
        "jitter": widgets.Dropdown(
            description="jitter",
            options=[(jitter.name.lower(), jitter) for jitter in Jitter],
            value=backoff.jitter,
            **_LOOK,
        ),
        "outage_s": _slider(
            widgets.FloatSlider, f"{kind} (s)", outage_s, step_s, longest_s, step_s
        ),
        "clients": _slider(
            widgets.IntSlider, "clients", scenario.clients, _FEWEST_CLIENTS, _MOST_CLIENTS, 1
        ),
    }


_LOOK: dict[str, Any] = {
    "style": {"description_width": "90px"},
    "layout": {"width": "380px"},
}


def _slider(kind: Any, name: str, value: float, low: float, high: float, step: float) -> Any:
    """Return a slider whose range holds the value."""
    low, high = min(low, value), max(high, value)
    return kind(description=name, value=value, min=low, max=high, step=step, **_LOOK)


def _log_slider(name: str, value: float, low: float, high: float) -> Any:
    return widgets.FloatLogSlider(
        description=name,
        value=value,
        min=log10(min(low, value)),
        max=log10(max(high, value)),
        step=0.02,
        readout_format=".3g",
        **_LOOK,
    )


def _pairs(controls: list[Any]) -> list[list[Any]]:
    return [controls[i : i + 2] for i in range(0, len(controls), 2)]


def _numbers(trace: Trace) -> str:
    metrics = row(trace)
    shown = (
        ("attempts", f"{metrics['attempts']:,}"),
        ("peak", f"{metrics['peak_attempts_per_s']:,.0f} per second"),
        ("half of the clients open again within", f"{metrics['time_to_recover_s_p50']:.2f} s"),
        ("95 of 100 within", f"{metrics['time_to_recover_s_p95']:.2f} s"),
        ("never", f"{metrics['never_recovered']:,}"),
    )
    return " &nbsp; ".join(f"{name} <b>{value}</b>" for name, value in shown)
