"""A hub on a stage: its source is a script that a test plays, its clock stands still, its clients are lists."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from typing import Any

from domain.commands import Actor
from domain.views import PersonView
from gateway.hub import Client, Hub
from gateway.source import Answer, Frame, NotKnown

STATUS = Frame(kind="view", name="status", data=b'{"seq":1}', seq=1)
WHOLE = Frame(kind="whole", name="", data=b"null", seq=1)
BTC = "market:BTC-USDC-PERP.PAPER"


def fact(number: int, size: int = 0) -> Frame:
    data = json.dumps({"type": "fill", "number": number, "pad": "x" * size}).encode()
    return Frame(kind="fact", name="fill", data=data, seq=number)


class Script:
    """A source whose news a test plays."""

    def __init__(self) -> None:
        self.news_now: asyncio.Queue[Frame | Exception] = asyncio.Queue()
        self.readers = 0
        self.read = 0
        self.watched: list[str] = []

    def play(self, *frames: Frame | Exception) -> None:
        for frame in frames:
            self.news_now.put_nowait(frame)

    async def view(self, name: str, arguments: Mapping[str, str]) -> bytes:
        if name == "book" and arguments["instrument"] not in BTC:
            raise NotKnown("There is no such instrument")
        return b"{}"

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        raise AssertionError

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        raise AssertionError

    def persons(self) -> list[PersonView]:
        return []

    async def watch(self, topics: Collection[str]) -> None:
        self.watched = list(topics)

    @contextlib.asynccontextmanager
    async def news(self) -> AsyncGenerator[AsyncIterator[Frame]]:
        self.readers += 1
        self.read += 1
        try:
            yield self._frames()
        finally:
            self.readers -= 1

    async def _frames(self) -> AsyncIterator[Frame]:
        while True:
            frame = await self.news_now.get()
            if isinstance(frame, Exception):
                raise frame
            yield frame


class Wire:
    """A pipe into a list; `stuck` takes nothing off the process's hands."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.waiting = 0
        self.stuck = False
        self.code = 0

    @property
    def backlog(self) -> int:
        return self.waiting

    @property
    def is_open(self) -> bool:
        return not self.code

    def write(self, frames: bytes) -> None:
        self.frames.append(frames)
        self.waiting += len(frames) if self.stuck else 0

    def end(self, code: int) -> None:
        self.code = self.code or code

    def take(self) -> None:
        self.stuck, self.waiting = False, 0

    def said(self) -> list[dict[str, Any]]:
        """Every frame so far, read as a browser would."""
        data, found = b"".join(self.frames), []
        while data:
            assert data[0] == 0x81
            size, head = data[1], 2
            if size == 126:
                size, head = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[2:10], "big"), 10
            found.append(json.loads(data[head : head + size]))
            data = data[head + size :]
        return found


class Stage:
    """A hub that runs, its source, its clock and its clients."""

    def __init__(self) -> None:
        self.source = Script()
        self.now_s = 1000.0
        self.hub = Hub(self.source, lambda: self.now_s)
        self.standing = {"tina", "omar"}

    def client(self, key: str = "tina", stream: str = "", n: int = 0) -> tuple[Client, Wire]:
        wire = Wire()

        async def alive() -> bool:
            return key in self.standing

        client = Client(wire, key, alive)
        assert self.hub.join(client, stream, n)
        return client, wire


async def until(happened: Any) -> None:
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - the hub tells nobody what it has done
            await asyncio.sleep(0.002)


def numbers(said: list[dict[str, Any]]) -> list[int]:
    return [frame["n"] for frame in said]
