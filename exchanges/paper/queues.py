"""Orders that rest in one instrument, and where each stands in the queue at its price.

Each order has a row in `orders`, the array that `matching.match` works on, in the order of priority.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any

from domain.market import Bbo
from exchanges.paper import matching as rules
from exchanges.paper.matching import AHEAD, KEY, LEAVES, ORDER, SHOWN, SIDE, TRADED
from exchanges.paper.orders import RESTING, PaperOrder

MOST_PASSED = 64
"""Quotes kept at most for queues that nobody looks at."""


def shown(quote: Bbo, side: int, key: int) -> int:
    """As `rules.shown`, of a ladder that has only this quote."""
    best, size = (quote.bid, quote.bid_qty) if side > 0 else (-quote.ask, quote.ask_qty)
    if key < best or size <= 0 or not best:
        return -1
    return size if key == best else 0


class Queues:
    """Resting orders with their queues. Whoever reads or writes queues in `orders` calls `catch_up` first."""

    def __init__(self, queue_power: int) -> None:
        self.state = array("q", bytes(8 * rules.STATE))
        self.state[rules.POWER] = queue_power
        self.resting: list[PaperOrder] = []
        self.asks = 0
        """How many of the resting orders are asks, which come first."""
        self._priorities: list[tuple[int, int, int]] = []
        """(side, -side * price, seq) of each resting order, ascending: asks first, on each side the best first."""
        self.passed: list[Bbo | None] = []
        """Quotes that the queues have yet to be told of; None = others came in between, and were not remembered.

        An order that moves or goes before somebody looks, which is what most do, need not be told at all.
        """
        self._since: list[int] = []
        """Where in `passed` each resting order came to its place."""
        self._grow(16)

    def _grow(self, capacity: int) -> None:
        self.capacity = capacity
        self.orders = array("q", bytes(8 * ORDER * capacity))
        self.triggers = array("q", bytes(8 * rules.TRIGGER * capacity))
        self.out = array("q", bytes(8 * 2 * 2 * capacity))
        self.views: tuple[Any, ...] = ()
        """The same memory as numpy sees it; made by `kernel.py`."""

    def regrow(self) -> None:
        """Make room for twice as many orders."""
        orders, triggers = self.orders, self.triggers
        self._grow(2 * self.capacity)
        self.orders[: len(orders)] = orders
        self.triggers[: len(triggers)] = triggers

    def enqueue(self, order: PaperOrder, size: int) -> None:
        """Put an order at the back of the queue at its price, where `size` is shown; one that rests already moves."""
        side, priorities = order.side, self._priorities
        key = side * order.price
        priority = side, -key, order.seq
        slot = bisect_right(priorities, priority)
        if order.where is RESTING:
            before = self.resting.index(order)
            if slot > before:
                slot -= 1
            if slot != before:
                self.dequeue(order)
                self._insert(order, slot, priority)
            else:
                priorities[slot] = priority
        else:
            self._insert(order, slot, priority)
        orders, at = self.orders, slot * ORDER
        orders[at + SIDE], orders[at + KEY] = side, key
        orders[at + LEAVES], orders[at + TRADED] = order.qty - order.filled, 0
        orders[at + AHEAD] = orders[at + SHOWN] = size
        self._since[slot] = len(self.passed)

    def _insert(self, order: PaperOrder, slot: int, priority: tuple[int, int, int]) -> None:
        count = len(self.resting)
        if count == self.capacity:
            self.regrow()
        self.resting.insert(slot, order)
        self._priorities.insert(slot, priority)
        self._since.insert(slot, 0)
        if slot < count:
            orders, at = self.orders, slot * ORDER
            orders[at + ORDER : (count + 1) * ORDER] = orders[at : count * ORDER]
        self.state[rules.ORDERS] = count + 1
        if order.side < 0:
            self.asks += 1
        order.where = RESTING

    def dequeue(self, order: PaperOrder) -> None:
        """Take a resting order out."""
        slot, count = self.resting.index(order), len(self.resting)
        del self.resting[slot], self._priorities[slot], self._since[slot]
        if slot < count - 1:
            self.orders[slot * ORDER : (count - 1) * ORDER] = self.orders[(slot + 1) * ORDER : count * ORDER]
        self.state[rules.ORDERS] = count - 1
        if order.side < 0:
            self.asks -= 1

    def write_leaves(self, order: PaperOrder) -> None:
        """Tell the matching rules how much of a resting order is left, without touching its queue."""
        if order.where is RESTING:
            self.orders[self.resting.index(order) * ORDER + LEAVES] = order.leaves

    def unsee(self) -> None:
        """Quotes came and went that the queues were not told of: what was shown before tells them nothing."""
        if self.resting:
            self.passed.append(None)
            if len(self.passed) >= MOST_PASSED:
                self.catch_up()

    def catch_up(self) -> None:
        """Tell every queue of the quotes that have passed since it was last told: `rules.refresh` for each of them."""
        passed = self.passed
        if not passed:
            return
        power, orders = self.state[rules.POWER], self.orders
        for slot, since in enumerate(self._since):
            at = slot * ORDER
            side, key = orders[at + SIDE], orders[at + KEY]
            for quote in passed[since:]:
                if quote is None:
                    orders[at + SHOWN] = -1
                    continue
                size = shown(quote, side, key)
                if size != orders[at + SHOWN] or (size >= 0 and orders[at + TRADED]):
                    rules.advance(orders, at, size, power)
        passed.clear()
        self._since = [0] * len(self._since)
