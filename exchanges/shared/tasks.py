"""Tasks of one owner: held on to until they end, ended together, and none fails without a word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

log = logging.getLogger(__name__)


class Tasks:
    """`spawn` as many as you like; `aclose` cancels those that still run."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many still run."""
        return len(self._running)

    def spawn(self, run: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run it beside everything else."""
        task = asyncio.create_task(run)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of %s has failed", self._owner, exc_info=error)

    async def aclose(self) -> None:
        """Cancel, and wait until all have ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
