"""`moondev token`: tokens of programs, made and ended through the local door of a running service."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from bot.cli import DataOption, PersonOption
from domain.errors import MoonDevError

TOKEN: Final = re.compile(r"\bmdt_[0-9A-Za-z]{49}\b")


def register(app: typer.Typer, default_data: Path) -> None:
    """Add the verbs; `default_data` is the folder where none is given."""
    group = typer.Typer(no_args_is_help=True)

    @group.command()
    def create(
        name: Annotated[str, typer.Argument(help="What will use it, one word.")],
        scopes: Annotated[str, typer.Argument(help="read, trade, risk, admin; several with commas.")] = "read",
        life: Annotated[str, typer.Option(help="How long it lives: 12h, 30d, 52w.")] = "90d",
        networks: Annotated[str, typer.Option("--from", help="Only from these: 10.0.0.0/8,203.0.113.7.")] = "",
        owner: Annotated[str, typer.Option("--for", help="The person it acts for; yourself if not said.")] = "",
        data: DataOption = None,
        person: PersonOption = "",
        *,
        only: Annotated[bool, typer.Option("--only", help="Print the token and nothing else, for a pipe.")] = False,
    ) -> None:
        """Make a token and show it this once. Where you have an authenticator, its code is asked for."""
        extra = [part for word, value in (("from", networks), ("for", owner)) if value for part in (word, value)]
        line = ["/tokens", "create", name, scopes, life]
        answer = _say(data or default_data, person, [*line, *extra])
        if "[CODE_NEEDED]" in answer or "[CODE_WRONG]" in answer:
            code = typer.prompt("Your one-time code", hide_input=True, err=True)
            answer = _say(data or default_data, person, [*line, code, *extra])
        found = TOKEN.search(answer)
        if found is None:
            raise MoonDevError(answer.strip())
        typer.echo(found[0] if only else answer)

    @group.command("list")
    def list_tokens(data: DataOption = None, person: PersonOption = "") -> None:
        """Say which tokens there are, of whom, for what, and when each was last used."""
        typer.echo(_say(data or default_data, person, ["/tokens", "list"]))

    @group.command()
    def revoke(
        token: Annotated[str, typer.Argument(help="Its id, as T3.")], data: DataOption = None, person: PersonOption = ""
    ) -> None:
        """End a token at once, for good."""
        answer = _say(data or default_data, person, ["/tokens", "revoke", token])
        sys.stdout.write(answer + "\n")
        raise typer.Exit(0 if "opens nothing any more" in answer else 1)

    app.add_typer(group, name="token", help="Tokens of programs, which act for a person.")


def _say(data: Path, person: str, words: list[str]) -> str:
    from bot.local import ask, ask_who

    if any(not word or len(word.split()) != 1 for word in words):
        raise MoonDevError("names, scopes and networks are one word each")

    async def said() -> str:
        return await ask(data, person or await ask_who(data), " ".join(words))

    return asyncio.run(said())
