"""The trading floor: what the venue does with each request, and every fill. Always consistent, never faulty.

    place ─▶ refused | accepted ─▶ takes ─▶ filled | rests | waits for a price | cancelled
                               └▶ armed (stop, take-profit) ─▶ fires ─▶ takes

Market data comes in through `tape.py`, margin and funding are in `clearing.py`, the line to the engine
(latency, faults) is in `exchange.py`. What happens is told to `emit(event, ts_ns)` in the order it happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from decimal import Decimal

from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    FundingPaid,
    OpenOrder,
    OrderReport,
    Rejected,
    VenueEvent,
    VenuePosition,
    VenueSnapshot,
)
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.order import Amend, ArmDeadMan, Cancel, ClientId, Liquidity, OrderKind, OrderStatus, Place, Query
from domain.verdict import Reason
from exchanges.paper import clearing
from exchanges.paper.config import FillModel, PaperConfig, QueueModel
from exchanges.paper.ledger import Holding, PaperAccount
from exchanges.paper.market import Market
from exchanges.paper.orders import TAKES_ONLY, TRIGGERED, PaperOrder, bad_numbers, refusal

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
        self.instruments: dict[InstrumentId, Instrument] = {i.id: i for i in instruments}
        power = config.queue_power if config.queue_model is QueueModel.POWER else 0
        self.markets = {name: Market(instrument, power) for name, instrument in self.instruments.items()}
        self.accounts = {name: PaperAccount(id=name, cash=cash, deposits=cash) for name, cash in accounts.items()}
        self.orders: dict[ClientId, PaperOrder] = {}
        self.finished: deque[ClientId] = deque()
        self.history: dict[AccountId, deque[Filled | FundingPaid]] = {
            name: deque(maxlen=config.kept_fills) for name in self.accounts
        }
        self.told: dict[AccountId, int] = dict.fromkeys(self.accounts, 0)
        self.seq = 0
        self.recording = False
        self.changed: dict[ClientId, PaperOrder] = {}
        """Orders changed since the store was last written, while `recording`."""

    def mark(self, instrument: InstrumentId) -> int:
        """Reference price of an instrument; 0 = unknown."""
        return self.markets[instrument].reference()

    # requests

    def place(self, place: Place, ts_ns: int) -> None:
        """Accept or refuse a new order; what can take does so at once."""
        market, account = self.markets.get(place.instrument), self.accounts.get(place.account)
        if market is None or account is None:
            missing = place.instrument if market is None else place.account
            self.emit(Rejected(cid=place.cid, venue_ts_ns=ts_ns, text=f"{missing} is not known here"), ts_ns)
            return
        problem = self._refusal(market, account, place, ts_ns)
        if problem is not None:
            self.emit(Rejected(cid=place.cid, venue_ts_ns=ts_ns, reason=problem[0], text=problem[1]), ts_ns)
            return
        self.seq += 1
        order = PaperOrder(
            cid=place.cid,
            account=place.account,
            instrument=place.instrument,
            side=place.side,
            kind=place.kind,
            qty=place.qty,
            price=place.price,
            trigger=place.trigger,
            reduce_only=place.reduce_only,
            venue_id=f"V{self.seq}",
            seq=self.seq,
        )
        self.orders[order.cid] = account.open[order.cid] = order
        self.emit(Accepted(cid=order.cid, venue_id=order.venue_id, venue_ts_ns=ts_ns), ts_ns)
        self._start(market, order, ts_ns)

    def _refusal(self, market: Market, account: PaperAccount, place: Place, ts_ns: int) -> tuple[Reason, str] | None:
        if place.cid in self.orders:
            return Reason.DUPLICATE, f"an order {place.cid} exists already"
        problem = refusal(market.instrument, place, ts_ns)
        if problem is not None:
            return problem
        if place.kind is OrderKind.POST_ONLY and self.would_take(market, place.side, place.price):
            return Reason.VENUE, "post-only, but it would take"
        if place.reduce_only:
            if place.kind not in TRIGGERED and account.qty(place.instrument) * place.side >= 0:
                return Reason.VENUE, "reduce-only, but there is nothing to reduce"
        elif not clearing.affords(self, account, market, place.side, place.qty, place.price or place.trigger):
            return Reason.VENUE, "insufficient margin"
        return None

    def would_take(self, market: Market, side: int, price: int) -> bool:
        """Whether a limit at `price` would trade at once; with bars alone, against the last close."""
        other = market.best(-side) if market.has_book else market.last
        return other > 0 and (price - other) * side >= 0

    def _start(self, market: Market, order: PaperOrder, ts_ns: int) -> None:
        """Put an accepted (or re-priced) order to work."""
        if order.kind in TRIGGERED:
            market.arm(order)
            price = (market.best(-order.side) if market.has_book else 0) or market.reference()
            if price and (price - order.trigger) * order.direction >= 0:
                self.fire(market, order, 0, ts_ns)
        elif order.kind is OrderKind.IOC or self.would_take(market, order.side, order.price):
            self.take(market, order, ts_ns)
        else:
            market.rest(order)
        self.note(order)

    def amend(self, amend: Amend, ts_ns: int) -> None:
        """Change a working order in place. Less quantity keeps the queue; anything else goes to its back."""
        order = self.orders.get(amend.cid)
        problem = self._amend_problem(order, amend)
        if order is None or problem:
            text = problem or "no such order"
            self.emit(
                AmendRejected(cid=amend.cid, amend_no=amend.amend_no, text=text, venue_ts_ns=ts_ns),
                ts_ns,
            )
            return
        if amend.qty <= order.filled:
            self.cancel_order(order, "amended to no more than has filled", ts_ns)
            return
        market = self.markets[order.instrument]
        trigger = amend.trigger or order.trigger
        keeps_queue = amend.price == order.price and amend.qty <= order.qty and trigger == order.trigger
        if not keeps_queue:
            market.remove(order)
            self.seq += 1
            order.seq = self.seq
        order.price, order.qty, order.trigger = amend.price, amend.qty, trigger
        self.emit(
            Amended(
                cid=order.cid,
                price=order.price,
                qty=order.qty,
                trigger=order.trigger,
                amend_no=amend.amend_no,
                venue_ts_ns=ts_ns,
            ),
            ts_ns,
        )
        if keeps_queue:
            market.write_leaves(order)
            self.note(order)
        else:
            self._start(market, order, ts_ns)

    def _amend_problem(self, order: PaperOrder | None, amend: Amend) -> str:
        if order is None or order.status is not OrderStatus.OPEN:
            return "no such order is working"
        if order.fired or order.liquidation:
            return "it has been triggered"
        if amend.qty <= order.filled:
            return ""
        market, account = self.markets[order.instrument], self.accounts[order.account]
        numbers = bad_numbers(market.instrument, order.kind, amend.qty, amend.price, amend.trigger or order.trigger)
        if numbers is not None:
            return numbers[1]
        if order.kind is OrderKind.POST_ONLY and self.would_take(market, order.side, amend.price):
            return "post-only, but it would take"
        more = amend.qty - order.qty
        if more > 0 and not order.reduce_only and not clearing.affords(self, account, market, order.side, more, 0):
            return "insufficient margin"
        return ""

    def cancel(self, cancel: Cancel, ts_ns: int) -> None:
        """Take an order out of the market, or say that there is none."""
        order = self.orders.get(cancel.cid)
        if order is None or order.status is not OrderStatus.OPEN or order.liquidation:
            text = "no such order" if order is None else f"the order is {order.status.name.lower()}"
            self.emit(CancelRejected(cid=cancel.cid, text=text, venue_ts_ns=ts_ns), ts_ns)
        else:
            self.cancel_order(order, "asked", ts_ns)

    def query(self, query: Query, ts_ns: int) -> None:
        """Tell what is known of an order."""
        order = self.orders.get(query.cid)
        if order is None:
            self.emit(OrderReport(cid=query.cid, found=False, venue_ts_ns=ts_ns), ts_ns)
            return
        report = OrderReport(
            cid=order.cid,
            found=True,
            status=order.status,
            filled=order.filled,
            price=order.price,
            qty=order.qty,
            venue_id=order.venue_id,
            venue_ts_ns=ts_ns,
        )
        self.emit(report, ts_ns)

    def arm_dead_man(self, arm: ArmDeadMan) -> None:
        """Set the time at which everything of the account is cancelled; 0 disarms."""
        if arm.account in self.accounts:
            self.accounts[arm.account].dead_man_ns = arm.deadline_ns

    def dead_man_due_ns(self) -> int:
        """The nearest deadline; 0 = none armed."""
        return min((a.dead_man_ns for a in self.accounts.values() if a.dead_man_ns), default=0)

    def fire_dead_men(self, ts_ns: int) -> None:
        """Cancel every order, stops included, of the accounts whose deadline has come."""
        for account in self.accounts.values():
            if account.dead_man_ns and account.dead_man_ns <= ts_ns:
                account.dead_man_ns = 0
                self.cancel_all(account, "dead man", ts_ns)

    def snapshot(self, account_id: AccountId, ts_ns: int, since: int = 0) -> VenueSnapshot:
        """Everything known of an account, with the fills and funding from number `since` on (as far as kept)."""
        account, history = self.accounts[account_id], self.history[account_id]
        skip = max(0, len(history) - (self.told[account_id] - since))
        news = [copy(event) for event in list(history)[skip:]]
        return VenueSnapshot(
            venue_ts_ns=ts_ns,
            account=account_id,
            cash=account.cash,
            orders=tuple(_open_order(order) for order in account.open.values() if not order.liquidation),
            positions=tuple(
                VenuePosition(instrument=name, qty=holding.qty, entry_value=holding.entry_value)
                for name, holding in account.holdings.items()
                if holding.qty
            ),
            fills=tuple(event for event in news if isinstance(event, Filled)),
            funding=tuple(event for event in news if isinstance(event, FundingPaid)),
        )

    # what happens to orders

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
            wanted = self.allowed(order, order.leaves)
            for price, qty in market.take(order.side, order.price, wanted):
                self.fill(market, order, price, qty, Liquidity.TAKER, ts_ns)
            self.after_taking(market, order, ts_ns)
        elif not market.last:
            self.after_taking(market, order, ts_ns)
        elif self.config.fill_model is FillModel.SAME_CLOSE:
            self.take_at(market, order, market.last, ts_ns)
        else:
            market.wait(order)

    def take_at(self, market: Market, order: PaperOrder, price: int, ts_ns: int) -> None:
        """Take any quantity at one price (bars), if the order accepts it."""
        if not order.price or (order.price - price) * order.side >= 0:
            self.fill(market, order, price, order.leaves, Liquidity.TAKER, ts_ns)
        self.after_taking(market, order, ts_ns)

    def after_taking(self, market: Market, order: PaperOrder, ts_ns: int) -> None:
        """What becomes of the rest of an order that has taken."""
        if order.status is not OrderStatus.OPEN:
            return
        if order.kind is OrderKind.IOC and not order.liquidation:
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
        qty = self.allowed(order, qty)
        if not qty:
            self.cancel_order(order, "reduce-only, and nothing is left to reduce", ts_ns)
            return
        account, instrument = self.accounts[order.account], market.instrument
        holding = account.holdings.get(order.instrument)
        if holding is None:
            holding = account.holdings[order.instrument] = Holding(instrument=order.instrument)
        rate = instrument.maker_fee if liquidity is Liquidity.MAKER else instrument.taker_fee
        fee = instrument.fee(price, qty, rate)
        account.cash += holding.fill(instrument, order.side, price, qty, fee)
        order.filled += qty
        event = Filled(
            venue_ts_ns=ts_ns,
            account=order.account,
            instrument=order.instrument,
            cid=order.cid,
            fill_id=f"F{self.told[order.account] + 1}",
            side=order.side,
            price=price,
            qty=qty,
            fee=fee,
            liquidity=liquidity,
            liquidation=order.liquidation,
        )
        self.tell(order.account, event, ts_ns)
        if order.filled == order.qty:
            self._finish(order, OrderStatus.FILLED)
        elif order.reduce_only and not holding.qty:
            self.cancel_order(order, "reduce-only, and nothing is left to reduce", ts_ns)
        else:
            self.note(order)
        if len(account.open) and holding.qty * order.side >= 0:
            self._drop_useless(account, order.instrument, ts_ns)
        clearing.set_bands(self, account)

    def tell(self, account: AccountId, event: Filled | FundingPaid, ts_ns: int) -> None:
        """Emit a movement of money and keep it for snapshots."""
        self.told[account] += 1
        self.history[account].append(event)
        self.emit(copy(event), ts_ns)

    def _drop_useless(self, account: PaperAccount, instrument: InstrumentId, ts_ns: int) -> None:
        """Cancel resting reduce-only orders that have nothing to reduce any more; armed ones stay."""
        for order in list(account.open.values()):
            is_idle = order.reduce_only and order.kind not in TRIGGERED and order.instrument == instrument
            if is_idle and account.qty(instrument) * order.side >= 0:
                self.cancel_order(order, "reduce-only, and nothing is left to reduce", ts_ns)

    def cancel_order(self, order: PaperOrder, text: str, ts_ns: int) -> None:
        """Take a working order out of the market and say why."""
        self._finish(order, OrderStatus.CANCELLED)
        self.emit(Cancelled(cid=order.cid, filled=order.filled, text=text, venue_ts_ns=ts_ns), ts_ns)

    def cancel_all(self, account: PaperAccount, text: str, ts_ns: int) -> None:
        """Cancel every order of an account."""
        for order in list(account.open.values()):
            if not order.liquidation:
                self.cancel_order(order, text, ts_ns)

    def _finish(self, order: PaperOrder, status: OrderStatus) -> None:
        order.status = status
        self.accounts[order.account].open.pop(order.cid, None)
        self.markets[order.instrument].remove(order)
        self.finished.append(order.cid)
        if len(self.finished) > self.config.kept_orders:
            self.orders.pop(self.finished.popleft(), None)
        self.note(order)

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
                places = (order in market.resting) + (order in market.armed) + (order in market.taking)
                if places != 1:
                    yield f"{order.cid} is in {places} places of its market"


def _open_order(order: PaperOrder) -> OpenOrder:
    return OpenOrder(
        cid=order.cid,
        instrument=order.instrument,
        side=order.side,
        kind=order.kind,
        price=order.price,
        trigger=order.trigger,
        qty=order.qty,
        filled=order.filled,
        reduce_only=order.reduce_only,
        venue_id=order.venue_id,
    )
