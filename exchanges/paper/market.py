"""One instrument on the paper venue: its ladder, the orders that wait in it, and what is known of its price.

The arrays are the ones `matching.match` works on. Market data that cannot touch any order (it lies inside
the quiet band, strictly between `low` and `high`) is only remembered, and written to the ladder when
somebody looks: that is what makes a quiet market cheap.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil
from typing import TypeAlias

from domain.instrument import ZERO, AccountId, Instrument
from domain.market import Bbo, Book, Level
from domain.order import OrderKind
from exchanges.paper import matching as rules
from exchanges.paper.orders import ARMED, NOWHERE, POST_ONLY, RESTING, TAKING, PaperOrder
from exchanges.paper.queues import MOST_PASSED, Queues, shown

Matcher: TypeAlias = Callable[..., int]
FAR = 2**62
"""Beyond every price."""


class Market(Queues):
    """State of one instrument. `low` and `high` bound the quiet band; prices are integers, 0 = unknown.

    Whatever changes the band only makes it stale; whoever looks at a stale one has it worked out first.
    """

    def __init__(self, instrument: Instrument, queue_power: int) -> None:
        super().__init__(queue_power)
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
        self.keys = array("q", bytes(8 * 2 * rules.DEPTH))
        self.sizes = array("q", bytes(8 * 2 * rules.DEPTH))
        rules.clear(self.state, rules.BIDS)
        rules.clear(self.state, rules.ASKS)
        self.armed: list[PaperOrder] = []
        self.taking: list[PaperOrder] = []
        """Takers that wait for a price: for the next bar, or for more size after a stop has fired."""
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

    # the ladder

    def load(self) -> None:
        """Write the remembered book or quote, if any, to the ladder."""
        if self.lazy is not None:
            self.show(self.lazy)

    def show(self, event: Book | Bbo) -> None:
        """Write a book or quote to the ladder. Orders forget what was shown before a remembered one."""
        if self.lazy is not None:
            if self.lazy is not self.queued:
                self.unsee()
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
        self.lazy = self.queued = None
        rules.clear(self.state, rules.BIDS)
        rules.clear(self.state, rules.ASKS)
        self.unsee()

    def requeue(self, event: Bbo) -> None:
        """Show a quote that fills nobody, where only quotes are. The queues are told of it when somebody looks."""
        passed, lazy = self.passed, self.lazy
        if lazy is not None and lazy is not self.queued:
            passed.append(None)
        self.lazy = self.queued = event
        passed.append(event)
        if len(passed) >= MOST_PASSED:
            self.catch_up()

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
            self.unsee()
        bid_qty, ask_qty = lazy.bid_qty, lazy.ask_qty
        if qty > size:  # noqa: PLR1730 - on the hot path, and min() costs thrice as much
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
        side, lazy = order.side, self.lazy
        if type(lazy) is Bbo:
            if lazy is not self.queued:
                self.unsee()
                self.queued = lazy
            size = shown(lazy, side, side * order.price)
        else:
            self.load()
            size = rules.shown(self.state, self.keys, self.sizes, side, side * order.price)
        self.enqueue(order, size)
        self.is_stale = True

    def arm(self, order: PaperOrder) -> None:
        """Keep a stop or take-profit until its trigger is reached."""
        if len(self.armed) == self.capacity:
            self.regrow()
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
            self.dequeue(order)
        elif where is ARMED:
            self.armed.remove(order)
            self._write_triggers()
        else:
            self.taking.remove(order)
        self.is_stale = True

    def _write_triggers(self) -> None:
        for i, order in enumerate(self.armed):
            at = i * rules.TRIGGER
            self.triggers[at + rules.TRIGGER_SIDE] = order.side
            self.triggers[at + rules.DIRECTION] = order.direction
            self.triggers[at + rules.TRIGGER_PRICE] = order.trigger
        self.state[rules.TRIGGERS] = len(self.armed)
        self.is_stale = True

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
        resting, asks = self.resting, self.asks
        self.bought = bought = resting[asks].price if len(resting) > asks else -1
        self.sold = sold = resting[0].price if asks else FAR
        if bought > low:  # noqa: PLR1730 - on the hot path, and max() costs thrice as much
            low = bought
        if sold < high:  # noqa: PLR1730 - as above
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
