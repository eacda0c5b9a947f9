"""A public feed at its venue's local server: the market is moved there, and what the feed says is heard here."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from domain.instrument import Instrument
from domain.market import Bar, Feed, FeedKind, FeedState, FeedStatus, MarketEvent, Trade
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed

MINUTE_NS = 60_000_000_000


class Heard:
    """What came out of a feed."""

    def __init__(self) -> None:
        self.events: list[MarketEvent | FeedStatus] = []
        self._more = asyncio.Event()

    def sink(self, event: MarketEvent | FeedStatus) -> None:
        self.events.append(event)
        self._more.set()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[FeedState]:
        return [status.state for status in self.of(FeedStatus)]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._more.clear()
                await self._more.wait()


def feeds_of(instrument: Instrument, *kinds: FeedKind) -> list[Feed]:
    """Feeds of these kinds; bars are of a minute."""
    return [
        Feed(kind=kind, instrument=instrument.id, interval_ns=MINUTE_NS if kind is FeedKind.BAR else 0)
        for kind in kinds
    ]


class Ear(ABC):
    """One venue's server, and the feed of its Bitcoin contract while it is listened to."""

    venue: str
    server: Any
    instrument: Instrument
    nonsense: tuple[bytes, ...]
    """Frames that make no sense: each is counted."""
    feed: PublicFeed

    def __init__(self) -> None:
        self.heard = Heard()

    @abstractmethod
    def open(self, patience: Patience) -> PublicFeed:
        """The venue's feed at the server."""

    @abstractmethod
    async def close_candle(self, open_ns: int) -> None:
        """The venue says that the minute which began then has closed."""

    async def reveal(self, bid: str, ask: str) -> None:
        """Move the market so that a change of the book which was lost before shows."""
        await self.server.quote(bid, ask)

    async def trade(self, price: str = "50000", size: str = "0.25", side: int = -1) -> None:
        """Somebody else's trade."""
        i = self.instrument
        await self.server.market(Trade(instrument=i.id, price=i.price(price), qty=i.qty(size), side=side))

    def bars(self, instrument: str, interval_ns: int, end_ns: int, count: int) -> list[Bar]:
        """The past, as the server tells it: every bar is the same."""
        i, last_ns = self.instrument, end_ns // interval_ns * interval_ns
        prices = {"open": "50000", "high": "50005", "low": "49995", "close": "50001"}
        told = {name: i.price(price) for name, price in prices.items()}
        opened = [last_ns - (n + 1) * interval_ns for n in reversed(range(count))]
        return [
            Bar(instrument=instrument, interval_ns=interval_ns, open_ts_ns=at_ns, volume=i.qty("1"), **told)
            for at_ns in opened
        ]

    def opened(self, **patience: Any) -> PublicFeed:
        """A feed that loses no time over trouble."""
        options = {"connect_timeout_s": 5.0, "backoff_s": 0.02, "backoff_max_s": 0.1, **patience}
        feed = self.open(Patience(**options))
        assert isinstance(feed, PublicFeed)
        return feed

    @asynccontextmanager
    async def listening(self, *kinds: FeedKind, **patience: Any) -> AsyncIterator[Self]:
        """A feed that has started, with a market of 49,990 to 50,010."""
        async with self.server:
            self.server.bars = self.bars
            await self.server.quote("49990", "50010")
            self.feed = self.opened(**patience)
            await self.feed.start(self.heard.sink, feeds_of(self.instrument, *kinds))
            try:
                yield self
            finally:
                await self.feed.aclose()
