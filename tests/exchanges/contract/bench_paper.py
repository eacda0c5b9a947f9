"""The paper venue's bench."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from domain.instrument import Instrument
from domain.market import Book
from exchanges.paper.config import FaultKind, FaultRule, PaperConfig
from exchanges.paper.exchange import PaperExchange
from exchanges.paper.faults import FaultPlan
from exchanges.paper.venue import PaperVenue
from tests.exchanges.contract.bench import CASH, Bench, started
from tests.exchanges.desk import Desk, WallClock
from tests.exchanges.hyperliquid import desk as hyperliquid

GAP_NS = 300_000_000


class PaperBench(Bench):
    """The paper venue on a real clock."""

    INSTRUMENT: Instrument = replace(hyperliquid.BTC, id="BTC-USDC-PERP.PAPER")
    ACCOUNT = "PAPER:main"

    def __init__(self) -> None:
        config = PaperConfig(feed_ns=0, entry_ns=1_000_000, response_ns=1_000_000)
        self.clock = WallClock()
        self._exchange = PaperExchange([self.INSTRUMENT], {self.ACCOUNT: CASH}, config)
        self.desk: Desk[PaperVenue] = Desk(PaperVenue(self.exchange, self.clock), self.ACCOUNT, self.INSTRUMENT)

    @property
    def exchange(self) -> PaperExchange:
        """The venue is its own room."""
        return self._exchange

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


@asynccontextmanager
async def opened() -> AsyncIterator[Bench]:
    """A started bench."""
    async with started(PaperBench()) as bench:
        yield bench
