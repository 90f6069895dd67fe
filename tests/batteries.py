"""Cases of a battery: a few for `make test`, and more of the same for `make test-all`."""

from collections.abc import Iterable
from typing import Any

import pytest


def with_slow(few: Iterable[Any], more: Iterable[Any]) -> list[Any]:
    """Return the cases of a parametrised test, those marked slow after the others."""

    def marked(case: Any) -> Any:
        values = case if isinstance(case, tuple) else (case,)
        return pytest.param(*values, marks=pytest.mark.slow)

    return [*few, *map(marked, more)]
