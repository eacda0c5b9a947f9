"""A WebSocket to Hyperliquid: opening it, and hearing whether it lives."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, TypeAlias

import aiohttp

from exchanges.hyperliquid.config import HyperliquidConfig

Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"

_PING = '{"method":"ping"}'


async def connect(session: aiohttp.ClientSession, config: HyperliquidConfig) -> Socket:
    """A new connection; frames come as bytes. Raises what aiohttp raises, and `TimeoutError`."""
    async with asyncio.timeout(config.connect_timeout_s):
        return await session.ws_connect(config.ws_url, max_msg_size=config.max_frame_bytes, decode_text=False)


async def receive(socket: Socket, ping_after_s: float) -> tuple[aiohttp.WSMsgType, Any, str | None] | None:
    """The next frame; after a silence a ping is sent, after a second one there is none."""
    try:
        return await socket.receive(timeout=ping_after_s)
    except TimeoutError:
        await socket.send_str(_PING)
    try:
        return await socket.receive(timeout=ping_after_s)
    except TimeoutError:
        return None
