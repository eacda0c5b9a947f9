"""The set-up's conversation with Discord: who a token is, which servers it is in, what people send it there.

It registers two commands in the server, /link and /here; the service replaces them with its own when it starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.config import DISCORD_API_URL, DISCORD_GATEWAY_URL, DiscordConfig, check_url
from bot.start.tools import Stopped
from bot.supervise import quiet_libraries, scrub

T = TypeVar("T")
SCOPES = ("bot", "applications.commands")
NEEDED = discord.Permissions(
    view_channel=True, send_messages=True, embed_links=True, attach_files=True, read_message_history=True
)
"""What the bot needs in a channel: cards and alerts are embeds, charts are files, edits need the history."""
READY_S = 30.0
Interaction: TypeAlias = "discord.Interaction[discord.Client]"
Heard: TypeAlias = Callable[[Interaction, str], T | None]
"""What is wanted of an interaction and its text: a code, or the data of a button."""
LOST = (discord.DiscordException, aiohttp.ClientError, OSError)


class TokenRefused(Stopped):
    """Discord does not know the token."""


class Guild(discord.Client):
    """One bot account, until `aclose`."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), allowed_mentions=discord.AllowedMentions.none())
        self.tree = app_commands.CommandTree(self)
        self._heard: asyncio.Queue[tuple[Interaction, str]] = asyncio.Queue()
        self._joined: asyncio.Queue[discord.Guild] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def opened(cls, config: DiscordConfig, token: str) -> Guild:
        """A connection with the token's bot. Raises `TokenRefused`, `Stopped`, or `ConfigError` for an address."""
        quiet_libraries()
        remote = config.allow_remote_base_url
        Route.BASE = check_url("discord.api_url", config.api_url, DISCORD_API_URL, allow_remote=remote)
        gateway = check_url("discord.gateway_url", config.gateway_url, DISCORD_GATEWAY_URL, allow_remote=remote)
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        client = cls()
        try:
            await client.login(token)
            client._task = asyncio.create_task(client.connect())
            ready = asyncio.create_task(client.wait_until_ready())
            await asyncio.wait({client._task, ready}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if client._task.done():
                client._task.result()
            if not client.is_ready():
                raise Stopped(f"Discord's gateway does not answer within {READY_S:.0f} s: check network and proxy")
        except discord.LoginFailure:
            await client.aclose()
            raise TokenRefused(UNKNOWN) from None
        except LOST as error:
            await client.aclose()
            raise Stopped(f"Discord cannot be reached ({scrub(str(error), token)}): check network and proxy") from None
        except BaseException:
            await client.aclose()
            raise
        return client

    async def aclose(self) -> None:
        """Leave; the bot stays in its servers."""
        await self.close()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def name(self) -> str:
        """What people see of the bot."""
        return str(self.user)

    @property
    def invitation(self) -> str:
        """The link that adds the bot to a server, with what it needs and nothing else."""
        return discord.utils.oauth_url(self.application_id or 0, permissions=NEEDED, scopes=SCOPES)

    @property
    def wants_grant(self) -> bool:
        """Whether the application is set so that the link cannot work."""
        return bool(self.application is not None and getattr(self.application, "bot_require_code_grant", False))

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Somebody has used the link."""
        self._joined.put_nowait(guild)

    async def on_interaction(self, interaction: Interaction) -> None:
        """A button; commands come through their own callbacks."""
        if interaction.type is discord.InteractionType.component and interaction.data is not None:
            self._heard.put_nowait((interaction, str(interaction.data.get("custom_id", ""))))

    async def joined(self, within_s: float) -> discord.Guild | None:
        """The next server that the bot is added to."""
        try:
            return await asyncio.wait_for(self._joined.get(), within_s)
        except TimeoutError:
            return None

    async def register(self, guild_id: int) -> str:
        """Put /link and /here into the server; why not, "" when they are there."""
        guild = discord.Object(guild_id)
        self.tree.clear_commands(guild=guild)

        async def link(interaction: Interaction, code: str) -> None:
            self._heard.put_nowait((interaction, f"link {code}"))

        async def here(interaction: Interaction) -> None:
            self._heard.put_nowait((interaction, "here"))

        self.tree.add_command(
            app_commands.Command(name="link", description="Link your account: the code of the terminal", callback=link),
            guild=guild,
        )
        self.tree.add_command(
            app_commands.Command(name="here", description="Alerts come into this channel", callback=here), guild=guild
        )
        try:
            await self.tree.sync(guild=guild)
        except (discord.Forbidden, discord.NotFound):
            return "the bot may not have commands there: use the link again, it asks for applications.commands too"
        except LOST as error:
            return f"Discord does not take the commands ({error})"
        return ""

    async def hear(self, wanted: Heard[T], within_s: float) -> T | None:
        """The first thing that is wanted, None when it did not come."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    found = wanted(*(await self._heard.get()))
                    if found is not None:
                        return found
        except TimeoutError:
            return None

    async def answer(self, interaction: Interaction, text: str, button: tuple[str, str] = ("", "")) -> None:
        """Answer what somebody sent, so that only they see it; a failure changes nothing."""
        try:
            if interaction.type is discord.InteractionType.component:
                await interaction.response.defer()
            else:
                await interaction.response.defer(ephemeral=True, thinking=True)
            await interaction.edit_original_response(content=text, view=_view(button))
        except LOST:
            return

    async def post(self, channel: int, text: str, button: tuple[str, str] = ("", "")) -> None:
        """Send a message with a button (label, data). Raises `Stopped` with the reason in words."""
        try:
            where = self.get_partial_messageable(channel)
            embed = discord.Embed(description=text, colour=0x2F81F7)
            view = _view(button)
            await (where.send(embed=embed) if view is None else where.send(embed=embed, view=view))
        except (discord.Forbidden, discord.NotFound) as error:
            raise Stopped(
                f"Discord does not let the bot write there ({error.text}): its role needs there {names(NEEDED)}"
            ) from None
        except LOST as error:
            raise Stopped(f"the message could not be sent ({error}); try again") from None


UNKNOWN = (
    "Discord does not know this token. In the developer portal, your application, Bot: Reset Token, and copy the new "
    "one whole"
)


def missing(allowed: discord.Permissions) -> str:
    """What of the needed permissions is not there, for people; "" when all are."""
    if allowed.administrator:
        return ""
    return names(discord.Permissions(NEEDED.value & ~allowed.value))


def names(permissions: discord.Permissions) -> str:
    """Permissions as Discord's settings call them."""
    return ", ".join(name.replace("_", " ").title() for name, given in permissions if given)


def _view(button: tuple[str, str]) -> discord.ui.View | None:
    label, data = button
    if not label:
        return None
    view: discord.ui.View = discord.ui.View(timeout=None)
    item: discord.ui.Button[Any] = discord.ui.Button(label=label, custom_id=data, style=discord.ButtonStyle.success)
    view.add_item(item)
    return view
