"""Tables of steps that are Fibonacci's numbers, up to a cap."""

from __future__ import annotations

from math import inf

from simlib.lab.infer.scales import Values

#: The numbers of Fibonacci, as far as a table goes.
FIBONACCI = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0, 233.0, 377.0)


def fibonacci_steps_s(values: Values) -> tuple[float, ...]:
    """Return the table of Fibonacci's numbers, from a base to a cap."""
    base_s, cap_s = values["base_s"], values["cap_s"]
    return tuple(min(cap_s, base_s * number) for number in FIBONACCI)


def is_fibonacci(steps_s: tuple[float, ...]) -> bool:
    """Whether a table is of Fibonacci's numbers, up to a cap.

    Examples
    --------
    >>> is_fibonacci((0.5, 0.5, 1.0, 1.5, 2.0)), is_fibonacci((1.0, 2.0, 5.0, 10.0))
    (True, False)
    """
    if len(steps_s) < 4 or steps_s[0] <= 0.0:
        return False
    top_s, numbers = steps_s[-1], (*FIBONACCI, *(inf,) * len(steps_s))
    said_s = (min(top_s, steps_s[0] * numbers[i]) for i in range(len(steps_s)))
    return all(abs(a - b) <= 1e-3 * b for a, b in zip(steps_s, said_s, strict=True))
