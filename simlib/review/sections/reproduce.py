"""How to make this review again: command, versions, hash, scenarios."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from simlib.review.document import Code, Content, DataTable, Section
from simlib.review.material import Material
from simlib.scenario.origin import scenario_hash
from simlib.scenario.scenario import dump
from simlib.support.files import code_digest

_PACKAGES = ("numpy", "scipy", "pandas", "simpy", "numba", "matplotlib", "websockets")


def write_reproduce(material: Material) -> Section:
    """Return the section that says how to make the review again."""
    from simlib import __version__

    question = material.question
    rows = [["simlib", f"{__version__}, sources {code_digest()[:12]}"]]
    rows += [[name, _version(name)] for name in _PACKAGES]
    seeds = (
        f"{question.scenarios[0].seed} to {question.scenarios[0].seed + question.replications - 1}"
    )
    rows.append(["seeds", seeds])
    rows += [[f"hash of {each.name}", scenario_hash(each)] for each in question.scenarios]
    blocks: list[Content] = [
        Code(material.command, "console", "The command"),
        DataTable.of("versions", "Versions and hashes", ["what", "which"], rows, 9),
        *(Code(dump(each), "toml", f"Scenario {each.name}") for each in question.scenarios),
    ]
    policy = material.verdict.recommended
    if policy is not None and policy != question.given:
        changed = policy.in_scenario(question.scenarios[0])
        blocks.append(Code(dump(changed), "toml", f"The same with {policy.name}, as recommended"))
    return Section("reproduce", "How to reproduce this", tuple(blocks))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
