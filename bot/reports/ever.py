"""Figures since the beginning, for summaries: all of history is counted once an hour at most, however many ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from domain.performance import Performance

if TYPE_CHECKING:
    from engine.desk import Desk

KEPT_NS = 3_600_000_000_000


class Ever:
    """What `desk.performance(0, now)` said last."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: Performance | None = None
        self._one = asyncio.Lock()

    async def performance(self, now_ns: int) -> Performance:
        """Of everything up to `to_ns`, which is at most an hour ago. What could not be counted is tried again."""
        async with self._one:
            last = self._last
            if last is None or not 0 <= now_ns - last.until_ns < KEPT_NS:
                last = await self._desk.performance(0, now_ns)
                self._last = None if last.problem else last
            return last
