"""Figures of the explorers: what the kernel does for one step of a slider, and what a page waits.

The page's figures are those that `tests/browser/test_explore.py` measured last, by the clock: from
the key to the new chart.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from figure import Figure
from timed import timed

import simlib as sl
from simlib.explorers.widget import Explorer

STORM = sl.Scenario(clients=200, faults=[sl.Fault("outage", start_s=10, stop_s=20)])
#: What a page measured.
_BROWSER = Path("out/screens/explorers.json")
#: In seconds: of a storm of 10,000 clients on the fleet, and of the others.
_MOST_S = {"storm": 0.25}


def steps(count: int = 20) -> list[Figure]:
    """Slider steps: play what is shown, and make the view that goes to the page."""
    sl.run(STORM, on="fleet")  # compiles
    general = sl.explore(STORM)
    spent_s = _drag(general, "cap_s", count)
    whole_s, _ = timed(lambda: sl.run(STORM))
    storm = sl.explore.storm(
        STORM.replace({"clients": 10_000, "server.accept_per_s": 1000, "workload.rate_per_s": 0})
    )
    spent = {
        "a step, 200 clients": spent_s,
        "backoff, a step": _drag(sl.explore.backoff(), "cap_s", count),
        "breaker, a step": _drag(sl.explore.breaker(), "open_s", count),
        "queue, a step": _drag(sl.explore.queue(), "burst", count),
    }
    name = "explorer: sim with messages, over a step"
    return [
        *(Figure(f"explorer: {name}", "s", each, at_most=0.06) for name, each in spent.items()),
        Figure("explorer: storm of 10,000, a step", "s", _drag(storm, "cap_s", count)),
        Figure(name, "times", (whole_s / median(spent_s),), at_least=10.0),
        *_of_browser(),
    ]


def _drag(explorer: Explorer, name: str, count: int) -> tuple[float, ...]:
    """Return how long each step of a control takes, over values that a slider has."""
    control = next(each for each in explorer.view["controls"] if each["name"] == name)
    values = [each for each in control["values"][-12:-1] if each != "inf"]
    spent_s = []
    for i in range(count + 1):
        value = values[i % len(values)]
        spent_s.append(timed(lambda value=value: explorer.ask(set={name: value}))[0])  # type: ignore[misc]
    return tuple(spent_s[1:])  # the first makes what is kept


def _of_browser() -> list[Figure]:
    if not _BROWSER.is_file():
        why = f"{_BROWSER} is not there: run tests/browser/test_explore.py"
        return [Figure("explorer: key to chart in a browser", "s", (), skipped=why)]
    taken = json.loads(_BROWSER.read_text(encoding="utf-8"))
    return [
        Figure(
            f"explorer: {name}, key to chart in a browser", "s",
            tuple(each / 1000.0 for each in values), at_most=_MOST_S.get(name, 0.1),
        )
        for name, values in taken.items()
    ]  # fmt: skip
