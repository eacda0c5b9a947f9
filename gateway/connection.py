"""HTTP connections that cannot crowd others out: who opens one must ask for something soon, and ask in full.

uvicorn lets a connection that says nothing, or a request that trickles in, stay for ever, and answers 503 to everybody
when there are many: a few hundred idle sockets would silence the health checks.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.headers import FIXED

REQUEST_WITHIN_S = 10.0
"""From the connection, or the end of the last answer, to the last byte of a request."""
KEPT_WAITING = 64
"""Connections that may wait for a request; of more, the one that has waited longest is closed."""
MOST_HEAD_BYTES: Final = 64 * 1024
"""Of a request without its body: address, headers, sizes of chunks, trailers. httptools keeps them without end."""


PLAIN: Final = tuple((name.encode(), value.encode()) for name, value in FIXED.items())


class Connection(HttpToolsProtocol):
    """One connection; closes itself when its request does not come."""

    waiting_since = 0.0
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """True while there is no whole request to answer."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None until there has been a request
        return cycle is None or cycle.response_complete or cycle.more_body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait; the one that has waited longest makes room."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._wait()
        waiting = [other for other in self.connections if isinstance(other, Connection) and other.waits]
        if len(waiting) > KEPT_WAITING:
            min(waiting, key=lambda other: other.waiting_since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that does not end is not kept."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """Count the next head from its first bytes on."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Leave the body out of the count: each route bounds its own."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait()

    def handle_websocket_upgrade(self) -> None:
        """A WebSocket may be silent; its session is looked after elsewhere."""
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """What was no HTTP is refused with the headers of every answer."""
        usual = self.server_state.default_headers
        self.server_state.default_headers = [*usual, *PLAIN]
        try:
            super().send_400_response(msg)
        finally:
            self.server_state.default_headers = usual

    def _wait(self) -> None:
        self._stop_waiting()
        self.waiting_since = self.loop.time()
        self._timer = self.loop.call_later(REQUEST_WITHIN_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if self.waits and not self.transport.is_closing():
            self.transport.abort()
