"""`Access`: links, sessions, tokens and tickets for the event loop. It never blocks: the database has its own thread.

What was found is believed for a second, so whatever is ended or changed, here or by another process, ends within two.
A lock-down is one moment in the database: whatever was made before it counts no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Engine

from domain.access import AccessRefused
from domain.commands import Actor
from domain.security import AccessKind
from domain.settings import MINUTE_NS, SECOND_NS
from gateway.access import lockout, sessions, tokens
from gateway.access.caller import Identity, Kind
from gateway.access.secret import digest, is_token, new_secret
from gateway.access.stored import Stored

HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
MOST_TICKETS: Final = 50
"""Of one session or token, that wait."""


class AccessRules(Struct, frozen=True, kw_only=True):
    """How long ways in stay open."""

    link_ns: int = 10 * MINUTE_NS
    ticket_ns: int = 30 * SECOND_NS
    session_ns: int = 12 * HOUR_NS
    """A session ends then, however much it is used."""
    idle_ns: int = 2 * HOUR_NS
    """A session that nobody uses ends then; a page that shows the live feed is in use."""
    token_ns: int = 366 * DAY_NS
    """No token lives longer."""
    step_up_ns: int = 10 * MINUTE_NS
    """So long a one-time code opens an admin's verbs to its session."""


class Denied(Struct, frozen=True, kw_only=True):
    """Why a cookie, token or ticket lets nobody in. `wait_s`: not before so many seconds."""

    text: str
    wait_s: int = 0


class MustWait(AccessRefused):
    """Too much failed: `wait_s` seconds first."""

    def __init__(self, wait_ns: int) -> None:
        self.wait_s = -(-wait_ns // SECOND_NS)
        super().__init__(f"Too many failures from this address: wait {self.wait_s} s")


class Access(Stored):
    """One for each process that opens the access database."""

    def __init__(
        self, opened: Callable[[], Engine], rules: AccessRules | None = None, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """`opened` opens the database, when it is first needed and until it succeeds."""
        super().__init__(opened, now_ns)
        self.rules = rules or AccessRules()

    async def new_link(self, person: str) -> str:
        """Make a login link for a person; returns its path, `/login/...`, which is a secret until it is used."""
        return await self.write(lambda connection: self.link_in(connection, person))

    def link_in(self, connection: Connection, person: str) -> str:
        """Make a login link in a transaction."""
        secret = new_secret()
        made_ns = self.made_ns(connection)
        sessions.add_link(connection, digest(secret), person, made_ns, made_ns + self.rules.link_ns)
        return f"/login/{secret}"

    async def redeem(self, secret: str, ip: str = "", agent: str = "") -> tuple[str, Identity]:
        """Spend a link: the cookie's secret, and the session. Raises `AccessRefused`, `MustWait`."""
        cookie = new_secret()

        def spend(connection: Connection) -> Identity | AccessRefused:
            made_ns = self.made_ns(connection)
            person = sessions.spend_link(connection, digest(secret), self.now_ns(), self._lock_down_ns)
            if not person:
                return self._failed(connection, lockout.key_of("login", ip), ip)
            end_ns = made_ns + self.rules.session_ns
            sessions.open_session(
                connection, digest(cookie), person, now_ns=made_ns, expires_ns=end_ns, ip=ip, agent=agent
            )
            self.note(connection, AccessKind.LOGIN, "a browser logged in", person=person, by=person, ip=ip)
            return Identity(person=person, kind=Kind.SESSION, key=digest(cookie), expires_ns=end_ns)

        found = await self.write(spend)
        if isinstance(found, AccessRefused):
            raise found
        return cookie, found

    def _failed(self, connection: Connection, key: str, ip: str) -> AccessRefused:
        now_ns = self.now_ns()
        if (left_ns := lockout.wait_ns(connection, key, now_ns)) > 0:
            return MustWait(left_ns)
        self.count(connection, key, AccessKind.LOGIN_FAILED, "a login link that is none, or is spent", ip=ip)
        return AccessRefused("This login link was already used or has expired. Ask for a new one.")

    def count(
        self, connection: Connection, key: str, kind: AccessKind, text: str, *, person: str = "", ip: str = ""
    ) -> None:
        """Count a failure, note the first few, and each wait."""
        count, wait = lockout.fail(connection, key, self.now_ns())
        if count <= lockout.FREE:
            self.note(connection, kind, text, person=person, ip=ip)
        if wait:
            said = f"{count} failures in a row ({key.partition('|')[0]}); {wait // SECOND_NS} s wait"
            self.note(connection, AccessKind.LOCKED, said, person=person, ip=ip)

    async def session(self, cookie: str) -> Identity | None:
        """The session of a cookie's secret; None when there is none that is good now."""
        return await self._session(digest(cookie))

    async def _session(self, hashed: str) -> Identity | None:
        if (known := self.still(hashed)) is not None:
            return known
        now_ns = self.now_ns()
        found, is_due = await self.read(
            lambda connection: (self.session_in(connection, hashed), sessions.needs_seen(connection, hashed, now_ns))
        )
        if found is not None and is_due:
            await self.note_use(lambda connection: sessions.seen(connection, hashed, now_ns))
        return self.believe(hashed, found)

    def session_in(self, connection: Connection, hashed: str) -> Identity | None:
        """The session with this hash."""
        return sessions.find(
            connection,
            hashed,
            now_ns=self.now_ns(),
            idle_ns=self.rules.idle_ns,
            lock_down_ns=self.locked_ns(connection),
        )

    async def token(self, secret: str, ip: str) -> Identity | Denied:
        """The token that a program showed, if it may be used now and from this address."""
        hashed = digest(secret)
        if (known := self.still(hashed)) is not None and is_within(ip, known.networks):
            return known
        found = await self.read(lambda connection: self._token_in(connection, secret, ip))
        if isinstance(found, Denied):
            return await self.write(lambda connection: self._token_denied(connection, hashed, ip, found))
        known, is_due = found
        if is_due:
            await self.note_use(lambda connection: tokens.used(connection, known.key, ip, self.now_ns()))
        self.believe(hashed, known)
        return known

    def _token_in(self, connection: Connection, secret: str, ip: str) -> tuple[Identity, bool] | Denied:
        row = tokens.by_hash(connection, digest(secret)) if is_token(secret) else None
        if row is None:
            return Denied(text="This token is not known here")
        known, now_ns = tokens.identity(row), self.now_ns()
        state = tokens.state(row, now_ns, self.locked_ns(connection))
        if state != "active":
            ask = ": an admin resumes it with /tokens resume" if state == "suspended" else ""
            return Denied(text=f"The token {known.key} is {state}{ask}")
        if not is_within(ip, known.networks):
            return Denied(text=f"The token {known.key} may not be used from this address")
        return known, not tokens.was_noted(row, ip, now_ns)

    def _token_denied(self, connection: Connection, hashed: str, ip: str, denied: Denied) -> Denied:
        row = tokens.by_hash(connection, hashed)
        key = lockout.key_of("token", ip, f"{tokens.ID}{row.id}" if row is not None else "")
        if (left_ns := lockout.wait_ns(connection, key, self.now_ns())) > 0:
            return Denied(text=denied.text, wait_s=-(-left_ns // SECOND_NS))
        person, name = (row.person, row.name) if row is not None else ("", "")
        said = f"{denied.text} ({name})" if name else denied.text
        self.count(connection, key, AccessKind.REFUSED, said, person=person, ip=ip)
        return denied

    async def alive(self, known: Identity) -> bool:
        """Whether a session or token is still good: who holds a connection open is asked every other second."""
        if self.still(known.key) is not None:
            return True
        if known.kind is Kind.SESSION:
            return await self._session(known.key) is not None
        return (
            self.believe(known.key, await self.read(lambda connection: self._by_id(connection, known.key))) is not None
        )

    def _by_id(self, connection: Connection, key: str) -> Identity | None:
        row = tokens.by_id(connection, key)
        is_active = tokens.state(row, self.now_ns(), self.locked_ns(connection)) == "active"
        return tokens.identity(row) if is_active else None

    async def end(self, known: Identity, ip: str = "") -> None:
        """Log a browser out."""

        def leave(connection: Connection) -> None:
            if person := sessions.end(connection, known.key):
                self.note(connection, AccessKind.LOGGED_OUT, "a browser logged out", person=person, by=person, ip=ip)

        await self.write(leave)
        self.forget()

    async def ticket(self, known: Identity, ip: str) -> str:
        """A ticket that opens one WebSocket, for half a minute, from the same address."""
        secret = new_secret()

        def add(connection: Connection) -> None:
            if sessions.count_tickets(connection, known.key) >= MOST_TICKETS:
                raise AccessRefused(f"{MOST_TICKETS} tickets wait to be used: use one, or wait half a minute")
            until_ns = self.now_ns() + self.rules.ticket_ns
            sessions.add_ticket(connection, digest(secret), known, ip=ip, now_ns=self.now_ns(), expires_ns=until_ns)

        await self.write(add)
        return secret

    async def spend_ticket(self, secret: str, ip: str) -> Identity | None:
        """Whose ticket this was; None when it is none, is spent or over, or its session or token has ended since."""

        def spend(connection: Connection) -> Identity | None:
            found = sessions.spend_ticket(connection, digest(secret), ip, self.now_ns())
            if found is None:
                return None
            kind, key = found
            return self.session_in(connection, key) if kind is Kind.SESSION else self._by_id(connection, key)

        return await self.write(spend)


def is_within(ip: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of these networks; none = everywhere."""
    if not networks:
        return True
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    return any(address in ip_network(network) for network in networks)


def who(by: Actor) -> str:
    """Who did it, and at which door."""
    return f"{by.person} ({by.door.value})"
