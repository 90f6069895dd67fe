"""What every shipped scenario gives in simulation is kept beside it, and compared."""

import csv
from math import isnan
from pathlib import Path

import pytest

import simlib as sl
from simlib.metrics.meaning import MEANING
from simlib.metrics.metrics import summary
from tests.batteries import with_slow

DATA = Path(__file__).parents[2] / "data"
SCENARIOS = sorted((DATA / "scenarios").glob("*.toml"))
#: Crowds that sim plays for seconds.
LARGE = {"reconnect_storm", "rolling_deploy_balanced", "slow_server", "socket_io_storm"}
RESULTS = DATA / "results.csv"
#: Scenarios of more clients are played by the fleet: the same results in much less time.
MOST_IN_SIM = 1_000


def stored() -> dict[str, dict[str, str]]:
    with RESULTS.open(encoding="utf-8", newline="") as file:
        return {row.pop("scenario"): row for row in csv.DictReader(file)}


def result(file: Path) -> dict[str, str]:
    """The summary of a shipped scenario as it is written down; simlib run prints the same."""
    scenario = sl.load(file)
    on = "sim" if scenario.clients <= MOST_IN_SIM else "fleet"
    row = summary(sl.run(scenario, on=on)).iloc[0]
    return {name: _written(row[name]) for name in list(MEANING)[1:]}


def _written(value: float) -> str:
    return "" if isnan(value) else f"{value:.12g}"


@pytest.mark.few(22)
@pytest.mark.parametrize(
    "file",
    with_slow(
        [file for file in SCENARIOS if file.stem not in LARGE],
        [file for file in SCENARIOS if file.stem in LARGE],
    ),
    ids=lambda file: file.stem,
)
def test_a_scenario_gives_its_stored_result(file):
    assert stored()[file.stem] == result(file)


def test_every_scenario_has_a_result_and_every_result_a_scenario():
    assert [file.stem for file in SCENARIOS] == list(stored())


if __name__ == "__main__":  # writes the file anew, to be looked at before it is committed
    with RESULTS.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, ["scenario", *list(MEANING)[1:]], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"scenario": file.stem} | result(file) for file in SCENARIOS)
