"""Assumptions and limits: lint's findings, and the checklist of STRESS-DES."""

from __future__ import annotations

from math import inf

from simlib.core.card import count_in_words
from simlib.experiments.bound_words import bounds_in_words
from simlib.metrics.meaning import MEANING
from simlib.review.document import BulletList, DataTable, Paragraph, Section
from simlib.review.material import Material
from simlib.review.question import say_policy
from simlib.review.sections.settings import describe_scenario
from simlib.scenario.scenario import Scenario
from simlib.studies.policy.lint import lint

_SOURCE = (
    "Strengthening the reporting of empirical simulation studies: T. Monks and others, STRESS "
    "guidelines, Journal of Simulation 13 (2019), checklist for discrete-event simulation"
)


def write_assumptions(material: Material) -> Section:
    """Return the section about assumptions, and what the checklist asks."""
    scenario = material.chosen.scenario
    findings = [f"{each.severity}, {each.rule}: {each.sentence}" for each in lint(scenario)]
    rows = [[number, item, answer] for number, item, answer in checklist(material)]
    heading = ["item", "what it asks", "answer"]
    table = DataTable.of("checklist", _SOURCE, heading, rows, 9)
    lint_words = (
        f"Findings of lint for {say_policy(material.chosen.name)}:"
        if findings
        else f"Lint finds no fault with {say_policy(material.chosen.name)}."
    )
    blocks = (
        BulletList(_limits(material)),
        Paragraph(lint_words),
        BulletList(tuple(findings)),
        table,
    )
    return Section(
        "assumptions", "Assumptions and limits", tuple(b for b in blocks if b != BulletList(()))
    )


def _limits(material: Material) -> tuple[str, ...]:
    question = material.question
    scenario = question.scenarios[0]
    limits = [
        (
            "Clients, network and server are models. A live run on one machine checks the model of "
            "the client and its connections, not the capacity of your servers."
        ),
    ]
    if question.on == "fleet":
        limits.append("The fleet engine simulates connections only: no messages load the server.")
    if scenario.server.accept_per_s == inf and not scenario.server.handshake_service_s:
        limits.append("The server accepts any number of connections at once: it has no limit.")
    if scenario.path.loss_fraction == 0.0:
        limits.append("The network loses nothing, except through the faults.")
    limits.append(
        "Intervals are those of means over seeds: they show the effect of chance within the model, "
        "not how wrong the model may be."
    )
    return tuple(limits)


def checklist(material: Material) -> list[tuple[str, str, str]]:
    """Return the 20 items of STRESS-DES, each with its answer."""
    from simlib import __version__

    question = material.question
    scenario = question.scenarios[0]
    names = ", ".join(policy.name for policy in question.policies)
    bounds = bounds_in_words(question.bounds, question.scenarios)
    faults = "; ".join(describe_scenario(each) for each in question.scenarios)
    algorithms = [
        f"{each.name}: {each.scenario.client.backoff.in_words}"
        for each in material.results.by_scenario[0]
    ]
    logic = (
        "clients attempt, wait by their policy and open; servers let in, refuse or lose them; the "
        "design of simlib has every rule"
    )
    start = f"runs start empty; clients start within {scenario.ramp_s:g} s"
    if scenario.warm_up_s:
        start += f"; the first {scenario.warm_up_s:g} s do not count"
    estimation = (
        "means over seeds with Student's 95 % intervals; policies are compared under common random "
        "numbers"
    )
    prepared = "recorded messages, in the time of the run" if scenario.workload.recorded else "none"
    replications = count_in_words(question.replications, "replication")
    length = f"{scenario.duration_s:g} s, and {replications}"
    outputs = f"all {len(MEANING) - 1} metrics; {' and '.join(material.verdict.metrics)} decide"
    return [
        ("1.1", "purpose of the model", scenario.teaches or "not said"),
        ("1.2", "model outputs", outputs),
        ("1.3", "aims of the experiments", f"choose among {names}, so that {bounds}"),
        ("2.1", "overview diagram", "the sequence diagram of one client, above"),
        ("2.2", "logic of the base model", logic),
        ("2.3", "logic of the scenarios", faults),
        ("2.4", "algorithms", "; ".join(algorithms)),
        ("2.5", "components", _components(scenario)),
        ("3.1", "data sources", _sources(scenario)),
        ("3.2", "input parameters", "the scenario file, under How to reproduce"),
        ("3.3", "preprocessing of data", prepared),
        ("3.4", "assumptions", "the list above"),
        ("4.1", "initialisation", start),
        ("4.2", "run length", length),
        ("4.3", "estimation", estimation),
        ("5.1", "software", f"simlib {__version__}, engine {question.on}"),
        ("5.2", "random sampling", f"numbered draws (Philox), seeds from {scenario.seed} on"),
        ("5.3", "execution", "discrete events, next-event time advance"),
        ("5.4", "system", _system()),
        ("6.1", "code and how to run it", "the command, under How to reproduce"),
    ]


def _components(scenario: Scenario) -> str:
    server = scenario.server
    queue = (
        f"a backlog of {server.backlog:g}" if server.backlog < inf else "a backlog without bound"
    )
    return (
        f"entities: {count_in_words(scenario.clients, 'client')}; resources: "
        f"{count_in_words(server.workers, 'worker')} on each of "
        f"{count_in_words(scenario.gateways, 'server')}, {queue}; clients enter at their start and "
        "leave "
        + ("at the end" if scenario.stay_s == inf else f"after {scenario.stay_s:g} s on average")
    )


def _sources(scenario: Scenario) -> str:
    network = f"latency: {scenario.path.latency.distribution.name.lower()}, "
    return f"{network}mean {scenario.path.latency.mean_s:g} s one way; where from: not said"


def _system() -> str:
    import platform

    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
