"""The operational database `ops.db`: chat inbox and outbox, and how far the alerts are told.

Never rebuilt, never the truth about trading.

SQLite in a thread of its own, WAL, `synchronous=FULL`: what a method has returned from is on disk.
Every method may raise `sqlite3.Error` (disk full, file damaged); callers say what then still works.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from bot.render import Parcel

log = structlog.get_logger("bot.store")

T = TypeVar("T")
KEEP_NS = 30 * 86_400_000_000_000
"""Finished rows are kept this long."""

SCHEMA = """
create table if not exists inbox (
    channel text not null, update_id integer not null, body blob not null, sent_ns integer not null,
    received_ns integer not null, state text not null default 'new', note text not null default '',
    primary key (channel, update_id)
) without rowid;
create index if not exists inbox_new on inbox (channel, update_id) where state = 'new';
create table if not exists outbox (
    id integer primary key autoincrement, event text not null, part integer not null, recipient text not null,
    replaces text not null, parcel blob not null, priority integer not null, state text not null default 'queued',
    attempts integer not null default 0, created_ns integer not null, provider_id text not null default '',
    note text not null default '', unique (event, part, recipient)
);
create table if not exists jobs (
    id integer primary key autoincrement, person text not null, chat text not null, words text not null,
    command text not null, state text not null, created_ns integer not null, started_ns integer not null default 0,
    ended_ns integer not null default 0, note text not null default '', pid integer not null default 0,
    request text not null unique
);
create table if not exists preferences (person text primary key, body blob not null) without rowid;
create table if not exists tickets (event text primary key, made_ns integer not null, body blob not null) without rowid;
create table if not exists previews (
    id integer primary key, until_ns integer not null, body blob not null
) without rowid;
create table if not exists subscriptions (key text primary key, body blob not null);
create table if not exists fill_cards (name text primary key, body blob not null) without rowid;
create table if not exists schedules (
    owner text not null, kind text not null, body blob not null,
    looked_ns integer not null, covered_ns integer not null, primary key (owner, kind)
) without rowid;
create table if not exists alerting (
    kind text not null, name text not null, body blob not null, ended_ns integer not null default 0,
    primary key (kind, name)
) without rowid;
create table if not exists told (reader text primary key, seq integer not null, idx integer not null) without rowid;
create index if not exists outbox_open on outbox (id) where state in ('queued', 'unknown');
create index if not exists outbox_line on outbox (recipient, priority, created_ns, part, id)
    where state in ('queued', 'unknown');
"""
FINISH = """
update inbox set state = ?, body = case when ? then x'' else body end where channel = ? and update_id = ?
"""

MARK = """
update outbox set state = ?, attempts = ?, provider_id = ?, note = coalesce(nullif(?, ''), note),
parcel = case when ? then x'' else parcel end where id = ? and state <> 'superseded'
"""
PROVIDER_ID = """
select provider_id from outbox where (event = ? or replaces = ?) and recipient = ? and provider_id <> ''
order by id desc limit 1
"""
SUPERSEDE = """
update outbox set state = 'superseded', parcel = x''
where replaces = ? and recipient = ? and event <> ? and state = 'queued'
"""

COLUMNS = "id, event, part, recipient, replaces, parcel, priority, state, attempts, created_ns"
OPEN = frozenset({"queued", "unknown"})

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Parcel).decode


class Update(Struct, frozen=True, kw_only=True):
    """One raw update of a chat channel; `sent_ns` is the latest time at which it may be called fresh."""

    update_id: int
    body: bytes
    sent_ns: int


class Letter(Struct, kw_only=True):
    """One parcel for one recipient. `replaces` names the event whose message it edits ("" = a new message).

    Lower `priority` goes first; 0 is critical. `unsure` means an earlier send may have arrived.
    """

    event: str
    recipient: str
    parcel: Parcel
    part: int = 0
    replaces: str = ""
    priority: int = 5
    created_ns: int = 0
    id: int = 0
    attempts: int = 0
    unsure: bool = False
    tried_s: float = 0.0
    """When this run first tried to send it (monotonic)."""


class OpsStore:
    """The database file and its thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mask: Callable[[str], str] = str
        """Takes this service's own secrets out of what people write, before it is kept or carried out."""
        self._thread = _thread()
        self._connection: sqlite3.Connection | None = None

    async def start(self) -> None:
        """Open or create the file (only its owner may read it) and drop what finished long ago.

        A damaged file is moved aside, and a new one begun: who cannot be reached by chat cannot halt by chat.
        """
        await self.run(self._open_or_begin_anew)

    async def aclose(self) -> None:
        """Close the file; `start` opens it again."""
        await self.run(self._close)
        self._thread.shutdown(wait=True)
        self._thread = _thread()

    async def put_updates(self, channel: str, updates: Sequence[Update]) -> list[Update]:
        """Commit raw updates; return those that were not known before."""
        kept = [replace(one, body=self._masked(one.body)) for one in updates]
        return await self.run(lambda: self._put_updates(channel, kept))

    async def new_updates(self, channel: str) -> list[Update]:
        """Updates that were committed but never finished, oldest first."""
        return await self.run(lambda: self._new_updates(channel))

    async def finish(
        self, channel: str, update_id: int, state: str, letters: Sequence[Letter] = (), *, forget: bool = False
    ) -> list[Letter]:
        """Mark an update as handled and queue its replies, in one transaction; return the letters queued.

        Of an ignored update only the id is kept: what strangers write is not ours to store. `forget` does the same for
        one that holds a one-time code.
        """
        empty = forget or state == "ignored"

        def work() -> list[Letter]:
            with self.db as db:
                db.execute(FINISH, (state, empty, channel, update_id))
                return self.insert(letters)

        return await self.run(work)

    async def queue(self, letters: Sequence[Letter]) -> list[Letter]:
        """Queue letters; one that is known already (same event, part and recipient) is left out.

        An edit takes the place of an earlier one of the same message that has not gone out.
        """

        def work() -> list[Letter]:
            with self.db:
                return self.insert(letters)

        return await self.run(work)

    async def open_letters(self) -> list[Letter]:
        """Letters not yet delivered, oldest first."""
        return await self.run(self._open_letters)

    async def mark(self, letter: Letter, state: str, provider_id: str = "", note: str = "") -> None:
        """Write down how a delivery went (`bot.outbox` says what the states mean). Of a secret one nothing is kept."""
        empty = letter.parcel.is_secret and state not in OPEN

        def work() -> None:
            with self.db as db:
                db.execute(MARK, (state, letter.attempts, provider_id, note, empty, letter.id))

        await self.run(work)

    async def provider_id(self, event: str, recipient: str) -> str:
        """The channel's own id of the last part of a message that was sent; "" when it never was.

        Where an edit found the message gone and was sent anew, the id of that.
        """

        def work() -> str:
            row = self.db.execute(PROVIDER_ID, (event, event, recipient)).fetchone()
            return str(row[0]) if row else ""

        return await self.run(work)

    async def told(self, reader: str) -> tuple[int, int] | None:
        """The last fact (seq, index) up to which a reader has told everything; None when it never said."""

        def work() -> tuple[int, int] | None:
            row = self.db.execute("select seq, idx from told where reader = ?", (reader,)).fetchone()
            return (row[0], row[1]) if row else None

        return await self.run(work)

    async def preferences(self, kind: type[T]) -> dict[str, T]:
        """What each person has chosen, as `kind`; what cannot be read as that is left out."""

        def work() -> dict[str, T]:
            found = {}
            for person, body in self.db.execute("select person, body from preferences order by person"):
                try:
                    found[person] = msgspec.json.decode(body, type=kind)
                except msgspec.DecodeError as error:
                    log.error("preferences cannot be read", person=person, error=str(error))  # noqa: TRY400
            return found

        return await self.run(work)

    async def set_preferences(self, person: str, chosen: Struct) -> None:
        """Write down what a person has chosen."""
        body = msgspec.json.encode(chosen)

        def work() -> None:
            with self.db as db:
                db.execute("insert or replace into preferences values (?, ?)", (person, body))

        await self.run(work)

    async def run(self, work: Callable[[], T]) -> T:
        """Work in the database's thread; only there may `db` be used."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @property
    def db(self) -> sqlite3.Connection:
        """The open connection. Raises `sqlite3.OperationalError` while there is none."""
        if self._connection is None:
            raise sqlite3.OperationalError(f"{self.path} is not open")
        return self._connection

    def _open_or_begin_anew(self) -> None:
        try:
            self._open()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self._close()
            aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
            for suffix in ("", "-wal", "-shm"):
                part = self.path.with_name(self.path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
            log.error("chat database damaged, moved aside; a new one is begun", moved_to=aside.name)  # noqa: TRY400
            self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        self._connection = sqlite3.connect(self.path, timeout=5)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.executescript(SCHEMA)
        old = time.time_ns() - KEEP_NS
        with self._connection as db:
            db.execute("delete from inbox where state <> 'new' and received_ns < ?", (old,))
            db.execute("delete from outbox where state not in ('queued', 'unknown') and created_ns < ?", (old,))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _masked(self, body: bytes) -> bytes:
        return self.mask(body.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def _put_updates(self, channel: str, updates: Sequence[Update]) -> list[Update]:
        sql = "insert or ignore into inbox (channel, update_id, body, sent_ns, received_ns) values (?, ?, ?, ?, ?)"
        now_ns = time.time_ns()
        with self.db as db:
            return [
                update
                for update in updates
                if db.execute(sql, (channel, update.update_id, update.body, update.sent_ns, now_ns)).rowcount
            ]

    def _new_updates(self, channel: str) -> list[Update]:
        sql = "select update_id, body, sent_ns from inbox where channel = ? and state = 'new' order by update_id"
        return [
            Update(update_id=update_id, body=body, sent_ns=sent_ns)
            for update_id, body, sent_ns in self.db.execute(sql, (channel,))
        ]

    def insert(self, letters: Sequence[Letter]) -> list[Letter]:
        """Put letters into an open transaction, in the database's thread; returns those that were not there before."""
        sql = (
            "insert or ignore into outbox (event, part, recipient, replaces, parcel, priority, created_ns)"
            " values (?, ?, ?, ?, ?, ?, ?)"
        )
        queued = []
        for one in letters:
            values = (
                one.event,
                one.part,
                one.recipient,
                one.replaces,
                _encode(one.parcel),
                one.priority,
                one.created_ns,
            )
            cursor = self.db.execute(sql, values)
            if cursor.rowcount:
                if one.replaces:
                    self.db.execute(SUPERSEDE, (one.replaces, one.recipient, one.event))
                one.id = cursor.lastrowid or 0
                queued.append(one)
        return queued

    def _open_letters(self) -> list[Letter]:
        sql = f"select {COLUMNS} from outbox where state in ('queued', 'unknown') order by id"  # noqa: S608 - ours
        return [letter_of(row) for row in self.db.execute(sql)]


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="ops-db")


def letter_of(row: Sequence[Any]) -> Letter:
    """The letter that a row of `COLUMNS` is."""
    return Letter(
        id=row[0],
        event=row[1],
        part=row[2],
        recipient=row[3],
        replaces=row[4],
        parcel=_decode(row[5]),
        priority=row[6],
        unsure=row[7] == "unknown",
        attempts=row[8],
        created_ns=row[9],
    )
