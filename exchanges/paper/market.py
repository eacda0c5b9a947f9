"""One instrument on the paper venue: its ladder, the orders resting in it, and what is known of its price.

The arrays are the ones `matching.match` works on. Market data that cannot touch any order (it lies inside
the quiet band, strictly between `low` and `high`) is only remembered, and written to the ladder when
somebody looks: that is what makes a quiet market cheap.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil
from typing import Any, TypeAlias

from domain.instrument import ZERO, AccountId, Instrument
from domain.market import Bbo, Book, Level
from domain.order import OrderKind
from exchanges.paper import matching as rules
from exchanges.paper.matching import AHEAD, KEY, LEAVES, ORDER, SHOWN, SIDE, TRADED
from exchanges.paper.orders import ARMED, NOWHERE, POST_ONLY, RESTING, TAKING, PaperOrder

Matcher: TypeAlias = Callable[..., int]
FAR = 2**62
"""Beyond every price."""
MOST_PASSED = 64
"""Quotes kept at most for queues that nobody looks at."""


def _shown(quote: Bbo, side: int, key: int) -> int:
    """As `rules.shown`, of a ladder that has only this quote."""
    best, size = (quote.bid, quote.bid_qty) if side > 0 else (-quote.ask, quote.ask_qty)
    if key < best or size <= 0 or not best:
        return -1
    return size if key == best else 0


class Market:
    """State of one instrument. `low` and `high` bound the quiet band; prices are integers, 0 = unknown.

    Whatever changes the band only makes it stale; whoever looks at a stale one has it worked out first.
    """

    def __init__(self, instrument: Instrument, queue_power: int) -> None:
        self.instrument = instrument
        self.unit = float(instrument.unit)
        self.maintenance = float(instrument.maintenance_margin)
        self.short_unit = instrument.unit * (1 + instrument.maintenance_margin)
        """What a short of one quantity unit needs, to be closed and as margin, per price unit."""
        self.least_worth = ceil(Fraction(instrument.min_notional) / Fraction(instrument.unit))
        """Minimum notional in price units times quantity units."""
        self.margin_unit = instrument.unit * instrument.initial_margin
        self.maker_unit = instrument.unit * instrument.maker_fee
        self.taker_unit = instrument.unit * instrument.taker_fee
        """Initial margin and fees, before rounding, of one price unit times one quantity unit."""
        self.state = array("q", bytes(8 * rules.STATE))
        self.keys = array("q", bytes(8 * 2 * rules.DEPTH))
        self.sizes = array("q", bytes(8 * 2 * rules.DEPTH))
        self.state[rules.POWER] = queue_power
        rules.clear(self.state, rules.BIDS)
        rules.clear(self.state, rules.ASKS)
        self.resting: list[PaperOrder] = []
        self._priorities: list[tuple[int, int, int]] = []
        """(side, -side * price, seq) of each resting order, ascending: asks first, on each side the best first."""
        self._since: list[int] = []
        """Where in `_passed` each resting order came to its place."""
        self._passed: list[Bbo | None] = []
        """Quotes that the queues of the resting orders have yet to be told of; None = others came in between.

        An order that moves or goes before somebody looks, which is what most do, need not be told at all.
        """
        self._asks = 0
        """How many of the resting orders are asks."""
        self.armed: list[PaperOrder] = []
        self.taking: list[PaperOrder] = []
        """Takers that wait for a price: for the next bar, or for more size after a stop has fired."""
        self._grow(16)
        self.lazy: Bbo | Book | None = None
        """What is shown and has not been written to the ladder yet."""
        self.queued: Bbo | None = None
        """Whether `lazy` is this quote: the queues of the resting orders have been told of it."""
        self.has_ticks = False
        self.has_book = False
        self.has_depth = False
        self.has_only_quotes = False
        self.is_guessed = False
        """The quote shown is made up from trades alone."""
        self.bar_ns = FAR
        """The shortest bar interval seen; longer bars only repeat it."""
        self.newest_ns = FAR
        """While a bar is walked: orders that came later than this take no part in it."""
        self.last = 0
        self.mark = 0
        self.funding_rate = ZERO
        self.next_funding_ns = 0
        self.liquidations: dict[AccountId, tuple[int, int]] = {}
        self._margin_band = -1, FAR
        """The prices between which no account's margin has to be looked at."""
        self.is_stale = True
        self.low, self.high = -1, FAR
        self.safe_low, self.safe_high = -1, FAR
        """Prices strictly between these endanger nobody's margin."""
        self.bought, self.sold = -1, FAR
        """Best resting bid and ask of ours: a quote strictly outside fills nobody (FAR, -1 while others wait too)."""

    def _grow(self, capacity: int) -> None:
        self.capacity = capacity
        self.orders = array("q", bytes(8 * ORDER * capacity))
        self.triggers = array("q", bytes(8 * rules.TRIGGER * capacity))
        self.out = array("q", bytes(8 * 2 * 2 * capacity))
        self.views: tuple[Any, ...] = ()
        """The same memory as numpy sees it; made by `kernel.py`."""

    # the ladder

    def load(self) -> None:
        """Write the remembered book or quote, if any, to the ladder."""
        if self.lazy is not None:
            self.show(self.lazy)

    def show(self, event: Book | Bbo) -> None:
        """Write a book or quote to the ladder. Orders forget what was shown before a remembered one."""
        if self.lazy is not None:
            if self.lazy is not self.queued:
                self._unsee()
            self.lazy = self.queued = None
        if type(event) is Bbo:
            state, keys, sizes = self.state, self.keys, self.sizes
            first = state[rules.WORST]
            keys[first], sizes[first] = event.bid, event.bid_qty
            state[rules.BIDS] = 1 if event.bid and event.bid_qty > 0 else 0
            first = state[rules.WORST + 1]
            keys[first], sizes[first] = -event.ask, event.ask_qty
            state[rules.ASKS] = 1 if event.ask and event.ask_qty > 0 else 0
        elif type(event) is Book:
            self.state[rules.DEEP] = 1
            self._load_side(rules.BIDS, 1, event.bids)
            self._load_side(rules.ASKS, -1, event.asks)

    def _load_side(self, half: int, side: int, levels: Iterable[Level]) -> None:
        wanted = [(side * price, qty) for price, qty in levels if qty > 0][: rules.DEPTH]
        wanted.reverse()
        first, count = half * rules.DEPTH + (rules.DEPTH - len(wanted)) // 2, len(wanted)
        if wanted:
            self.keys[first : first + count] = array("q", [key for key, _ in wanted])
            self.sizes[first : first + count] = array("q", [qty for _, qty in wanted])
        self.state[half] = count
        self.state[rules.WORST + half] = first

    def forget_ladder(self) -> None:
        """After a gap in the feed: nothing is shown until the next snapshot."""
        self.lazy = None
        rules.clear(self.state, rules.BIDS)
        rules.clear(self.state, rules.ASKS)
        self._unsee()

    def _unsee(self) -> None:
        """Quotes have come and gone that the queues were not told of: what was shown before tells them nothing."""
        if self.resting:
            self._passed.append(None)
            if len(self._passed) >= MOST_PASSED:
                self.catch_up()

    def requeue(self, event: Bbo) -> None:
        """Show a quote that fills nobody, where only quotes are. The queues are told of it when somebody looks."""
        if self.lazy is not None and self.lazy is not self.queued:
            self._passed.append(None)
        self.lazy = self.queued = event
        self._passed.append(event)
        if len(self._passed) >= MOST_PASSED:
            self.catch_up()

    def catch_up(self) -> None:
        """Tell every queue of the quotes that have passed since it was last told: `rules.refresh` for each of them."""
        passed, power, orders = self._passed, self.state[rules.POWER], self.orders
        for slot, since in enumerate(self._since):
            at = slot * ORDER
            side, key = orders[at + SIDE], orders[at + KEY]
            for quote in passed[since:]:
                if quote is None:
                    orders[at + SHOWN] = -1
                    continue
                size = _shown(quote, side, key)
                if size != orders[at + SHOWN] or (size >= 0 and orders[at + TRADED]):
                    rules.advance(orders, at, size, power)
        passed.clear()
        self._since = [0] * len(self._since)

    def best(self, side: int) -> int:
        """Best price shown on a side (+1 = bids); 0 when none is."""
        lazy = self.lazy
        if type(lazy) is Bbo:
            if side > 0:
                return lazy.bid if lazy.bid_qty > 0 else 0
            return lazy.ask if lazy.ask_qty > 0 else 0
        if lazy is not None:
            self.show(lazy)
        half = rules.BIDS if side > 0 else rules.ASKS
        count = self.state[half]
        return side * self.keys[self.state[rules.WORST + half] + count - 1] if count else 0

    def take(self, side: int, limit: int, qty: int) -> list[Level]:
        """Walk the opposite side up to `limit` (0 = any price) and eat it: the (price, quantity) pieces got."""
        lazy = self.lazy
        if type(lazy) is not Bbo:
            self.load()
            return self._walk(side, limit, qty)
        price, size = (lazy.ask, lazy.ask_qty) if side > 0 else (lazy.bid, lazy.bid_qty)
        if not price or size <= 0 or (limit and (price - limit) * side > 0):
            return []
        if lazy is not self.queued:
            self._unsee()
        bid_qty, ask_qty = lazy.bid_qty, lazy.ask_qty
        if qty > size:
            qty = size
        if side > 0:
            ask_qty = size - qty
        else:
            bid_qty = size - qty
        self.lazy = self.queued = Bbo(
            instrument=lazy.instrument, bid=lazy.bid, bid_qty=bid_qty, ask=lazy.ask, ask_qty=ask_qty
        )
        return [(price, qty)]

    def _walk(self, side: int, limit: int, qty: int) -> list[Level]:
        """As `take`, from the ladder."""
        state, sizes = self.state, self.sizes
        half = rules.ASKS if side > 0 else rules.BIDS
        pieces: list[Level] = []
        while count := state[half]:
            at = state[rules.WORST + half] + count - 1
            price = -side * self.keys[at]
            if limit and (price - limit) * side > 0:
                break
            size = sizes[at]
            if qty < size:
                sizes[at] = size - qty
                pieces.append((price, qty))
                break
            sizes[at] = 0
            rules.trim(state, sizes, half)
            pieces.append((price, size))
            qty -= size
            if not qty:
                break
        return pieces

    def would_take(self, kind: OrderKind, side: int, price: int) -> bool:
        """Whether a limit at `price` would trade at once; with bars alone, against the last close.

        A close does not tell which side of the book it was: what is post-only may stand at it.
        """
        if not self.has_book:
            return self.last > 0 and (price - self.last) * side >= (kind is POST_ONLY)
        other = self.best(-side)
        return other > 0 and (price - other) * side >= 0

    def reference(self) -> int:
        """The price that margin is reckoned at: mark, else the middle of the book, else the last price; 0 = none."""
        if self.mark:
            return self.mark
        if self.has_book:
            lazy = self.lazy
            if type(lazy) is Bbo:
                if lazy.bid and lazy.ask and lazy.bid_qty > 0 and lazy.ask_qty > 0:
                    return (lazy.bid + lazy.ask) // 2
                return self.last
            if lazy is not None:
                self.show(lazy)
            state = self.state
            if state[rules.BIDS] and state[rules.ASKS]:
                bid = self.keys[state[rules.WORST] + state[rules.BIDS] - 1]
                ask = -self.keys[state[rules.WORST + 1] + state[rules.ASKS] - 1]
                return (bid + ask) // 2
        return self.last

    # orders

    def rest(self, order: PaperOrder) -> None:
        """Put an order at the back of the queue at its price; one that rests already goes there."""
        resting, priorities, side = self.resting, self._priorities, order.side
        key = side * order.price
        priority = side, -key, order.seq
        slot = bisect_right(priorities, priority)
        if order.where is RESTING:
            before = resting.index(order)
            if slot == before or slot == before + 1:
                priorities[before] = priority
                self._join_queue(order, before, side, key)
                return
            self.remove(order)
            slot -= slot > before
        count = len(resting)
        if count == self.capacity:
            self._regrow()
        priorities.insert(slot, priority)
        resting.insert(slot, order)
        self._since.insert(slot, 0)
        if slot < count:
            orders, at = self.orders, slot * ORDER
            orders[at + ORDER : (count + 1) * ORDER] = orders[at : count * ORDER]
        self.state[rules.ORDERS] = count + 1
        if side < 0:
            self._asks += 1
        order.where = RESTING
        self._join_queue(order, slot, side, key)

    def _join_queue(self, order: PaperOrder, slot: int, side: int, key: int) -> None:
        """Write the row of an order that is the last one at its price."""
        lazy = self.lazy
        if type(lazy) is Bbo:
            if lazy is not self.queued:
                self._unsee()
                self.queued = lazy
            size = _shown(lazy, side, key)
        else:
            self.load()
            size = rules.shown(self.state, self.keys, self.sizes, side, key)
        orders, at = self.orders, slot * ORDER
        orders[at + SIDE], orders[at + KEY] = side, key
        orders[at + LEAVES], orders[at + TRADED] = order.qty - order.filled, 0
        orders[at + AHEAD] = orders[at + SHOWN] = size
        self._since[slot] = len(self._passed)
        self.is_stale = True

    def arm(self, order: PaperOrder) -> None:
        """Keep a stop or take-profit until its trigger is reached."""
        if len(self.armed) == self.capacity:
            self._regrow()
        order.where = ARMED
        self.armed.append(order)
        self._write_triggers()

    def wait(self, order: PaperOrder) -> None:
        """Keep a taker until there is a price for it."""
        order.where = TAKING
        self.taking.append(order)
        self.is_stale = True

    def remove(self, order: PaperOrder) -> None:
        """Take an order out of wherever it is."""
        where, order.where = order.where, NOWHERE
        if where is NOWHERE:
            return
        if where is RESTING:
            slot, count = self.resting.index(order), len(self.resting)
            del self.resting[slot], self._priorities[slot], self._since[slot]
            if slot < count - 1:
                self.orders[slot * ORDER : (count - 1) * ORDER] = self.orders[(slot + 1) * ORDER : count * ORDER]
            self.state[rules.ORDERS] = count - 1
            if order.side < 0:
                self._asks -= 1
        elif where is ARMED:
            self.armed.remove(order)
            self._write_triggers()
        else:
            self.taking.remove(order)
        self.is_stale = True

    def write_leaves(self, order: PaperOrder) -> None:
        """Tell the matching rules how much of a resting order is left, without touching its queue."""
        if order.where is RESTING:
            self.orders[self.resting.index(order) * ORDER + LEAVES] = order.leaves

    def _write_triggers(self) -> None:
        for i, order in enumerate(self.armed):
            at = i * rules.TRIGGER
            self.triggers[at + rules.TRIGGER_SIDE] = order.side
            self.triggers[at + rules.DIRECTION] = order.direction
            self.triggers[at + rules.TRIGGER_PRICE] = order.trigger
        self.state[rules.TRIGGERS] = len(self.armed)
        self.is_stale = True

    def _regrow(self) -> None:
        orders, triggers = self.orders, self.triggers
        self._grow(2 * self.capacity)
        self.orders[: len(orders)] = orders
        self.triggers[: len(triggers)] = triggers

    def set_liquidation(self, account: AccountId, low: int, high: int) -> None:
        """Set the prices beyond which the account's margin has to be looked at."""
        bounds = low, high
        if self.liquidations.get(account) != bounds:
            self.liquidations[account] = bounds
            lows, highs = zip(*self.liquidations.values(), strict=True)
            self._margin_band = max(lows), min(highs)
            self.is_stale = True

    def beyond_liquidation(self, price: int) -> bool:
        """Whether the margin of some account has to be looked at."""
        low, high = self._margin_band
        return price <= low or price >= high

    def set_band(self) -> None:
        """Work out the quiet band from everything that waits for a price."""
        self.is_stale = False
        low, high = (FAR, -1) if self.taking else self._margin_band
        self.safe_low, self.safe_high = low, high
        resting, asks = self.resting, self._asks
        self.bought = bought = resting[asks].price if len(resting) > asks else -1
        self.sold = sold = resting[0].price if asks else FAR
        if bought > low:
            low = bought
        if sold < high:
            high = sold
        if self.armed or self.taking:
            self.bought, self.sold = FAR, -1
            for order in self.armed:
                if order.direction < 0:
                    low = max(low, order.trigger)
                else:
                    high = min(high, order.trigger)
        self.low = self.state[rules.LOW] = low
        self.high = self.state[rules.HIGH] = high
