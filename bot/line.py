"""What waits for one recipient: the next letters in memory, those behind them on disk alone.

However much waits, memory holds `WINDOW` letters of a recipient (twice that when they are critical), so that ten
thousand alerts with charts are a file and not a process that is killed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Container, Iterable
from contextlib import suppress

from bot.budget import Budget
from bot.store import Letter

WINDOW = 50
MOST_UNSTORED = 1000
"""Letters that the disk refused are in memory alone; of more than these, the newest are lost, and that is said."""
NOTHING = 1 << 30
Rank = tuple[int, int, int, int]


class Line:
    """One recipient's letters, most urgent and oldest first. `behind` counts those that are on disk alone."""

    def __init__(self, recipient: str, budget: Budget, behind: int = 0, behind_priority: int = NOTHING) -> None:
        self.recipient = recipient
        self.budget = budget
        self.behind = behind
        self.behind_priority = behind_priority
        """Of the most urgent letter on disk alone."""
        self.task: asyncio.Task[None] | None = None
        self.news = asyncio.Event()
        """Something critical has come."""
        self.hold_until_s = 0.0
        """The server asked for it (monotonic)."""
        self.bundle_after_s = 0.0
        self._heap: list[tuple[Rank, Letter]] = []
        self._count = 0
        self._meanwhile = (0, NOTHING)
        """How many were left to the disk since it was asked, and the most urgent one's priority."""

    def __len__(self) -> int:
        return len(self._heap) + self.behind

    @property
    def first(self) -> Letter | None:
        """The next letter, when it is in memory."""
        return self._heap[0][1] if self._heap else None

    @property
    def needs_disk(self) -> bool:
        """Whether the next letter is on disk alone."""
        return self.behind > 0 and (not self._heap or self._heap[0][1].priority > self.behind_priority)

    def add(self, letter: Letter) -> bool:
        """Take a letter up; False when it is lost: neither disk nor memory has room for it."""
        if letter.priority == 0:
            self.news.set()
        if not letter.id:
            if len(self._heap) >= MOST_UNSTORED * (1 if letter.priority else 2):
                return False
        elif letter.priority >= self.behind_priority or len(self._heap) >= WINDOW * (1 if letter.priority else 2):
            self.behind += 1
            self.behind_priority = min(self.behind_priority, letter.priority)
            self._meanwhile = (self._meanwhile[0] + 1, min(self._meanwhile[1], letter.priority))
            return True
        self.push(letter)
        return True

    def push(self, letter: Letter) -> None:
        """Put a letter into memory, wherever it was."""
        self._count += 1
        heapq.heappush(self._heap, ((letter.priority, letter.created_ns, letter.part, self._count), letter))

    def pop(self) -> Letter:
        """Take the next letter out."""
        return heapq.heappop(self._heap)[1]

    def fetching(self) -> set[int]:
        """The disk is asked for letters now; returns the ids of those in memory, which it need not hand out."""
        self._meanwhile = (0, NOTHING)
        return self.ids()

    def fetched(self, letters: Iterable[Letter], left: int, left_priority: int) -> None:
        """Put letters from the disk into memory; `left` are still there, the most urgent of `left_priority`.

        What came since it was asked may be in its answer or not: it is in memory once, and rather looked for in vain.
        """
        known = self.ids()
        for letter in letters:
            if letter.id not in known:
                self.push(letter)
        more, more_priority = self._meanwhile
        self.behind = left + more
        self.behind_priority = min(left_priority if left else NOTHING, more_priority)

    def ids(self) -> set[int]:
        """Of the letters in memory."""
        return {letter.id for _, letter in self._heap}

    def drop(self, ids: Container[int]) -> None:
        """Forget letters that went another way."""
        self._keep([item for item in self._heap if item[1].id not in ids])

    def drop_older(self, edit: Letter) -> None:
        """Take out edits of the same message that have not gone out: nobody needs to see them any more."""
        self._keep(
            [
                item
                for item in self._heap
                if item[1].replaces != edit.replaces or item[1].event == edit.event or item[1].unsure
            ]
        )

    async def wait(self, seconds: float) -> None:
        """Wait, or until something critical comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()

    def _keep(self, items: list[tuple[Rank, Letter]]) -> None:
        if len(items) < len(self._heap):
            self._heap = items
            heapq.heapify(self._heap)
