"""What a run of very many clients is counted into, where rows would be too many."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, fields
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Tally:
    """The counts of one run.

    Attributes
    ----------
    bin_s : float
        Length of a bin, seconds.
    bins : array of int, one row per bin
        What happened in each bin; `table` names the columns.
    attempts_per_s : array of int
        Attempts from each whole second to the next.
    recovery_s, detection_s : array of float
        Times to recover and to detect, ascending, as `simlib.summary` defines them.
    waits : array of float, 4 by attempts in a row
        Number and sum of the waits after so many failures; the same of those that the backoff
        alone decided.
    open_s, breaker_open_s : float
        Time that the clients spent OPEN, and with an open breaker, together, seconds.
    """

    bin_s: float
    bins: Any
    columns: tuple[str, ...]
    attempts_per_s: Any
    recovery_s: Any
    detection_s: Any
    waits: Any
    open_s: float
    breaker_open_s: float

    def table(self) -> pd.DataFrame:
        """Return the counts by bin, indexed by the bins' beginnings; only what happened."""
        import numpy as np
        import pandas as pd

        index = pd.Index(np.arange(len(self.bins)) * self.bin_s, name="time_s")
        table = pd.DataFrame(self.bins, index=index, columns=list(self.columns))
        return table.loc[:, (table != 0).any()]

    def total(self, column: str) -> int:
        """Return how often something happened in the whole run."""
        return int(self.bins[:, self.columns.index(column)].sum())

    def to_text(self) -> str:
        """Return everything as text, to be kept in a file."""
        import numpy as np

        file = BytesIO()
        np.savez_compressed(file, **{item.name: getattr(self, item.name) for item in fields(self)})
        return b64encode(file.getvalue()).decode()

    @classmethod
    def from_text(cls, text: str) -> Tally:
        """Return what `to_text` gave."""
        import numpy as np

        kept = np.load(BytesIO(b64decode(text)))
        values = {name: kept[name] for name in kept.files}
        for name in ("bin_s", "open_s", "breaker_open_s"):
            values[name] = float(values[name])
        return cls(**values | {"columns": tuple(values["columns"].tolist())})
