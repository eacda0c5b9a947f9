"""The venue's own books: cash, positions, margin. Kept exactly, apart from and blind to the engine's.

Whatever shrinks a position takes its share of `entry_value`, rounded once to `MONEY_STEP`; the remainder
keeps the rest, so nothing is ever lost to rounding and `problems` can demand equality to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

from msgspec import Struct, field

from domain.instrument import MONEY_STEP, ZERO, AccountId, Instrument, InstrumentId
from domain.order import ClientId
from exchanges.paper.orders import PaperOrder

Marks: TypeAlias = Callable[[InstrumentId], int]
"""Reference price of an instrument; 0 = unknown."""


class Holding(Struct, kw_only=True, eq=False):
    """Position of one account in one instrument, and the totals that prove it."""

    instrument: InstrumentId
    qty: int = 0
    entry_value: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    bought: int = 0
    sold: int = 0
    traded_value: Decimal = ZERO
    """Signed money of every fill."""

    def fill(self, unit: Decimal, side: int, price: int, qty: int, fee: Decimal) -> Decimal:
        """Book one fill; `unit` is the instrument's. Returns the change of cash."""
        signed = side * qty
        value = price * signed * unit
        self.traded_value += value
        self.fees += fee
        if side > 0:
            self.bought += qty
        else:
            self.sold += qty
        held = self.qty
        self.qty = held + signed
        if held * signed >= 0:
            self.entry_value += value
            return -fee
        if qty >= abs(held):
            gain = price * held * unit - self.entry_value
            self.entry_value = price * (held + signed) * unit
        else:
            share = (self.entry_value * qty / abs(held)).quantize(MONEY_STEP, ROUND_HALF_EVEN)
            gain = -value - share
            self.entry_value -= share
        self.realised += gain
        return gain - fee


class PaperAccount(Struct, kw_only=True, eq=False):
    """Money of one account. `open` holds its working orders by client id, oldest first."""

    id: AccountId
    cash: Decimal = ZERO
    deposits: Decimal = ZERO
    holdings: dict[InstrumentId, Holding] = field(default_factory=dict)
    open: dict[ClientId, PaperOrder] = field(default_factory=dict)
    dead_man_ns: int = 0

    def qty(self, instrument: InstrumentId) -> int:
        """Signed position."""
        holding = self.holdings.get(instrument)
        return holding.qty if holding is not None else 0

    def working(self, instrument: InstrumentId) -> tuple[int, int]:
        """Quantities (bought, sold) that working orders may still add."""
        buys = sells = 0
        for order in self.open.values():
            if order.instrument == instrument and not order.reduce_only:
                if order.side > 0:
                    buys += order.leaves
                else:
                    sells += order.leaves
        return buys, sells

    def gain_elsewhere(
        self, instrument: InstrumentId, instruments: dict[InstrumentId, Instrument], marks: Marks
    ) -> Decimal:
        """What the open positions have gained, all but the one in `instrument`."""
        total = ZERO
        for name, holding in self.holdings.items():
            if holding.qty and name != instrument and (mark := marks(name)):
                total += instruments[name].notional(mark, holding.qty) - holding.entry_value
        return total

    def maintenance(self, instruments: dict[InstrumentId, Instrument], marks: Marks) -> Decimal:
        """Equity below which the venue closes the positions."""
        total = ZERO
        for name, holding in self.holdings.items():
            if holding.qty:
                instrument = instruments[name]
                total += instrument.notional(marks(name), abs(holding.qty)) * instrument.maintenance_margin
        return total

    def margin_elsewhere(
        self, instrument: InstrumentId, instruments: dict[InstrumentId, Instrument], marks: Marks
    ) -> Decimal:
        """Initial margin of the positions and working orders, each at its worse side, all but in `instrument`."""
        sides = {name: [holding.qty, holding.qty] for name, holding in self.holdings.items() if holding.qty}
        for order in self.open.values():
            longest_shortest = sides.setdefault(order.instrument, [0, 0])
            if not order.reduce_only:
                longest_shortest[order.side < 0] += order.side * order.leaves
        total = ZERO
        for name, (longest, shortest) in sides.items():
            if name != instrument:
                worst = max(abs(longest), abs(shortest))
                total += instruments[name].notional(marks(name), worst) * instruments[name].initial_margin
        return total

    def problems(self) -> Iterator[str]:
        """Every way in which the books do not add up; none, or there is a bug."""
        expected = self.deposits
        for holding in self.holdings.values():
            expected += holding.realised - holding.fees + holding.funding
            if holding.qty != holding.bought - holding.sold:
                yield f"{self.id} {holding.instrument}: position {holding.qty} is not the sum of its fills"
            if holding.entry_value != holding.traded_value + holding.realised:
                yield f"{self.id} {holding.instrument}: entry value {holding.entry_value} does not follow from fills"
        if self.cash != expected:
            yield f"{self.id}: cash {self.cash}, but deposits and flows give {expected}"
        for order in self.open.values():
            if order.leaves <= 0 or order.filled < 0:
                yield f"{self.id} {order.cid}: working with {order.leaves} left of {order.qty}"
