"""The engine room of the local Phemex: orders, fills and positions of one USDT account, as its words on the wire.

Orders are matched by our `PaperExchange`. The answer to a request only says that it was taken ("Created",
"PendingCancel"); what became of it is told on aop_p, as the venue does it.
"""

import uuid
from decimal import Decimal
from typing import Any

from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    FundingPaid,
    Rejected,
    VenueEvent,
)
from domain.instrument import Instrument
from domain.order import Amend, Liquidity, OrderKind, Place
from tests.exchanges.matching import MatchingRoom
from tests.exchanges.phemex.asked import OURS, cancel_of, price_of, qty_of, words_of
from tests.exchanges.phemex.catalogue import LISTED
from tests.exchanges.phemex.wire import ACCOUNT_ID, BAD_INPUT, LIVE, USER_ID, WILL_CROSS, Rec, RefusedError

MS = 1_000_000
STOPS = {"Stop": OrderKind.STOP, "StopLimit": OrderKind.STOP}
TOUCHES = {"MarketIfTouched": OrderKind.TAKE_PROFIT, "LimitIfTouched": OrderKind.TAKE_PROFIT}
KINDS = {
    "GoodTillCancel": OrderKind.LIMIT,
    "PostOnly": OrderKind.POST_ONLY,
    "ImmediateOrCancel": OrderKind.IOC,
}


class Room(MatchingRoom):
    """State and rules; `told` collects what aop_p is to say: lists of orders, each one message."""

    def __init__(self, cash: str) -> None:
        self.instruments = LISTED
        super().__init__("PHEMEX", self.instruments, {OURS: Decimal(cash)})
        self.symbols = {i.venue_symbol: i for i in self.instruments}
        self.modes = dict.fromkeys(self.symbols, "OneWay")
        self.leverage = dict.fromkeys(self.symbols, "-10")
        self.recs: dict[str, Rec] = {}
        """By the paper exchange's id."""
        self.fills: list[dict[str, Any]] = []
        self.fundings: list[dict[str, Any]] = []
        self.told: list[list[dict[str, Any]]] = []
        self._ids = 0
        self._touched: dict[str, int] = {}
        """When a symbol's position last changed."""

    def _new_id(self) -> str:
        """Ids look random and are counted, so that a simulated day is the same every time."""
        self._ids += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(self._ids)))

    # requests

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        """POST /g-orders and PUT /g-orders/create."""
        i = self._check(asked)
        client_id = asked.get("clOrdID") or ""
        if len(client_id) > 40:
            raise RefusedError(BAD_INPUT)
        if client_id and client_id in self.recs:
            raise RefusedError("TE_CL_ORD_ID_DUPLICATE")
        place, wire = self._place(i, asked, client_id)
        rec = Rec(place.cid, client_id, i, place, wire, self.now_ns(), self._new_id())
        rec.qty, rec.price, rec.trigger, rec.changed_ns = place.qty, place.price, place.trigger, rec.made_ns
        self.recs[place.cid] = rec
        refused = next((event for event in self._submit(place) if isinstance(event, Rejected)), None)
        if refused is None:
            return rec.order("PendingNew", "Created")
        if place.kind is OrderKind.POST_ONLY and refused.text.startswith("post-only"):
            rec.status, rec.reject_code = "Rejected", WILL_CROSS
            self.told.append([rec.update("CreateRejected")])
            return rec.order("PendingNew", "Created")
        del self.recs[place.cid]
        raise RefusedError(words_of(refused))

    def _check(self, asked: dict[str, Any]) -> Instrument:
        i = self.symbols.get(asked.get("symbol", ""))
        if i is None:
            raise RefusedError("TE_SYMBOL_INVALID")
        if (asked.get("posSide") == "Merged") is not (self.modes[i.venue_symbol] == "OneWay"):
            raise RefusedError("TE_ERR_INCONSISTENT_POS_MODE")
        return i

    def _place(self, i: Instrument, asked: dict[str, Any], client_id: str) -> tuple[Place, dict[str, Any]]:
        side = {"Buy": 1, "Sell": -1}.get(asked.get("side", ""))
        if side is None:
            raise RefusedError("TE_SIDE_INVALID")
        kind_name = asked.get("ordType", "Limit")
        tif = asked.get("timeInForce", "ImmediateOrCancel" if kind_name == "Market" else "GoodTillCancel")
        if tif not in KINDS:
            raise RefusedError("TE_TIME_IN_FORCE_INVALID")
        trigger = price_of(i, asked.get("stopPxRp"))
        kind = (STOPS | TOUCHES).get(kind_name) if trigger else KINDS[tif]
        price = price_of(i, asked.get("priceRp"))
        if kind_name == "Market":
            kind, price = OrderKind.IOC, self._any_price(i, side)
        needs_price = kind_name in {"Limit", "StopLimit", "LimitIfTouched"}
        if kind is None or kind_name not in {"Limit", "Market", *STOPS, *TOUCHES} or (needs_price and not price):
            raise RefusedError("TE_ORD_TYPE_INVALID")
        if trigger:
            self._check_trigger(i, side, kind_name, trigger)
        wire = {"ordType": kind_name, "timeInForce": tif, "triggerType": asked.get("triggerType", "UNSPECIFIED")}
        place = Place(
            cid=client_id or f"room-{self._ids}",
            account=OURS,
            instrument=i.id,
            side=side,
            kind=kind,
            qty=qty_of(i, asked.get("orderQtyRq")),
            price=price if needs_price or kind_name == "Market" else 0,
            trigger=trigger,
            reduce_only=str(asked.get("reduceOnly", False)).lower() == "true",
        )
        return place, wire

    def _any_price(self, i: Instrument, side: int) -> int:
        """What a market order may pay: a tenth more than the best."""
        best = self.exchange.floor.markets[i.id].best(-side)
        return best + side * (best // 10)

    def _check_trigger(self, i: Instrument, side: int, kind_name: str, trigger: int) -> None:
        """A stop waits on the bad side of the price, a take-profit on the good one."""
        price = self.exchange.floor.mark(i.id)
        rises = (side > 0) is (kind_name in STOPS)
        if rises and price >= trigger:
            raise RefusedError("TE_RISING_TRIGGER_DIRECTLY")
        if not rises and price <= trigger:
            raise RefusedError("TE_FALLING_TRIGGER_DIRECTLY")

    def replace(self, asked: dict[str, Any]) -> dict[str, Any]:
        """PUT /g-orders/replace: by orderID or origClOrdID; clOrdID would be a new one."""
        i = self._check(asked)
        rec = self._named(i, asked.get("orderID"), asked.get("origClOrdID"))
        if rec is None or rec.status not in LIVE:
            raise RefusedError("OM_ORDER_NOT_FOUND" if rec is None else "TE_ORD_STATUS_CANNOT_REPLACE")
        amend = Amend(
            cid=rec.cid,
            account=OURS,
            instrument=i.id,
            price=price_of(i, asked["priceRp"]) if "priceRp" in asked else rec.price,
            qty=qty_of(i, asked["orderQtyRq"]) if "orderQtyRq" in asked else rec.qty,
            trigger=price_of(i, asked["stopPxRp"]) if "stopPxRp" in asked else rec.trigger,
        )
        if (amend.price, amend.qty, amend.trigger) == (rec.price, rec.qty, rec.trigger):
            raise RefusedError("TE_ORD_REPLACE_NOT_MODIFIED")
        before = rec.order("PendingReplace")
        refused = next((event for event in self._submit(amend) if isinstance(event, AmendRejected)), None)
        if refused is not None:
            raise RefusedError(words_of(Rejected(cid=rec.cid, text=refused.text)))
        return before

    def cancel(self, asked: dict[str, Any]) -> dict[str, Any]:
        """DELETE /g-orders/cancel, by orderID or clOrdID."""
        i = self._check(asked)
        rec = self._named(i, asked.get("orderID"), asked.get("clOrdID"))
        if rec is None or rec.status not in LIVE:
            raise RefusedError("OM_ORDER_NOT_FOUND")
        before = rec.order("PendingCancel")
        refused = any(isinstance(event, CancelRejected) for event in self._submit(cancel_of(rec)))
        if refused:
            raise RefusedError("OM_ORDER_NOT_FOUND")
        return before

    def cancel_some(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """DELETE /g-orders: what is not there is an entry with a bizError."""
        i = self._check(asked)
        ids = [part for part in asked.get("orderID", "").split(",") if part]
        clients = [part for part in asked.get("clOrdID", "").split(",") if part]
        answers = []
        for key, name in [*(("orderID", id_) for id_ in ids), *(("clOrdID", id_) for id_ in clients)]:
            try:
                answers.append(self.cancel({"symbol": i.venue_symbol, "posSide": asked["posSide"], key: name}))
            except RefusedError as error:
                answers.append({key: name, "bizError": error.body["code"]})
        return answers

    def cancel_all(self, asked: dict[str, Any]) -> int:
        """DELETE /g-orders/all: resting orders, or with `untriggered` the conditional ones."""
        waiting = asked.get("untriggered", asked.get("untriggerred", "false")) == "true"
        found = [
            rec
            for rec in self.recs.values()
            if rec.status in LIVE
            and (rec.status == "Untriggered") is waiting
            and asked.get("symbol", rec.instrument.venue_symbol) == rec.instrument.venue_symbol
        ]
        for rec in found:
            self._submit(cancel_of(rec))
        return len(found)

    def _named(self, i: Instrument, order_id: str | None, client_id: str | None) -> Rec | None:
        if not order_id and not client_id:
            raise RefusedError("TE_MISSING_ORDER_ID")
        rec = self.recs.get(client_id or "") or next((rec for rec in self.recs.values() if rec.id == order_id), None)
        return rec if rec is not None and rec.instrument is i else None

    # what the engine room says

    def digest(self, events: list[VenueEvent]) -> None:
        """Keep what has happened, and collect what the stream is to say of it."""
        for event in events:
            if isinstance(event, FundingPaid):
                self._fund(event)
                continue
            rec = self.recs.get(getattr(event, "cid", ""))
            if isinstance(event, Filled):
                self._fill(rec or self._liquidation(event), event)
                continue
            if rec is None:
                continue
            rec.changed_ns = self.now_ns()
            if isinstance(event, Accepted):
                rec.status = "Untriggered" if rec.trigger else "New"
                self.told.append([rec.update(rec.status)])
            elif isinstance(event, Cancelled):
                rec.status = "Deactivated" if rec.status == "Untriggered" else "Canceled"
                is_asked = event.text == "asked"
                self.told.append([rec.update("Canceled" if is_asked else "Expired", action="Cancel")])
            elif isinstance(event, Amended):
                rec.qty, rec.price, rec.trigger = event.qty, event.price, event.trigger
                self.told.append([rec.update("Replaced", action="Replace")])

    def _fill(self, rec: Rec, event: Filled) -> None:
        orders = []
        rec.changed_ns = event.venue_ts_ns
        if rec.status == "Untriggered":
            rec.status = "Triggered"
            orders.append(rec.update("Triggered"))
        self._touched[rec.instrument.venue_symbol] = event.venue_ts_ns
        fill = Filled(**{name: getattr(event, name) for name in event.__struct_fields__})
        fill.fill_id = self._new_id()
        rec.filled += fill.qty
        rec.value += rec.instrument.notional(fill.price, fill.qty)
        rec.fee += fill.fee
        rec.status = "Filled" if rec.filled >= rec.qty else "PartiallyFilled"
        self.fills.append(rec.trade(fill))
        is_maker = fill.liquidity is Liquidity.MAKER
        orders.append(rec.update("MakerFill" if is_maker else "TakerFill", fill))
        self.told.append(orders)

    def _liquidation(self, event: Filled) -> Rec:
        """The order with which the venue closes a position; it has no client id."""
        i = next(i for i in self.instruments if i.id == event.instrument)
        place = Place(
            cid=event.cid, account=OURS, instrument=i.id, side=event.side, kind=OrderKind.IOC, qty=event.qty,
            price=event.price, reduce_only=True,
        )  # fmt: skip
        wire = {"ordType": "Market", "timeInForce": "ImmediateOrCancel", "triggerType": "UNSPECIFIED"}
        rec = self.recs[event.cid] = Rec(event.cid, "", i, place, wire, self.now_ns(), self._new_id())
        rec.qty, rec.price = event.qty, event.price
        return rec

    def _fund(self, event: FundingPaid) -> None:
        i = next(i for i in self.instruments if i.id == event.instrument)
        self.fundings.append(
            {
                "symbol": i.venue_symbol,
                "currency": "USDT",
                "execQtyRq": "0",
                "side": "Buy",
                "execPriceRp": "0",
                "execValueRv": "0",
                "fundingRateRr": "0.0001",
                "feeRateRr": "0.0001",
                "execFeeRv": f"{-event.amount:f}",
                "createTime": event.venue_ts_ns // MS,
            }
        )
        self._touched[i.venue_symbol] = event.venue_ts_ns
        self.told.append([])

    def _paid(self, symbol: str) -> Decimal:
        rows = [row for row in self.fundings if row["symbol"] == symbol]
        return sum((Decimal(row["execFeeRv"]) for row in rows), Decimal(0))

    # questions

    def open_orders(self, symbol: str) -> list[dict[str, Any]]:
        """GET /g-orders/activeList; nothing open is an error there."""
        if symbol not in self.symbols:
            raise RefusedError("TE_SYMBOL_INVALID")
        open_ = [rec for rec in self.recs.values() if rec.status in LIVE and rec.instrument.venue_symbol == symbol]
        if not open_:
            raise RefusedError("OM_ORDER_NOT_FOUND")
        return [rec.order() for rec in open_]

    def orders_by_id(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """GET /api-data/g-futures/orders/by-order-id."""
        named = {asked.get("orderID"), asked.get("clOrdID")} - {None, ""}
        if not named:
            raise RefusedError("TE_MISSING_ORDER_ID")
        found = [rec for rec in self.recs.values() if {rec.id, rec.client_id} & named]
        return [rec.history() for rec in found if rec.instrument.venue_symbol == asked.get("symbol")]

    def account(self) -> dict[str, Any]:
        return {
            "userID": USER_ID,
            "accountId": ACCOUNT_ID,
            "currency": "USDT",
            "accountBalanceRv": f"{self.books(OURS).cash:f}",
            "totalUsedBalanceRv": "0",
            "bonusBalanceRv": "0",
        }

    def positions(self) -> list[dict[str, Any]]:
        """One entry for each symbol, flat ones too; in hedge mode two."""
        held = {p.instrument: p for p in self.books(OURS).positions}
        found = []
        for symbol, i in self.symbols.items():
            position = held.get(i.id)
            qty = position.qty if position is not None else 0
            value = position.entry_value if position is not None else Decimal(0)
            size = Decimal(i.qty_text(abs(qty)))
            entry = {
                "accountID": ACCOUNT_ID,
                "symbol": symbol,
                "currency": "USDT",
                "side": "Buy" if qty > 0 else "Sell" if qty < 0 else "None",
                "positionStatus": "Normal",
                "leverageRr": self.leverage[symbol],
                "initMarginReqRr": "0.1",
                "maintMarginReqRr": "0.005",
                "riskLimitRv": "2000000",
                "size": f"{size:f}",
                "valueRv": f"{abs(value):f}",
                "avgEntryPriceRp": f"{abs(value) / size:.9f}" if qty else "0",
                "markPriceRp": i.price_text(self.exchange.floor.mark(i.id)),
                "makerFeeRateRr": f"{i.maker_fee:f}",
                "takerFeeRateRr": f"{i.taker_fee:f}",
                "cumFundingFeeRv": f"{self._paid(symbol):f}",
                "term": 1,
                "transactTimeNs": self._touched.get(symbol, 0),
                "posMode": self.modes[symbol],
            }
            sides = ["Merged"] if self.modes[symbol] == "OneWay" else ["Long", "Short"]
            found += [{**entry, "posSide": side} for side in sides]
        return found
