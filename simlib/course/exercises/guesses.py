"""Guesses: what a learner expects of a run, beside what the run says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simlib.course.exercises.checks import NotYet, read_number, title_of

#: A guess is good if it is between the result divided by this and the result times this.
_GOOD = 1.25
_MISSING = "no guess yet: put yours in place of None, above the run, and run both cells again"


def compare_guess(guess: Any, result: Any, unit: str = "", words: Sequence[str] = ()) -> str:
    """Say how far a guess is from what the run says; a guess is a number, or one of some words.

    Examples
    --------
    >>> compare_guess(None, 3.6, "s")
    'no guess yet: put yours in place of None, above the run, and run both cells again'
    >>> compare_guess(1, 3.6, "s")
    'you guessed 1 s, the run says 3.6 s: 3.6 times as much'
    >>> compare_guess("later", "sooner", words=("sooner", "later"))
    'you guessed "later", the run says "sooner"'
    """
    if guess is None:
        return _MISSING
    if words:
        return _compare_words(guess, result, words)
    try:
        given, found = read_number(guess), float(result)
    except NotYet as missing:
        return f"no guess yet: {missing}"
    said = f"you guessed {given:,.3g}{_spaced(unit)}, the run says {found:,.3g}{_spaced(unit)}"
    return f"{said}: {_put_in_words(given, found)}"


def _spaced(unit: str) -> str:
    return f" {unit}" if unit else ""


def _put_in_words(given: float, found: float) -> str:
    if given / _GOOD <= found <= given * _GOOD:
        return "well guessed"
    if found <= 0.0:
        return "nothing at all"
    if found > given:
        return f"{found / given:,.2g} times as much"
    return f"{found / given:,.2g} of that"


def _compare_words(guess: Any, result: str, words: Sequence[str]) -> str:
    if guess not in words:
        known = ", ".join(f'"{word}"' for word in words)
        return f"no guess yet: {title_of(guess)} is none of {known}"
    said = f'you guessed "{guess}", the run says "{result}"'
    return f"{said}: well guessed" if guess == result else said
