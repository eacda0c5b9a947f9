"""How much room the data folder's disk has, and how long the journal can grow into it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from msgspec import Struct

from domain.errors import JournalError
from domain.events import DiskLow
from domain.ports import EventSink
from engine.core.journal import FileJournal, JournalReader

DAY_S = 86_400
SHORTEST_S = 600
"""A younger journal says nothing about its pace."""
EVERY_S = 60.0
TOLD_AGAIN = 1440
"""After so many looks, which is a day."""
RESERVE_AGAIN_BYTES = 256 * 2**20
LOW_MIB = 1_000
LOW_DAYS = 3


class Room(Struct, frozen=True, kw_only=True):
    """Free room in MiB, and the journal's growth in MiB a day (None = not known yet)."""

    free_mib: int
    mib_per_day: float | None

    @property
    def days_left(self) -> int | None:
        """How long the room lasts at this pace."""
        return int(self.free_mib / self.mib_per_day) if self.mib_per_day else None

    @property
    def is_low(self) -> bool:
        """Whether somebody has to make room within days."""
        days = self.days_left
        return self.free_mib < LOW_MIB or (days is not None and days < LOW_DAYS)


async def watch_disk(data: Path, journal: FileJournal, put: EventSink) -> None:
    """Tell the engine when the disk is full, once a day that it is filling up; take the reserve again later."""
    loop = asyncio.get_running_loop()

    def full() -> None:
        loop.call_soon_threadsafe(put, DiskLow(free_mib=0, is_full=True))

    journal.on_full(full)
    while True:
        seen = await asyncio.to_thread(room, data)
        if seen.is_low:
            days = seen.days_left
            put(DiskLow(free_mib=seen.free_mib, days_left=days if days is not None else -1))
        for _ in range(TOLD_AGAIN if seen.is_low else 1):
            await asyncio.sleep(EVERY_S)
            if not journal.reserve.is_there and shutil.disk_usage(data).free > RESERVE_AGAIN_BYTES:
                journal.reserve.make()


def room(data: Path) -> Room:
    """Look at the disk of a data folder, which need not exist yet."""
    place = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    return Room(free_mib=shutil.disk_usage(place).free // 2**20, mib_per_day=growth(data / "journal"))


def growth(journal: Path) -> float | None:
    """MiB a day by which a journal has grown, by its newest segments of about a day; None when it is too young."""
    try:
        segments = [info for info in JournalReader(journal).segments() if info.bytes]
        newest_ns = max(int((journal / info.name).stat().st_mtime_ns) for info in segments)
    except (JournalError, OSError, ValueError):
        return None
    total, span_s = 0, 0.0
    for info in sorted(segments, key=lambda info: info.first_ts_ns, reverse=True):
        if span_s >= DAY_S:
            break
        total += info.bytes
        span_s = max(span_s, (newest_ns - info.first_ts_ns) / 1e9)
    return total / 2**20 / span_s * DAY_S if span_s >= SHORTEST_S else None
