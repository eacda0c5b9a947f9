"""What the engine knows of one contract's market."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.instrument import ZERO
from domain.market import FeedState, Level

NEVER = 2**63 - 1


@dataclass(slots=True)
class Market:
    """Last known prices of one instrument, in integer scale (0 = unknown).

    Written at every price, and thus no `Struct`: setting a field of one takes five times as long. It is encoded alike.
    """

    bid: int = 0
    bid_qty: int = 0
    ask: int = 0
    ask_qty: int = 0
    last: int = 0
    mark: int = 0
    funding_rate: Decimal = ZERO
    ts_ns: int = 0
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    feed: FeedState = FeedState.DOWN
    look_ns: int = 0
    """When the breakers of this symbol look at it next; `NEVER` while nothing of it is watched."""
    floor: int = 0
    ceiling: int = 0
    """The band of the volatility breaker: by a price outside of it nothing that adds risk is sent (0 = none yet)."""
    is_told: bool = False
    """People were told that its feed is not live, and not yet that it is again."""

    def reference(self) -> int:
        """The price that orders are judged and positions are valued by: mid of the touch, else mark, else last."""
        if self.bid and self.ask:
            return (self.bid + self.ask) // 2
        return self.mark or self.last

    def is_off(self) -> bool:
        """Whether the price is outside of its band: a market that leaps, or a feed that is wrong."""
        return bool(self.floor) and not self.floor <= self.reference() <= self.ceiling
