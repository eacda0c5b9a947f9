"""Who gets which summary when, and up to where each was told, in the operational database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
import structlog
from msgspec import Struct, structs

from bot.reports.calendar import WEEKDAYS, Kind, Span, Timing
from bot.store import Letter, OpsStore

log = structlog.get_logger("bot.reports")

DESK = ""
"""Owner of the summaries that go to the alert chats."""


class Schedule(Struct, frozen=True, kw_only=True):
    """One summary of one owner.

    `zone` "" is the owner's own, wherever he is; the desk has none of its own. `where` are the kinds of contact that it
    goes to, () = the best chat. A summary that is switched off stays known, so that no default takes its place.
    """

    owner: str
    timing: Timing
    zone: str = ""
    where: tuple[str, ...] = ()
    is_on: bool = True
    looked_ns: int = 0
    """Runs up to then were looked at."""
    covered_ns: int = 0
    """What happened before is told; 0 = nothing was told yet."""


class PutSchedules(Struct, frozen=True, kw_only=True, tag="put_schedules"):
    """Add, change or end summaries: what is confirmed first when it is everybody's. Doing it twice does it once."""

    ones: tuple[Schedule, ...]


def usual(now_ns: int) -> list[Schedule]:
    """What the alert chats get until an admin says otherwise: every summary, at eight in the morning UTC."""
    days = {Kind.DAILY: "", Kind.WEEKLY: WEEKDAYS[0], Kind.MONTHLY: "1"}
    return [
        Schedule(owner=DESK, timing=Timing(kind=kind, day=day), zone="UTC", looked_ns=now_ns)
        for kind, day in days.items()
    ]


class Schedules:
    """All of them: read from memory, written through to the database."""

    def __init__(self, store: OpsStore) -> None:
        self._store = store
        self._all: dict[tuple[str, Kind], Schedule] = {}

    async def start(self, now_ns: int) -> None:
        """Read what is stored; the desk's own where nobody has chosen yet. Raises `sqlite3.Error`."""

        def work() -> list[tuple[bytes, int, int]]:
            return self._store.db.execute("select body, looked_ns, covered_ns from schedules").fetchall()

        for body, looked_ns, covered_ns in await self._store.run(work):
            try:
                one = msgspec.json.decode(body, type=Schedule)
            except msgspec.DecodeError as error:
                log.error("schedule cannot be read", error=str(error))  # noqa: TRY400
            else:
                self._keep(structs.replace(one, looked_ns=looked_ns, covered_ns=covered_ns))
        for one in usual(now_ns):
            if (DESK, one.timing.kind) not in self._all:
                await self.put(one)

    def all(self) -> list[Schedule]:
        """Everybody's that are on."""
        return [one for one in self._all.values() if one.is_on]

    def of(self, owner: str) -> list[Schedule]:
        """One owner's that are on: daily, weekly, monthly."""
        return [one for kind in Kind if (one := self._all.get((owner, kind))) is not None and one.is_on]

    def find(self, owner: str, kind: Kind) -> Schedule | None:
        """One owner's summary of a kind, on or off."""
        return self._all.get((owner, kind))

    async def put(self, one: Schedule) -> bool:
        """Add or change one; False when it holds only until the next start: the disk refused it."""
        self._keep(one)

        def work() -> None:
            with self._store.db:
                self._write(one)

        try:
            await self._store.run(work)
        except sqlite3.Error as error:
            log.error("schedule not stored", error=type(error).__name__)  # noqa: TRY400
            return False
        return True

    async def told(self, one: Schedule, run_ns: int, span: Span, letters: Sequence[Letter]) -> list[Letter]:
        """A run is over: its letters and how far it told, in one transaction; the letters that are to be sent.

        Without letters nobody was reached, and the next run tells it all. What its owner has changed meanwhile stays.
        """
        now = self._all.get((one.owner, one.timing.kind), one)
        covered_ns = span.until_ns if letters else now.covered_ns
        after = structs.replace(now, looked_ns=max(now.looked_ns, run_ns), covered_ns=covered_ns)
        self._keep(after)

        def work() -> list[Letter]:
            with self._store.db:
                self._write(after)
                return self._store.insert(letters)

        try:
            return await self._store.run(work)
        except sqlite3.Error as error:
            log.error("summary not stored; a restart may repeat it", error=type(error).__name__)  # noqa: TRY400
            return list(letters)

    def _keep(self, one: Schedule) -> None:
        self._all[one.owner, one.timing.kind] = one

    def _write(self, one: Schedule) -> None:
        body = msgspec.json.encode(structs.replace(one, looked_ns=0, covered_ns=0))
        values = (one.owner, one.timing.kind.value, body, one.looked_ns, one.covered_ns)
        self._store.db.execute("insert or replace into schedules values (?, ?, ?, ?, ?)", values)
