"""`moondev init`: the steps in their order, and each alone. Ctrl-C at any moment keeps what was settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import MoonDevError

if TYPE_CHECKING:
    from bot.start.screen import Screen
    from bot.start.tools import Tools

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (default .moondev/paper).")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file (default: the data folder's own).")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: options and defaults answer.")]
PersonOption = Annotated[str, typer.Option(help="Id of the person.")]
OpenTools = Callable[[Path, Path | None], "Tools"]
INTERRUPTED = 130


class Steps:
    """The verbs of `init`; `open_tools(data, config)` gives what the steps work with."""

    def __init__(self, default_data: Path, open_tools: OpenTools) -> None:
        self._default_data = default_data
        self._open_tools = open_tools

    def all(
        self, context: typer.Context, data: DataOption = None, config: ConfigOption = None, *, yes: YesOption = False
    ) -> None:
        """Set the service up, guided: persons, Telegram, Discord. Every step can be run again alone."""
        if context.invoked_subcommand is not None:
            return
        with self._opened("", data, config, yes=yes) as (screen, tools):
            from bot.start.ending import ending, everything

            everything(screen, tools)
            ending(screen, tools)

    def people(
        self,
        data: DataOption = None,
        config: ConfigOption = None,
        person: PersonOption = "",
        name: Annotated[str, typer.Option(help="Name for people.")] = "",
        role: Annotated[str, typer.Option(help="viewer, trader, risk or admin.")] = "",
        requester_counts: Annotated[
            bool | None, typer.Option(help="Who asks for something is one of the two who agree to it.")
        ] = None,
        code: Annotated[bool | None, typer.Option(help="Give an authenticator for one-time codes.")] = None,
        *,
        yes: YesOption = False,
    ) -> None:
        """Name persons and their roles; the first is admin."""
        with self._opened("people", data, config, yes=yes) as (screen, tools):
            from bot.start.people import people

            people(screen, tools, person=person, name=name, role=role, requester_counts=requester_counts, code=code)

    def telegram(
        self,
        data: DataOption = None,
        config: ConfigOption = None,
        person: PersonOption = "",
        account: Annotated[int, typer.Option(help="The person's Telegram id, instead of a code.")] = 0,
        chat: Annotated[str, typer.Option(help="Chat for alerts: -100..., -100...:TOPIC or private.")] = "",
        test: Annotated[bool, typer.Option(help="Send a test message.")] = True,
        *,
        yes: YesOption = False,
    ) -> None:
        """Connect a Telegram bot: token (or MOONDEV_TELEGRAM_TOKEN), phone, chat for alerts, test message."""
        with self._opened("telegram", data, config, yes=yes) as (screen, tools):
            from bot.start.telegram import telegram_step

            telegram_step(screen, tools, person=person, account=account, chat=chat, test=test)

    def discord(
        self,
        data: DataOption = None,
        config: ConfigOption = None,
        person: PersonOption = "",
        account: Annotated[int, typer.Option(help="The person's Discord id, instead of a code.")] = 0,
        guild: Annotated[int, typer.Option(help="Id of the server.")] = 0,
        channel: Annotated[int, typer.Option(help="Id of the channel for alerts.")] = 0,
        test: Annotated[bool, typer.Option(help="Send a test message.")] = True,
        *,
        yes: YesOption = False,
    ) -> None:
        """Connect a Discord bot: token (or MOONDEV_DISCORD_TOKEN), invitation, account, channel, test message."""
        with self._opened("discord", data, config, yes=yes) as (screen, tools):
            from bot.start.discord import discord_step

            discord_step(screen, tools, person=person, account=account, guild=guild, channel=channel, test=test)

    def email(  # noqa: PLR0913, PLR0917 - one option each
        self,
        data: DataOption = None,
        config: ConfigOption = None,
        person: PersonOption = "",
        address: Annotated[str, typer.Option(help="The person's address.")] = "",
        server: Annotated[str | None, typer.Option(help="Mail server.")] = None,
        port: Annotated[int | None, typer.Option(help="Its port.")] = None,
        tls: Annotated[str | None, typer.Option(help="starttls, tls, or none on this machine.")] = None,
        user: Annotated[str | None, typer.Option(help="User name; none = no login.")] = None,
        sender: Annotated[str | None, typer.Option(help="Address that mails come from.")] = None,
        *,
        yes: YesOption = False,
    ) -> None:
        """Connect a mailbox (password: MOONDEV_EMAIL_PASSWORD or asked for), with a test mail."""
        with self._opened("email", data, config, yes=yes) as (screen, tools):
            from bot.start.mail import email_step

            given = {"server": server, "port": port, "tls": tls, "user": user, "sender": sender}
            email_step(screen, tools, person=person, address=address, given=given)

    def sms(
        self,
        data: DataOption = None,
        config: ConfigOption = None,
        person: PersonOption = "",
        number: Annotated[str, typer.Option(help="The person's number, +49...")] = "",
        account: Annotated[str, typer.Option(help="Account SID.")] = "",
        sender: Annotated[str, typer.Option(help="Number that messages come from.")] = "",
        *,
        yes: YesOption = False,
    ) -> None:
        """Connect Twilio (token: MOONDEV_SMS_TOKEN or asked for), with a test message."""
        with self._opened("sms", data, config, yes=yes) as (screen, tools):
            from bot.start.mail import sms_step

            sms_step(screen, tools, person=person, number=number, given={"account": account, "sender": sender})

    def check(self, data: DataOption = None, config: ConfigOption = None) -> None:
        """Look at every channel: tokens, chats, permissions. Nothing is sent; a running service is not disturbed."""
        with self._opened("check", data, config, yes=True) as (screen, tools):
            from bot.start.check import check

            check(screen, tools)

    @contextmanager
    def _opened(
        self, step: str, data: Path | None, config: Path | None, *, yes: bool
    ) -> Iterator[tuple[Screen, Tools]]:
        """What a step works with; its errors become a sentence and how to go on."""
        from bot.start.screen import Screen

        screen = Screen(yes=yes)
        given = (("--data", data), ("--config", config))
        words = ["./moondev init", step, *(f"{option} {path}" for option, path in given if path is not None)]
        again = " ".join(filter(None, words))
        try:
            yield screen, self._open_tools(data or self._default_data, config)
        except MoonDevError as error:
            screen.problem(str(error))
            screen.say(f"What was settled is kept. Again: {again}")
            raise typer.Exit(1) from None
        except (KeyboardInterrupt, typer.Abort):
            screen.say(f"\nStopped. What was settled is kept; to go on: {again}")
            raise typer.Exit(INTERRUPTED) from None


def register(app: typer.Typer, default_data: Path, open_tools: OpenTools) -> None:
    """Add `init` and its steps."""
    steps = Steps(default_data, open_tools)
    group = typer.Typer(invoke_without_command=True, callback=steps.all)
    group.command("people")(steps.people)
    group.command("telegram")(steps.telegram)
    group.command("discord")(steps.discord)
    group.command("email")(steps.email)
    group.command("sms")(steps.sms)
    group.command("check")(steps.check)
    app.add_typer(group, name="init", help="Set up persons, Telegram and Discord, guided. Steps can be run alone.")
