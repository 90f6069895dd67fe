"""The command line's frame: statuses for whatever goes wrong, and the options that many share."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import cache, partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from simlib import __version__
from simlib.cli.arguments import scenario_of
from simlib.cli.completion import complete_scenario, complete_setting
from simlib.cli.output import print_note
from simlib.core.errors import Interruption, SettingsError, SimlibError
from simlib.support.ending_signals import EndingSignals
from simlib.support.made_by import noting, write_command
from simlib.support.messages import LEVELS, show_logs

#: Where click keeps the arguments of the whole command.
_GIVEN = "simlib.cli.given"
#: Letters of a command's first sentence; click cuts what is longer.
_WHOLE_SENTENCE = 200
#: What the loader of Linux says of a library, and Python of a thread, for which no memory is left.
_TOO_LITTLE_MEMORY = re.compile("failed to map segment|can't start new thread")
#: What no name of a variable has.
_VARIABLE = re.compile(r"\W")
DISAGREED, BAD_INPUT = 1, 2


class _Failure(click.ClickException):
    exit_code = BAD_INPUT


class CommandGroup(StrEnum):
    """Under which heading a command stands in the help, in this order."""

    PLAY = "Play a scenario"
    STUDY = "Answer a question with many runs"
    POLICY = "Reconnect policies"
    REAL = "Real clients and networks"


class _InGroup:
    """A command or group that knows its group."""

    def __init__(self, *given: Any, group: CommandGroup = CommandGroup.PLAY, **named: Any) -> None:
        super().__init__(*given, **named)
        self.listed_under = group


class _Command(_InGroup, click.Command):
    pass


def _row(command: click.Command) -> tuple[str, str]:
    """Return a command's line in a help that lists it."""
    return command.name or "", command.get_short_help_str(limit=_WHOLE_SENTENCE)


class _Group(_InGroup, click.Group):
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its commands, each with the whole first sentence of its help."""
        with formatter.section("Commands"):
            formatter.write_dl([_row(self.commands[name]) for name in self.list_commands(ctx)])


class _Commands(click.Group):
    """Loads a command when it is used, and turns what it raises into a sentence and a status.

    A command is known by its file in this folder: nothing else lists it.
    """

    command_class = _Command
    group_class = _Group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Load the modules of all commands, which import what they need only when they run."""
        for name in _modules():
            import_module(f"{__package__}.{name}")
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the module of this name, or all if the command is not alone in its module."""
        if cmd_name in _modules():
            import_module(f"{__package__}.{cmd_name}")
        if cmd_name not in self.commands:
            self.list_commands(ctx)
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _name_variables(command, f"SIMLIB_{cmd_name}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their groups, each with the whole first sentence of its help."""
        names = self.list_commands(ctx)
        commands: list[Any] = [self.get_command(ctx, name) for name in names]
        for group in CommandGroup:
            rows = [_row(command) for command in commands if command.listed_under == group]
            with formatter.section(group):
                formatter.write_dl(rows)

    def make_context(self, *given: Any, **named: Any) -> click.Context:
        """Read the arguments, and print the help if they ask for it."""
        try:
            return super().make_context(*given, **named)
        except OSError as error:
            raise _explain(error) from error

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they were given, to be said again; see `going_on`."""
        ctx.meta[_GIVEN] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        signals = EndingSignals()
        try:
            with signals, noting(partial(write_command, ctx.meta[_GIVEN])):
                return super().invoke(ctx)
        except SimlibError as error:
            raise _Failure(str(error)) from error
        except KeyboardInterrupt as stopped:
            # That of one run says nothing here: its command has told where its files are.
            kept = type(stopped) is Interruption
            print_note(f"Interrupted: {stopped}" if kept else "Interrupted.")
            ctx.exit(signals.status)
        except (MemoryError, ImportError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not _TOO_LITTLE_MEMORY.search(str(error)):
                raise
            raise _Failure(
                "there is too little memory for this: give it more, or play fewer clients"
            ) from error
        except OSError as error:
            raise _explain(error) from error


def _explain(error: OSError) -> Exception:
    """Return the sentence on a file or an output that cannot be used."""
    if error.errno == errno.EPIPE:
        return error  # click ends quietly when nobody reads on
    return _Failure(f"{error.filename or 'output'}: {error.strerror}")


def _name_variables(command: click.Command, prefix: str) -> None:
    """Name the environment's variable of each option of a command, and of those below it.

    Click would name them by the parameters of functions, which a reader of the help does not see.
    """
    for option in command.params:
        if isinstance(option, click.Option):
            name = max(option.opts, key=len).lstrip("-")
            option.envvar = _VARIABLE.sub("_", f"{prefix}_{name}").upper()
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            _name_variables(below, f"{prefix}_{name}")


@cache
def _modules() -> frozenset[str]:
    return frozenset(file.stem for file in Path(__file__).parent.glob("[!_]*.py"))


@contextmanager
def going_on(kept: str, folder: Path) -> Iterator[None]:
    """Say what is kept in a folder, and by which command it goes on, if it is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        import shlex

        command = shlex.join(["simlib", *given_arguments()])
        print_note(f"{kept} are kept in {folder}. The same command goes on:")
        print_note(f"  {command}")
        # Without the words that the study has for a caller in Python: they say the same.
        raise KeyboardInterrupt from None


def given_arguments() -> list[str]:
    """Return the arguments of the whole command, as they were given."""
    return list(click.get_current_context().meta[_GIVEN])


def examples(*lines: str) -> str:
    """Return the end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  simlib {line}" for line in lines)


def plays(command: Callable[..., None]) -> Any:
    """Add the arguments that say what to play, and give the command the scenario they make."""

    @wraps(command)
    def with_scenario(
        scenario: str,
        settings: Sequence[str],
        seed: int | None,
        clients: int | None,
        clients_mix: str | None,
        **others: Any,
    ) -> None:
        played = scenario_of(scenario, settings, seed, clients, clients_mix)
        if late := len(played.recorded_s) - played.recorded_count:
            count = len(played.recorded_s)
            print_note(
                f"{late:,} of {count:,} recorded messages come after the run, and are not sent."
            )
        command(played, **others)

    decorated: Any = with_scenario
    for option in reversed(_WHAT_TO_PLAY):
        decorated = option(decorated)
    return decorated


def with_settings(help_text: str = "Change a setting.") -> Callable[[Any], Any]:
    """Return the option --set, which completes its keys."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=complete_setting,
        help=help_text,
    )


with_mix = click.option(
    "--clients-mix",
    metavar="PRESET=SHARE,...",
    help="Real clients by their shares of 100, such as socket.io-client=40,phoenix=60.",
)
_WHAT_TO_PLAY = (
    click.argument("scenario", shell_complete=complete_scenario),
    with_settings("Change a setting, such as client.backoff.cap_s=5; may be given again."),
    click.option("--seed", type=int, help="Seed of all random draws."),
    click.option("--clients", type=int, help="Number of clients."),
    with_mix,
)
with_engine = click.option(
    "--on",
    default="sim",
    show_default=True,
    metavar="[sim|live|fleet]",
    help="The engine that plays; fleet: connections alone, a million of them.",
)
with_quick_engine = click.option(
    "--on",
    metavar="[sim|fleet]",
    help="The engine; by default the fleet if it can play all of it, else sim.",
)


def with_scheduler(old: str, help_text: str) -> Callable[[Callable[..., None]], Any]:
    """Add --scheduler, and its old name, which warns and ends with the next version."""

    def decorate(command: Callable[..., None]) -> Any:
        @wraps(command)
        def merge(*given: Any, scheduler: str | None, **others: Any) -> None:
            address = others.pop(old)
            if address is not None:
                click.echo(
                    f"--{old} is now --scheduler; the old name ends with the next version", err=True
                )
            command(*given, scheduler=scheduler or address, **others)

        option: Any = click.option("--scheduler", metavar="ADDRESS", help=help_text)
        return option(click.option(f"--{old}", hidden=True)(merge))

    return decorate


def with_workers(command: Callable[..., None]) -> Any:
    """Add the options that say where runs are played: processes here, or a Dask scheduler."""

    @wraps(command)
    def check_place(*given: Any, workers: int | None, scheduler: str | None, **others: Any) -> None:
        if workers is not None and scheduler is not None:
            rule = "is for this machine: leave it out with --scheduler"
            raise SettingsError("--workers", workers, rule)
        command(*given, workers=workers, scheduler=scheduler, **others)

    workers_option: Any = click.option(
        "--workers", type=int, help="Processes; by default one per processor."
    )
    place = with_scheduler("dask", "Play on the cluster of this Dask scheduler.")
    return workers_option(place(check_place))


with_out = click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.")
with_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(
    cls=_Commands,
    epilog=examples("scenarios", "compare first_outage", "run reconnect_storm --clients 200"),
)
@click.version_option(__version__, message="simlib %(version)s")
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    help="Show on stderr what simlib logs: debug tells of each fault of a live run.",
)
def main(log_level: str | None) -> None:
    """Simulate WebSocket clients under faults, play them for real, and compare.

    SCENARIO is a TOML file, or the name of a scenario that comes with simlib.

    Every option can be set in the environment, too: --seed of simlib run is SIMLIB_RUN_SEED.
    """
    if log_level is not None:
        show_logs(log_level)
