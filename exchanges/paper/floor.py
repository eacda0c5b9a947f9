"""The trading floor: orders, fills and accounts. Always consistent, never faulty.

    place ─▶ refused | accepted ─▶ takes ─▶ filled | rests | waits for a price | cancelled
                               └▶ armed (stop, take-profit) ─▶ fires ─▶ takes

Requests come in through `requests.py`, market data through `tape.py`, margin and funding are in `clearing.py`,
the line to the engine (latency, faults) is in `exchange.py`. What happens is told to `emit(event, ts_ns)`, in
the order in which it happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from domain.events import Cancelled, Filled, FundingPaid, VenueEvent
from domain.instrument import MONEY_STEP, AccountId, Instrument, InstrumentId
from domain.order import ClientId, Liquidity, OrderStatus
from exchanges.paper import clearing
from exchanges.paper.config import FillModel, PaperConfig, QueueModel
from exchanges.paper.ledger import Holding, PaperAccount
from exchanges.paper.market import Market
from exchanges.paper.orders import (
    CANCELLED,
    FILLED,
    IOC,
    NOWHERE,
    OPEN,
    POST_ONLY,
    TAKER,
    TAKES_ONLY,
    TRIGGERED,
    PaperOrder,
    Where,
)

NOTHING_TO_REDUCE = "reduce-only, and nothing is left to reduce"
Emit = Callable[[VenueEvent, int], None]


class Floor:
    """State of the venue. `history` keeps recent fills and funding per account, `told` counts all there ever were."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        accounts: Mapping[AccountId, Decimal],
        config: PaperConfig,
        emit: Emit,
    ) -> None:
        self.config = config
        self.emit = emit
        self.is_instant = config.fill_model is FillModel.SAME_CLOSE
        self.instruments: dict[InstrumentId, Instrument] = {i.id: i for i in instruments}
        power = config.queue_power if config.queue_model is QueueModel.POWER else 0
        self.markets = {name: Market(instrument, power) for name, instrument in self.instruments.items()}
        self.accounts = {name: PaperAccount(id=name, cash=cash, deposits=cash) for name, cash in accounts.items()}
        self.orders: dict[ClientId, PaperOrder] = {}
        self.finished: deque[ClientId] = deque()
        self._kept_orders = config.kept_orders
        self.history: dict[AccountId, deque[Filled | FundingPaid]] = {
            name: self.new_history() for name in self.accounts
        }
        self.told: dict[AccountId, int] = dict.fromkeys(self.accounts, 0)
        self.seq = 0
        self.dead_man_ns = 0
        """The nearest dead man's deadline; 0 = none is armed."""
        self.recording = False
        self.changed: dict[ClientId, PaperOrder] = {}
        """While `recording`: orders, movements of money and accounts changed since the store was last written."""
        self.news: list[Filled | FundingPaid] = []
        self.moved: list[AccountId] = []

    def new_history(self) -> deque[Filled | FundingPaid]:
        """An empty history of one account."""
        return deque(maxlen=self.config.kept_fills)

    def mark(self, instrument: InstrumentId) -> int:
        """Reference price of an instrument; 0 = unknown."""
        return self.markets[instrument].reference()

    def start(self, market: Market, order: PaperOrder, ts_ns: int) -> None:
        """Put an accepted (or re-priced) order to work."""
        order.arrived_ns, kind = ts_ns, order.kind
        if kind is IOC:
            self.take(market, order, ts_ns)
        elif kind is POST_ONLY:  # refused before, where it would take
            market.rest(order)
        elif kind in TRIGGERED:
            market.arm(order)
            price = (market.best(-order.side) if market.has_book else 0) or market.reference()
            if price and (price - order.trigger) * order.direction >= 0:
                self.fire(market, order, 0, ts_ns)
        elif market.would_take(kind, order.side, order.price):
            market.remove(order)  # an amended one rests
            self.take(market, order, ts_ns)
        else:
            market.rest(order)
        if self.recording:
            self.note(order)

    def fire(self, market: Market, order: PaperOrder, gap_price: int, ts_ns: int) -> None:
        """A trigger was reached: the order takes. `gap_price` is the price a bar reached it at (0 = no bar)."""
        market.remove(order)
        order.fired = True
        self.note(order)
        if gap_price:
            self.take_at(market, order, gap_price, ts_ns)
        else:
            self.take(market, order, ts_ns)

    def take(self, market: Market, order: PaperOrder, ts_ns: int) -> None:
        """Take liquidity now, as far as there is any; with bars, when the fill model says."""
        if market.has_book:
            wanted = order.qty - order.filled
            if order.reduce_only and not (wanted := self.allowed(order, wanted)):
                self.cancel_order(order, NOTHING_TO_REDUCE, ts_ns)
                return
            for price, qty in market.take(order.side, order.price, wanted):
                self.fill(market, order, price, qty, TAKER, ts_ns)
            if order.status is OPEN:
                self.after_taking(market, order, ts_ns)
        elif not market.last:
            self.after_taking(market, order, ts_ns)
        elif self.is_instant:
            self.take_at(market, order, market.last, ts_ns)
        else:
            market.wait(order)

    def take_at(self, market: Market, order: PaperOrder, price: int, ts_ns: int) -> None:
        """Take any quantity at one price (bars), if the order accepts it."""
        if not order.price or (order.price - price) * order.side >= 0:
            self.fill(market, order, price, order.qty - order.filled, TAKER, ts_ns)
        if order.status is OPEN:
            self.after_taking(market, order, ts_ns)

    def after_taking(self, market: Market, order: PaperOrder, ts_ns: int) -> None:
        """What becomes of the rest of an order that has taken."""
        if order.kind is IOC and not order.liquidation:
            self.cancel_order(order, "IOC rest", ts_ns)
        elif order.kind in TAKES_ONLY:
            market.wait(order)
        else:
            market.rest(order)

    def allowed(self, order: PaperOrder, qty: int) -> int:
        """How much of `qty` may fill: a reduce-only order never passes zero."""
        if not order.reduce_only:
            return qty
        return max(0, min(qty, -order.side * self.accounts[order.account].qty(order.instrument)))

    def fill(self, market: Market, order: PaperOrder, price: int, qty: int, liquidity: Liquidity, ts_ns: int) -> None:
        """Book one fill of a working order, and everything that follows from it."""
        if order.reduce_only:
            qty = self.allowed(order, qty)
            if not qty:
                self.cancel_order(order, NOTHING_TO_REDUCE, ts_ns)
                return
        name, side = order.instrument, order.side
        account_id = order.account
        account = self.accounts[account_id]
        holding = account.holdings.get(name)
        if holding is None:
            holding = account.holdings[name] = Holding(instrument=name)
        fee_unit = market.taker_unit if liquidity is TAKER else market.maker_unit
        fee = (price * qty * fee_unit).quantize(MONEY_STEP, ROUND_HALF_EVEN)
        account.cash += holding.fill(market.instrument.unit, side, price, qty, fee)
        order.filled = filled = order.filled + qty
        event = Filled(
            venue_ts_ns=ts_ns,
            account=account_id,
            instrument=name,
            cid=order.cid,
            fill_id=f"F{self.told[account_id] + 1}",
            side=side,
            price=price,
            qty=qty,
            fee=fee,
            liquidity=liquidity,
            liquidation=order.liquidation,
        )
        self.tell(account_id, event, ts_ns)
        if filled == order.qty:
            self._finish(order, account, FILLED)
        elif order.reduce_only and not holding.qty:
            self.cancel_order(order, NOTHING_TO_REDUCE, ts_ns)
        elif self.recording:
            self.note(order)
        if account.open and holding.qty * side >= 0:
            self._drop_useless(account, name, ts_ns)
        if len(account.holdings) == 1:
            clearing.set_only_band(market, account, holding, price)
        else:
            clearing.set_bands(self, account)

    def tell(self, account: AccountId, event: Filled | FundingPaid, ts_ns: int) -> None:
        """Emit a movement of money and keep it for snapshots."""
        self.told[account] += 1
        if self.recording:
            self.news.append(event)
        self.history[account].append(event)
        self.emit(event, ts_ns)

    def _drop_useless(self, account: PaperAccount, instrument: InstrumentId, ts_ns: int) -> None:
        """Cancel resting reduce-only orders that have nothing to reduce any more; armed ones stay."""
        for order in list(account.open.values()):
            is_idle = order.reduce_only and order.kind not in TRIGGERED and order.instrument == instrument
            if is_idle and account.qty(instrument) * order.side >= 0:
                self.cancel_order(order, NOTHING_TO_REDUCE, ts_ns)

    def cancel_order(self, order: PaperOrder, text: str, ts_ns: int) -> None:
        """Take a working order out of the market and say why."""
        self._finish(order, self.accounts[order.account], CANCELLED)
        self.emit(Cancelled(cid=order.cid, filled=order.filled, text=text, venue_ts_ns=ts_ns), ts_ns)

    def cancel_all(self, account: PaperAccount, text: str, ts_ns: int) -> None:
        """Cancel every order of an account."""
        for order in list(account.open.values()):
            if not order.liquidation:
                self.cancel_order(order, text, ts_ns)

    def _finish(self, order: PaperOrder, account: PaperAccount, status: OrderStatus) -> None:
        order.status = status
        cid, finished = order.cid, self.finished
        account.open.pop(cid, None)
        if order.where is not NOWHERE:
            self.markets[order.instrument].remove(order)
        finished.append(cid)
        if len(finished) > self._kept_orders:
            self.orders.pop(finished.popleft(), None)
        if self.recording:
            self.note(order)

    def set_dead_man(self, account: PaperAccount) -> None:
        """The deadline of an account has changed: work out the nearest."""
        self.dead_man_ns = min((a.dead_man_ns for a in self.accounts.values() if a.dead_man_ns), default=0)
        if self.recording:
            self.moved.append(account.id)

    def note(self, order: PaperOrder) -> None:
        """Remember for the store that an order has changed."""
        if self.recording:
            self.changed[order.cid] = order

    def problems(self) -> Iterator[str]:
        """Every way in which the books do not add up."""
        for account in self.accounts.values():
            yield from account.problems()
            for order in account.open.values():
                market = self.markets[order.instrument]
                places = [order in market.resting, order in market.armed, order in market.taking]
                if places != [order.where is where for where in list(Where)[1:]]:
                    yield f"{order.cid} is not where it says: {order.where.name}"
