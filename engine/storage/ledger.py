"""Answers `desk.performance` from a projection: short periods in a thread, long ones in a process of their own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from domain.errors import MoonDevError
from domain.instrument import InstrumentId
from domain.performance import Exposures, Performance
from domain.views import TradeRow
from engine.performance import Now
from engine.reading import reading
from engine.storage.counting import Answer, Counter, NotCounted, Question, count, is_long
from engine.storage.projector import Projector
from engine.storage.reads import fills

log = logging.getLogger("engine.storage")

WAIT_S = 2.0
"""How long the newest facts are waited for; after that the figures end with the last sample that is there."""
LOOK_S = 0.02
AWAY = "the database cannot be read"
MOST_FILLS_SHOWN = 20_000


class Ledger:
    """The past, from what a projector writes."""

    def __init__(self, projector: Projector, gap: Callable[[], str] = str) -> None:
        """Read what `projector` writes; `gap` says why facts are missing in it, "" when none are."""
        self._projector = projector
        self._gap = gap
        self._counter = Counter()

    async def performance(self, since_ns: int, until_ns: int, now: Now) -> Performance:
        """The figures of a period; without blocking, and never raising for a database that is away."""
        last = now if await self._caught_up(now) else None
        gap = self._gap()
        notes = [f"The database is not whole ({gap})."] if gap else []
        if last is None:
            notes.append("The database is behind: the figures end with its last sample.")
        asked = Question(url=self._projector.url, since_ns=since_ns, until_ns=until_ns, now=last, notes=notes)
        counted = await self._count(asked)
        if counted is not None and counted.performance is not None:
            return counted.performance
        return Performance(since_ns=since_ns, until_ns=until_ns, problem=f"No figures: {AWAY}.")

    async def fills(self, since_ns: int, until_ns: int, instrument: InstrumentId, now: Now) -> list[TradeRow]:
        """Own fills in one instrument, oldest first, the newest thousands; none while the database is away."""
        await self._caught_up(now)
        with suppress(SQLAlchemyError, MoonDevError):
            return await reading(fills, self._projector.engine, since_ns, until_ns, instrument, MOST_FILLS_SHOWN)
        return []

    async def exposure(self, since_ns: int, until_ns: int, now: Now) -> Exposures:
        """What was open at every sample of a period."""
        last = now if await self._caught_up(now) else None
        instruments = dict(self._projector.instruments)
        asked = Question(
            url=self._projector.url, since_ns=since_ns, until_ns=until_ns, now=last, notes=[], instruments=instruments
        )
        counted = await self._count(asked)
        if counted is not None and counted.exposures is not None:
            return counted.exposures
        return Exposures(problem=f"No figures: {AWAY}.")

    async def _caught_up(self, now: Now) -> bool:
        """Whether the projection has all that was told; waits for it a little."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            with suppress(SQLAlchemyError, MoonDevError):
                cursor = await reading(self._projector.cursor)
                if (cursor.seq, cursor.index) >= now.told:
                    return True
            await asyncio.sleep(LOOK_S)
        return False

    async def _count(self, asked: Question) -> Answer | None:
        """Beside the event loop when that is soon done; None when there are no figures to be had."""
        try:
            if await reading(is_long, self._projector.engine, asked.since_ns, asked.until_ns):
                return await self._counter.ask(asked)
            return await reading(count, self._projector.engine, asked)
        except (SQLAlchemyError, MoonDevError, OSError) as error:
            log.warning(
                "a period was not counted: %s", error if isinstance(error, NotCounted) else type(error).__name__
            )
            return None
