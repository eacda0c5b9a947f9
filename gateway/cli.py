"""The command line as a client of the API: `moondev status`, `moondev verb halt`, ... with `--json` for programs.

With `--service FILE` it asks a service elsewhere: the file (0600) says its address and the token, or under which name
the keyring has it. Otherwise it asks the service of the data folder on this machine, and logs in through its local
door: who may read the folder is its owner. `halt`, `console` and `login` need no gateway and are elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote, urlsplit

import typer

if TYPE_CHECKING:
    from gateway.client import Client

AskLogin = Callable[[Path, str], str]
"""A new login link of the service of a data folder, for a person ("" = the usual one). Raises `MoonDevError`."""

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder of a service on this machine.")]
ServiceOption = Annotated[Path | None, typer.Option("--service", help="A service elsewhere: file with url and token.")]
PersonOption = Annotated[str, typer.Option("--as", help="Who speaks (default: the first person who may).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

SESSION_FILE: Final = "terminal.session"
VIEWS: Final = {
    "status": "The service at a glance.",
    "positions": "Open positions.",
    "orders": "Working orders.",
    "strategies": "Loaded strategies.",
    "pnl": "Profit of each account.",
    "balances": "Money of each account.",
    "risk": "What can be lost, and how much of each limit is used.",
    "limits": "Every limit: what holds, where it is from, how much is used.",
    "breakers": "Every breaker, measure against threshold.",
    "venues": "Connections to exchanges.",
    "pending": "Requests that wait for votes.",
    "trades": "The newest own fills.",
    "alerts": "What stands.",
    "jobs": "Backtests that run, wait or are done.",
    "prices": "What instruments are valued at now.",
    "health": "Every part of the service.",
}


def register(app: typer.Typer, default_data: Path, ask_login: AskLogin) -> None:
    """Add the verbs; `default_data` is the folder where none is given."""

    def opened(data: Path | None, service: Path | None, person: str) -> Client:
        from gateway.client import Client, ServiceFile

        if service is None:
            return local_client(data or default_data, person, ask_login)
        found = ServiceFile.read(service)
        return Client(found.url, found.credentials(), ca=found.ca)

    for view, text in VIEWS.items():
        app.command(view, help=text)(_view_command(view, opened))

    @app.command("get")
    def get(
        view: Annotated[str, typer.Argument(help="Any view of the API, as `performance`.")],
        arguments: Annotated[list[str] | None, typer.Argument(help="Its arguments: NAME=VALUE.")] = None,
        data: DataOption = None,
        service: ServiceOption = None,
        person: PersonOption = "",
        *,
        as_json: JsonOption = False,
    ) -> None:
        """Print any view of the API."""
        with opened(data, service, person) as client:
            show(view, client.raw(view, **pairs_of(arguments)), as_json=as_json)

    @app.command("verb")
    def verb(
        name: Annotated[str, typer.Argument(help="A verb of the chat, as `halt` or `strategies-start`.")],
        arguments: Annotated[list[str] | None, typer.Argument(help="Its arguments: NAME=VALUE.")] = None,
        data: DataOption = None,
        service: ServiceOption = None,
        person: PersonOption = "",
        key: Annotated[str, typer.Option(help="The same key is carried out once, however often it is asked.")] = "",
        *,
        yes: Annotated[bool, typer.Option("--yes", help="Confirm what it asks first.")] = False,
        as_json: JsonOption = False,
    ) -> None:
        """Carry out a verb of the chat, with its approvals; a refusal is exit code 1."""
        from gateway.client.words import shown_answer

        path, given = verb_of([name, *(arguments or ())])
        with opened(data, service, person) as client:
            said = client.run(path, key=key, **pairs_of(given))
            question = next((one for one in said.message.actions if one.verb == "confirm" and not one.is_refusal), None)
            if yes and question is not None:
                said = client.run(question.verb, **question.arguments)
        sys.stdout.write(shown_answer(said, as_json=as_json))
        raise typer.Exit(0 if said.ok else 1)


def _view_command(view: str, opened: Callable[..., Client]) -> Callable[..., None]:
    def command(
        data: DataOption = None,
        service: ServiceOption = None,
        person: PersonOption = "",
        *,
        as_json: JsonOption = False,
    ) -> None:
        with opened(data, service, person) as client:
            show(view, client.raw(view), as_json=as_json)

    return command


def show(view: str, raw: bytes, *, as_json: bool) -> None:
    """Print a view."""
    from gateway.client.words import shown_view

    sys.stdout.write(raw.decode() + "\n" if as_json else shown_view(view, raw))


def pairs_of(words: list[str] | None) -> dict[str, str]:
    """NAME=VALUE words. Raises `typer.BadParameter`."""
    found: dict[str, str] = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not name.isidentifier() or not equals:
            raise typer.BadParameter(f"{word!r} is not NAME=VALUE")
        if name in found:
            raise typer.BadParameter(f"{name} is given twice")
        found[name] = value
    return found


def verb_of(words: list[str]) -> tuple[str, list[str]]:
    """A verb as people write it, `/strategies start id=x`, as its path and its arguments."""
    count = next((i for i, word in enumerate(words) if "=" in word), len(words))
    return "-".join(words[:count]).lower().removeprefix("/"), words[count:]


def local_client(data: Path, person: str, ask_login: AskLogin) -> Client:
    """A client of the service of a data folder, logged in through its local door. Raises `MoonDevError`."""
    from domain.errors import MoonDevError
    from gateway.client import Client, Session

    link = ask_login(data, person)
    parts = urlsplit(link)
    if not parts.scheme.startswith("http"):
        raise MoonDevError(link.rstrip("."))
    kept = data / ".".join(filter(None, (SESSION_FILE, quote(person, safe=""))))
    links = iter([link])
    session = Session(lambda: next(links, None) or ask_login(data, person), kept)
    return Client(f"{parts.scheme}://{parts.netloc}", session)
