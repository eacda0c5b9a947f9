"""One-time codes that sessions give: what opens an admin's verbs in a browser for some minutes.

Three wrong ones in a row end the session, fewer than lock its person's votes: who holds a stolen cookie shall not lock
a person out of the chats by guessing.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, select

from domain.commands import Actor, Door
from domain.security import AccessKind
from gateway.access import lockout
from gateway.access.access import Access, MustWait
from gateway.access.caller import Identity, Kind
from gateway.access.database import sessions

MISSES: Final = 3
SESSION: Final = f"{Kind.SESSION.value}:"


class Proof:
    """What sessions have proved. Where no session asks, the chat itself has."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def before(self, by: Actor) -> None:
        """Raises `MustWait` while no code of this person is looked at from this address."""

        def left(connection: Connection) -> int:
            row = _session(connection, by)
            return lockout.wait_ns(connection, _key(row), self._access.now_ns()) if row is not None else 0

        left_ns = await self._access.read(left)
        if left_ns > 0:
            raise MustWait(left_ns)

    async def after(self, by: Actor, *, is_right: bool) -> bool:
        """A code was given; False when the session has ended for it."""

        def note(connection: Connection) -> bool:
            row = _session(connection, by)
            if row is None:
                return by.door is not Door.DASHBOARD
            return self._right(connection, row) if is_right else self._wrong(connection, row)

        is_left = await self._access.write(note)
        self._access.forget()
        return is_left

    async def has(self, by: Actor) -> bool:
        """Whether the session gave a right code lately."""
        row = await self._access.read(lambda connection: _session(connection, by))
        return row is not None and self._is_fresh(row.proved_ns)

    def is_proved(self, known: Identity) -> bool:
        """The same, of an identity that was just found."""
        return self._is_fresh(known.proved_ns)

    def _is_fresh(self, proved_ns: int) -> bool:
        return bool(proved_ns) and 0 <= self._access.now_ns() - proved_ns < self._access.rules.step_up_ns

    def _right(self, connection: Connection, row: Row[Any]) -> bool:
        connection.execute(sessions.update().where(sessions.c.hash == row.hash).values(proved_ns=self._access.now_ns()))
        for key in (_key(row), _key_here(row)):
            lockout.forgive(connection, key)
        text = "a code was given in a browser"
        self._access.note(connection, AccessKind.STEPPED_UP, text, person=row.person, by=row.person, ip=row.ip)
        return True

    def _wrong(self, connection: Connection, row: Row[Any]) -> bool:
        access = self._access
        text = "a wrong code in a browser"
        access.count(connection, _key(row), AccessKind.REFUSED, text, person=row.person, ip=row.ip)
        count, _ = lockout.fail(connection, _key_here(row), access.now_ns())
        if count < MISSES:
            return True
        connection.execute(sessions.delete().where(sessions.c.hash == row.hash))
        access.note(
            connection, AccessKind.LOGGED_OUT, f"{count} wrong codes ended a session", person=row.person, ip=row.ip
        )
        return False


def _session(connection: Connection, by: Actor) -> Row[Any] | None:
    if by.door is not Door.DASHBOARD or not by.chat.startswith(SESSION):
        return None
    begins = sessions.c.hash.startswith(by.chat.removeprefix(SESSION), autoescape=True)
    return connection.execute(select(sessions).where(begins)).first()


def _key(row: Row[Any]) -> str:
    return lockout.key_of("code", row.ip, row.person)


def _key_here(row: Row[Any]) -> str:
    return lockout.key_of("code of a session", "", row.hash)
