"""The picture of a console: both runs as numbers beside each other, and clients over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import inf

from simlib.core.card import count_in_words
from simlib.core.faults import Fault
from simlib.core.notices import Notice
from simlib.core.server_settings import decides
from simlib.live_console.console_run import Sight
from simlib.metrics.load_now import ServerLoad
from simlib.scenario.scenario import Scenario
from simlib.scenario.words import describe_fault

#: A moment, and the clients that were open then, live and in the twin.
Moment = tuple[float, int, int]

# Colours are those of the page, so both themes of JupyterLab can be read; a bar is see-through.
STYLE = """<style>
.simlib-console { font-variant-numeric: tabular-nums; line-height: 1.35;
  color: var(--jp-content-font-color1, inherit); }
.simlib-console .cards { display: flex; flex-wrap: wrap; gap: 8px 28px; align-items: flex-start; }
.simlib-console table { border-collapse: collapse; min-width: 200px; margin: 0; }
.simlib-console caption { text-align: left; font-weight: bold; white-space: nowrap; }
.simlib-console th { font-weight: normal; text-align: left; padding: 1px 8px 1px 0; }
.simlib-console thead th, .simlib-console td { text-align: right; padding: 1px 4px; }
.simlib-console td { min-width: 64px; }
.simlib-console thead th { color: var(--jp-content-font-color2, inherit); }
.simlib-console svg { display: block; width: 100%; height: 90px; }
.simlib-console .row { display: flex; justify-content: space-between; }
.simlib-console p { margin: 4px 0; min-height: 1.35em; }
.simlib-console .live { color: var(--jp-info-color0, #0b6fb8); }
.simlib-console .twin { color: var(--jp-warn-color0, #b35c00); }
</style>"""
#: The chart shows so much of a long run.
WINDOW_S = 60.0
_BAR = "rgba(33, 150, 243, 0.35)"


def draw(scenario: Scenario, live: Sight, twin: Sight, moments: Sequence[Moment]) -> str:
    """Return both runs as HTML: numbers of each, and the clients that are open, over time."""
    a, b = live.look.counts, twin.look.counts
    clients = scenario.clients
    queued = max(1, *a.outbox.values(), *b.outbox.values())
    tables = [
        _table("Connection, clients", _beside(a.states, b.states), clients),
        _table("Quality, clients", _beside(a.qualities, b.qualities), clients),
        _table("Queue, messages", _beside(a.outbox, b.outbox), queued),
        _table("Breaker, clients", _beside(a.breakers, b.breakers), clients),
        _table("Transport, clients", _beside(a.transports, b.transports), clients),
        _table("Server", _servers(scenario, live.load, twin.load)),
    ]
    return (
        '<div class="simlib-console">'
        f"{_headline(live)}{_over_time(live, twin, moments)}{_faults(live.look.faults)}"
        f'<div class="cards">{"".join(tables)}</div>{_notices(a.notices, b.notices)}</div>'
    )


def describe_opens(live: Sight, twin: Sight) -> str:
    """Return how many clients are open, as a sentence for those who do not see the picture."""
    opens = [each.look.counts.states["open"] for each in (live, twin)]
    return (
        f"At {live.look.time_s:.1f} s {opens[0]:,} of {live.look.clients:,} clients are open in "
        f"the live run, and {opens[1]:,} in the twin."
    )


# --- the parts of the picture ------------------------------------------------------------


def _headline(live: Sight) -> str:
    look = live.look
    clients = count_in_words(look.clients, "client")
    when = f"{look.time_s:.1f} of {look.duration_s:g} s" if look.time_s else "starting"
    return f'<div class="row"><b>{escape(look.scenario)}: {clients}</b><span>{when}</span></div>'


def _over_time(live: Sight, twin: Sight, moments: Sequence[Moment]) -> str:
    now_s, clients = live.look.time_s, live.look.clients
    window = _window(now_s, live.look.duration_s)
    shades = "".join(_shade(window, now_s, fault) for fault in live.begun)
    lines = "".join(_line(window, clients, moments, *each) for each in ((1, "live"), (2, "twin")))
    return (
        '<div class="row"><span>Open clients over time</span><span>'
        '<span class="live">&#9473; live</span> &nbsp; <span class="twin">&#9478; twin</span>'
        f'</span></div><svg role="img" aria-label="{escape(describe_opens(live, twin))}" '
        f'viewBox="0 0 1000 100" preserveAspectRatio="none">{shades}<path d="M0 99H1000M0 1H1000" '
        'stroke="currentColor" opacity="0.25" vector-effect="non-scaling-stroke"/>'
        f'{lines}</svg><div class="row"><span>{window[0]:.0f} s</span>'
        f"<span>{window[1]:.0f} s</span></div>"
    )


def _window(now_s: float, duration_s: float) -> tuple[float, float]:
    """Return from when to when the chart reaches: a minute, if the run is longer."""
    end_s = max(now_s, min(WINDOW_S, duration_s))
    return max(0.0, end_s - WINDOW_S), end_s


def _across(window: tuple[float, float], time_s: float) -> float:
    return 1000 * (time_s - window[0]) / (window[1] - window[0])


def _shade(window: tuple[float, float], now_s: float, fault: Fault) -> str:
    stop_s = min(fault.end_s, now_s)
    if stop_s < window[0]:
        return ""
    left = max(0.0, _across(window, fault.start_s))
    width = max(2.0, _across(window, stop_s) - left)
    return f'<rect x="{left:.1f}" width="{width:.1f}" height="100" fill="#d33" opacity="0.15"/>'


def _line(
    window: tuple[float, float], clients: int, moments: Sequence[Moment], which: int, name: str
) -> str:
    points = " ".join(
        f"{_across(window, moment[0]):.1f},{99 - 98 * moment[which] / clients:.1f}"
        for moment in moments
        if moment[0] >= window[0]
    )
    dashes = ' stroke-dasharray="5 3"' if name == "twin" else ""
    return (
        f'<polyline class="{name}" points="{points}" fill="none" stroke="currentColor" '
        f'stroke-width="2" vector-effect="non-scaling-stroke"{dashes}/>'
    )


def _faults(faults: Iterable[Fault]) -> str:
    acting = "; ".join(map(describe_fault, faults)) or "none"
    return f"<p><b>Faults now:</b> {escape(acting)}</p>"


def _beside(live: Mapping[str, int], twin: Mapping[str, int]) -> list[tuple[str, int, int]]:
    return [(word.replace("_", " "), live[word], twin[word]) for word in live]


def _servers(scenario: Scenario, live: ServerLoad, twin: ServerLoad) -> list[tuple[str, int, int]]:
    rows = [("servers that listen", live.servers, twin.servers)]
    if decides(scenario.server):
        rows += [
            ("workers", live.workers, twin.workers),
            ("busy workers", live.busy, twin.busy),
            ("handshakes waiting", live.waiting, twin.waiting),
            ("let in per s", live.taken_per_s, twin.taken_per_s),
            ("refused per s", live.refused_per_s, twin.refused_per_s),
        ]
    return rows


def _table(title: str, rows: Iterable[tuple[str, int, int]], most: float = inf) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(word)}</th>{_cell(live, most)}{_cell(twin, most)}</tr>'
        for word, live, twin in rows
    )
    head = '<th></th><th scope="col">live</th><th scope="col">twin</th>'
    return (
        f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _cell(number: int, most: float) -> str:
    if not number or most == inf:
        return f"<td>{number:,}</td>"
    part = 100 * number / most
    fill = f"linear-gradient(to right, {_BAR} {part:.0f}%, transparent {part:.0f}%)"
    return f'<td style="background: {fill}">{number:,}</td>'


def _notices(live: Sequence[Notice], twin: Sequence[Notice]) -> str:
    counts = {notice.reason: notice.clients for notice in twin}
    wordings = {notice.reason: notice.wording for notice in (*live, *twin)}
    here = {notice.reason: notice.clients for notice in live}
    lines = "".join(
        f"<li>{escape(wording.text)} {escape(wording.advice)} "
        f"(live {here.get(reason, 0):,}, twin {counts.get(reason, 0):,} clients)</li>"
        for reason, wording in wordings.items()
    )
    return f"<p><b>Notices to users:</b> {'' if lines else 'none'}</p><ul>{lines}</ul>"
