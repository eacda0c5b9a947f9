"""Hands sheets to the drawing process and brings pictures back; the event loop only waits, and trading goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import msgspec
import structlog

from bot.charts.child import LENGTH, Drawn, framed
from bot.charts.sheet import Sheet
from domain.errors import MoonDevError

DRAWN_WITHIN_S = 30.0
MOST_BYTES = 8 << 20
ROOT = Path(__file__).resolve().parents[2]
log = structlog.get_logger("bot.charts")


class NotDrawn(MoonDevError):
    """There is no picture; its text says why, for people."""


class Studio:
    """One drawing process, started when the first picture is wanted. Pictures are drawn one after the other."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._child: asyncio.subprocess.Process | None = None
        self._one = asyncio.Lock()

    async def draw(self, sheet: Sheet) -> bytes:
        """The sheet as PNG. Raises `NotDrawn`."""
        frame = framed(msgspec.msgpack.encode(sheet))
        async with self._one:
            try:
                async with asyncio.timeout(DRAWN_WITHIN_S):
                    drawn = await self._ask(frame)
            except TimeoutError:
                await self._end()
                raise NotDrawn(f"the picture was not drawn within {DRAWN_WITHIN_S:.0f} s") from None
            except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
                await self._end()
                log.warning("the drawing process failed", error=type(error).__name__)
                raise NotDrawn("the drawing process ended") from None
            except BaseException:  # cancelled half-way: the next one must not read this picture
                await self._end()
                raise
        if drawn.problem:
            log.error("a chart was not drawn", error=drawn.problem)
            raise NotDrawn(f"it could not be drawn ({drawn.problem})")
        return drawn.png

    async def aclose(self) -> None:
        """End the process."""
        async with self._one:
            await self._end()

    async def _ask(self, frame: bytes) -> Drawn:
        """Send a sheet; a process that has gone home meanwhile is replaced once."""
        if self._child is not None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                return await self._exchange(self._child, frame)
            await self._end()
        self._child = await self._start()
        return await self._exchange(self._child, frame)

    async def _start(self) -> asyncio.subprocess.Process:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.charts.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONPATH": path, "PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "")},
            start_new_session=True,
        )

    @staticmethod
    async def _exchange(child: asyncio.subprocess.Process, frame: bytes) -> Drawn:
        assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - both are pipes
        child.stdin.write(frame)
        await child.stdin.drain()
        length = int.from_bytes(await child.stdout.readexactly(LENGTH), "big")
        if length > MOST_BYTES:
            raise OSError("no picture is so large")
        return msgspec.msgpack.decode(await child.stdout.readexactly(length), type=Drawn)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        with contextlib.suppress(OSError):
            await child.communicate()
