"""The housekeeping of access, in the engine's process: carries what was noted into the journal, and clears up.

Whatever process noted it, and however many gateways there are, it reaches the one journal: from a cursor in the
database, at least once (a crash between the two writes tells the last lines again).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

import structlog
from sqlalchemy import Connection, Row, delete, select

from domain.access import AccessLost
from domain.breakers import BreachSource
from domain.loopback import is_loopback
from domain.security import AccessKind, AccessNoted, SecurityBreach
from domain.settings import MINUTE_NS
from domain.views import PersonView
from gateway.access import lockout, sessions, tokens
from gateway.access.access import DAY_NS, Access
from gateway.access.database import get_value, links, noted, set_value, tickets
from gateway.access.database import sessions as sessions_table

EVERY_S: Final = 1.0
TIDY_EVERY_NS: Final = 10 * MINUTE_NS
KEPT_NS: Final = 400 * DAY_NS
MOST_AT_ONCE: Final = 200
CURSOR: Final = "journaled"

Report: TypeAlias = Callable[[SecurityBreach | AccessNoted], None]
log = structlog.get_logger("gateway.access")


class Housekeeping:
    """One per engine. `report` journals; `persons` are those who may be here."""

    def __init__(self, access: Access, report: Report, persons: Callable[[], Sequence[PersonView]]) -> None:
        self._access = access
        self._report = report
        self._persons = persons
        self._known: frozenset[str] = frozenset()
        self._tidied_ns = 0

    async def run(self) -> None:
        """Go on until cancelled; while the database does not answer, what is noted waits there."""
        while True:
            try:
                await self.look()
            except AccessLost:
                log.warning("what happened at the gateway is journaled when its database answers again")
            except Exception:  # the engine's task group must not end by it
                log.exception("the housekeeping of access failed, and goes on")
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Once: journal what is new, end what people who are gone had, clear up what is over."""
        access = self._access
        access.write_lock_down_later()
        for row in await access.read(_new):
            self._report(event_of(row))
            await access.write(partial(set_value, name=CURSOR, value=row.id))
        now = frozenset(view.id for view in self._persons())
        if now and now != self._known:
            await access.write(lambda connection: self._part_with(connection, sorted(now)))
            access.forget()
            self._known = now
        if access.now_ns() - self._tidied_ns >= TIDY_EVERY_NS:
            await access.write(self._tidy)
            self._tidied_ns = access.now_ns()

    def _part_with(self, connection: Connection, persons: list[str]) -> None:
        """Who comes back under the same name begins anew: nothing of before opens anything."""
        sessions.end_all_but(connection, persons)
        for row in tokens.revoke_all_but(connection, persons, self._access.now_ns()):
            text = f"token {tokens.ID}{row.id} {row.name} was revoked: its person is gone"
            self._access.note(connection, AccessKind.REVOKED, text, person=row.person, by="the service")

    def _tidy(self, connection: Connection) -> None:
        now_ns = self._access.now_ns()
        for table in (links, tickets, sessions_table):
            connection.execute(delete(table).where(table.c.expires_ns <= now_ns))
        lockout.forget_old(connection, now_ns)
        done = get_value(connection, CURSOR)
        connection.execute(delete(noted).where(noted.c.id <= done, noted.c.ts_ns < now_ns - KEPT_NS))


def _new(connection: Connection) -> list[Row[tuple[int, int, str, str, str, str, str]]]:
    asked = select(noted).where(noted.c.id > get_value(connection, CURSOR)).order_by(noted.c.id).limit(MOST_AT_ONCE)
    return list(connection.execute(asked))


def event_of(row: Row[tuple[int, int, str, str, str, str, str]]) -> SecurityBreach | AccessNoted:
    """A noted line as an event.

    A failed login on this machine counts as a breach of security; one from the network does not: else anybody who
    reaches the port could lock everybody down.
    """
    if row.kind == AccessKind.LOGIN_FAILED.value and is_loopback(row.ip):
        return SecurityBreach(source="dashboard", text=f"{row.text}, from {row.ip}", kind=BreachSource.LOGIN)
    return AccessNoted(
        kind=AccessKind(row.kind), person=row.person, by=row.by, ip=row.ip, text=row.text, noted_ns=row.ts_ns
    )
