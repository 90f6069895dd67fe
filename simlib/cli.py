"""The command line: from arguments to the public names, from results to words and files.

Results go to stdout, progress and notes to stderr. Whatever goes wrong is one sentence and a
status: 0 agreed or done, 1 disagreed or (lint) warned, 2 bad input, 3 an error that lint found, 130
interrupted.
"""

from __future__ import annotations

import errno
import json
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlib import __version__
from simlib.core.errors import SettingsError, SimlibError

if TYPE_CHECKING:
    from simlib.lab.infer import Inference
    from simlib.scenario import Scenario
    from simlib.study.compare import Comparison
    from simlib.trace import Trace

SCENARIOS = Path(__file__).parents[1] / "data" / "scenarios"
DISAGREED, BAD_INPUT, INTERRUPTED = 1, 2, 130
#: What lint's worst finding makes of the status; 2 is taken by bad input, its own included.
LINTED = {"clean": 0, "info": 0, "warning": 1, "error": 3}


class _Failure(click.ClickException):
    exit_code = BAD_INPUT


class _Commands(click.Group):
    """Turns whatever a command raises into a sentence and a status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except SimlibError as error:
            raise _Failure(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click ends quietly when nobody reads on
            raise _Failure(f"{error.filename or 'output'}: {error.strerror}") from error


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  simlib {line}" for line in lines)


def _plays(command: Callable[..., None]) -> Any:
    """Add the arguments that say what to play, and give the command the scenario they make."""

    @wraps(command)
    def with_scenario(
        scenario: str,
        settings: Sequence[str],
        seed: int | None,
        clients: int | None,
        **others: Any,
    ) -> None:
        command(_scenario(scenario, settings, seed, clients), **others)

    decorated: Any = with_scenario
    for option in reversed(_WHAT_TO_PLAY):
        decorated = option(decorated)
    return decorated


_WHAT_TO_PLAY = (
    click.argument("scenario"),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a setting, such as client.backoff.cap_s=5; may be given again.",
    ),
    click.option("--seed", type=int, help="Seed of every draw."),
    click.option("--clients", type=int, help="How many clients."),
)
_on = click.option(
    "--on",
    default="sim",
    show_default=True,
    metavar="[sim|live|fleet]",
    help="The engine that plays; fleet: connections alone, a million of them.",
)
_out = click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(
    cls=_Commands,
    epilog=_examples("scenarios", "compare first_outage", "run reconnect_storm --clients 200"),
)
@click.version_option(__version__, message="simlib %(version)s")
def main() -> None:
    """Simulate WebSocket clients under faults, play them for real, and compare.

    SCENARIO is a TOML file, or the name of a scenario that comes with simlib.
    """


@main.command(
    epilog=_examples(
        "run first_outage",
        "run first_outage --on live --out out/mine",
        "run reconnect_storm --set client.backoff.jitter=full --json",
        "run fleet_storm --on fleet --clients 100000 --set server.accept_per_s=10000",
        "run fleet_storm --on fleet --clients 800000 --set gateways=8 --partition gateway",
        "run black_hole --on live --url ws://127.0.0.1:8000/chat --codec echo",
    )
)
@_plays
@_on
@click.option("--url", default="", help="live: your own server, as ws://127.0.0.1:8000/chat.")
@click.option(
    "--codec",
    default="simlib",
    show_default=True,
    metavar="[simlib|echo|none]",
    help="With --url: what acknowledges a message: the server, its echo; or there are none.",
)
@click.option("--allow-host", default="", help="With --url: a host beside this machine.")
@click.option("--store", type=click.Path(path_type=Path), help="live: keep saved messages here.")
@click.option(
    "--partition",
    metavar="[gateway]",
    help="fleet: play each gateway as a Dask task, on this machine's processors.",
)
@click.option("--cluster", metavar="ADDRESS", help="With --partition: of a Dask scheduler.")
@_out
@_json
def run(
    scenario: Scenario,
    on: str,
    url: str,
    codec: str,
    allow_host: str,
    store: Path | None,
    partition: str | None,
    cluster: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Play SCENARIO once and print its metrics."""
    if out is not None:
        _check_writable(out)
    target = None
    if url or store is not None or codec != "simlib":
        from simlib.engines.target import Target

        target = Target(url, codec, allow_host, store)
    trace = _play(scenario, on, out, target=target, partition=partition, cluster=cluster)
    if out is not None:
        _save_run(trace, out)
    if as_json:
        click.echo(_json_text(_run_document(trace)), nl=False)
    else:
        from simlib.show.terminal import run_in_words

        _print(run_in_words(trace))
    if out is not None:
        _note(f"Trace and metrics are in {out}.")


@main.command(
    epilog=_examples(
        "story first_outage --client 3",
        "story first_outage --client 3 --on live",
        "story fleet_storm --client 9999 --clients 10000 --on fleet",
    )
)
@_plays
@click.option("--client", type=int, required=True, help="Whose story; the first is 0.")
@_on
def story(scenario: Scenario, client: int, on: str) -> None:
    """Play SCENARIO once and tell what happened to one client."""
    from simlib.trace import Trace

    Trace(on, scenario).story(client)  # an unknown client is known before anything is played
    more = {"watch": [client]} if on == "fleet" else {}
    click.echo("\n".join(_play(scenario, on, None, **more).story(client)))


@main.command(
    epilog=_examples(
        "compare first_outage",
        "compare first_outage --replications 50 --out out/fifty",
        "compare poor_network_fallback --clients 5 --json",
    )
)
@_plays
@click.option("--replications", default=20, show_default=True, help="Simulated runs.")
@_out
@_json
def compare(scenario: Scenario, replications: int, out: Path | None, as_json: bool) -> None:
    """Play SCENARIO in simulation and on real WebSockets: do they agree?

    Exits with 0 if they agree and with 1 if they do not.
    """
    from simlib.study.compare import compare as compare_engines

    folder = out or _default_out(scenario)
    _check_writable(folder)
    with _saving_if_interrupted(folder), _progress("simulating") as progress:
        comparison = compare_engines(scenario, replications, progress=progress)
    _save_comparison(comparison, folder)
    if as_json:
        click.echo(_json_text(comparison.to_json()), nl=False)
    else:
        from simlib.show.terminal import comparison_in_words

        _print(comparison_in_words(comparison))
    _note(f"Traces, table and charts are in {folder}.")
    if not comparison.agreed:
        raise SystemExit(DISAGREED)


@main.command(
    epilog=_examples(
        "watch first_outage",
        "watch reconnect_storm --on sim --clients 200",
        "watch first_outage --set duration_s=300 --set faults=[]",
    )
)
@_plays
@click.option(
    "--on", default="live", show_default=True, metavar="[live|sim]", help="The engine that plays."
)
@_out
def watch(scenario: Scenario, on: str, out: Path | None) -> None:
    """Play SCENARIO and watch it; keys cut, slow and restore the network.

    Its trace is kept, since what was done by hand cannot be repeated.
    """
    from simlib.show.watch import watch as watch_run

    folder = out or _default_out(scenario)
    _check_writable(folder)
    with _saving_if_interrupted(folder):
        trace = watch_run(scenario, on)
    if trace.partial:
        _save_partial(trace, folder)
    else:
        _save_run(trace, folder)
        _note(f"Trace and metrics are in {folder}.")


@main.command(
    epilog=_examples(
        "claims", "claims --replications 1000 --out out/claims", "claims my_client.toml --live"
    )
)
@click.argument("scenario", default="report_claims")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option("--replications", default=200, show_default=True, help="Clients of each run.")
@click.option("--live", is_flag=True, help="Play each claim on real WebSockets too, quicker.")
@_out
@_json
def claims(
    scenario: str,
    settings: Sequence[str],
    replications: int,
    live: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Put the report's claims to the test on SCENARIO's client: do they hold, and up to where?

    A claim that fails is a finding, not an error: the status is 0.
    """
    from simlib.study.claims import claims as put_to_the_test

    folder = out or Path("out") / "claims"
    _check_writable(folder)
    client = _scenario(scenario, settings, None, None)
    with _progress("testing") as progress:
        findings = put_to_the_test(client, replications, live=live, progress=progress)
    document = {"scenario": client.name, "claims": [each.to_json() for each in findings]}
    _write(folder / "claims.json", _json_text(document))
    from simlib.show.claims import claims_in_words, save_claim_charts

    save_claim_charts(findings, folder)
    if as_json:
        click.echo(_json_text(document), nl=False)
    else:
        _print(claims_in_words(findings))
    _note(f"Charts and findings are in {folder}.")


@main.command(
    epilog=_examples(
        "capacity fleet_storm --recover-within 10",
        "capacity fleet_storm --recover-within 15 --clients 100000 --set server.accept_per_s=8000",
        "capacity fleet_storm --recover-within 10 --share 0.99 --key server.accept_per_s --json",
    )
)
@_plays
@click.option(
    "--recover-within",
    type=float,
    required=True,
    metavar="SECONDS",
    help="Everybody is to be back so soon after a fault's end.",
)
@click.option("--share", default=1.0, show_default=True, help="This share of the clients will do.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="A numeric setting to turn; may be given again. By default accept rate, workers, cap ...",
)
@click.option(
    "--on", default="fleet", show_default=True, metavar="[fleet|sim]", help="The engine that plays."
)
@_out
@_json
def capacity(
    scenario: Scenario,
    recover_within: float,
    share: float,
    keys: Sequence[str],
    on: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find what it takes to bring SCENARIO's clients back in time.

    That is the least accept rate and number of workers, and the largest cap, each alone with the
    rest as given. That nothing will do is a finding, not an error: the status is 0.
    """
    from simlib.study.capacity import capacity as find

    folder = out or _default_out(scenario)
    _check_writable(folder)
    with _progress("playing") as progress:
        found = find(scenario, recover_within, share=share, keys=keys, on=on, progress=progress)
    from simlib.show.capacity import capacity_in_words, save_capacity_chart

    _write(folder / "capacity.json", _json_text(found.to_json()))
    save_capacity_chart(found, folder)
    if as_json:
        click.echo(_json_text(found.to_json()), nl=False)
    else:
        _print(capacity_in_words(found))
    _note(f"Chart and every value played are in {folder}.")


@main.command(
    epilog=_examples("calibrate pings.csv", "calibrate pings.csv --name office --out out/office")
)
@click.argument("pings", type=click.Path(path_type=Path))
@click.option("--name", default="measured", show_default=True, help="What the network is called.")
@_out
@_json
def calibrate(pings: Path, name: str, out: Path | None, as_json: bool) -> None:
    """Fit the named latencies to PINGS, a CSV column of round trips in seconds.

    Writes a network profile, which a scenario takes as network = "FILE".
    """
    from simlib.study.calibrate import calibrate as fit

    folder = out or Path("out") / name
    _check_writable(folder)
    found = fit(pings)
    from simlib.show.calibration import calibration_in_words, save_quantile_chart

    profile = folder / f"{name}.toml"
    _write(profile, found.profile_toml(name))
    save_quantile_chart(found, folder)
    if as_json:
        click.echo(_json_text(found.to_json()), nl=False)
    else:
        _print(calibration_in_words(found))
    _note(f"Profile and chart are in {folder}: use it with --set network={profile}")


@main.group(
    invoke_without_command=True,
    epilog=_examples(
        "presets", "presets show socket.io-client", "presets compare phoenix aws-full --out out/two"
    ),
)
@click.pass_context
def presets(ctx: click.Context) -> None:
    """List the reconnect policies of real clients that come with simlib.

    Any of them stands for a scenario's clients: --set client=preset:NAME.
    """
    if ctx.invoked_subcommand is None:
        from simlib.policies import presets as known
        from simlib.show.presets import presets_in_words

        _print(presets_in_words(known))


@presets.command(epilog=_examples("presets show phoenix", "presets show signalr --json"))
@click.argument("name")
@_json
def show(name: str, as_json: bool) -> None:
    """Show preset NAME: where it was read, what it leaves out, its first waits, its settings."""
    from simlib.policies import presets as known

    preset = known[name]
    if as_json:
        said = {each: getattr(preset, each) for each in ("name", "kind", "source", "differs")}
        waits = {"waits": preset.waits, "client": _finite(dict(preset.table))}
        click.echo(_json_text(said | waits), nl=False)
    else:
        from simlib.show.presets import preset_in_words

        _print(preset_in_words(preset))


@presets.command(
    "compare",
    epilog=_examples(
        "presets compare", "presets compare phoenix socket.io-client aws-full --clients 100000"
    ),
)
@click.argument("names", nargs=-1)
@click.option("--clients", default=10_000, show_default=True, help="How many, of each.")
@click.option("--outage", "outage_s", default=30.0, show_default=True, help="Its length in s.")
@click.option(
    "--on", default="fleet", show_default=True, metavar="[fleet|sim]", help="The engine that plays."
)
@_out
@_json
def compare_presets(
    names: Sequence[str],
    clients: int,
    outage_s: float,
    on: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Draw how presets wait, attempt by attempt, and play one storm with each.

    NAMES: some presets; by default all. The storm is an outage, and then a server that opens a
    tenth of the clients each second and refuses the others.
    """
    from simlib.core.client import Settings
    from simlib.policies import presets as known
    from simlib.show.presets import save_policies_chart, storms_in_words
    from simlib.study.storms import storm, storms

    chosen = {name: known[name].client for name in names or known}
    played = storm(Settings(), clients, outage_s)
    folder = out or Path("out") / "presets"
    _check_writable(folder)
    with _progress("playing") as progress:
        table = storms(chosen, clients, outage_s, on=on, progress=progress)
    save_policies_chart({name: each.backoff for name, each in chosen.items()}, folder)
    _write(folder / "storms.csv", table.to_csv())
    if as_json:
        rows = {str(name): _finite(row) for name, row in table.to_dict(orient="index").items()}
        click.echo(_json_text({"clients": clients, "outage_s": outage_s, "storms": rows}), nl=False)
    else:
        _print(storms_in_words(table, played, on))
    _note(f"Chart of the waits and table of the storms are in {folder}.")


@main.command(
    epilog=_examples(
        "lint reconnect_storm", "lint preset:phoenix", "lint policy.toml --clients 20000 --json"
    )
)
@click.argument("target", metavar="SCENARIO|preset:NAME")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option("--clients", type=int, help="How many clients.")
@_json
def lint(target: str, settings: Sequence[str], clients: int | None, as_json: bool) -> None:
    """Check the policies of SCENARIO, a preset or a policy's file, without playing it.

    Each finding has a rule, the number behind it, and what to do. Exits with 0 if there is nothing
    worse than info, with 1 after warnings and with 3 after errors; 2 is bad input, as everywhere.
    """
    from simlib.study.lint import lint as check
    from simlib.study.lint import worst

    scenario, resets = _policy(target, settings, clients)
    findings = check(scenario, resets=resets)
    found = worst(findings)
    if as_json:
        rows = [each.to_json() for each in findings]
        document = {"target": target, "clients": scenario.clients, "worst": found, "findings": rows}
        click.echo(_json_text(document), nl=False)
    else:
        from simlib.show.lint import lint_in_words

        _print(lint_in_words(target, findings))
    raise SystemExit(LINTED[found])


@main.command(
    epilog=_examples(
        "export preset:aws-full --for socket.io-client", "export policy.toml --for tenacity"
    )
)
@click.argument("target", metavar="SCENARIO|preset:NAME")
@click.option(
    "--for",
    "to",
    required=True,
    metavar="CLIENT",
    help="reconnecting-websocket, partysocket, socket.io-client, websockets-python, grpc or "
    "tenacity.",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@_json
def export(target: str, to: str, settings: Sequence[str], as_json: bool) -> None:
    """Print the options, or the few lines, that give a real client SCENARIO's policy.

    Where it cannot do what was asked for, the nearest it can is printed, and what it lacks is
    said on stderr; that is a finding, not an error: the status is 0.
    """
    from simlib.study.export import export as written_for

    scenario, _ = _policy(target, settings, None)
    found = written_for(scenario.client, to)
    if as_json:
        document = {"target": target, "for": to, "exact": found.exact, "text": found.text}
        click.echo(_json_text(document | {"lacks": list(found.lacks)}), nl=False)
        return
    click.echo(found.text)
    if scenario.herds:
        _note("Exported is the policy of client; herds have their own.")
    if found.exact:
        _note(f"{to} then does all of this policy.")
    else:
        _note(f"{to} cannot do all of it; this is the nearest it can:")
    for lack in found.lacks:
        _note(f"- {lack}")


@main.command(
    epilog=_examples(
        "infer obs.parquet", "infer obs.parquet --out out/mine", "infer obs.parquet --json"
    )
)
@click.argument("observation", type=click.Path(path_type=Path))
@_out
@_json
def infer(observation: Path, out: Path | None, as_json: bool) -> None:
    """Tell a client's reconnect policy from OBSERVATION, as simlib observe writes it.

    Says the family of its waits and their numbers with intervals, what each phase shows beside
    them, and what could not be told. Writes the policy as a scenario that simlib run takes, where
    there is one: that none of the families agrees is a finding, and the status is 0.
    """
    from simlib.lab.infer import infer as tell

    if out is not None:
        _check_writable(out)
    found = tell(observation)
    if out is not None:
        _save_inference(found, out)
    if as_json:
        click.echo(_json_text(found.to_json()), nl=False)
    else:
        from simlib.show.inference import inference_in_words

        _print(inference_in_words(found))
    if out is not None:
        use = f": simlib run {out / 'policy.toml'}" if found.policy is not None else "."
        _note(f"What was told is in {out}{use}")


@main.command(
    epilog=_examples(
        "observe --port 8765                     # then point your client at ws://127.0.0.1:8765/ws",
        "observe --script quick --clients 3 -- node client.mjs {url}",
        "observe --script mine.toml --greeting phoenix --out obs.parquet -- node client.mjs",
    ),
)
@click.option(
    "--script",
    default="standard",
    show_default=True,
    metavar="[standard|quick|FILE]",
    help="The phases; quick takes under two minutes.",
)
@click.option("--port", default=0, help="Where to listen; 0: a free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0: for other machines.")
@click.option("--path", default="/ws", show_default=True, help="The path of the URL.")
@click.option(
    "--greeting",
    default="echo",
    show_default=True,
    metavar="[echo|silent|engine.io|graphql-ws|stomp|mqtt|phoenix]",
    help="What your client needs to count itself connected.",
)
@click.option("--clients", default=1, show_default=True, help="So many clients at once.")
@click.option(
    "--wait",
    "wait_s",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a client may take to come.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out") / "obs.parquet",
    show_default=True,
    help="The file for what was seen.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def observe(script: str, out: Path, **options: Any) -> None:
    """Play faults to any WebSocket client and record what it does.

    COMMAND starts the client; {url} in it, and SIMLIB_URL in its environment, are where to connect.
    Without one, start it by hand. Clients that share a port are told apart by host and order.
    """
    from simlib.lab.observe import Interrupted
    from simlib.lab.observe import observe as watch_client
    from simlib.lab.script import script as script_of
    from simlib.show.observing import observed_in_words, shown

    if out.is_dir():
        raise SettingsError("--out", str(out), "is a folder: name a file in it, as obs.parquet")
    _check_writable(out.parent)
    phases, interrupted = script_of(script), False
    with shown(phases) as listener:
        try:
            seen = watch_client(phases, listener=listener, **options)
        except Interrupted as cut_short:
            seen, interrupted = cut_short.observation, True
    seen.save(out)
    clients = len({each.client for each in seen.attempts})
    for line in observed_in_words(len(seen.waits()), len(seen.attempts), clients, seen.notes):
        click.echo(line)
    _note(f"What was seen is in {out}{' (partial)' if seen.partial else ''}.")
    if interrupted:
        raise KeyboardInterrupt
    if not seen.attempts:
        raise SimlibError("no attempt was seen, so there is nothing to tell of the client")


@main.command()
def scenarios() -> None:
    """List the scenarios that come with simlib."""
    from rich.table import Table

    from simlib.scenario import load

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    for file in _shipped().values():
        table.add_row(file.stem, load(file).teaches)
    _print(table)


# --- what to play ------------------------------------------------------------------------


def _scenario(
    given: str, settings: Sequence[str], seed: int | None, clients: int | None
) -> Scenario:
    from simlib.scenario import load

    return _with_options(load(_file(given)), settings, seed, clients)


def _with_options(
    scenario: Scenario, settings: Sequence[str], seed: int | None, clients: int | None
) -> Scenario:
    if settings:
        scenario = _changed(scenario, settings)
    if seed is not None:
        scenario = scenario.replace(seed=seed)
    if clients is not None:
        scenario = scenario.replace(clients=clients)
    return scenario


def _policy(given: str, settings: Sequence[str], clients: int | None) -> tuple[Scenario, str]:
    """Return a scenario, or one around a preset; and what resets the count of failures there."""
    from simlib.policies import PREFIX, presets

    if not given.startswith(PREFIX):
        return _scenario(given, settings, None, clients), ""
    from simlib.study.lint import alone

    preset = presets[given.removeprefix(PREFIX)]
    return _with_options(alone(preset), settings, None, clients), preset.resets


def _file(given: str) -> Path:
    path = Path(given)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    from simlib.core.rules import nearest

    shipped = _shipped()
    if given not in shipped:
        rule = f"is no file, and no scenario of this name is shipped{nearest(given, list(shipped))}"
        raise SettingsError("scenario", given, f"{rule}; simlib scenarios lists them")
    return shipped[given]


def _shipped() -> dict[str, Path]:
    if not SCENARIOS.is_dir():
        raise SimlibError(
            "the shipped scenarios are in simlib's source tree, and this simlib was installed "
            "without it: name a TOML file instead"
        )
    return {file.stem: file for file in sorted(SCENARIOS.glob("*.toml"))}


def _changed(scenario: Scenario, settings: Sequence[str]) -> Scenario:
    """Apply all settings at once, since a new cap may be below the old base."""
    from simlib.networks import resolved
    from simlib.policies import with_presets
    from simlib.scenario import Scenario, build, dump

    data = tomllib.loads(dump(scenario))
    for setting in settings:
        key, _, text = (part.strip() for part in setting.partition("="))
        if not (key and text):
            raise SettingsError("--set", setting, "must be KEY=VALUE, as client.backoff.cap_s=5 is")
        try:
            # At once: a later --set may change a part of a preset.
            data = with_presets(_with(data, key.split("."), _toml_value(text)))
        except LookupError:
            raise SettingsError(f"--set {key}", text, "is not a setting of this scenario") from None
        except SettingsError as error:
            raise _of_set(error) from error
    try:
        return build(Scenario, resolved(data, Path()))
    except SettingsError as error:
        raise _of_set(error) from error


def _of_set(error: SettingsError) -> SettingsError:
    return SettingsError(f"--set {error.key}", error.value, error.rule)


def _with(place: Any, names: Sequence[str], value: Any) -> Any:
    """Return tables with a value set deep inside; in a list, a number says where."""
    if not names:
        return value
    name, *rest = names
    if isinstance(place, dict):
        return place | {name: _with(place.get(name, {}), rest, value)}
    if isinstance(place, list) and name.isdecimal():
        changed = place.copy()
        changed[int(name)] = _with(place[int(name)], rest, value)
        return changed
    raise LookupError(name)


def _toml_value(text: str) -> Any:
    """Read a value as TOML does; a bare word is a text."""
    try:
        data = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return data["value"]


# --- playing -----------------------------------------------------------------------------


def _play(scenario: Scenario, on: str, out: Path | None, **more: Any) -> Trace:
    from simlib.run import run

    kept = _default_out(scenario) if out is None and on == "live" else out
    with _saving_if_interrupted(kept), _progress(f"playing {scenario.name} on {on}") as progress:
        return run(scenario, on, progress=progress, **more)


@contextmanager
def _progress(word: str) -> Iterator[Callable[..., None]]:
    """Show a bar on stderr, if it is a terminal; give the function that moves it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(word, total=1.0)

        def move(fraction: float, word: str = word) -> None:
            bar.update(task, completed=fraction, description=word)

        yield move


@contextmanager
def _saving_if_interrupted(folder: Path | None) -> Iterator[None]:
    from simlib.trace import Interrupted

    try:
        yield
    except Interrupted as interrupted:
        if folder is not None:
            _save_partial(interrupted.trace, folder)
        raise


# --- writing -----------------------------------------------------------------------------


def _default_out(scenario: Scenario) -> Path:
    return Path("out") / scenario.name


def _check_writable(folder: Path) -> None:
    """Fail before the run, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError("--out", str(folder), f"cannot be written: {error.strerror}") from error


def _save_run(trace: Trace, folder: Path) -> None:
    from simlib.study.metrics import summary

    trace.save(folder / "trace.parquet")
    _write(folder / "summary.csv", summary(trace).to_csv())
    _write(folder / "summary.json", _json_text(_run_document(trace)))


def _save_partial(trace: Trace, folder: Path) -> None:
    file = folder / f"{trace.engine}.partial.parquet"
    trace.save(file)
    _note(f"The {trace.engine} run is partial: what there is, is in {file}.")


def _save_comparison(comparison: Comparison, folder: Path) -> None:
    from simlib.show.report import save_charts

    comparison.simulated[0].save(folder / "sim.parquet")
    comparison.live.save(folder / "live.parquet")
    _write(folder / "agreement.csv", comparison.table.to_csv(index=False))
    _write(folder / "agreement.json", _json_text(comparison.to_json()))
    save_charts(comparison, folder)


def _save_inference(found: Inference, folder: Path) -> None:
    _write(folder / "inference.json", _json_text(found.to_json()))
    if found.fit is not None:
        from simlib.show.inference import save_waits_chart

        save_waits_chart(found.fit, folder)
    if found.policy is not None:
        _write(folder / "policy.toml", found.policy_toml())


def _run_document(trace: Trace) -> dict[str, Any]:
    from simlib.study.metrics import summary

    # pandas writes NaN and inf as null, which JSON has no numbers for.
    (row,) = json.loads(summary(trace).to_json(orient="records", double_precision=15))
    return {
        "scenario": trace.scenario.name,
        "clients": trace.scenario.clients,
        "seed": trace.scenario.seed,
        "summary": row,
    }


def _write(file: Path, text: str) -> None:
    from simlib.files import replacing

    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


# --- printing ----------------------------------------------------------------------------


def _print(result: Any) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False, emoji=False).print(result)


def _note(text: str) -> None:
    click.echo(text, err=True)


def _finite(value: Any) -> Any:
    """Return plain values with text for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return str(value) if value in (inf, -inf) else value


def _json_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
