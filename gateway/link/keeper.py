"""Starts the gateway's process and starts it again when it ends; the lock that says that one runs on a data folder.

A gateway that outlived a killed engine, or that somebody has started by hand, is left alone: it connects by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

LOCK: Final = "gateway.lock"
LOOK_S: Final = 2.0
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
"""Who has run for so long is started again at once."""
END_WITHIN_S: Final = 5.0

log = structlog.get_logger(__name__)


class Lock:
    """Held by the gateway of a data folder as long as it lives."""

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK
        self._handle = -1

    def take(self) -> bool:
        """Take it; False when another process has it. Raises `OSError`."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def is_taken(self) -> bool:
        """Whether another process has it."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def release(self) -> None:
        """Let it go."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class Keeper:
    """Keeps one gateway process running beside the engine. `trouble` says why there is none, for people."""

    def __init__(self, data: Path, command: Sequence[str], output: Path) -> None:
        """`command` starts it; what it writes to its terminal goes to the end of `output`."""
        self._lock = Lock(data)
        self._command = command
        self._output = output
        self._child: asyncio.subprocess.Process | None = None
        self.starts = 0
        self.trouble = ""

    @property
    def pid(self) -> int | None:
        """Of the process that was started here and still runs."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def run(self) -> None:
        """Keep it running until cancelled; then end it."""
        loop = asyncio.get_running_loop()
        pause_s = 0.5
        try:
            while True:
                if self._lock.is_taken():
                    self.trouble = ""
                    await asyncio.sleep(LOOK_S)
                    continue
                began_s = loop.time()
                why = await self._run_once()
                pause_s = 0.5 if loop.time() - began_s > STEADY_S else min(2 * pause_s, LONGEST_PAUSE_S)
                self.trouble = f"the gateway's process ended ({why}), trading goes on; it is started again"
                log.error(self.trouble, pause_s=pause_s, output=str(self._output))
                await asyncio.sleep(pause_s)
        finally:
            await self._end()

    async def _run_once(self) -> str:
        """Start it and wait; returns how it ended."""
        try:
            output = os.open(self._output, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            finally:
                os.close(output)
        except OSError as error:
            return str(error.strerror or error)
        self.starts += 1
        self.trouble = ""
        code = await self._child.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    async def _end(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
