"""The engine's part of a gateway in a process of its own: the socket and the process, used as a `GatewayServer` is.

beside = Beside(data, open_source, command, build)
asyncio.create_task(beside.run())
await beside.listening()
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from domain.record_views import PartView
from gateway.link.keeper import Keeper
from gateway.link.server import LinkServer
from gateway.source import Source

INTRODUCED_WITHIN_S: Final = 15.0


class Beside:
    """One for each engine whose gateway is not in its process."""

    def __init__(
        self,
        data: Path,
        open_source: Callable[[], Source],
        command: Sequence[str],
        build: str,
        codes_needed: Callable[[], bool],
        on_address: Callable[[str], None],
    ) -> None:
        """`command` starts the gateway's process; `build` is the code's, so that none of other code stays.

        `on_address` is told where it serves whenever it introduces itself.
        """
        self._server = LinkServer(data, open_source, build, codes_needed)
        self._server.on_address = on_address
        self._keeper = Keeper(data, command, data / "gateway.out")

    async def run(self) -> None:
        """Serve the link and keep the process until cancelled. Raises `MoonDevError` where there can be no socket."""
        await self._server.start()
        try:
            await self._keeper.run()
        finally:
            await self._server.aclose()

    async def listening(self) -> None:
        """Wait for it to introduce itself, but not long: trading has begun, and people want to know where to look."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(INTRODUCED_WITHIN_S):
                await self._server.introduced.wait()

    def part(self) -> PartView:
        """How it is, for health checks and people."""
        if self._server.links:
            return PartView(name="gateway", ok=True, text="a process of its own, connected")
        return PartView(name="gateway", ok=False, text=self._keeper.trouble or "its process is not connected yet")
