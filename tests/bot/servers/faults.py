"""What the next call of a local chat server meets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from aiohttp import web


@dataclass
class Fault:
    """One call's fault. With a `status` it is refused; else it is carried out, after `delay_s`.

    `swallow`: it is carried out, and its answer is lost. `drop`: the connection ends before that, or after.
    """

    status: int = 0
    description: str = "fault"
    retry_after: int = 0
    delay_s: float = 0
    swallow: bool = False
    drop: Literal["", "before", "after"] = ""


async def hang_up(request: web.Request) -> web.Response:
    """End the connection instead of an answer."""
    if request.transport is not None:
        request.transport.close()
    await asyncio.sleep(0.05)
    return web.Response()
