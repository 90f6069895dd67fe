"""What `tests/house.py` counts of simlib is held: one meaning a name, verbs, short functions."""

from pathlib import Path

import pytest

from tests import house as tool

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def house():
    return tool.measure(HERE.parent / "simlib")


def test_a_public_name_stands_in_one_file(house):
    assert {} == tool.homonyms(house)


def test_no_function_is_named_by_a_participle(house):
    assert [] == sorted(house.participles)


def test_no_import_leads_back_to_its_module(house):
    assert not tool.cyclic(house.imports)


def test_functions_stay_short(house):
    assert max(house.functions) <= 61
