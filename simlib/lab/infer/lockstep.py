"""Run many likelihood searches together, so that NumPy computes them as one array.

NumPy takes nearly as long for one policy as for twenty. Within a search each likelihood depends on
those before it, but searches of different families, or from different starting values, are
independent. So a search is a generator: it yields the places that it asks for and is sent their
likelihoods.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple, TypeVar

import numpy as np

from simlib.core.backoff import Backoff
from simlib.lab.infer.families import Family
from simlib.lab.infer.likelihood import log_likelihoods
from simlib.lab.infer.scales import Scale, Values
from simlib.lab.infer.waits import Waits
from simlib.metrics.array_types import Floats

_T = TypeVar("_T")


@dataclass(frozen=True)
class Search:
    """A family's likelihood over places on its scales."""

    family: Family
    scales: dict[str, Scale]
    waits: Waits

    def place(self, values: Values) -> Floats:
        """Return where on the scales values are."""
        return np.array([scale.into(values[name]) for name, scale in self.scales.items()])

    def values(self, place: Floats) -> Values:
        """Return the values at a place; NaN beyond the bounds."""
        pairs = zip(self.scales.items(), place.tolist(), strict=True)
        return {name: scale.back(at) for (name, scale), at in pairs}

    def rules(self, place: Floats) -> Backoff | None:
        """Return the policy at a place; None beyond the bounds, and where there is none."""
        values = self.values(place)
        return self.family.rules(values) if all(map(isfinite, values.values())) else None


class Ask(NamedTuple):
    """A question of a search: the likelihood of the waits at these places, a row each."""

    search: Search
    places: Floats
    #: Timing errors of at least this share of a wait are assumed.
    rough: float


#: A search: it asks for likelihoods at places, several at once, until it has its result.
Asking = Generator[list[Ask], list[Floats], _T]


def score(search: Search, places: Floats, rough: float) -> Asking[Floats]:
    """Ask for the likelihoods at places, and return them."""
    [scores] = yield [Ask(search, places, rough)]
    return scores


def beside(works: Sequence[Asking[_T]]) -> Asking[list[_T]]:
    """Run several searches in lockstep, and return their results."""
    # All searches are sent their answers together, round after round; whoever ends sooner leaves.
    results: dict[int, _T] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(works)))
    while answers:
        asked: dict[int, list[Ask]] = {}
        for i, answer in answers.items():
            try:
                asked[i] = works[i].send(answer)
            except StopIteration as done:
                results[i] = done.value
        if not asked:
            break
        replies = iter((yield [ask for asks in asked.values() for ask in asks]))
        answers = {i: [next(replies) for _ in asks] for i, asks in asked.items()}
    return [results[i] for i in range(len(works))]


def run_search(work: Asking[_T]) -> _T:
    """Run a search to its end and return its result."""
    answers: Any = None
    try:
        while True:
            answers = _likelihoods(work.send(answers))
    except StopIteration as done:
        result: _T = done.value
        return result


def _likelihoods(asks: Sequence[Ask]) -> list[Floats]:
    """Return the likelihoods at all places of the questions; -inf where there is no policy."""
    likelihoods = [np.full(len(ask.places), -np.inf) for ask in asks]
    # By identity: waits are arrays, and few different ones are in use.
    for waits in {id(ask.search.waits): ask.search.waits for ask in asks}.values():
        policies, blurs_s, into = [], [], []
        for scores, ask in zip(likelihoods, asks, strict=True):
            if ask.search.waits is waits:
                least_s = np.maximum(waits.blur_s, ask.rough * waits.mean_s)
                for i, place in enumerate(ask.places):
                    rules = ask.search.rules(place)
                    if rules is not None:
                        policies.append(rules)
                        blurs_s.append(least_s)
                        into.append((scores, i))
        if policies:
            likely = log_likelihoods(policies, waits, np.array(blurs_s)).tolist()
            for (scores, i), score in zip(into, likely, strict=True):
                scores[i] = score
    return likelihoods
