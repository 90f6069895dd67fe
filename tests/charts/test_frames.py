"""Tables for reading: numbers as people write them, words where reading begins."""

import numpy as np
import pandas as pd
import pytest

from simlib.charts.frames import readable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9010708, "9,010,708"),
        (1832820.0, "1,832,820"),
        (560.0, "560"),
        (2.683, "2.68"),
        (0.00123, "0.0012"),
        (0.0, "0"),
        (-3.5, "-3.50"),
        (np.inf, "inf"),
        (np.nan, "-"),
        (np.int64(1000), "1,000"),
    ],
)
def test_a_number_is_written_for_reading(value, shown):
    assert f">{shown}<" in readable(pd.DataFrame({"number": [value]})).to_html()


def test_words_stand_on_the_left_and_mixed_columns_are_shown():
    table = pd.DataFrame({"value": ["stops", 0.25, None], "why": ["a", "b", "c"]})
    page = readable(table).to_html()
    assert page.count("text-align: left") >= 1
    for part in (">stops<", ">0.25<", ">None<"):
        assert part in page


def test_a_table_without_words_or_rows_is_shown():
    assert "<table" in readable(pd.DataFrame({"number": [1.0]})).to_html()
    assert "<table" in readable(pd.DataFrame({"word": []})).to_html()
