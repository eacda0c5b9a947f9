"""Tasks beside the engine: what runs until it ends or the engine stops, and what happened to those that failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Beside:
    """`broken` says which tasks have failed, and why: the service is not ready then."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.broken: list[str] = []

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something until it ends or is cancelled."""
        task = asyncio.get_running_loop().create_task(work, name=getattr(work, "__qualname__", "helper"))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """End everything that still runs."""
        for task in list(self._tasks):
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """When it failed, health and log say so."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken.append(f"{task.get_name()}: {error!r}")
            log.critical("a helper of the engine failed and is gone until a restart", exc_info=error)
