"""Sliders over a scenario, for notebooks; what shows them is loaded when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simlib.scenario.functions import refuse_functions
from simlib.scenario.scenario import Scenario
from simlib.support.arguments import check_arguments
from simlib.support.extras import load_extra

if TYPE_CHECKING:
    from simlib.explorers.kinds import ExplorerKind
    from simlib.explorers.widget import Explorer


class Explore:
    """Show sliders over a scenario, and charts that follow them; for notebooks.

    ``explore(scenario)`` has the reconnect policy, the first fault that ends (an outage is added if
    there is none), clients, accept rate and breaker. ``explore.backoff()``, ``.storm()``,
    ``.breaker()``, ``.queue()``, ``.fallback()``, ``.sessions()`` and ``.compare()`` each ask one
    question; each begins with a scenario of its own, or with yours.

    A slider holds the scenario's own value exactly. The newest values win: what was moved
    meanwhile is played together. Curves can be pinned beside the next ones, changes undone, and
    the scenario copied as TOML, as Python or as the options of a real client.

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
        If anywidget is not there.

    Examples
    --------
    >>> import simlib as sl
    >>> explorer = sl.explore(sl.Scenario(clients=5, duration_s=20))
    >>> explorer.controls["base_s"].value = 2
    >>> explorer.scenario.client.backoff.base_s
    2.0
    """

    __name__ = "explore"

    @check_arguments
    def __call__(self, scenario: Scenario) -> Explorer:
        """Show sliders over a scenario, and charts that follow them."""
        from simlib.explorers.general import GENERAL_EXPLORER

        return _show(GENERAL_EXPLORER, scenario)

    @check_arguments
    def backoff(self, scenario: Scenario | None = None) -> Explorer:
        """Show where the waits of a policy lie, and what they do to a server that comes back.

        Parameters
        ----------
        scenario : Scenario, optional
            Where to begin; by default the shipped scenario ``fleet_storm``.

        Returns
        -------
        Explorer
            A widget that shows itself.

        Examples
        --------
        >>> import simlib as sl
        >>> explorer = sl.explore.backoff()
        >>> explorer.controls["jitter"].value = "none"
        >>> explorer.view["panels"][0]["finding"]
        'After 5 failures all clients wait 4 s: they come again together'
        """
        from simlib.explorers.backoff import BACKOFF_EXPLORER

        return _show(BACKOFF_EXPLORER, scenario)

    @check_arguments
    def storm(self, scenario: Scenario | None = None) -> Explorer:
        """Show how many come back at once after an outage, from one client to a million.

        Messages are left out where they would have to be played: the charts do not show them.

        Parameters
        ----------
        scenario : Scenario, optional
            Where to begin; by default the shipped scenario ``fleet_storm`` without jitter.

        Returns
        -------
        Explorer
            A widget that shows itself.

        Examples
        --------
        >>> import simlib as sl
        >>> explorer = sl.explore.storm()
        >>> explorer.controls["clients"].value = 50
        >>> explorer.scenario.clients
        50
        """
        from simlib.explorers.storm import STORM_EXPLORER

        return _show(STORM_EXPLORER, scenario)

    @check_arguments
    def breaker(self, scenario: Scenario | None = None) -> Explorer:
        """Show when breakers are open, what they spare a server, and what they cost.

        Parameters
        ----------
        scenario : Scenario, optional
            Where to begin; by default the shipped scenario ``breakers_together`` without spread.

        Returns
        -------
        Explorer
            A widget that shows itself.

        Examples
        --------
        >>> import simlib as sl
        >>> explorer = sl.explore.breaker()
        >>> explorer.controls["trip_after"].value = float("inf")
        >>> explorer.view["panels"][1]["finding"]
        'No breaker trips'
        """
        from simlib.explorers.breaker import BREAKER_EXPLORER

        return _show(BREAKER_EXPLORER, scenario)

    @check_arguments
    def queue(self, scenario: Scenario | None = None) -> Explorer:
        """Show what waits in the outboxes, what is dropped, and which priority leaves first.

        Parameters
        ----------
        scenario : Scenario, optional
            Where to begin; by default the shipped scenario ``flush_storm`` with fewer clients.

        Returns
        -------
        Explorer
            A widget that shows itself.

        Examples
        --------
        >>> import simlib as sl
        >>> explorer = sl.explore.queue()
        >>> explorer.controls["capacity"].value = 5
        >>> explorer.scenario.client.outbox.capacity
        5.0
        """
        from simlib.explorers.queue import QUEUE_EXPLORER

        return _show(QUEUE_EXPLORER, scenario)

    @check_arguments
    def fallback(self, scenario: Scenario | None = None) -> Explorer:
        """Show when polling carries the messages, and what it costs to change the transport.

        Parameters
        ----------
        scenario : Scenario, optional
            Where to begin; by default the shipped scenario ``poor_network_fallback``.

        Returns
        -------
        Explorer
            A widget that shows itself.

        Examples
        --------
        >>> import simlib as sl
        >>> explorer = sl.explore.fallback()
        >>> explorer.ask(do="choose", what="flapping_wifi")
        >>> explorer.scenario.name
        'flapping_wifi'
        """
        from simlib.explorers.fallback import FALLBACK_EXPLORER

        return _show(FALLBACK_EXPLORER, scenario)

    @check_arguments
    def sessions(self, scenario: Scenario | None = None) -> Explorer:
        """Show sessions that end together, and the storm of those who sign in again.

        Parameters
        ----------
        scenario : Scenario, optional
            Where to begin; by default the shipped scenario ``token_refresh_storm``.

        Returns
        -------
        Explorer
            A widget that shows itself.

        Examples
        --------
        >>> import simlib as sl
        >>> explorer = sl.explore.sessions()
        >>> explorer.controls["spread_s"].value = 3
        >>> explorer.scenario.client.session.spread_s
        3.0
        """
        from simlib.explorers.sessions import SESSIONS_EXPLORER

        return _show(SESSIONS_EXPLORER, scenario)

    @check_arguments
    def compare(self, scenario: Scenario | None = None) -> Explorer:
        """Show several policies in the same outage, one curve for each.

        Parameters
        ----------
        scenario : Scenario, optional
            Where to begin; by default the shipped scenario ``fleet_storm``.

        Returns
        -------
        Explorer
            A widget that shows itself.

        Examples
        --------
        >>> import simlib as sl
        >>> explorer = sl.explore.compare()
        >>> explorer.controls["second"].value = "sockette"
        >>> explorer.view["numbers"]["heads"]
        ['as given', 'sockette', 'phoenix']
        """
        from simlib.explorers.comparison import COMPARISON_EXPLORER

        return _show(COMPARISON_EXPLORER, scenario)


def _show(kind: ExplorerKind, scenario: Scenario | None) -> Explorer:
    if scenario is not None:
        why = "sliders set the fields of a Backoff: put one in its place"
        refuse_functions(scenario, why)
    load_extra("anywidget", "notebook", "the sliders need anywidget")
    from simlib.explorers.exploration import Exploration
    from simlib.explorers.widget import Explorer

    return Explorer(Exploration(kind, scenario))


#: The explorers: call it with a scenario, or one of its methods.
explore = Explore()
