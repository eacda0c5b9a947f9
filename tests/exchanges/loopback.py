"""What every local server has: a port of loopback, connections that can be broken off, faults by the same names."""

import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self, TypeVar

from aiohttp import web

from domain.instrument import Instrument
from domain.market import Book, MarketEvent
from tests.exchanges.serve import BarsOf

T = TypeVar("T")


class Faults:
    """What goes wrong, while it is set; counts go down with every request or message that they hit."""

    def __init__(self) -> None:
        self.lose_requests = 0
        self.drop_answers = 0
        self.mute_streams = False
        self.duplicate = False
        self.delay_s = 0.0
        self.statuses: list[int] = []
        """HTTP statuses of the next requests that act."""
        self.read_statuses: list[int] = []
        """The same for questions."""
        self.refuse_ws = False
        self.streams_first = False
        """What an action causes is told before it is answered."""
        self.lose_deltas = 0
        """So many changes of books are not told."""
        self.shuffle: random.Random | None = None
        """Messages of the streams come in any order."""

    def told(self, messages: list[T]) -> Iterator[T]:
        """What is told of these messages."""
        if self.shuffle is not None:
            self.shuffle.shuffle(messages)
        for message in messages if not self.mute_streams else ():
            for _ in range(1 + self.duplicate):
                yield message


class Loopback(ABC):
    """`async with` it: serves on `port` of loopback; 0 = any free one."""

    faults: Faults
    public: Any
    """Its public side, which has `bars`."""
    room: Any

    def __init__(self, port: int = 0) -> None:
        self.url = ""
        self._port = port
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def route(self, router: web.UrlDispatcher) -> None:
        """Say which paths it answers."""

    @abstractmethod
    def sockets_of(self, kind: str) -> list[web.WebSocketResponse]:
        """The open WebSockets of a kind; empty = all."""

    @abstractmethod
    async def market(self, event: MarketEvent) -> None:
        """Move the market; whatever it fills is told, and everybody hears of the market."""

    async def __aenter__(self) -> Self:
        app = web.Application()
        self.route(app.router)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Nobody answers any more."""
        for socket in self.sockets_of(""):
            await socket.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws")

    @property
    def instruments(self) -> Sequence[Instrument]:
        found: Sequence[Instrument] = self.room.instruments
        return found

    @property
    def bars(self) -> BarsOf:
        found: BarsOf = self.public.bars
        return found

    @bars.setter
    def bars(self, bars: BarsOf) -> None:
        self.public.bars = bars

    def cut(self, kind: str = "") -> None:
        """Break every connection (of a kind) without a word."""
        for socket in self.sockets_of(kind):
            break_off(socket)

    async def quote(self, bid: str, ask: str, size: str = "10", contract: int = 0) -> None:
        """One level on each side."""
        i = self.instruments[contract]
        bids, asks = ((i.price(bid), i.qty(size)),), ((i.price(ask), i.qty(size)),)
        await self.market(Book(instrument=i.id, bids=bids, asks=asks))


def break_off(connection: web.WebSocketResponse | web.Request) -> web.Response:
    """End a connection without a word; what is returned goes nowhere."""
    asked = connection._req if isinstance(connection, web.WebSocketResponse) else connection
    if asked is not None and asked.transport is not None:
        asked.transport.abort()
    return web.Response()


async def tell(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    """Send, to whom may have gone in the meantime."""
    with contextlib.suppress(ConnectionError):
        await socket.send_json(message)
