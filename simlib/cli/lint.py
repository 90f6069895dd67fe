"""The command that checks policies without playing them: lint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from simlib.cli.app import (
    CommandGroup,
    examples,
    main,
    with_json,
    with_mix,
    with_settings,
)
from simlib.cli.arguments import file_of, policy_of
from simlib.cli.completion import complete_target
from simlib.cli.output import json_text, print_out
from simlib.core.errors import SettingsError

if TYPE_CHECKING:
    from simlib.studies.policy.lint.reports import LintedTarget

#: What lint's worst finding makes of the status; 2 is taken by bad input, its own included.
LINTED = {"clean": 0, "info": 0, "warning": 1, "error": 3}


@main.command(
    group=CommandGroup.POLICY,
    epilog=examples(
        "lint reconnect_storm",
        "lint preset:phoenix",
        "lint policy.toml --clients 20000 --json",
        "lint scenarios/*.toml --format sarif > lint.sarif",
    ),
)
@click.argument(
    "targets",
    nargs=-1,
    required=True,
    metavar="SCENARIO|preset:NAME ...",
    shell_complete=complete_target,
)
@with_settings()
@click.option("--clients", type=int, help="Number of clients.")
@with_mix
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif", "junit"]),
    help="How findings are printed: text (by default), one JSON document, annotations of a GitHub "
    "workflow, SARIF 2.1.0, or JUnit's XML.",
)
@with_json
def lint(
    targets: Sequence[str],
    settings: Sequence[str],
    clients: int | None,
    clients_mix: str | None,
    form: str | None,
    as_json: bool,
) -> None:
    """Check the policies of SCENARIO, a preset or a policy's file, without playing it.

    Each finding has a rule, the number behind it, and what to do. Exits with 0 if there is nothing
    worse than info, with 1 after warnings and with 3 after errors; 2 is bad input, as everywhere.

    A scenario's file may say [lint] ignore = ["no-jitter"], and thresholds in [lint.thresholds];
    so may [tool.simlib.lint] in the pyproject.toml of the folder around it.
    """
    if as_json and form not in (None, "json"):
        raise SettingsError("--format", form, "goes without --json, which is --format json")
    linted = [_lint(target, settings, clients, clients_mix) for target in targets]
    _print(linted, "json" if as_json else form or "text")
    raise SystemExit(max(LINTED[each.worst] for each in linted))


def _lint(
    target: str, settings: Sequence[str], clients: int | None, clients_mix: str | None
) -> LintedTarget:
    from simlib.scenario.presets import PREFIX
    from simlib.studies.policy.lint import RULES
    from simlib.studies.policy.lint import lint as check
    from simlib.studies.policy.lint.options import read_options
    from simlib.studies.policy.lint.reports import LintedTarget

    scenario, resets = policy_of(target, settings, clients, clients_mix)
    file = None if target.startswith(PREFIX) else file_of(target)
    options = read_options(file, list(RULES))
    thresholds = options.thresholds.changed_fields()
    findings = check(scenario, resets=resets, thresholds=thresholds)
    return LintedTarget.of(target, scenario.clients, findings, options.ignore, file)


def _print(linted: Sequence[LintedTarget], form: str) -> None:
    from simlib.studies.policy.lint import reports

    if form == "json":
        click.echo(json_text(reports.lint_document(linted)), nl=False)
    elif form == "text":
        from simlib.studies.policy.lint.text import lint_in_words

        for i, each in enumerate(linted):
            if i:
                print_out("")
            print_out(lint_in_words(each.name, each.findings, each.ignored))
    else:
        write = {
            "github": reports.github_annotations, "sarif": reports.sarif, "junit": reports.junit,
        }  # fmt: skip
        click.echo(write[form](linted), nl=False)
