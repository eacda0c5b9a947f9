"""One client of the live feed at /ws/feed: what it says, judged; what it is told comes from the hub.

The protocol is in docs/api.md. A client that speaks nonsense or too much is closed with 4400.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

import msgspec
from fastapi import WebSocket
from msgspec import Struct
from starlette.websockets import WebSocketDisconnect

from domain.errors import MoonDevError
from gateway.hub import TOO_MANY, Client, Hub
from gateway.pipe import Pipe, pipe_of, text_frame

MISBEHAVED: Final = 4400
FIRST_WITHIN_S: Final = 5.0
MOST_MISTAKES: Final = 10
MOST_A_SECOND: Final = 20
MOST_TOPICS: Final = 8
MARKET: Final = "market:"

Alive: TypeAlias = Callable[[], Awaitable[bool]]


class Start(Struct, frozen=True, tag="start", forbid_unknown_fields=True):
    """A snapshot, please."""


class Resume(Struct, frozen=True, tag="resume", forbid_unknown_fields=True):
    """What came after a frame."""

    stream: str
    n: int


class Watch(Struct, frozen=True, tag="watch", forbid_unknown_fields=True):
    """A market too."""

    topic: str


class Unwatch(Struct, frozen=True, tag="unwatch", forbid_unknown_fields=True):
    """No more of a market."""

    topic: str


class Ping(Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Are you there?"""


Said: TypeAlias = Start | Resume | Watch | Unwatch | Ping
_frames: Final[msgspec.json.Decoder[Said]] = msgspec.json.Decoder(Said)


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one client is told, and no other."""

    type: Literal["error", "pong"]
    text: str = ""
    topic: str = ""
    ts_ns: int = 0


class NotUnderstood(MoonDevError):
    """A frame that makes no sense; says why."""


def understood(text: str) -> Said:
    """What a client's frame says. Raises `NotUnderstood`."""
    try:
        return _frames.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotUnderstood(f"not understood: {error}") from None


class Misbehaved(MoonDevError):
    """A client that is not listened to any longer."""


async def serve_feed(socket: WebSocket, hub: Hub, key: str, alive: Alive) -> None:
    """Feed one client until it leaves, misbehaves or its session (`key`) ends."""
    await socket.accept()
    pipe = pipe_of(socket.scope)
    client = Client(pipe, key, alive)
    talk = Talk(socket, hub, client)
    try:
        first = await talk.first()
        stream, n = (first.stream, first.n) if isinstance(first, Resume) else ("", 0)
        if not hub.join(client, stream, n):
            pipe.end(TOO_MANY)
            return
        while True:
            await talk.answer(await talk.hear())
    except WebSocketDisconnect:
        return
    except Misbehaved:
        pipe.end(MISBEHAVED)
    finally:
        hub.leave(client)


class Talk:
    """What one client says."""

    def __init__(self, socket: WebSocket, hub: Hub, client: Client) -> None:
        self._socket = socket
        self._hub = hub
        self._client = client
        self._mistakes = 0
        self._allowance = float(MOST_A_SECOND)
        self._heard_s = time.monotonic()
        self._early: Said | None = None

    async def first(self) -> Said | None:
        """How the client wants to begin; None when it says nothing of it within some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WITHIN_S):
                said = await self.hear()
                if isinstance(said, Start | Resume):
                    return said
                self._early = said
        return None

    async def hear(self) -> Said:
        """The next frame that makes sense. Raises `Misbehaved`, and `WebSocketDisconnect` when the client leaves."""
        if self._early is not None:
            said, self._early = self._early, None
            return said
        while True:
            message = await self._socket.receive()
            if message["type"] != "websocket.receive":
                raise WebSocketDisconnect(message.get("code", 1006))
            self._pace()
            text = message.get("text")
            if text is None:
                self._mistake("frames are text")
                continue
            try:
                return understood(text)
            except NotUnderstood as error:
                self._mistake(str(error))

    async def answer(self, said: Said) -> None:
        """Do what the client asks for."""
        match said:
            case Ping():
                _tell(self._client.pipe, Told(type="pong", ts_ns=time.time_ns()))
            case Watch(topic=topic):
                await self._watch(topic)
            case Unwatch(topic=topic):
                self._hub.unwatch(self._client, topic)
            case Start() | Resume():
                self._mistake("begin once, with the first frame")

    async def _watch(self, topic: str) -> None:
        if not topic.startswith(MARKET) or len(topic) > 100:
            self._mistake("a topic is market:INSTRUMENT", topic[:100])
        elif len(self._client.topics) >= MOST_TOPICS and topic not in self._client.topics:
            self._mistake(f"at most {MOST_TOPICS} topics at once", topic)
        else:
            try:
                await self._hub.watch(self._client, topic)
            except MoonDevError as error:
                self._mistake(str(error), topic)

    def _pace(self) -> None:
        now_s = time.monotonic()
        self._allowance = min(MOST_A_SECOND, self._allowance + (now_s - self._heard_s) * MOST_A_SECOND)
        self._heard_s = now_s
        if self._allowance < 1:
            raise Misbehaved("too many frames")
        self._allowance -= 1

    def _mistake(self, text: str, topic: str = "") -> None:
        self._mistakes += 1
        if self._mistakes > MOST_MISTAKES:
            raise Misbehaved("too many frames that make no sense")
        _tell(self._client.pipe, Told(type="error", text=text, topic=topic))


def _tell(pipe: Pipe, told: Told) -> None:
    pipe.write(text_frame(msgspec.json.encode(told)))
