"""Verbs of the terminal that speak to a running service through its local door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (default .moondev/<environment>).")]
PersonOption = Annotated[str, typer.Option("--as", help="The person who speaks.")]


def register(app: typer.Typer, default_data: Path, environment_in: Callable[[Path], str]) -> None:
    """Add the verbs; `default_data` is the folder where none is given, `environment_in` says what a folder is for."""

    @app.command()
    def console(data: DataOption = None, person: PersonOption = "tina") -> None:
        """Talk to the running service from the terminal, in the words of the chat."""
        from bot.console import repl
        from bot.local import ask

        folder = data or default_data
        asyncio.run(repl(lambda line: ask(folder, person, line), environment=environment_in(folder), person=person))

    @app.command()
    def halt(data: DataOption = None, person: PersonOption = "tina", reason: str = "") -> None:
        """Halt trading now: quotes and entries are cancelled, protections stay."""
        from bot.local import ask_command
        from bot.parse import clean
        from domain.commands import Halt

        finish(asyncio.run(ask_command(data or default_data, person, Halt(reason=clean(reason)))))

    @app.command()
    def login(data: DataOption = None, person: PersonOption = "tina") -> None:
        """Print a new login link of the running service's dashboard."""
        from bot.local import ask_login

        typer.echo(asyncio.run(ask_login(data or default_data, person)))


def finish(answer: tuple[bool, str]) -> None:
    """Print an answer; a refusal is exit code 1."""
    typer.echo(answer[1])
    raise typer.Exit(0 if answer[0] else 1)
