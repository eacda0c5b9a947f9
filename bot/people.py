"""What each person has chosen for themselves: in which zone times are shown, what is sent and when.

Kept in the operational database: nothing of it decides about trading.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import structlog
from msgspec import Struct, structs

from bot.store import OpsStore

log = structlog.get_logger("bot.people")


class Preferences(Struct, frozen=True, kw_only=True):
    """One person's choices; a field that is new has its default for everybody."""

    timezone: str = "UTC"
    quiet: str = ""
    """Hours of their own clock in which only critical alerts reach them alone, 22:00-07:00; "" = none."""


class People:
    """Everybody's preferences: read from memory, written through to the database."""

    def __init__(self, store: OpsStore) -> None:
        self._store = store
        self._chosen: dict[str, Preferences] = {}

    async def start(self) -> None:
        """Read what is stored. Raises `sqlite3.Error`."""
        self._chosen = await self._store.preferences(Preferences)

    def of(self, person: str) -> Preferences:
        """What a person has chosen."""
        return self._chosen.get(person, Preferences())

    async def change(self, person: str, **changes: Any) -> bool:  # noqa: ANN401 - any field of `Preferences`
        """Change some of a person's choices; False when they hold only until the next start: the disk refused them."""
        chosen = self._chosen[person] = structs.replace(self.of(person), **changes)
        try:
            await self._store.set_preferences(person, chosen)
        except sqlite3.Error as error:
            log.error("preferences not stored", error=type(error).__name__)  # noqa: TRY400
            return False
        return True
