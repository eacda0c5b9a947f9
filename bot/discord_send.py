"""Sends the outbox's letters to Discord channels, and says in the outbox's words how that went."""

from __future__ import annotations

import asyncio
import io
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.buttons import PATTERN
from bot.carrier import ChannelRefused, NotSent, OutcomeUnknown, RefusedForGood, RetryAfter
from bot.render import Parcel
from bot.store import Letter
from domain.facts import Severity

if TYPE_CHECKING:
    from bot.discord_client import Client

SEND_LIMIT_S = 20.0
TOO_MANY_PAUSE_S = 5.0
UNKNOWN_MESSAGE = 10008
COLOURS = {Severity.INFO: 0x2F81F7, Severity.WARNING: 0xD29922, Severity.ERROR: 0xDB6D28, Severity.CRITICAL: 0xF85149}


class VoteButton(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=PATTERN):
    """An approve or deny button; it is known by its data, so one sent before a restart still works."""

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], item: discord.ui.Item[Any], _match: re.Match[str], /
    ) -> VoteButton:
        """The button that was pressed."""
        assert isinstance(item, discord.ui.Button)  # noqa: S101 - only buttons carry the template
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Hand the press to the client's gate."""
        client: Client = interaction.client
        await client.press(interaction, self.item.custom_id or "")


def embed_of(parcel: Parcel) -> discord.Embed:
    """A parcel's text as an embed, coloured by severity."""
    embed = discord.Embed(description=parcel.text, colour=COLOURS[parcel.severity])
    return embed if parcel.picture is None else embed.set_image(url=f"attachment://{parcel.picture.name}")


def file_of(parcel: Parcel) -> discord.File | None:
    """A parcel's picture or file, if it has one."""
    if parcel.picture is not None:
        return discord.File(io.BytesIO(parcel.picture.png), filename=parcel.picture.name)
    if not parcel.file_name:
        return None
    return discord.File(io.BytesIO(parcel.file_text.encode()), filename=parcel.file_name)


def view_of(parcel: Parcel) -> discord.ui.View | None:
    """A parcel's buttons, if it has any."""
    if not parcel.buttons:
        return None
    view = discord.ui.View(timeout=None)
    for button in parcel.buttons:
        style = discord.ButtonStyle.danger if ":n:" in button.data else discord.ButtonStyle.success
        view.add_item(VoteButton(discord.ui.Button(label=button.label, custom_id=button.data, style=style)))
    return view


class DiscordCarrier:
    """Delivers letters to `discord:CHANNEL`, and privately to `discord:@USER`.

    What a person will not be told privately goes to the `instead` channel. The nonce lets Discord drop a repetition of
    one it has.
    """

    def __init__(self, client: discord.Client, instead: str = "") -> None:
        self._client = client
        self._instead = instead

    async def deliver(self, letter: Letter, replaces_id: str) -> str:
        """Send or edit; see `bot.outbox.Carrier`."""
        parcel = letter.parcel
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                channel = await self._channel(letter.recipient)
                if replaces_id and await _edited(channel, int(replaces_id), parcel):
                    return replaces_id
                extras: dict[str, Any] = {"file": file_of(parcel), "view": view_of(parcel)}
                extras["nonce"] = nonce_of(letter)
                if parcel.pings:
                    extras["content"] = " ".join(f"<@{number}>" for number in parcel.pings)
                    called = [discord.Object(number) for number in parcel.pings]
                    extras["allowed_mentions"] = discord.AllowedMentions(users=called, everyone=False, roles=False)
                given = {name: value for name, value in extras.items() if value is not None}
                sent = await channel.send(embed=embed_of(parcel), **given)
                return str(sent.id)
        except (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError) as error:
            raised = translated(error)
            if isinstance(raised, RefusedForGood) and _is_private(letter.recipient):
                raised.instead = self._instead
            raise raised from None

    async def _channel(self, recipient: str) -> discord.DMChannel | discord.PartialMessageable:
        number = recipient.partition(":")[2]
        if _is_private(recipient):
            return await self._client.create_dm(discord.Object(int(number[1:])))
        return self._client.get_partial_messageable(int(number))


async def _edited(channel: discord.DMChannel | discord.PartialMessageable, number: int, parcel: Parcel) -> bool:
    """Edit a message; False when it is gone, and is to be sent anew."""
    file = file_of(parcel)
    attachments = [] if file is None else [file]
    try:
        old = channel.get_partial_message(number)
        await old.edit(embed=embed_of(parcel), view=view_of(parcel), attachments=attachments)
    except discord.NotFound as error:
        if error.code != UNKNOWN_MESSAGE:
            raise
        return False
    return True


def nonce_of(letter: Letter) -> str:
    """The same for every repetition of a letter, also by another run; Discord takes 25 characters."""
    return sha256(f"{letter.event}\n{letter.part}\n{letter.recipient}".encode()).hexdigest()[:24]


def _is_private(recipient: str) -> bool:
    return recipient.startswith("discord:@")


def translated(error: Exception) -> Exception:
    """The outbox's error for one of Discord's or the network's."""
    why = f"{type(error).__name__}: {error}"
    match error:
        case discord.RateLimited():
            return RetryAfter(error.retry_after)
        case discord.HTTPException() if error.status == 429:
            return RetryAfter(TOO_MANY_PAUSE_S)
        case discord.HTTPException() if error.status == 401:
            return ChannelRefused(why)
        case discord.HTTPException() if error.status < 500:
            return RefusedForGood(why)
        case aiohttp.ClientConnectorError() | RuntimeError():  # no route, or closed for a restart before it began
            return NotSent(why)
        case _:
            return OutcomeUnknown(why)
