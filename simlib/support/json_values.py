"""Convert results to values that strict JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan
from typing import Any


def jsonable(value: Any) -> Any:
    """Return a value as JSON can hold it, with all that is inside it.

    JSON has neither infinity nor NaN. Infinity becomes the text ``inf`` or ``-inf``, as TOML spells
    it; NaN, which stands for a value that is not known, becomes None. A table becomes a list of its
    rows, a tuple a list, and a NumPy number one of Python's.

    Examples
    --------
    >>> jsonable({"share": float("nan"), "times_s": (1.5, float("inf"))})
    {'share': None, 'times_s': [1.5, 'inf']}
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inside) for inside in value]
    if hasattr(value, "to_dict"):  # a DataFrame, without importing pandas
        return jsonable(value.astype(object).where(value.notna(), None).to_dict(orient="records"))
    if hasattr(value, "tolist"):  # a NumPy array or number
        return jsonable(value.tolist())
    if isinstance(value, float):
        return _plain_float(value)
    return value


def _plain_float(value: float) -> float | str | None:
    if isnan(value):
        return None
    return {inf: "inf", -inf: "-inf"}.get(value, value)
