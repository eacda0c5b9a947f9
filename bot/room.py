"""`ControlRoom`: what the verbs work with. The desk trades; the rest belongs to the people in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import contacts
from bot.config import BotConfig
from bot.outbox import Outbox
from bot.people import People
from bot.store import OpsStore

if TYPE_CHECKING:
    from engine.desk import Desk


NO_CHANNELS = BotConfig()


class ControlRoom:
    """One for all doors: Telegram, Discord, dashboard and terminal."""

    def __init__(self, desk: Desk, store: OpsStore, config: BotConfig = NO_CHANNELS) -> None:
        self.desk = desk
        self.store = store
        self.config = config
        self.outbox = Outbox(store)
        self.people = People(store)

    def contacts(self, person: str, *kinds: str) -> list[str]:
        """Where a person can be written to alone, best first; `kinds` are channels, none = the chats."""
        return contacts.contacts(self.desk, self.config, person, kinds or contacts.CHATS)

    @property
    def alert_chats(self) -> tuple[str, ...]:
        """The common chats that alerts go to."""
        return contacts.alert_chats(self.config)

    @property
    def alert_programs(self) -> tuple[str, ...]:
        """The webhooks, and what apprise reaches."""
        return contacts.alert_programs(self.config)
