"""Previews: what was shown to a person who is asked first.

Kept in the operational database, so that a restart between question and answer changes nothing.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Callable
from typing import TypeAlias

import msgspec
import structlog
from msgspec import Struct

from bot.buttons import Subject
from bot.message import Message
from bot.reports.schedules import PutSchedules
from bot.store import OpsStore
from domain import codec
from domain.commands import Actor, Command

log = structlog.get_logger("bot.previews")

Act: TypeAlias = Command | PutSchedules
"""What is confirmed: a command to the engine, or what the control room does by itself."""
KEEP_NS = 86_400_000_000_000
"""Decided ones are known this long, so that an old button can be told what became of it."""


class Answer(enum.StrEnum):
    """What became of a preview."""

    OPEN = "waiting"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REPLACED = "replaced by a newer one"


class Preview(Struct, frozen=True, kw_only=True):
    """One question. `event` is the message that shows it, at `actor.chat`; `message` is that without its buttons."""

    number: int
    actor: Actor
    verb: str
    command: Act
    event: str
    until_ns: int
    message: Message
    shown: dict[str, str] = {}
    """Figures that were shown, to be compared with before the command is sent."""
    answer: Answer = Answer.OPEN

    @property
    def id(self) -> str:
        """What people call it."""
        return f"C{self.number}"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of exactly the command."""
        return codec.digest(self.command)

    @property
    def request_id(self) -> str:
        """Makes the command happen once, whatever becomes of this process."""
        return f"confirm:{self.event}"

    @property
    def subject(self) -> Subject:
        """What its buttons are about: this command, of this person, at this time."""
        content = codec.digest([self.command, self.actor.person, self.until_ns])
        return Subject(content, self.answer is Answer.OPEN)


_decode: Callable[[bytes], Preview] = msgspec.msgpack.Decoder(Preview).decode


class Previews:
    """Every preview of the last day, by id: read from memory, written through to the database."""

    def __init__(self, store: OpsStore) -> None:
        self._store = store
        self._by_id: dict[str, Preview] = {}
        self._last = 0

    async def start(self, now_ns: int) -> None:
        """Read what is stored, and forget what is old. Raises `sqlite3.Error`."""

        def work() -> tuple[int, list[bytes]]:
            with self._store.db as db:
                last = db.execute("select coalesce(max(id), 0) from previews").fetchone()[0]
                db.execute("delete from previews where until_ns < ? and id < ?", (now_ns - KEEP_NS, last))
                return last, [row[0] for row in db.execute("select body from previews order by id")]

        self._last, bodies = await self._store.run(work)
        for body in bodies:
            try:
                preview = _decode(body)
            except msgspec.DecodeError as error:  # of another build: its person is asked again
                log.error("preview cannot be read", error=str(error))  # noqa: TRY400
                continue
            self._by_id.setdefault(preview.id, preview)

    def get(self, preview_id: str) -> Preview | None:
        """One of them, in any case."""
        return self._by_id.get(preview_id.upper())

    def forget(self, now_ns: int) -> None:
        """Let go of those that are old; the next start takes them off the disk."""
        for name in [name for name, one in self._by_id.items() if one.until_ns < now_ns - KEEP_NS]:
            del self._by_id[name]

    def open(self) -> list[Preview]:
        """Those that wait for an answer."""
        return [preview for preview in self._by_id.values() if preview.answer is Answer.OPEN]

    def next_number(self) -> int:
        """A number that no other one has had: an old button must not fit a newer question."""
        self._last += 1
        return self._last

    async def put(self, preview: Preview) -> None:
        """Keep one; what the disk does not take is kept until the next start."""
        self._by_id[preview.id] = preview
        row = (preview.number, preview.until_ns, codec.encode(preview))

        def work() -> None:
            with self._store.db as db:
                db.execute("insert or replace into previews values (?, ?, ?)", row)

        try:
            await self._store.run(work)
        except sqlite3.Error as error:
            log.warning("preview not stored; a restart forgets it", error=type(error).__name__)
