"""What a design review reads: what a policy buys, what it costs, where it stops being best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any

import pandas as pd

from simlib.study.ensemble import Candidate
from simlib.study.goals import objectives
from simlib.study.standing import Standing

#: What a policy may cost that nobody asked about.
BESIDES = (
    "time_to_recover_s_p50",
    "time_to_recover_s_p99",
    "peak_attempts_per_s",
    "amplification",
    "availability_fraction",
)
#: A difference is worth a word if it is at least this share of the other's value.
_WORTH = 0.02
_STEPS = {
    "clients": "with {} times the clients",
    "length of faults": "with faults {} times as long",
}


def review(standing: Standing, limits: pd.DataFrame) -> str:
    """Return what there is to say of the recommended policy, in a few sentences."""
    parts = [_what(standing), *_against(standing), _presets(standing), _beyond(limits)]
    return " ".join(filter(None, parts))


def _what(standing: Standing) -> str:
    said = in_short(standing.recommended.settings)
    if standing.keeps(standing.recommended):
        return f"Recommended: {said}."
    excess = {bound.text: standing.best.excess(bound) for bound in standing.judge.bounds}
    why = [f"{text} is missed by {100 * by:.3g} %" for text, by in excess.items() if by > 0.0]
    return f"No policy that was tried keeps all bounds. The nearest: {said}; {listed(why)}."


def _against(standing: Standing) -> Iterator[str]:
    """Say what it buys and what it costs, against the report's defaults and what was given."""
    for each in standing.of_kind("report", "given"):
        name = "the policy as given" if each.kind == "given" else f"the {each.name}"
        buys, costs = _differences(standing, each)
        if buys or costs:
            yield f"Against {name} it buys {listed(buys)}; it costs {listed(costs)}."
        else:
            yield f"Against {name} it makes no difference that is sure."


def _differences(standing: Standing, each: Candidate) -> tuple[list[str], list[str]]:
    score, buys, costs = standing.scores[each], [], []
    names = dict.fromkeys([*(each.metric for each in standing.judge.objectives), *BESIDES])
    for objective in objectives(list(names)):
        mine, its = (one.mean(objective.metric).value for one in (standing.best, score))
        if mine == its or (
            isfinite(mine) and isfinite(its) and abs(mine - its) <= _WORTH * abs(its)
        ):
            continue
        said = f"{objective.metric} {written(mine)} rather than {written(its)}"
        if score.worse_than(standing.best, objective).low > 0.0:
            buys.append(said)
        elif standing.best.worse_than(score, objective).low > 0.0:
            costs.append(said)
    return buys, costs


def _presets(standing: Standing) -> str:
    """Say how many presets keep the bounds, and which of these it does not beat on anything."""
    known = standing.of_kind("preset")
    fit = [each for each in known if standing.keeps(each)]
    if not fit:
        return f"None of {len(known)} presets keeps the bounds." if known else ""
    bounded = standing.judge.bounds
    verb = "keeps" if len(fit) == 1 else "keep"
    said = [f"{len(fit)} of {len(known)} presets {verb} the bounds"] if bounded else []
    beating = [each.name for each in fit if standing.beats(each)]
    equal = [each.name for each in fit if not standing.worse_on(each) and not standing.beats(each)]
    if beating:
        said.append(f"{listed(beating)} {'beat' if len(beating) > 1 else 'beats'} it")
    if equal:
        said.append(f"it is not surely better than {listed(equal)} on any objective")
    if len(beating) + len(equal) < len(fit):
        whole = "each of them" if bounded else f"each of {len(fit)} presets"
        rest = "the others" if beating or equal else whole
        said.append(f"it is surely better than {rest} on at least one objective")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _beyond(limits: pd.DataFrame) -> str:
    """Say where it stops being best, on either side of both axes, and where nobody does well."""
    ends, holds, nobody = [], [], []
    for axis, steps in limits.groupby("axis", sort=False):
        words = _STEPS[str(axis)]
        lost = steps[~steps["is_best"]]
        below, above = (lost[lost["factor"] < 1.0].tail(1), lost[lost["factor"] > 1.0].head(1))
        for _, step in pd.concat([below, above]).iterrows():
            ends.append(f"{words.format(written(step['factor']))}, where {step['why']}")
        if not len(lost):
            low, high = steps["factor"].min(), steps["factor"].max()
            holds.append(words.format(f"{low:g} to {high:g}"))
        broken = steps[steps["is_best"] & ~steps["keeps"]]
        nobody += [words.format(written(each)) for each in broken["factor"]]
    parts = [f"It stops being best {'; '.join(ends)}."] if ends else []
    if holds:
        parts.append(f"It stays best {' and '.join(holds)}.")
    if nobody:
        parts.append(f"Bounds are broken by all {listed(nobody)}.")
    return " ".join(parts)


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
    return head + ", ".join(f"{said[key]} = {written(value)}" for key, value in settings.items())


def listed(words: Sequence[str]) -> str:
    """Return words as a list that is read.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    if not words:
        return "nothing"
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1]


def written(value: Any) -> str:
    """Return a value for reading: a number has three digits, and without end it is never.

    Examples
    --------
    >>> written(1.23456), written(12345.6), written("full"), written(float("inf"))
    ('1.23', '12,346', 'full', 'never')
    """
    if not isinstance(value, float):
        return str(value)
    if value == inf:
        return "never"
    return f"{value:,.3g}" if abs(value) < 1000.0 else f"{value:,.0f}"
