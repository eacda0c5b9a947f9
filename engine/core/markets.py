"""Market data into the state, then to the strategies that asked for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from domain.facts import Severity
from domain.instrument import InstrumentId
from domain.market import SILENT, Bar, Bbo, Book, FeedState, FeedStatus, Mark, Trade
from domain.strategy import Wake
from engine.core import breakers, failover
from engine.core.core import Core
from engine.core.executor import converge, targets
from engine.core.matrix.market import look, on_feed
from engine.core.pairs import as_if
from engine.core.view import StrategyView
from engine.core.wake import wake

Told: TypeAlias = Bar | Bbo | Book | Trade

LIVE = FeedState.LIVE
_SAYS = {
    FeedState.STALE: "is stale",
    FeedState.GAP: "has a gap",
    FeedState.LAG: "is seen late",
    FeedState.DOWN: "is not connected",
}
LONGEST_BAR_NS = 60_000_000_000
"""Longer ones give no mean of five minutes that a price could leave."""
BAR, BBO, BOOK, TRADE = Wake.BAR, Wake.BBO, Wake.BOOK, Wake.TRADE


def on_bar(core: Core, event: Bar) -> None:
    """A finished bar: the last price, and a wake-up for who reads this interval."""
    instrument = event.instrument
    market = core.markets.get(instrument)
    if market is None:
        return
    market.last = event.close
    is_back = False
    if not market.bid:
        market.ts_ns = event.ts_ns
        is_back = market.feed is not LIVE
        market.feed = LIVE
    if event.ts_ns >= market.look_ns and (event.interval_ns <= LONGEST_BAR_NS or core.state.matrix):
        look(core, instrument, market)
    if core.narrowed:
        breakers.seen(core, instrument)
    if core.fed:
        tell(core, lambda name: core.bar_readers.get((name, event.interval_ns), ()), BAR, event)
    else:
        for view in core.bar_readers.get((instrument, event.interval_ns), ()):
            wake(core, view, BAR, event, instrument)
    if is_back:
        on_back(core, instrument)
    if core.chasing:
        chase(core, instrument)


def on_bbo(core: Core, event: Bbo) -> None:
    """A new touch."""
    instrument = event.instrument
    market = core.markets.get(instrument)
    if market is None:
        return
    market.bid, market.bid_qty = event.bid, event.bid_qty
    market.ask, market.ask_qty = event.ask, event.ask_qty
    market.ts_ns = event.ts_ns
    is_back = market.feed is not LIVE
    market.feed = LIVE
    if event.ts_ns >= market.look_ns:
        look(core, instrument, market)
    if core.narrowed:
        breakers.seen(core, instrument)
    if core.fed:
        tell(core, lambda name: core.bbo_readers.get(name, ()), BBO, event)
    else:
        for view in core.bbo_readers.get(instrument, ()):
            wake(core, view, BBO, None, instrument)
    if is_back:
        on_back(core, instrument)
    if core.chasing:
        chase(core, instrument)


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
    is_back = market.feed is not LIVE
    market.ts_ns, market.feed = event.ts_ns, LIVE
    if event.ts_ns >= market.look_ns:
        look(core, event.instrument, market)
    if core.narrowed:
        breakers.seen(core, event.instrument)
    if core.fed:
        tell(core, lambda name: core.book_readers.get(name, ()), BOOK, event)
    else:
        for view in core.book_readers.get(event.instrument, ()):
            wake(core, view, BOOK, None, event.instrument)
    if is_back:
        on_back(core, event.instrument)
    if core.chasing:
        chase(core, event.instrument)


def on_trade(core: Core, event: Trade) -> None:
    """A public trade."""
    market = core.markets.get(event.instrument)
    if market is None:
        return
    market.last = event.price
    is_back = not market.bid and market.feed is not LIVE
    if not market.bid:
        market.ts_ns, market.feed = event.ts_ns, LIVE
        if event.ts_ns >= market.look_ns:
            look(core, event.instrument, market)
    if core.fed:
        tell(core, lambda name: core.trade_readers.get(name, ()), TRADE, event)
    else:
        for view in core.trade_readers.get(event.instrument, ()):
            wake(core, view, TRADE, event, event.instrument)
    if is_back:
        on_back(core, event.instrument)


def on_mark(core: Core, event: Mark) -> None:
    """Mark price and funding rate."""
    market = core.markets.get(event.instrument)
    if market is not None:
        market.mark = event.price
        market.funding_rate = event.funding_rate


def tell(core: Core, find: Callable[[InstrumentId], Sequence[StrategyView]], why: Wake, event: Told) -> None:
    """Wake who reads this market while a fail-over is on: who looks elsewhere is not, who looks here instead is."""
    for view, pair in list(failover.readers(core, find, event.instrument)):
        seen = event if isinstance(event, Bar | Trade) else None
        if pair is None:
            wake(core, view, why, seen, event.instrument)
        else:
            wake(core, view, why, as_if(pair, seen) if seen is not None else None, pair.primary.instrument)


def on_back(core: Core, instrument: InstrumentId) -> None:
    """Prices have come again: what waited for them goes on, and a fail-over may be over."""
    market, venue = core.markets[instrument], instrument.partition(".")[2]
    if market.is_told:
        market.is_told = False
        core.alert(
            Severity.INFO, "feed_live", f"Prices of {instrument} come again.", venue=venue, instrument=instrument
        )
    converge_instrument(core, instrument)
    if core.pairs:
        failover.settle(core)


def converge_instrument(core: Core, instrument: InstrumentId) -> None:
    """What waited for prices may go on, or what needs them has to stop, on every account."""
    for slot in list(core.state.slots.values()):
        if slot.instrument == instrument:
            converge(core, slot)


def on_feed_status(core: Core, event: FeedStatus) -> None:
    """A feed changed its state: without prices quotes are pulled; people hear of it."""
    silent: list[InstrumentId] = []
    for instrument, market in core.markets.items():
        if instrument == event.instrument or (not event.instrument and instrument.endswith("." + event.venue)):
            if event.state is LIVE:
                continue  # that a feed is back says nothing of the price; the next one does, and lets go what waited
            market.feed, market.is_told = event.state, True
            on_feed(core, instrument, event.state)
            if event.state in SILENT:
                silent.append(instrument)
    for instrument in silent:
        converge_instrument(core, instrument)
    if event.state is not FeedState.LIVE:
        what = event.instrument or event.venue or "every venue"
        labels = {"venue": event.venue or event.instrument.partition(".")[2], "instrument": event.instrument}
        core.alert(
            Severity.WARNING,
            f"feed_{event.state}",
            f"Market data of {what} {_SAYS[event.state]}: {event.detail or 'no detail'}. "
            "Nothing that adds risk is sent without a fresh price; protections rest at the venue.",
            **{name: value for name, value in labels.items() if value},
        )
    if core.pairs and silent:
        failover.settle(core)
    for venue in {instrument.partition(".")[2]: None for instrument in silent}:
        breakers.failed(core, venue, breakers.MARKET_DATA, f"its market data {_SAYS[event.state]}")


def chase(core: Core, instrument: str) -> None:
    """Let passive targets follow the touch."""
    for slot in core.chasing.get(instrument, ()):
        if core.state.accounts[slot.account].reconciled:
            targets.converge(core, slot)
