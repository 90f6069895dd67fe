"""Write a Python generator that yields the waits of a policy."""

from __future__ import annotations

from math import inf

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Growth, Jitter, JitterPlace


def import_lines(rules: Backoff) -> list[str]:
    """Return the imports that the generator needs."""
    jitters = [rules.jitter]
    jitters += [rules.first_jitter] if rules.first_s < inf else []
    jitters += [rules.after_loss_jitter] if rules.after_loss_s < inf else []
    return ["import random"] if any(jitter != Jitter.NONE for jitter in jitters) else []


def python_waits(rules: Backoff) -> str:
    """Return a Python generator of a policy's waits, one for each failure in a row.

    Examples
    --------
    >>> print(python_waits(Backoff(jitter="none")))
    def waits():
        height = 1.0
        while True:
            yield height
            height = min(30.0, height * 2.0)
    """
    lines = [*_once(rules), "def waits():", *(f"    {line}" for line in _body(rules))]
    return "\n".join(lines)


def python_wait_after_loss(rules: Backoff) -> str:
    """Return the wait after a loss as Python.

    Examples
    --------
    >>> python_wait_after_loss(Backoff(after_loss_s=5.0, after_loss_jitter="full"))
    '5.0 * random.random()'
    """
    height = _number(rules.after_loss_s)
    return _python_jitter(rules, rules.after_loss_jitter, height, _draw_expression(rules))


def _once(rules: Backoff) -> list[str]:
    return ["DRAW = random.random()  # once, for all waits", ""] if rules.drawn_once else []


def _body(rules: Backoff) -> list[str]:
    body = _endless(rules)
    if rules.max_attempts == inf:
        return body
    count = f"{rules.max_attempts:.0f}"
    return [
        "def endless():",
        *(f"    {line}" for line in body),
        "",
        f"for _, wait in zip(range({count}), endless()):",
        "    yield wait",
        f'raise ConnectionError("gave up after {count} attempts")',
    ]


def _endless(rules: Backoff) -> list[str]:
    lines = []
    own = rules.first_s < inf
    if own:
        first = _python_spread(rules, rules.first_jitter, _number(rules.first_s), 0.0)
        lines += [f"wait = {first}"]
        lines += ["yield wait"]
    if rules.jitter == Jitter.DECORRELATED:
        base, cap = _number(rules.base_s), _number(rules.cap_s)
        lines += [] if own else [f"wait = {base}"]
        grown = f"{base} + (3.0 * max({base}, wait) - {base}) * {_draw_expression(rules)}"
        drawn = _at_least(rules.floor_s, f"min({cap}, {grown})")
        return [*lines, "while True:", f"    wait = {drawn}", "    yield wait"]
    wait = _python_spread(rules, rules.jitter, "height", rules.floor_s)
    if rules.step_count:
        steps = rules.steps_s[own and 1 :] or rules.steps_s[-1:]
        table = ", ".join(map(_number, steps))
        lines += [f"for height in ({table},):", f"    yield {wait}"]
        return [*lines, "while True:", f"    yield {wait}"]
    top_s = rules.cap_s
    if rules.jitter_place == JitterPlace.BEFORE_CAP and rules.jitter != Jitter.NONE:
        top_s = 1e300
    if rules.growth == Growth.POWER:
        grown = f"{_number(rules.base_s)} * attempt ** {_number(rules.exponent)}"
        lines += [f"attempt = {1 + own}", "while True:"]
        lines += [f"    height = min({_number(top_s)}, {grown})", f"    yield {wait}"]
        return [*lines, "    attempt += 1"]
    after = "wait" if rules.compounding else "height"
    linear = rules.growth == Growth.LINEAR
    step = f"+ {_number(rules.rise_s)}" if linear else f"* {_number(rules.factor)}"
    grow = f"min({_number(top_s)}, {{}} {step})"
    begin = _number(rules.base_s)
    if own:
        begin = grow.format("wait" if rules.compounding else begin)
    lines += [f"height = {begin}", "while True:"]
    if rules.compounding:
        lines += [f"    wait = {wait}", "    yield wait"]
    else:
        lines += [f"    yield {wait}"]
    return [*lines, f"    height = {grow.format(after)}"]


def _python_spread(rules: Backoff, jitter: Jitter, height: str, floor_s: float) -> str:
    """Return a ceiling with jitter, not below the floor nor above the cap, as Python."""
    wait = _python_jitter(rules, jitter, height, _draw_expression(rules))
    is_floored = floor_s > 0.0
    if is_floored and rules.drawn_above_floor and jitter != Jitter.NONE:
        ends = (_python_jitter(rules, jitter, height, drawn) for drawn in ("0.0", "1.0"))
        low, high = (_at_least(floor_s, end) for end in ends)
        wait = f"{low} + ({high} - {low}) * {_draw_expression(rules)}"
    elif is_floored:
        wait = _at_least(floor_s, wait)
    can_pass = rules.jitter_place == JitterPlace.BEFORE_CAP or jitter in (
        Jitter.PROPORTIONAL,
        Jitter.ADDITIVE,
    )
    if jitter == Jitter.NONE or not can_pass or rules.jitter_place == JitterPlace.AFTER_CAP:
        return wait
    return f"min({_number(rules.cap_s)}, {wait})"


def _python_jitter(rules: Backoff, jitter: Jitter, height: str, drawn: str) -> str:
    """Return a ceiling with jitter alone, as Python; ``drawn`` is the draw."""
    spread = _number(rules.spread_fraction)
    least_s, width_s = rules.add_least_s, rules.add_most_s - rules.add_least_s
    # Jitter below the ceiling takes the draw from above, where it stands for itself.
    taken = {"0.0": "1.0", "1.0": "0.0"}.get(drawn, drawn)
    return {
        Jitter.FULL: f"{height} * {drawn}",
        Jitter.EQUAL: f"{height} * (0.5 + 0.5 * {drawn})",
        Jitter.PROPORTIONAL: f"{height} * (1.0 + {spread} * (2.0 * {drawn} - 1.0))",
        Jitter.BELOW: f"{height} * (1.0 - {spread} * {taken})",
        Jitter.ADDITIVE: f"max(0.0, {height} + {_number(least_s)} + {_number(width_s)} * {drawn})",
    }.get(jitter, height)


def _at_least(floor_s: float, wait: str) -> str:
    return f"max({_number(floor_s)}, {wait})" if floor_s > 0.0 else wait


def _draw_expression(rules: Backoff) -> str:
    return "DRAW" if rules.drawn_once else "random.random()"


def _number(value: float) -> str:
    return repr(float(value))
