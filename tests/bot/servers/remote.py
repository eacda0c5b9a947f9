"""A local chat server in a process of its own, as a test sees it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.needs import ROOT


class Remote:
    """Addresses for the bot, and the server's methods for the test."""

    def __init__(self, session: aiohttp.ClientSession, says: dict[str, Any]) -> None:
        self._session = session
        self.urls = says

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """What the server's method returns, as JSON has it. Raises `TimeoutError` if that does not come."""
        answer = await self._post("call", {"method": method, "args": args, "kwargs": kwargs})
        if "error" in answer:
            raise TimeoutError(answer["error"])
        return answer["result"]

    async def fault(self, where: str, *, times: int = 1, **fault: Any) -> None:
        """Let the next calls of a method or path fail."""
        await self._post("fault", {"where": where, "fault": fault, "times": times})

    async def set(self, **switches: Any) -> None:
        await self._post("set", switches)

    async def _post(self, path: str, body: Any) -> Any:
        async with self._session.post(f"{self.urls['control']}/{path}", json=body) as response:
            return await response.json()


@asynccontextmanager
async def apart(kind: str) -> AsyncIterator[Remote]:
    """Start one; it ends with the block."""
    words = ("-m", "tests.bot.servers", kind)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdin=pipe, stdout=pipe)
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        says = json.loads(await asyncio.wait_for(child.stdout.readline(), 30))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            yield Remote(session, says)
    finally:
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), 5)
        except TimeoutError:
            child.kill()
            await child.wait()
