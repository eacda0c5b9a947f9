"""Our orders at a venue: what we sent, and what the venue's words about them mean to the engine.

    place ──▶ Line ◀── answers, the account's stream, snapshots ──▶ venue events

Answers and the stream tell the same twice and in any order. What would be told twice is told once: an order's end, a
fill. What contradicts is not: a fill that comes after the end is told all the same.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    FundingPaid,
    OpenOrder,
    Rejected,
    VenueEvent,
)
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.order import Amend, ClientId, OrderKind, Place
from domain.verdict import Reason

KEPT = 20_000
"""Orders and fill ids that are remembered."""


class Line(Struct, kw_only=True):
    """One order as it is at the venue, as far as we know; `amend` is the last amendment that was sent.

    `revision` is for venues that can only replace an order: how often it was.
    """

    cid: ClientId
    instrument: Instrument
    side: int
    kind: OrderKind
    price: int
    qty: int
    trigger: int = 0
    reduce_only: bool = False
    venue_id: str = ""
    amend: Amend | None = None
    revision: int = 0
    is_accepted: bool = False
    has_ended: bool = False

    @property
    def is_trigger(self) -> bool:
        """It rests until its trigger is met: many venues keep such orders in a place of their own."""
        return self.kind is OrderKind.STOP or self.kind is OrderKind.TAKE_PROFIT


class Orders:
    """The orders of one account; every event goes to `emit`."""

    def __init__(self, account: AccountId, emit: Callable[[VenueEvent], None]) -> None:
        self.account = account
        self._emit = emit
        self._lines: dict[ClientId, Line] = {}
        self._by_venue_id: dict[tuple[InstrumentId, str], ClientId] = {}
        """The venue's ids are unique for an instrument only."""
        self._told: dict[str, None] = {}
        """Ids of fills and payments that the stream has told (a snapshot that was read may yet fail)."""

    def line(self, cid: ClientId) -> Line | None:
        """The order, when it was sent or seen here."""
        return self._lines.get(cid)

    def cid_of(self, instrument: InstrumentId, venue_id: str) -> ClientId:
        """Our id of what the venue calls by its own; empty when it was never seen here."""
        return self._by_venue_id.get((instrument, venue_id), "")

    def has_triggers(self, instrument: InstrumentId) -> bool:
        """Whether an order rests there until a price is met, as far as we know."""
        return any(
            line.is_trigger and not line.has_ended and line.instrument.id == instrument for line in self._lines.values()
        )

    def placed(self, place: Place, instrument: Instrument) -> Line:
        """An order that is about to be sent."""
        return self._keep(
            Line(
                cid=place.cid,
                instrument=instrument,
                side=place.side,
                kind=place.kind,
                price=place.price,
                qty=place.qty,
                trigger=place.trigger,
                reduce_only=place.reduce_only,
            )
        )

    def seen(self, order: OpenOrder, instrument: Instrument) -> Line:
        """An open order as the read path tells it."""
        line = self._lines.get(order.cid)
        if line is None:
            line = self._keep(
                Line(
                    cid=order.cid,
                    instrument=instrument,
                    side=order.side,
                    kind=order.kind,
                    price=order.price,
                    qty=order.qty,
                    trigger=order.trigger,
                    reduce_only=order.reduce_only,
                )
            )
        self.knows(order.cid, order.venue_id)
        return line

    def knows(self, cid: ClientId, venue_id: str) -> None:
        """The venue calls our order by this id (too: a triggered order gets another)."""
        line = self._lines.get(cid)
        if line is None or not venue_id:
            return
        line.venue_id = line.venue_id or venue_id
        self.remember(line.instrument.id, venue_id, cid)

    def remember(self, instrument: InstrumentId, venue_id: str, cid: ClientId) -> None:
        """As `knows`, also for orders that are not ours."""
        self._by_venue_id[instrument, venue_id] = cid
        if len(self._by_venue_id) > KEPT:
            del self._by_venue_id[next(iter(self._by_venue_id))]

    def _keep(self, line: Line) -> Line:
        self._lines[line.cid] = line
        for _ in range(2):  # one that is kept, one that goes
            if len(self._lines) > KEPT:
                oldest = self._lines.pop(next(iter(self._lines)))
                if not oldest.has_ended and len(self._lines) < 2 * KEPT:  # a stop rests while thousands of quotes pass
                    self._lines[oldest.cid] = oldest
        return line

    # what the venue says

    def accepted(self, cid: ClientId, venue_id: str, ts_ns: int = 0) -> None:
        """It works; said again it is told again, until the order has ended."""
        self.knows(cid, venue_id)
        line = self._lines.get(cid)
        if line is None or not (line.has_ended and line.is_accepted):
            self._emit(Accepted(cid=cid, venue_id=line.venue_id if line is not None else venue_id, venue_ts_ns=ts_ns))
        if line is not None:
            line.is_accepted = True

    def rejected(self, cid: ClientId, reason: Reason, text: str, ts_ns: int = 0) -> None:
        """The venue has not taken it."""
        if self._ends(cid):
            self._emit(Rejected(cid=cid, reason=reason, text=text, venue_ts_ns=ts_ns))

    def cancelled(self, cid: ClientId, filled: int, text: str, ts_ns: int = 0) -> None:
        """It is out of the market with `filled` in total (-1 = not known)."""
        if self._ends(cid):
            self._emit(Cancelled(cid=cid, filled=filled, text=text, venue_ts_ns=ts_ns))

    def completed(self, cid: ClientId) -> None:
        """It has filled whole: what is said of its end afterwards is not told."""
        self._ends(cid)

    def _ends(self, cid: ClientId) -> bool:
        line = self._lines.get(cid)
        if line is None:
            return True
        if line.has_ended:
            return False
        line.has_ended = True
        return True

    def cancel_refused(self, cid: ClientId, text: str) -> None:
        """There was nothing to cancel."""
        self._emit(CancelRejected(cid=cid, text=text))

    def amending(self, amend: Amend) -> None:
        """An amendment is about to be sent."""
        line = self._lines.get(amend.cid)
        if line is not None:
            line.amend = amend

    def amended(self, cid: ClientId, price: int, qty: int, trigger: int = 0, ts_ns: int = 0) -> None:
        """It has these terms now. Which amendment that was is known by what it asked for."""
        line, number = self._lines.get(cid), 0
        if line is not None:
            line.price, line.qty, line.trigger = price, qty, trigger or line.trigger
            trigger = line.trigger
            asked = line.amend
            if asked is not None and (asked.price, asked.qty) == (price, qty):
                number = asked.amend_no
        self._emit(Amended(cid=cid, price=price, qty=qty, trigger=trigger, amend_no=number, venue_ts_ns=ts_ns))

    def amend_refused(self, amend: Amend, text: str) -> None:
        """An amendment did not happen."""
        self._emit(AmendRejected(cid=amend.cid, amend_no=amend.amend_no, text=text))

    def filled(self, fill: Filled) -> None:
        """A fill of the stream; told once."""
        if self._is_first(f"fill {fill.instrument} {fill.fill_id}"):
            self._emit(fill)

    def funded(self, payment: FundingPaid) -> None:
        """A funding payment of the stream; told once."""
        if self._is_first(f"funding {payment.funding_id}"):
            self._emit(payment)

    def _is_first(self, key: str) -> bool:
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > KEPT:
            del self._told[next(iter(self._told))]
        return True
