"""Where the waits of a policy lie, and what single clients draw: from its rules, without a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simlib.core.backoff import Backoff, delay, looks_back
from simlib.core.draws import Stream, uniform
from simlib.metrics.array_types import Floats

#: Of all waits before an attempt, these shares are shorter.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Clients of which waits are drawn where each wait depends on the one before.
_DRAWN = 1000


def waits_s(rules: Backoff, attempts: int = 12) -> Floats:
    """Return where the waits before attempts in a row lie.

    Parameters
    ----------
    rules : Backoff
        The policy.
    attempts : int
        How many attempts in a row.

    Returns
    -------
    array of float, a row per share of `SHARES`
        The wait in s that this share of the waits does not pass: shortest, quartiles, longest. A
        client that gives up has no waits from there on: NaN.

    Examples
    --------
    >>> waits_s(Backoff(jitter="equal"), 3).tolist()[2]
    [0.75, 1.5, 3.0]
    """
    waits = np.full((len(SHARES), attempts), np.nan)
    last = int(min(attempts, rules.max_attempts))
    if looks_back(rules) and last:
        waits[:, :last] = np.quantile(sample_waits_s(rules, last, _DRAWN), SHARES, axis=0)
        # Of a function it is not known whether a wait rises with its draw: it is only sampled.
        exact = [] if rules.has_function else [0, len(SHARES) - 1]
    else:
        exact = list(range(len(SHARES)))
    for i in exact:
        # A wait rises with its draw, and with the wait before: so the draws' quantiles give the
        # waits', and their ends the ends where each wait depends on the one before.
        waits[i, :last] = _row_s(rules, [SHARES[i]] * last)
    return waits


def sample_waits_s(rules: Backoff, attempts: int, clients: int) -> Floats:
    """Return the waits that some clients draw before attempts in a row (clients x attempts).

    Examples
    --------
    >>> sample_waits_s(Backoff(jitter="none", base_s=1, cap_s=4), 4, 1).tolist()
    [[1.0, 2.0, 4.0, 4.0]]
    """
    draws = [[_draw(rules, client, i) for i in range(attempts)] for client in range(clients)]
    return np.array([_row_s(rules, client_draws) for client_draws in draws])


def _row_s(rules: Backoff, draws: Sequence[float]) -> list[float]:
    """Return the waits before attempts in a row, with these draws."""
    waits: list[float] = []
    for i, u in enumerate(draws):
        waits.append(delay(rules, i + 1, waits[-1] if waits else 0.0, u))
    return waits


def _draw(rules: Backoff, client: int, i: int) -> float:
    return uniform(1, client, Stream.WAIT, 0 if rules.drawn_once else i)
