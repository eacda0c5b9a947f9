"""The Discord client: slash commands made from the verb table, presses of buttons, and one gate for both.

An answer goes back through the interaction; when Discord no longer takes it there, through the outbox.
A failed answer never cancels what was asked.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

import aiohttp
import discord
import structlog
from discord import app_commands
from msgspec import structs

from bot import links, render
from bot.buttons import PREVIEW, Signer
from bot.call import Verb
from bot.config import DiscordConfig
from bot.discord_send import DiscordCarrier, VoteButton, embed_of, file_of, view_of
from bot.message import Message, failure
from bot.parse import Argument, nearest
from bot.room import ControlRoom
from bot.sessions import closed, forged
from bot.supervise import Disabled, Health
from bot.verbs import GROUP_HELP, VERBS, all_names, is_urgent, names_for, run_line, run_verb
from bot.votes import WITH_CODE, code_in
from domain.commands import Actor, Door
from domain.security import PressRefused

log = structlog.get_logger("bot.discord")

DEFER_LIMIT_S = 2.5
READY_WAIT_S = 0.2
"""How long the library waits for more guilds before it calls itself ready; there is one."""
MAX_CHOICES = 25
RECORD_EVERY_S = 3600.0
"""How often the presses of one stranger are put on record."""
MOST_STRANGERS = 1_000
Interaction: TypeAlias = discord.Interaction[discord.Client]
Choices: TypeAlias = list[app_commands.Choice[str]]
Completer: TypeAlias = Callable[..., Coroutine[Any, Any, Choices]]


class Client(discord.Client):
    """One connection to one guild. `health` counts what strangers sent and says whether the gateway is up."""

    def __init__(self, room: ControlRoom, config: DiscordConfig, signer: Signer, health: Health) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            guild_ready_timeout=READY_WAIT_S,
        )
        self.tree = app_commands.CommandTree(self)
        self.tree.on_error = self._command_failed  # type: ignore[method-assign]
        self._room = room
        self._desk = room.desk
        self._config = config
        self._outbox = room.outbox
        self._signer = signer
        self._health = health
        self._seen_strangers: dict[int, float] = {}

    async def setup_hook(self) -> None:
        """Register the verbs in the guild. Raises `Disabled` when the bot may not."""
        guild = discord.Object(self._config.guild_id)
        groups = {name: app_commands.Group(name=name, description=text) for name, text in GROUP_HELP.items()}
        for verb in VERBS:
            if verb.hidden:
                continue
            group, _, second = verb.name.rpartition(" ")
            if group:
                groups[group].add_command(self._command(verb, second))
            else:
                self.tree.add_command(self._command(verb, verb.name), guild=guild)
        for made in groups.values():
            self.tree.add_command(made, guild=guild)
        self.add_dynamic_items(VoteButton)
        try:
            await self.tree.sync(guild=guild)
        except (discord.Forbidden, discord.NotFound) as error:
            raise Disabled(
                f"Discord does not let the bot register commands in guild {guild.id} ({error.text}): invite it there "
                "with the scopes bot and applications.commands, and check discord.guild_id"
            ) from None

    async def on_ready(self) -> None:
        """The gateway is up: letters may go."""
        self._health.set("up")
        self._outbox.attach("discord", DiscordCarrier(self, self._common_channel()))

    def _common_channel(self) -> str:
        """Where a person is told what they will not be told privately; "" where there is no such place."""
        channels = (*self._config.alert_channels, *self._config.allowed_channels)
        return f"discord:{channels[0]}" if channels else ""

    async def on_resumed(self) -> None:
        """The gateway is up again."""
        self._health.set("up")

    async def on_disconnect(self) -> None:
        """The gateway is lost; the library reconnects by itself."""
        self._health.set("degraded", "the connection to Discord is lost and being restored")

    async def press(self, interaction: Interaction, data: str) -> None:
        """Carry out what a button stands for."""
        read = self._signer.read(data, self._room.subject)
        actor = self._admit(interaction, read.request)
        if actor is None:
            return
        if read.line.startswith("/approve") and self._desk.codes_needed:
            await self._ask_code(interaction, read.line)
            return

        async def run(actor: Actor) -> Message:
            if read.forged:
                return forged(self._desk, "discord", actor.person, read.request)
            if not read.line:
                return closed(self._room, read.request, actor.person)
            return await run_line(self._room, actor, read.line, _request_id(interaction), _sent_ns(interaction))

        await self._serve(interaction, run, urgent=False, in_place=read.kind == PREVIEW)

    async def _ask_code(self, interaction: Interaction, line: str) -> None:
        """Ask for the one-time code in a window of its own, which nobody else sees and no chat keeps."""

        async def run(answer: Interaction, code: str) -> None:
            async def vote(actor: Actor) -> Message:
                return await run_line(self._room, actor, f"{line} {code}", _request_id(answer), _sent_ns(answer))

            await self._serve(answer, vote, urgent=False)

        try:
            await interaction.response.send_modal(CodeWindow(line, run))
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.info("discord would not show the window for a code", error=type(error).__name__)

    def _command(self, verb: Verb, name: str) -> app_commands.Command[Any, ..., None]:
        """A slash command whose options are the verb's arguments."""

        async def callback(interaction: Interaction, **options: str | None) -> None:
            arguments = {name: value for name, value in options.items() if value is not None}
            if verb.name == links.LINK and await self._claimed(interaction, arguments.get("what", "")):
                return

            async def run(actor: Actor) -> Message:
                request_id, sent_ns = _request_id(interaction), _sent_ns(interaction)
                return await run_verb(self._room, actor, verb, arguments, request_id, sent_ns)

            await self._serve(interaction, run, urgent=is_urgent([verb.name]), alone=_holds_code(verb, arguments))

        callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Interaction),
                *(_parameter(argument) for argument in verb.arguments),
            ]
        )
        app_commands.describe(**{argument.name: argument.help[:100] for argument in verb.arguments})(callback)
        for argument in verb.arguments:
            if argument.choices:
                choices = [app_commands.Choice(name=choice, value=choice) for choice in argument.choices]
                app_commands.choices(**{argument.name: choices})(callback)
            elif argument.complete is not None:
                app_commands.autocomplete(**{argument.name: self._completer(verb, argument)})(callback)
        return app_commands.Command(name=name, description=verb.help[:100], callback=callback)

    def _completer(self, verb: Verb, argument: Argument) -> Completer:
        async def complete(interaction: Interaction, current: str) -> Choices:
            actor = self._admit(interaction)
            person = self._desk.person(actor.person) if actor is not None else None
            if argument.complete is None or person is None or person.role < verb.role:
                return []
            is_verb = argument.complete is all_names
            known = names_for(person) if is_verb else list(argument.complete(self._desk))
            hits = [name for name in known if current.lower() in name.lower()] or nearest(current, known, MAX_CHOICES)
            return [app_commands.Choice(name=name[:100], value=name[:100]) for name in hits[:MAX_CHOICES]]

        return complete

    async def _claimed(self, interaction: Interaction, code: str) -> bool:
        """Whether an account that nobody knows has sent a link code; only a right one is answered."""
        user = interaction.user
        if self._desk.person_by_discord(user.id) is not None or not self._is_here(interaction):
            return False
        actor = Actor(person=str(user.id), door=Door.DISCORD, chat=f"discord:{interaction.channel_id or 0}")
        reply = await links.claim(self._desk, self._outbox, actor, links.shown_name(f"@{user.name}"), code)
        if reply is None:
            self._health.ignored += 1
        elif await _defer(interaction, alone=True):
            await _answer(interaction, render.discord(reply))
        return True

    def _is_here(self, interaction: Interaction) -> bool:
        """In an allowed channel of the guild, or alone with the bot."""
        if interaction.guild_id is None:
            return interaction.context.dm_channel
        allowed = self._config.allowed_channels
        is_allowed = not allowed or (interaction.channel_id or 0) in allowed
        return interaction.guild_id == self._config.guild_id and is_allowed

    def _admit(self, interaction: Interaction, press: str = "") -> Actor | None:
        """The person behind an interaction; None for anybody else, who gets nothing. A `press` is put on record."""
        channel = interaction.channel_id or 0
        person = self._desk.person_by_discord(interaction.user.id)
        if person is None or not self._is_here(interaction):
            self._health.ignored += 1
            why = "unknown person" if person is None else "channel not allowed"
            now_s, who = time.monotonic(), interaction.user.id
            if press and now_s - self._seen_strangers.get(who, -RECORD_EVERY_S) >= RECORD_EVERY_S:
                if len(self._seen_strangers) > MOST_STRANGERS:
                    self._seen_strangers.clear()
                self._seen_strangers[who] = now_s
                self._desk.report(PressRefused(source="discord", who=f"user {who}", request=press, text=why))
            log.info("discord interaction ignored", why=why, user_id=interaction.user.id, count=self._health.ignored)
            return None
        return Actor(person=person.id, door=Door.DISCORD, chat=f"discord:{channel}")

    async def _serve(
        self,
        interaction: Interaction,
        run: Callable[[Actor], Awaitable[Message]],
        *,
        urgent: bool,
        in_place: bool = False,
        alone: bool = False,
    ) -> None:
        """Acknowledge, carry out, answer; what is urgent does not wait for the acknowledgement.

        `in_place`: the answer to this press takes the place of the message that had the button. `alone`: nobody else
        sees the answer, nor the options above it.
        """
        actor = self._admit(interaction)
        if actor is None:
            return
        deferring = asyncio.create_task(_defer(interaction, in_place=in_place, alone=alone))
        if not urgent:
            await deferring
        try:
            reply = await run(actor)
        except Exception as error:  # noqa: BLE001 - told to the person; the client goes on
            log.error("discord command failed", ref=_request_id(interaction), error=type(error).__name__)  # noqa: TRY400
            reply = failure(type(error).__name__)
        deferred = await deferring
        if not reply.stamp:
            reply = structs.replace(reply, stamp=self._room.stamp(actor.person))
        reference = _request_id(interaction)
        stamped = structs.replace(reply, stamp=f"{reply.stamp} · ref {reference}")
        adds = in_place and not reply.replaces
        sent = await _answer(interaction, render.discord(stamped), adds=adds) if deferred else ""
        if not sent:
            if reply.is_secret:
                return  # a channel is no place for it; the person asks again
            await self._outbox.post(reference, [actor.chat], reply, reply.replaces)
            return
        if reply.buttons:
            await self._outbox.note_sent(reference, actor.chat, sent)
        if reply.replaces and not in_place:
            await self._outbox.post(f"{reference}:shown", [actor.chat], reply, reply.replaces)

    async def _command_failed(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        cause = error.__cause__ or error
        log.error("discord command failed", ref=_request_id(interaction), error=type(cause).__name__)
        await _answer(interaction, render.discord(failure(type(cause).__name__)))


class CodeWindow(discord.ui.Modal, title="One-time code"):
    """Asks who votes for the code of their authenticator."""

    code: discord.ui.TextInput[CodeWindow] = discord.ui.TextInput(
        label="Six digits", custom_id="code", min_length=6, max_length=6
    )

    def __init__(self, line: str, run: Callable[[Interaction, str], Awaitable[None]]) -> None:
        super().__init__(timeout=120)
        self.title = line.lstrip("/")[:45]
        self._run = run

    async def on_submit(self, interaction: Interaction, /) -> None:
        """The person has typed it."""
        await self._run(interaction, "".join(char for char in self.code.value if char in "0123456789") or "x")


def _parameter(argument: Argument) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    if argument.required:
        return inspect.Parameter(argument.name, kind, annotation=str)
    return inspect.Parameter(argument.name, kind, annotation=str | None, default=None)


def _request_id(interaction: Interaction) -> str:
    return f"discord:{interaction.id}"


def _sent_ns(interaction: Interaction) -> int:
    return int(interaction.created_at.timestamp() * 1e9)


def _holds_code(verb: Verb, arguments: dict[str, str]) -> bool:
    """Whether line or answer hold a code: Discord shows an answer to the whole channel, with the line above it."""
    return verb.name == links.LINK or (verb.name in WITH_CODE and bool(code_in(" ".join(arguments.values()).split())))


async def _defer(interaction: Interaction, *, in_place: bool = False, alone: bool = False) -> bool:
    """Tell Discord within its three seconds that an answer will come; False when it would not hear."""
    try:
        async with asyncio.timeout(DEFER_LIMIT_S):
            await interaction.response.defer(ephemeral=alone, thinking=not in_place)
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        log.info("discord would not take the acknowledgement", error=type(error).__name__)
        return False
    return True


async def _answer(interaction: Interaction, parcels: tuple[render.Parcel, ...], *, adds: bool = False) -> str:
    """Answer where the person asked, with `adds` below it and to them alone; the id of the last message sent.

    "" when Discord would not take it.
    """
    sent: discord.WebhookMessage | discord.InteractionMessage | None = None
    try:
        for position, parcel in enumerate(parcels):
            file = file_of(parcel)
            if position == 0 and not adds:
                files = [file] if file else []
                sent = await interaction.edit_original_response(
                    embed=embed_of(parcel), attachments=files, view=view_of(parcel)
                )
            else:
                view = view_of(parcel) or discord.utils.MISSING
                sent = await interaction.followup.send(embed=embed_of(parcel), view=view, ephemeral=adds, wait=True)
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        log.info("discord would not take the answer", error=type(error).__name__)
        return ""
    return str(sent.id) if sent is not None else ""
