"""Tokens of programs, in the access database: made, found by their hash, listed, ended."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from domain.access import AccessRefused, NewToken, Scope, TokenView
from gateway.access.caller import Identity, Kind
from gateway.access.database import tokens

ID: Final = "T"
NEVER_USED_AGAIN_NS: Final = 60_000_000_000
"""The last use is written down once a minute at most."""


def create(connection: Connection, wanted: NewToken, hashed: str, by: str, now_ns: int) -> TokenView:
    """Keep a token by its hash. Raises `AccessRefused` where the person has one of that name that is not over."""
    same = select(tokens).where(
        tokens.c.person == wanted.person,
        tokens.c.name == wanted.name,
        tokens.c.revoked_ns == 0,
        tokens.c.expires_ns > now_ns,
    )
    if (found := connection.execute(same).first()) is not None:
        raise AccessRefused(f"{wanted.person} has a token {wanted.name} already ({ID}{found.id}): revoke it first")
    made = connection.execute(
        tokens.insert()
        .values(
            hash=hashed,
            name=wanted.name,
            person=wanted.person,
            scopes=",".join(scope.value for scope in Scope if scope in wanted.scopes),
            networks=",".join(wanted.networks),
            created_ns=now_ns,
            created_by=by,
            expires_ns=now_ns + wanted.life_ns,
        )
        .returning(tokens)
    ).one()
    return view(made, now_ns, 0)


def by_hash(connection: Connection, hashed: str) -> Row[Any] | None:
    """The token with this hash, whatever its state."""
    return connection.execute(select(tokens).where(tokens.c.hash == hashed)).first()


def by_id(connection: Connection, token: str) -> Row[Any]:
    """The token with this id, `T12`. Raises `AccessRefused`."""
    number = token.upper().removeprefix(ID)
    found = None
    if number.isascii() and number.isdecimal() and len(number) <= 9:
        found = connection.execute(select(tokens).where(tokens.c.id == int(number))).first()
    if found is None:
        raise AccessRefused(f"there is no token {token[:20]!r}: /tokens lists them")
    return found


def listed(connection: Connection, person: str, now_ns: int, lock_down_ns: int) -> list[TokenView]:
    """Tokens, newest first: of a person, or all."""
    asked = select(tokens).order_by(tokens.c.id.desc())
    if person:
        asked = asked.where(tokens.c.person == person)
    return [view(row, now_ns, lock_down_ns) for row in connection.execute(asked)]


def revoke(connection: Connection, token: str, now_ns: int) -> Row[Any]:
    """End a token for good. Raises `AccessRefused`."""
    found = by_id(connection, token)
    if found.revoked_ns:
        raise AccessRefused(f"{ID}{found.id} {found.name} was revoked before")
    connection.execute(update(tokens).where(tokens.c.id == found.id).values(revoked_ns=now_ns))
    return by_id(connection, token)


def resume(connection: Connection, token: str, now_ns: int, lock_down_ns: int) -> Row[Any]:
    """Let a suspended token be used again. Raises `AccessRefused`."""
    found = by_id(connection, token)
    now_is = state(found, now_ns, lock_down_ns)
    if now_is != "suspended":
        raise AccessRefused(f"{ID}{found.id} {found.name} is {now_is}, not suspended")
    connection.execute(update(tokens).where(tokens.c.id == found.id).values(resumed_ns=now_ns))
    return by_id(connection, token)


def revoke_all_but(connection: Connection, persons: list[str], now_ns: int) -> list[Row[Any]]:
    """End the tokens of everybody who is not among these; which they were."""
    gone = update(tokens).where(tokens.c.revoked_ns == 0, tokens.c.person.not_in(persons))
    return list(connection.execute(gone.values(revoked_ns=now_ns).returning(tokens)))


def used(connection: Connection, token: str, ip: str, now_ns: int) -> None:
    """Write the use down."""
    number = int(token.removeprefix(ID))
    connection.execute(update(tokens).where(tokens.c.id == number).values(last_used_ns=now_ns, last_ip=ip))


def was_noted(row: Row[Any], ip: str, now_ns: int) -> bool:
    """Whether this use need not be written down."""
    return bool(row.last_ip == ip and now_ns - row.last_used_ns < NEVER_USED_AGAIN_NS)


def state(row: Row[Any], now_ns: int, lock_down_ns: int) -> str:
    """active, revoked, expired or suspended."""
    if row.revoked_ns:
        return "revoked"
    if row.expires_ns <= now_ns:
        return "expired"
    return "suspended" if lock_down_ns >= max(row.created_ns, row.resumed_ns) else "active"


def identity(row: Row[Any]) -> Identity:
    """What it is good for while it is active."""
    return Identity(
        person=row.person,
        kind=Kind.TOKEN,
        key=f"{ID}{row.id}",
        expires_ns=row.expires_ns,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split(",")),
        networks=tuple(filter(None, row.networks.split(","))),
    )


def view(row: Row[Any], now_ns: int, lock_down_ns: int) -> TokenView:
    """As people see it."""
    known = identity(row)
    return TokenView(
        id=known.key,
        name=row.name,
        person=row.person,
        scopes=tuple(scope for scope in Scope if scope in known.scopes),
        networks=known.networks,
        created_ns=row.created_ns,
        created_by=row.created_by,
        expires_ns=row.expires_ns,
        last_used_ns=row.last_used_ns,
        last_ip=row.last_ip,
        state=state(row, now_ns, lock_down_ns),
    )
