"""A bench for each venue: the venue itself, its market in our hands, and its faults by the same names."""

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from domain.instrument import Instrument
from domain.market import Book
from domain.ports import Venue
from exchanges.paper.config import FaultKind, FaultRule, PaperConfig
from exchanges.paper.exchange import PaperExchange
from exchanges.paper.faults import FaultPlan
from exchanges.paper.venue import PaperVenue
from tests.exchanges.desk import Desk, WallClock
from tests.exchanges.hyperliquid import desk as hyperliquid
from tests.exchanges.hyperliquid.exchange_room import MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

CASH = Decimal(100_000)
GAP_NS = 300_000_000
VENUES = ("paper", "hyperliquid")
"""Names that `bench_of` knows."""


class Bench(ABC):
    """One venue that is started, with a market of 49,990 to 50,010."""

    desk: Desk[Any]
    exchange: PaperExchange
    """What the venue itself knows, account `holder` and contract `listed` in its own words."""
    holder: str
    listed: str

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


class PaperBench(Bench):
    """The paper venue on a real clock."""

    INSTRUMENT: Instrument = replace(hyperliquid.BTC, id="BTC-USDC-PERP.PAPER")
    ACCOUNT = "PAPER:main"

    def __init__(self) -> None:
        config = PaperConfig(feed_ns=0, entry_ns=1_000_000, response_ns=1_000_000)
        self.clock = WallClock()
        self.exchange = PaperExchange([self.INSTRUMENT], {self.ACCOUNT: CASH}, config)
        self.holder, self.listed = self.ACCOUNT, self.INSTRUMENT.id
        self.desk: Desk[PaperVenue] = Desk(PaperVenue(self.exchange, self.clock), self.ACCOUNT, self.INSTRUMENT)

    async def quote(self, bid: str, ask: str, size: str = "10") -> None:
        i = self.INSTRUMENT
        levels = [((i.price(price), i.qty(size)),) for price in (bid, ask)]
        self.desk.venue.on_market(Book(instrument=i.id, bids=levels[0], asks=levels[1]))

    def _fail(self, *faults: FaultKind, kinds: tuple[str, ...] = ()) -> None:
        rules = tuple(FaultRule(fault=fault, probability=1.0, kinds=kinds, span_ns=20_000_000) for fault in faults)
        self.exchange.plan = FaultPlan(rules, 7)

    def lose_answers(self) -> None:
        self._fail(FaultKind.LOSE_ANSWER, kinds=("place",))

    def lose_requests(self) -> None:
        self._fail(FaultKind.DROP_INTENT, kinds=("place",))

    def limit_rate(self) -> None:
        self._fail(FaultKind.RATE_LIMIT, kinds=("place",))

    def disorder(self) -> None:
        self._fail(FaultKind.REORDER_EVENT, FaultKind.DUPLICATE_EVENT)

    def heal(self) -> None:
        plan = self.exchange.plan
        if plan is None or plan.down_until_ns < self.clock.now_ns():
            self.exchange.plan = None  # a gap ends by itself

    async def gap(self) -> None:
        self.exchange.plan = plan = FaultPlan((), 0)
        now = self.clock.now_ns()
        plan.down_until_ns = now + GAP_NS
        self.exchange._break(plan, now)
        self.desk.venue._schedule()


class HyperliquidBench(Bench):
    """The Hyperliquid venue at a local server."""

    def __init__(self, server: ExchangeServer) -> None:
        self.server = server
        self.exchange, self.holder, self.listed = server.room.exchange, MASTER, hyperliquid.BTC.id
        self.desk = hyperliquid.desk_at(hyperliquid.venue_at(server, request_timeout_s=0.5))

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
        self.server.faults.__init__()  # type: ignore[misc]

    async def gap(self) -> None:
        self.server.faults.refuse_ws = True
        self.server.cut()


@asynccontextmanager
async def bench_of(name: str) -> AsyncIterator[Bench]:
    """A started bench."""
    if name == "paper":
        paper = PaperBench()
        await paper.quote("49990", "50010")
        async with _started(paper):
            yield paper
    else:
        async with ExchangeServer(str(CASH)) as server:
            bench = HyperliquidBench(server)
            await bench.quote("49990", "50010")
            async with _started(bench):
                yield bench


@asynccontextmanager
async def _started(bench: Bench) -> AsyncIterator[None]:
    venue: Venue = bench.desk.venue
    await venue.start(bench.desk.sink)
    try:
        yield
    finally:
        await venue.aclose()
