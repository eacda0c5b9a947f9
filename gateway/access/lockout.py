"""Who fails too often has to wait, longer each time; counted in the database, by credential and address together.

So nobody can lock a person out of the chats, or of another address, by failing in their name. A right token, link or
cookie is never made to wait: 256 bits are not guessed, and a lock that honest programs of the same address ran into
would be a weapon. What is made to wait is what is wrong, and one-time codes, which can be guessed.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from sqlalchemy import Connection, delete, select, update

from gateway.access.database import failures

SECOND_NS: Final = 1_000_000_000
FREE: Final = 5
"""Failures before the first wait."""
FIRST_WAIT_NS: Final = 30 * SECOND_NS
LONGEST_WAIT_NS: Final = 3_600 * SECOND_NS
FORGOTTEN_AFTER_NS: Final = 15 * 60 * SECOND_NS
"""Quiet time, after the last failure and its wait, after which counting begins anew."""


def key_of(what: str, ip: str, credential: str = "") -> str:
    """The name under which failures are counted. An IPv6 subscriber has a whole /64, so that counts as one."""
    try:
        address = ipaddress.ip_address(ip)
        place = str(ipaddress.ip_network(f"{ip}/64", strict=False)) if address.version == 6 else ip
    except ValueError:
        place = ip[:64]
    return f"{what}|{credential[:64]}|{place}"


def wait_ns(connection: Connection, key: str, now_ns: int) -> int:
    """How long this key still has to wait, 0 = not at all."""
    until = connection.execute(select(failures.c.locked_until_ns).where(failures.c.key == key)).scalar()
    return max(0, int(until or 0) - now_ns)


def fail(connection: Connection, key: str, now_ns: int) -> tuple[int, int]:
    """Count a failure; how many there are by now, and the wait that begins, 0 = none. During a wait none counts."""
    row = connection.execute(select(failures).where(failures.c.key == key)).first()
    if row is not None and row.locked_until_ns > now_ns:
        return int(row.failed), 0
    is_fresh = row is not None and now_ns - max(row.last_ns, row.locked_until_ns) < FORGOTTEN_AFTER_NS
    count = row.failed + 1 if row is not None and is_fresh else 1
    wait = min(LONGEST_WAIT_NS, FIRST_WAIT_NS << min(count - FREE, 20)) if count >= FREE else 0
    values = {"failed": count, "last_ns": now_ns, "locked_until_ns": now_ns + wait if wait else 0}
    if row is None:
        connection.execute(failures.insert().values(key=key, **values))
    else:
        connection.execute(update(failures).where(failures.c.key == key).values(**values))
    return count, wait


def forgive(connection: Connection, key: str) -> None:
    """It was right: counting begins anew."""
    connection.execute(delete(failures).where(failures.c.key == key))


def forget_old(connection: Connection, now_ns: int) -> None:
    """Take away what no longer counts."""
    old = now_ns - FORGOTTEN_AFTER_NS
    connection.execute(delete(failures).where(failures.c.last_ns < old, failures.c.locked_until_ns < old))
