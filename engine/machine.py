"""What a running engine runs as and on: versions, disk, memory, clock."""

from __future__ import annotations

import asyncio
import platform
import resource
import sys
import time
from typing import TYPE_CHECKING

from domain.record_views import MachineView
from engine.disk import Room, room
from engine.observe.build import lock_hash

if TYPE_CHECKING:
    from engine.runtime import Runtime

STATM = "/proc/self/statm"
KEPT_S = 30.0
"""For so long what was found on the disk is told again: a screen asks oftener than it changes."""


class Machine:
    """Looks at the disk and the process of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._started_ns = time.time_ns()
        self._lock = lock_hash()
        self._room: tuple[float, Room] | None = None

    async def look(self) -> MachineView:
        """As it is now; the disk as it was at most some seconds ago."""
        runtime, now_s = self._runtime, time.monotonic()
        if self._room is None or now_s - self._room[0] > KEPT_S:
            self._room = now_s, await asyncio.to_thread(room, runtime.data)
        disk = self._room[1]
        return MachineView(
            build=runtime.build,
            lock=self._lock,
            python=f"{platform.python_implementation()} {platform.python_version()}",
            epoch=runtime.epoch,
            started_ns=self._started_ns,
            installation=runtime.installation,
            settings_version=runtime.core.state.config_version,
            disk_free_mib=disk.free_mib,
            journal_mib_per_day=round(disk.mib_per_day, 1) if disk.mib_per_day is not None else None,
            days_left=disk.days_left,
            is_disk_low=disk.is_low,
            memory_mib=memory_mib(),
            clock_ahead_ms=runtime.clock.ahead_ns // 1_000_000,
        )


def memory_mib() -> int:
    """Resident memory of this process; where it cannot be read, the most that it has been."""
    try:
        with open(STATM, encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel, not of ours
            return int(file.read().split()[1]) * resource.getpagesize() // 2**20
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most // (2**20 if sys.platform == "darwin" else 2**10)
