"""Every shipped scenario in simulation and on real WebSockets: which metrics disagree?

python tests/benchmarks/agreement.py [SCENARIO ...] writes out/agreement.csv, a row per metric.
"""

import sys
from pathlib import Path

import pandas as pd

import simlib as sl
from simlib.studies.compare.compare import Comparison

SCENARIOS = Path(__file__).parents[2] / "data" / "scenarios"
#: A live run has all its clients in one process.
MOST_CLIENTS = 100


def main(names: list[str]) -> None:
    tables = []
    for file in sorted(SCENARIOS.glob("*.toml")):
        if names and file.stem not in names:
            continue
        scenario = sl.load(file)
        if scenario.gateways > 1:
            print(f"{file.stem:28} left out: a live run has one server", flush=True)
            continue
        found = sl.compare(scenario.replace(clients=min(MOST_CLIENTS, scenario.clients)))
        print_comparison(file.stem, found)
        tables.append(found.table.assign(scenario=file.stem))
    out = Path("out")
    out.mkdir(exist_ok=True)
    pd.concat(tables).to_csv(out / "agreement.csv", index=False)


def print_comparison(name: str, found: Comparison) -> None:
    """Print how many metrics agree, and those that disagree or lie outside without a verdict."""
    verdicts = found.table["verdict"].value_counts()
    late = f"; {found.verdict}: {found.lateness.in_words}" if found.not_judged else ""
    print(
        f"{name:40} {verdicts.get('agree', 0):3} agree, "
        f"{verdicts.get('too little data', 0):2} too little data; {found.replay}{late}",
        flush=True,
    )
    outside = found.table["outside"] > found.table["tolerance"]
    for _, row in found.table[outside].iterrows():
        print(
            f"    {row['metric']}: {row['verdict']}, simulated {row['sim_low']:.4g} to "
            f"{row['sim_high']:.4g}, live {row['live']:.4g}, allowed {row['tolerance']:.3g}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
