"""Who wants to see what as it happens, in the operational database."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

import msgspec
import structlog
from msgspec import Struct

from bot.message import age_text
from bot.store import OpsStore

log = structlog.get_logger("bot.streams")

FILLS = "fills"
PNL = "pnl"
Key: TypeAlias = tuple[str, str, str]
"""Person, stream and strategy: a person has each only once."""


class Subscription(Struct, frozen=True, kw_only=True):
    """What one person wants to see: fills or pnl, of one strategy or of everything (""), the latter every `every_s`.

    `door` is the kind of contact that it goes to ("" = the best one).
    """

    person: str
    stream: str
    strategy: str = ""
    every_s: int = 0
    door: str = ""
    since_ns: int = 0

    @property
    def key(self) -> Key:
        """What makes it one and the same."""
        return (self.person, self.stream, self.strategy)

    @property
    def words(self) -> str:
        """As a person says it: `fills`, `trades of turtle`, `pnl every 5 min`."""
        what = "trades" if self.stream == FILLS and self.strategy else self.stream
        of = f" of {self.strategy}" if self.strategy else ""
        return f"{what}{of}{f' every {age_text(self.every_s)}' if self.every_s else ''}"


class Subscriptions:
    """All of them: read from memory, written through to the database. `changed` counts the changes."""

    def __init__(self, store: OpsStore) -> None:
        self._store = store
        self._all: dict[Key, Subscription] = {}
        self.changed = 0

    async def start(self) -> None:
        """Read what is stored. Raises `sqlite3.Error`."""

        def work() -> list[bytes]:
            return [body for (body,) in self._store.db.execute("select body from subscriptions order by rowid")]

        for body in await self._store.run(work):
            try:
                one = msgspec.json.decode(body, type=Subscription)
            except msgspec.DecodeError as error:
                log.error("subscription cannot be read", error=str(error))  # noqa: TRY400
            else:
                self._all[one.key] = one

    def all(self) -> list[Subscription]:
        """Everybody's."""
        return list(self._all.values())

    def of(self, person: str) -> list[Subscription]:
        """One person's."""
        return [one for one in self._all.values() if one.person == person]

    async def put(self, one: Subscription) -> bool:
        """Add or change one; False when it holds only until the next start: the disk refused it."""
        self._all[one.key] = one
        values = ("\n".join(one.key), msgspec.json.encode(one))
        return await self._write("insert or replace into subscriptions values (?, ?)", values)

    async def drop(self, one: Subscription) -> bool:
        """Forget one; False when the disk refused it."""
        self._all.pop(one.key, None)
        return await self._write("delete from subscriptions where key = ?", ("\n".join(one.key),))

    async def _write(self, sql: str, values: tuple[object, ...]) -> bool:
        self.changed += 1

        def work() -> None:
            with self._store.db as db:
                db.execute(sql, values)

        try:
            await self._store.run(work)
        except sqlite3.Error as error:
            log.error("subscription not stored", error=type(error).__name__)  # noqa: TRY400
            return False
        return True
