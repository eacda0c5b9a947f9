"""A strategy on a bench, for tests of your own: a plain, real `View` over numbers that a test sets, and the memory.

    bench = Bench(strategy)
    desired = bench.closes(100.0, 101.0)                 # bars
    bench.fill(1, 101.0, 0.5, desired.targets[0].entry)  # an own fill
    bench.save_and_restore()                             # what a restart does to the memory

Nothing is sized, refused or traded here: `moondev backtest` does that.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.codec import encode
from domain.desired import NOTHING, Desired
from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.strategy import BarView, BboView, BookView, FillView, Strategy, TradeView, View, Wake

BTC = "BTC-USDC-PERP.PAPER"
ETH = "ETH-USDC-PERP.PAPER"
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
START_NS = 1_700_000_040 * SECOND_NS
"""A whole minute."""
EQUITY = 100_000.0


class BenchView:
    """Implements `domain.strategy.View` over plain dictionaries by instrument."""

    def __init__(self) -> None:
        """Flat, and no market known."""
        self.ts_ns = START_NS
        self.wake = Wake.BAR
        self.instrument: InstrumentId = BTC
        self.warming = False
        self.desired: Desired = NOTHING
        self.event: BarView | TradeView | FillView | None = None
        self.touches: dict[InstrumentId, BboView] = {}
        self.books: dict[InstrumentId, BookView] = {}
        self.positions: dict[InstrumentId, float] = {}
        self.paid: dict[InstrumentId, float] = {}
        self.funding: dict[InstrumentId, float] = {}
        self.orders: dict[tuple[InstrumentId, int], float] = {}
        self.fees: dict[InstrumentId, float] = {}
        self.intervals: dict[InstrumentId, float] = {}
        self.tick = 0.1
        self.lot = 0.001

    @property
    def bar(self) -> BarView:
        """The bar that woke it. Raises `StrategyError` when something else did."""
        if not isinstance(self.event, BarView):
            raise StrategyError("woken by something else")
        return self.event

    @property
    def close(self) -> float:
        """Close of the bar that woke it. Raises as `bar`."""
        return self.bar.close

    @property
    def trade(self) -> TradeView:
        """The trade that woke it. Raises `StrategyError` when something else did."""
        if not isinstance(self.event, TradeView):
            raise StrategyError("woken by something else")
        return self.event

    @property
    def fill(self) -> FillView:
        """The own fill that woke it. Raises `StrategyError` when something else did."""
        if not isinstance(self.event, FillView):
            raise StrategyError("woken by something else")
        return self.event

    def bbo(self, instrument: InstrumentId) -> BboView | None:
        """What `touches` has."""
        return self.touches.get(instrument)

    def book(self, instrument: InstrumentId) -> BookView | None:
        """What `books` has."""
        return self.books.get(instrument)

    def position(self, instrument: InstrumentId) -> float:
        """What `positions` has."""
        return self.positions.get(instrument, 0.0)

    def entry_price(self, instrument: InstrumentId) -> float:
        """What `paid` has."""
        return self.paid.get(instrument, 0.0)

    def equity(self) -> float:
        """Always the same."""
        return EQUITY

    def funding_rate(self, instrument: InstrumentId) -> float:
        """What `funding` has."""
        return self.funding.get(instrument, 0.0)

    def tick_size(self, instrument: InstrumentId) -> float:  # noqa: ARG002 - one for all
        """The bench's `tick`."""
        return self.tick

    def lot_size(self, instrument: InstrumentId) -> float:  # noqa: ARG002 - one for all
        """The bench's `lot`."""
        return self.lot

    def coming(self, instrument: InstrumentId, side: int) -> float:
        """What `orders` has, by instrument and side."""
        return self.orders.get((instrument, side), 0.0)

    def smallest(self, instrument: InstrumentId) -> float:  # noqa: ARG002 - one for all
        """The bench's `lot`."""
        return self.lot

    def taker_fee(self, instrument: InstrumentId) -> float:
        """What `fees` has."""
        return self.fees.get(instrument, 0.0)

    def funding_interval_s(self, instrument: InstrumentId) -> float:
        """What `intervals` has, else an hour."""
        return self.intervals.get(instrument, 3_600.0)


VIEW_IS_A_VIEW: type[View] = BenchView


class Bench:
    """One strategy, its memory and its view. Every verb wakes the strategy once and returns what it wants."""

    def __init__(self, strategy: Strategy[Any, Any]) -> None:
        """A strategy that has seen nothing."""
        self.strategy = strategy
        self.memory = strategy.start()
        self.view = BenchView()

    @property
    def desired(self) -> Desired:
        """What it wanted last."""
        return self.view.desired

    def wake(
        self, wake: Wake, event: BarView | TradeView | FillView | None = None, instrument: InstrumentId = BTC
    ) -> Desired:
        """Let it decide about one event."""
        view = self.view
        view.wake, view.event, view.instrument = wake, event, instrument
        self.memory, view.desired = self.strategy.decide(self.memory, view)
        return view.desired

    def bar(
        self,
        high: float,
        low: float,
        close: float,
        interval_ns: int = MINUTE_NS,
        *,
        of: InstrumentId = BTC,
        at_ns: int = 0,
    ) -> Desired:
        """The next bar; time moves on by its interval, or to `at_ns` where bars of several instruments are given."""
        self.view.ts_ns = at_ns or self.view.ts_ns + interval_ns
        return self.wake(Wake.BAR, BarView(of, interval_ns, self.view.ts_ns, close, high, low, close, 1.0), of)

    def closes(self, *closes: float, interval_ns: int = MINUTE_NS) -> Desired:
        """Bars that reach one unit above and below their close."""
        for close in closes:
            self.bar(close + 1, close - 1, close, interval_ns)
        return self.desired

    def touch(
        self, bid: float, ask: float, bid_qty: float = 1.0, ask_qty: float = 1.0, after_s: float = 0.1
    ) -> Desired:
        """A new best bid and offer, `after_s` later."""
        self.view.ts_ns += round(after_s * SECOND_NS)
        self.view.touches[BTC] = BboView(bid, bid_qty, ask, ask_qty)
        return self.wake(Wake.BBO)

    def fill(
        self,
        side: int,
        price: float,
        qty: float,
        entry: str = "",
        *,
        protective: bool = False,
        of: InstrumentId = BTC,
    ) -> Desired:
        """An own fill: the position and its average price follow, then the strategy is woken."""
        held, paid = self.view.position(of), self.view.entry_price(of)
        now = round(held + side * qty, 9)
        if not now:
            paid = 0.0
        elif held * side >= 0:
            paid = (abs(held) * paid + qty * price) / abs(now)
        elif held * now < 0:
            paid = price
        self.view.positions[of], self.view.paid[of] = now, paid
        return self.wake(Wake.FILL, FillView(of, self.view.ts_ns, side, price, qty, entry, protective), of)

    def save_and_restore(self) -> None:
        """What a restart does: memory and the last Desired go through their encoding."""
        self.memory = msgspec.msgpack.decode(encode(self.memory), type=self.strategy.memory_type)
        self.view.desired = msgspec.msgpack.decode(encode(self.view.desired), type=Desired)
