"""Sessions of browsers, the links that open them, and the tickets with which they open a WebSocket."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, func, select, update

from domain.access import SessionView
from gateway.access.caller import Identity, Kind
from gateway.access.database import links, sessions, tickets

SEEN_EVERY_NS: Final = 60_000_000_000
"""The last use is written down once a minute at most."""
SHOWN_ID: Final = 12
MOST_OF_A_PERSON: Final = 20
"""Sessions, and links that wait; the oldest make room."""
AGENT_LENGTH: Final = 200


def add_link(connection: Connection, hashed: str, person: str, now_ns: int, expires_ns: int) -> None:
    """Keep a link by its hash."""
    connection.execute(delete(links).where(links.c.expires_ns <= now_ns))
    kept = select(links.c.hash).where(links.c.person == person).order_by(links.c.created_ns.desc())
    connection.execute(
        delete(links).where(links.c.person == person, links.c.hash.not_in(kept.limit(MOST_OF_A_PERSON - 1)))
    )
    connection.execute(links.insert().values(hash=hashed, person=person, created_ns=now_ns, expires_ns=expires_ns))


def spend_link(connection: Connection, hashed: str, now_ns: int, lock_down_ns: int) -> str:
    """Whose link this was; "" when it is none, is spent or over. One statement: of two who try, one has it."""
    found = connection.execute(
        delete(links).where(links.c.hash == hashed).returning(links.c.person, links.c.created_ns, links.c.expires_ns)
    ).first()
    is_good = found is not None and found.expires_ns > now_ns and found.created_ns > lock_down_ns
    return str(found.person) if found is not None and is_good else ""


def open_session(
    connection: Connection, hashed: str, person: str, *, now_ns: int, expires_ns: int, ip: str, agent: str
) -> None:
    """Keep a session by the hash of its cookie; a person's oldest ones make room."""
    kept = select(sessions.c.hash).where(sessions.c.person == person).order_by(sessions.c.created_ns.desc())
    connection.execute(
        delete(sessions).where(sessions.c.person == person, sessions.c.hash.not_in(kept.limit(MOST_OF_A_PERSON - 1)))
    )
    connection.execute(
        sessions.insert().values(
            hash=hashed,
            person=person,
            created_ns=now_ns,
            seen_ns=now_ns,
            expires_ns=expires_ns,
            ip=ip,
            agent=agent[:AGENT_LENGTH],
        )
    )


def find(connection: Connection, hashed: str, *, now_ns: int, idle_ns: int, lock_down_ns: int) -> Identity | None:
    """The session of a cookie, if it is neither over, nor idle for too long, nor older than a lock-down."""
    row = connection.execute(select(sessions).where(sessions.c.hash == hashed)).first()
    if row is None or min(row.expires_ns, row.seen_ns + idle_ns) <= now_ns or row.created_ns <= lock_down_ns:
        return None
    return Identity(
        person=row.person,
        kind=Kind.SESSION,
        key=row.hash,
        expires_ns=min(row.expires_ns, max(row.seen_ns, now_ns - SEEN_EVERY_NS) + idle_ns),
        proved_ns=row.proved_ns,
    )


def seen(connection: Connection, hashed: str, now_ns: int) -> None:
    """It was used now."""
    connection.execute(update(sessions).where(sessions.c.hash == hashed).values(seen_ns=now_ns))


def needs_seen(connection: Connection, hashed: str, now_ns: int) -> bool:
    """Whether its use has to be written down."""
    last = connection.execute(select(sessions.c.seen_ns).where(sessions.c.hash == hashed)).scalar()
    return last is not None and now_ns - last >= SEEN_EVERY_NS


def proved(connection: Connection, hashed: str, now_ns: int) -> None:
    """Its person has given a one-time code now."""
    connection.execute(update(sessions).where(sessions.c.hash == hashed).values(proved_ns=now_ns))


def end(connection: Connection, hashed: str) -> str:
    """Log a browser out; whose it was."""
    found = connection.execute(delete(sessions).where(sessions.c.hash == hashed).returning(sessions.c.person)).scalar()
    return str(found or "")


def end_of(connection: Connection, person: str) -> int:
    """Log a person out everywhere; unused links go as well."""
    connection.execute(delete(links).where(links.c.person == person))
    return connection.execute(delete(sessions).where(sessions.c.person == person)).rowcount


def end_all_but(connection: Connection, persons: list[str]) -> None:
    """Log everybody out who is not among these."""
    connection.execute(delete(links).where(links.c.person.not_in(persons)))
    connection.execute(delete(sessions).where(sessions.c.person.not_in(persons)))


def listed(connection: Connection, person: str, *, now_ns: int, idle_ns: int, lock_down_ns: int) -> list[SessionView]:
    """Sessions that are alive, newest first: of a person, or all."""
    asked = (
        select(sessions)
        .where(
            sessions.c.expires_ns > now_ns,
            sessions.c.seen_ns > now_ns - idle_ns,
            sessions.c.created_ns > lock_down_ns,
        )
        .order_by(sessions.c.created_ns.desc())
    )
    if person:
        asked = asked.where(sessions.c.person == person)
    return [
        SessionView(
            id=row.hash[:SHOWN_ID],
            person=row.person,
            created_ns=row.created_ns,
            seen_ns=row.seen_ns,
            expires_ns=min(row.expires_ns, row.seen_ns + idle_ns),
            ip=row.ip,
            agent=row.agent,
        )
        for row in connection.execute(asked)
    ]


def add_ticket(connection: Connection, hashed: str, known: Identity, *, ip: str, now_ns: int, expires_ns: int) -> None:
    """Keep a ticket by its hash."""
    connection.execute(delete(tickets).where(tickets.c.expires_ns <= now_ns))
    connection.execute(
        tickets.insert().values(hash=hashed, kind=known.kind.value, key=known.key, ip=ip, expires_ns=expires_ns)
    )


def spend_ticket(connection: Connection, hashed: str, ip: str, now_ns: int) -> tuple[Kind, str] | None:
    """Which session or token a ticket is of; None when it is none, is spent, over, or comes from another address."""
    found = connection.execute(
        delete(tickets)
        .where(tickets.c.hash == hashed)
        .returning(tickets.c.kind, tickets.c.key, tickets.c.ip, tickets.c.expires_ns)
    ).first()
    if found is None or found.expires_ns <= now_ns or found.ip != ip:
        return None
    return Kind(found.kind), found.key


def count_tickets(connection: Connection, key: str) -> int:
    """Tickets of a session or token that wait."""
    return int(connection.execute(select(func.count()).where(tickets.c.key == key)).scalar() or 0)
