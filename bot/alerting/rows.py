"""The book on disk: one row of `alerting` for each thing in it, written with its letters in one transaction.

What is on disk is always a moment that was: the alerts, how far the facts are read, and the messages that follow from
both. A kill between two such moments loses nothing, because the facts are read again, and doubles nothing, because
they change only what has not been written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct

from bot.alerting.book import Book
from bot.alerting.model import Alert, Duty, Group, Held, Mute, Noted, Numbers, Sent
from bot.store import KEEP_NS, Letter, OpsStore

log = structlog.get_logger("bot.alerts")

T = TypeVar("T")
Key = tuple[str, str]
_encode = msgspec.msgpack.encode


class Rows(Struct):
    """What is written at once: bodies by table and name (None = deleted), and when an alert in it was over."""

    bodies: dict[Key, bytes | None]
    ended_ns: dict[Key, int]


def taken(book: Book) -> Rows:
    """What has changed since the last time, as it is now."""
    rows = Rows({}, {})
    for key, thing in book.changed.items():
        rows.bodies[key] = None if thing is None else _encode(thing)
        rows.ended_ns[key] = thing.ended_ns if isinstance(thing, Alert) else 0
    book.changed.clear()
    return rows


def write(db: sqlite3.Connection, rows: Rows) -> None:
    """Put them into an open transaction."""
    gone = [key for key, body in rows.bodies.items() if body is None]
    db.executemany("delete from alerting where kind = ? and name = ?", gone)
    there = [(*key, body, rows.ended_ns[key]) for key, body in rows.bodies.items() if body is not None]
    db.executemany("insert or replace into alerting values (?, ?, ?, ?)", there)


async def commit(store: OpsStore, rows: Rows, letters: Sequence[Letter]) -> list[Letter]:
    """Write rows and letters down in one transaction; returns the letters that were not there before.

    Raises `sqlite3.Error`.
    """

    def work() -> list[Letter]:
        with store.db as db:
            write(db, rows)
            return store.insert(letters)

    return await store.run(work)


async def load(store: OpsStore, book: Book, now_ns: int) -> bytes:
    """Fill an empty book with what is on disk; returns how far the facts are read (b"" = it was never written).

    Alerts that were over long ago are forgotten. Raises `sqlite3.Error`.
    """

    def work() -> list[tuple[str, str, bytes]]:
        with store.db as db:
            db.execute("delete from alerting where ended_ns > 0 and ended_ns < ?", (now_ns - KEEP_NS,))
        return list(store.db.execute("select kind, name, body from alerting"))

    found: dict[str, dict[str, bytes]] = {}
    for kind, name, body in await store.run(work):
        found.setdefault(kind, {})[name] = body
    _fill(book, found)
    return found.get("state", {}).get("progress", b"")


def _fill(book: Book, found: Mapping[str, Mapping[str, bytes]]) -> None:
    alerts = sorted(_read(found.get("alert", {}), Alert).values(), key=lambda alert: alert.number)
    book.groups.update(_read(found.get("group", {}), Group))
    in_group = {number for group in book.groups.values() for number in group.numbers}
    for alert in alerts:
        group = book.groups.get(alert.group)
        if alert.is_open and group is None:
            log.error("an alert without its group is left out", alert=alert.id)
            continue
        is_known = group is not None and (group.ended_ns == 0 or alert.ended_ns >= group.born_ns)
        if alert.is_open or alert.number in in_group or is_known:
            book.alerts[alert.number] = book.by_print[alert.fingerprint] = alert
        if not alert.is_open and alert.number not in in_group:
            book.over.append(alert)
    book.mutes.update({mute.number: mute for mute in _read(found.get("mute", {}), Mute).values()})
    book.noted.update(_read(found.get("noted", {}), Noted))
    book.held.update(_read(found.get("held", {}), list[Held]))
    state = found.get("state", {})
    book.numbers = _read(state, Numbers, "numbers").get("numbers", book.numbers)
    book.duty = _read(state, Duty, "duty").get("duty", book.duty)
    book.calls = _read(state, list[Sent], "calls").get("calls", book.calls)


def _read(bodies: Mapping[str, bytes], kind: type[T], only: str = "") -> dict[str, T]:
    """Rows as `kind`; what cannot be read as that is left out."""
    found = {}
    for name, body in bodies.items():
        if only and name != only:
            continue
        try:
            found[name] = msgspec.msgpack.decode(body, type=kind)
        except msgspec.DecodeError as error:
            log.error("a row of the alerts cannot be read", name=name, error=str(error))  # noqa: TRY400
    return found
