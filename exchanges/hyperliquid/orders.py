"""Our orders at Hyperliquid: what we sent, and what the venue's words about them mean to the engine.

    place ──▶ Line ◀── answers to posts, orderUpdates, userFills, snapshots ──▶ venue events

The venue modifies by cancelling and replacing: the cloid stays, the oid changes (it always grows), and the new order
has a size of its own. To the engine it is one order, so its total is what its earlier oids have filled plus the size
of the present one, and the end of an earlier oid is not the end of the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from msgspec import Struct, field

from domain.errors import DataError, Unrepresentable
from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    Rejected,
    VenueEvent,
)
from domain.instrument import AccountId, Instrument
from domain.order import BUY, SELL, Amend, ClientId, Liquidity, OrderKind, OrderStatus, Place
from domain.verdict import Reason
from exchanges.hyperliquid.actions import OrderTerms, any_price, cid_of
from exchanges.hyperliquid.private import Status, WireFill, WireOrder, WireUpdate
from exchanges.hyperliquid.wire import MS

KEPT = 20_000
"""Orders and trade ids that are remembered."""
SIDES = {"B": BUY, "A": SELL}
NO_MATCH = "could not immediately match"
_REASONS = (
    ("minimum value", Reason.MIN_NOTIONAL),
    ("tick size", Reason.BAD_NUMBER),
    ("invalid price", Reason.BAD_NUMBER),
    ("invalid size", Reason.BAD_NUMBER),
    ("duplicate cloid", Reason.DUPLICATE),
    ("expired", Reason.EXPIRED),
    ("too many", Reason.MESSAGE_RATE),
    ("429", Reason.MESSAGE_RATE),
)


def reason_of(text: str) -> Reason:
    """The coded reason of the venue's words."""
    lower = text.lower()
    return next((reason for words, reason in _REASONS if words in lower), Reason.VENUE)


def status_of(word: str) -> OrderStatus:
    """Where an order stands, by the venue's many words. UNKNOWN for one that we have never met."""
    if word in {"open", "triggered", "accepted"}:
        return OrderStatus.OPEN
    if word == "filled":
        return OrderStatus.FILLED
    if word == "iocCancelRejected" or word.lower().endswith("canceled") or word == "scheduledCancel":
        return OrderStatus.CANCELLED
    return OrderStatus.REJECTED if word.lower().endswith("rejected") else OrderStatus.UNKNOWN


class Line(Struct, kw_only=True):
    """One order. `size` is the present oid's own; `filled` counts by oid.

    `amend` is in flight with the size `amend_size`; meanwhile the end of the present oid is kept in `held`.
    `ends_at` is the total at which an IOC order is over.
    """

    account: AccountId
    instrument: Instrument
    terms: OrderTerms
    size: int
    oid: int = 0
    filled: dict[int, int] = field(default_factory=dict)
    amend: Amend | None = None
    amend_size: int = 0
    amend_no: int = 0
    held: WireUpdate | None = None
    ends_at: int = 0

    @property
    def total_filled(self) -> int:
        """Of all oids."""
        return sum(self.filled.values())

    @property
    def earlier(self) -> int:
        """What oids before the present one have filled."""
        return sum(qty for oid, qty in self.filled.items() if oid != self.oid)

    @property
    def qty(self) -> int:
        """Total quantity of the order, as the engine counts it."""
        return self.earlier + self.size


class Orders:
    """Translates; every event goes to `emit`. `instruments` are those of the venue, by coin."""

    def __init__(self, instruments: dict[str, Instrument], emit: Callable[[VenueEvent], None]) -> None:
        self.instruments = instruments
        self._emit = emit
        self._lines: dict[ClientId, Line] = {}
        self._counted: dict[tuple[AccountId, int], None] = {}
        self._told: dict[tuple[AccountId, int], None] = {}
        """Trade ids: counted for their orders, and told by the stream (a snapshot that was read may yet fail)."""
        self._strays: dict[ClientId, dict[int, int]] = {}
        """Fills by oid of orders that have no line."""
        self.not_understood = 0
        """Statuses of a word that we do not know."""

    def line(self, cid: ClientId) -> Line | None:
        """The order, when it was sent or seen here."""
        return self._lines.get(cid)

    def placed(self, place: Place, instrument: Instrument) -> Line:
        """An order that is about to be sent."""
        terms = OrderTerms(
            cid=place.cid,
            side=place.side,
            kind=place.kind,
            price=place.price,
            qty=place.qty,
            trigger=place.trigger,
            reduce_only=place.reduce_only,
        )
        return self._keep(Line(account=place.account, instrument=instrument, terms=terms, size=place.qty))

    def seen(self, account: AccountId, instrument: Instrument, order: WireOrder) -> Line:
        """An open order as POST /info tells it."""
        cid = cid_of(order.cloid, order.oid)
        line = self._lines.get(cid)
        if line is None:
            terms = terms_of(cid, instrument, order)
            line = self._keep(Line(account=account, instrument=instrument, terms=terms, size=terms.qty))
        self._move_to(line, order)
        return line

    def _keep(self, line: Line) -> Line:
        cid = line.terms.cid
        line.filled.update(self._strays.pop(cid, {}))
        self._lines[cid] = line
        if len(self._lines) > KEPT:
            del self._lines[next(iter(self._lines))]
        return line

    def _move_to(self, line: Line, order: WireOrder) -> None:
        """The order now has this oid, unless we know a newer one."""
        if order.oid >= line.oid:
            line.oid = order.oid
            line.size = line.instrument.qty(order.orig_sz)
            line.terms.price = price_of(line.instrument, line.terms, order)

    # answers to posts

    def on_placed(self, cid: ClientId, status: str | Status) -> None:
        """The answer to one order of a batch."""
        if isinstance(status, str):
            self._emit(Accepted(cid=cid))
            return
        line = self._lines.get(cid)
        if status.error is not None:
            self.on_refused(cid, status.error)
        elif status.resting is not None:
            self._accept(cid, line, status.resting.oid)
        elif status.filled is not None:
            self._accept(cid, line, status.filled.oid)
            if line is not None and line.terms.kind is OrderKind.IOC:
                total = line.instrument.qty(status.filled.total_sz)
                line.ends_at = total if total < line.size else 0
                self._end_ioc(line, 0)

    def on_refused(self, cid: ClientId, text: str) -> None:
        """The venue has not taken an order. An IOC order that met nobody was taken, and is over."""
        if NO_MATCH in text:
            self._emit(Cancelled(cid=cid, filled=0, text=text))
        else:
            self._emit(Rejected(cid=cid, reason=reason_of(text), text=text))

    def _accept(self, cid: ClientId, line: Line | None, oid: int) -> None:
        if line is not None:
            line.oid = max(line.oid, oid)
        self._emit(Accepted(cid=cid, venue_id=str(oid)))

    def amending(self, line: Line, amend: Amend) -> int:
        """An amendment is about to be sent: the size of the order that replaces the present one."""
        line.amend = amend
        line.amend_size = amend.qty - line.total_filled
        return line.amend_size

    def on_amended(self, amend: Amend, size: int, status: str | Status) -> None:
        """The answer to one amendment of a batch, sent with `size`."""
        line = self._lines.get(amend.cid)
        if isinstance(status, Status) and status.error is not None:
            self.on_amend_refused(amend, status.error)
            return
        oid = 0
        if isinstance(status, Status):
            met = status.resting or status.filled
            oid = met.oid if met is not None else 0
        if line is None:
            return
        line.oid = max(line.oid, oid)
        line.size = size
        line.terms.price, line.terms.trigger = amend.price, amend.trigger or line.terms.trigger
        line.amend_no = amend.amend_no
        line.held = None
        if line.amend is amend:
            line.amend = None
        self._tell_amended(line)

    def on_amend_refused(self, amend: Amend, text: str) -> None:
        """An amendment did not happen."""
        self._emit(AmendRejected(cid=amend.cid, amend_no=amend.amend_no, text=text))
        self.release(amend)

    def release(self, amend: Amend) -> None:
        """Nothing more is expected of an amendment; the end that was held, if any, was the order's own."""
        line = self._lines.get(amend.cid)
        if line is None or line.amend is not amend:
            return
        line.amend = None
        held, line.held = line.held, None
        if held is not None and held.order.oid == line.oid:
            self.on_update(held)

    def forget_requests(self) -> None:
        """The connection is lost: what was held says nothing without the answers; a snapshot will tell."""
        for line in self._lines.values():
            line.amend = line.held = None

    def on_cancel_refused(self, cid: ClientId, text: str) -> None:
        """There was nothing to cancel."""
        self._emit(CancelRejected(cid=cid, text=text))

    def _tell_amended(self, line: Line) -> None:
        terms = line.terms
        self._emit(
            Amended(cid=terms.cid, price=terms.price, qty=line.qty, trigger=terms.trigger, amend_no=line.amend_no)
        )

    # streams

    def on_update(self, update: WireUpdate) -> None:
        """One of orderUpdates."""
        order, ts_ns = update.order, update.status_timestamp * MS
        cid = cid_of(order.cloid, order.oid)
        line = self._lines.get(cid)
        if line is not None and order.oid < line.oid:
            return
        status = status_of(update.status)
        if status is OrderStatus.OPEN:
            if line is not None:
                self._move_to(line, order)
            self._emit(Accepted(cid=cid, venue_id=str(order.oid), venue_ts_ns=ts_ns))
        elif status is OrderStatus.CANCELLED:
            if line is not None and line.amend is not None and order.oid == line.oid:
                line.held = update
                return
            filled = -1
            if line is not None:
                line.oid = order.oid
                filled = line.earlier + line.instrument.qty(order.orig_sz) - line.instrument.qty(order.sz)
            self._emit(Cancelled(cid=cid, filled=filled, text=update.status, venue_ts_ns=ts_ns))
        elif status is OrderStatus.REJECTED:
            if line is None or line.amend is None:
                self._emit(Rejected(cid=cid, text=update.status, venue_ts_ns=ts_ns))
        elif status is OrderStatus.UNKNOWN:
            self.not_understood += 1

    def fill(self, account: AccountId, address: str, fill: WireFill) -> Filled | None:
        """A fill as an event; None for what is not a perpetual. Raises `DataError` for nonsense."""
        instrument = self.instruments.get(fill.coin)
        if instrument is None:
            return None
        side = SIDES.get(fill.side)
        if side is None:
            raise DataError(f"{fill.coin}: a fill's side is {fill.side!r:.40}, expected A or B")
        try:
            price, qty, fee = instrument.price(fill.px), instrument.qty(fill.sz), Decimal(fill.fee)
        except (ArithmeticError, Unrepresentable) as error:
            raise DataError(f"fill {fill.tid} of {fill.coin} cannot be booked: {error}") from error
        liquidated = fill.liquidation.liquidated_user if fill.liquidation is not None else None
        cid = cid_of(fill.cloid, fill.oid)
        if is_first(self._counted, account, fill.tid):
            self._count(cid, fill, qty)
        return Filled(
            venue_ts_ns=fill.time * MS,
            account=account,
            instrument=instrument.id,
            cid=cid,
            fill_id=str(fill.tid),
            side=side,
            price=price,
            qty=qty,
            fee=fee,
            liquidity=Liquidity.TAKER if fill.crossed else Liquidity.MAKER,
            liquidation=liquidated is not None and liquidated.lower() == address,
        )

    def _count(self, cid: ClientId, fill: WireFill, qty: int) -> None:
        line = self._lines.get(cid)
        by_oid = line.filled if line is not None else self._strays.setdefault(cid, {})
        by_oid[fill.oid] = by_oid.get(fill.oid, 0) + qty
        if len(self._strays) > KEPT:
            del self._strays[next(iter(self._strays))]

    def on_fills(self, account: AccountId, address: str, fills: Iterable[WireFill], since_ns: int) -> None:
        """Fills of userFills, oldest first: each is told once, those before `since_ns` never."""
        for fill in sorted(fills, key=lambda fill: (fill.time, fill.tid)):
            event = self.fill(account, address, fill)
            if event is None or event.venue_ts_ns < since_ns or not is_first(self._told, account, fill.tid):
                continue
            self._emit(event)
            line = self._lines.get(event.cid)
            if line is None:
                continue
            if fill.oid > line.oid:
                line.oid, line.size = fill.oid, (line.amend_size if line.amend is not None else line.size)
            elif fill.oid < line.oid:
                self._tell_amended(line)
            self._end_ioc(line, event.venue_ts_ns)

    def _end_ioc(self, line: Line, ts_ns: int) -> None:
        """Its rest is cancelled; the engine hears so once the fills are there."""
        if line.ends_at and line.total_filled >= line.ends_at:
            event = Cancelled(cid=line.terms.cid, filled=line.ends_at, text="IOC rest", venue_ts_ns=ts_ns)
            line.ends_at = 0
            self._emit(event)


def is_first(known: dict[tuple[AccountId, int], None], account: AccountId, tid: int) -> bool:
    """Whether a trade id is new; it is known from now on, for a long while."""
    if (account, tid) in known:
        return False
    known[account, tid] = None
    if len(known) > KEPT:
        del known[next(iter(known))]
    return True


def terms_of(cid: ClientId, instrument: Instrument, order: WireOrder) -> OrderTerms:
    """An order's terms as POST /info tells them. Raises `DataError` for nonsense."""
    side = SIDES.get(order.side)
    if side is None:
        raise DataError(f"{order.coin}: an order's side is {order.side!r:.40}, expected A or B")
    trigger = instrument.price(order.trigger_px) if order.is_trigger else 0
    kind = OrderKind.POST_ONLY if order.tif == "Alo" else OrderKind.IOC if order.tif == "Ioc" else OrderKind.LIMIT
    if order.is_trigger:
        kind = OrderKind.STOP if order.order_type.startswith("Stop") else OrderKind.TAKE_PROFIT
    qty = instrument.qty(order.orig_sz)
    terms = OrderTerms(cid=cid, side=side, kind=kind, price=0, qty=qty, trigger=trigger, reduce_only=order.reduce_only)
    terms.price = price_of(instrument, terms, order)
    return terms


def price_of(instrument: Instrument, terms: OrderTerms, order: WireOrder) -> int:
    """An order's price; 0 (any) where it is the one that the wire form of a stop without a price has."""
    price = instrument.price(order.limit_px)
    return 0 if terms.trigger and price == any_price(instrument, terms.trigger, terms.side) else price
