"""From a fitted policy to the settings that a scenario has for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from math import isfinite
from typing import Any

from simlib.core.backoff import Backoff, ceiling
from simlib.core.stops import Stops, as_codes, codes_in
from simlib.lab.infer.policy_fit import PolicyFit


def stop_settings(codes: Mapping[int, bool]) -> dict[str, Any]:
    """Return what stops a client that came back after some codes and not after others.

    A code of a session that it did not come back after stays one: nobody signed in there.
    """
    sessions = set(codes_in(Stops().suspends_on))
    suspends = {code for code in sessions if not codes.get(code)}
    ends = {code for code, came_back in codes.items() if not came_back} - sessions
    return {"ends_on": list(as_codes(ends)), "suspends_on": list(as_codes(suspends))}


def backoff_settings(policy_fit: PolicyFit) -> dict[str, Any]:
    """Return the backoff's settings as TOML has them: the numbers to four digits."""
    best = policy_fit.best
    settings = {name: _plain(value) for name, value in best.family.fixed.items()}
    if best.family.steps is not None:
        return (
            settings
            | _step_settings(best.rules)
            | _further_settings(policy_fit, ("spread_fraction", "first_s"))
        )
    steps_s = []
    for parameter in policy_fit.parameters:
        if parameter.name.startswith("steps_s["):
            steps_s.append(round_to_digits(max(0.0, parameter.value)))
        elif isfinite(parameter.value):
            settings[parameter.name] = round_to_digits(parameter.value)
    if steps_s:
        settings |= {"steps_s": steps_s, "cap_s": max(steps_s), "base_s": max(1e-4, min(steps_s))}
    if "cap_s" not in settings:
        # What was not seen is not made up: the ceiling stays at the highest that was.
        seen_s = ceiling(best.rules, int(policy_fit.waits.attempts[-1]))
        settings["cap_s"] = round_to_digits(
            max(seen_s, settings["base_s"], settings.get("first_s", 0.0))
        )
    return settings


def _step_settings(rules: Backoff) -> dict[str, Any]:
    """Return the settings of a table of steps; equal steps at its end are one."""
    steps_s = [round_to_digits(step_s) for step_s in rules.steps_s]
    while len(steps_s) > 1 and steps_s[-1] == steps_s[-2]:
        steps_s.pop()
    return {"steps_s": steps_s, "cap_s": max(steps_s), "base_s": max(1e-4, min(steps_s))}


def _further_settings(policy_fit: PolicyFit, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        parameter.name: round_to_digits(parameter.value)
        for parameter in policy_fit.parameters
        if parameter.name in names
    }


def _plain(value: Any) -> Any:
    return value.name.lower() if isinstance(value, IntEnum) else value


def round_to_digits(value: float) -> float:
    """Return a number with four significant digits, as a settings file has it."""
    return float(f"{value:.4g}")
