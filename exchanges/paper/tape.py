"""Market data reaches the floor: what each kind of event does to an instrument.

An event whose prices lie inside the market's quiet band touches nobody and is only remembered. Anything
else becomes rows for `matching.match`, whose effects are settled one row at a time. Bars match orders only
while an instrument has shown neither trades nor a book.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.market import Bar, Bbo, Book, FeedState, FeedStatus, Mark, Trade
from exchanges.paper import clearing
from exchanges.paper import matching as rules
from exchanges.paper.config import FillModel
from exchanges.paper.floor import Floor
from exchanges.paper.market import FAR, Market
from exchanges.paper.orders import MAKER, OPEN, TAKING

_LOOK = (0, rules.LOOK, 0, 0, 0)
_TOUCH = (0, rules.TOUCH, 0, 0, 0)


def on_bar(floor: Floor, market: Market, event: Bar, ts_ns: int) -> None:
    """Fill waiting takers at the open, then walk the bar: open, worse extreme, better extreme, close.

    Only the shortest bars count, and only orders that were there from the bar's beginning (its first tenth):
    a bar tells what happened before an order came, and must not fill it with that.
    """
    if market.has_ticks:
        return
    market.bar_ns = min(market.bar_ns, event.interval_ns)
    is_quiet = market.low < event.low and event.high < market.high
    if not is_quiet and event.interval_ns == market.bar_ns:
        market.newest_ns = event.open_ts_ns + event.interval_ns // 10
        market.last = event.open
        retry_takers(floor, market, ts_ns)
        touch = int(floor.config.fill_model is FillModel.OHLC_PATH)
        for step, price in enumerate(bar_path(floor, market, event)):
            if market.is_stale:
                market.set_band()
            if not market.low < price < market.high:
                market.last = price
                run(floor, market, (ts_ns, rules.PATH, 0, price, touch), ts_ns, price if step == 0 else -1)
                watch(floor, market, ts_ns)
        market.newest_ns = FAR
    market.last = event.close


def bar_path(floor: Floor, market: Market, event: Bar) -> tuple[int, int, int, int]:
    """Prices in the order a bar is taken to have reached them: the extreme that hurts the position first."""
    held = sum(account.qty(market.instrument.id) for account in floor.accounts.values())
    falls_first = held > 0 or (held == 0 and event.close >= event.open)
    if falls_first:
        return event.open, event.low, event.high, event.close
    return event.open, event.high, event.low, event.close


def on_bbo(floor: Floor, market: Market, event: Bbo, ts_ns: int) -> None:
    """A new best bid and offer; behind a book it replaces the top, alone it is all that is shown."""
    market.has_ticks = market.has_book = True
    market.has_only_quotes, market.is_guessed = not market.has_depth, False
    if market.has_depth:
        market.load()
        bid, ask = (rules.TOP, 1, event.bid, event.bid_qty), (rules.TOP, -1, event.ask, event.ask_qty)
        rows = (ts_ns, *bid, ts_ns, *ask)
        run(floor, market, rows, ts_ns)
    elif market.low < event.bid and event.ask < market.high:
        market.lazy = event
        return
    elif market.bought < event.ask and event.bid < market.sold:
        market.requeue(event)
        if market.safe_low < event.bid and event.ask < market.safe_high and not market.mark:
            return
    else:
        market.requeue(event)
        market.load()
        run(floor, market, _TOUCH, ts_ns)
    retry_takers(floor, market, ts_ns)
    watch(floor, market, ts_ns)


def on_book(floor: Floor, market: Market, event: Book, ts_ns: int) -> None:
    """A new snapshot of the nearest levels."""
    market.has_ticks = market.has_book = market.has_depth = True
    market.has_only_quotes = market.is_guessed = False
    is_quiet = not market.resting and event.bids and event.asks
    if is_quiet and market.low < event.bids[0][0] and event.asks[0][0] < market.high:
        market.lazy = event
        return
    market.show(event)
    run(floor, market, _LOOK, ts_ns)
    retry_takers(floor, market, ts_ns)
    watch(floor, market, ts_ns)


def on_trade(floor: Floor, market: Market, event: Trade, ts_ns: int) -> None:
    """A public trade; without any book takers find its size a tick to either side of its price."""
    market.has_ticks = True
    market.last = event.price
    if not market.low < event.price < market.high:
        run(floor, market, (ts_ns, rules.TRADE, event.side, event.price, event.qty), ts_ns)
    if market.has_book and not market.is_guessed:
        return
    step = market.instrument.price_step(event.price)
    guess = Bbo(
        instrument=event.instrument,
        bid=event.price - step,
        bid_qty=event.qty,
        ask=event.price + step,
        ask_qty=event.qty,
    )
    market.lazy = guess
    market.has_book = market.is_guessed = True
    retry_takers(floor, market, ts_ns)
    watch(floor, market, ts_ns)


def on_mark(floor: Floor, market: Market, event: Mark, ts_ns: int) -> None:
    """A mark price: pays funding that is due, moves margin, fires triggers."""
    clearing.pay_funding(floor, market, ts_ns)
    market.mark = event.price
    market.funding_rate = event.funding_rate
    if market.is_stale:
        market.set_band()
    if not market.low < event.price < market.high:
        run(floor, market, (ts_ns, rules.MARK, 0, event.price, 0), ts_ns)
        watch(floor, market, ts_ns)


def on_feed_status(floor: Floor, event: FeedStatus) -> None:
    """After a gap or an outage nothing shown can be relied on until the next snapshot."""
    if event.state in {FeedState.GAP, FeedState.DOWN}:
        for name, market in floor.markets.items():
            if event.instrument in {"", name}:
                market.forget_ladder()


def on_matched(floor: Floor, market: Market, ts_ns: int) -> None:
    """After a batch of rows: settle what the last of them did."""
    if market.state[rules.OUT]:
        settle(floor, market, ts_ns)
    retry_takers(floor, market, ts_ns)
    watch(floor, market, ts_ns)


def run(floor: Floor, market: Market, rows: Sequence[int], ts_ns: int, gap_price: int = 0) -> None:
    """Match rows and settle their effects; `gap_price` as for `settle`."""
    if rows[1] != rules.TOUCH:
        market.catch_up()
    row, last = 0, len(rows) // rules.ROW
    while row < last:
        if market.is_stale:
            market.set_band()
        row = rules.match(
            rows, row, last, market.state, market.keys, market.sizes, market.orders, market.triggers, market.out
        )
        if market.state[rules.OUT]:
            settle(floor, market, ts_ns, gap_price)


def settle(floor: Floor, market: Market, ts_ns: int, gap_price: int = 0) -> None:
    """Book what the last matched row did.

    A stop fired by a bar takes at `gap_price` (the bar opened beyond its trigger), or at its trigger (-1);
    0 means that there is a book to take from.
    """
    count, market.state[rules.OUT] = market.state[rules.OUT], 0
    effects = [(market.out[2 * i], market.out[2 * i + 1]) for i in range(count)]
    hits = [(market.resting[slot] if slot >= 0 else market.armed[-1 - slot], qty) for slot, qty in effects]
    for order, qty in hits:
        if order.status is not OPEN:
            continue
        if order.arrived_ns > market.newest_ns:
            market.write_leaves(order)
        elif qty:
            floor.fill(market, order, order.price, qty, MAKER, ts_ns)
        else:
            floor.fire(market, order, order.trigger if gap_price < 0 else gap_price, ts_ns)


def retry_takers(floor: Floor, market: Market, ts_ns: int) -> None:
    """Give the takers that wait another chance at what is now shown (with bars: at the last price)."""
    if not market.taking:
        return
    for order in list(market.taking):
        if order.where is not TAKING or order.arrived_ns > market.newest_ns:
            continue
        market.remove(order)
        if market.has_book:
            floor.take(market, order, ts_ns)
        else:
            floor.take_at(market, order, market.last, ts_ns)


def watch(floor: Floor, market: Market, ts_ns: int) -> None:
    """Look at margin when the reference price has left the safe band."""
    price = market.reference()
    if market.is_stale:
        market.set_band()
    if price and not market.safe_low < price < market.safe_high and market.beyond_liquidation(price):
        clearing.guard(floor, market, ts_ns)
