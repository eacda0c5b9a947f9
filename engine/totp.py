"""`moondev totp`: who has an authenticator for one-time codes, and giving somebody one.

It is done on the machine itself, by who may read the data folder: the secret is shown once, in the terminal, and kept
in the vault or the secrets file (mode 0600) alone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from domain.errors import MoonDevError

if TYPE_CHECKING:
    from collections.abc import Sequence

DataOption = Annotated[Path, typer.Option("--data", help="Data folder.")]
DEFAULT_DATA = Path(".moondev/paper")


class Keeper(Protocol):
    """Secrets that can also be kept."""

    @property
    def place(self) -> str:
        """Where they are kept, in words."""
        ...

    def has(self, name: str) -> bool:
        """True when the secret exists."""
        ...

    def get(self, name: str) -> str:
        """The secret."""
        ...

    def keep(self, name: str, value: str) -> None:
        """Write a secret down, in the place of an earlier one of that name."""
        ...


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True)
    group.command()(enrol)
    group.command("list")(list_persons)
    app.add_typer(group, name="totp", help="Authenticators for the one-time codes of votes.")


def enrol(
    context: typer.Context,
    person: Annotated[str, typer.Argument(help="The person's id, as in the settings.")],
    data: DataOption = DEFAULT_DATA,
    *,
    again: Annotated[bool, typer.Option("--again", help="Replace the authenticator that the person has.")] = False,
) -> None:
    """Give a person an authenticator: shows a QR code and its address once, then asks for the first code."""
    from engine.codes import new_secret, secret_name, uri_of

    persons = persons_of(data)
    if person not in persons:
        raise MoonDevError(f"there is no person {person!r}; there are {', '.join(persons) or 'none'}")
    secrets: Keeper = context.obj(data)
    if secrets.has(secret_name(person)) and not again:
        raise MoonDevError(f"{person} has an authenticator; --again replaces it, and the old codes stop working")
    secret = new_secret()
    uri = uri_of(person, secret)
    show(uri)
    typer.echo(f"{uri}\n\nScan it with an authenticator app, or type the address. It is shown this once.")
    code = typer.prompt("The six digits that the app shows now", default="", show_default=False).strip()
    if not is_right(secret, code):
        raise MoonDevError("that code does not fit: nothing was kept. Is the clock of phone and machine right?")
    secrets.keep(secret_name(person), secret)
    typer.echo(f"{person} can vote with codes: /approve ID CODE. A running service knows it at once.")


def list_persons(context: typer.Context, data: DataOption = DEFAULT_DATA) -> None:
    """Say who has an authenticator and who has none."""
    from engine.codes import secret_name

    secrets: Keeper = context.obj(data)
    for person in persons_of(data):
        typer.echo(f"{person}: {'enrolled' if secrets.has(secret_name(person)) else 'none'}")


def persons_of(data: Path) -> Sequence[str]:
    """Ids of the persons in force, else of those in the settings file."""
    from engine.cli import running_settings
    from engine.config import load_remembered

    if (data / "journal").is_dir():
        return [person.id for person in running_settings(data).persons]
    return [person.id for person in load_remembered(data).persons]


def is_right(secret: str, code: str) -> bool:
    """Whether a code is one of now, give or take half a minute."""
    import pyotp

    from engine.codes import STEP_S, TOLERANCE_STEPS

    return code.isascii() and pyotp.TOTP(secret, interval=STEP_S).verify(
        code, for_time=int(time.time()), valid_window=TOLERANCE_STEPS
    )


def show(uri: str) -> None:
    """Draw the QR code, where there is a terminal to draw on."""
    if sys.stdout.isatty():
        import segno

        segno.make(uri, error="l").terminal(compact=True)
