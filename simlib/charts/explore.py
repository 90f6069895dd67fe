"""Sliders over a scenario, for notebooks; the widgets are loaded when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simlib.scenario.scenario import Scenario
from simlib.support.arguments import check_arguments
from simlib.support.extras import load_extra

if TYPE_CHECKING:
    from simlib.charts.widgets import Explorer


@check_arguments
def explore(scenario: Scenario) -> Explorer:
    """Show sliders over a scenario, and charts that follow them; for notebooks.

    Base, cap, factor and jitter of the backoff, the length of the first fault that ends (an
    outage is added if there is none) and the number of clients can be changed. The newest
    values win: what was asked for meanwhile is not played.

    Parameters
    ----------
    scenario : Scenario
        Where to begin.

    Returns
    -------
    Explorer
        A widget that shows itself; its ``scenario`` is what the sliders make now.

    Raises
    ------
    SimlibError
        If ipywidgets is not there.

    Examples
    --------
    >>> import simlib as sl
    >>> explorer = sl.explore(sl.Scenario(clients=5, duration_s=20))
    >>> explorer.controls["base_s"].value = 2
    >>> explorer.scenario.client.backoff.base_s
    2.0
    """
    load_extra("ipywidgets", "notebook", "the sliders need ipywidgets")
    from simlib.charts.widgets import Explorer

    return Explorer(scenario)
