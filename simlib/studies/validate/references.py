"""Results of others that come with simlib, as rows of a file of data."""

from __future__ import annotations

import csv

from simlib.support.files import find_shipped


def read_references(name: str) -> list[dict[str, str]]:
    """Return the rows of a file of published results.

    Examples
    --------
    >>> read_references("validation/brooker_retries.csv")[0]["strategy"]
    'no retries'
    """
    with find_shipped(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
