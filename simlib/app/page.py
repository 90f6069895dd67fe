"""The page of the app: a tab for each explorer, which is made when its tab is first opened."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from simlib.explorers.explore import explore
from simlib.scenario.scenario import load
from simlib.support.files import find_shipped


def _explore_all() -> Any:
    return explore(load(find_shipped("scenarios") / "reconnect_storm.toml"))


#: What each tab shows, by its title.
EXPLORERS: dict[str, Callable[[], Any]] = {
    "Backoff": explore.backoff,
    "Storm": explore.storm,
    "Breaker": explore.breaker,
    "Queue": explore.queue,
    "Fallback": explore.fallback,
    "Sessions": explore.sessions,
    "Compare": explore.compare,
    "All together": _explore_all,
}


# On a narrow screen the tabs go on in another line: squeezed into one they lose their words.
_STYLE = """<style>
.simlib-tabs .lm-TabBar-content { flex-wrap: wrap; }
.simlib-tabs .lm-TabBar-tab { flex: 0 0 auto !important; min-width: max-content !important; }
.simlib-tabs > .lm-TabBar { max-height: none !important; }
</style>"""


class Page(widgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """The tabs; the first is open."""

    def __init__(self) -> None:
        self._makers = list(EXPLORERS.values())
        self._made: set[int] = set()
        places = [widgets.VBox([widgets.HTML("Loading ...")]) for _ in self._makers]
        self.tabs = widgets.Tab(places, titles=list(EXPLORERS), selected_index=0)
        self.tabs.add_class("simlib-tabs")
        self.tabs.observe(self._open, names="selected_index")
        super().__init__([widgets.HTML(_STYLE), self.tabs])
        self._open()

    def _open(self, _: Any = None) -> None:
        """Make the explorer of the tab that is open, unless it is there."""
        place = self.tabs.selected_index
        if place is None or place in self._made:
            return
        self._made.add(place)
        try:
            shown = self._makers[place]()
        except Exception as error:  # noqa: BLE001 - whatever it is, the page says it, and goes on
            said = html.escape(f"This explorer cannot be shown: {error}")
            shown = widgets.HTML(f'<p role="alert">{said}</p>')
        self.tabs.children[place].children = [shown]
