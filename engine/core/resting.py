"""`Resting`: what a person wants to rest at a price. A struct of its own, so that the state can hold it."""

from __future__ import annotations

from msgspec import Struct

from domain.instrument import Instrument
from domain.order import ClientId


class Resting(Struct):
    """A person's order at a price, in integer scale. It is wanted until it has filled, is cancelled, or its time is up.

    One order at a time works for it (`cid`, the newest): after a stop of the service the next run places what is left.
    """

    id: str
    side: int
    price: int
    qty: int
    until_ns: int
    by: str
    filled: int = 0
    cid: ClientId = ""

    @property
    def left(self) -> int:
        """Quantity that has not filled yet."""
        return self.qty - self.filled

    def words(self, instrument: Instrument) -> str:
        """`buy 0.5 BTC-USDC-PERP.PAPER at 65000`."""
        verb = "buy" if self.side > 0 else "sell"
        return f"{verb} {instrument.qty_text(self.qty)} {instrument.id} at {instrument.price_text(self.price)}"
