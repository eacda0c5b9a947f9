"""Orders as the paper venue keeps them, and the reasons for which it refuses one."""

from __future__ import annotations

import enum

from msgspec import Struct

from domain.instrument import AccountId, Instrument, InstrumentId
from domain.order import ClientId, Liquidity, OrderKind, OrderStatus
from domain.verdict import Reason

LIMIT, POST_ONLY, IOC, STOP, TAKE_PROFIT = OrderKind
"""The members by themselves: reading one off its enum costs as much as three steps of the interpreter."""
MAKER, TAKER = Liquidity
OPEN, FILLED, CANCELLED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELLED

TRIGGERED = (STOP, TAKE_PROFIT)
TAKES_ONLY = (IOC, STOP, TAKE_PROFIT)


class Where(enum.IntEnum):
    """Which list of its market a working order is in."""

    NOWHERE = 0
    RESTING = 1
    ARMED = 2
    TAKING = 3


NOWHERE, RESTING, ARMED, TAKING = Where


class PaperOrder(Struct, kw_only=True, eq=False, gc=False):
    """The venue's record of one order. `seq` is its time priority; `fired` says that its trigger was reached."""

    cid: ClientId
    account: AccountId
    instrument: InstrumentId
    side: int
    kind: OrderKind
    qty: int
    price: int
    trigger: int = 0
    reduce_only: bool = False
    venue_id: str = ""
    seq: int = 0
    arrived_ns: int = 0
    """When it came, or was last re-priced."""
    filled: int = 0
    status: OrderStatus = OPEN
    fired: bool = False
    liquidation: bool = False
    where: Where = NOWHERE

    @property
    def leaves(self) -> int:
        """Quantity that may still fill."""
        return self.qty - self.filled

    @property
    def direction(self) -> int:
        """Where its trigger lies: fires at or above (+1) or at or below (-1)."""
        return self.side if self.kind is STOP else -self.side


Refusal = tuple[Reason, str]


def bad_price(instrument: Instrument, price: int, name: str) -> Refusal | None:
    """Refuse a price that is not positive or not on the instrument's grid."""
    if price <= 0:
        return Reason.BAD_NUMBER, f"{name} {price} is not positive"
    if price % instrument.tick or (instrument.max_significant and price % instrument.price_step(price)):
        return Reason.BAD_NUMBER, f"{name} {instrument.price_text(price)} is not on the price grid"
    return None


def bad_numbers(instrument: Instrument, kind: OrderKind, qty: int, price: int, trigger: int) -> Refusal | None:
    """Refuse numbers that the instrument does not allow; a triggered order's price may be 0 (any)."""
    if qty <= 0 or qty < instrument.min_qty:
        return Reason.MIN_QTY, f"quantity {instrument.qty_text(qty)} is below the minimum"
    if qty % instrument.lot:
        return Reason.BAD_NUMBER, f"quantity {instrument.qty_text(qty)} is not a whole number of lots"
    if instrument.max_qty and qty > instrument.max_qty:
        return Reason.VENUE, f"quantity {instrument.qty_text(qty)} is above the maximum"
    if kind is not STOP and kind is not TAKE_PROFIT:
        return bad_price(instrument, price, "price")
    problem = bad_price(instrument, price, "price") if price else None
    return problem or bad_price(instrument, trigger, "trigger")
