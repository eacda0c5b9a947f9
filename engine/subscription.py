"""Facts as they happen, for one reader; a slow one loses the oldest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from domain import facts as f


class FactSubscription:
    """Facts from now on, for one reader: `async with desk.facts() as facts: async for fact in facts`."""

    def __init__(self, readers: list[FactSubscription], limit: int) -> None:
        """Keep at most `limit` unread facts; `.missed` counts those that were lost."""
        self._readers = readers
        self._unread: deque[f.Fact] = deque()
        self._limit = limit
        self._ready = asyncio.Event()
        self.missed = 0

    def push(self, facts: Sequence[f.Fact]) -> None:
        """Add facts; the oldest unread ones give way."""
        self._unread.extend(facts)
        while len(self._unread) > self._limit:
            self._unread.popleft()
            self.missed += 1
        self._ready.set()

    async def __aenter__(self) -> Self:
        """Begin to receive."""
        self._readers.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop receiving."""
        self._readers.remove(self)

    def __aiter__(self) -> FactSubscription:
        """Iterate without end."""
        return self

    async def __anext__(self) -> f.Fact:
        """The next fact, as soon as there is one."""
        while not self._unread:
            self._ready.clear()
            await self._ready.wait()
        return self._unread.popleft()

    def take(self, limit: int) -> list[f.Fact]:
        """Up to `limit` facts that are there already."""
        return [self._unread.popleft() for _ in range(min(limit, len(self._unread)))]
