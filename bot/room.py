"""`ControlRoom`: what the verbs work with. The desk trades; the rest belongs to the people in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.outbox import Outbox
from bot.people import People
from bot.store import OpsStore

if TYPE_CHECKING:
    from engine.desk import Desk


class ControlRoom:
    """One for all doors: Telegram, Discord, dashboard and terminal."""

    def __init__(self, desk: Desk, store: OpsStore) -> None:
        self.desk = desk
        self.store = store
        self.outbox = Outbox(store)
        self.people = People(store)
