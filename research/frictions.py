"""What prices cost a run beside fees: slippage of what was taken, and the funding that a holder would have paid."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from domain.facts import FillBooked
from domain.instrument import ZERO, InstrumentId
from domain.order import Intent, Liquidity, OrderKind, Place, Role
from engine.core.core import Core

DECIDED = frozenset({Role.TARGET, Role.TAKE, Role.FLATTEN})
"""Orders that want the price of the moment. Stops wait for theirs, quotes make theirs."""
IMMEDIATE = frozenset({OrderKind.LIMIT, OrderKind.IOC})
KEPT = 4_096
"""Orders from which on those that the engine has forgotten are forgotten here."""


class Frictions:
    """Counts while a run goes on."""

    def __init__(self, core: Core) -> None:
        """Nothing yet."""
        self._core = core
        self.decided: dict[str, int] = {}
        """The last price when an order was decided, while it may fill."""
        self._most = KEPT
        self._slipped: dict[InstrumentId, int] = {}
        self._seen_ns: dict[InstrumentId, int] = {}
        self.fills = 0
        """Fills whose slippage is known."""
        self.carry: dict[InstrumentId, float] = {}
        """Funding of one who held long all the time, as a fraction of what was held: negative where it was paid."""

    def sent(self, intents: Sequence[Intent]) -> None:
        """Remember the last price of each order that wants it, at the moment of its decision."""
        for intent in intents:
            if type(intent) is Place and intent.kind in IMMEDIATE:
                price = self._core.markets[intent.instrument].reference()
                if price:
                    self.decided[intent.cid] = price
        if len(self.decided) > self._most:
            self._forget()

    def _forget(self) -> None:
        """Keep what may still fill; twice as much as that is left in peace."""
        working, closed = self._core.state.where, self._core.state.closed
        self.decided = {cid: price for cid, price in self.decided.items() if cid in working or cid in closed}
        self._most = max(KEPT, 2 * len(self.decided))

    def filled(self, fact: FillBooked) -> None:
        """Count how much worse than that a fill was."""
        decided = self.decided.get(fact.cid)
        if decided is not None and fact.role in DECIDED and fact.liquidity is Liquidity.TAKER:
            self.fills += 1
            worse = (fact.price - decided) * fact.side * fact.qty
            self._slipped[fact.instrument] = self._slipped.get(fact.instrument, 0) + worse

    def slippage(self) -> Decimal | None:
        """Money lost (positive) against the last price when it was decided; None where no such fill was seen."""
        if not self.fills:
            return None
        return sum((worse * self._core.instruments[name].unit for name, worse in self._slipped.items()), start=ZERO)

    def sample(self, ts_ns: int) -> None:
        """Add the funding since the sample before, at the rate that is known now."""
        for name, market in self._core.markets.items():
            since_ns = self._seen_ns.get(name, ts_ns)
            self._seen_ns[name] = ts_ns
            if market.funding_rate:
                part = (ts_ns - since_ns) / self._core.instruments[name].funding_interval_ns
                self.carry[name] = self.carry.get(name, 0.0) - float(market.funding_rate) * part
