"""Looks at every channel as the service will use it, without a message, a poll or a gateway: also beside a running one.

    look(config, persons, secrets)     what is found, each with what to do; used by `init check` and `doctor`

A "typing ..." tells whether a chat takes messages and leaves nothing in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any

import aiohttp
import discord
import telegram
from discord.http import Route
from msgspec import convert
from telegram.constants import ChatAction
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from bot.carrier import ChannelRefused, NotSent, OutcomeUnknown, RefusedForGood, RetryAfter
from bot.channels.email import EmailCarrier
from bot.channels.sms import SmsCarrier
from bot.channels.speakers import Speaker
from bot.config import DISCORD_API_URL, TELEGRAM_FILE_URL, TELEGRAM_URL, BotConfig, TelegramConfig, check_url
from bot.supervise import quiet_libraries, scrub
from domain.errors import ConfigError
from domain.ports import Secrets
from domain.setup import ChannelFound

WITHIN_S = 15.0
ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError)
Persons = Sequence[Mapping[str, Any]]


def look_now(fields: Mapping[str, Any], persons: Persons, secrets: Secrets) -> list[ChannelFound]:
    """The same from the plain fields of a `BotConfig`, for programs without an event loop."""
    return asyncio.run(look(convert(fields, BotConfig), persons, secrets))


async def look(config: BotConfig, persons: Persons, secrets: Secrets) -> list[ChannelFound]:
    """What there is to say about every channel that is switched on; nothing raises, nothing is sent."""
    quiet_libraries()
    parts: list[tuple[str, Awaitable[list[ChannelFound]]]] = []
    if config.telegram.enabled:
        parts.append(("Telegram", _all(_telegram(config.telegram, persons, secrets))))
    if config.discord.enabled:
        parts.append(("Discord", _all(_discord(config, secrets))))
    parts.append(("channels", _all(_speakers(config, secrets))))
    found = await asyncio.gather(*(_bounded(name, part) for name, part in parts))
    return [one for part in found for one in part]


async def _all(findings: AsyncIterator[ChannelFound]) -> list[ChannelFound]:
    return [finding async for finding in findings]


async def _bounded(name: str, part: Awaitable[list[ChannelFound]]) -> list[ChannelFound]:
    try:
        return await asyncio.wait_for(part, WITHIN_S)
    except TimeoutError:
        return [_unreachable(name, f"no answer within {WITHIN_S:.0f} s")]
    except ConfigError as error:
        return [ChannelFound(where=name, text=str(error), ok=False, fix="mend the settings, or add the secret")]


async def _telegram(config: TelegramConfig, persons: Persons, secrets: Secrets) -> AsyncIterator[ChannelFound]:
    token = secrets.get(config.token_secret)
    remote = config.allow_remote_base_url
    base = check_url("telegram.base_url", config.base_url, TELEGRAM_URL, allow_remote=remote)
    files = check_url("telegram.base_file_url", config.base_file_url, TELEGRAM_FILE_URL, allow_remote=remote)
    again = "./moondev init telegram takes a new token"
    try:
        bot = telegram.Bot(token, base_url=base, base_file_url=files, request=HTTPXRequest(read_timeout=WITHIN_S))
    except InvalidToken:
        yield ChannelFound(where="Telegram", text="the token has not the look of a token", ok=False, fix=again)
        return
    try:
        await bot.initialize()
        yield ChannelFound(where="Telegram", text=f"the token is that of @{bot.username}")
        if url := (await bot.get_webhook_info()).url:
            text = f"messages of the bot go to {url.partition('?')[0]}, not to this service"
            yield ChannelFound(where="Telegram", text=text, ok=False, fix="./moondev init telegram takes them back")
        for place in dict.fromkeys((*config.alert_chats, *config.allowed_chats)):
            chat, _, topic = str(place).partition(":")
            yield await _chat(bot, f"Telegram chat {place}", int(chat), int(topic or 0))
        for person in persons:
            if (account := int(person["telegram_user_id"])) and config.private_chats:
                yield await _chat(bot, f"Telegram, {person['id']} alone", account, 0)
    except InvalidToken:
        yield ChannelFound(where="Telegram", text="Telegram does not know the token", ok=False, fix=again)
    except TelegramError as error:
        yield _unreachable("Telegram", f"cannot be reached ({scrub(error.message or type(error).__name__, token)})")
    finally:
        await bot.shutdown()


async def _chat(bot: telegram.Bot, where: str, chat: int, topic: int) -> ChannelFound:
    """Whether the bot may write in a chat."""
    thread = topic if topic > 1 else None
    try:
        await bot.send_chat_action(chat, ChatAction.TYPING, message_thread_id=thread)
    except ChatMigrated as error:
        text = f"the group has a new number, {error.new_chat_id}"
        return ChannelFound(where=where, text=text, ok=False, fix="write that into the settings, telegram.alert_chats")
    except (BadRequest, Forbidden) as error:
        fix = "press Start in the chat with the bot" if chat > 0 else "add the bot again, or ./moondev init telegram"
        text = f"the bot may not write there ({error.message})"
        return ChannelFound(where=where, text=text, ok=False, severe=chat < 0, fix=fix)
    return ChannelFound(where=where, text="takes messages")


async def _discord(config: BotConfig, secrets: Secrets) -> AsyncIterator[ChannelFound]:
    section = config.discord
    token = secrets.get(section.token_secret)
    remote = section.allow_remote_base_url
    Route.BASE = check_url("discord.api_url", section.api_url, DISCORD_API_URL, allow_remote=remote)
    client = discord.Client(intents=discord.Intents.none())
    try:
        await client.login(token)
        yield ChannelFound(where="Discord", text=f"the token is that of {client.user}")
        yield await _guild(client, section.guild_id)
        for channel in dict.fromkeys((*section.alert_channels, *section.allowed_channels)):
            yield await _channel(client, channel)
    except discord.LoginFailure:
        fix = "./moondev init discord takes a new one"
        yield ChannelFound(where="Discord", text="Discord does not know the token", ok=False, fix=fix)
    except ERRORS as error:
        yield _unreachable("Discord", f"cannot be reached ({scrub(str(error), token)})")
    finally:
        await client.close()


async def _guild(client: discord.Client, guild: int) -> ChannelFound:
    """Whether the bot may have slash commands in its server."""
    try:
        await client.http.get_guild_commands(client.application_id or 0, guild)
    except (discord.Forbidden, discord.NotFound) as error:
        text = f"the bot may not have commands in server {guild} ({error.text})"
        return ChannelFound(
            where="Discord", text=text, ok=False, fix="./moondev init discord shows the link that invites it"
        )
    return ChannelFound(where="Discord", text=f"commands in server {guild}")


async def _channel(client: discord.Client, channel: int) -> ChannelFound:
    """Whether the bot may write in a channel."""
    where = f"Discord channel {channel}"
    try:
        await client.http.send_typing(channel)
    except (discord.Forbidden, discord.NotFound) as error:
        fix = "give the bot's role View Channel, Send Messages, Embed Links and Attach Files there"
        return ChannelFound(where=where, text=f"the bot may not write there ({error.text})", ok=False, fix=fix)
    return ChannelFound(where=where, text="takes messages")


async def _speakers(config: BotConfig, secrets: Secrets) -> AsyncIterator[ChannelFound]:
    """Mail and text messages to everybody who is reached by them, by the probe that each of the two has."""
    for contact in config.contacts:
        if config.email.enabled and contact.email:
            password = secrets.get(config.email.password_secret) if config.email.user else ""
            yield await _probed("email", EmailCarrier(config.email, password), contact.person, contact.email)
        if config.sms.enabled and contact.sms:
            carrier = SmsCarrier.open(config.sms, secrets.get(config.sms.token_secret))
            yield await _probed("sms", carrier, contact.person, contact.sms)


async def _probed(kind: str, speaker: Speaker, person: str, address: str) -> ChannelFound:
    where = f"{kind} to {person}"
    try:
        await speaker.probe(f"{kind}:{address}")
    except (NotSent, OutcomeUnknown, RetryAfter) as error:
        return _unreachable(where, str(error))
    except (ChannelRefused, RefusedForGood) as error:
        return ChannelFound(where=where, text=str(error), ok=False, fix=f"./moondev init {kind} sets it up again")
    finally:
        await speaker.aclose()
    return ChannelFound(where=where, text="would take messages")


def _unreachable(where: str, text: str) -> ChannelFound:
    return ChannelFound(where=where, text=text, ok=False, severe=False, fix="check network and proxy")
