"""What dYdX's words about our orders mean to the engine.

    CheckTx    a node has looked at it: a refusal is the end; a short-term order is then in the book of that node
    indexer    OPEN, UNTRIGGERED: it rests · FILLED · CANCELED: it is over, with a reason · fills: only from here

`BEST_EFFORT_CANCELED` of a short-term order is one node's opinion: another may still match it until its goodTilBlock
has passed. So it is over for us when the chain is past that block, and what has filled by then has filled.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

from domain.errors import DataError, Unrepresentable
from domain.events import Accepted, Cancelled, CancelRejected, Filled, Rejected, VenueEvent
from domain.instrument import AccountId
from domain.order import BUY, SELL, ClientId, Liquidity, OrderKind, OrderStatus, Place
from domain.verdict import Reason
from exchanges.dydx.chain import SHORT_TERM, OrderKey
from exchanges.dydx.ids import IdMap
from exchanges.dydx.markets import Market
from exchanges.dydx.wire import WireFill, WireOrder, ns_of

KEPT = 20_000
"""Orders and fills that are remembered."""
GRACE_BLOCKS = 1
"""After its goodTilBlock, so that fills of that block are told before the end of the order."""
SIDES = {"BUY": BUY, "SELL": SELL}
ANY_PRICE_SLIP = 0.1
"""How far beyond its trigger a stop without a price may fill: the venue demands a price."""
RESTING = frozenset({"OPEN", "UNTRIGGERED", "BEST_EFFORT_OPENED"})
OPEN_STATUSES = "OPEN,UNTRIGGERED,BEST_EFFORT_OPENED"
POST_ONLY_WORDS = "POST_ONLY"
_CLOB = {
    4: Reason.BAD_NUMBER,
    6: Reason.BAD_NUMBER,
    10: Reason.EXPIRED,
    20: Reason.DUPLICATE,
    24: Reason.DUPLICATE,
    30: Reason.DUPLICATE,
    3003: Reason.EXPIRED,
    3005: Reason.DUPLICATE,
    5001: Reason.MESSAGE_RATE,
}
SEQUENCE = 32
"""The code of the chain's own module for a nonce that is too old."""


def reason_of(codespace: str, code: int) -> Reason:
    """The coded reason of a refusal by CheckTx."""
    if codespace == "sdk":
        return Reason.EXPIRED if code == SEQUENCE else Reason.VENUE
    return _CLOB.get(code, Reason.VENUE)


class Line(Struct, kw_only=True):
    """One order that we sent. `good_til` is its block when it is a short-term one.

    A stateful one that has not been taken by `valid_until_ns` never will be.
    """

    account: AccountId
    market: Market
    cid: ClientId
    key: OrderKey
    side: int
    kind: OrderKind
    qty: int
    good_til: int = 0
    valid_until_ns: int = 0
    filled: int = 0
    was_taken: bool = False
    was_heard: bool = True
    """Nothing of it can have been missed: the stream has held since it was sent."""
    is_over: bool = False


def any_price(market: Market, trigger: int, side: int) -> int:
    """The price that a stop or take-profit without one is given."""
    instrument = market.instrument
    return instrument.round_price(instrument.price_float(trigger) * (1 + ANY_PRICE_SLIP * side), side)


class Orders:
    """Translates; every event goes to `emit`. `markets` are the venue's, by number of the pair and by ticker.

    `settle` is told of a short-term order that is over, and of whose fills some may have been missed.
    """

    def __init__(
        self, ids: IdMap, emit: Callable[[VenueEvent], None], settle: Callable[[Line], None] = lambda _: None
    ) -> None:
        self._settle = settle
        self.markets: dict[str, Market] = {}
        self.ids = ids
        self._emit = emit
        self._lines: dict[ClientId, Line] = {}
        self._counted: dict[str, None] = {}
        self._strays: dict[ClientId, int] = {}
        """What has filled of orders that have no line."""
        self._short: dict[ClientId, Line] = {}
        """Short-term orders that are not over."""
        self._others: dict[AccountId, int] = {}
        """Open stateful orders that this run has not sent, by the read path."""
        self._expected: dict[ClientId, Line] = {}
        """Stateful orders that no block has brought yet."""

    def market(self, name: str) -> Market:
        """A market by its ticker or number. Raises `DataError` for one that is not there."""
        found = self.markets.get(name)
        if found is None:
            raise DataError(f"dYdX tells of {name!r:.40}, which is none of its active perpetuals")
        return found

    def line(self, cid: ClientId) -> Line | None:
        """The order, when it was sent by this run."""
        return self._lines.get(cid)

    def placed(self, place: Place, market: Market, key: OrderKey, good_til: int) -> Line:
        """An order that is about to be sent, good until a block or, not taken, until a time."""
        line = Line(
            account=place.account,
            market=market,
            cid=place.cid,
            key=key,
            side=place.side,
            kind=place.kind,
            qty=place.qty,
            good_til=good_til if key.flags == SHORT_TERM else 0,
            valid_until_ns=0 if key.flags == SHORT_TERM else good_til,
            filled=self._strays.pop(place.cid, 0),
        )
        self._lines[place.cid] = line
        (self._short if key.flags == SHORT_TERM else self._expected)[place.cid] = line
        if len(self._lines) > KEPT:
            del self._lines[next(iter(self._lines))]
        return line

    def open_count(self, account: AccountId) -> int:
        """How many stateful orders of an account are open, as far as is known."""
        mine = [line for line in self._lines.values() if line.account == account and line.key.flags]
        return self._others.get(account, 0) + sum(1 for line in mine if not line.is_over)

    # answers of the node

    def on_checked(self, line: Line) -> None:
        """CheckTx has passed. A stateful order is not there before its block is."""
        if line.key.flags == SHORT_TERM:
            self._take(line)

    def forget(self, line: Line) -> None:
        """It never left."""
        self._end(line)

    def on_refused(self, line: Line, reason: Reason, text: str) -> None:
        """It is not, and will not be, in any book."""
        self._end(line)
        self._emit(Rejected(cid=line.cid, reason=reason, text=text))

    def on_cancel_refused(self, cid: ClientId, text: str) -> None:
        """There was nothing to cancel."""
        self._emit(CancelRejected(cid=cid, text=text))

    def _take(self, line: Line) -> None:
        self._note_taken(line)
        self._emit(Accepted(cid=line.cid, venue_id=line.key.uuid))

    def _note_taken(self, line: Line) -> None:
        line.was_taken = True
        self._expected.pop(line.cid, None)

    def _end(self, line: Line) -> None:
        line.is_over = True
        self._short.pop(line.cid, None)
        self._expected.pop(line.cid, None)

    def only_open(self, account: AccountId, uuids: set[str]) -> None:
        """These are open by the read path: stateful orders that are not among them are over."""
        mine = [line for line in self._lines.values() if line.account == account and line.key.flags]
        self._others[account] = len(uuids - {line.key.uuid for line in mine})
        for line in mine:
            if line.was_taken and line.key.uuid not in uuids:
                line.is_over = True

    # the stream

    def on_order(self, order: WireOrder, ts_ns: int) -> None:
        """A word about one order. Raises `DataError`, `Unrepresentable` for nonsense."""
        cid = self.ids.owner(order.id, order.client_metadata)
        line = self._lines.get(cid)
        if order.status in RESTING:
            if line is None or not line.is_over:
                self._emit(Accepted(cid=cid, venue_id=order.id, venue_ts_ns=ts_ns))
            if line is not None:
                self._note_taken(line)
        elif order.status == "FILLED":
            if line is not None and not line.was_taken:
                self._take(line)
        elif order.status == "CANCELED" and (line is None or line.filled < line.qty):
            self._cancelled(cid, line, order, ts_ns)

    def _cancelled(self, cid: ClientId, line: Line | None, order: WireOrder, ts_ns: int) -> None:
        market = self.market(order.clob_pair_id)
        filled = market.instrument.qty(order.total_filled) if order.total_filled is not None else -1
        reason = order.removal_reason
        if line is not None:
            filled = max(filled, line.filled)
            self._end(line)
        if filled <= 0 and POST_ONLY_WORDS in reason:
            self._emit(Rejected(cid=cid, text=f"{reason}: a post-only order would have traded", venue_ts_ns=ts_ns))
        elif line is not None and not line.was_taken and filled <= 0 and reason and "USER" not in reason:
            self._emit(Rejected(cid=cid, text=reason, venue_ts_ns=ts_ns))
        else:
            self._emit(Cancelled(cid=cid, filled=filled, text=reason or "cancelled", venue_ts_ns=ts_ns))

    def on_height(self, height: int, time_ns: int) -> None:
        """The chain is past a block: short-term orders that were good until it are over."""
        for line in [line for line in self._short.values() if line.good_til + GRACE_BLOCKS < height]:
            self._end(line)
            if not line.was_heard:
                self._settle(line)
            elif line.was_taken and line.filled < line.qty:
                self.on_passed(line, line.filled, time_ns)
        for line in [line for line in self._expected.values() if line.valid_until_ns < time_ns]:
            self._end(line)

    def on_passed(self, line: Line, filled: int, time_ns: int) -> None:
        """A short-term order's block has passed, and so much of it has filled."""
        text = f"not filled by block {line.good_til}"
        self._emit(Cancelled(cid=line.cid, filled=max(filled, line.filled), text=text, venue_ts_ns=time_ns))

    def on_lost(self) -> None:
        """The stream is gone: what happens now is not heard."""
        for line in self._short.values():
            line.was_heard = False

    def may_still_come(self, cid: ClientId, height: int) -> bool:
        """Whether a short-term order that nobody knows may yet be matched."""
        line = self._short.get(cid)
        return line is not None and line.good_til >= height

    def fill(self, account: AccountId, fill: WireFill) -> Filled:
        """A fill as an event; it is counted for its order once. Raises `DataError` for nonsense."""
        market = self.market(fill.clob_pair_id or fill.ticker or fill.market)
        instrument, side = market.instrument, SIDES.get(fill.side)
        if side is None:
            raise DataError(f"{market.ticker}: a fill's side is {fill.side!r:.40}, expected BUY or SELL")
        try:
            price, qty, fee = instrument.price(fill.price), instrument.qty(fill.size), Decimal(fill.fee)
        except (ArithmeticError, Unrepresentable) as error:
            raise DataError(f"fill {fill.id} of {market.ticker} cannot be booked: {error}") from error
        metadata = fill.client_metadata or ""
        cid = self.ids.owner(fill.order_id, metadata) if fill.order_id else f"dydx-{fill.type.lower()}-{fill.id}"
        if fill.id not in self._counted:
            self._count(cid, fill.id, qty)
        return Filled(
            venue_ts_ns=ns_of(fill.created_at),
            account=account,
            instrument=instrument.id,
            cid=cid,
            fill_id=fill.id,
            side=side,
            price=price,
            qty=qty,
            fee=fee,
            liquidity=Liquidity.TAKER if fill.liquidity == "TAKER" else Liquidity.MAKER,
            liquidation=fill.type in {"LIQUIDATED", "DELEVERAGED", "OFFSETTING"},
        )

    def _count(self, cid: ClientId, fill_id: str, qty: int) -> None:
        self._counted[fill_id] = None
        if len(self._counted) > KEPT:
            del self._counted[next(iter(self._counted))]
        line = self._lines.get(cid)
        if line is None:
            self._strays[cid] = self._strays.get(cid, 0) + qty
            if len(self._strays) > KEPT:
                del self._strays[next(iter(self._strays))]
            return
        line.filled += qty
        if line.filled >= line.qty:
            self._end(line)

    def on_fill(self, account: AccountId, fill: WireFill, since_ns: int) -> None:
        """A fill of the stream."""
        event = self.fill(account, fill)
        line = self._lines.get(event.cid)
        if line is not None and not line.was_taken:
            self._take(line)
        if event.venue_ts_ns >= since_ns:
            self._emit(event)


def status_of(order: WireOrder, height: int) -> OrderStatus:
    """Where an order stands, by the indexer's words at this height of the chain."""
    if order.status in RESTING:
        return OrderStatus.OPEN
    if order.status == "FILLED":
        return OrderStatus.FILLED
    if order.status == "CANCELED":
        return OrderStatus.CANCELLED
    if order.status == "BEST_EFFORT_CANCELED":
        is_past = order.good_til_block is None or int(order.good_til_block) < height
        return OrderStatus.CANCELLED if is_past else OrderStatus.OPEN
    return OrderStatus.UNKNOWN


def kind_of(order: WireOrder) -> OrderKind:
    """How an order meets the book."""
    if order.trigger_price:
        return OrderKind.TAKE_PROFIT if order.type.startswith("TAKE_PROFIT") else OrderKind.STOP
    if order.post_only:
        return OrderKind.POST_ONLY
    return OrderKind.IOC if order.time_in_force == "IOC" else OrderKind.LIMIT
