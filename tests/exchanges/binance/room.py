"""The engine room of the local Binance: orders, conditional orders, accounts, as the API tells of them.

Orders are matched by our `PaperExchange`. `streams` collects what user data streams are to be told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.errors import Unrepresentable
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
from domain.order import Amend, Cancel, Liquidity, OrderKind, Place
from tests.exchanges.binance.venue_rules import API_KEY, MS, Refusal, instruments, words
from tests.exchanges.matching import MatchingRoom

CID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
KINDS = {"GTC": OrderKind.LIMIT, "GTX": OrderKind.POST_ONLY, "IOC": OrderKind.IOC}
ALGO_KINDS = {"STOP": OrderKind.STOP, "TAKE_PROFIT": OrderKind.TAKE_PROFIT}


@dataclass
class Rec:
    """One order; a conditional one has an `algo_id`, and an `oid` once it is triggered."""

    cid: str
    user: str
    instrument: Instrument
    params: dict[str, Any]
    place: Place
    oid: int
    made_ms: int
    price: int
    qty: int
    algo_id: int = 0
    filled: int = 0
    quote: int = 0
    status: str = "NEW"
    at_ms: int = 0

    @property
    def key(self) -> str:
        return f"{self.user} {self.cid}"

    def order(self) -> dict[str, Any]:
        """As the REST API has it."""
        i, place = self.instrument, self.place
        average = Decimal(self.quote) / self.filled / i.price_scale if self.filled else Decimal(0)
        kind = "LIMIT" if not self.algo_id else "MARKET" if not place.price else "LIMIT"
        return {
            "orderId": self.oid, "symbol": i.venue_symbol, "status": self.status, "clientOrderId": self.cid,
            "price": i.price_text(self.price), "avgPrice": f"{average:.5f}", "origQty": i.qty_text(self.qty),
            "executedQty": i.qty_text(self.filled), "cumQty": i.qty_text(self.filled), "cumQuote": "0",
            "timeInForce": self.params.get("timeInForce", "GTC"), "type": kind, "reduceOnly": place.reduce_only,
            "closePosition": False, "side": "BUY" if place.side > 0 else "SELL", "positionSide": "BOTH",
            "stopPrice": "0", "workingType": "CONTRACT_PRICE", "priceProtect": False, "origType": kind,
            "priceMatch": "NONE", "selfTradePreventionMode": self.params.get("selfTradePreventionMode", "NONE"),
            "goodTillDate": 0, "time": self.made_ms, "updateTime": self.at_ms,
        }  # fmt: skip

    def algo(self) -> dict[str, Any]:
        """As the service for conditional orders has it."""
        i, place = self.instrument, self.place
        status = self.status if self.status in {"NEW", "CANCELED"} else "FINISHED"
        return {
            "algoId": self.algo_id, "clientAlgoId": self.cid, "algoType": "CONDITIONAL",
            "orderType": self.params["type"], "symbol": i.venue_symbol, "side": "BUY" if place.side > 0 else "SELL",
            "positionSide": "BOTH", "timeInForce": self.params.get("timeInForce", "GTC"),
            "quantity": i.qty_text(self.qty), "algoStatus": status, "actualOrderId": str(self.oid or ""),
            "actualPrice": "0.00000", "triggerPrice": i.price_text(place.trigger), "price": i.price_text(self.price),
            "icebergQuantity": None, "selfTradePreventionMode": "EXPIRE_TAKER", "workingType": "CONTRACT_PRICE",
            "priceMatch": "NONE", "closePosition": False, "priceProtect": False, "reduceOnly": place.reduce_only,
            "createTime": self.made_ms, "updateTime": self.at_ms, "triggerTime": 0, "goodTillDate": 0,
        }  # fmt: skip


class Room(MatchingRoom):
    """State and rules of one venue with accounts by API key."""

    def __init__(self, cash: str = "100000", others: Mapping[str, str] | None = None) -> None:
        self.instruments = instruments()
        self.by_symbol = {instrument.venue_symbol: instrument for instrument in self.instruments}
        deposits = {key: Decimal(text) for key, text in {API_KEY: cash, **(others or {})}.items()}
        super().__init__("BINANCE", self.instruments, deposits)
        self.triggered_as = ""
        """Before the client id of what a conditional order becomes; empty = it keeps its own."""
        self.seen: list[dict[str, Any]] = []
        """Requests that act, with the road they came by."""
        self.recs: dict[str, Rec] = {}
        self.trades: list[dict[str, Any]] = []
        self.income: list[dict[str, Any]] = []
        self.streams: list[tuple[str, dict[str, Any]]] = []
        self.terms: dict[str, dict[str, Any]] = {}
        self.countdowns: dict[str, int] = {}
        self.account = {"canTrade": True, "dualSidePosition": False, "multiAssetsMargin": False}
        self.key = {"enableWithdrawals": False, "enableFutures": True}
        self.burns_bnb = False
        self._oid = 22_542_000
        self._algo = 2_146_000
        self._tid = 698_000

    @property
    def now_ms(self) -> int:
        return self.now_ns() // MS

    def instrument(self, params: dict[str, Any]) -> Instrument:
        found = self.by_symbol.get(params.get("symbol", ""))
        if found is None:
            raise Refusal(-1121, "Invalid symbol.")
        return found

    # orders

    def place(self, user: str, params: dict[str, Any]) -> dict[str, Any]:
        """POST order."""
        i = self.instrument(params)
        if params["type"] != "LIMIT":
            said = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            raise Refusal(-4120, said) if params["type"] != "MARKET" else Refusal(-1116, "Invalid orderType.")
        self._oid += 1
        place = self._terms(
            user, i, params, params.get("newClientOrderId", f"web_{self._oid}"), KINDS[params["timeInForce"]]
        )
        rec = Rec(place.cid, user, i, params, place, self._oid, self.now_ms, place.price, place.qty)
        return self._enter(rec).order()

    def place_algo(self, user: str, params: dict[str, Any]) -> dict[str, Any]:
        """POST algoOrder."""
        i = self.instrument(params)
        if params.get("algoType") != "CONDITIONAL":
            raise Refusal(-1102, "Mandatory parameter 'algotype' was not sent, was empty/null, or malformed.")
        self._algo += 1
        kind = ALGO_KINDS[params["type"].removesuffix("_MARKET")]
        place = self._terms(user, i, params, params.get("clientAlgoId", f"algo_{self._algo}"), kind)
        rec = Rec(place.cid, user, i, params, place, 0, self.now_ms, place.price, place.qty, algo_id=self._algo)
        return self._enter(rec).algo()

    def _terms(self, user: str, i: Instrument, params: dict[str, Any], cid: str, kind: OrderKind) -> Place:
        if not CID.fullmatch(cid):
            raise Refusal(-4015, "Client order id is not valid.")
        return Place(
            cid=f"{user} {cid}",
            account=user,
            instrument=i.id,
            side={"BUY": 1, "SELL": -1}[params["side"]],
            kind=kind,
            qty=number(i, params["quantity"], "quantity"),
            price=number(i, params.get("price", "0"), "price"),
            trigger=number(i, params.get("triggerPrice", "0"), "price"),
            reduce_only=str(params.get("reduceOnly")) == "true",
        )

    def _enter(self, rec: Rec) -> Rec:
        rec.cid = rec.place.cid.partition(" ")[2]
        rec.at_ms = rec.made_ms
        old = self.recs.get(rec.key)
        self.recs[rec.key] = rec if old is None or old.status not in {"NEW", "PARTIALLY_FILLED"} else old
        if self.recs[rec.key] is old:
            raise Refusal(-4116, "ClientOrderId is duplicated.")
        refused = next((e for e in self._submit(rec.place) if isinstance(e, Rejected)), None)
        if refused is not None:
            del self.recs[rec.key]
            raise words(refused, rec.instrument)
        return rec

    def of(self, user: str, params: dict[str, Any]) -> list[Rec]:
        """A user's orders, of one symbol if it is named."""
        symbol = params.get("symbol", "")
        return [r for r in self.recs.values() if r.user == user and symbol in {"", r.instrument.venue_symbol}]

    def find(self, user: str, params: dict[str, Any], code: int) -> Rec:
        oid, cid = str(params.get("orderId", "")), params.get("origClientOrderId", "")
        symbol = self.instrument(params).venue_symbol
        for rec in reversed(self.recs.values()):
            mine = rec.user == user and rec.instrument.venue_symbol == symbol and (rec.oid or not rec.algo_id)
            if mine and (str(rec.oid) == oid or (cid and not rec.algo_id and rec.cid == cid)):
                return rec
        raise Refusal(code, "Order does not exist." if code == -2013 else "Unknown order sent.")

    def find_algo(self, user: str, params: dict[str, Any], code: int) -> Rec:
        wanted = {str(params.get("algoId", "")), params.get("clientAlgoId", "")} - {""}
        for rec in reversed(self.recs.values()):
            if rec.user == user and rec.algo_id and wanted & {str(rec.algo_id), rec.cid}:
                return rec
        raise Refusal(code, "Order does not exist." if code == -2013 else "Unknown order sent.")

    def amend(self, user: str, params: dict[str, Any]) -> dict[str, Any]:
        """PUT order."""
        rec = self.find(user, params, -2013)
        price, qty = number(rec.instrument, params["price"], "price"), number(rec.instrument, params["quantity"], "qty")
        if rec.status not in {"NEW", "PARTIALLY_FILLED"}:
            raise Refusal(-2013, "Order does not exist.")
        if (price, qty) == (rec.price, rec.qty):
            raise Refusal(-5027, "No need to modify the order.")
        amend = Amend(cid=rec.key, account=user, instrument=rec.instrument.id, price=price, qty=qty)
        if any(isinstance(event, AmendRejected) for event in self._submit(amend)):
            raise Refusal(-2013, "Order does not exist.")
        return rec.order()

    def cancel(self, user: str, rec: Rec) -> Rec:
        cancel = Cancel(cid=rec.key, account=user, instrument=rec.instrument.id)
        if any(isinstance(event, CancelRejected) for event in self._submit(cancel)):
            raise Refusal(-2011, "Unknown order sent.")
        return rec

    def expire_countdowns(self) -> None:
        now_ms = self.now_ms
        for key, due_ms in list(self.countdowns.items()):
            if due_ms <= now_ms:
                del self.countdowns[key]
                user, symbol = key.split()
                for rec in list(self.recs.values()):
                    if rec.user == user and rec.instrument.venue_symbol == symbol and not rec.algo_id:
                        self._submit(Cancel(cid=rec.key, account=user, instrument=rec.instrument.id))

    # what the engine room says

    def digest(self, events: list[VenueEvent]) -> None:
        for event in events:
            if isinstance(event, FundingPaid):
                self._fund(event)
                continue
            rec = self.recs.get(getattr(event, "cid", ""))
            if rec is None:
                continue
            rec.at_ms = self.now_ms
            if isinstance(event, Accepted):
                if rec.algo_id:
                    self._tell_algo(rec, "NEW")
                else:
                    self._tell(rec, "NEW")
            elif isinstance(event, Filled):
                self._fill(rec, event)
            elif isinstance(event, Cancelled):
                self._end(rec)
            elif isinstance(event, Amended):
                rec.price, rec.qty = event.price, event.qty
                self._tell(rec, "AMENDMENT")

    def _end(self, rec: Rec) -> None:
        is_ioc = rec.place.kind is OrderKind.IOC
        rec.status = "EXPIRED" if is_ioc else "CANCELED"
        if rec.algo_id and not rec.oid:
            self._tell_algo(rec, "CANCELED")
        else:
            self._tell(rec, rec.status, er="2" if is_ioc else "0")

    def _fill(self, rec: Rec, event: Filled) -> None:
        if rec.algo_id and not rec.oid:
            self._oid += 1
            rec.oid = self._oid
            if not self.triggered_as:
                self._tell_algo(rec, "TRIGGERED")
            self._tell(rec, "NEW")
        self._tid += 1
        i = rec.instrument
        rec.filled += event.qty
        rec.quote += event.qty * event.price
        rec.status = "FILLED" if rec.filled == rec.qty else "PARTIALLY_FILLED"
        is_maker = event.liquidity is Liquidity.MAKER
        price, qty, fee = i.price_text(event.price), i.qty_text(event.qty), f"{event.fee:f}"
        self.trades.append({
            "user": rec.user, "symbol": i.venue_symbol, "id": self._tid, "orderId": rec.oid, "price": price, "qty": qty,
            "side": "BUY" if event.side > 0 else "SELL", "realizedPnl": "0", "quoteQty": "0", "commission": fee,
            "commissionAsset": "USDT", "time": event.venue_ts_ns // MS, "positionSide": "BOTH",
            "buyer": event.side > 0, "maker": is_maker,
        })  # fmt: skip
        told = {"l": qty, "L": price, "n": fee, "N": "USDT", "t": self._tid, "m": is_maker}
        self._tell(rec, "TRADE", event.venue_ts_ns // MS, **told)
        if rec.algo_id and self.triggered_as:
            self._tell_algo(rec, "TRIGGERED")
        if rec.algo_id and rec.status == "FILLED":
            self._tell_algo(rec, "FINISHED")
        self._tell_account(rec.user, "ORDER", event.venue_ts_ns // MS)

    def _tell(self, rec: Rec, execution: str, at_ms: int = 0, **more: Any) -> None:
        i, order, at_ms = rec.instrument, rec.order(), at_ms or rec.at_ms
        cid = f"{self.triggered_as}{rec.oid}" if rec.algo_id and self.triggered_as else rec.cid
        told = {
            "s": i.venue_symbol, "c": cid, "S": order["side"], "o": order["type"], "f": order["timeInForce"],
            "q": order["origQty"], "p": order["price"], "ap": order["avgPrice"], "sp": "0", "x": execution,
            "X": rec.status, "i": rec.oid, "l": "0", "z": order["executedQty"], "L": "0", "n": "0", "N": "USDT",
            "T": at_ms, "t": 0, "b": "0", "a": "0", "m": False, "R": rec.place.reduce_only, "wt": "CONTRACT_PRICE",
            "ot": order["origType"], "ps": "BOTH", "cp": False, "rp": "0", "pP": False, "si": 0, "ss": 0,
            "V": order["selfTradePreventionMode"], "pm": "NONE", "gtd": 0, "er": "0",
        }  # fmt: skip
        message = {"e": "ORDER_TRADE_UPDATE", "T": at_ms, "E": at_ms, "o": told | more}
        self.streams.append((rec.user, message))

    def _tell_algo(self, rec: Rec, status: str) -> None:
        algo = rec.algo()
        told = {
            "caid": rec.cid, "aid": rec.algo_id, "at": "CONDITIONAL", "o": algo["orderType"], "s": algo["symbol"],
            "S": algo["side"], "ps": "BOTH", "f": algo["timeInForce"], "q": algo["quantity"], "X": status,
            "ai": algo["actualOrderId"], "ap": "0.00000", "aq": "0.00000", "act": "0", "tp": algo["triggerPrice"],
            "p": algo["price"], "V": "EXPIRE_TAKER", "wt": "CONTRACT_PRICE", "pm": "NONE", "cp": False, "pP": False,
            "R": rec.place.reduce_only, "tt": 0, "gtd": 0, "rm": "",
        }  # fmt: skip
        self.streams.append((rec.user, {"e": "ALGO_UPDATE", "T": rec.at_ms, "E": rec.at_ms, "o": told}))

    def _tell_account(self, user: str, reason: str, at_ms: int) -> None:
        wallet = f"{self.books(user).cash:f}"
        balances = [{"a": "USDT", "wb": wallet, "cw": wallet, "bc": "0"}]
        positions = [
            {"s": each["symbol"], "pa": each["positionAmt"], "ep": each["entryPrice"], "cr": "0", "up": "0",
             "mt": "cross", "iw": "0", "ps": "BOTH", "bep": "0"}
            for each in self.positions(user)
        ]  # fmt: skip
        told = {"m": reason, "B": balances, "P": positions if reason == "ORDER" else []}
        self.streams.append((user, {"e": "ACCOUNT_UPDATE", "T": at_ms, "E": at_ms, "a": told}))

    def _fund(self, event: FundingPaid) -> None:
        i = next(i for i in self.instruments if i.id == event.instrument)
        at_ms = event.venue_ts_ns // MS
        self.income.append({
            "user": event.account, "symbol": i.venue_symbol, "incomeType": "FUNDING_FEE",
            "income": f"{event.amount:f}", "asset": "USDT", "time": at_ms, "info": "FUNDING_FEE",
            "tranId": 9_689_322_000 + len(self.income), "tradeId": "",
        })  # fmt: skip
        self._tell_account(event.account, "FUNDING_FEE", at_ms)

    def positions(self, user: str) -> list[dict[str, Any]]:
        """GET v3/positionRisk: only what is held."""
        now, floor, found = self.now_ns(), self.exchange.floor, []
        for held in self.books(user).positions:
            i = floor.instruments[held.instrument]
            value = i.notional(floor.mark(held.instrument), held.qty)
            found.append({
                "symbol": i.venue_symbol, "positionSide": "BOTH", "positionAmt": i.qty_text(held.qty),
                "entryPrice": f"{held.entry_value / Decimal(i.qty_text(held.qty)):.8f}", "breakEvenPrice": "0.0",
                "markPrice": i.price_text(floor.mark(held.instrument)),
                "unRealizedProfit": f"{value - held.entry_value:.8f}", "liquidationPrice": "0",
                "notional": f"{value:.8f}", "marginAsset": "USDT", "updateTime": now // MS,
            })  # fmt: skip
        return found


def number(i: Instrument, text: str, what: str) -> int:
    """A price or quantity, or the venue's refusal of it."""
    try:
        return i.qty(text) if what.startswith("q") else i.price(text)
    except (Unrepresentable, ArithmeticError):
        if what.startswith("q"):
            raise Refusal(-1111, "Precision is over the maximum defined for this asset.") from None
        raise Refusal(-4014, "Price not increased by tick size.") from None
