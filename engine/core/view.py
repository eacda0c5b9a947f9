"""What a strategy sees: the core's integers as float64, read on demand, one reused object per strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.account import Account
from domain.desired import NOTHING, Desired
from domain.errors import StrategyError
from domain.instrument import ZERO, Instrument, InstrumentId
from domain.market import Bar, Feed, Trade
from domain.settings import StrategySpec
from domain.strategy import BarView, BboView, BookView, FillView, Strategy, TradeView, Wake
from engine.core.pairs import Backup
from engine.core.state import Market, Slot, SlotKey, State, StrategyState, slot_key


class StrategyView:
    """Implements `domain.strategy.View` over the core's state."""

    __slots__ = (
        "account",
        "accounts",
        "backups",
        "code",
        "desired",
        "elsewhere",
        "event",
        "feeds",
        "id",
        "instrument",
        "instruments",
        "markets",
        "slots",
        "strategy",
        "ts_ns",
        "wake",
        "warming",
        "warmup",
    )

    def __init__(
        self,
        spec: StrategySpec,
        state: State,
        markets: Mapping[InstrumentId, Market],
        instruments: Mapping[InstrumentId, Instrument],
    ) -> None:
        """Look at a strategy's accounts and slots, and at the shared markets."""
        self.id = spec.id
        self.strategy: StrategyState = state.strategies[spec.id]
        """Whose view it is. Fixed: a strategy that is loaded, reloaded or recovered gets another view."""
        self.code: Strategy[Any, Any] | None = None
        """What decides, as `Core.code` has it; None where the record of what it decided stands in for it."""
        self.account = state.accounts[spec.account]
        self.accounts: tuple[Account, ...] = tuple([state.accounts[name] for name in spec.all_accounts])
        self.elsewhere: Mapping[InstrumentId, Account] = {
            name: state.accounts[spec.account_of(name)] for name in spec.instruments if spec.accounts
        }
        """By what it trades, where it trades at several venues."""
        self.slots: Mapping[SlotKey, Slot] = state.slots
        self.markets = markets
        self.instruments = instruments
        self.event: Bar | Trade | FillView | None = None
        self.ts_ns = 0
        self.wake = Wake.BAR
        self.instrument: InstrumentId = ""
        self.warming = False
        self.feeds: tuple[Feed, ...] = ()
        self.warmup = 0
        self.desired: Desired = NOTHING
        self.backups: Mapping[InstrumentId, Backup] = {}
        """Where it stands in for an instrument at another venue, which then is what the strategy sees."""

    @property
    def bar(self) -> BarView:
        """The bar that woke the strategy. Raises `StrategyError` when something else did."""
        event = self.event
        if not isinstance(event, Bar):
            raise StrategyError(f"{self.id}: view.bar is only there when a bar wakes the strategy (wake={self.wake})")
        instrument = self.instruments[event.instrument]
        scale = instrument.price_scale
        return BarView(
            event.instrument,
            event.interval_ns,
            event.open_ts_ns + event.interval_ns,
            event.open / scale,
            event.high / scale,
            event.low / scale,
            event.close / scale,
            event.volume / instrument.qty_scale,
        )

    @property
    def close(self) -> float:
        """Close of the bar that woke the strategy. Raises `StrategyError` when something else did."""
        event = self.event
        if not isinstance(event, Bar):
            raise StrategyError(f"{self.id}: view.close is only there when a bar wakes the strategy (wake={self.wake})")
        return event.close / self.instruments[event.instrument].price_scale

    @property
    def trade(self) -> TradeView:
        """The trade that woke the strategy. Raises `StrategyError` when something else did."""
        event = self.event
        if not isinstance(event, Trade):
            raise StrategyError(f"{self.id}: view.trade is only there when a trade wakes the strategy")
        instrument = self.instruments[event.instrument]
        return TradeView(
            event.instrument, instrument.price_float(event.price), instrument.qty_float(event.qty), event.side
        )

    @property
    def fill(self) -> FillView:
        """The own fill that woke the strategy. Raises `StrategyError` when something else did."""
        event = self.event
        if not isinstance(event, FillView):
            raise StrategyError(f"{self.id}: view.fill is only there when an own fill wakes the strategy")
        return event

    def bbo(self, instrument: InstrumentId) -> BboView | None:
        """Best bid and offer, None while unknown."""
        source, size = self._source(instrument) if self.backups else (instrument, 1.0)
        market = self.markets.get(source)
        if market is None or not market.bid or not market.ask:
            return None
        spec = self.instruments[source]
        price, qty = spec.price_scale, spec.qty_scale / size
        return BboView(market.bid / price, market.bid_qty / qty, market.ask / price, market.ask_qty / qty)

    def book(self, instrument: InstrumentId) -> BookView | None:
        """The nearest levels, None while unknown."""
        source, size = self._source(instrument) if self.backups else (instrument, 1.0)
        market = self.markets.get(source)
        if market is None or not market.bids or not market.asks:
            return None
        spec = self.instruments[source]
        price, qty = spec.price_scale, spec.qty_scale / size
        return BookView(
            tuple([(p / price, q / qty) for p, q in market.bids]),
            tuple([(p / price, q / qty) for p, q in market.asks]),
        )

    def _source(self, instrument: InstrumentId) -> tuple[InstrumentId, float]:
        """Which market stands for an instrument now, and the size of its contracts."""
        backup = self.backups.get(instrument)
        if backup is None or not backup.is_source:
            return instrument, 1.0
        return backup.instrument, backup.size

    def position(self, instrument: InstrumentId) -> float:
        """Own filled position, signed, in base units, with what is held at a backup venue."""
        held = self._account(instrument).positions.get(instrument)
        own = held.qty / self.instruments[instrument].qty_scale if held is not None else 0.0
        backup = self.backups.get(instrument) if self.backups else None
        if backup is None:
            return own
        there = backup.account.positions.get(backup.instrument)
        return own + there.qty / self.instruments[backup.instrument].qty_scale * backup.size if there else own

    def entry_price(self, instrument: InstrumentId) -> float:
        """Average entry price of the own position (at a backup venue: of the larger part), 0.0 when flat."""
        held = self._account(instrument).positions.get(instrument)
        backup = self.backups.get(instrument) if self.backups else None
        there = backup.account.positions.get(backup.instrument) if backup is not None else None
        if there is not None and backup is not None and there.qty:
            own = held.qty / self.instruments[instrument].qty_scale if held is not None else 0.0
            if abs(there.qty / self.instruments[backup.instrument].qty_scale * backup.size) > abs(own):
                return there.entry_price(self.instruments[backup.instrument])
        return held.entry_price(self.instruments[instrument]) if held is not None else 0.0

    def coming(self, instrument: InstrumentId, side: int) -> float:
        """What orders of its own on a side may still fill, in base units; without an answer they count in full."""
        coming = self._coming(self._account(instrument), instrument, side)
        backup = self.backups.get(instrument) if self.backups else None
        if backup is not None:
            coming += self._coming(backup.account, backup.instrument, side) * backup.size
        return coming

    def _coming(self, account: Account, instrument: InstrumentId, side: int) -> float:
        slot = self.slots.get(slot_key(account.id, instrument))
        if slot is None or not slot.orders:
            return 0.0
        leaves = [order.leaves for order in slot.orders.values() if order.side == side and not order.trigger]
        return sum(leaves) / self.instruments[instrument].qty_scale

    def _account(self, instrument: InstrumentId) -> Account:
        """The account that trades an instrument."""
        return self.elsewhere.get(instrument, self.account) if self.elsewhere else self.account

    def equity(self) -> float:
        """Equity of its accounts together, in their currency."""
        equity = ZERO
        for account in self.accounts:
            equity += account.cash
            for instrument, position in account.positions.items():
                if position.qty:
                    equity += position.unrealised(self.instruments[instrument], self.markets[instrument].reference())
        return float(equity)

    def funding_rate(self, instrument: InstrumentId) -> float:
        """Current funding rate as a fraction per funding interval; 0.0 while unknown."""
        source = self._source(instrument)[0] if self.backups else instrument
        market = self.markets.get(source)
        if market is None:
            return 0.0
        if source == instrument:
            return float(market.funding_rate)
        own, there = self.instruments[instrument], self.instruments[source]
        return float(market.funding_rate) * own.funding_interval_ns / there.funding_interval_ns

    def tick_size(self, instrument: InstrumentId) -> float:
        """Smallest price move in quote units at the present price."""
        spec = self.instruments[instrument]
        return spec.price_step(self.markets[instrument].reference()) / spec.price_scale

    def smallest(self, instrument: InstrumentId) -> float:
        """The smallest order that its venue takes now, in base units."""
        spec = self.instruments[instrument]
        return spec.least_qty(self.markets[instrument].reference()) / spec.qty_scale

    def taker_fee(self, instrument: InstrumentId) -> float:
        """Fee of what takes, as a fraction of its worth."""
        return float(self.instruments[instrument].taker_fee)

    def funding_interval_s(self, instrument: InstrumentId) -> float:
        """Seconds from one payment of funding to the next."""
        return self.instruments[instrument].funding_interval_ns / 1e9

    def lot_size(self, instrument: InstrumentId) -> float:
        """Smallest quantity in base units."""
        spec = self.instruments[instrument]
        return spec.lot / spec.qty_scale
