"""The raw end of a WebSocket: what is framed once is written to a thousand clients as it is.

A server's frames carry no mask, and nothing is compressed: the bytes are the same for everybody. uvicorn's protocol
would frame them anew for each client, and would wait without end for one that does not read.
"""

from __future__ import annotations

import socket
from typing import Final, Protocol

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

EXTENSION: Final = "moondev.pipe"
SYSTEM_BYTES: Final = 128 * 1024
"""Of a client's frames in the system's hands; by itself it would take megabytes for each who does not read."""
CLOSE_WITHIN_S: Final = 5.0
"""For the peer to take what waits for it, and our close frame after that."""


def text_frame(payload: bytes) -> bytes:
    """One text message of a server, framed as RFC 6455 section 5.2 says."""
    size = len(payload)
    if size < 126:
        head = bytes((0x81, size))
    elif size < 1 << 16:
        head = b"\x81\x7e" + size.to_bytes(2, "big")
    else:
        head = b"\x81\x7f" + size.to_bytes(8, "big")
    return head + payload


class Pipe(Protocol):
    """Where frames for one client go. Nothing here waits."""

    @property
    def backlog(self) -> int:
        """Bytes that were written and that the system has not taken yet."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether what is written may still arrive."""
        ...

    def write(self, frames: bytes) -> None:
        """Write whole frames."""
        ...

    def end(self, code: int) -> None:
        """Close, with this code; a peer that does not take it is cut off."""
        ...


class FeedProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which is itself the `Pipe` of its connection: see `pipe_of`."""

    def handle_connect(self, event: Request) -> None:
        """Begin a connection; whoever serves it finds the pipe in its scope."""
        super().handle_connect(event)
        if not self.close_sent:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BYTES)
            extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[EXTENSION] = self

    @property
    def backlog(self) -> int:
        """Bytes that wait in this process."""
        return self.transport.get_write_buffer_size()

    @property
    def is_open(self) -> bool:
        """Whether frames may be written."""
        return self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing())

    def write(self, frames: bytes) -> None:
        """Write whole frames; nothing happens when the connection is gone."""
        if self.is_open:
            self.transport.write(frames)

    def end(self, code: int) -> None:
        """Close with this code; whoever does not take it is cut off."""
        if not self.is_open:
            return
        try:
            self.conn.send_close(code)
        except InvalidState:  # the peer's close is being answered
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.stop_keepalive()
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_WITHIN_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """A peer that answers no ping is not waited for: closing alone would wait until it takes what lies there."""
        super().keepalive_timeout()
        self.loop.call_later(CLOSE_WITHIN_S, self.transport.abort)


def pipe_of(scope: Scope) -> Pipe:
    """The pipe of a WebSocket that `FeedProtocol` serves."""
    pipe: Pipe = scope["extensions"][EXTENSION]
    return pipe
