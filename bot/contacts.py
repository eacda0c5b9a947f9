"""Where people are reached: a person alone, best first, and everybody together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.config import BotConfig

if TYPE_CHECKING:
    from engine.desk import Desk

CHATS = ("telegram", "discord")


def contacts(desk: Desk, config: BotConfig, person_id: str, kinds: tuple[str, ...] = CHATS) -> list[str]:
    """Where a person can be written to alone, best first, by the channels that are switched on."""
    person, telegram = desk.person(person_id), config.telegram
    if person is None:
        return []
    entry = next((one for one in config.contacts if one.person == person_id), None)
    found = {
        "telegram": f"telegram:{person.telegram_user_id}"
        if person.telegram_user_id and telegram.enabled and telegram.private_chats
        else "",
        "discord": f"discord:@{person.discord_user_id}" if person.discord_user_id and config.discord.enabled else "",
        "email": f"email:{entry.email}" if entry and entry.email and config.email.enabled else "",
        "sms": f"sms:{entry.sms}" if entry and entry.sms and config.sms.enabled else "",
    }
    return [recipient for kind, recipient in found.items() if recipient and kind in kinds]


def alert_chats(config: BotConfig) -> tuple[str, ...]:
    """The common chats that alerts go to."""
    telegram = [f"telegram:{chat}" for chat in config.telegram.alert_chats] if config.telegram.enabled else []
    discord = [f"discord:{channel}" for channel in config.discord.alert_channels] if config.discord.enabled else []
    return (*telegram, *discord)


def alert_programs(config: BotConfig) -> tuple[str, ...]:
    """The webhooks, and what apprise reaches."""
    return (*(f"hook:{hook.name}" for hook in config.hooks), *(f"apprise:{one.name}" for one in config.apprise))
