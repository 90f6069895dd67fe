"""The command that tells a client's policy: infer."""

from __future__ import annotations

from pathlib import Path

import click

from simlib.cli.app import CommandGroup, examples, main, with_json, with_out
from simlib.cli.output import check_writable, json_text, print_note, print_out, save_inference


@main.command(
    group=CommandGroup.REAL,
    epilog=examples(
        "infer obs.parquet", "infer obs.parquet --out out/mine", "infer obs.parquet --json"
    ),
)
@click.argument("observation", type=click.Path(path_type=Path))
@with_out
@with_json
def infer(observation: Path, out: Path | None, as_json: bool) -> None:
    """Infer a client's reconnect policy from OBSERVATION, as simlib observe writes it.

    Prints which family of policies the waits belong to, its settings with intervals, what else
    each phase shows, and what could not be inferred. Writes a chart and the numbers, by default to
    out/ and the name of OBSERVATION, and the policy as a scenario for simlib run. If no family
    agrees with the waits, that is a result, not an error: the status is 0.
    """
    from simlib.lab.infer.infer import infer as tell

    if out is not None:
        check_writable(out)
    inference = tell(observation)
    folder = out or Path("out") / observation.stem
    check_writable(folder)
    save_inference(inference, folder)
    if as_json:
        click.echo(json_text(inference.to_json()), nl=False)
    else:
        from simlib.lab.infer.text import inference_in_words

        print_out(inference_in_words(inference))
    use = f": simlib run {folder / 'policy.toml'}" if inference.policy is not None else "."
    print_note(f"Chart and numbers are in {folder}{use}")
