"""Buttons over a live run, for notebooks; the widgets are loaded when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simlib.scenario.scenario import Scenario
from simlib.support.arguments import check_arguments
from simlib.support.extras import load_extra

if TYPE_CHECKING:
    from simlib.live_console.widget import Console


@check_arguments
def console(scenario: Scenario) -> Console:
    """Show buttons that break the network of a live run, beside its simulated twin.

    A press on start begins the run: a real server process and real WebSockets on this machine, for
    ``duration_s`` on the wall clock. Buttons cut, slow and silence the network, end sessions,
    reload clients and put them to sleep. A simulation, the twin, is given the same faults at the
    same moments. At the end both are compared; what you did can be saved as a scenario.

    The run goes on while you use the notebook. It ends with its time, by stop, by an interrupt of
    the kernel, when another console is made, and with the kernel.

    Parameters
    ----------
    scenario : Scenario
        What to play; faults of its own come as they are planned.

    Returns
    -------
    Console
        A widget that shows itself. ``trace`` and ``twin`` are what was played, ``comparison`` says
        whether they agree, and ``scenario`` has the faults by hand.

    Raises
    ------
    SettingsError
        If the live engine cannot play the scenario.
    SimlibError
        If ipywidgets or anywidget is not there, or the machine has too few sockets.

    Examples
    --------
    >>> import simlib as sl
    >>> console = sl.console(sl.Scenario(clients=5, duration_s=60))
    >>> console.start()                                # doctest: +SKIP
    >>> console.strike("cut")                          # doctest: +SKIP
    >>> console.scenario.clients
    5
    """
    load_extra("ipywidgets", "notebook", "the console needs ipywidgets")
    load_extra("anywidget", "notebook", "the console needs anywidget")
    from simlib.engines.live.open_files import allow_sockets
    from simlib.engines.live.target import Target
    from simlib.live_console.console_run import end_runs
    from simlib.live_console.widget import Console

    Target().fit(scenario)
    allow_sockets(scenario.clients)
    # The widget of an earlier console may have gone from the page, with its stop button: so does
    # the one of a cell that is run a second time.
    end_runs()
    return Console(scenario)
