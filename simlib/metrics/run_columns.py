"""The rows of a run as columns, and what several metrics need of them, each computed once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from simlib.metrics.array_types import Floats, Ints
from simlib.metrics.spans import Opens, Steps
from simlib.trace.columns import Name
from simlib.trace.trace import Trace


class RunColumns:
    """The rows of a run as columns, and what several metrics need of them, each found once."""

    def __init__(self, trace: Trace) -> None:
        trace.need_all_rows()
        self.scenario, self.end_s = trace.scenario, trace.end_s
        self.columns = trace.columns()

    @cached_property
    def steps(self) -> Steps:
        """The state of each client after each event."""
        return Steps(self.columns, self.scenario.clients, self.end_s)

    @cached_property
    def opens(self) -> Opens:
        """The spans in OPEN."""
        return self.steps.opens()

    @cached_property
    def attempts_s(self) -> Floats:
        """When each attempt was made, in ascending order."""
        return np.sort(self.columns["time_s"][self.columns["name"] == Name.OPEN])

    def cohorts(self, client: Ints) -> Ints:
        """Return the number of each client's cohort."""
        if not self.scenario.cohorts:
            return np.zeros(client.size, np.int64)
        known, place = np.unique(client, return_inverse=True)
        return np.array([self.scenario.cohort_of(client) for client in known.tolist()], np.int64)[
            place
        ]


def column_in_words(trace: Trace, column: str, values: npt.NDArray[Any]) -> Any:
    """Return numbers of a column as its words, if it has any."""
    import pandas as pd

    kind = None if column == "left" else trace.frame()[column].dtype
    if isinstance(kind, pd.CategoricalDtype):
        return pd.Categorical.from_codes(values, dtype=kind)
    return values
