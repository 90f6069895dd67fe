"""Cases of a battery: a few for `make test`, and more of the same for `make test-all`."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings


def with_slow(few: Iterable[Any], more: Iterable[Any]) -> list[Any]:
    """Return the cases of a parametrised test, those marked slow after the others."""

    def marked(case: Any) -> Any:
        values = case if isinstance(case, tuple) else (case,)
        return pytest.param(*values, marks=pytest.mark.slow)

    return [*few, *map(marked, more)]


def examples(many: int) -> int:
    """Return how many examples of a property are played: so many in `make test-all`, else fewer."""
    # 100 is what Hypothesis plays by default; conftest.py lowers it for make test.
    return max(5, many * settings.default.max_examples // 100)
