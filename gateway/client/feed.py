"""The live feed for programs: frames in order and without a gap, over as many connections as it takes.

for frame in client.feed():
if frame.type == "fact":
...
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from gateway.client.errors import ApiProblem, NoAnswer
from gateway.client.http import Http

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
BIGGEST: Final = 16 * 1024 * 1024
ENDED: Final = frozenset({4400, 4401, 4403})
"""Close codes after which coming back is of no use."""


class FeedFrame(Struct, frozen=True, kw_only=True):
    """One frame, see docs/api.md. A `snapshot` replaces everything that is known."""

    type: str
    n: int = -1
    stream: str = ""
    name: str = ""
    topic: str = ""
    text: str = ""
    seq: int = 0
    connected: bool = True
    data: Any = None


class _Ticket(Struct):
    ticket: str


class Feed:
    """Iterate over it, for ever. `topics` are markets to watch: `market:BTC-USDC-PERP.PAPER`."""

    def __init__(self, http: Http, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http = http
        self._sleep = sleep
        self._stream = ""
        self._n = -1
        self._socket: ClientConnection | None = None
        self.topics: list[str] = []

    def close(self) -> None:
        """End the connection; an iteration that waits ends with it."""
        if self._socket is not None:
            self._socket.close()

    def __iter__(self) -> Iterator[FeedFrame]:
        """Frames as they come. Raises `ApiProblem` when the token or session has ended."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                with self._connected() as socket:
                    self._socket = socket
                    for frame in self._frames(socket):
                        wait_s = FIRST_WAIT_S
                        yield frame
                    return
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else 1006
                if code in ENDED:
                    reason = closed.rcvd.reason if closed.rcvd is not None else ""
                    raise ApiProblem(code, "feed_closed", reason or "the feed was closed") from None
            except (InvalidHandshake, OSError, NoAnswer):
                pass
            self._sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _connected(self) -> ClientConnection:
        ticket = msgspec.json.decode(self._http.post("/api/v1/ticket", {}, "").content, type=_Ticket).ticket
        parts = urlsplit(self._http.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        url = urlunsplit((scheme, parts.netloc, "/ws/feed", f"ticket={ticket}", ""))
        return connect(url, max_size=BIGGEST, compression=None, proxy=None, open_timeout=10)

    def _frames(self, socket: ClientConnection) -> Iterator[FeedFrame]:
        first = {"type": "resume", "stream": self._stream, "n": self._n} if self._stream else {"type": "start"}
        socket.send(msgspec.json.encode(first).decode())
        for topic in self.topics:
            socket.send(msgspec.json.encode({"type": "watch", "topic": topic}).decode())
        while True:
            frame = msgspec.json.decode(socket.recv(), type=FeedFrame)
            if frame.type in {"snapshot", "resumed"}:
                self._stream, self._n = frame.stream, frame.n
            elif frame.n >= 0 and not frame.topic:
                if frame.n != self._n + 1:  # never, by the protocol: begin anew instead of showing a hole
                    self._stream = ""
                    socket.close(1000)
                    raise OSError("the feed has a gap")
                self._n = frame.n
            yield frame
