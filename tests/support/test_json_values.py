import json
from math import inf, nan

import numpy as np
import pandas as pd
import pytest

from simlib.support.json_values import jsonable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (inf, "inf"),
        (-inf, "-inf"),
        (nan, None),
        (np.float64(inf), "inf"),
        (np.float64(nan), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1.0, inf]), [1.0, "inf"]),
        ((1, (nan, 2.5)), [1, [None, 2.5]]),
        ({"a": {5: [inf]}}, {"a": {"5": ["inf"]}}),
        (pd.DataFrame({"a": [1, 2], "b": [inf, nan]}), [{"a": 1, "b": "inf"}, {"a": 2, "b": None}]),
        ("inf", "inf"),
        (None, None),
        (True, True),
    ],
)
def test_every_value_becomes_one_that_strict_json_can_hold(value, expected):
    assert expected == jsonable(value)
    assert expected == json.loads(json.dumps(jsonable(value), allow_nan=False))
