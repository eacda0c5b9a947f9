"""First answers of keyed requests, for a day, in the access database: any gateway of an engine knows them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, select, update

from domain.answer import Answer
from domain.document import Text
from domain.settings import DAY_NS
from domain.verb_views import MessageView
from gateway.access.access import Access
from gateway.access.database import answers as table
from gateway.idempotency import Kept

KEPT_NS: Final = DAY_NS
MOST_OF_ONE: Final = 5_000
"""Keys of one caller; of more the oldest go: a program that has gone wild does not fill the disk."""
LONGEST: Final = 64 * 1024
"""Of an answer, bytes; of a longer one the text is kept."""
LOOK_EVERY: Final = 50


class StoredAnswers:
    """`gateway.idempotency.Answers` over the access database. All raise `AccessLost`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._begun = 0

    async def begin(self, caller: str, key: str, fingerprint: str) -> Kept:
        """Write a key down, or find it as it was written first."""
        now_ns = self._access.now_ns()
        self._begun += 1
        is_time = self._begun % LOOK_EVERY == 0

        def work(connection: Connection) -> Kept:
            connection.execute(delete(table).where(table.c.created_ns < now_ns - KEPT_NS))
            is_this = (table.c.caller == caller) & (table.c.key == key)
            row = connection.execute(select(table.c.fingerprint, table.c.answer).where(is_this)).first()
            if row is None:
                values = {"caller": caller, "key": key, "fingerprint": fingerprint, "created_ns": now_ns}
                connection.execute(table.insert().values(**values))
                if is_time:
                    _forget_oldest(connection, caller)
                return Kept(fingerprint=fingerprint)
            answer = msgspec.msgpack.decode(row.answer, type=Answer) if row.answer is not None else None
            return Kept(fingerprint=row.fingerprint, answer=answer)

        return await self._access.write(work)

    async def finish(self, caller: str, key: str, answer: Answer) -> None:
        """Keep the answer."""
        raw = msgspec.msgpack.encode(answer)
        if len(raw) > LONGEST:
            view = MessageView(title="", severity="info", ok=answer.ok, stamp="", blocks=(Text(answer.text),))
            raw = msgspec.msgpack.encode(replace(answer, message=msgspec.json.encode(view)))

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


def _forget_oldest(connection: Connection, caller: str) -> None:
    newest = select(table.c.created_ns).where(table.c.caller == caller).order_by(table.c.created_ns.desc())
    oldest_ns = connection.execute(newest.offset(MOST_OF_ONE - 1).limit(1)).scalar()
    if oldest_ns is not None:
        connection.execute(delete(table).where(table.c.caller == caller, table.c.created_ns < oldest_ns))
