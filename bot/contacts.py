"""Where people are reached: a person alone, best first, everybody together, and instead when one way fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.carrier import channel_of
from bot.config import BotConfig
from domain.settings import RoleName

if TYPE_CHECKING:
    from bot.outbox import Outbox
    from engine.desk import Desk

CHATS = ("telegram", "discord")
EVERY = (*CHATS, "email", "sms")
FREE = (*CHATS, "email")
URGENT = 1
"""The priority of errors: from there up a text message is worth its price."""
NAMES = {"telegram": "Telegram", "discord": "Discord", "email": "e-mail", "sms": "text message", "hook": "webhook"}


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
    """The common chats that alerts go to, each once: a forum's topic 1 is the chat itself."""
    places = [str(chat).removesuffix(":1") for chat in config.telegram.alert_chats]
    telegram = [f"telegram:{place}" for place in places] if config.telegram.enabled else []
    discord = [f"discord:{channel}" for channel in config.discord.alert_channels] if config.discord.enabled else []
    return tuple(dict.fromkeys((*telegram, *discord)))


def alert_programs(config: BotConfig) -> tuple[str, ...]:
    """The webhooks, and what apprise reaches."""
    return (*(f"hook:{hook.name}" for hook in config.hooks), *(f"apprise:{one.name}" for one in config.apprise))


class Directory:
    """Who a recipient is, and where else its readers are; asked when a letter cannot be delivered."""

    def __init__(self, desk: Desk, config: BotConfig, outbox: Outbox) -> None:
        self._desk = desk
        self._config = config
        self._outbox = outbox

    def elsewhere(self, recipient: str, priority: int) -> list[list[str]]:
        """Groups of others: of each group the first that takes it is enough. What works comes first."""
        kinds = EVERY if priority <= URGENT else FREE
        owner = self.owner(recipient)
        if owner:
            return [self._working_first(contacts(self._desk, self._config, owner, kinds), recipient)]
        chats = self._working_first(list(alert_chats(self._config)), recipient)
        if any(self._works(chat) for chat in chats):
            return [chats]
        alone = [contacts(self._desk, self._config, person, kinds) for person in self.traders()]
        return [found for own in alone if (found := self._working_first(own, recipient))] or [chats]

    def name(self, recipient: str) -> str:
        """A recipient in words, without anybody's address or number."""
        channel, _, rest = recipient.partition(":")
        owner = self.owner(recipient)
        words = NAMES.get(channel, channel)
        if owner:
            return f"{owner}'s {words if channel in {'email', 'sms'} else f'private {words} chat'}"
        if channel in CHATS:
            return f"the {words} {'chat' if channel == 'telegram' else 'channel'} {rest}"
        return f"the {words} {rest}" if channel in {"hook", "apprise"} else f"{words} to somebody unknown"

    def owner(self, recipient: str) -> str:
        """The person whose own contact it is; "" for common chats and programs."""
        for view in self._desk.persons():
            if recipient in contacts(self._desk, self._config, view.id, EVERY):
                return view.id
        return ""

    def traders(self) -> list[str]:
        """Persons who can do something about trouble."""
        known = [(view.id, self._desk.person(view.id)) for view in self._desk.persons()]
        return [name for name, person in known if person is not None and person.role >= RoleName.TRADER]

    def everybody(self) -> list[str]:
        """Every recipient that may be needed one day: chats, persons' contacts, programs."""
        persons = [one for view in self._desk.persons() for one in contacts(self._desk, self._config, view.id, EVERY)]
        return list(dict.fromkeys([*alert_chats(self._config), *persons, *alert_programs(self._config)]))

    def _working_first(self, recipients: list[str], without: str) -> list[str]:
        channel = channel_of(without) if self._outbox.reach.of(without).whole_channel else ""
        left = [one for one in recipients if one != without and channel_of(one) != channel]
        return sorted(left, key=lambda one: not self._works(one))

    def _works(self, recipient: str) -> bool:
        return self._outbox.is_connected(channel_of(recipient)) and not self._outbox.reach.of(recipient).failing_ns
