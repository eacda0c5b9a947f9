"""Market data into the state, then to the strategies that asked for it."""

from __future__ import annotations

from domain.facts import Severity
from domain.instrument import InstrumentId
from domain.market import SILENT, Bar, Bbo, Book, FeedKind, FeedState, FeedStatus, Mark, Trade
from domain.strategy import Wake
from engine.core.core import Core
from engine.core.executor import converge, targets
from engine.core.state import Market
from engine.core.wake import wake, wake_routes


def on_bar(core: Core, event: Bar) -> None:
    """A finished bar: the last price, and a wake-up for who reads this interval."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.last = event.close
    is_back = not market.bid and touch_clock(market, event.ts_ns)
    for view in core.routes.get((FeedKind.BAR, event.instrument), ()):
        wake(core, view, Wake.BAR, event, event.instrument)
    if is_back:
        converge_instrument(core, event.instrument)
    if core.chasing:
        chase(core, event.instrument)


def on_bbo(core: Core, event: Bbo) -> None:
    """A new touch."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.bid, market.bid_qty = event.bid, event.bid_qty
    market.ask, market.ask_qty = event.ask, event.ask_qty
    is_back = touch_clock(market, event.ts_ns)
    for view in core.routes.get((FeedKind.BBO, event.instrument), ()):
        wake(core, view, Wake.BBO, None, event.instrument)
    if is_back:
        converge_instrument(core, event.instrument)
    if core.chasing:
        chase(core, event.instrument)


def on_book(core: Core, event: Book) -> None:
    """A new snapshot of the nearest levels."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.bids, market.asks = event.bids, event.asks
    if event.bids:
        market.bid, market.bid_qty = event.bids[0]
    if event.asks:
        market.ask, market.ask_qty = event.asks[0]
    is_back = touch_clock(market, event.ts_ns)
    wake_routes(core, FeedKind.BOOK, Wake.BOOK, None, event.instrument)
    if is_back:
        converge_instrument(core, event.instrument)
    if core.chasing:
        chase(core, event.instrument)


def on_trade(core: Core, event: Trade) -> None:
    """A public trade."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.last = event.price
    is_back = not market.bid and touch_clock(market, event.ts_ns)
    wake_routes(core, FeedKind.TRADE, Wake.TRADE, event, event.instrument)
    if is_back:
        converge_instrument(core, event.instrument)


def on_mark(core: Core, event: Mark) -> None:
    """Mark price and funding rate."""
    market = core.markets.get(event.instrument)
    if market is not None:
        market.mark = event.price
        market.funding_rate = event.funding_rate


def touch_clock(market: Market, ts_ns: int) -> bool:
    """Prices that orders are judged by have come; True when they had been missing."""
    market.ts_ns = ts_ns
    if market.feed is FeedState.LIVE:
        return False
    market.feed = FeedState.LIVE
    return True


def converge_instrument(core: Core, instrument: InstrumentId) -> None:
    """What waited for prices may go on, or what needs them has to stop, on every account."""
    for slot in list(core.state.slots.values()):
        if slot.instrument == instrument:
            converge(core, slot)


def on_feed_status(core: Core, event: FeedStatus) -> None:
    """A feed changed its state: without prices quotes are pulled; people hear of it."""
    for instrument, market in core.markets.items():
        if instrument == event.instrument or (not event.instrument and instrument.endswith("." + event.venue)):
            market.feed = event.state
            if event.state in SILENT:
                converge_instrument(core, instrument)
    if event.state is not FeedState.LIVE:
        what = event.instrument or event.venue
        core.alert(
            Severity.WARNING,
            f"feed_{event.state}",
            f"Market data of {what} is {event.state}: {event.detail or 'no detail'}. "
            "Nothing that adds risk is sent without a fresh price; protections rest at the venue.",
        )


def chase(core: Core, instrument: str) -> None:
    """Let passive targets follow the touch."""
    for slot in core.chasing.get(instrument, ()):
        if core.state.accounts[slot.account].reconciled:
            targets.converge(core, slot)
