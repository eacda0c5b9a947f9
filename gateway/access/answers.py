"""First answers of keyed requests, for a day, in the access database: any gateway of an engine knows them."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, delete, select, update

from domain.answer import Answer
from domain.settings import DAY_NS
from gateway.access.access import Access
from gateway.access.database import answers as table
from gateway.idempotency import Kept

KEPT_NS: Final = DAY_NS


class StoredAnswers:
    """`gateway.idempotency.Answers` over the access database. All raise `AccessLost`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def begin(self, caller: str, key: str, fingerprint: str) -> Kept:
        """Write a key down, or find it as it was written first."""
        now_ns = self._access.now_ns()

        def work(connection: Connection) -> Kept:
            connection.execute(delete(table).where(table.c.created_ns < now_ns - KEPT_NS))
            is_this = (table.c.caller == caller) & (table.c.key == key)
            row = connection.execute(select(table.c.fingerprint, table.c.answer).where(is_this)).first()
            if row is None:
                values = {"caller": caller, "key": key, "fingerprint": fingerprint, "created_ns": now_ns}
                connection.execute(table.insert().values(**values))
                return Kept(fingerprint=fingerprint)
            answer = msgspec.msgpack.decode(row.answer, type=Answer) if row.answer is not None else None
            return Kept(fingerprint=row.fingerprint, answer=answer)

        return await self._access.write(work)

    async def finish(self, caller: str, key: str, answer: Answer) -> None:
        """Keep the answer."""
        raw = msgspec.msgpack.encode(answer)

        def work(connection: Connection) -> None:
            is_this = (table.c.caller == caller) & (table.c.key == key)
            connection.execute(update(table).where(is_this).values(answer=raw))

        await self._access.write(work)

    async def forget(self, caller: str, key: str) -> None:
        """Nothing was done under this key."""

        def work(connection: Connection) -> None:
            is_this = (table.c.caller == caller) & (table.c.key == key) & table.c.answer.is_(None)
            connection.execute(delete(table).where(is_this))

        await self._access.write(work)
