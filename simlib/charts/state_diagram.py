"""The link's state diagram, made from the table that runs: no arrow is drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from simlib.charts.style import new_axes, style
from simlib.charts.timeline import STATE_COLOURS
from simlib.charts.titles import write_titles
from simlib.core.backoff import Backoff
from simlib.core.link import step
from simlib.core.link_fields import idle, replace_fields
from simlib.core.link_table import TABLE, Input, Move, State
from simlib.core.settings import Settings
from simlib.support.arguments import check_arguments

#: Where the states stand; which arrows there are is not said here.
_PLACES = {
    State.IDLE: (0.10, 0.84), State.CONNECTING: (0.42, 0.84), State.OPEN: (0.88, 0.84),
    State.WAITING: (0.66, 0.42), State.STOPPED: (0.20, 0.10), State.SUSPENDED: (0.88, 0.10),
}  # fmt: skip
#: An input that leads from so many states to the same one is named there, and has no arrows.
_COMMON = 4
_HALF_WIDTH, _HALF_HEIGHT = 0.072, 0.045
_STAY = {Move.IGNORE, Move.MISUSE, Move.SETTLE, Move.FALL_BACK, Move.RETURN}
_GREY, _DARK = "#444444", {State.STOPPED, State.WAITING}
_NOW_S = 100.0


class Transition(NamedTuple):
    """An arrow of the diagram: from where to where, and the inputs that cause it."""

    start: State
    stop: State
    inputs: tuple[Input, ...]
    #: Whether it is made only where the policy gives up.
    gives_up: bool = False


def list_transitions() -> list[Transition]:
    """Return every change of state that the link's table and its moves can make.

    Each input that the table acts on is given to a link in each state, with a policy that goes on
    and with one that gives up.

    Examples
    --------
    >>> [arrow.inputs for arrow in list_transitions()
    ...  if (arrow.start, arrow.stop) == (State.CONNECTING, State.OPEN)]
    [(<Input.OPENED: 1>,)]
    """
    found: dict[tuple[State, State, bool], list[Input]] = {}
    goes_on, gives_up = Settings(), Settings(backoff=Backoff(max_attempts=0))
    for start in State:
        for input_ in Input:
            if TABLE[start][input_] in _STAY:
                continue
            usual, last = (_after(start, input_, settings) for settings in (goes_on, gives_up))
            for stop, gives in ((usual, False), (last, True)):
                if stop != start and not (gives and stop == usual):
                    found.setdefault((start, stop, gives), []).append(input_)
    return [Transition(*ends[:2], tuple(inputs), ends[2]) for ends, inputs in found.items()]


def common_inputs(arrows: Sequence[Transition]) -> dict[State, list[Input]]:
    """Return the inputs that lead from most states to one, by that state.

    Examples
    --------
    >>> {state.name: [each.name for each in inputs]
    ...  for state, inputs in common_inputs(list_transitions()).items()}
    {'STOPPED': ['STOP', 'END'], 'SUSPENDED': ['SUSPEND']}
    """
    found: dict[State, list[Input]] = {}
    for stop in State:
        into = [arrow for arrow in arrows if arrow.stop == stop and not arrow.gives_up]
        for input_ in Input:
            if sum(input_ in arrow.inputs for arrow in into) >= _COMMON:
                found.setdefault(stop, []).append(input_)
    return found


def _after(start: State, input_: Input, settings: Settings) -> State:
    link = replace_fields(idle(), state=start.value, deadline_s=_NOW_S, started_s=_NOW_S - 1.0)
    link = replace_fields(link, opened_s=0.0 if start == State.OPEN else -inf)
    return State(step(link, input_.value, _NOW_S, settings, 1, 0, 0.0).state)


@check_arguments
def state_diagram(axes: Axes | None = None) -> Axes:
    """Draw the states of a connection, and the inputs that lead from one to another.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        A box for each state; an arrow for each change, with the inputs that cause it. Which arrows
        there are comes from the table that the engines play.

    Examples
    --------
    >>> import simlib as sl
    >>> "opened" in {text.get_text() for text in sl.plots.state_diagram().texts}
    True
    """
    arrows = list_transitions()
    with style():
        canvas = new_axes()[0] if axes is None else axes
        canvas.set(xlim=(-0.02, 1.02), ylim=(-0.04, 0.98))
        canvas.set_axis_off()
        common = common_inputs(arrows)
        for arrow in arrows:
            inputs = [each for each in arrow.inputs if each not in common.get(arrow.stop, ())]
            if inputs:
                bends = _has_return(arrow, arrows)
                _draw_arrow(canvas, arrow._replace(inputs=tuple(inputs)), bends=bends)
        for state, place in _PLACES.items():
            _draw_state(canvas, state, place, common.get(state, []))
        moving = {each for arrow in arrows for each in arrow.inputs}
        found = f"A connection has {len(State)} states, and {len(moving)} inputs move it"
        write_titles(canvas, found, "Drawn from the table of transitions that every engine plays")
    return canvas


def _has_return(arrow: Transition, arrows: Sequence[Transition]) -> bool:
    return any((each.start, each.stop) == (arrow.stop, arrow.start) for each in arrows)


def _draw_state(
    axes: Axes, state: State, place: tuple[float, float], common: Sequence[Input]
) -> None:
    name = state.name.lower()
    low = place[0] - _HALF_WIDTH, place[1] - _HALF_HEIGHT
    box = FancyBboxPatch(
        low, 2.0 * _HALF_WIDTH, 2.0 * _HALF_HEIGHT, boxstyle="round,pad=0.008",
        facecolor=STATE_COLOURS[name], edgecolor=_GREY, linewidth=1.0, zorder=3,
    )  # fmt: skip
    axes.add_patch(box)
    colour = "white" if state in _DARK else "black"
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontweight": "bold", "zorder": 4}
    axes.text(*place, name, color=colour, **look)
    if common:
        words = f"from any state: {' or '.join(each.name.lower() for each in common)}"
        below = place[0], place[1] - _HALF_HEIGHT - 0.035
        axes.text(*below, words, color=_GREY, ha="center", va="center", fontsize=8)


def _draw_arrow(axes: Axes, arrow: Transition, *, bends: bool) -> None:
    start, stop = np.array(_PLACES[arrow.start]), np.array(_PLACES[arrow.stop])
    bend = 0.16 if bends else 0.0
    patch = FancyArrowPatch(
        tuple(_edge(start, stop)), tuple(_edge(stop, start)), arrowstyle="-|>", mutation_scale=11,
        connectionstyle=f"arc3,rad={bend}", color=_GREY, linewidth=1.0, zorder=2,
    )  # fmt: skip
    axes.add_patch(patch)
    *first, last = (each.name.lower() for each in arrow.inputs)
    text = f"{', '.join(first)} or {last}" if first else last
    text += ",\nif it gives up" if arrow.gives_up else ""
    along = stop - start
    side = np.array([along[1], -along[0]]) * (bend / 2.0)
    # An arrow across the picture passes other boxes in its middle.
    at = start + (0.66 if arrow.gives_up and not bends else 0.5) * along + side
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "zorder": 5}
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
    axes.text(float(at[0]), float(at[1]), text, color="black", bbox=ground, **look)


def _edge(centre: Any, towards: Any) -> Any:
    """Return where a line from the centre of a box leaves it."""
    along = towards - centre
    room = _HALF_WIDTH + 0.012, _HALF_HEIGHT + 0.014
    scale = min(room[axis] / abs(along[axis]) if along[axis] else inf for axis in (0, 1))
    return centre + scale * along
