"""An animation of a storm: clients as dots by state, the server's door, and the clock."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from simlib.charts.timeline import STATE_COLOURS
from simlib.charts.times import name_fault, time_window_s
from simlib.core.errors import SettingsError
from simlib.core.link_table import State
from simlib.metrics.array_types import Floats, Ints
from simlib.metrics.run_columns import read_columns
from simlib.metrics.words import format_count
from simlib.scenario.rates import handshakes_per_s
from simlib.support.arguments import check_arguments
from simlib.support.files import replacing
from simlib.trace.disruptions import interrupting
from simlib.trace.trace import Trace

#: What is written, by the end of the file's name.
_FORMATS = {".webp": "WEBP", ".gif": "GIF"}
#: A file has no more frames, shows no more clients, and is no larger.
MOST_FRAMES, MOST_CLIENTS, MOST_BYTES = 120, 400, 2_000_000
_SIZE = _WIDTH, _HEIGHT = 800, 450
_FRAME_MS, _LAST_MS = 90, 2000
_GROUND, _INK, _GREY, _CLOSED = "#FFFFFF", "#222222", "#777777", "#D55E00"
#: Where clients of each state stand: left, top, right and bottom, in pixels.
_OUTSIDE, _AT_DOOR, _INSIDE = (20, 110, 330, 420), (370, 110, 450, 420), (500, 110, 780, 420)
_ZONES = {
    State.IDLE: _OUTSIDE, State.WAITING: _OUTSIDE, State.STOPPED: _OUTSIDE,
    State.SUSPENDED: _OUTSIDE, State.CONNECTING: _AT_DOOR, State.OPEN: _INSIDE,
}  # fmt: skip
_DOOR_X, _DOOR = 475, (215, 315)
_ORDER = (State.OPEN, State.CONNECTING, State.WAITING, State.SUSPENDED, State.STOPPED, State.IDLE)


@dataclass(frozen=True, repr=False)
class Animation:
    """An animated picture, which a notebook shows; made by `sl.animate`.

    Attributes
    ----------
    data : bytes
        The picture as it is in a file.
    kind : str
        "webp" or "gif".
    frames : int
        How many pictures it has.
    text : str
        What it shows, in words.
    path : Path or None
        The file it was written to.

    Examples
    --------
    >>> import simlib as sl
    >>> sl.animate(sl.run(sl.Scenario(name="calm", clients=2, duration_s=5)), frames=2)
    <Animation: calm: 2 of 2 clients by state over time, 2 frames>
    """

    data: bytes
    kind: str
    frames: int
    text: str
    path: Path | None = None

    def _repr_html_(self) -> str:
        source = f"data:image/{self.kind};base64,{b64encode(self.data).decode()}"
        alt = html.escape(self.text, quote=True)
        return f'<img src="{source}" alt="{alt}" width="{_WIDTH}" style="max-width: 100%">'

    def __repr__(self) -> str:
        where = f" in {self.path}" if self.path else ""
        return f"<Animation: {self.text}, {self.frames} frames{where}>"


@check_arguments
def animate(
    trace: Trace, out: str | PathLike[str] | None = None, frames: int = MOST_FRAMES
) -> Animation:
    """Draw a run as an animation: clients as dots by state, the server's door, and the clock.

    Parameters
    ----------
    trace : Trace
        The run; of more than 400 clients the first are shown. From a little before the first fault
        that interrupts to a little after the last attempt.
    out : str or path, optional
        The file to write, ``.webp`` or ``.gif``; it lands whole or not at all. By default the
        animation is only returned.
    frames : int
        How many pictures, 2 to 120; fewer are made if the file would be larger than 2 MB.

    Returns
    -------
    Animation
        Shows itself in a notebook.

    Raises
    ------
    SettingsError
        If the file is of another kind, or the number of frames out of range.

    Examples
    --------
    >>> import simlib as sl
    >>> storm = sl.Scenario(clients=9, duration_s=20, faults=[sl.Fault("outage", 5, 9)])
    >>> sl.animate(sl.run(storm), frames=3).frames
    3
    """
    path = None if out is None else Path(out)
    kind = ".webp" if path is None else path.suffix.lower()
    if kind not in _FORMATS:
        raise SettingsError("out", str(out), "must end in .webp or .gif")
    if not 2 <= frames <= MOST_FRAMES:
        raise SettingsError("frames", frames, f"must be 2 to {MOST_FRAMES}")
    count = frames
    data = _encode(_draw_frames(trace, count), kind)
    while len(data) > MOST_BYTES and count > 2:
        count = max(2, count // 2)
        data = _encode(_draw_frames(trace, count), kind)
    if path is not None:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    shown = min(MOST_CLIENTS, trace.scenario.clients)
    text = f"{trace.label}: {shown:,} of {trace.scenario.clients:,} clients by state over time"
    return Animation(data, kind[1:], count, text, path)


def _encode(pictures: Sequence[Image.Image], kind: str) -> bytes:
    file = BytesIO()
    lasting = [_FRAME_MS] * (len(pictures) - 1) + [_LAST_MS]
    more: dict[str, Any] = {"quality": 60, "method": 2} if kind == ".webp" else {"optimize": True}
    pictures[0].save(
        file, _FORMATS[kind], save_all=True, append_images=pictures[1:], duration=lasting, loop=0,
        **more,
    )  # fmt: skip
    return file.getvalue()


def _draw_frames(trace: Trace, count: int) -> list[Image.Image]:
    first_s, last_s = time_window_s([trace])
    edges_s = np.linspace(first_s, last_s, count + 1)
    states = states_by_frame(trace, edges_s)
    places = _places(min(MOST_CLIENTS, trace.scenario.clients))
    ground = _draw_ground(trace)
    pictures = []
    before = None
    for i in range(count):
        now = np.array([places[state][client] for client, state in enumerate(states[i])])
        # Half of the way is drawn too, so that an eye can follow a dot.
        at = now if before is None else (now + before) / 2.0
        picture = ground.copy()
        _draw_frame(picture, trace, float(edges_s[i + 1]), states[i], at)
        pictures.append(picture)
        before = now
    return pictures


def states_by_frame(trace: Trace, edges_s: Floats) -> Ints:
    """Return the state of each client that is shown in each frame (frames x clients).

    A state that lasts is that at the frame's end. An attempt is so short that it would fall between
    frames: it is shown in each that it touches.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = sl.run(sl.Scenario(clients=1, duration_s=5, ramp_s=0))
    >>> states_by_frame(trace, np.array([0.0, 1.0, 2.0])).tolist()
    [[1], [2]]
    """
    clients = min(MOST_CLIENTS, trace.scenario.clients)
    spans = read_columns(trace).steps.spans(["state"])
    states = np.zeros((edges_s.size - 1, clients), np.int64)
    shown = spans.client < clients
    client, start_s, stop_s = spans.client[shown], spans.start_s[shown], spans.stop_s[shown]
    state = spans.looks["state"][shown]
    attempts = state == State.CONNECTING
    # The frame that a moment falls into, counted by the frames' ends.
    first = np.searchsorted(edges_s[1:], start_s, side="left")
    last = np.searchsorted(edges_s[1:], stop_s, side="left")
    until = np.where(stop_s >= edges_s[-1], len(states), last)
    for i in np.flatnonzero(~attempts & (until > first)):
        states[first[i] : until[i], client[i]] = state[i]
    for i in np.flatnonzero(attempts & (stop_s >= edges_s[0])):
        states[first[i] : last[i] + 1, client[i]] = State.CONNECTING
    return states


def _places(clients: int) -> dict[int, Floats]:
    """Return where each client stands in each state."""
    return {state.value: _grid(_ZONES[state], clients) for state in State}


def _grid(zone: tuple[int, int, int, int], clients: int) -> Floats:
    left, top, right, bottom = zone
    columns = max(1, round(np.sqrt(clients * (right - left) / (bottom - top))))
    rows = -(-clients // columns)
    client = np.arange(clients)
    x = left + (client % columns + 0.5) * (right - left) / columns
    y = top + (client // columns + 0.5) * (bottom - top) / rows
    return np.column_stack([x, y])


def _font(points: int, *, bold: bool = False) -> Any:
    weight = "bold" if bold else "normal"
    file = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
    return ImageFont.truetype(file, points)


def _draw_ground(trace: Trace) -> Image.Image:
    """Draw what does not change: the wall with its door, and the names."""
    picture = Image.new("RGB", _SIZE, _GROUND)
    draw = ImageDraw.Draw(picture)
    clients, shown = trace.scenario.clients, min(MOST_CLIENTS, trace.scenario.clients)
    of = f"{shown:,} of {clients:,} clients" if shown < clients else f"{clients:,} clients"
    draw.text((20, 14), f"{trace.label}, {of}", fill=_INK, font=_font(16, bold=True))
    top, bottom = _OUTSIDE[1] - 12, _OUTSIDE[3] + 12
    draw.line([(_DOOR_X, top), (_DOOR_X, _DOOR[0])], fill=_INK, width=5)
    draw.line([(_DOOR_X, _DOOR[1]), (_DOOR_X, bottom)], fill=_INK, width=5)
    small = _font(13)
    draw.text((_OUTSIDE[0], 78), "outside", fill=_GREY, font=small)
    draw.text((_AT_DOOR[0], 78), "at the door", fill=_GREY, font=small)
    rate = handshakes_per_s(trace.scenario)
    takes = f"connected; the server can take {format_count(rate)}/s" if np.isfinite(rate) else ""
    draw.text((_INSIDE[0] - 5, 78), takes or "connected", fill=_GREY, font=small)
    return picture


def _draw_frame(
    picture: Image.Image, trace: Trace, now_s: float, states: Ints, places: Floats
) -> None:
    draw = ImageDraw.Draw(picture)
    clock = f"{now_s:.1f} s"
    font = _font(20, bold=True)
    draw.text((_WIDTH - 20 - draw.textlength(clock, font), 12), clock, fill=_INK, font=font)
    _draw_counts(draw, states)
    faults = [each for each in interrupting(trace.scenario) if each.start_s <= now_s < each.end_s]
    if faults:
        draw.line([(_DOOR_X, _DOOR[0]), (_DOOR_X, _DOOR[1])], fill=_CLOSED, width=9)
        words = ", ".join(map(name_fault, faults))
        draw.text((_DOOR_X - 10, 14), words, fill=_CLOSED, font=_font(16, bold=True))
    radius = 2 if len(states) > 200 else 3 if len(states) > 60 else 5
    for state, (x, y) in zip(states.tolist(), places.tolist(), strict=True):
        box = (x - radius, y - radius, x + radius, y + radius)
        colour = STATE_COLOURS[State(state).name.lower()]
        edge = _GREY if state in (State.IDLE, State.CONNECTING) else None
        draw.ellipse(box, fill=colour, outline=edge)


def _draw_counts(draw: ImageDraw.ImageDraw, states: Ints) -> None:
    """Write how many clients are in each state: the key to the colours, too."""
    font, x = _font(13), 20.0
    for state in _ORDER:
        count = int((states == state).sum())
        name = state.name.lower()
        if not count and state not in _ORDER[:3]:
            continue
        draw.ellipse((x, 49, x + 10, 59), fill=STATE_COLOURS[name], outline=_GREY)
        text = f"{name} {count:,}"
        draw.text((x + 15, 46), text, fill=_INK, font=font)
        # The widest that it may be, so that no count moves the next one.
        x += 15 + draw.textlength(f"{name} {states.size:,}", font) + 18
