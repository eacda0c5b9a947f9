"""A WebSocket to the indexer: opening it, subscribing, hearing whether it lives, and whether something is missing."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

import aiohttp
import msgspec

from domain.errors import VenueError
from exchanges.dydx.config import DydxConfig
from exchanges.dydx.wire import Frame

Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"
_decoder = msgspec.json.Decoder(Frame)


class Connection:
    """`async with Connection(session, config) as connection:`; raises what aiohttp raises, and `TimeoutError`.

    The venue pings every 30 seconds; we ping too, so that a dead connection is found sooner.
    """

    def __init__(self, session: aiohttp.ClientSession, config: DydxConfig) -> None:
        self._session = session
        self._config = config
        self._opened: Socket | None = None
        self._last = -1

    @property
    def _socket(self) -> Socket:
        if self._opened is None:
            raise VenueError("the connection to dYdX is not open")
        return self._opened

    async def __aenter__(self) -> Self:
        config = self._config
        timeout = aiohttp.ClientWSTimeout(ws_close=1.0)
        self._opened = await self._session.ws_connect(
            config.ws_url,
            heartbeat=config.ping_after_s,
            max_msg_size=config.max_frame_bytes,
            decode_text=False,
            timeout=timeout,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def subscribe(self, channel: str, subject: str = "", *, batched: bool = False) -> None:
        """Ask for a channel; `subject` is the market or subaccount where it has one."""
        request: dict[str, str | bool] = {"type": "subscribe", "channel": channel, "batched": batched}
        if subject:
            request["id"] = subject
        await self._socket.send_str(msgspec.json.encode(request).decode())

    async def receive(self) -> Frame | str:
        """The next message, or why there are no more. What cannot be read at all ends the connection too."""
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            why = message.data or self._socket.close_code or message.type.name
            return f"closed: {why} {message.extra or ''}".strip()
        try:
            frame = _decoder.decode(message.data)
        except (msgspec.DecodeError, UnicodeError) as error:
            return f"a message cannot be read: {error}"
        if frame.number >= 0:
            if self._last >= 0 and frame.number > self._last + 1:
                return f"messages {self._last + 1} to {frame.number - 1} are missing"
            self._last = max(self._last, frame.number)
        return frame
