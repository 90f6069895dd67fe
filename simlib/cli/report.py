"""The command that writes a design review: report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlib.cli.app import (
    DISAGREED,
    CommandGroup,
    examples,
    going_on,
    main,
    with_json,
    with_quick_engine,
    with_settings,
)
from simlib.cli.arguments import choices, file_of, scenario_of, space_of
from simlib.cli.completion import complete_scenario
from simlib.cli.output import default_out, json_text, print_note, print_out
from simlib.core.errors import SettingsError
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.core.settings import Settings
    from simlib.review.report import Report
    from simlib.scenario.scenario import Scenario


#: So many policies are tried to find the best one.
_TRIALS = 60


@main.command(
    group=CommandGroup.STUDY,
    epilog=examples(
        "report fleet_storm --against preset:phoenix --against preset:aws-full",
        'report storm.toml --tuned out/tune/policy.toml --objective "time_to_recover_s_p95 <= 15"',
        "report fleet_storm --against preset:phoenix --vary outage_s=5,8,20 --clients 1000",
        "report first_outage --live --pdf --out out/first.html",
        "report socket_io_storm --tune client.backoff.base_s=0.5..20 "
        "--tune client.backoff.cap_s=5..60",
    ),
)
@click.argument(
    "scenarios",
    metavar="SCENARIO...",
    nargs=-1,
    required=True,
    shell_complete=complete_scenario,
)
@click.option(
    "--against",
    multiple=True,
    metavar="preset:NAME|FILE",
    help="A policy to compare: of a preset, or of a scenario's file; may be given again.",
)
@click.option("--tuned", metavar="FILE", help="The policy.toml that simlib tune has written.")
@click.option(
    "--tune",
    "spaces",
    multiple=True,
    metavar="KEY=LOW..HIGH",
    help="First seek the best values of a setting, as simlib tune does, and compare that policy, "
    "too; may be given again.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar='"METRIC <= NUMBER"',
    help="A bound that must hold; may be given again.",
)
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=A,B",
    help="What a reader can change in the file; by default outage_s and clients.",
)
@click.option("--live", is_flag=True, help="Play the recommended policy on real WebSockets, too.")
@click.option("--observation", metavar="FILE", help="What simlib observe has recorded of a client.")
@click.option("--replications", default=20, show_default=True, help="Runs of each policy.")
@with_quick_engine
@with_settings()
@click.option("--seed", type=int, help="Seed of all random draws.")
@click.option("--clients", type=int, help="Number of clients.")
@click.option("--pdf", is_flag=True, help="Print a PDF, too, by a headless Chromium.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out/review.html"),
    show_default=True,
    help="The HTML file.",
)
@with_json
def report(
    scenarios: Sequence[str],
    against: Sequence[str],
    tuned: str | None,
    spaces: Sequence[str],
    objectives: Sequence[str],
    vary: Sequence[str],
    live: bool,
    observation: str | None,
    replications: int,
    on: str | None,
    settings: Sequence[str],
    seed: int | None,
    clients: int | None,
    pdf: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Compare reconnect policies in SCENARIO... and write a design review.

    The policy of the scenarios is compared with the others, under the same seeds. One HTML file
    holds the recommendation, charts, tables, and sliders over other outages and sizes; it needs no
    network. The same in Markdown, and a folder of charts and tables, stand beside it.

    Exits with 1 if a part that was asked for could not be written; the file and the last lines say
    which and why.
    """
    from simlib.review.grid import grid_axes
    from simlib.review.question import TUNED, frame_question
    from simlib.review.report import report as write_report
    from simlib.review.write import check_target

    if tuned is not None and spaces:
        raise SettingsError("--tune", spaces[0], "is not for --tuned: leave one of them out")
    policies = _policies(against, tuned, [TUNED] if spaces or tuned is not None else [])
    axes = _axes(vary) if vary else None
    space = space_of(spaces, "--tune")
    seen = None
    if observation is not None:
        from simlib.lab.observe.observation import Observation

        seen = Observation.load(observation)
    played = [scenario_of(each, settings, seed, clients) for each in scenarios]
    if space:
        # What is wrong with other arguments is said before minutes of tuning, not after.
        check_target(out, pdf)
        grid_axes(frame_question(played, policies, objectives, replications, on), axes)
        policies |= _tune(played, space, objectives, on)
    with progress_bar("playing the policies") as progress:
        found = write_report(
            played,
            policies,
            out=out,
            objectives=objectives,
            vary=axes,
            live=live,
            observation=seen,
            replications=replications,
            on=on,
            pdf=pdf,
            progress=progress,
        )
    _print_report(found, as_json)
    if found.failed:
        raise SystemExit(DISAGREED)


def _print_report(found: Report, as_json: bool) -> None:
    if as_json:
        click.echo(json_text(_document(found)), nl=False)
    else:
        print_out("\n\n".join(found.answer))
    for title, why in found.missing.items():
        print_note(f"Not written: {title}{'' if title.endswith('?') else ':'} {why}")
    print_note(f"The review is {found.files[0]}; Markdown, charts and tables stand beside it.")


def _policies(
    against: Sequence[str], tuned: str | None, taken: Sequence[str]
) -> dict[str, Settings | str]:
    """Return the other policies by name; some names are taken already."""
    from simlib.review.question import TUNED
    from simlib.scenario.presets import PREFIX

    policies: dict[str, Settings | str] = {}
    for given in against:
        name = given.removeprefix(PREFIX) if given.startswith(PREFIX) else Path(given).stem
        if name in policies or name in taken:
            raise SettingsError(
                "--against", given, "is the name of a policy that is compared already"
            )
        is_preset = given.startswith(PREFIX)
        policies[name] = given if is_preset else _load_client("--against", file_of(given))
    if tuned is not None:
        policies[TUNED] = _load_client("--tuned", Path(tuned))
    return policies


def _load_client(option: str, file: Path) -> Settings:
    """Return the client of a file; an error that the file is not there names the option."""
    from simlib.scenario.scenario import load

    if not file.is_file():
        raise SettingsError(option, str(file), "is no file")
    return load(file).client


def _tune(
    scenarios: Sequence[Scenario], space: dict[str, Any], bounds: Sequence[str], on: str | None
) -> dict[str, Settings | str]:
    """Seek the policy that keeps the bounds and does best, by its name.

    Nothing, if that is the one as given.
    """
    from simlib.review.question import TUNED
    from simlib.review.recommendation import AFTER_FAULT
    from simlib.studies.tune.tune import tune

    folder = default_out(scenarios[0]) / "tuning"
    with going_on("The trials that are over", folder), progress_bar("tuning") as progress:
        found = tune(
            scenarios, space, AFTER_FAULT, bounds, _TRIALS, on=on, folder=folder, progress=progress
        )
    print_note(f"{found.verdict.sentences[0]} The trials are in {folder}.")
    if found.verdict.keeps_given:
        return {}
    best = found.verdict.recommended
    if best.kind != "tuned":  # a preset is compared by its own name
        return {best.name: best.settings["client"] if best.kind == "preset" else found.client}
    # Three digits are what a sentence says, and what anybody would type.
    rounded = {
        key: float(f"{value:.3g}") if isinstance(value, float) else value
        for key, value in found.recommended.items()
    }
    return {TUNED: scenarios[0].replace(rounded).client}


def _axes(given: Sequence[str]) -> dict[str, list[Any]]:
    axes: dict[str, list[Any]] = {}
    for each in given:
        key, _, text = (part.strip() for part in each.partition("="))
        values = choices(text) if text else None
        if not key or not values or key in axes:
            rule = "must be KEY=A,B, as outage_s=10,60 is, each key once"
            raise SettingsError("--vary", each, rule)
        axes[key] = values
    return axes


def _document(found: Report) -> dict[str, Any]:
    return {
        "recommended": found.recommended,
        "sentences": list(found.answer),
        "missing": found.missing,
        "failed": list(found.failed),
        "files": [str(file) for file in found.files],
    }
