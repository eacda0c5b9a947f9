"""Bars leave in order, each once; what was missed comes first, also when nobody has said that it closed."""

import asyncio

from domain.errors import VenueError
from domain.instrument import Instrument
from domain.market import Bar
from exchanges.viaccxt import bars as module
from exchanges.viaccxt.bars import BarOrder

BTC = Instrument(id="BTC-USDT-PERP.BINANCE", venue_symbol="BTCUSDT", price_decimals=1, qty_decimals=3)
MINUTE = 60_000_000_000


def bar(number: int) -> Bar:
    prices = {"open": 1, "high": 1, "low": 1, "close": 1}
    return Bar(instrument=BTC.id, interval_ns=MINUTE, open_ts_ns=number * MINUTE, volume=1, **prices)


class Feed:
    """As much of a feed as bars need; the venue fails as often as `failures` says."""

    is_live = True

    def __init__(self, failures: int = 0) -> None:
        self.clock = self
        self.dialect = self
        self.ns = 10 * MINUTE
        self.heard: list[int] = []
        self.asked = 0
        self.failures = failures
        self.tasks: list[asyncio.Task] = []

    def now_ns(self) -> int:
        return self.ns

    def emit(self, event: Bar) -> None:
        self.heard.append(event.open_ts_ns // MINUTE)

    def spawn(self, run) -> None:
        self.tasks.append(asyncio.create_task(run))

    def instrument(self, name: str) -> Instrument:
        return BTC

    async def bars(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        self.asked += 1
        if self.asked <= self.failures:
            raise VenueError("busy")
        return [bar(number) for number in range(start_ns // MINUTE, end_ns // MINUTE)]


async def test_a_hole_is_filled_before_what_comes_after_it(monkeypatch):
    monkeypatch.setattr(module, "FETCH_AGAIN_S", 0.001)
    feed = Feed(failures=2)
    order = BarOrder(feed)  # type: ignore[arg-type]
    order.follow(BTC.id, MINUTE)
    order.finished(bar(10))
    order.finished(bar(9))
    feed.ns = 14 * MINUTE
    order.finished(bar(13))
    order.finished(bar(13))
    await asyncio.gather(*feed.tasks)
    assert feed.heard == [10, 11, 12, 13]
    assert feed.asked == 3


async def test_a_bar_that_closes_without_a_word_is_fetched():
    feed = Feed()
    order = BarOrder(feed)  # type: ignore[arg-type]
    order.follow(BTC.id, MINUTE)
    feed.ns = 11 * MINUTE + module.GRACE_NS - 1
    order.fetch_due(module.GRACE_NS)
    assert not feed.tasks
    feed.ns += 1
    order.fetch_due(module.GRACE_NS)
    order.fetch_due(module.GRACE_NS)
    await asyncio.gather(*feed.tasks)
    assert feed.heard == [10]
