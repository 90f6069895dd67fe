"""Herds: shares of the clients that have settings of their own.

Which herd a client belongs to is drawn by client: it does not depend on how many others there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from simlib.core.client import Settings
from simlib.core.errors import SettingsError
from simlib.core.rules import Ruled, number


@dataclass(frozen=True, kw_only=True)
class Herd(Ruled):
    """A share of the clients, and how they behave."""

    #: What the herd is called; no two herds of a scenario have one name.
    name: str = "herd"
    #: Its share of the clients, drawn by client.
    clients_fraction: float = number(1.0, "", high=1.0)
    client: Settings = field(default_factory=Settings)

    def check(self) -> None:
        """Raise `SettingsError` if the name is none."""
        if not isinstance(self.name, str) or not self.name:
            raise SettingsError("name", self.name, "must be a text")


def ends(herds: Sequence[Herd]) -> tuple[float, ...]:
    """Return where each herd's share ends, laid one after the other from 0.

    Examples
    --------
    >>> ends([Herd(clients_fraction=0.25), Herd(clients_fraction=0.5)])
    (0.25, 0.75)
    """
    return tuple(accumulate(herd.clients_fraction for herd in herds))


def herd_at(ends: Sequence[float], u: float) -> int:
    """Return the number of the herd that a draw falls into; beyond all, how many there are.

    Examples
    --------
    >>> [herd_at((0.25, 0.75), u) for u in (0.0, 0.25, 0.75)]
    [0, 1, 2]
    """
    herd = 0
    while herd < len(ends) and u >= ends[herd]:
        herd += 1
    return herd
