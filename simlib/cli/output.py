"""Playing for a command, and what becomes of its results: words, JSON documents, files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlib.core.errors import SettingsError
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd

    from simlib.lab.infer.inference import Inference
    from simlib.logs.attempts import ObservedAttempts
    from simlib.scenario.scenario import Scenario
    from simlib.studies.compare.compare import Comparison
    from simlib.trace.trace import Trace

#: Columns of a terminal that does not say how many it has.
_USUAL_WIDTH = 80

# --- playing -----------------------------------------------------------------------------


def play_scenario(scenario: Scenario, on: str, out: Path | None, **more: Any) -> Trace:
    """Play a scenario and show how far it is; keep what there is if it is interrupted."""
    from simlib.api import run

    kept = default_out(scenario) if out is None and on == "live" else out
    with saving_if_interrupted(kept), progress_bar(f"playing {scenario.name} on {on}") as progress:
        trace = run(scenario, on, progress=progress, **more)
    for sentence in trace.notes:
        print_note(sentence)
    return trace


@contextmanager
def saving_if_interrupted(folder: Path | None) -> Iterator[None]:
    """Keep a partial run in a folder, if there is one."""
    from simlib.trace.trace import Interrupted

    try:
        yield
    except Interrupted as interrupted:
        if folder is not None:
            save_partial(interrupted.trace, folder)
        raise


# --- writing -----------------------------------------------------------------------------


def default_out(scenario: Scenario) -> Path:
    """Return the folder for results that nobody named one for."""
    from simlib.scenario.file_names import name_folder

    return Path("out") / name_folder(scenario.name)


def check_writable(folder: Path) -> None:
    """Fail before the run, not after it."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError("--out", str(folder), f"cannot be written: {error.strerror}") from error


def save_run(
    trace: Trace,
    folder: Path,
    observed: ObservedAttempts | None = None,
    observed_start: str | None = None,
) -> None:
    """Write a run's trace, metrics and charts, with observed attempts over its own."""
    from simlib.charts.run_charts import save_run_charts
    from simlib.metrics.markdown import markdown
    from simlib.metrics.metrics import summary

    trace.save(folder / "trace.parquet")
    metrics = summary(trace)
    write(folder / "summary.csv", metrics.to_csv())
    write(folder / "summary.md", f"{markdown(metrics)}\n")
    write(folder / "summary.json", json_text(run_document(trace)))
    save_run_charts(trace, folder, observed, observed_start)


def save_partial(trace: Trace, folder: Path) -> None:
    """Write what there is of an interrupted run."""
    file = folder / f"{trace.engine}.partial.parquet"
    trace.save(file)
    print_note(f"The {trace.engine} run is partial: what there is, is in {file}.")


def save_comparison(comparison: Comparison, folder: Path) -> None:
    """Write both traces, the table of metrics and the charts."""
    from simlib.studies.compare.chart import save_charts

    comparison.simulated[0].save(folder / "sim.parquet")
    comparison.live.save(folder / "live.parquet")
    write(folder / "agreement.csv", comparison.table.to_csv(index=False))
    write(folder / "agreement.json", json_text(comparison.to_json()))
    save_charts(comparison, folder)


def save_inference(inference: Inference, folder: Path) -> None:
    """Write what was told, the chart, and the policy if there is one."""
    write(folder / "inference.json", json_text(inference.to_json()))
    if inference.fit is not None:
        from simlib.lab.infer.chart import save_waits_chart

        save_waits_chart(inference.fit, folder)
    if inference.policy is not None:
        write(folder / "policy.toml", inference.policy_toml())


def run_document(trace: Trace) -> dict[str, Any]:
    """Return a run as plain values."""
    from simlib.metrics.metrics import summary
    from simlib.scenario.origin import describe_origin

    (row,) = jsonable(summary(trace))
    return {
        "scenario": trace.scenario.name,
        "clients": trace.scenario.clients,
        "seed": trace.scenario.seed,
        "summary": row,
        KEY: describe_origin(trace.made_by, trace.scenario),
    }


def write(file: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    from simlib.support.files import replacing

    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


# --- printing ----------------------------------------------------------------------------


def print_out(result: Any) -> None:
    """Print words and tables to stdout."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    # Some terminals do not know how wide they are and say 0; Rich would print nothing at all.
    console.width = console.width or _USUAL_WIDTH
    console.print(result)


def print_note(text: str) -> None:
    """Say something beside the result, on stderr; where nothing can be said, the result counts."""
    with suppress(OSError):
        click.echo(text, err=True)


def describe_resumed(count: int) -> str:
    """Return how many runs an earlier command had finished; nothing if none."""
    from simlib.core.card import count_in_words

    return f"{count_in_words(count, 'run')} had been finished before." if count else ""


def end_if_runs_failed(failures: pd.DataFrame) -> None:
    """End with status 1 if runs failed, and say why the first did."""
    from simlib.core.card import count_in_words

    if len(failures):
        failed = count_in_words(len(failures), "run")
        print_note(f"{failed} failed, the first with {failures['failure'].iloc[0]}")
        raise SystemExit(1)


def json_text(document: dict[str, Any]) -> str:
    """Return a document as strict JSON; what is infinite is a text, what is not known is null."""
    import json

    return json.dumps(jsonable(document), indent=2, allow_nan=False) + "\n"
