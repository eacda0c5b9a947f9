"""The newest fills and samples of equity, kept in memory for screens that ask often."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from domain import views as v
from domain.facts import EquitySampled
from domain.instrument import ZERO

KEPT_FACTS = 2_000
KEPT_EQUITY = 20_000


class Recent:
    """Filled by the desk from facts, and at the start with what an earlier run left."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.trades: deque[v.TradeRow] = deque(maxlen=KEPT_FACTS)
        self.equity: deque[v.EquityPoint] = deque(maxlen=KEPT_EQUITY)
        self.last_ns: dict[str, int] = {}
        """Time of the newest fill, by owner."""
        self._filled: dict[str, tuple[Decimal, Decimal]] = {}
        """Quantity and value of what has filled, by order."""
        self._samples: dict[str, EquitySampled] = {}

    def trade(self, trade: v.TradeRow) -> None:
        """The next fill."""
        self.trades.append(trade)
        self.last_ns[trade.owner] = trade.ts_ns
        qty, value = self._filled.pop(trade.cid, (ZERO, ZERO))
        self._filled[trade.cid] = qty + trade.qty, value + trade.qty * trade.price
        if len(self._filled) > KEPT_FACTS:
            del self._filled[next(iter(self._filled))]

    def sample(self, fact: EquitySampled) -> None:
        """The next sample of an account; all of one moment are one point."""
        self._samples[fact.account] = fact
        equity = sum((s.equity for s in self._samples.values()), start=ZERO)
        if self.equity and self.equity[-1].ts_ns == fact.ts_ns:
            self.equity.pop()
        self.equity.append(v.EquityPoint(ts_ns=fact.ts_ns, equity=equity))

    def preload(self, trades: Sequence[v.TradeRow], equity: Sequence[v.EquityPoint]) -> None:
        """What was before, oldest first."""
        newer = list(self.trades)
        self.trades.clear()
        self._filled.clear()
        for trade in [*trades, *newer]:
            self.trade(trade)
        self.equity.extendleft(reversed(equity))

    def average(self, cid: str, filled: Decimal) -> Decimal | None:
        """Average price of an order's fills; None when they are not all known."""
        qty, value = self._filled.get(cid, (ZERO, ZERO))
        return value / qty if qty and qty == filled else None
