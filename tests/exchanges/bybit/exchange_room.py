"""The engine room of the local Bybit: what it does with orders, and what its streams tell of them.

    action ─▶ looked at ─▶ ack, or a retCode ─┐
                  └─▶ matched by our `PaperExchange` ─▶ `streams`: order, execution, position, wallet

An ack says that a request was taken, not that the order stands: a post-only order that would take is acked, and then
cancelled in the stream, as at the venue. Who may ask is decided in `gate`, questions are answered in `reading`.
"""

import re
from decimal import Decimal
from typing import Any

from domain.errors import Unrepresentable
from domain.events import Accepted, Amended, AmendRejected, Cancelled, Filled, FundingPaid, Rejected, VenueEvent
from domain.instrument import Instrument
from domain.market import Trade
from domain.order import Amend, ArmDeadMan, Cancel, Liquidity, OrderKind, Place
from domain.verdict import Reason
from tests.exchanges.bybit import records
from tests.exchanges.bybit.listing import CONTRACTS, USER
from tests.exchanges.bybit.records import MS, OPEN, Rec
from tests.exchanges.matching import MatchingRoom

MAX_BATCH = 10
SLIPPAGE = Decimal("0.05")
"""How far from the market a market order may trade."""
TIFS = {"GTC": OrderKind.LIMIT, "PostOnly": OrderKind.POST_ONLY, "IOC": OrderKind.IOC}
LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
SMP = {"None", "CancelMaker", "CancelTaker", "CancelBoth"}
DUPLICATE = 110072, "OrderLinkedID is duplicate"
GONE = 110001, "order not exists or too late to cancel"
TOO_LATE = 110001, "order not exists or too late to replace"
POOR = 110007, "ab not enough for new order"
EMPTY = 110017, "current position is zero, cannot fix reduce-only order qty"
SMALL = 110094, "Order does not meet minimum order value 5USDT"
UNCHANGED = 10001, "The order remains unchanged as the parameters entered match the existing ones."
CANCELS = {
    "asked": ("CancelByUser", "EC_PerCancelRequest"),
    "IOC rest": ("UNKNOWN", "EC_NoImmediateQtyToFill"),
    "dead man": ("CancelByDCP", "EC_PerCancelRequest"),
    "reduce-only": ("CancelByReduceOnly", "EC_PerCancelRequest"),
}


class Refused(Exception):
    """A retCode and its retMsg."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Room(MatchingRoom):
    """State and rules; `streams` collects (user, topic, data), and `prints` the public trades."""

    def __init__(self, cash: str) -> None:
        self.instruments: dict[str, Instrument] = {i.venue_symbol: i for i in CONTRACTS}
        super().__init__("BYBIT", CONTRACTS, {USER: Decimal(cash)})
        self.seen: list[tuple[str, str, dict[str, Any]]] = []
        """Actions that were looked at: the road that they came by, their name and their words."""
        self.recs: dict[str, Rec] = {}
        """By the matching's id: the client's own, or else the order's."""
        self.executions: list[tuple[str, dict[str, Any]]] = []
        self.streams: list[tuple[str, str, dict[str, Any]]] = []
        self.prints: list[Trade] = []
        self.leverage: dict[str, str] = {}
        self.margin_mode = "REGULAR_MARGIN"
        self.is_hedged = False
        self.late_rejection = ""
        """The next order is acked, and then rejected in the stream for this reason."""
        self.number = 1_000

    def next(self) -> int:
        self.number += 1
        return self.number

    def instrument(self, asked: dict[str, Any]) -> Instrument:
        """The contract that a request is about."""
        if asked.get("category") != "linear":
            raise Refused(10001, "params error: Category invalid")
        found = self.instruments.get(str(asked.get("symbol", "")))
        if found is None:
            raise Refused(10001, "params error: Symbol Is Invalid")
        return found

    # actions

    def act(self, user: str, name: str, asked: dict[str, Any], road: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Carry out one action; returns `result` and `retExtInfo`. Raises `Refused`."""
        self.seen.append((road, name, asked))
        kind, _, is_batch = name.partition("-")
        single = {"create": self._create, "amend": self._amend, "cancel": self._cancel}
        if name == "cancel-all":
            return self._cancel_all(user, asked), {}
        if not is_batch:
            return single[kind](user, asked), {}
        requests = asked.get("request") or []
        if not 0 < len(requests) <= MAX_BATCH:
            raise Refused(10001, f"params error: the number of orders must be between 1 and {MAX_BATCH}")
        results, codes = [], []
        for each in requests:
            item = {"category": asked.get("category"), **each}
            blank = {"category": item["category"], "symbol": each.get("symbol", ""), "orderId": "",
                     "orderLinkId": each.get("orderLinkId", "")}  # fmt: skip
            try:
                made = single[kind](user, item)
                stamp = {"createAt": str(self.now_ns() // MS)} if kind == "create" else {}
                results.append({**blank, **made, **stamp})
                codes.append({"code": 0, "msg": "OK"})
            except Refused as refused:
                results.append(blank | ({"createAt": ""} if kind == "create" else {}))
                codes.append({"code": refused.code, "msg": refused.text})
        return {"list": results}, {"list": codes}

    def _number(self, instrument: Instrument, asked: dict[str, Any], name: str, what: str) -> int:
        """A price or quantity of a request; numbers travel as text."""
        value = asked.get(name)
        if not isinstance(value, str):
            raise Refused(10001, f"params error: {what} invalid")
        try:
            number = instrument.qty(value) if name == "qty" else instrument.price(value)
        except (Unrepresentable, ArithmeticError):
            raise Refused(10001, f"params error: {what} invalid") from None
        if number <= 0:
            raise Refused(10001, f"params error: {what} invalid")
        return number

    def _place_of(self, user: str, cid: str, asked: dict[str, Any]) -> Place:
        i = self.instrument(asked)
        if asked.get("side") not in {"Buy", "Sell"}:
            raise Refused(10001, "params error: Side invalid")
        sign = 1 if asked["side"] == "Buy" else -1
        is_market = asked.get("orderType") == "Market"
        if not is_market and asked.get("orderType") != "Limit":
            raise Refused(10001, "params error: OrderType invalid")
        tif = asked.get("timeInForce", "IOC" if is_market else "GTC")
        if tif not in TIFS or (is_market and tif == "PostOnly"):
            raise Refused(10001, "params error: TimeInForce invalid")
        if asked.get("smpType", "None") not in SMP:
            raise Refused(10001, "params error: SmpType invalid")
        if asked.get("positionIdx", 0) not in ((1, 2) if self.is_hedged else (0,)):
            raise Refused(10001, "position idx not match position mode")
        qty = self._number(i, asked, "qty", "Qty")
        if qty > i.max_qty:
            raise Refused(10001, "The number of contracts exceeds maximum limit allowed")
        trigger, kind = 0, OrderKind.IOC if is_market else TIFS[tif]
        if asked.get("triggerPrice"):
            trigger = self._number(i, asked, "triggerPrice", "TriggerPrice")
            if asked.get("triggerDirection") not in {1, 2}:
                raise Refused(10001, "params error: TriggerDirection invalid")
            rises = asked["triggerDirection"] == 1
            kind = OrderKind.STOP if rises == (sign > 0) else OrderKind.TAKE_PROFIT
        price = 0 if is_market else self._number(i, asked, "price", "Price")
        if is_market and not trigger:
            touch = self.exchange.floor.markets[i.id].best(-sign)
            if not touch:
                raise Refused(110003, "Order price exceeds the allowable range.")
            price = int(touch * (1 + sign * SLIPPAGE)) // i.tick * i.tick
        return Place(
            cid=cid,
            account=user,
            instrument=i.id,
            side=sign,
            kind=kind,
            qty=qty,
            price=price,
            trigger=trigger,
            reduce_only=bool(asked.get("reduceOnly", False)),
        )

    def _create(self, user: str, asked: dict[str, Any]) -> dict[str, Any]:
        number = self.next()
        order_id, link_id = records.uid(number), str(asked.get("orderLinkId", ""))
        if link_id and not LINK_ID.fullmatch(link_id):
            raise Refused(10001, "params error: OrderLinkId invalid")
        if link_id and link_id in self.recs:
            raise Refused(*DUPLICATE)
        place = self._place_of(user, link_id or order_id, asked)
        now_ms = self.now_ns() // MS
        i = self.instrument(asked)
        rec = Rec(order_id, user, i, asked, place, place.price, place.qty, place.trigger, now_ms, now_ms)
        if place.trigger:
            rec.status = "Untriggered"
        self.recs[place.cid] = rec
        if self.late_rejection:
            rec.status, rec.reject, self.late_rejection = "Rejected", self.late_rejection, ""
            self.streams.append((user, "order", rec.order()))
            return {"orderId": order_id, "orderLinkId": link_id}
        refused = next((event for event in self._submit(place) if isinstance(event, Rejected)), None)
        if refused is not None and "post-only" in refused.text:
            rec.status, rec.reject = "Cancelled", "EC_PostOnlyWillTakeLiquidity"
            self.streams.append((user, "order", rec.order()))
        elif refused is not None:
            del self.recs[place.cid]
            raise Refused(*self._words(refused))
        return {"orderId": order_id, "orderLinkId": link_id}

    @staticmethod
    def _words(refused: Rejected) -> tuple[int, str]:
        if refused.reason is Reason.MIN_NOTIONAL:
            return SMALL
        if "insufficient margin" in refused.text:
            return POOR
        return EMPTY if "reduce-only" in refused.text else (10001, f"params error: {refused.text}")

    def found(self, user: str, asked: dict[str, Any]) -> Rec | None:
        """The order that a request names; `orderId` comes first."""
        order_id, link_id = asked.get("orderId"), asked.get("orderLinkId")
        if not order_id and not link_id:
            raise Refused(10001, "params error: OrderId and OrderLinkId can not be both empty")
        if not order_id:
            rec = self.recs.get(str(link_id))
            return rec if rec is not None and rec.user == user and rec.link_id == link_id else None
        return next((rec for rec in self.recs.values() if rec.user == user and rec.order_id == order_id), None)

    def _amend(self, user: str, asked: dict[str, Any]) -> dict[str, Any]:
        i = self.instrument(asked)
        rec = self.found(user, asked)
        if rec is None or rec.status not in OPEN:
            raise Refused(*TOO_LATE)
        new = {
            name: self._number(i, asked, name, name.capitalize())
            for name in ("price", "qty", "triggerPrice")
            if asked.get(name)
        }
        price, qty = new.get("price", rec.price), new.get("qty", rec.qty)
        trigger = new.get("triggerPrice", rec.trigger)
        if (price, qty, trigger) == (rec.price, rec.qty, rec.trigger):
            raise Refused(*UNCHANGED)
        amend = Amend(cid=rec.place.cid, account=user, instrument=i.id, price=price, qty=qty, trigger=trigger)
        refused = next((event for event in self._submit(amend) if isinstance(event, AmendRejected)), None)
        if refused is not None:
            raise Refused(*(POOR if "margin" in refused.text else (10001, f"params error: {refused.text}")))
        return {"orderId": rec.order_id, "orderLinkId": rec.link_id}

    def _cancel(self, user: str, asked: dict[str, Any]) -> dict[str, Any]:
        self.instrument(asked)
        rec = self.found(user, asked)
        if rec is None or rec.status not in OPEN:
            raise Refused(*GONE)
        self._submit(Cancel(cid=rec.place.cid, account=user, instrument=rec.instrument.id))
        return {"orderId": rec.order_id, "orderLinkId": rec.link_id}

    def _cancel_all(self, user: str, asked: dict[str, Any]) -> dict[str, Any]:
        symbol, coin = asked.get("symbol"), asked.get("settleCoin")
        if not symbol and not coin and not asked.get("baseCoin"):
            raise Refused(10001, "params error: symbol, settleCoin or baseCoin is required")
        hit = [
            rec
            for rec in self.recs.values()
            if rec.user == user and rec.status in OPEN and (not symbol or rec.instrument.venue_symbol == symbol)
        ]
        done = [self._cancel(user, {"category": "linear", "symbol": r.instrument.venue_symbol, "orderId": r.order_id})
                for r in hit]  # fmt: skip
        return {"list": done, "success": "1"}

    def arm(self, user: str, deadline_ns: int) -> None:
        """Cancel everything of the user then; 0 = never mind."""
        self._submit(ArmDeadMan(account=user, deadline_ns=deadline_ns))

    # what the matching says

    def digest(self, events: list[VenueEvent]) -> None:
        """Into words for the streams: every fill, and of every order and position how it is afterwards."""
        touched: dict[str, Rec] = {}
        moved: dict[tuple[str, str], None] = {}
        for event in events:
            if isinstance(event, FundingPaid):
                self._fund(event)
                moved[event.account, event.instrument] = None
                continue
            if isinstance(event, Filled):
                rec = self._fill(event)
                moved[event.account, event.instrument] = None
            else:
                known = self.recs.get(getattr(event, "cid", ""))
                if known is None or isinstance(event, Rejected | AmendRejected):
                    continue
                rec = known
                self._update(rec, event)
            rec.updated_ms = self.now_ns() // MS
            touched[rec.place.cid] = rec
        self.streams.extend((rec.user, "order", rec.order()) for rec in touched.values())
        for user, name in moved:
            instrument = self.exchange.floor.instruments[name]
            self.streams.append((user, "position", self.position(user, instrument, is_stream=True)))
        self.streams.extend((user, "wallet", self.wallet(user)) for user in dict.fromkeys(user for user, _ in moved))

    @staticmethod
    def _update(rec: Rec, event: VenueEvent) -> None:
        if isinstance(event, Cancelled):
            how = next((how for text, how in CANCELS.items() if event.text.startswith(text)), CANCELS["asked"])
            rec.cancel, rec.reject = how
            rec.status = "Deactivated" if rec.status == "Untriggered" else "Cancelled"
        elif isinstance(event, Amended):
            rec.price, rec.qty, rec.trigger = event.price, event.qty, event.trigger
        elif isinstance(event, Accepted) and not rec.trigger:
            rec.status = "New"

    def _fill(self, fill: Filled) -> Rec:
        instrument = self.exchange.floor.instruments[fill.instrument]
        rec = self.recs.get(fill.cid)
        number = self.next()
        if rec is None:  # the venue's own: a liquidation
            place = Place(cid=fill.cid, account=fill.account, instrument=fill.instrument, side=fill.side,
                          kind=OrderKind.IOC, qty=fill.qty, price=fill.price, reduce_only=True)  # fmt: skip
            asked = {"orderType": "Market"}
            rec = Rec(records.uid(number), fill.account, instrument, asked, place, fill.price, fill.qty, 0, 0, 0)
            self.recs[fill.cid] = rec
        rec.filled += fill.qty
        rec.value += instrument.notional(fill.price, fill.qty)
        rec.fee += fill.fee
        rec.status = "Filled" if rec.filled >= rec.qty else "PartiallyFilled"
        execution = rec.execution(fill, number)
        self.executions.append((rec.user, execution))
        self.streams.append((rec.user, "execution", execution))
        if fill.liquidity is Liquidity.TAKER:
            name = execution["execId"]
            self.prints.append(
                Trade(instrument=fill.instrument, price=fill.price, qty=fill.qty, side=fill.side, trade_id=name)
            )
        return rec

    def _fund(self, paid: FundingPaid) -> None:
        instrument = self.exchange.floor.instruments[paid.instrument]
        held = self.exchange.floor.accounts[paid.account].qty(paid.instrument)
        execution = records.funding(paid, instrument, held, self.next())
        self.executions.append((paid.account, execution))
        self.streams.append((paid.account, "execution", execution))

    def position(self, user: str, instrument: Instrument, *, is_stream: bool = False) -> dict[str, Any]:
        """What a user holds of a contract; the stream calls the average `entryPrice`."""
        now = self.now_ns()
        held = next((p for p in self.books(user).positions if p.instrument == instrument.id), None)
        mark = self.exchange.floor.mark(instrument.id)
        leverage = self.leverage.get(instrument.venue_symbol, "10")
        told = records.position(instrument, held, mark, leverage, self.number, now // MS)
        if is_stream:
            told = {"category": "linear", **told, "entryPrice": told["avgPrice"], "mmrSysUpdatedTime": ""}
            del told["avgPrice"]
        return told

    def wallet(self, user: str) -> dict[str, Any]:
        """A user's money."""
        books = self.books(user)
        return records.wallet(books.cash, self.equity(books))
