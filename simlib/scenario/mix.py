"""A mix of real clients: presets by their shares, as the cohorts of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simlib.core.cohorts import Cohort
from simlib.core.errors import SettingsError
from simlib.scenario.presets import PREFIX, presets
from simlib.support.arguments import check_arguments

#: Shares that are added up may be wrong by this much.
_ROUNDING = 1e-7


@check_arguments
def mix(shares: Mapping[str, float]) -> list[Cohort]:
    """Return cohorts of real clients, from their shares in per cent.

    Each cohort is called like its preset, and has its settings. Where the shares add up to less
    than 100, the other clients have the scenario's own ``client``.

    Parameters
    ----------
    shares : mapping of str to float
        By the name of a preset, how many of a hundred clients have it: above 0.

    Returns
    -------
    list of Cohort
        The cohorts, in the order given, for ``scenario.replace(cohorts=...)``.

    Raises
    ------
    SettingsError
        If there is no such preset, or the shares are no shares: names the preset and the rule.

    Examples
    --------
    >>> import simlib as sl
    >>> fans = sl.mix({"socket.io-client": 40, "phoenix": 60})
    >>> storm = sl.Scenario(clients=50, cohorts=fans)
    >>> [(each.name, each.clients_fraction) for each in storm.cohorts]
    [('socket.io-client', 0.4), ('phoenix', 0.6)]
    """
    if not shares:
        raise SettingsError("mix", dict(shares), "must have at least one preset and its share")
    cohorts = [_cohort(name, share) for name, share in shares.items()]
    total = sum(shares.values())
    if total > 100.0 + _ROUNDING:
        raise SettingsError("mix", dict(shares), f"has shares that add up to {total:g}, above 100")
    return cohorts


def _cohort(name: str, share: Any) -> Cohort:
    where = f'mix["{name}"]'
    try:
        client = presets[str(name).removeprefix(PREFIX)].client
    except SettingsError as error:
        raise SettingsError(where, share, error.rule) from error
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if not is_number or not 0.0 < share <= 100.0:
        raise SettingsError(where, share, "must be a share of 100, above 0 and at most 100")
    return Cohort(name=name.removeprefix(PREFIX), clients_fraction=share / 100.0, client=client)


def read_mix(text: str) -> dict[str, float]:
    """Return the shares that a text names, such as ``socket.io-client=40,phoenix=60``.

    Examples
    --------
    >>> read_mix("socket.io-client=40, phoenix=60")
    {'socket.io-client': 40.0, 'phoenix': 60.0}
    """
    shares: dict[str, float] = {}
    for each in text.split(","):
        name, is_given, share = (part.strip() for part in each.partition("="))
        if not (name and is_given and share):
            rule = "must be PRESET=SHARE,..., as socket.io-client=40,phoenix=60 is"
            raise SettingsError("mix", text, rule)
        if name in shares:
            raise SettingsError("mix", text, f"names {name} twice")
        try:
            shares[name] = float(share)
        except ValueError as error:
            rule = "must be a share of 100, above 0 and at most 100"
            raise SettingsError(f'mix["{name}"]', share, rule) from error
    return shares


def describe_rest(cohorts: list[Cohort]) -> str:
    """Return who has the scenario's own client, where shares do not add up to 100.

    Examples
    --------
    >>> describe_rest(mix({"phoenix": 60}))
    "The other 40 % of the clients have the scenario's own settings."
    >>> describe_rest(mix({"phoenix": 60, "sockette": 40}))
    ''
    """
    total = 100.0 * sum(each.clients_fraction for each in cohorts)
    if total >= 100.0 - _ROUNDING:
        return ""
    return f"The other {100.0 - total:g} % of the clients have the scenario's own settings."
