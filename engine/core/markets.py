"""Market data into the state, then to the strategies that asked for it."""

from __future__ import annotations

from domain.facts import Severity
from domain.market import Bar, Bbo, Book, FeedKind, FeedState, FeedStatus, Mark, Trade
from domain.strategy import Wake
from engine.core.core import Core
from engine.core.executor import targets
from engine.core.wake import wake, wake_routes


def on_bar(core: Core, event: Bar) -> None:
    """A finished bar: the last price, and a wake-up for who reads this interval."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.last = event.close
    market.ts_ns = event.ts_ns
    market.feed = FeedState.LIVE
    for view in core.routes.get((FeedKind.BAR, event.instrument), ()):
        wake(core, view, Wake.BAR, event, event.instrument)
    if core.chasing:
        chase(core, event.instrument)


def on_bbo(core: Core, event: Bbo) -> None:
    """A new touch."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.bid, market.bid_qty = event.bid, event.bid_qty
    market.ask, market.ask_qty = event.ask, event.ask_qty
    market.ts_ns = event.ts_ns
    market.feed = FeedState.LIVE
    for view in core.routes.get((FeedKind.BBO, event.instrument), ()):
        wake(core, view, Wake.BBO, None, event.instrument)
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
    market.ts_ns = event.ts_ns
    market.feed = FeedState.LIVE
    wake_routes(core, FeedKind.BOOK, Wake.BOOK, None, event.instrument)
    if core.chasing:
        chase(core, event.instrument)


def on_trade(core: Core, event: Trade) -> None:
    """A public trade."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.last = event.price
    market.ts_ns = max(market.ts_ns, event.ts_ns)
    wake_routes(core, FeedKind.TRADE, Wake.TRADE, event, event.instrument)


def on_mark(core: Core, event: Mark) -> None:
    """Mark price and funding rate."""
    market = core.markets.get(event.instrument)
    if market is not None:
        market.mark = event.price
        market.funding_rate = event.funding_rate


def on_feed_status(core: Core, event: FeedStatus) -> None:
    """A feed changed its state; people hear of it when it is not LIVE."""
    for instrument, market in core.markets.items():
        if instrument == event.instrument or (not event.instrument and instrument.endswith("." + event.venue)):
            market.feed = event.state
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
