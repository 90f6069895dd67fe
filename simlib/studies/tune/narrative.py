"""The result of a tuning in sentences, as a design review needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any

import pandas as pd

from simlib.core.card import count_in_words
from simlib.experiments.bound_words import bound_in_words, bounds_in_words
from simlib.experiments.objectives import objectives
from simlib.metrics.words import join_words, say_setting, words_and_unit
from simlib.scenario.presets import PREFIX
from simlib.studies.tune.ranking import Difference, Ranking, differences, gains_and_losses, losses
from simlib.studies.tune.score import Score
from simlib.studies.tune.variants import Candidate

#: What a policy may cost that nobody asked about.
BESIDES = (
    "time_to_recover_s_p50",
    "time_to_recover_s_p99",
    "peak_attempts_per_s",
    "amplification",
    "availability_fraction",
)
#: A share of a bound that is none: the mean lies on it.
_ON_IT = 1e-9
#: So many names stand in a sentence; others are counted.
_NAMED = 3


def narrate(ranking: Ranking, limits: pd.DataFrame) -> tuple[str, ...]:
    """Return what there is to say of the recommended policy, in a few sentences."""
    parts = [*_what(ranking), _presets(ranking)]
    if ranking.keeps(ranking.recommended):
        parts.append(_beyond(ranking, limits))
    return tuple(filter(None, parts))


def _what(ranking: Ranking) -> Iterator[str]:
    """Say what to ship, what it buys and costs, and which bounds it keeps."""
    recommended, given = ranking.recommended, ranking.given
    if not ranking.best.works:
        yield f"No policy that was tried works, nor does the one given: {ranking.best.failure}."
    elif not ranking.keeps(recommended):
        yield _nearest(ranking)
    elif recommended is given:
        yield from _keep(ranking)
    else:
        yield f"Recommended: {_name(recommended)}.{_known_instead(ranking)}"
        if given is not None:
            yield _against(ranking, given)
        yield _bounds(ranking)


def _name(candidate: Candidate) -> str:
    """Return what to ship: the settings that were tuned, or a known policy by its name."""
    if candidate.kind == "preset":
        return f"{PREFIX}{candidate.name}"
    return candidate.name if candidate.kind == "report" else in_short(candidate.settings)


def _known_instead(ranking: Ranking) -> str:
    """Say why a known policy is recommended, though others were tuned."""
    if ranking.recommended.kind not in ("preset", "report"):
        return ""
    fit = [each for each in ranking.of_kind("tuned") if ranking.keeps(each)]
    if not fit:
        return " No policy that was tuned keeps all bounds."
    best = min(fit, key=lambda each: losses(ranking.evaluator, ranking.scores[each]))
    what = in_short(best.settings)
    if len(ranking.worse_on(best)) == len(ranking.evaluator.objectives):
        return f" It is surely better on every objective than the best that was tuned ({what})."
    return f" {_instead(ranking, best)}"


def _nearest(ranking: Ranking) -> str:
    missed = [
        _miss_in_words(bound_in_words(bound, ranking.evaluator.scenarios), excess)
        for bound in ranking.evaluator.bounds
        if (excess := ranking.best.excess(bound)) > 0.0
    ]
    if ranking.recommended is ranking.given:
        what = "None is nearer than the policy as given, so keep what you have"
    else:
        what = f"The nearest: {in_short(ranking.recommended.settings)}"
    return f"No policy that was tried keeps all bounds. {what}; {join_words(missed)}."


def _miss_in_words(words: str, excess: float) -> str:
    if not isfinite(excess):
        return f"that {words} is missed without end"
    if excess < _ON_IT:  # a strict bound
        return f"that {words} is missed: the mean lies on it"
    return f"that {words} is missed by {100 * excess:,.3g} %"


def _keep(ranking: Ranking) -> Iterator[str]:
    """Say that the policy as given should stay, and what the best of the trials would change."""
    yield "Keep what you have: the policy as given."
    others = [candidate for candidate in ranking.of_kind("tuned") if ranking.keeps(candidate)]
    if not others:
        yield f"{_bounds(ranking)} None of the best trials does."
        return
    yield _bounds(ranking)
    yield _instead(ranking, others[0])


def _instead(ranking: Ranking, tuned: Candidate) -> str:
    """Say what a tuned policy would change."""
    buys, costs = _changes(ranking, ranking.scores[tuned], ranking.best)
    return f"What was tuned ({in_short(tuned.settings)}) would {_trade(buys, costs)}"


def _trade(buys: Sequence[str], costs: Sequence[str]) -> str:
    if not buys and not costs:
        return "make no difference that is sure."
    return f"buy {join_words(buys)} and cost {join_words(costs)}."


def _against(ranking: Ranking, given: Candidate) -> str:
    """Say what the recommended policy gains and what it costs, compared with the given one."""
    score = ranking.scores[given]
    if not score.works:
        return f"The policy as given does not work: {score.failure}."
    buys, costs = _changes(ranking, ranking.best, score)
    broken = [bound for bound in ranking.evaluator.bounds if score.excess(bound) > 0.0]
    buys += [f"that {bound_in_words(bound, ranking.evaluator.scenarios)}" for bound in broken]
    if not buys:  # it would not be recommended if it did not look better
        gains, _ = gains_and_losses(ranking.best, score, ranking.evaluator.objectives)
        said = (
            f"{join_words([change(gain) for gain in gains])}, which {_seeds(ranking)} do not prove"
        )
        return f"Against the policy as given it may buy {said}; it costs {join_words(costs)}."
    return f"Against the policy as given it buys {join_words(buys)}; it costs {join_words(costs)}."


def _seeds(ranking: Ranking) -> str:
    return count_in_words(ranking.best.replications, "seed")


def _changes(ranking: Ranking, mine: Score, other: Score) -> tuple[list[str], list[str]]:
    names = dict.fromkeys(
        [*(objective.metric for objective in ranking.evaluator.objectives), *BESIDES]
    )
    better, worse = differences(mine, other, objectives(list(names)))
    return list(map(change, better)), list(map(change, worse))


def change(difference: Difference) -> str:
    """Say how a metric differs.

    Examples
    --------
    >>> change(Difference("time_to_recover_s_p99", 24.9, float("inf")))
    'time to recover (99 %) 24.9 s rather than never'
    """
    words, unit = words_and_unit(difference.metric)
    unit = {"s": " s", "1/s": "/s"}.get(unit, "")
    mine, other = (
        format_value(value) + unit * isfinite(value)
        for value in (difference.mine, difference.other)
    )
    name, _, share = words.partition(", ")
    return f"{name}{f' ({share})' if share else ''} {mine} rather than {other}"


def _bounds(ranking: Ranking) -> str:
    bounds = ranking.evaluator.bounds
    if not bounds:
        return ""
    words = bounds_in_words(bounds, ranking.evaluator.scenarios)
    return f"It keeps {'the bound' if len(bounds) == 1 else 'every bound'}: {words}."


def _presets(ranking: Ranking) -> str:
    """Say how many presets keep the bounds, and which others of these beat it."""
    known = ranking.of_kind("preset")
    if not known or not ranking.best.works:
        return ""
    fit = [candidate for candidate in known if ranking.keeps(candidate)]
    if not fit:
        return f"None of {len(known)} presets keeps the bounds."
    verb = "keeps" if len(fit) == 1 else "keep"
    said = f"{len(fit)} of {len(known)} presets {verb} the bounds: "
    if not ranking.evaluator.bounds:
        said = f"Of {len(known)} presets "
    fit = [candidate for candidate in fit if candidate is not ranking.recommended]
    if beating := [candidate.name for candidate in fit if ranking.beats(candidate)]:
        verb = "beat" if len(beating) > 1 else "beats"
        return f"{said}{_some(beating)} {verb} it."
    equal = [candidate.name for candidate in fit if not ranking.worse_on(candidate)]
    as_good = f", {_some(equal)} may be as good" if equal else ""
    return f"{said}none beats it{as_good}."


def _some(names: Sequence[str]) -> str:
    """Return a few names, and how many others there are."""
    more = len(names) - _NAMED
    return join_words(names if more <= 1 else [*names[:_NAMED], f"{more} others"])


def _beyond(ranking: Ranking, limits: pd.DataFrame) -> str:
    """Say where it stops being best, on either side of both axes, and where no policy does well."""
    ends, holds, nobody = [], [], []
    for axis, steps in limits.groupby("axis", sort=False):
        lost = steps[~steps["is_best"]]
        below, above = (lost[lost["factor"] < 1.0].tail(1), lost[lost["factor"] > 1.0].head(1))
        for _, step in pd.concat([below, above]).iterrows():
            ends.append(f"{_where(ranking, axis, step['factor'])}, where {step['why']}")
        if not len(lost):
            low, high = steps["factor"].min(), steps["factor"].max()
            holds.append(_where(ranking, axis, low, high))
        broken = steps[steps["is_best"] & ~steps["keeps"]]
        nobody += [_where(ranking, axis, factor) for factor in broken["factor"]]
    parts = [f"It stops being best {'; '.join(ends)}."] if ends else []
    if holds:
        parts.append(f"It stays best {' and '.join(holds)}.")
    if nobody:
        parts.append(f"Bounds are broken by all {join_words(nobody)}.")
    return " ".join(parts)


def _where(ranking: Ranking, axis: Any, *factors: float) -> str:
    """Say how far beyond the scenarios a point is: in clients, if all have as many."""
    clients = {scenario.clients for scenario in ranking.evaluator.scenarios}
    if axis != "clients":
        return f"with faults {' to '.join(f'{factor:g}' for factor in factors)} times as long"
    if len(clients) > 1:
        return f"with {' to '.join(f'{factor:g}' for factor in factors)} times the clients"
    (count,) = clients
    return f"with {' to '.join(f'{max(1, round(factor * count)):,}' for factor in factors)} clients"


def in_short(settings: Mapping[str, Any]) -> str:
    """Return settings as they are read: the part of their paths that all share comes first.

    Examples
    --------
    >>> in_short({"client.backoff.base_s": 1.5, "client.backoff.cap_s": 20.0})
    'client.backoff: base_s = 1.5, cap_s = 20'
    """
    shared = {key.rpartition(".")[0] for key in settings}
    said = {key: key for key in settings}
    head = ""
    if len(shared) == 1 and len(settings) > 1 and (place := next(iter(shared))):
        head, said = f"{place}: ", {key: key.removeprefix(f"{place}.") for key in settings}
    return head + ", ".join(
        f"{said[key]} = {format_value(value)}" for key, value in settings.items()
    )


def format_value(value: Any) -> str:
    """Return a value for reading: a number has three digits, and without end it is never.

    Examples
    --------
    >>> [format_value(value) for value in (1.23456, 999.9, 12345.6, "full", float("inf"))]
    ['1.23', '1,000', '12,346', 'full', 'never']
    """
    if not isinstance(value, float):
        return say_setting(value)
    if value == inf:
        return "never"
    return f"{value:,.3g}" if abs(value) < 999.5 else f"{value:,.0f}"
