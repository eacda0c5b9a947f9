"""What a bench is: one started venue, its market in our hands, and its faults by the same names."""

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, cast

from domain.ports import Venue
from exchanges.paper.exchange import PaperExchange
from tests.exchanges.desk import Desk

CASH = Decimal(100_000)


class Bench(ABC):
    """One venue that is started, with a market of 49,990 to 50,010."""

    desk: Desk[Any]
    too_small = "0.0001"
    """A quantity below the minimum notional that the instrument can carry; empty = the venue has no minimum."""

    @property
    @abstractmethod
    def exchange(self) -> PaperExchange:
        """What the venue itself knows."""

    @property
    def off_grid(self) -> int:
        """A price near 49,000 that the venue does not take; 0 = the instrument can carry none."""
        i = self.desk.instrument
        price = i.price("49000")
        return price + 1 if i.price_step(price) > 1 else 0

    @abstractmethod
    async def quote(self, bid: str, ask: str, size: str = "10") -> None:
        """Move the market."""

    @abstractmethod
    def lose_answers(self) -> None:
        """The venue acts on the next order, and neither answers nor tells."""

    @abstractmethod
    def lose_requests(self) -> None:
        """The next order never reaches the venue."""

    @abstractmethod
    def limit_rate(self) -> None:
        """The venue refuses the next request for its rate."""

    @abstractmethod
    def disorder(self) -> None:
        """What the venue tells comes in any order, and twice."""

    @abstractmethod
    def heal(self) -> None:
        """No faults any more."""

    @abstractmethod
    async def gap(self) -> None:
        """The connection is lost; it comes back soon after `heal`."""


class ServerBench(Bench):
    """A venue at its local `server`, whose faults have the same names everywhere."""

    def __init__(self, server: Any, desk: Desk[Any]) -> None:
        self.server = server
        self.desk = desk

    @property
    def exchange(self) -> PaperExchange:
        return cast("PaperExchange", self.server.room.exchange)

    async def quote(self, bid: str, ask: str, size: str = "10") -> None:
        await self.server.quote(bid, ask, size)

    def lose_answers(self) -> None:
        self.server.faults.drop_answers = 1
        self.server.faults.mute_streams = True

    def lose_requests(self) -> None:
        self.server.faults.lose_requests = 1

    def limit_rate(self) -> None:
        self.server.faults.statuses = [429]

    def disorder(self) -> None:
        self.server.faults.duplicate = True
        self.server.faults.shuffle = random.Random(7)

    def heal(self) -> None:
        self.server.faults.__init__()

    async def gap(self) -> None:
        self.server.faults.refuse_ws = True
        self.server.cut()


@asynccontextmanager
async def started(bench: Bench) -> AsyncIterator[Bench]:
    """The bench with its market open and its venue connected."""
    venue: Venue = bench.desk.venue
    await bench.quote("49990", "50010")
    await venue.start(bench.desk.sink)
    try:
        yield bench
    finally:
        await venue.aclose()
