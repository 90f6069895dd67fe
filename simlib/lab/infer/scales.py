"""How the parameters of a family are searched for: their scales and bounds."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np

#: The least time that a wait is told from none.
LEAST_S = 1e-4
#: Factors above are not looked for.
MOST_FACTOR = 10.0
#: Nor exponents beyond these.
EXPONENTS = (0.2, 6.0)
Values = dict[str, float]


@dataclass(frozen=True)
class Scale:
    """How a parameter is searched for: by its logarithm or as it is, and between which bounds."""

    low: float
    high: float
    logarithmic: bool = True
    #: Of a scale that is not logarithmic: what a step of one is.
    unit: float = 1.0

    def into(self, value: float) -> float:
        """Return where on the scale a value is."""
        kept = min(self.high, max(self.low, value))
        return log(kept) if self.logarithmic else kept / self.unit

    def back(self, place: float) -> float:
        """Return the value at a place; NaN beyond the bounds."""
        value = exp(place) if self.logarithmic else place * self.unit
        return value if self.low <= value <= self.high else np.nan
