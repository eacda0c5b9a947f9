"""Verbs of the terminal that speak to a running service through its local door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from domain.commands import Command

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (default .moondev/<environment>).")]
PersonOption = Annotated[str, typer.Option("--as", help="Who speaks (default: the first person who may).")]
WithinOption = Annotated[float, typer.Option(help="Seconds to wait for the service before acting without it.")]
ANSWER_WITHIN_S = 5.0


def register(
    app: typer.Typer,
    default_data: Path,
    environment_in: Callable[[Path], str],
    stop_from_outside: Callable[[Path, str, str, bool], tuple[bool, str]],
    wanted_settings: Callable[[Path, Path], tuple[Command, list[str]]],
) -> None:
    """Add the verbs; `default_data` is the folder where none is given, `environment_in` says what a folder is for.

    `stop_from_outside(folder, person, reason, flatten)` halts where no service answers: is all done, and what was.
    `wanted_settings(file, folder)` is the wish for a file's settings, and what it would change.
    """

    @app.command()
    def console(data: DataOption = None, person: PersonOption = "") -> None:
        """Talk to the running service from the terminal, in the words of the chat."""
        from bot.console import repl
        from bot.local import ask, ask_who

        folder = data or default_data
        who = person or asyncio.run(ask_who(folder))
        asyncio.run(repl(lambda line: ask(folder, who, line), environment=environment_in(folder), person=who))

    @app.command()
    def halt(
        data: DataOption = None,
        person: PersonOption = "",
        reason: str = "",
        within: WithinOption = ANSWER_WITHIN_S,
        *,
        flatten: Annotated[bool, typer.Option("--flatten", help="Also close every position.")] = False,
    ) -> None:
        """Halt trading now, also where no engine answers: this process then cancels at the venues by itself."""
        _stop(data or default_data, person, reason, within, flatten=flatten)

    @app.command()
    def flatten(
        data: DataOption = None, person: PersonOption = "", reason: str = "", within: WithinOption = ANSWER_WITHIN_S
    ) -> None:
        """Halt and close every position now, also where no engine answers."""
        _stop(data or default_data, person, reason, within, flatten=True)

    def _stop(folder: Path, person: str, reason: str, within_s: float, *, flatten: bool) -> None:
        from bot.local import NotRunning, ask_command
        from bot.parse import clean
        from domain.commands import Flatten, Halt

        reason, person = clean(reason), clean(person)
        command = Flatten(reason=reason) if flatten else Halt(reason=reason)
        try:
            answer = asyncio.run(asyncio.wait_for(ask_command(folder, person, command), within_s))
        except TimeoutError:
            typer.echo(f"The service has not answered within {within_s:g} s.")
        except NotRunning as error:
            typer.echo(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        else:
            finish(answer)
        finish(stop_from_outside(folder, person or "terminal", reason, flatten))

    @app.command()
    def login(data: DataOption = None, person: PersonOption = "") -> None:
        """Print a new login link of the running service's dashboard."""
        typer.echo(new_link(data or default_data, person))

    _add_apply_settings(app, default_data, wanted_settings)


def _add_apply_settings(
    app: typer.Typer, default_data: Path, wanted_settings: Callable[[Path, Path], tuple[Command, list[str]]]
) -> None:
    @app.command("apply-settings")
    def apply_settings(
        config: Annotated[Path, typer.Argument(help="The changed YAML file.")],
        data: DataOption = None,
        person: PersonOption = "",
    ) -> None:
        """Ask the running service for the settings of a file: shows what changes, then waits for the quorum."""
        from bot.local import ask_command

        folder = data or default_data
        command, changes = wanted_settings(config, folder)
        typer.echo("\n".join(changes))
        finish(asyncio.run(ask_command(folder, person, command)))


def new_link(data: Path, person: str) -> str:
    """A new login link of the service of a data folder, or why there is none. Raises `NotRunning`."""
    from bot.local import ask_login

    return asyncio.run(ask_login(data, person))


def finish(answer: tuple[bool, str]) -> NoReturn:
    """Print an answer; a refusal is exit code 1."""
    typer.echo(answer[1])
    raise typer.Exit(0 if answer[0] else 1)
